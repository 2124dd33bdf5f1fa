"""Which times of a video, and which part of its pictures, to look at: arithmetic, no file is opened.

A view is seeded: the video's name and a seed fix its times, its crop and its flip, on every machine. So RGB, optical
flow and a stored feature of one view always belong together, whenever each was made. Crops are fractions of the
picture and hold for any working size. Of the sound there are only positions here. It knows nothing of files, labels or
networks.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

_NUM_TRIES = 10

Resize = Literal["shortest", "squash", "longest"]
"""What becomes of a picture that is not square on its way to a square input: `shortest` keeps its shape and crops the
long side; `squash` brings both sides to the input's and distorts it; `longest` keeps its shape and pads the short side
with black."""


@dataclass(frozen=True)
class ViewSettings:
    """How views are cut; the defaults are the paper's."""

    num_frames: int = 16
    """Frames of a clip."""
    stride_seconds: float = 0.16
    """From frame to frame: stride 4 at 25 frames a second."""
    whole: bool = False
    """Frames are spread over the whole video instead of being so far apart: see `spread_times`."""
    crop_area: tuple[float, float] = (0.08, 1.0)
    """Smallest and largest part of the picture in a training crop."""
    crop_aspect: tuple[float, float] = (3 / 4, 4 / 3)
    """Smallest and largest width : height of a training crop, in pixels."""
    crop_fraction: float = 224 / 256
    """Side of a test crop as a part of the picture's short side."""
    flip_probability: float = 0.5
    """How often a training view is mirrored; 0 where class names say left or right."""
    resize: Resize = "shortest"
    """How the backbone was trained to see pictures that are not square."""


@dataclass(frozen=True)
class Crop:
    """A rectangle in fractions of the picture (0 left and top, 1 right and bottom), perhaps mirrored.

    It may reach beyond the picture, where a square is wanted that holds all of it: there it is black.
    """

    left: float
    """Its left edge, a part of the picture's width."""
    top: float
    """Its upper edge, a part of the picture's height."""
    width: float
    """A part of the picture's width."""
    height: float
    """A part of the picture's height."""
    flip: bool = False
    """Mirrored left to right after cutting."""

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """(left, top, width, height) in whole pixels of a picture of that size; never empty, and inside the picture
        unless the crop reaches beyond it.
        """
        if self.width > 1 or self.height > 1:
            left, top = round(self.left * width), round(self.top * height)
            return left, top, max(round(self.width * width), 1), max(round(self.height * height), 1)
        box_width = min(max(round(self.width * width), 1), width)
        box_height = min(max(round(self.height * height), 1), height)
        left = min(round(self.left * width), width - box_width)
        return left, min(round(self.top * height), height - box_height), box_width, box_height


@dataclass(frozen=True)
class View:
    """What is looked at in one video, once."""

    index: int
    """Its place among the views of the video; 0 in training."""
    times_seconds: tuple[float, ...]
    """The frames' times on the file's clock."""
    crop: Crop
    """The part of every one of its frames, RGB and flow alike."""

    @property
    def middle_seconds(self) -> float:
        """Half-way between its first and its last frame."""
        return (self.times_seconds[0] + self.times_seconds[-1]) / 2


def clip_times(
    start_seconds: float, end_seconds: float, num_frames: int, stride_seconds: float, position: float
) -> Float64[np.ndarray, "time"]:
    """Times of `num_frames` frames `stride_seconds` apart; `position` 0 puts them first in the video, 1 last.

    The video shows pictures from `start_seconds` to `end_seconds`. In a video too short for the clip the times go
    on to its end and stay there, which repeats its last frame. Raises ValueError for numbers out of range.
    """
    if num_frames < 1 or stride_seconds <= 0 or not 0 <= position <= 1 or end_seconds < start_seconds:
        raise ValueError(
            f"no clip of {num_frames} frames {stride_seconds} s apart at position {position} "
            f"between {start_seconds} and {end_seconds} s"
        )
    free_seconds = max(end_seconds - start_seconds - (num_frames - 1) * stride_seconds, 0.0)
    first_seconds = start_seconds + position * free_seconds
    times: Float64[np.ndarray, "time"] = np.minimum(first_seconds + stride_seconds * np.arange(num_frames), end_seconds)
    return times


