"""Mutated media: python tests/campaigns/media.py [--count 5000] [--seed 0] [--limit 60] [--memory 3] [--keep FOLDER]

Twelve containers, each with pictures or sound or both, are damaged in ten ways (bits, bytes, holes, lengths, cuts,
swaps, joins ...), by fixed seeds. Each file is looked at in every way that openmov has, in a process of its own, and
must be read, or named in one line (an OpenMovError): no other exception, no crash, no minute without an end, no 3 GB of
memory. What fails is kept and said; exit code 1 if anything did. The same numbers make the same files, as far as FFmpeg
does.
"""

import argparse
import os
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from odd_media import Sound, Video, textured, tone, write_media
from openmov.errors import OpenMovError
from openmov.media.decode import (
    FrameStream,
    Moment,
    Sizes,
    SoundStream,
    check_media,
    probe,
    read_frame_pairs,
    read_frames,
    read_moments,
    read_waveform,
)
from openmov.media.sampling import Crop

READ, NAMED, TRACEBACK, CRASH, HANG, MEMORY = "read", "named", "traceback", "crash", "hang", "memory"
FAILURES = (TRACEBACK, CRASH, HANG, MEMORY)
Mutator = Callable[[np.random.Generator, bytes, bytes], bytes]
"""Random numbers, the file, another file."""


def seed_files(folder: Path) -> dict[str, bytes]:
    """The twelve containers, whole, by name."""
    images = textured(40)
    film, song = Video(images, gop=12), Sound(tone(1.6, 44_100), 44_100)
    mp2, mp3 = Sound(tone(1.6, 44_100), 44_100, "mp2"), Sound(tone(1.6, 44_100), 44_100, "libmp3lame")
    tracks = {
        "mp4": (film, song),
        "mov": (Video(images, "mpeg4", gop=12), song),
        "mkv": (film, song),
        "webm": (Video(images[:20], "libvpx", gop=8), Sound(tone(0.8, 48_000), 48_000, "libopus")),
        "avi": (Video(images, "mpeg4", gop=12, max_b_frames=2), mp3),
        "ts": (film, mp2),
        "mpg": (Video(images, "mpeg2video", gop=12, max_b_frames=2), mp2),
        "flv": (film, song),
        "gif": (Video(images[:20], "gif", "bgr8"),),
        "ogg": (Sound(tone(1.6, 48_000), 48_000, "libopus"),),
        "mp3": (mp3,),
        "wav": (Sound(tone(0.5), codec="pcm_s16le"),),
    }
    return {name: write_media(folder / f"seed.{name}", *some).read_bytes() for name, some in tracks.items()}


def _span(random: np.random.Generator, data: bytes, most: int) -> tuple[int, int]:
    """A piece of a file; half of the time near its beginning, where headers are."""
    reach = len(data) if random.random() < 0.5 else min(len(data), 1024)
    start = int(random.integers(reach))
    return start, min(start + int(random.integers(1, most + 1)), len(data))


