"""Media as people have them and encoders do not write them on purpose: made from nothing, small, always the same bytes.

write_media(path, images, sound, ...)     any container and coding that FFmpeg writes, track by track
stairs(n), textured(n)                    pictures that tell which they are
straight(path)                            all pictures by FFmpeg from the first byte on: the truth for any search
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np

Image = np.ndarray
Samples = np.ndarray
RATE_FPS = 25


def stairs(count: int, *, low: int = 20, high: int = 230, width: int = 96, height: int = 64) -> list[Image]:
    """Flat pictures, each brighter than the one before."""
    levels = np.linspace(low, high, count).round().astype(np.uint8)
    return [np.full((height, width, 3), level, np.uint8) for level in levels]


def textured(count: int, *, width: int = 96, height: int = 64) -> list[Image]:
    """Many small fields, each picture a little brighter, and a square that moves."""
    fields = np.random.default_rng(5).integers(20, 100, (height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1)
    images = []
    for number in range(count):
        image = np.clip(fields + 20 + number, 0, 255).astype(np.uint8)
        x = 3 * number % (width - 16)
        image[20:44, x : x + 16] = (250, 250, 20)
        images.append(image)
    return images


def corners(*, width: int = 96, height: int = 64) -> Image:
    """Four quarters of different colours, out of the palette `PALETTE`."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = (204, 51, 51), (51, 153, 51)
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = (51, 51, 204), (204, 204, 51)
    return image


