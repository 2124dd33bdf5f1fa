"""Optical flow: pairs a second and error, openmov's TV-L1 beside OpenCV's TV-L1, DIS and Farneback and scikit-image's.

    python benchmarks/flow.py [--quick] [--media FOLDER] [--json FILE]

Two kinds of pairs: *known* ones, a textured picture and the same shifted, turned, zoomed or with a moving disc, at
three sizes; and, where a folder of clips is given, *real* ones, pictures and their successors at short side 256.
Every pair goes through every method in turn, several times over, and the least time of each counts: processor time of
the one thread each has, which other work on the machine hardly changes. The line of two threads has the gain by the
clock, beside that of a loop of arithmetic alone, which is all the machine has to give. PyTorch gets the pairs of one
size together, on the accelerator it finds or else on one thread of the processor. Where pairs move fast, OpenCV's flow
of the same pair with noise of 1e-5 grey values added differs from its own as much as openmov's does (0.01 to 0.3 px on
average): that much of the agreement is chance.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numba
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from openmov.media.decode import probe, read_frame_pairs
from openmov.modalities.flow import encode_flow
from openmov.tvl1.flow import grey, tvl1
from openmov.tvl1.on_device import best_device, tvl1_batch

try:
    from skimage.registration import optical_flow_tvl1
except ImportError:
    optical_flow_tvl1 = None

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
OURS, OURS_TWICE, OPENCV = "openmov TV-L1", "openmov TV-L1, 2 threads", "OpenCV TV-L1"
OURS_TORCH = f"openmov TV-L1, torch ({best_device().type})"
SLOW = (OPENCV, "scikit-image TV-L1")
SIZES = ((64, 64), (128, 128), (256, 341))


@dataclass(frozen=True)
class Pair:
    """Two grey pictures; what leaves the picture has nan for displacement."""

    name: str
    first: np.ndarray
    second: np.ndarray
    truth: np.ndarray | None = None


@dataclass
class Score:
    """What one method did with the pairs of one set."""

    seconds: list[float] = field(default_factory=list)
    errors_px: list[float] = field(default_factory=list)
    differences_px: list[float] = field(default_factory=list)
    photometric: list[float] = field(default_factory=list)
    flows: list[np.ndarray] = field(default_factory=list)

    def pairs_per_second(self) -> float:
        return len(self.seconds) / sum(self.seconds)


def opencv_tvl1(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return cv2.optflow.DualTVL1OpticalFlow_create().calc(first, second, None)


def dis(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(first, second, None)


def farneback(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 3, 15, 3, 5, 1.2, 0)


def skimage_tvl1(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    down, right = optical_flow_tvl1(first / np.float32(255), second / np.float32(255))
    return np.stack([right, down], axis=-1)


def methods() -> dict[str, Method]:
    found = {OPENCV: opencv_tvl1, OURS: tvl1, "DIS (OpenCV, medium)": dis, "Farneback (OpenCV)": farneback}
    if optical_flow_tvl1 is not None:
        found["scikit-image TV-L1"] = skimage_tvl1
    return found


def texture(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """A sum of waves of 5 to 80 pixels, coarse ones stronger, at any real coordinates."""
    rng = np.random.default_rng(seed)
    image, power = np.zeros(x.shape), 0.0
    for _ in range(60):
        angle, phase = rng.uniform(0, 2 * np.pi, 2)
        length = np.exp(rng.uniform(np.log(5), np.log(80)))
        image += length**0.7 * np.sin(2 * np.pi / length * (np.cos(angle) * x + np.sin(angle) * y) + phase)
        power += length**1.4 / 2
    return np.clip(128 + 45 * image / np.sqrt(power), 0, 255)


def photograph(clip: np.ndarray) -> Callable[[np.ndarray, np.ndarray, int], np.ndarray]:
    """A real picture in the place of `texture`, read with cubic interpolation, mirrored at its edges."""

    def read(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
        places = [c.astype(np.float32) for c in (x + clip.shape[1] / 2, y + clip.shape[0] / 2)]
        back = cv2.remap(clip.astype(np.float32), *places, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        return np.clip(back, 0, 255)

    return read


def turned(degrees: float, zoom: float = 1.0) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def known_pairs(size: tuple[int, int], paint: Callable[..., np.ndarray] = texture, seed: int = 1) -> list[Pair]:
    """Motions in proportion to the picture: at short side 256, shifts of 2, 8 and 20 pixels and the like."""
    height, width = size
    scale = min(size) / 256
    moves = {
        "shift of 2": (turned(0), (2.0, -0.7)),
        "shift of 8": (turned(0), (-8.0, 3.0)),
        "shift of 20": (turned(0), (18.0, 8.0)),
        "rotation": (turned(3), (0.0, 0.0)),
        "zoom": (turned(0, 1.05), (0.0, 0.0)),
    }
    y, x = np.mgrid[:height, :width].astype(float)
    place = np.stack([x - (width - 1) / 2, y - (height - 1) / 2], axis=-1)
    first, pairs = byte(paint(place[..., 0], place[..., 1], seed)), []
    for name, (matrix, shift) in moves.items():
        offset = scale * np.array(shift)
        origin, goal = (place - offset) @ np.linalg.inv(matrix).T, place @ matrix.T + offset
        stays = (np.abs(goal) <= (np.array([width, height]) - 1) / 2).all(axis=-1, keepdims=True)
        second = byte(paint(origin[..., 0], origin[..., 1], seed))
        pairs.append(Pair(name, first, second, np.where(stays, goal - place, np.nan)))
    return [*pairs, disc_pair(place, scale, paint, seed)]


def disc_pair(place: np.ndarray, scale: float, paint: Callable[..., np.ndarray], seed: int) -> Pair:
    """A textured disc over a still background; what it covers has no displacement."""
    x, y = place[..., 0], place[..., 1]
    dx, dy = 6 * scale, -4 * scale
    inside, later = np.hypot(x, y) < 70 * scale, np.hypot(x - dx, y - dy) < 70 * scale
    still = paint(x, y, seed)
    first = np.where(inside, texture(x, y, seed + 1), still)
    second = np.where(later, texture(x - dx, y - dy, seed + 1), still)
    truth = np.where(inside[..., None], (dx, dy), np.where(later[..., None], np.nan, 0.0))
    return Pair("moving disc", byte(first), byte(second), truth)


def byte(image: np.ndarray) -> np.ndarray:
    return image.round().astype(np.uint8)


def real_pairs(folder: Path, gaps_seconds: Sequence[float]) -> list[Pair]:
    """For every clip, pictures and their successors at least so far away, at short side 256."""
    pairs = []
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".mp4", ".avi", ".mkv", ".webm")):
        video = probe(path).video
        if video is None:
            continue
        middle = (video.start_seconds + video.end_seconds) / 2
        for gap in gaps_seconds:
            found = read_frame_pairs(path, [middle], min_gap_seconds=gap)
            first, second = (resized(grey(frames.images[0])) for frames in (found.first, found.second))
            pairs.append(Pair(f"{path.name}, {gap} s", first, second))
    return pairs


def resized(picture: np.ndarray, short_side: int = 256) -> np.ndarray:
    scale = short_side / min(picture.shape)
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def photometric_error(pair: Pair, flow: np.ndarray) -> float:
    """Mean absolute difference of the first picture and the second warped back, in grey values."""
    y, x = np.mgrid[: pair.first.shape[0], : pair.first.shape[1]]
    places = [c.astype(np.float32) for c in (x + flow[..., 0], y + flow[..., 1])]
    back = cv2.remap(pair.second.astype(np.float32), *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return float(np.abs(back - pair.first).mean())


def mean_distance(flow: np.ndarray, other: np.ndarray) -> float:
    return float(np.nanmean(np.linalg.norm(flow - other, axis=-1)))


def measure(pairs: list[Pair], rounds: int, slow_rounds: int) -> dict[str, Score]:
    """Every pair through every method in turn; OpenCV's answer is what `differences_px` counts from."""
    scores = {name: Score() for name in methods()}
    for pair in pairs:
        least, flows = dict.fromkeys(scores, np.inf), {}
        for turn in range(rounds):
            for name, method in methods().items():
                if turn < (slow_rounds if name in SLOW else rounds):
                    start = time.thread_time()
                    flows[name] = method(pair.first, pair.second)
                    least[name] = min(least[name], time.thread_time() - start)
        for name, score in scores.items():
            score.seconds.append(float(least[name]))
            score.flows.append(flows[name])
            add_errors(score, pair, flows[name], flows[OPENCV])
    return scores