def spread_times(
    start_seconds: float, end_seconds: float, num_frames: int, position: float
) -> Float64[np.ndarray, "time"]:
    """Times of `num_frames` frames over the whole video: one in each of as many equal parts, at the same place in each.

    `position` 0 is the beginning of each part, 0.5 its middle (where X-CLIP and TSN look), 1 its end: several clips
    look between the frames of each other. Raises ValueError for numbers out of range.
    """
    if num_frames < 1 or not 0 <= position <= 1 or end_seconds < start_seconds:
        raise ValueError(f"no {num_frames} frames at position {position} between {start_seconds} and {end_seconds} s")
    part_seconds = (end_seconds - start_seconds) / num_frames
    times: Float64[np.ndarray, "time"] = start_seconds + part_seconds * (np.arange(num_frames) + position)
    return np.asarray(np.minimum(times, end_seconds), np.float64)


def evaluation_positions(num_clips: int) -> tuple[float, ...]:
    """Evenly spaced positions from the first to the last: (0.5,) for one, (0, 1/3, 2/3, 1) for four."""
    if num_clips < 1:
        raise ValueError(f"num_clips is {num_clips}, not 1 or more")
    return (0.5,) if num_clips == 1 else tuple(index / (num_clips - 1) for index in range(num_clips))


def audio_window_positions(num_windows: int) -> tuple[float, ...]:
    """Evenly spaced windows of sound, as `evaluation_positions`: 12 for 4 clips x 3 crops, window i with view i."""
    return evaluation_positions(num_windows)


def seeded_generator(*parts: str | int) -> np.random.Generator:
    """Random numbers fixed by `parts`, the same in every process and on every machine.

    Parts do not run into each other ("a", "bc" is not "ab", "c"), nor is a number its digits.
    """
    text = repr(tuple((type(part).__name__, part) for part in parts))
    digest = hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def random_position(generator: np.random.Generator) -> float:
    """A position in [0, 1), all alike."""
    return float(generator.random())