def tone(seconds: float, rate_hz: int = 16_000, *, hz: float = 440.0, level: float = 0.5) -> Samples:
    """A sine, mono."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


@dataclass(frozen=True)
class Video:
    """One track of pictures."""

    images: Sequence[Image] = field(repr=False)
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    gop: int = 250
    max_b_frames: int | None = None
    times: Sequence[float] | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    rate_fps: int = RATE_FPS


@dataclass(frozen=True)
class Sound:
    """One track of sound; samples of (channels, time) or mono."""

    samples: Samples = field(repr=False)
    rate_hz: int = 16_000
    codec: str = "aac"
    layout: str = "mono"
    start: float = 0.0
    disposition: Any = None


def write_media(
    path: Path, *tracks: Video | Sound, fmt: str | None = None, metadata: Mapping[str, str] | None = None, **mux: str
) -> Path:
    """A file of these tracks, interleaved by time; `mux` are options of the container."""
    with av.open(str(path), "w", format=fmt, options={"fflags": "+bitexact", **mux}) as out:
        out.metadata.update(metadata or {})
        packets = [add(out) for add in [_adder(out, track) for track in tracks]]
        for packet in sorted((p for some in packets for p in some), key=lambda p: float((p.dts or 0) * p.time_base)):
            out.mux(packet)
    return path


def _adder(out: Any, track: Video | Sound) -> Any:
    """Adds a stream at once; what is returned makes its packets: all streams must be there before the first."""
    if isinstance(track, Sound):
        stream = out.add_stream(track.codec, rate=track.rate_hz, layout=track.layout)
        if track.codec == "mp2":
            stream.codec_context.bit_rate = 64_000
        if track.disposition is not None:
            stream.disposition = track.disposition
        return lambda _: _sound_packets(stream, track)
    quality = {"crf": "14", "preset": "veryfast", "threads": "1"} if track.codec == "libx264" else {"threads": "1"}
    stream = out.add_stream(track.codec, rate=track.rate_fps, options={**quality, **track.options})
    stream.height, stream.width = track.images[0].shape[:2]
    stream.pix_fmt = track.pix_fmt
    context = stream.codec_context
    context.gop_size, context.thread_count = track.gop, 1
    if track.max_b_frames is not None:
        context.max_b_frames = track.max_b_frames
    if track.codec not in ("libx264", "libx265"):
        context.bit_rate = 2_000_000
    if track.times is not None:
        stream.time_base = context.time_base = Fraction(1, 1000)
    for name, value in track.context.items():
        setattr(context, name, value)
    return lambda _: _video_packets(stream, track)


def _video_packets(stream: Any, track: Video) -> list[Any]:
    clock = Fraction(1, track.rate_fps) if track.times is None else Fraction(1, 1000)
    packets = []
    for number, image in enumerate(track.images):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24").reformat(format=track.pix_fmt)
        frame.time_base = clock
        frame.pts = number if track.times is None else round(track.times[number] * 1000)
        packets += stream.encode(frame)
    return packets + list(stream.encode(None))


def _sound_packets(stream: Any, track: Sound) -> list[Any]:
    context = stream.codec_context
    channels = av.AudioLayout(track.layout).nb_channels
    columns = track.samples.T if track.samples.ndim == 2 else np.repeat(track.samples[:, None], channels, 1)
    packed = np.ascontiguousarray(columns, np.float32).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=track.layout)
    frame.sample_rate, frame.time_base = track.rate_hz, Fraction(1, track.rate_hz)
    frame.pts = round(track.start * track.rate_hz)
    resampler = av.AudioResampler(
        format=context.format, layout=track.layout, rate=context.rate, frame_size=context.frame_size or 1024
    )
    packets = []
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        packets += stream.encode(piece)
    return packets + list(stream.encode(None))


def straight(path: Path) -> tuple[list[Image], list[float]]:
    """All pictures and their times since the first, by FFmpeg alone, without searching."""
    images, times = [], []
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.best("video")
        assert stream is not None
        with suppress(IndexError):  # at the end, where streams appeared on the way (PyAV)
            for frame in container.decode(stream):
                images.append(frame.to_ndarray(format="rgb24"))
                times.append(float((frame.pts or 0) * stream.time_base))
    return images, [time - times[0] for time in times]


def replaced(path: Path, old: bytes, new: bytes) -> Path:
    """The same file with other bytes in one place."""
    data = path.read_bytes()
    assert old in data
    assert len(old) == len(new)
    path.write_bytes(data.replace(old, new, 1))
    return path


# -- byte by byte

PALETTE = np.zeros((256, 4), np.uint8)
"""Blue, green, red, 0: six steps of each."""
PALETTE[:216, :3] = [(i % 6 * 51, i // 6 % 6 * 51, i // 36 * 51) for i in range(216)]


def indexed(image: Image) -> Image:
    """The numbers of an image's colours in the palette."""
    steps = np.rint(image / 51).astype(int)
    numbers: Image = (steps[..., 2] + 6 * steps[..., 1] + 36 * steps[..., 0]).astype(np.uint8)
    return numbers