def in_torch(pairs: list[Pair], opencv: list[np.ndarray], compiled: list[np.ndarray]) -> tuple[Score, str]:
    """All pairs of one size together, once; and how far the answers are from the compiled loops'."""
    score, apart, codes = Score(), [], []
    for shape in dict.fromkeys(pair.first.shape for pair in pairs):
        rows = [k for k, pair in enumerate(pairs) if pair.first.shape == shape]
        first, second = (np.stack([getattr(pairs[k], name) for k in rows]) for name in ("first", "second"))
        clock = time.thread_time if best_device().type == "cpu" else time.perf_counter
        start = clock()
        flows = tvl1_batch(first, second, device=best_device())
        score.seconds += [(clock() - start) / len(rows)] * len(rows)
        for k, flow in zip(rows, flows, strict=True):
            add_errors(score, pairs[k], flow, opencv[k])
            apart.append(mean_distance(flow, compiled[k]))
            codes.append(np.mean(encode_flow(flow[None], 20.0) != encode_flow(compiled[k][None], 20.0)))
    return score, (
        f"torch: {np.median(apart):.5f} px from the compiled loops in the middle pair, {np.max(apart):.4f} in the "
        f"worst; {np.median(codes):.2%} and {np.max(codes):.2%} of the stored codes differ"
    )