def random_resized_crop(
    generator: np.random.Generator,
    width: int,
    height: int,
    area: tuple[float, float] = (0.08, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
    flip_probability: float = 0.5,
) -> Crop:
    """A crop of random area, aspect and place: the random resized crop of Inception, as torchvision draws it.

    Ten tries at an area uniform in `area` and an aspect (width : height in pixels) log-uniform in `aspect`; if none
    fits, the largest centred crop of an allowed aspect. Not rounded to pixels, so it depends on the picture's shape
    alone and not on its size.
    """
    crop_width, crop_height = _largest_centred(width, height, aspect)
    left, top = (width - crop_width) / 2, (height - crop_height) / 2
    for _ in range(_NUM_TRIES):
        pixels = width * height * generator.uniform(*area)
        ratio = math.exp(generator.uniform(math.log(aspect[0]), math.log(aspect[1])))
        tried_width, tried_height = math.sqrt(pixels * ratio), math.sqrt(pixels / ratio)
        if tried_width <= width and tried_height <= height:
            crop_width, crop_height = tried_width, tried_height
            left = generator.uniform(0, width - crop_width)
            top = generator.uniform(0, height - crop_height)
            break
    flip = bool(generator.random() < flip_probability)
    return Crop(left / width, top / height, crop_width / width, crop_height / height, flip)


def evaluation_crops(
    num_crops: int, width: int, height: int, crop_fraction: float = 224 / 256, resize: Resize = "shortest"
) -> tuple[Crop, ...]:
    """Squares of `crop_fraction` of the short side: at the centre, or at both ends and the centre of the long side.

    `num_crops` is 1 or 3, else ValueError. The view geometry of ViViT (section 4.1 of the paper). Where the picture is
    squashed or padded to a square, one crop is that square, as the backbone was trained; three are `crop_fraction` of
    it on both sides, at both ends and the centre of the picture's long side.
    """
    if num_crops not in (1, 3):
        raise ValueError(f"num_crops is {num_crops}, not 1 or 3")
    if resize != "shortest":
        return _crops_of_square(num_crops, width, height, crop_fraction, resize)
    side = crop_fraction * min(width, height)
    along = (0.5,) if num_crops == 1 else (0.0, 0.5, 1.0)
    places = [(place, 0.5) if width >= height else (0.5, place) for place in along]
    free_x, free_y = 1 - side / width, 1 - side / height
    return tuple(Crop(x * free_x, y * free_y, side / width, side / height) for x, y in places)


def training_view(
    video_id: str, seed: int, span_seconds: tuple[float, float], size: tuple[int, int], settings: ViewSettings
) -> View:
    """The view that a video's name and a seed fix.

    `span_seconds` is (start, end) of its pictures, `size` their (width, height). The seed should differ from epoch
    to epoch. The order of the draws is part of the contract: place in time, crop, flip.
    """
    generator = seeded_generator("training view", video_id, seed)
    position = random_position(generator)
    if settings.resize == "squash":  # drawn in the squashed picture, which is square
        size = (1, 1)
    crop = random_resized_crop(generator, *size, settings.crop_area, settings.crop_aspect, settings.flip_probability)
    return View(0, _times(span_seconds, settings, position), crop)


def evaluation_views(
    span_seconds: tuple[float, float],
    size: tuple[int, int],
    num_clips: int = 4,
    num_crops: int = 3,
    settings: ViewSettings = ViewSettings(),
) -> tuple[View, ...]:
    """`num_clips` x `num_crops` views, all crops of the first clip first."""
    crops = evaluation_crops(num_crops, *size, settings.crop_fraction, settings.resize)
    places = evaluation_positions(num_clips)
    if settings.whole:  # between each other, and none at the very edge that the next part begins with
        places = tuple((index + 0.5) / num_clips for index in range(num_clips))
    clips = [_times(span_seconds, settings, position) for position in places]
    pairs = [(times, crop) for times in clips for crop in crops]
    return tuple(View(index, *pair) for index, pair in enumerate(pairs))


def _crops_of_square(num_crops: int, width: int, height: int, fraction: float, resize: Resize) -> tuple[Crop, ...]:
    """Of the whole picture squashed to a square, or of the square that holds it, centred."""
    long = max(width, height)
    square_width, square_height = (1.0, 1.0) if resize == "squash" else (long / width, long / height)
    if num_crops == 1:
        return (Crop((1 - square_width) / 2, (1 - square_height) / 2, square_width, square_height),)
    places = [(place, 0.5) if width >= height else (0.5, place) for place in (0.0, 0.5, 1.0)]
    size = (fraction * square_width, fraction * square_height)
    return tuple(
        Crop(
            (1 - square_width) / 2 + x * (square_width - size[0]),
            (1 - square_height) / 2 + y * (square_height - size[1]),
            *size,
        )
        for x, y in places
    )


def _times(span_seconds: tuple[float, float], settings: ViewSettings, position: float) -> tuple[float, ...]:
    if settings.whole:
        return tuple(spread_times(*span_seconds, settings.num_frames, position).tolist())
    times = clip_times(*span_seconds, settings.num_frames, settings.stride_seconds, position)
    return tuple(times.tolist())


def _largest_centred(width: int, height: int, aspect: tuple[float, float]) -> tuple[float, float]:
    if width / height < aspect[0]:
        return float(width), width / aspect[0]
    if width / height > aspect[1]:
        return height * aspect[1], float(height)
    return float(width), float(height)


_ROUNDING = 1e-9


@dataclass(frozen=True)
class Span:
    """A piece of time, without its end."""

    start_seconds: float
    """On the file's clock."""
    end_seconds: float
    """On the file's clock."""

    @property
    def middle_seconds(self) -> float:
        """Half way."""
        return (self.start_seconds + self.end_seconds) / 2

    def holds(self, seconds: float) -> bool:
        """Whether a moment lies in it; an empty span holds its start."""
        return self.start_seconds <= seconds < self.end_seconds or seconds == self.start_seconds


@dataclass(frozen=True)
class WindowGrid:
    """Windows of one video, made by `window_grid`."""

    span: Span
    """What the windows cover, by what the file promises."""
    window_seconds: float
    """Length of a window; that of the span if it is shorter."""
    hop_seconds: float
    """From the start of a window to that of the next, and the length of a part."""
    steps_per_hop: int
    """Steps of the grid in a hop."""
    stride: int
    """Steps from frame to frame in a window; above 1 only where a hop is shorter than that."""
    frames_per_window: int
    """At most as many as were asked for."""

    @property
    def step_seconds(self) -> float:
        """From frame to frame of the grid."""
        return self.hop_seconds / self.steps_per_hop

    @property
    def num_windows(self) -> int:
        """At least one; the last one is moved back so that it ends with the video."""
        free = self._duration_seconds - self.window_seconds
        return 1 if free <= 0 else 1 + math.ceil(free / self.hop_seconds - _ROUNDING)

    @property
    def num_frames(self) -> int:
        """Frames of the grid that any window looks at."""
        return self.frames_of(self.num_windows - 1)[-1] + 1

    @property
    def num_parts(self) -> int:
        """At least one."""
        return max(1, math.ceil(self._duration_seconds / max(self.hop_seconds, _ROUNDING) - _ROUNDING))

    def frame_seconds(self, index: int) -> float:
        """When frame `index` of the grid is looked at: in the middle of its step, never after the end."""
        return min(self.span.start_seconds + (index + 0.5) * self.step_seconds, self.span.end_seconds)

    def frame_times(self) -> Iterator[float]:
        """The times of all frames."""
        return (self.frame_seconds(index) for index in range(self.num_frames))

    def frames_of(self, window: int) -> range:
        """The frames of the grid that a window looks at."""
        first = self._first_step(window) + self.stride // 2
        return range(first, first + self.frames_per_window * self.stride, self.stride)

    def window(self, index: int) -> Span:
        """The time that a window stands for."""
        start = self.span.start_seconds + self._first_step(index) * self.step_seconds
        return Span(start, min(start + self.window_seconds, self.span.end_seconds))

    def part(self, index: int) -> Span:
        """The time that part `index` stands for."""
        start, end = (self.span.start_seconds + edge * self.hop_seconds for edge in (index, index + 1))
        return Span(start, min(end, self.span.end_seconds))

    def _first_step(self, window: int) -> int:
        last = math.ceil((self._duration_seconds - self.window_seconds) / max(self.step_seconds, _ROUNDING) - _ROUNDING)
        return min(window * self.steps_per_hop, max(last, 0))

    @property
    def _duration_seconds(self) -> float:
        return self.span.end_seconds - self.span.start_seconds


def window_grid(span: Span, window_seconds: float, hop_seconds: float, num_frames: int) -> WindowGrid:
    """The grid on which windows of `window_seconds` see `num_frames` evenly spread frames, or a few less.

    The step is the shortest that divides the hop and gives a window no more than `num_frames`. A video shorter than a
    window is one window. Raises ValueError unless 0 < hop <= window: time between windows would never be looked at.
    """
    if not (0 < hop_seconds <= window_seconds < math.inf) or num_frames < 1:
        raise ValueError(f"no windows of {num_frames} frames: {window_seconds} s every {hop_seconds} s")
    duration = span.end_seconds - span.start_seconds
    if duration <= 0:
        return WindowGrid(span, 0.0, 0.0, 1, 1, 1)
    if duration <= window_seconds:
        return WindowGrid(span, duration, duration, num_frames, 1, num_frames)
    steps = max(1, math.floor(hop_seconds * num_frames / window_seconds + _ROUNDING))
    steps_per_window = window_seconds / (hop_seconds / steps)
    stride = max(1, math.ceil(steps_per_window / num_frames - _ROUNDING))
    frames = max(1, math.floor(steps_per_window / stride + _ROUNDING))
    return WindowGrid(span, window_seconds, hop_seconds, steps, stride, frames)
