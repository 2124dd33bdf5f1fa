"""Random access: the pictures of a few moments by openmov with PyAV, by torchcodec, and by decoding the whole file.

    python benchmarks/decode.py [--quick] [--media FOLDER] [--json FILE]

Asked for are whole pictures on screen at 16 times 0.16 s apart at one, and at four places of a file, and 16 pairs. The
files are made ones of a minute (a keyframe every 12 or 250 pictures, 320 x 240 and 1280 x 720), or those of a folder.
All run on one thread, by turns, several rounds; the least time counts. torchcodec is timed as `--decoder torchcodec`
uses it (time stamps read first; what it cannot give, PyAV does) and, in the last column, bare: its own calls by time,
which give no successors. Where it is not installed or finds no FFmpeg, that is said.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from rich.console import Console
from rich.table import Table

from openmov.errors import RecipeError
from openmov.media.decode import PLAIN, Decoder, Frames, probe
from openmov.media.decode.by_torchcodec import TorchcodecDecoder
from openmov.media.encode import write_clip
from openmov.media.sampling import clip_times, evaluation_positions


def whole_file(path: Path, times: np.ndarray) -> list[np.ndarray]:
    """Every picture decoded, those on screen kept."""
    kept, targets = {}, np.sort(times)
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            index = int(np.searchsorted(targets, (frame.time or 0.0) - 5e-4))
            kept[index] = frame.to_ndarray(format="rgb24")
    return list(kept.values())


def bare(path: Path, times: np.ndarray) -> Any:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), dimension_order="NHWC")
    last = decoder.metadata.end_stream_seconds - 1e-3
    return decoder.get_frames_played_at(np.clip(times, decoder.metadata.begin_stream_seconds, last).tolist())


def made(folder: Path, seconds: int) -> list[Path]:
    files = []
    for height, width, interval in ((240, 320, 12), (240, 320, 250), (720, 1280, 250)):
        y, x = np.mgrid[:height, :width]
        step = 25 * seconds
        images = np.empty((step, height, width, 3), np.uint8)
        for number, image in enumerate(images):
            image[:] = ((x + 3 * number) % 97 + (y - number) % 89)[..., None]
        path = folder / f"{width} x {height}, keyframe every {interval}.mp4"
        write_clip(path, images, 25.0, None, crf=23, keyframe_interval=interval)
        files.append(path)
    return files


def alike(ours: Frames, theirs: Frames) -> str:
    gap = np.abs(ours.images.astype(int) - theirs.images).max() if ours.images.shape == theirs.images.shape else 255
    same = bool((np.abs(ours.times_seconds - theirs.times_seconds) < 1e-6).all())
    return f"{gap}" if same else "other times"


def tasks(path: Path) -> dict[str, np.ndarray]:
    video = probe(path).video
    assert video is not None
    span = (video.start_seconds, video.end_seconds)
    four = np.concatenate([clip_times(*span, 16, 0.16, place) for place in evaluation_positions(4)])
    return {"16 frames": clip_times(*span, 16, 0.16, 0.5), "4 x 16 frames": four}


def measure(path: Path, theirs: Decoder | None, rounds: int) -> list[dict[str, Any]]:
    rows = []
    for name, times in (*tasks(path).items(), ("16 pairs", tasks(path)["16 frames"])):
        pairs = name.endswith("pairs")

        def read(decoder: Decoder, times: np.ndarray = times, pairs: bool = pairs) -> Any:
            return (
                decoder.read_frame_pairs(path, times, min_gap_seconds=0.02)
                if pairs
                else decoder.read_frames(path, times)
            )

        rivals: dict[str, Callable[[], Any]] = {"planned": lambda read=read: read(PLAIN)}
        if theirs is not None:
            rivals["torchcodec"] = lambda read=read: read(theirs)
            if not pairs:
                rivals["bare"] = lambda times=times: bare(path, times)
        rivals["whole"] = lambda times=times: whole_file(path, times)
        least = dict.fromkeys(rivals, np.inf)
        for _ in range(rounds):
            for rival, work in rivals.items():
                start = time.perf_counter()
                work()
                least[rival] = min(least[rival], time.perf_counter() - start)
        gap = "-" if theirs is None else alike(PLAIN.read_frames(path, times), theirs.read_frames(path, times))
        rows.append({"file": path.name, "task": name, "gap": gap, **{k: 1000 * v for k, v in least.items()}})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter files and fewer rounds: under a minute")
    parser.add_argument("--media", type=Path, help="a folder of clips to use instead of the made ones")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    theirs: Decoder | None = None
    try:
        theirs = TorchcodecDecoder()
    except RecipeError as error:
        print(error)
    table = Table(title="milliseconds, one thread", title_justify="left")
    columns = {"planned": "openmov, PyAV", "torchcodec": "torchcodec", "bare": "torchcodec bare", "whole": "whole file"}
    for column in ("file", "task", *columns.values(), "largest difference of 255"):
        table.add_column(column, justify="left" if column in ("file", "task") else "right")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        files = made(Path(scratch), 10 if options.quick else 60)
        if options.media:
            files = sorted(path for path in options.media.iterdir() if path.suffix in (".mp4", ".avi", ".mkv", ".webm"))
        for path in files:
            rows += measure(path, theirs, 2 if options.quick else 7)
    for row in rows:
        cells = [f"{row[key]:.1f}" if key in row else "-" for key in columns]
        table.add_row(row["file"], row["task"], *cells, row["gap"])
    Console(width=150).print(table)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    if theirs is not None:
        ratio = np.exp(np.mean([np.log(row["torchcodec"] / row["planned"]) for row in rows]))
        print(f"headline: planned_pyav_times_torchcodec {ratio:.2f}")
    else:
        ratio = np.exp(np.mean([np.log(row["whole"] / row["planned"]) for row in rows]))
        print(f"headline: planned_pyav_times_whole_file {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
