"""A long video in sliding windows: memory over time, times real time, and against embedding each window on its own.

    python benchmarks/timeline.py [--quick] [--seconds 3600] [--media FOLDER] [--backbone conse] [--json FILE]

The video is made here: scenes (the clips of --media, or moving patterns where there are none) are brought to 320 x 180
at 25 pictures a second, encoded once, and their packets repeated until it is as long as asked. `openmov`'s timeline
reads it once; resident memory is noted as it goes. The rival is the plain way on the first part of the same video: each
window is read on its own (`read_frames`, from its keyframe) and all of its frames are embedded; every frame is then
decoded and embedded once for each window that lies over it. Both look at the same frames, with the same windows, on the
same cores, in turn. The answers are compared window by window.
"""

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import torch

from openmov.data.moving import middle_crop
from openmov.data.pictures import ViewPictures
from openmov.data.records import Record
from openmov.data.segment import file_facts
from openmov.inference.answers import Segment, Window
from openmov.inference.options import Choices
from openmov.inference.predict import predictor_for
from openmov.inference.predictor import Predictor
from openmov.inference.timeline import TimelineSettings
from openmov.media.decode import probe, read_frames
from openmov.media.encode import write_clip
from openmov.media.sampling import View
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClipBatch, Modality

RATE_FPS, WIDTH, HEIGHT = 25.0, 320, 180
LABELS = ("archery", "arm wrestling", "riding a bike", "playing in an orchestra", "a printer printing", "a volcano")
TINY_LABELS = ("a circle", "a square", "a triangle", "a star", "a cross", "a ring")


@dataclass(frozen=True)
class Sample:
    """Where the timeline stood, and what the process took."""

    video_seconds: float
    wall_seconds: float
    cpu_seconds: float
    resident_mib: float

    def __str__(self) -> str:
        return (
            f"read {self.video_seconds:6.0f} s of video in {self.wall_seconds:5.0f} s "
            f"({self.cpu_seconds:5.0f} s of processor time): {self.video_seconds / self.wall_seconds:5.1f} times real "
            f"time, {self.resident_mib:.0f} MiB resident"
        )


