"""The pictures of one video's views, as network inputs: from the cache, or computed and put there.

    View --times--> Footage --TV-L1--> stored codes --crop, flip--> flow images
         --crop--->         --resize--> RGB images [stored] --frozen encoder--> stored embeddings

Flow is stored before the crop, so that all crops of one moment share it; embeddings after it, and so are frames where
they are wanted: in the 8 bits to which they are resized, so that any backbone can be fed with them. Knows no network:
the frozen video encoder comes in as a function from pictures to vectors.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8

from openmov.config.schema import FlowConfig, VideoConfig
from openmov.data.entries import FileEntries, StoredInput
from openmov.data.footage import Footage
from openmov.data.records import Record
from openmov.media.decode import PLAIN, PYAV, Decoder, Moment, Sizes
from openmov.media.sampling import Resize, View
from openmov.media.scaling import Interpolation, working_size
from openmov.modalities.flow import FlowPictures
from openmov.modalities.picture import PictureModality
from openmov.modalities.rgb import RGB_VERSION, as_floats, normalise
from openmov.store.cache import ArrayCache
from openmov.store.features import BYTES, DTYPES, Precision, Stored, embeddings_of, stored_embeddings
from openmov.types import Modality

Images = Float[torch.Tensor, "time 3 height width"]
Frames = UInt8[np.ndarray, "time size size 3"]
Codes = UInt8[np.ndarray, "time height width channels"]


@runtime_checkable
class FrameEmbedder(Protocol):
    """The frozen video encoder, as the package `data` sees it."""

    @property
    def identity(self) -> str:
        """Hash of its weights and preprocessing."""
        ...

    @property
    def dim(self) -> int:
        """Width of an embedding."""
        ...

    def __call__(self, images: Images) -> Float[torch.Tensor, "time dim"]:
        """Embeddings of normalised frames, without gradient."""
        ...


@dataclass(frozen=True)
class PictureSettings:
    """How pictures become network inputs."""

    video: VideoConfig
    """Frames, strides, sizes."""
    flow: FlowConfig
    """Working size and clamp."""
    mean: tuple[float, float, float]
    """The backbone's."""
    std: tuple[float, float, float]
    """The backbone's."""
    flow_threads: int = 1
    """Threads over the pairs of a view."""
    features: Precision = "fp32"
    """Of stored embeddings."""
    resize: Resize = "shortest"
    """The backbone's."""
    interpolation: Interpolation = "bicubic"
    """The backbone's, of frames; optical flow is resampled in one way for all."""