def add_errors(score: Score, pair: Pair, flow: np.ndarray, opencv: np.ndarray) -> None:
    score.photometric.append(photometric_error(pair, flow))
    score.differences_px.append(mean_distance(flow, opencv))
    if pair.truth is not None:
        score.errors_px.append(mean_distance(flow, pair.truth))


@numba.njit(nogil=True)
def arithmetic(rounds: int) -> float:
    """A loop that touches no memory."""
    x = 0.5
    for _ in range(rounds):
        x = 3.7 * x * (1.0 - x)
    return x


def gain_of_two_threads(job: Callable[[object], object], inputs: Sequence[object], rounds: int) -> tuple[float, float]:
    """How much sooner two threads are done than one, by turns, least times: by the clock, and by processor time.

    By processor time is what the clock would say were both cores free: twice the time a job takes alone, over what it
    takes beside another.
    """

    def processor_seconds(value: object) -> float:
        start = time.thread_time()
        job(value)
        return time.thread_time() - start

    clock, processor = [], []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(rounds):
            marks = [time.perf_counter()]
            alone = sum(map(processor_seconds, inputs))
            marks.append(time.perf_counter())
            together = sum(pool.map(processor_seconds, inputs))
            marks.append(time.perf_counter())
            clock.append((marks[1] - marks[0], marks[2] - marks[1]))
            processor.append((alone, together / 2))
    by_clock, by_processor = (
        min(one for one, _ in pairs) / min(two for _, two in pairs) for pairs in (clock, processor)
    )
    return by_clock, by_processor


