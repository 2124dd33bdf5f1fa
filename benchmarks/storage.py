"""How stored flow should lie on disk: bytes a picture, error in pixels of displacement, speed of writing and reading.

Flow of real clips (--media; without it, of textures that move) at short side 256, clamped at 20 px. Every format gets
the same views of 16 pictures and gives displacements back; the error is against the displacements before they were
coded. Times are processor time, so that other work on the machine makes little difference; formats take turns.
"""

import argparse
import io
import json
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import zstandard
from PIL import Image
from rich.console import Console
from rich.table import Table

from machine import machine
from openmov.config.schema import FlowConfig
from openmov.media.decode import FramePairs, Frames, probe, read_frame_pairs
from openmov.modalities.flow import compute_flow, decode_flow, encode_flow

LIMIT_PX = 20.0
VIEW = 16
Codes = np.ndarray
"""(time, height, width, 2) of 8 bits."""


@dataclass(frozen=True)
class Format:
    """A way to store a view."""

    write: Callable[[Codes], bytes]
    read: Callable[[bytes, tuple[int, ...]], Codes]


@dataclass
class Score:
    """What one format came to, a view after the other."""

    num_bytes: list[int] = field(default_factory=list)
    errors_px: list[float] = field(default_factory=list)
    worst_px: float = 0.0
    write_seconds: list[float] = field(default_factory=list)
    read_seconds: list[float] = field(default_factory=list)


def planes(codes: Codes) -> Codes:
    """(time, 2, height, width): each direction a picture of its own."""
    return np.ascontiguousarray(codes.transpose(0, 3, 1, 2))


def from_planes(content: bytes | Codes, shape: tuple[int, ...]) -> Codes:
    time_, height, width, channels = shape
    flat = np.frombuffer(content, np.uint8) if isinstance(content, bytes) else content
    return np.ascontiguousarray(flat.reshape(time_, channels, height, width).transpose(0, 2, 3, 1))


def left_differences(codes: Codes) -> bytes:
    flat = planes(codes)
    flat[..., 1:] -= flat[..., :-1].copy()
    return flat.tobytes()


def up_differences(codes: Codes) -> bytes:
    flat = planes(codes)
    flat[..., 1:, :] -= flat[..., :-1, :].copy()
    return flat.tobytes()


def summed(content: bytes, shape: tuple[int, ...], axis: int) -> Codes:
    time_, height, width, channels = shape
    flat = np.frombuffer(content, np.uint8).reshape(time_, channels, height, width)
    return from_planes(np.add.accumulate(flat, axis=axis, dtype=np.uint8), shape)


def zstd(level: int) -> Format:
    return Format(
        lambda codes: zstandard.compress(codes.tobytes(), level),
        lambda content, shape: np.frombuffer(zstandard.decompress(content), np.uint8).reshape(shape),
    )


def deflate(level: int) -> Format:
    return Format(
        lambda codes: zlib.compress(codes.tobytes(), level),
        lambda content, shape: np.frombuffer(zlib.decompress(content), np.uint8).reshape(shape),
    )


def zstd_of_differences(level: int, axis: int) -> Format:
    differences = left_differences if axis == -1 else up_differences
    return Format(
        lambda codes: zstandard.compress(differences(codes), level),
        lambda content, shape: summed(zstandard.decompress(content), shape, axis),
    )


def pictures(kind: str, **options: object) -> Format:
    """Every direction of every pair as a grey picture of its own, one after the other."""

    def write(codes: Codes) -> bytes:
        parts = []
        for plane in planes(codes).reshape(-1, *codes.shape[1:3]):
            out = io.BytesIO()
            Image.fromarray(plane).save(out, kind, **options)
            parts.append(len(out.getvalue()).to_bytes(4, "big") + out.getvalue())
        return b"".join(parts)

    def read(content: bytes, shape: tuple[int, ...]) -> Codes:
        found, place = [], 0
        while place < len(content):
            end = place + 4 + int.from_bytes(content[place : place + 4], "big")
            found.append(np.asarray(Image.open(io.BytesIO(content[place + 4 : end])).convert("L")))
            place = end
        return from_planes(np.stack(found), shape)

    return Format(write, read)


