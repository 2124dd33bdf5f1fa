"""Files that cannot be used, broken in ten different ways, and any number of sound ones with different contents."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from openmov.media.encode import write_clip
from tiny_media import RATE_FPS, block_over_texture, tone

PAGE = b"<!DOCTYPE html><html><head><title>403 Forbidden</title></head><body>Video unavailable</body></html>"


def sound_only(content: bytes, path: Path) -> None:
    write_clip(path, None, RATE_FPS, tone(440, 0.3))


def overwritten(content: bytes, path: Path) -> None:
    """The index is whole, every byte of the pictures is not."""
    start = content.index(b"mdat") + 4
    path.write_bytes(
        content[:start] + b"\xff" * (content.index(b"moov") - 4 - start) + content[content.index(b"moov") - 4 :]
    )


WAYS: dict[str, Callable[[bytes, Path], object]] = {
    "empty": lambda content, path: path.write_bytes(b""),
    "text": lambda content, path: path.write_text("dear diary\n" * 40),
    "web page": lambda content, path: path.write_bytes(PAGE),
    "cut off": lambda content, path: path.write_bytes(content[: content.index(b"moov") - 4]),
    "header only": lambda content, path: path.write_bytes(content[:40]),
    "zeros": lambda content, path: path.write_bytes(bytes(len(content))),
    "noise": lambda content, path: path.write_bytes(content[:40] + np.random.default_rng(0).bytes(4000)),
    "sound only": sound_only,
    "play list": lambda content, path: path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\ngood0.mp4\n"),
    "overwritten": overwritten,
}
"""How a sound file's bytes become a broken file."""


def sound_clip(path: Path) -> bytes:
    """A moving block of 0.6 s, without sound; its bytes."""
    write_clip(path, block_over_texture(6, step_px=2), RATE_FPS, None, crf=4)
    return path.read_bytes()


def numbered_copy(content: bytes, number: int) -> bytes:
    """The same video in other bytes: a box that every reader skips is added at its end."""
    return content + struct.pack(">I4sI", 12, b"free", number)


def write_pool(folder: Path, num_videos: int, num_broken: int) -> tuple[Path, list[str]]:
    """A manifest of videos, of which so many are broken, in turn in all ways; and the names of the broken ones."""
    folder.mkdir(parents=True)
    content = sound_clip(folder / "seed.mp4")
    (folder / "seed.mp4").unlink()
    places = np.random.default_rng(5).permutation(num_videos)[:num_broken].tolist()
    broken = {place: list(WAYS)[turn % len(WAYS)] for turn, place in enumerate(sorted(places))}
    rows = ["path,label,split"]
    for number in range(num_videos):
        name = f"{broken.get(number, 'good').replace(' ', '-')}{number}.mp4"
        copy = numbered_copy(content, number)
        if number in broken:
            WAYS[broken[number]](copy, folder / name)
        else:
            (folder / name).write_bytes(copy)
        rows.append(f"{name},,{'train' if number % 3 else 'test'}")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(rows) + "\n")
    return manifest, [f"{way.replace(' ', '-')}{number}.mp4" for number, way in broken.items()]