def resident_mib() -> float:
    """What this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def scenes(media: Path | None) -> Iterator[np.ndarray]:
    """Pictures of each scene, 25 a second."""
    files = sorted(media.glob("*.*4")) + sorted(media.glob("*.avi")) if media is not None and media.is_dir() else []
    for file in files:
        video = probe(file).video
        if video is not None:
            times = np.arange(video.start_seconds, video.end_seconds, 1 / RATE_FPS)
            yield np.stack([_small(image) for image in read_frames(file, times).images])
    if not files:
        random = np.random.default_rng(0)
        for _ in range(6):
            ground = np.kron(random.integers(30, 220, (9, 16, 3)), np.ones((20, 20, 1))).astype(np.uint8)
            yield np.stack([np.roll(ground, 2 * n, axis=1) for n in range(200)])


def _small(image: np.ndarray) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))


def write_long_video(path: Path, seconds: float, media: Path | None) -> None:
    """The scenes one after the other, over and over, by repeating their packets."""
    once = path.with_name("once.mp4")
    write_clip(once, np.concatenate(list(scenes(media))), RATE_FPS, None, crf=23, keyframe_interval=125)
    with av.open(str(once)) as source:
        stream = source.streams.video[0]
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        length = round(len(packets) / RATE_FPS / float(stream.time_base))
        data = [(bytes(packet), packet.pts, packet.dts, packet.is_keyframe) for packet in packets]
        with av.open(str(path), "w") as target:
            copy = target.add_stream_from_template(stream)
            for round_ in range(int(np.ceil(seconds * RATE_FPS / len(data)))):
                for content, pts, dts, key in data:
                    packet = av.Packet(content)
                    packet.stream, packet.time_base, packet.is_keyframe = copy, stream.time_base, key
                    packet.pts, packet.dts = pts + round_ * length, dts + round_ * length
                    packet.duration = round(1 / RATE_FPS / float(stream.time_base))
                    target.mux(packet)


def run_timeline(
    predictor: Predictor, path: Path, vocabulary: Vocabulary, settings: TimelineSettings, every: float
) -> tuple[list[Sample], list[Window], list[Segment]]:
    """One timeline from start to end; windows are kept for the comparison (a few kB a minute)."""
    samples, windows, segments, due = [], [], [], every
    started, started_cpu = time.perf_counter(), time.process_time()

    def note(at: float) -> None:
        now = (time.perf_counter() - started, time.process_time() - started_cpu)
        samples.append(Sample(at, *now, resident_mib()))
        print(samples[-1], flush=True)

    for moment in predictor.timeline(path, vocabulary, settings):
        if isinstance(moment, Segment):
            segments.append(moment)
            continue
        windows.append(moment)
        if moment.end_seconds >= due:
            note(moment.end_seconds)
            due += every
    note(windows[-1].end_seconds)
    return samples, windows, segments


def run_plain(
    predictor: Predictor, path: Path, vocabulary: Vocabulary, settings: TimelineSettings, num_windows: int
) -> tuple[float, list[str]]:
    """Seconds for the first windows, each on its own, and their answers."""
    grid, scorer = predictor.timeline(path, vocabulary, settings).grid, predictor._scorer
    pictures, video = predictor._reader.pictures, file_facts(path).video
    assert video is not None
    started, answers = time.perf_counter(), []
    for index in range(num_windows):
        times = tuple(grid.frame_seconds(frame) for frame in grid.frames_of(index))
        view = View(0, times, middle_crop(video, pictures))
        rgb = ViewPictures(Record("plain", path), [view], pictures, None, with_flow=False).rgb()
        batch = ClipBatch(("plain",), {Modality.VIDEO: rgb[None]}, {Modality.VIDEO: torch.tensor([True])})
        scores = scorer.score(batch, vocabulary)[0]
        answers.append(vocabulary.names[int(scores.argmax())])
    return time.perf_counter() - started, answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="within a minute: 3 minutes of video, the tiny CLIP")
    parser.add_argument("--seconds", type=float, default=3600.0, help="length of the video")
    parser.add_argument("--plain-seconds", type=float, default=120.0, help="how much of it the plain way reads")
    parser.add_argument("--media", type=Path, help="clips to make it of; without, moving patterns")
    parser.add_argument("--backbone", default="conse")
    parser.add_argument("--json", type=Path, help="file for the figures")
    asked = parser.parse_args()
    seconds, plain_seconds, backbone = asked.seconds, asked.plain_seconds, asked.backbone
    if asked.quick:
        seconds, plain_seconds, backbone = 180.0, 60.0, "shapesav-tiny"
    labels = TINY_LABELS if backbone == "shapesav-tiny" else LABELS
    predictor, settings = predictor_for(Choices(backbone=backbone)), TimelineSettings()
    vocabulary = predictor.vocabulary(labels)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "long.mp4"
        write_long_video(path, seconds, asked.media)
        first = round((plain_seconds - settings.window_seconds) / settings.hop)
        plain_half, _ = run_plain(predictor, path, vocabulary, settings, first // 2)
        samples, windows, segments = run_timeline(predictor, path, vocabulary, settings, max(seconds / 12, 30))
        plain_seconds_taken, plain_answers = run_plain(predictor, path, vocabulary, settings, first)
    report(asked, seconds, samples, windows, segments, plain_half, plain_seconds_taken, first, plain_answers)


def report(asked, seconds, samples, windows, segments, half, plain, count, answers) -> None:  # type: ignore[no-untyped-def]
    """The two speeds and the headline, after the curve."""
    ours = samples[-1].wall_seconds / len(windows)
    theirs = (half + plain) / (count + count // 2)
    same = sum(w.answers.names[0] == answer for w, answer in zip(windows, answers, strict=False))
    growth = samples[-1].resident_mib - samples[0].resident_mib
    print(f"{len(windows)} windows, {len(segments)} segments; memory {growth:+.0f} MiB from the first row to the last")
    print(f"a window: {1000 * ours:.1f} ms here, {1000 * theirs:.1f} ms on its own; {same} of {count} answers the same")
    print(
        f"peak resident {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB, {platform.machine()}, "
        f"{os.cpu_count()} cores, torch threads {torch.get_num_threads()}"
    )
    if asked.json is not None:
        asked.json.write_text(json.dumps({"samples": [asdict(s) for s in samples], "ours": ours, "plain": theirs}))
    print(f"headline: timeline_over_plain_windows {theirs / ours:.2f}")


if __name__ == "__main__":
    sys.exit(main())
