"""Clips for benchmarks that want many: copies of those in a folder, or of one that is made, each with other bytes."""

import struct
from pathlib import Path

import numpy as np

from openmov.media.encode import write_clip

SECONDS, RATE_FPS, RATE_HZ = 10, 25, 16_000


def write_manifest(folder: Path, media: Path | None, count: int) -> Path:
    """A manifest of `count` training clips."""
    folder.mkdir(parents=True)
    sources = sorted(path for path in media.iterdir() if path.suffix in (".mp4", ".avi")) if media else [made(folder)]
    rows = ["path,label,split"]
    for number in range(count):
        source = sources[number % len(sources)]
        copy = folder / f"{number:03}{source.suffix}"
        # A box at the end that readers skip: another content hash, the same video.
        copy.write_bytes(source.read_bytes() + struct.pack(">I4sI", 12, b"free", number))
        rows.append(f"{copy.name},,train")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(rows) + "\n")
    return manifest


def made(folder: Path) -> Path:
    """Ten seconds at 340 x 256 of textures that glide over each other, with a tone."""
    random = np.random.default_rng(0)
    ground, block = (np.kron(random.integers(0, 255, (64, 96)), np.ones((8, 8))).astype(np.uint8) for _ in range(2))
    images = np.empty((SECONDS * RATE_FPS, 256, 340, 3), np.uint8)
    for number, image in enumerate(images):
        image[:] = ground[:256, number // 2 : 340 + number // 2, None]
        image[60:180, 20 + number : 140 + number if number < 200 else 340] = block[:120, :120, None][
            :, : min(120, 320 - number)
        ]
    time = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    write_clip(
        folder / "made.mp4", images, RATE_FPS, (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32), RATE_HZ
    )
    return folder / "made.mp4"
