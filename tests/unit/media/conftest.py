"""Pictures that carry their number, and files made of them in ways that write_clip does not offer."""

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from jaxtyping import Float32, Float64, UInt8

NumberedImages = Callable[..., UInt8[np.ndarray, "time height width 3"]]


@pytest.fixture(scope="session")
def numbered_images() -> NumberedImages:
    """images(num_frames, width=64, height=48): frame n holds n in two digits of base 16, as grey left and right."""

    def make(num_frames: int, width: int = 64, height: int = 48) -> UInt8[np.ndarray, "time height width 3"]:
        images = np.empty((num_frames, height, width, 3), np.uint8)
        for number, image in enumerate(images):
            image[:, : width // 2] = number % 16 * 15 + 12
            image[:, width // 2 :] = number // 16 * 15 + 12
        return images

    return make


@pytest.fixture(scope="session")
def numbers_of() -> Callable[[UInt8[np.ndarray, "time height width 3"]], list[int]]:
    """Reads the numbers back, from pictures that coding has disturbed a little."""

    def read(images: UInt8[np.ndarray, "time height width 3"]) -> list[int]:
        half = images.shape[2] // 2
        low = images[:, 4:-4, 4 : half - 4].mean(axis=(1, 2, 3))
        high = images[:, 4:-4, half + 4 : -4].mean(axis=(1, 2, 3))
        digits = np.rint((np.stack([low, high]) - 12) / 15)
        return (digits[0] + 16 * digits[1]).astype(int).tolist()

    return read


@pytest.fixture(scope="session")
def sine() -> Callable[..., Float32[np.ndarray, "samples"]]:
    """sine(frequency_hz, seconds, rate_hz=16000): of amplitude 0.5."""

    def make(frequency_hz: float, seconds: float, rate_hz: int = 16_000) -> Float32[np.ndarray, "samples"]:
        times: Float64[np.ndarray, "samples"] = np.arange(round(seconds * rate_hz)) / rate_hz
        return (0.5 * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def write_video() -> Callable[..., None]:
    """write_video(path, images, rate_fps, codec, pix_fmt, options, **context): any container and coding; `context`
    are fields of the coder, such as its sample_aspect_ratio.
    """

    def write(
        path: Path,
        images: UInt8[np.ndarray, "time height width 3"],
        rate_fps: int,
        codec: str,
        pix_fmt: str,
        options: dict[str, str] | None = None,
        **context: Any,
    ) -> None:
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream(codec, rate=rate_fps, options=options or {})
            stream.height, stream.width = images.shape[1:3]
            stream.pix_fmt = pix_fmt
            stream.bit_rate = 2_000_000
            for name, value in context.items():
                setattr(stream.codec_context, name, value)
            for number, image in enumerate(images):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
                frame.time_base = Fraction(1, rate_fps)
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    return write


@pytest.fixture(scope="session")
def write_sound() -> Callable[..., None]:
    """write_sound(path, samples (channels, time), rate_hz, codec, format): any container and coding."""

    def write(
        path: Path, samples: Float32[np.ndarray, "channels samples"], rate_hz: int, codec: str, sample_format: str
    ) -> None:
        layout = {1: "mono", 2: "stereo"}[len(samples)]
        with av.open(str(path), "w") as container:
            # FFmpeg's AAC replaces noise by random numbers, which no two decodings share
            options = {"aac_pns": "0"} if codec == "aac" else {}
            stream: Any = container.add_stream(codec, rate=rate_hz, layout=layout, options=options)
            resampler = av.AudioResampler(format=sample_format, layout=layout, rate=rate_hz)
            for start in range(0, samples.shape[1], 960):
                piece = np.ascontiguousarray(samples[:, start : start + 960])
                frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
                frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
                for converted in resampler.resample(frame):
                    container.mux(stream.encode(converted))
            container.mux(stream.encode(None))

    return write


@pytest.fixture(scope="session")
def turn() -> Callable[[Path, int], None]:
    """turn(path, quarters, mirror=False): writes into an mp4 that its pictures are to be turned clockwise, as
    telephones do, perhaps after exchanging left and right.
    """

    def write(path: Path, quarters: int, mirror: bool = False) -> None:
        one = 1 << 16
        a, b = [(one, 0), (0, one), (-one, 0), (0, -one)][quarters % 4]
        data = bytearray(path.read_bytes())
        matrix = data.index(b"tkhd") + 44  # of the first track, the pictures
        assert struct.unpack_from(">9i", data, matrix) == (one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
        sign = -1 if mirror else 1
        struct.pack_into(">9i", data, matrix, sign * a, sign * b, 0, -b, a, 0, 0, 0, 1 << 30)
        path.write_bytes(bytes(data))

    return write


@pytest.fixture(scope="session")
def moov_first() -> Callable[[Path, Path], None]:
    """moov_first(source, target): the same packets with the index before the data, so that the end may be cut off."""

    def copy(source: Path, target: Path) -> None:
        with av.open(str(source)) as old, av.open(str(target), "w", options={"movflags": "faststart"}) as new:
            streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
            for packet in old.demux():
                if packet.dts is not None:
                    packet.stream = streams[packet.stream_index]
                    new.mux(packet)

    return copy