def chunk(name: bytes, body: bytes) -> bytes:
    """Of a RIFF file."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def write_avi(
    path: Path, fourcc: bytes, bits: int, pictures: Iterable[bytes], *, palette: bytes = b"", fps: int = 10
) -> Path:
    """An AVI of pictures of 96 x 64, given as their bytes."""
    width, height, frames = 96, 64, list(pictures)
    largest = max(map(len, frames))
    avih = struct.pack("<14I", 10**6 // fps, 0, 0, 16, len(frames), 0, 1, largest, width, height, 0, 0, 0, 0)
    handler = fourcc if fourcc.strip(b"\0") else b"DIB "
    strh = (
        b"vids" + handler + struct.pack("<10I4H", 0, 0, 0, 1, fps, 0, len(frames), largest, 0, 0, 0, 0, width, height)
    )
    strf = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, bits, fourcc, largest, 0, 0, len(palette) // 4, 0)
    strl = b"strl" + chunk(b"strh", strh) + chunk(b"strf", strf + palette)
    head = chunk(b"LIST", b"hdrl" + chunk(b"avih", avih) + chunk(b"LIST", strl))
    movi, index = b"movi", b""
    for frame in frames:
        index += b"00dc" + struct.pack("<III", 16, len(movi), len(frame))
        movi += chunk(b"00dc", frame)
    path.write_bytes(chunk(b"RIFF", b"AVI " + head + chunk(b"LIST", movi) + chunk(b"idx1", index)))
    return path


def write_wav(
    path: Path, body: bytes, *, rate_hz: int, channels: int, bits: int, said_bytes: int | None = None
) -> Path:
    """A WAV file of PCM; `said_bytes` is what its header says of the length, where that is not the truth."""
    align = channels * bits // 8
    head = b"WAVE" + chunk(b"fmt ", struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * align, align, bits))
    size = len(body) if said_bytes is None else said_bytes
    data = head + b"data" + struct.pack("<I", size) + body
    path.write_bytes(b"RIFF" + struct.pack("<I", min(len(data) if said_bytes is None else size, 0xFFFFFFFF)) + data)
    return path


def later_ts(data: bytes, ticks: int) -> bytes:
    """A transport stream all of whose clocks (90 kHz) say `ticks` more."""
    out = bytearray(data)

    def shift(at: int) -> None:
        old = (
            (out[at] >> 1 & 7) << 30 | out[at + 1] << 22 | out[at + 2] >> 1 << 15 | out[at + 3] << 7 | out[at + 4] >> 1
        )
        new = (old + ticks) % (1 << 33)
        out[at] = out[at] & 0xF1 | new >> 30 << 1
        out[at + 1], out[at + 2] = new >> 22 & 0xFF, new >> 14 & 0xFE | 1
        out[at + 3], out[at + 4] = new >> 7 & 0xFF, new << 1 & 0xFE | 1

    for at in range(0, len(out) - 187, 188):
        kind, body = out[at + 3] >> 4, at + 4
        if kind & 2:
            if out[at + 4] and out[at + 5] & 16:
                base = ((int.from_bytes(out[at + 6 : at + 10], "big") << 1 | out[at + 10] >> 7) + ticks) % (1 << 33)
                out[at + 6 : at + 10] = (base >> 1).to_bytes(4, "big")
                out[at + 10] = out[at + 10] & 0x7F | (base & 1) << 7
            body += 1 + out[at + 4]
        if out[at + 1] & 0x40 and kind & 1 and out[body : body + 3] == b"\0\0\1" and 0xC0 <= out[body + 3] <= 0xEF:
            stamps = out[body + 7] >> 6
            if stamps & 2:
                shift(body + 9)
            if stamps == 3:
                shift(body + 14)
    return bytes(out)


def flv_tags(data: bytes) -> Iterable[tuple[int, int, bytes]]:
    """Kind (8 sound, 9 pictures, 18 facts), milliseconds and bytes of each tag of an FLV."""
    at = 13
    while at + 11 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        yield data[at], int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24, data[at : at + 15 + size]
        at += 15 + size


def two_sizes(path: Path, fmt: str) -> Path:
    """One H.264 stream of 25 pictures of 96 x 64 and then 25 of 64 x 96."""
    packets = []
    for (width, height), offset in (((96, 64), 0), ((64, 96), 25)):
        with av.open(BytesIO(), "w", format="h264", options={"fflags": "+bitexact"}) as out:
            images = textured(25, width=width, height=height)
            add = _adder(out, Video(images, max_b_frames=0, options={"bf": "0"}))
            packets += [(bytes(p), p.pts + offset, p.is_keyframe) for p in add(out)]
    with av.open(str(path), "w", format=fmt, options={"fflags": "+bitexact"}) as out:
        stream = out.add_stream("libx264", rate=RATE_FPS)
        stream.width, stream.height, stream.pix_fmt, stream.codec_context.max_b_frames = 96, 64, "yuv420p", 0
        for data, pts, key in packets:
            packet = av.Packet(data)
            packet.pts = packet.dts = pts
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, RATE_FPS), stream, key
            out.mux(packet)
    return path