def two_threads(pairs: list[Pair], rounds: int, alone: Score) -> tuple[Score, str]:
    """The gain of two threads over many pairs, applied to the times of one; and beside it the machine's own."""
    jobs = pairs * max(2, 24 // len(pairs))
    gain, by_processor = gain_of_two_threads(lambda pair: tvl1(pair.first, pair.second), jobs, rounds)
    arithmetic(1)
    control, control_by_processor = gain_of_two_threads(arithmetic, [20_000_000] * 16, rounds)
    seconds = [second / gain for second in alone.seconds]
    line = (
        f"two threads: {gain:.2f} times one by the clock, {by_processor:.2f} by processor time; "
        f"a loop of arithmetic alone: {control:.2f} and {control_by_processor:.2f}"
    )
    return Score(seconds, alone.errors_px, alone.differences_px, alone.photometric), line


def show(title: str, scores: dict[str, Score]) -> None:
    table = Table(title=title, title_justify="left")
    for column in ("method", "pairs/s", "x OpenCV TV-L1", "end-point error px", "from OpenCV px", "photometric error"):
        table.add_column(column, justify="left" if column == "method" else "right", no_wrap=True)
    slowest = scores[OPENCV].pairs_per_second()
    for name, score in sorted(scores.items(), key=lambda item: -item[1].pairs_per_second()):
        speed = score.pairs_per_second()
        error = f"{np.mean(score.errors_px):.3f}" if score.errors_px else "-"
        from_opencv, photometric = np.mean(score.differences_px), np.mean(score.photometric)
        table.add_row(name, f"{speed:.2f}", f"{speed / slowest:.2f}", error, f"{from_opencv:.4f}", f"{photometric:.3f}")
    Console(width=max(120, Console().width)).print(table)


def agreement(scores: dict[str, Score]) -> str:
    ours, theirs = scores[OURS], scores[OPENCV]
    close = float(np.mean(np.array(ours.differences_px) <= 0.1))
    worst = float(np.max(np.array(ours.photometric) / np.maximum(theirs.photometric, 1e-9)))
    errors = np.array(ours.errors_px) / np.array(theirs.errors_px)
    known = f"end-point error at most {errors.max():.4f} times OpenCV's, " if errors.size else ""
    ratios = np.array(theirs.seconds) / np.array(ours.seconds)
    return (
        f"agreement: {close:.0%} of {len(ratios)} pairs within 0.1 px of OpenCV, {known}photometric error at "
        f"most {worst:.4f} times OpenCV's; least and most speed-up of a pair {ratios.min():.1f}, {ratios.max():.1f}"
    )


def machine() -> str:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next(
            (line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), model
        )
    when = datetime.now(UTC).date().isoformat()
    return f"{when}, {model}, {os.cpu_count()} cores, Python {platform.python_version()}, OpenCV {cv2.__version__}"


def workloads(media: Path | None, quick: bool) -> dict[str, list[Pair]]:
    real = real_pairs(media, (0.02,) if quick else (0.02, 0.15)) if media else []
    paint = photograph(real[0].first) if real else texture
    sets = {f"known flow, {size[0]} x {size[1]}": known_pairs(size, paint) for size in SIZES}
    if quick:
        large = list(sets)[-1]
        sets[large] = [sets[large][k] for k in (0, 3, 5)]
    if real:
        sets["real pairs, short side 256"] = real
    return sets


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer pairs and repetitions: under a minute")
    parser.add_argument("--media", type=Path, help="a folder of clips to take real pairs from")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    print(machine())
    start = time.perf_counter()
    tvl1(np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8))
    print(f"first call, compiled or from numba's cache: {time.perf_counter() - start:.1f} s")
    results, scores = {}, {}
    for title, pairs in workloads(options.media, options.quick).items():
        scores = measure(pairs, 3, 1)
        scores[OURS_TWICE], gain = two_threads(pairs, 2, scores[OURS])
        lines = [agreement(scores), gain]
        if not options.quick or pairs[0].first.size < 10_000:
            scores[OURS_TORCH], line = in_torch(pairs, scores[OPENCV].flows, scores[OURS].flows)
            lines.append(line)
        show(f"{title}: {len(pairs)} pairs", scores)
        print(*lines, sep="\n")
        speeds = {name: score.pairs_per_second() for name, score in scores.items()}
        results[title] = speeds | {
            f"{name} error px": float(np.mean(s.errors_px or [np.nan])) for name, s in scores.items()
        }
    ratio = scores[OURS].pairs_per_second() / scores[OPENCV].pairs_per_second()
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "results": results, "ratio": ratio}, indent=1))
    print(f"headline: tvl1_pairs_per_second_over_opencv {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
