"""One decoded picture: its time, and its RGB image when somebody looks at it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8

from openmov.media.decode.geometry import Geometry

_Rgb = UInt8[np.ndarray, "height width 3"]

# Colour matrices by FFmpeg's numbers (AVColorSpace).
_UNSPECIFIED, _YCGCO, _BT2020 = 2, 8, 9
_CONVERTED = frozenset((0, 1, 2, 4, 5, 6, 7, 9))
"""Those that swscale converts from: RGB, BT.709, none, FCC, BT.470BG, SMPTE 170M, SMPTE 240M, BT.2020."""
_NAMES = {
    10: "BT.2020 constant luminance",
    11: "SMPTE 2085",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}


_RESERVED, _DERIVED, _DERIVED_CONSTANT = 3, 12, 13
_OF_PRIMARIES = {1: 1, 4: 4, 5: 5, 6: 6, 7: 7, 9: 9}
"""The matrix that follows from each set of primaries, which have the same numbers."""


def approximated_matrix(colorspace: int) -> str | None:
    """The name of a colour matrix whose pictures are shown with that of BT.2020 in its place, since FFmpeg cannot
    convert them: brightness is right, hues are nearly so. None for all others.
    """
    if colorspace in _CONVERTED or colorspace in (_YCGCO, _RESERVED, _DERIVED, _DERIVED_CONSTANT):
        return None
    return _NAMES.get(colorspace, f"number {colorspace}")


@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded picture, turned into RGB when it is first looked at."""

    time_seconds: float
    """When it comes on screen."""
    duration_seconds: float
    """How long it stays, by its packet or else by the nominal frame rate."""
    frame: Any
    """PyAV's frame."""
    reformatter: VideoReformatter
    """Shared between the pictures of a video, so that swscale is set up once."""
    geometry: Geometry
    """That of the video's first picture: a later one of another size is scaled to the first."""

    @cached_property
    def image(self) -> _Rgb:
        """RGB, upright, pixels square; colour matrix and range are those the picture names (else BT.601, limited)."""
        shape = self.geometry
        rgb = _in_rgb(self.frame, self.reformatter, shape.width, shape.height)
        return np.ascontiguousarray(shape.upright(rgb))

    def forget_image(self) -> None:
        """Gives back the memory of the RGB image, which is made again if it is looked at again."""
        self.__dict__.pop("image", None)

    def looks_like(self, other: "Picture") -> bool:
        """Whether both show the same, pixel for pixel (a repeated picture)."""
        return self is other or np.array_equal(self.image, other.image)


def _in_rgb(frame: Any, reformatter: VideoReformatter, width: int, height: int) -> _Rgb:
    """A frame of any kind at a given size."""
    if frame.format.name == "pal8":
        frame = _of_palette(frame)
    matrix = int(frame.colorspace)
    if matrix not in _CONVERTED and not frame.format.is_rgb:
        if matrix == _YCGCO:
            return _of_ycgco(frame, reformatter, width, height)
        frame.colorspace = _stand_in(matrix, int(frame.color_primaries))
    return np.asarray(reformatter.reformat(frame, width=width, height=height, format="rgb24").to_ndarray())


def _stand_in(matrix: int, primaries: int) -> int:
    """A matrix that swscale knows, for one that it does not."""
    if matrix == _RESERVED:
        return _UNSPECIFIED
    if matrix in (_DERIVED, _DERIVED_CONSTANT):
        return _OF_PRIMARIES.get(primaries, _UNSPECIFIED)
    return _BT2020


def _of_palette(frame: Any) -> Any:
    """A frame of RGB from one of indexes: swscale is handed no palette by PyAV, and would show black."""
    index, palette = frame.to_ndarray()
    colours = np.ascontiguousarray(palette.reshape(-1, 4)[:, 1:])  # alpha, red, green, blue
    return av.VideoFrame.from_ndarray(colours[index], format="rgb24")


def _of_ycgco(frame: Any, reformatter: VideoReformatter, width: int, height: int) -> _Rgb:
    """Y is half green and a quarter each red and blue, Cg and Co differences (ITU-T H.273, matrix 8)."""
    full = int(frame.color_range) == 2
    frame.colorspace = _UNSPECIFIED  # from YUV to YUV: nothing is converted but the size
    planes = reformatter.reformat(frame, width=width, height=height, format="yuvj444p" if full else "yuv444p")
    luma, green, orange = np.asarray(planes.to_ndarray(), np.float32)
    if not full:
        luma, green, orange = (luma - 16) * 255 / 219, (green - 128) * 255 / 224, (orange - 128) * 255 / 224
    else:
        green, orange = green - 128, orange - 128
    rest = luma - green
    rgb = np.stack([rest + orange, luma + green, rest - orange], axis=-1)
    return np.asarray(np.clip(np.rint(rgb), 0, 255), np.uint8)