def video(codec: str, **options: str) -> Format:
    """A view as a film: each direction above the other in one grey picture."""

    def write(codes: Codes) -> bytes:
        out = io.BytesIO()
        height, width = codes.shape[1:3]
        with av.open(out, "w", format="matroska") as container:
            stream = container.add_stream(codec, rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = width + width % 2, 2 * height, "yuv420p"
            stream.codec_context.thread_count = 1
            for both in planes(codes).reshape(len(codes), 2 * height, width):
                grey = np.pad(both, ((0, 0), (0, width % 2)), mode="edge")
                chroma = np.full((height, grey.shape[1]), 128, np.uint8)
                frame = av.VideoFrame.from_ndarray(np.concatenate([grey, chroma]), format="yuv420p")
                frame.color_range = 2
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return out.getvalue()

    def read(content: bytes, shape: tuple[int, ...]) -> Codes:
        height, width = shape[1:3]
        with av.open(io.BytesIO(content)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            greys = [frame.to_ndarray()[: 2 * height, :width] for frame in container.decode(video=0)]
        return from_planes(np.stack(greys), shape)

    return Format(write, read)


def formats() -> dict[str, Format]:
    return {
        "raw 8-bit codes": Format(
            lambda codes: codes.tobytes(), lambda content, shape: np.frombuffer(content, np.uint8).reshape(shape)
        ),
        "zlib 1 (npy.gz)": deflate(1),
        "zlib 3 (npy.gz)": deflate(3),
        "zlib 6 (npy.gz)": deflate(6),
        "zstd 3": zstd(3),
        "left differences, zstd 3": zstd_of_differences(3, -1),
        "up differences, zstd 3": zstd_of_differences(3, -2),
        "up differences, zstd 9": zstd_of_differences(9, -2),
        "PNG": pictures("PNG"),
        "WebP lossless": pictures("WEBP", lossless=True, method=2),
        "JPEG 95": pictures("JPEG", quality=95),
        "JPEG 75": pictures("JPEG", quality=75),
        "H.264 crf 18": video("libx264", crf="18", preset="medium"),
        "H.264 lossless": video("libx264", qp="0", preset="medium"),
        "AV1 crf 20": video("libsvtav1", crf="20", preset="8"),
    }


def views(media: Path | None, count: int) -> Iterator[np.ndarray]:
    """Displacements of views, not clamped, (time, height, width, 2)."""
    config = FlowConfig()
    if media is None:
        for seed in range(count):
            yield compute_flow(moving_textures(seed), config)
        return
    files = sorted(path for path in media.iterdir() if path.suffix in (".mp4", ".avi"))
    for path in files[:count]:
        stream = probe(path).video
        if stream is not None:
            times = np.linspace(stream.start_seconds, stream.end_seconds - 0.1, VIEW)
            yield compute_flow(read_frame_pairs(path, times), config)


def moving_textures(seed: int) -> FramePairs:
    random = np.random.default_rng(seed)
    ground = np.kron(random.integers(0, 255, (48, 64), dtype=np.uint8), np.ones((8, 8), np.uint8))[..., None]
    frames = [np.repeat(np.roll(ground, (k * seed, 2 * k), (0, 1))[:256, :340], 3, axis=2) for k in range(VIEW + 1)]
    times = np.arange(VIEW, dtype=np.float64)
    return FramePairs(Frames(np.stack(frames[:-1]), times), Frames(np.stack(frames[1:]), times))


def measure(flows: list[np.ndarray], rounds: int) -> dict[str, Score]:
    scores = {name: Score() for name in formats()}
    for flow in flows:
        codes = encode_flow(flow, LIMIT_PX)
        wanted = np.clip(flow, -LIMIT_PX, LIMIT_PX)
        for _ in range(rounds):
            for name, form in formats().items():
                begun = time.process_time()
                content = form.write(codes)
                written = time.process_time()
                back = form.read(content, codes.shape)
                score = scores[name]
                score.read_seconds.append(time.process_time() - written)
                score.write_seconds.append(written - begun)
                errors = np.abs(decode_flow(np.ascontiguousarray(back), LIMIT_PX) - wanted)
                score.errors_px.append(float(errors.mean()))
                score.worst_px = max(score.worst_px, float(errors.max()))
                score.num_bytes.append(len(content))
    return scores


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two views, once")
    parser.add_argument("--media", type=Path, help="a folder of clips to take flow from")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    flows = list(views(options.media, 2 if options.quick else 6))
    scores = measure(flows, 1 if options.quick else 3)
    height, width = flows[0].shape[1:3]
    table = Table(title=f"{len(flows)} views of {VIEW} flow pictures, {height} x {width}", title_justify="left")
    for column in (
        "format",
        "kB a picture",
        "of raw",
        "mean error px",
        "worst px",
        "write ms",
        "read ms",
        "read views/s",
    ):
        table.add_column(column, justify="left" if column == "format" else "right", no_wrap=True)
    raw = float(np.mean(scores["raw 8-bit codes"].num_bytes))
    results = {}
    for name, score in scores.items():
        size, read, write = (np.mean(v) for v in (score.num_bytes, score.read_seconds, score.write_seconds))
        results[name] = {
            "bytes_a_picture": float(size) / VIEW,
            "mean_error_px": float(np.mean(score.errors_px)),
            "worst_error_px": score.worst_px,
            "read_ms_a_picture": float(1000 * read / VIEW),
            "write_ms_a_picture": float(1000 * write / VIEW),
        }
        error, worst = f"{np.mean(score.errors_px):.3f}", f"{score.worst_px:.2f}"
        speed = (f"{1000 * write / VIEW:.2f}", f"{1000 * read / VIEW:.2f}", f"{1 / read:.0f}")
        table.add_row(name, f"{size / VIEW / 1000:.1f}", f"{size / raw:.2f}", error, worst, *speed)
    print(machine())
    Console(width=120).print(table)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "formats": results}, indent=1) + "\n")
    chosen = results["zstd 3"]["bytes_a_picture"]
    print(f"headline: raw_over_stored_bytes {raw / VIEW / chosen:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
