"""The pictures of one video's views, as network inputs: from the cache, or computed and put there.

    View --times--> Footage --TV-L1--> stored codes --crop, flip--> flow images
         --crop--->         --resize--> RGB images --frozen encoder--> stored embeddings

Flow is stored before the crop, so that all crops of one moment share it; embeddings after it. Knows no network: the
frozen video encoder comes in as a function from pictures to vectors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8

from openmov.config.schema import FlowConfig, VideoConfig
from openmov.data.footage import Footage
from openmov.data.records import Record
from openmov.media.decode import PLAIN, Decoder
from openmov.media.sampling import View
from openmov.modalities.cache import ArrayCache, content_hash, step_key
from openmov.modalities.flow import FLOW_VERSION, compute_flow, decode_flow, encode_flow, flow_image, flow_parameters
from openmov.modalities.rgb import RGB_VERSION, normalise, resize_crop

Images = Float[torch.Tensor, "time 3 height width"]


@runtime_checkable
class FrameEmbedder(Protocol):
    """The frozen video encoder, as the data room sees it."""

    @property
    def identity(self) -> str:
        """Hash of its weights and preprocessing."""
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
        decoder: Decoder = PLAIN,
    ) -> None:
        self._settings, self._cache, self._views, self._with_flow = settings, cache, views, with_flow
        self._content = "" if cache is None else content_hash(record.path)
        self._moments = list(dict.fromkeys(view.times_seconds for view in views))
        self._moment_of = [self._moments.index(view.times_seconds) for view in views]
        self._footage = Footage(
            record.path,
            self._moments,
            pairs=with_flow,
            min_gap_seconds=settings.flow.min_gap_seconds,
            decoder=decoder,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in the file, as far as it had to be decoded."""
        return self._footage.notes

    def store(self, embed: FrameEmbedder | None) -> None:
        """Fills the cache: flow of every moment if it was planned, and with `embed` the embeddings of every view.

        Raises DecodeError, StorageError.
        """
        for moment in range(len(self._moments)) if self._with_flow else ():
            self._codes(moment)
        if embed is not None:
            self.embeddings(embed)

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
        frames = self._footage.frames(self._moment_of[view])
        images = resize_crop(frames, self._views[view].crop, self._settings.video.crop_size)
        return normalise(images, self._settings.mean, self._settings.std)

    def _embedding(self, view: int, embed: FrameEmbedder) -> Float[torch.Tensor, "time dim"]:
        looked_at, crop = self._views[view], self._views[view].crop
        facts = {
            "backbone": embed.identity,
            "size": self._settings.video.crop_size,
            "times": _rounded(looked_at.times_seconds),
            "crop": [*_rounded((crop.left, crop.top, crop.width, crop.height)), crop.flip],
        }
        return torch.from_numpy(
            self._through_cache("frozen", RGB_VERSION, facts, lambda: embed(self._rgb(view)).numpy())
        )

    def _codes(self, moment: int) -> UInt8[np.ndarray, "time height width 2"]:
        flow, threads = self._settings.flow, self._settings.flow_threads

        def compute() -> UInt8[np.ndarray, "time height width 2"]:
            return encode_flow(compute_flow(self._footage.pairs(moment), flow, threads), flow.max_displacement_px)

        facts = {**flow_parameters(flow), "times": _rounded(self._moments[moment])}
        codes: UInt8[np.ndarray, "time height width 2"] = self._through_cache("flow", FLOW_VERSION, facts, compute)
        return codes

    def _through_cache(self, step: str, version: int, facts: Mapping[str, object], compute: Callable[[], Any]) -> Any:
        if self._cache is None:
            return compute()
        return self._cache.get(step_key(self._content, step, version, facts), compute)


def _rounded(values: Sequence[float]) -> list[float]:
    """To a microsecond, or a millionth of the picture: what a key needs, and no more."""
    return [round(value, 6) for value in values]
