"""The whole front end of one clip: planned decoding, TV-L1 and log-mel, beside the plain pipeline.

    python benchmarks/front_end.py [--quick] [--media FOLDER] [--json FILE]

Both make the same of a file, from its path to network inputs: 4 clips of 16 frames 0.16 s apart (crops of 224 and 64
pairs of grey pictures at short side 256), the flow of each pair, one spectrogram of 128 bins. *Plain* is what is
usually written down: every picture of the file decoded with PyAV and kept, OpenCV's TV-L1 on the pairs (on all cores,
as OpenCV does by itself), the sound resampled with PyAV and put through the spectrogram of `transformers`. The file is
a made one (10 s, 25 frames a second, H.264 and AAC, 320 x 240), or every H.264 / AAC clip of a folder. Stages go by
turns, plain and ours on the same input, several rounds, and the least time of each stage counts.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from openmov.config.schema import AudioConfig, FlowConfig, VideoConfig
from openmov.media.decode import Moment, Moments, Sizes, probe, read_moments, read_waveform
from openmov.media.decode.reader import VideoReader
from openmov.media.encode import write_clip
from openmov.media.sampling import ViewSettings, evaluation_views
from openmov.modalities import audio
from openmov.modalities.flow import compute_flow

SECONDS, RATE_FPS, SIZE = 10, 25, (240, 320)
STAGES = ("pictures", "flow", "sound")
VIDEO, FLOW, AUDIO = VideoConfig(), FlowConfig(), AudioConfig()


@dataclass(frozen=True)
class Job:
    """One file, and what is looked at."""

    path: Path
    moments: tuple[Moment, ...]
    end_seconds: float


def job(path: Path, num_clips: int) -> Job:
    info = probe(path)
    assert info.video is not None
    assert info.audio is not None
    span, size = (info.video.start_seconds, info.video.end_seconds), (info.video.width, info.video.height)
    views = evaluation_views(span, size, num_clips, 1, ViewSettings())
    moments = tuple(Moment(view.times_seconds, (view.crop,)) for view in views)
    return Job(path, moments, min(info.audio.end_seconds, float(SECONDS)))


# -- ours


def our_pictures(job: Job) -> Moments:
    return read_moments(job.path, job.moments, Sizes(VIDEO.crop_size, FLOW.short_side, FLOW.min_gap_seconds))


def our_flow(job: Job, pictures: Moments) -> list[np.ndarray]:
    return [compute_flow(one.pairs, FLOW, os.cpu_count() or 1) for one in pictures.pictures if one.pairs is not None]


def our_sound(job: Job) -> torch.Tensor:
    waveform = read_waveform(job.path, 0.0, job.end_seconds, AUDIO.rate_hz)
    assert waveform is not None
    return audio.spectrogram(torch.from_numpy(waveform.samples), AUDIO)


# -- plain


@dataclass(frozen=True)
class PlainPictures:
    """Crops, and grey pairs."""

    crops: list[np.ndarray]
    pairs: list[tuple[np.ndarray, np.ndarray]]


def plain_pictures(job: Job) -> PlainPictures:
    with av.open(str(job.path)) as container:
        decoded = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    times, images = np.array([time for time, _ in decoded]), [image for _, image in decoded]
    height, width = images[0].shape[:2]
    scale = FLOW.short_side / min(height, width)
    size = round(width * scale), round(height * scale)
    crops, pairs = [], []
    for moment in job.moments:
        left, top, box_width, box_height = moment.crops[0].box(width, height)
        for seconds in moment.times_seconds:
            index = min(max(int(np.searchsorted(times, seconds + 5e-4, side="right")) - 1, 0), len(images) - 2)
            part = images[index][top : top + box_height, left : left + box_width]
            crops.append(cv2.resize(part, (VIDEO.crop_size, VIDEO.crop_size), interpolation=cv2.INTER_CUBIC))
            grey = [cv2.cvtColor(images[index + k], cv2.COLOR_RGB2GRAY) for k in (0, 1)]
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            first, second = (cv2.resize(one, size, interpolation=how) for one in grey)
            pairs.append((first, second))
    return PlainPictures(crops, pairs)


def plain_flow(job: Job, pictures: PlainPictures) -> list[np.ndarray]:
    solver = cv2.optflow.DualTVL1OpticalFlow_create()
    return [solver.calc(first, second, None) for first, second in pictures.pairs]


def plain_sound(job: Job) -> np.ndarray:
    resampler, pieces = av.AudioResampler(format="flt", layout="mono", rate=AUDIO.rate_hz), []
    with av.open(str(job.path)) as container:
        for frame in container.decode(audio=0):
            pieces += [resampled.to_ndarray()[0] for resampled in resampler.resample(frame)]
    samples = np.concatenate(pieces)[: round(job.end_seconds * AUDIO.rate_hz)]
    filters = mel_filter_bank(257, AUDIO.mel_bins, 20.0, 8000.0, AUDIO.rate_hz, norm=None, mel_scale="kaldi")
    return spectrogram(
        samples,
        window_function(400, "hamming", periodic=False),
        frame_length=400,
        hop_length=160,
        fft_length=512,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=filters,
        mel_floor=1.192092955078125e-07,
        log_mel="log",
        remove_dc_offset=True,
    )


Timed = dict[tuple[str, str], float]


def timed(least: Timed, key: tuple[str, str], work: Callable[..., Any], *given: Any) -> Any:
    start = time.perf_counter()
    result = work(*given)
    least[key] = min(least.get(key, np.inf), time.perf_counter() - start)
    return result


def one_round(work: Job, least: Timed) -> tuple[Moments, PlainPictures]:
    plain, ours = timed(least, ("plain", "pictures"), plain_pictures, work), None
    for _ in range(2):  # short beside the other: a second look
        ours = timed(least, ("ours", "pictures"), our_pictures, work)
        timed(least, ("ours", "sound"), our_sound, work)
    timed(least, ("plain", "sound"), plain_sound, work)
    timed(least, ("ours", "flow"), our_flow, work, ours)
    timed(least, ("plain", "flow"), plain_flow, work, plain)
    timed(least, ("ours", "flow"), our_flow, work, ours)
    assert ours is not None
    return ours, plain


def num_decoded(work: Job) -> int:
    """Pictures that planned decoding looks at."""
    counts: list[int] = []
    leave = VideoReader.__exit__
    VideoReader.__exit__ = lambda self, *given: (counts.append(self.num_decoded), leave(self, *given))[1]
    try:
        our_pictures(work)
    finally:
        VideoReader.__exit__ = leave
    return counts[0]


def distance(ours: Moments, plain: PlainPictures) -> float:
    """Mean absolute difference of the grey pairs, in grey values: both look at the same."""
    mine = [pair for one in ours.pictures if one.pairs for pair in zip(one.pairs.first, one.pairs.second, strict=True)]
    gaps = [
        np.abs(x.astype(int) - y).mean()
        for p, q in zip(mine, plain.pairs, strict=True)
        for x, y in zip(p, q, strict=True)
    ]
    return float(np.mean(gaps))


def made_clip(path: Path) -> Path:
    """A texture that drifts and turns, with a disc that goes round over it; a gliding tone in noise."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    random = np.random.default_rng(0)
    waves = [(random.uniform(0, 2 * np.pi, 2), np.exp(random.uniform(np.log(6), np.log(90)))) for _ in range(24)]

    def texture(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        sums = [size**0.6 * np.sin(6.283 / size * (np.cos(a) * u + np.sin(a) * v) + b) for (a, b), size in waves]
        return 128 + 3.2 * np.sum(sums, axis=0)

    images = np.empty((SECONDS * RATE_FPS, *SIZE, 3), np.uint8)
    for number, image in enumerate(images):
        angle = 0.15 * np.sin(number / 20)
        u = np.cos(angle) * x - np.sin(angle) * y + 2.5 * number
        v = np.sin(angle) * x + np.cos(angle) * y + 0.7 * number
        picture = texture(u, v)
        disc = np.hypot(x - 160 - 80 * np.cos(number / 9), y - 120 - 60 * np.sin(number / 9)) < 45
        picture[disc] = 255 - texture(x + 4.0 * number, y)[disc]
        image[:] = np.clip(picture, 0, 255)[..., None]
    seconds = np.arange(SECONDS * 44_100) / 44_100
    sound = 0.3 * np.sin(6.283 * (300 + 100 * seconds) * seconds) + 0.05 * random.standard_normal(len(seconds))
    write_clip(path, images, RATE_FPS, sound.astype(np.float32), 44_100, crf=23)
    return path


def clips(media: Path | None, scratch: Path) -> Iterator[Path]:
    if media is None:
        yield made_clip(scratch / "made.mp4")
        return
    for path in sorted(media.glob("*.mp4")):
        info = probe(path)
        if info.video is not None and info.audio is not None and info.duration_seconds > 5:
            yield path


def show(name: str, least: Timed) -> float:
    table = Table(title=name, title_justify="left")
    for column in ("stage", "plain s", "openmov s", "times as fast"):
        table.add_column(column, justify="left" if column == "stage" else "right", no_wrap=True)
    totals = {side: sum(least[side, stage] for stage in STAGES) for side in ("plain", "ours")}
    for stage in STAGES:
        slow, fast = least["plain", stage], least["ours", stage]
        table.add_row(stage, f"{slow:.3f}", f"{fast:.3f}", f"{slow / fast:.1f}")
    table.add_row("all", f"{totals['plain']:.2f}", f"{totals['ours']:.2f}", f"{totals['plain'] / totals['ours']:.1f}")
    Console(width=100).print(table)
    return totals["plain"] / totals["ours"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one clip of 16 frames, one round: under a minute")
    parser.add_argument("--media", type=Path, help="a folder of H.264 / AAC clips to use instead of the made one")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, OpenCV on {cv2.getNumThreads()} threads")
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        for path in clips(options.media, Path(scratch)):
            work, least = job(path, 1 if options.quick else 4), {}
            compute_flow(our_pictures(job(path, 1)).pictures[0].pairs, FLOW)  # compiled, or from numba's cache
            for _ in range(1 if options.quick else 2):
                ours, plain = one_round(work, least)
            ratio = show(f"{path.name}: {len(work.moments)} clips of 16 frames, {len(plain.pairs)} pairs", least)
            print(f"pictures decoded: {num_decoded(work)}; grey pairs differ by {distance(ours, plain):.2f} of 255")
            results[path.name] = {f"{side} {stage}": s for (side, stage), s in least.items()} | {"ratio": ratio}
            if options.quick:
                break
    ratio = float(np.exp(np.mean([np.log(one["ratio"]) for one in results.values()])))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    print(f"headline: front_end_times_plain_pipeline {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
