"""One video to one Clip: which views to look at, what each modality gives for them.

    Record --views--> times and crops --pictures--> frames or their frozen embeddings, flow
           --sound---> windows of the spectrogram

Everything random about a view is a function of (video id, seed), so stored flow and frozen embeddings of a view
always belong together. Knows no network.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from openmov.config.schema import ViewsConfig
from openmov.data.pictures import FrameEmbedder, PictureSettings, ViewPictures
from openmov.data.records import Record
from openmov.data.sound import SoundReader
from openmov.errors import DecodeError
from openmov.media.decode import MediaInfo, probe
from openmov.media.sampling import View, ViewSettings, evaluation_views, training_view
from openmov.modalities.cache import ArrayCache
from openmov.types import Clip, Modality


class ClipReader:
    """Reads network inputs of videos, through a cache if there is one. Safe to use from several threads."""

    def __init__(
        self,
        modalities: frozenset[Modality],
        pictures: PictureSettings,
        views: ViewsConfig,
        sound: SoundReader,
        *,
        cache: ArrayCache | None = None,
        embed_frames: FrameEmbedder | None = None,
    ) -> None:
        """With `embed_frames`, clips carry stored video embeddings in place of frames."""
        self.modalities, self.pictures, self.views, self.sound = modalities, pictures, views, sound
        self.cache, self.embed_frames = cache, embed_frames
        video = pictures.video
        self._view_settings = ViewSettings(
            num_frames=video.num_frames,
            stride_seconds=video.stride_seconds,
            crop_area=video.crop_area,
            crop_fraction=video.crop_size / video.short_side,
            flip_probability=video.flip_probability,
        )

    def training_clip(self, record: Record, epoch: int, seed: int) -> Clip:
        """One augmented view: which one, and its masks, follow from the video's id, the epoch and the seed alone.

        Raises DecodeError for a file that cannot be read, or that holds none of the modalities asked for.
        """
        info = file_facts(record.path)
        views = self._training_views(record, info, [epoch % self.views.train_seeds])
        sound = self.sound.training_window(record, info, epoch, seed) if self._hears else None
        return self._clip(record, views, sound)

    def evaluation_clip(self, record: Record) -> Clip:
        """All views of a test: num_clips x num_crops, and as many windows of sound. Raises DecodeError."""
        info = file_facts(record.path)
        sound = self.sound.evaluation_windows(record, info, self._num_views) if self._hears else None
        return self._clip(record, self._evaluation_views(record, info), sound)

    def store(self, record: Record, *, training: bool) -> None:
        """Fills the cache with all that training (every seeded view) or a test will ask of this video."""
        info = file_facts(record.path)
        if training:
            views = self._training_views(record, info, range(self.views.train_seeds))
        else:
            views = self._evaluation_views(record, info)
        sound = self.sound.store(record, info, self._num_views, training=training) if self._hears else 0
        if not self._visual_inputs(record, views) and not sound:
            raise self._nothing_of_use(record)

    @property
    def _num_views(self) -> int:
        return self.views.num_clips * self.views.num_crops

    @property
    def _hears(self) -> bool:
        return Modality.AUDIO in self.modalities

    def _training_views(self, record: Record, info: MediaInfo, seeds: Sequence[int]) -> Sequence[View]:
        if info.video is None:
            return []
        span, size = _span(record, info), (info.video.width, info.video.height)
        return [training_view(record.video_id, seed, span, size, self._view_settings) for seed in seeds]

    def _evaluation_views(self, record: Record, info: MediaInfo) -> Sequence[View]:
        if info.video is None:
            return []
        size = (info.video.width, info.video.height)
        span, views = _span(record, info), self.views
        return evaluation_views(span, size, views.num_clips, views.num_crops, self._view_settings)

    def _clip(self, record: Record, views: Sequence[View], sound: Float[Tensor, "views ..."] | None) -> Clip:
        tensors = self._visual_inputs(record, views)
        frozen = tensors.pop(Modality.VIDEO, None) if self.embed_frames is not None else None
        if sound is not None:
            tensors[Modality.AUDIO] = sound
        if not tensors and frozen is None:
            raise self._nothing_of_use(record)
        return Clip(record.video_id, tensors, frozen, record.label)

    def _visual_inputs(self, record: Record, views: Sequence[View]) -> dict[Modality, Float[Tensor, "views ..."]]:
        """Flow, and frames or their frozen embeddings, as far as this reader is asked for them and there is video."""
        tensors: dict[Modality, Float[Tensor, "views ..."]] = {}
        if not views:
            return tensors
        with_flow = Modality.FLOW in self.modalities
        pictures = ViewPictures(record, views, self.pictures, self.cache, with_flow=with_flow)
        if with_flow:
            tensors[Modality.FLOW] = pictures.flow()
        if Modality.VIDEO in self.modalities:
            embed = self.embed_frames
            tensors[Modality.VIDEO] = pictures.rgb() if embed is None else pictures.embeddings(embed)
        return tensors

    def _nothing_of_use(self, record: Record) -> DecodeError:
        wanted = " or ".join(modality for modality in Modality if modality in self.modalities)
        return DecodeError(record.path, f"gives no {wanted}", "drop it, or use a model for what it holds")


def file_facts(path: Path) -> MediaInfo:
    """What a file holds, asked once per version of the file. Raises DecodeError."""
    if not path.is_file():
        return probe(path)
    status = path.stat()
    return _probe_version(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=65536)
def _probe_version(path: Path, size: int, mtime_ns: int) -> MediaInfo:
    return probe(path)


def _span(record: Record, info: MediaInfo) -> tuple[float, float]:
    """The part of the video a record means, in seconds on the file's clock. Raises DecodeError where there is none."""
    assert info.video is not None
    start, end = info.video.start_seconds, info.video.end_seconds
    if record.start_seconds is not None:
        start = max(start, record.start_seconds)
    if record.end_seconds is not None:
        end = min(end, record.end_seconds)
    if end < start:
        raise DecodeError(record.path, "ends before the segment begins", "mend start and end in the manifest")
    return start, end
