"""The pictures of one video's views, as network inputs: from the cache, or computed and put there.

    View --times--> Footage --TV-L1--> stored codes --crop, flip--> flow images
         --crop--->         --resize--> RGB images [stored] --frozen encoder--> stored embeddings

Flow is stored before the crop, so that all crops of one moment share it; embeddings after it, and so are frames where
they are wanted: in the 8 bits to which they are resized, so that any backbone can be fed with them. Knows no network:
the frozen video encoder comes in as a function from pictures to vectors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8

from openmov.config.schema import FlowConfig, VideoConfig
from openmov.data.entries import Entry, FileEntries
from openmov.data.footage import Footage
from openmov.data.records import Record
from openmov.media.decode import PLAIN, PYAV, Decoder, Moment, Sizes
from openmov.media.sampling import Resize, View
from openmov.media.scaling import Interpolation, working_size
from openmov.modalities.flow import (
    FLOW_VERSION,
    compute_flow,
    decode_flow,
    encode_flow,
    flow_image,
    flow_parameters,
)
from openmov.modalities.rgb import RGB_VERSION, as_floats, normalise
from openmov.store.cache import ArrayCache
from openmov.store.features import BYTES, Precision, Stored, embeddings_of, stored_embeddings

Images = Float[torch.Tensor, "time 3 height width"]
Frames = UInt8[np.ndarray, "time size size 3"]
Codes = UInt8[np.ndarray, "time height width 2"]


@runtime_checkable
class FrameEmbedder(Protocol):
    """The frozen video encoder, as the data room sees it."""

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
    ) -> None:
        """What will be asked for has to be said: nothing else is made of the pictures that are decoded. `entries` are
        those of the record's file, where the caller has them already.
        """
        self._settings, self._views, self._with_flow = settings, views, with_flow
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
                settings.flow.short_side if with_flow else None,
                settings.flow.min_gap_seconds,
                settings.interpolation,
            ),
            decoder,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in the file, as far as it had to be decoded."""
        return self._footage.notes

    def store(self, embed: FrameEmbedder | None, *, frames: bool = False) -> None:
        """Fills the cache: flow of every moment if it was planned, with `embed` the embeddings of every view, with
        `frames` its frames too. What is there already is left alone. Raises DecodeError, StorageError.
        """
        for moment in range(len(self._moments)) if self._with_flow else ():
            self._entries.fill("flow", FLOW_VERSION, self._flow_facts(moment), *self._flow_work(moment))
        for view in range(len(self._views)) if frames else ():
            self._entries.fill("frames", RGB_VERSION, self._frames_facts(view), *self._frames_work(view))
        if embed is not None:
            for view in range(len(self._views)):
                self._entries.fill(
                    "frozen", RGB_VERSION, self._frozen_facts(view, embed), *self._frozen_work(view, embed)
                )

    def entries(self, embed: FrameEmbedder | None, width: int, height: int, *, frames: bool = False) -> list[Entry]:
        """What `store` would see to, whether it is there or not, for a video of that size."""
        flow_height, flow_width = working_size(height, width, self._settings.flow.short_side)
        found, key = [], self._entries.key
        for moment, times in enumerate(self._moments) if self._with_flow else ():
            named = key("flow", FLOW_VERSION, self._flow_facts(moment))
            found.append(Entry("flow", named, len(times), 2 * flow_height * flow_width * len(times)))
        for view, looked_at in enumerate(self._views):
            units = len(looked_at.times_seconds)
            if frames:
                pixels = units * self._settings.video.crop_size**2
                found.append(Entry("frames", key("frames", RGB_VERSION, self._frames_facts(view)), units, 3 * pixels))
            if embed is not None:
                named = key("frozen", RGB_VERSION, self._frozen_facts(view, embed))
                num_bytes = BYTES[self._settings.features] * embed.dim * units
                found.append(Entry("frozen", named, units, num_bytes))
        return found

    def flow(self) -> Float[torch.Tensor, "views time 3 height width"]:
        """Flow images of every view. Raises DecodeError; ValueError if flow was not planned."""
        settings, size = self._settings, self._settings.video.crop_size
        limit = settings.flow.max_displacement_px
        fields = [decode_flow(self._codes(moment), limit) for moment in range(len(self._moments))]
        return torch.stack(
            [
                flow_image(fields[moment], view.crop, size, settings.flow, settings.mean, settings.std)
                for moment, view in zip(self._moment_of, self._views, strict=True)
            ]
        )

    def rgb(self) -> Float[torch.Tensor, "views time 3 height width"]:
        """Normalised frames of every view. Raises DecodeError."""
        return torch.stack([self._rgb(view) for view in range(len(self._views))])

    def embeddings(self, embed: FrameEmbedder) -> Float[torch.Tensor, "views time dim"]:
        """Frozen embeddings of every view's frames. Raises DecodeError."""
        return torch.stack([self._embedding(view, embed) for view in range(len(self._views))])

    def _rgb(self, view: int) -> Images:
        images = as_floats(self._frames(view), flip=self._views[view].crop.flip)
        return normalise(images, self._settings.mean, self._settings.std)

    def _frames(self, view: int) -> Frames:
        """Stored ones where there are any, but they are stored only where that was asked for."""
        units, compute = self._frames_work(view)
        if self._entries.has("frames", RGB_VERSION, self._frames_facts(view)):
            stored: Frames = self._entries.get("frames", RGB_VERSION, self._frames_facts(view), units, compute)
            return stored
        return compute()

    def _embedding(self, view: int, embed: FrameEmbedder) -> Float[torch.Tensor, "time dim"]:
        facts = self._frozen_facts(view, embed)
        return embeddings_of(self._entries.get("frozen", RGB_VERSION, facts, *self._frozen_work(view, embed)))

    def _codes(self, moment: int) -> Codes:
        codes: Codes = self._entries.get("flow", FLOW_VERSION, self._flow_facts(moment), *self._flow_work(moment))
        return codes

    def _frames_facts(self, view: int) -> dict[str, object]:
        crop, times = self._views[view].crop, self._views[view].times_seconds
        box = _rounded((crop.left, crop.top, crop.width, crop.height))
        facts = {"size": self._settings.video.crop_size, "times": _rounded(times), "crop": box, **self._decoder_fact}
        if self._settings.interpolation != "bicubic":
            facts["interpolation"] = self._settings.interpolation
        return facts

    def _frozen_facts(self, view: int, embed: FrameEmbedder) -> dict[str, object]:
        looked_at, crop = self._views[view], self._views[view].crop
        return {
            "backbone": embed.identity,
            "size": self._settings.video.crop_size,
            "times": _rounded(looked_at.times_seconds),
            "crop": [*_rounded((crop.left, crop.top, crop.width, crop.height)), crop.flip],
            **({} if self._settings.features == "fp32" else {"precision": self._settings.features}),
            **self._decoder_fact,
        }

    def _flow_facts(self, moment: int) -> dict[str, object]:
        return {**flow_parameters(self._settings.flow), "times": _rounded(self._moments[moment]), **self._decoder_fact}

    def _frames_work(self, view: int) -> tuple[int, Callable[[], Frames]]:
        def compute() -> Frames:
            moment, crop = self._moment_of[view], replace(self._views[view].crop, flip=False)
            return self._footage.crop(moment, self._crops[moment].index(crop))

        return len(self._views[view].times_seconds), compute

    def _frozen_work(self, view: int, embed: FrameEmbedder) -> tuple[int, Callable[[], Stored]]:
        precision = self._settings.features
        return len(self._views[view].times_seconds), lambda: stored_embeddings(embed(self._rgb(view)), precision)

    def _flow_work(self, moment: int) -> tuple[int, Callable[[], Codes]]:
        flow, threads = self._settings.flow, self._settings.flow_threads

        def compute() -> Codes:
            return encode_flow(compute_flow(self._footage.pairs(moment), flow, threads), flow.max_displacement_px)

        return len(self._moments[moment]), compute


def _rounded(values: Sequence[float]) -> list[float]:
    """To a microsecond, or a millionth of the picture: what a key needs, and no more."""
    return [round(value, 6) for value in values]