def _bits(random: np.random.Generator, data: bytes, other: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(int(random.integers(1, 30))):
        start, _ = _span(random, data, 1)
        out[start] ^= 1 << int(random.integers(8))
    return bytes(out)


def _bytes(random: np.random.Generator, data: bytes, other: bytes) -> bytes:
    start, end = _span(random, data, 400)
    return data[:start] + random.bytes(end - start) + data[end:]


def _zeros(random: np.random.Generator, data: bytes, other: bytes) -> bytes:
    start, end = _span(random, data, 2000)
    return data[:start] + bytes(end - start) + data[end:]


def _hole(random: np.random.Generator, data: bytes, other: bytes) -> bytes:
    start, end = _span(random, data, 1000)
    return data[:start] + data[end:]


def _cut(random: np.random.Generator, data: bytes, other: bytes) -> bytes:
    return data[: int(random.integers(1, len(data)))]


def _begun_late(random: np.random.Generator, data: bytes, other: bytes) -> bytes:
    return data[int(random.integers(len(data))) :]


def _twice(random: np.random.Generator, data: bytes, other: bytes) -> bytes:
    start, end = _span(random, data, 4000)
    return data[:end] + data[start:]


def _numbers(random: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """Lengths, times and counts of the extreme kind."""
    out = bytearray(data)
    extremes = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 2, 65_535, int(random.integers(2**32)))
    for _ in range(int(random.integers(1, 4))):
        start, _ = _span(random, data, 1)
        value = extremes[int(random.integers(len(extremes)))]
        number = struct.pack(">I" if random.random() < 0.5 else "<I", value)
        out[start : start + 4] = number[: len(out) - start]
    return bytes(out)


def _swapped(random: np.random.Generator, data: bytes, other: bytes) -> bytes:
    edges = sorted(int(edge) for edge in random.integers(len(data) + 1, size=3))
    return data[: edges[0]] + data[edges[1] : edges[2]] + data[edges[0] : edges[1]] + data[edges[2] :]


def _joined(random: np.random.Generator, data: bytes, other: bytes) -> bytes:
    return data[: int(random.integers(len(data) + 1))] + other[int(random.integers(len(other))) :]


MUTATORS: tuple[Mutator, ...] = (
    *(_bits, _bytes, _zeros, _hole, _cut, _begun_late, _twice, _numbers, _swapped, _joined),
)


def mutated(seeds: dict[str, bytes], number: int, seed: int) -> tuple[str, str, bytes]:
    """File `number` of a campaign: its container, how it was damaged, its bytes."""
    random, names = np.random.default_rng((seed, number)), list(seeds)
    name = names[number % len(names)]
    other = seeds[names[int(random.integers(len(names)))]]
    mutator = MUTATORS[number // len(names) % len(MUTATORS)]
    data = mutator(random, seeds[name], other)
    if random.random() < 0.25:
        data = _bits(random, data, other) if data else data
    return name, mutator.__name__.strip("_"), data


def look_at(path: Path) -> None:
    """Everything that is done with a file anywhere in openmov. Raises OpenMovError where it cannot be."""
    check_media(path, deep=True)
    info = probe(path)
    video, audio = info.video, info.audio
    if video is not None:
        times = np.linspace(video.start_seconds, video.end_seconds, 6)
        read_frames(path, times[::-1])
        read_frames(path, times[3:4])
        read_frame_pairs(path, times[::2])
        read_moments(path, [Moment(tuple(times.tolist()), (Crop(0.0, 0.0, 1.0, 1.0),))], Sizes(32, 32))
        with FrameStream(path, times.tolist(), min_gap_seconds=0.02) as stream:
            list(stream)
    if audio is not None:
        middle = (audio.start_seconds + audio.end_seconds) / 2
        read_waveform(path, audio.start_seconds, audio.start_seconds + 2.0)
        read_waveform(path, middle, middle + 1.0)
        with SoundStream(path, audio.start_seconds, 16_000) as sound:
            for second in range(3):
                sound.span(audio.start_seconds + second, audio.start_seconds + second + 1.0)


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    kind: str
    """One of READ, NAMED and FAILURES."""
    said: str
    """The error, if any."""
    seconds: float
    """How long it took."""
    peak_bytes: int
    """Its largest memory."""


def outcome_of(path: Path, *, limit_seconds: float, limit_bytes: int) -> Outcome:
    """Looks at a file in a child of this process, which is killed when it takes too long."""
    reading, writing = os.pipe()
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(path, writing, limit_bytes)
    os.close(writing)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, limit_seconds)
    with os.fdopen(reading, "rb") as pipe:
        kind, _, said = pipe.read().decode(errors="replace").partition("\n")
    _, status, usage = os.wait4(child, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    seconds, code = time.monotonic() - begun, os.waitstatus_to_exitcode(status)
    if code < 0 or not kind:
        kind, said = (HANG if seconds >= limit_seconds else CRASH), f"ended with {code}"
    return Outcome(kind, said, seconds, usage.ru_maxrss * 1024)


def _answer(path: Path, writing: int, limit_bytes: int) -> None:
    """In the child: looks, says what came of it, and ends without any of the parent's cleaning up."""
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        look_at(path)
        answer = f"{READ}\n"
    except OpenMovError as error:
        answer = f"{NAMED}\n{error}"
    except MemoryError:
        answer = f"{MEMORY}\n{traceback.format_exc()}"
    except BaseException:
        answer = f"{TRACEBACK}\n{traceback.format_exc()}"
    os.write(writing, answer.encode(errors="replace")[-60_000:] if len(answer) < 60_000 else answer.encode()[:60_000])
    os._exit(0)


def run(
    numbers: range, folder: Path, *, seed: int, limit_seconds: float, limit_bytes: int, keep: Path | None = None
) -> tuple[Counter[tuple[str, str]], list[str], float, int]:
    """Counts by container and outcome, what failed, the longest time and the largest memory of any file."""
    seeds, counts, failed, slowest, largest = seed_files(folder), Counter[tuple[str, str]](), list[str](), 0.0, 0
    for number in numbers:
        name, way, data = mutated(seeds, number, seed)
        path = folder / f"{number}.{name}"
        path.write_bytes(data)
        found = outcome_of(path, limit_seconds=limit_seconds, limit_bytes=limit_bytes)
        counts[name, found.kind] += 1
        slowest, largest = max(slowest, found.seconds), max(largest, found.peak_bytes)
        if found.kind in FAILURES:
            failed.append(
                f"{path.name} ({way}): {found.kind} after {found.seconds:.1f} s: {found.said.strip()[-1500:]}"
            )
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / path.name).write_bytes(data)
        path.unlink()
        if sys.stderr.isatty() and number % 20 == 0:
            print(f"\r{number + 1} of {numbers.stop}, {len(failed)} failed", end="", file=sys.stderr, flush=True)
    return counts, failed, slowest, largest


def table(counts: Counter[tuple[str, str]]) -> str:
    """Markdown: a row a container."""
    kinds = (READ, NAMED, *FAILURES)
    lines = [f"| container | {' | '.join(kinds)} |", "|---" * (len(kinds) + 1) + "|"]
    for name in [*dict.fromkeys(name for name, _ in counts), "all"]:
        row = [
            sum(n for (one, kind), n in counts.items() if kind == wanted and name in (one, "all")) for wanted in kinds
        ]
        lines.append(f"| {name} | {' | '.join(map(str, row))} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds a file")
    parser.add_argument("--memory", type=float, default=3.0, help="GB a file")
    parser.add_argument("--keep", type=Path, help="folder for the files that fail")
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="openmov-campaign-") as temporary:
        numbers = range(given.first, given.first + given.count)
        limits = {"limit_seconds": given.limit, "limit_bytes": int(given.memory * 2**30)}
        counts, failed, slowest, largest = run(numbers, Path(temporary), seed=given.seed, keep=given.keep, **limits)
    print(table(counts))
    print(f"\n{given.count} files from number {given.first}, seed {given.seed}: {len(failed)} failed", end="; ")
    print(f"slowest {slowest:.1f} s, largest {largest / 2**20:.0f} MB, {time.monotonic() - begun:.0f} s in all")
    print(*failed, sep="\n\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
