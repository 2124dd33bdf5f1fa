"""One video to one Clip: which views to look at, what each modality gives for them.

    Record --views--> times and crops --pictures--> frames or their frozen embeddings, flow
           --sound---> windows of the spectrogram

Everything random about a view's pictures is a function of (video id, seeded view), and of its sound of (video id,
epoch, seed), of a long sound near that view: stored flow and frozen embeddings of a view always belong together. Knows
no network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from openmov.config.schema import ViewsConfig
from openmov.data.entries import Cost, Entry, FileEntries, StoredInput
from openmov.data.pictures import FrameEmbedder, PictureSettings, ViewPictures
from openmov.data.records import Record
from openmov.data.segment import file_facts, span_within
from openmov.data.sound import Oddities, SoundReader
from openmov.errors import DecodeError
from openmov.media.decode import PLAIN, Decoder, MediaInfo, cut_notes, picture_notes
from openmov.media.sampling import View, ViewSettings, evaluation_views, training_view
from openmov.modalities.picture import PictureModality
from openmov.store.cache import ArrayCache
from openmov.store.features import StoredFeatures
from openmov.types import Clip, Modality


@dataclass(frozen=True)
class Stored:
    """What filling the cache for one video came to."""

    made: Mapping[str, Cost]
    """By step; empty where everything was there."""
    notes: tuple[str, ...]
    """What was odd in the file, as far as it had to be decoded."""


@dataclass(frozen=True)
class Opened:
    """A video about to be read: what it holds, and its entries; from its file, or from a pack without one."""

    info: MediaInfo
    """What it holds."""
    entries: FileEntries
    """What is stored of it."""


class ClipDataset:
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
        features: StoredFeatures | None = None,
        store_frames: bool = False,
        decoder: Decoder = PLAIN,
        others: Mapping[Modality, PictureModality] | None = None,
    ) -> None:
        """With `embed_frames`, clips carry stored video embeddings in place of frames; those that `features` holds are
        taken from there. With `store_frames`, `store` keeps frames whether it is asked to or not: an encoder that
        trains will look at them every epoch. `others` are modalities of pictures beside frames and flow. `decoder`
        opens the files, but for their sound, which is the sound reader's business.
        """
        self.features = features if Modality.VIDEO in modalities else None
        self.modalities, self.pictures, self.views, self.sound = modalities, pictures, views, sound
        self.cache, self.embed_frames, self.decoder = cache, embed_frames, decoder
        self._others = {m: one for m, one in (others or {}).items() if m in modalities}
        self._stores_frames = store_frames and cache is not None and Modality.VIDEO in modalities
        video = pictures.video
        self._view_settings = ViewSettings(
            num_frames=video.num_frames,
            stride_seconds=video.stride_seconds,
            whole=video.sampling == "whole",
            crop_area=video.crop_area,
            crop_fraction=video.crop_size / video.short_side,
            flip_probability=video.flip_probability,
            resize=pictures.resize,
        )

    def training_clip(self, record: Record, epoch: int, seed: int, opened: Opened | None = None) -> Clip:
        """One augmented view: pictures follow from the video's id and the epoch (modulo `views.train_seeds`) alone,
        the window of sound and its masks from the video's id, the epoch and the seed; of a long sound it is near them.

        Raises DecodeError for a file that cannot be read, or that holds none of the modalities asked for.
        """
        number = self._seed_of(epoch)
        stored = None if self.features is None else self.features.training([record.video_id], number)
        if stored is not None and not self._opens_files:
            return Clip(record.video_id, {}, stored, record.label)
        opened = opened or self._open(record)
        views = self._training_views(record, opened.info, [number])
        heard = (record, opened.info, epoch, seed, opened.entries, next(iter(views), None))
        sound = self.sound.training_window(*heard) if self._hears else None
        return self._clip(record, views, sound, stored, files=opened.entries)

    def training_features(self, records: Sequence[Record], epoch: int) -> Float[Tensor, "batch time dim"] | None:
        """What `training_clip` would give of all of them, at once; None where files have to be opened for it."""
        if self.features is None or self._opens_files:
            return None
        return self.features.training([record.video_id for record in records], self._seed_of(epoch))

    def evaluation_clip(self, record: Record, opened: Opened | None = None) -> Clip:
        """All views of a test: num_clips x num_crops, and as many windows of sound. Raises DecodeError."""
        found = None if self.features is None else self.features.test([record.video_id])
        stored = None if found is None else found[0]
        if stored is not None and not self._opens_files:
            return Clip(record.video_id, {}, stored, record.label)
        opened = opened or self._open(record)
        info, files = opened.info, opened.entries
        seen = info.video if self._sees else None
        notes = [] if seen is None else [*cut_notes(seen), *picture_notes(seen)]
        sound = self.sound.evaluation_windows(record, info, self._num_views, notes, files) if self._hears else None
        return self._clip(record, self._evaluation_views(record, info), sound, stored, notes, files=files)

    def _open(self, record: Record) -> Opened:
        return Opened(file_facts(record.path, self.decoder), FileEntries(self.cache, record.path))

    def clip_entries(self, record: Record, epoch: int, seed: int, opened: Opened) -> tuple[Entry, ...]:
        """What `training_clip` will look up: part of what `entries` lists."""
        views = self._training_views(record, opened.info, [self._seed_of(epoch)])
        wanted = self._seen(record, views, opened)[0]
        if self._hears:
            wanted += self.sound.window_wanted(record, opened.info, epoch, seed, next(iter(views), None))
        return tuple(map(opened.entries.entry, wanted))

    def entries(
        self, record: Record, *, training: bool, frames: bool = False, opened: Opened | None = None
    ) -> tuple[Entry, ...]:
        """What `store` would see to, from the file's header and content hash alone; only with a cache.

        Raises DecodeError.
        """
        opened = opened or self._open(record)
        views = self._all_views(record, opened.info, training=training)
        wanted = self._seen(record, views, opened, frames=frames)[0]
        if self._hears:
            wanted += self.sound.wanted(record, opened.info, self._num_views, training=training, views=views)
        if not wanted:
            raise self._nothing_of_use(record)
        return tuple(map(opened.entries.entry, wanted))

    def store(self, record: Record, *, training: bool, frames: bool = False) -> Stored:
        """Fills the cache with all that training (every seeded view) or a test will ask of this video.

        Frames themselves are stored only where asked for, beside their frozen embeddings. What is there already, in
        the cache or among the features, is left alone. Raises DecodeError as the clips do, StorageError.
        """
        held = self.features is not None and self.features.holds(record.video_id, training=training)
        if held and not self._opens_files:
            return Stored({}, ())
        opened, oddities = self._open(record), Oddities()
        info, files = opened.info, opened.entries
        views = self._all_views(record, info, training=training)
        seen, pictures = self._seen(record, views, opened, frames=frames, held=held)
        heard: list[StoredInput] = []
        if self._hears:
            heard = self.sound.wanted(record, info, self._num_views, training=training, views=views, oddities=oddities)
        if not views and not any(files.get(one).size for one in heard):
            raise self._nothing_of_use(record)
        for one in (*heard, *seen):
            files.fill(one)
        cut = [] if info.video is None or not views else cut_notes(info.video)
        return Stored(files.made, (*cut, *oddities.notes(), *pictures.notes))

    def _seen(
        self, record: Record, views: Sequence[View], opened: Opened, *, frames: bool = False, held: bool = False
    ) -> tuple[list[StoredInput], ViewPictures]:
        """What is stored of the pictures of some views; `held` says that their embeddings lie elsewhere."""
        video = opened.info.video
        size = (0, 0) if video is None else (video.width, video.height)
        pictures = self._pictures(record, views, opened.entries, with_frames=self._sees_frames and not held)
        embed = None if held else self._embeds_frames
        return pictures.wanted(embed, frames=self._keeps(frames), size=size), pictures

    def _all_views(self, record: Record, info: MediaInfo, *, training: bool) -> Sequence[View]:
        if training:
            return self._training_views(record, info, [self._seed_of(epoch) for epoch in range(self.views.train_seeds)])
        return self._evaluation_views(record, info)

    def _keeps(self, asked: bool) -> bool:
        return self._stores_frames or (asked and self._sees_frames)

    def _seed_of(self, epoch: int) -> int:
        return self.views.first_seed + epoch % self.views.train_seeds

    @property
    def _opens_files(self) -> bool:
        """Whether a clip takes anything else than its video embeddings."""
        return self.modalities != {Modality.VIDEO}

    @property
    def _sees_frames(self) -> bool:
        return Modality.VIDEO in self.modalities

    @property
    def _embeds_frames(self) -> FrameEmbedder | None:
        return self.embed_frames if self._sees_frames else None

    @property
    def _num_views(self) -> int:
        return self.views.num_clips * self.views.num_crops

    @property
    def _hears(self) -> bool:
        return Modality.AUDIO in self.modalities

    @property
    def _sees(self) -> bool:
        return bool(self.modalities - {Modality.AUDIO})

    def _training_views(self, record: Record, info: MediaInfo, seeds: Sequence[int]) -> Sequence[View]:
        span = span_within(record, info.video)
        if info.video is None or span is None or not self._sees:
            return []
        size = (info.video.width, info.video.height)
        return [training_view(record.video_id, seed, span, size, self._view_settings) for seed in seeds]

    def _evaluation_views(self, record: Record, info: MediaInfo) -> Sequence[View]:
        span = span_within(record, info.video)
        if info.video is None or span is None or not self._sees:
            return []
        size = (info.video.width, info.video.height)
        return evaluation_views(span, size, self.views.num_clips, self.views.num_crops, self._view_settings)

    def _clip(
        self,
        record: Record,
        views: Sequence[View],
        sound: Float[Tensor, "views ..."] | None,
        stored: Float[Tensor, "views time dim"] | None,
        notes: Sequence[str] = (),
        *,
        files: FileEntries,
    ) -> Clip:
        if stored is not None and self.features is not None:
            self.features.require_same(record.video_id, record.path)
        tensors, picture_faults = self._visual_inputs(record, views, files, with_video=stored is None)
        frozen = stored if stored is not None or self.embed_frames is None else tensors.pop(Modality.VIDEO, None)
        if sound is not None:
            tensors[Modality.AUDIO] = sound
        if not tensors and frozen is None:
            raise self._nothing_of_use(record)
        return Clip(record.video_id, tensors, frozen, record.label, (*picture_faults, *notes))

    def _visual_inputs(
        self, record: Record, views: Sequence[View], files: FileEntries, *, with_video: bool
    ) -> tuple[dict[Modality, Float[Tensor, "views ..."]], tuple[str, ...]]:
        """Flow, and frames or their frozen embeddings, as far as asked for and there; and what was odd in the file."""
        tensors: dict[Modality, Float[Tensor, "views ..."]] = {}
        if not views:
            return tensors, ()
        pictures = self._pictures(record, views, files, with_frames=self._sees_frames and with_video)
        tensors |= pictures.computed()
        if self._sees_frames and with_video:
            embed = self.embed_frames
            tensors[Modality.VIDEO] = pictures.rgb() if embed is None else pictures.embeddings(embed)
        return tensors, pictures.notes

    def _pictures(
        self, record: Record, views: Sequence[View], files: FileEntries, *, with_frames: bool
    ) -> ViewPictures:
        return ViewPictures(
            record,
            views,
            self.pictures,
            self.cache,
            with_flow=Modality.FLOW in self.modalities,
            with_frames=with_frames,
            decoder=self.decoder,
            entries=files,
            others=self._others,
        )

    def _nothing_of_use(self, record: Record) -> DecodeError:
        wanted = " or ".join(modality for modality in Modality if modality in self.modalities)
        if record.start_seconds is None and record.end_seconds is None:
            if not self._hears and file_facts(record.path, self.decoder).video is None:
                hint = "answer from a run that was trained on sound (--run), or drop it"
                return DecodeError(record.path, f"gives no {wanted}: it holds sound alone", hint)
            return DecodeError(record.path, f"gives no {wanted}", "drop it, or use a model for what it holds")
        end = "the end" if record.end_seconds is None else f"{record.end_seconds:g} s"
        what = f"gives no {wanted} from {record.start_seconds or 0:g} s to {end}"
        return DecodeError(record.path, what, "fix start and end in the manifest, or drop it")