class ViewPictures:
    """Network inputs of the views of one video; decodes the file at most once, and only if something is missing."""

    def __init__(
        self,
        record: Record,
        views: Sequence[View],
        settings: PictureSettings,
        cache: ArrayCache | None,
        *,
        with_flow: bool,
        with_frames: bool = True,
        decoder: Decoder = PLAIN,
        entries: FileEntries | None = None,
        others: Mapping[Modality, PictureModality] | None = None,
    ) -> None:
        """What will be asked for has to be said: nothing else is made of the pictures that are decoded. `entries` are
        those of the record's file, where the caller has them already; `others` are modalities beside flow.
        """
        self._settings, self._views = settings, views
        self._computed: dict[Modality, PictureModality] = dict(others or {})
        if with_flow:
            self._computed[Modality.FLOW] = FlowPictures(settings.flow, settings.flow_threads)
        with_pairs = any(one.reads == "pairs" for one in self._computed.values())
        with_frames = with_frames or any(one.reads == "frames" for one in self._computed.values())
        self._decoder_fact = {} if decoder.identity == PYAV else {"decoder": decoder.identity}
        self._entries = entries or FileEntries(cache, record.path)
        self._moments = list(dict.fromkeys(view.times_seconds for view in views))
        self._moment_of = [self._moments.index(view.times_seconds) for view in views]
        self._crops = [
            list(dict.fromkeys(replace(view.crop, flip=False) for view in views if view.times_seconds == times))
            for times in self._moments
        ]
        self._footage = Footage(
            record.path,
            [
                Moment(times, tuple(crops) if with_frames else ())
                for times, crops in zip(self._moments, self._crops, strict=True)
            ],
            Sizes(
                settings.video.crop_size,
                settings.flow.short_side if with_pairs else None,
                settings.flow.min_gap_seconds,
                settings.interpolation,
            ),
            decoder,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in the file, as far as it had to be decoded."""
        return self._footage.notes

    def wanted(
        self, embed: FrameEmbedder | None, *, frames: bool = False, size: tuple[int, int] = (0, 0)
    ) -> list[StoredInput]:
        """What is stored of the views: what is computed of their moments (flow if it was planned), with `embed` the
        embeddings of every view, with `frames` its frames. `size` is the video's width and height, for the bytes it
        will take.
        """
        found = []
        for modality, pictures in self._computed.items():
            places = self._moments if pictures.reads == "pairs" else self._views
            found += [self._computed_input(modality, place, size) for place in range(len(places))]
        for view in range(len(self._views)):
            found += [self._frames_input(view)] if frames else []  # before the embeddings, which are made from them
            found += [] if embed is None else [self._frozen_input(view, embed)]
        return found

    def computed(self) -> dict[Modality, Float[torch.Tensor, "views time 3 height width"]]:
        """Pictures of every view, of all modalities that are computed from frames. Raises DecodeError."""
        return {modality: self._pictures(modality) for modality in self._computed}

    def flow(self) -> Float[torch.Tensor, "views time 3 height width"]:
        """Flow images of every view. Raises DecodeError; KeyError if flow was not planned."""
        return self._pictures(Modality.FLOW)

    def _pictures(self, modality: Modality) -> Float[torch.Tensor, "views time 3 height width"]:
        settings, size, pictures = self._settings, self._settings.video.crop_size, self._computed[modality]
        of_view = self._moment_of if pictures.reads == "pairs" else range(len(self._views))
        stored = (self._entries.get(self._computed_input(modality, place)) for place in dict.fromkeys(of_view))
        decoded = dict(zip(dict.fromkeys(of_view), map(pictures.decode, stored), strict=True))
        return torch.stack(
            [
                pictures.pictures(decoded[place], view.crop, size, settings.mean, settings.std)
                for place, view in zip(of_view, self._views, strict=True)
            ]
        )

    def rgb(self) -> Float[torch.Tensor, "views time 3 height width"]:
        """Normalised frames of every view. Raises DecodeError."""
        return torch.stack([self._rgb(view) for view in range(len(self._views))])

    def embeddings(self, embed: FrameEmbedder) -> Float[torch.Tensor, "views time dim"]:
        """Frozen embeddings of every view's frames. Raises DecodeError."""
        stored = (self._entries.get(self._frozen_input(view, embed)) for view in range(len(self._views)))
        return torch.stack([embeddings_of(one) for one in stored])

    def _rgb(self, view: int) -> Images:
        images = as_floats(self._frames(view), flip=self._views[view].crop.flip)
        return normalise(images, self._settings.mean, self._settings.std)

    def _frames(self, view: int) -> Frames:
        """Stored ones where there are any, but they are stored only where that was asked for."""
        wanted = self._frames_input(view)
        frames: Frames = self._entries.get(wanted) if self._entries.has(wanted) else wanted.compute()
        return frames

    def _frames_input(self, view: int) -> StoredInput:
        crop, times, size = self._views[view].crop, self._views[view].times_seconds, self._settings.video.crop_size

        def compute() -> Frames:
            moment = self._moment_of[view]
            return self._footage.crop(moment, self._crops[moment].index(replace(crop, flip=False)))

        box = _rounded((crop.left, crop.top, crop.width, crop.height))
        facts = {"size": size, "times": _rounded(times), "crop": box, **self._decoder_fact}
        if self._settings.interpolation != "bicubic":
            facts["interpolation"] = self._settings.interpolation
        shape = (len(times), size, size, 3)
        return StoredInput("frames", RGB_VERSION, facts, len(times), shape, "|u1", compute, math.prod(shape))

    def _frozen_input(self, view: int, embed: FrameEmbedder) -> StoredInput:
        crop, times, precision = self._views[view].crop, self._views[view].times_seconds, self._settings.features
        facts = {
            "backbone": embed.identity,
            "size": self._settings.video.crop_size,
            "times": _rounded(times),
            "crop": [*_rounded((crop.left, crop.top, crop.width, crop.height)), crop.flip],
            **({} if precision == "fp32" else {"precision": precision}),
            **self._decoder_fact,
        }

        def compute() -> Stored:
            return stored_embeddings(embed(self._rgb(view)), precision)

        shape = (len(times), embed.dim)
        num_bytes = BYTES[precision] * math.prod(shape)
        return StoredInput("frozen", RGB_VERSION, facts, len(times), shape, DTYPES[precision], compute, num_bytes)

    def _computed_input(self, modality: Modality, place: int, size: tuple[int, int] = (0, 0)) -> StoredInput:
        """Of the moment `place` where whole pairs of frames are read, of the view `place` where its frames are."""
        pictures, flow = self._computed[modality], self._settings.flow
        if pictures.reads == "frames":
            frames = self._frames_input(place)
            facts = {**frames.facts, **pictures.parameters()}
            shape = (*frames.shape[:3], pictures.channels)
            num_bytes = frames.num_bytes // 3 * pictures.channels

            def compute() -> Codes:
                return pictures.compute(self._frames(place))
        else:
            times = self._moments[place]
            facts = {**pictures.parameters(), "times": _rounded(times), **self._decoder_fact}
            height, width = working_size(size[1], size[0], flow.short_side) if all(size) else (0, 0)
            num_bytes = pictures.channels * height * width * len(times)
            # As high and wide as the pictures are, which a header need not say rightly.
            shape = (len(times), None, None, pictures.channels)

            def compute() -> Codes:
                return pictures.compute(self._footage.pairs(place))

        units = shape[0] or 0
        return StoredInput(modality.value, pictures.version, facts, units, shape, "|u1", compute, num_bytes)


def _rounded(values: Sequence[float]) -> list[float]:
    """To a microsecond, or a millionth of the picture: what a key needs, and no more."""
    return [round(value, 6) for value in values]
