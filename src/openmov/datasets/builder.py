"""What the files of listed clips hold: which can be used, which are broken, and which part of a file is the clip.

Knows nothing of how the files were found.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from openmov.data.coverage import (
    Coverage,
    LostVideo,
    coverage_path,
    coverage_text,
    refuse_other_manifest,
    relative_root,
)
from openmov.data.manifest import manifest_text
from openmov.data.records import SPLITS, Record, Split
from openmov.data.segment import file_facts
from openmov.data.split import refuse_other_vocabulary, vocabulary_text
from openmov.datasets.benchmark import Benchmark, Layout, ListedClip, Listing, VideoFile, look_into, match
from openmov.datasets.catalogue import DATASETS
from openmov.datasets.published import NUM_BASE, OWN_DRAW, PUBLISHED_SEED
from openmov.errors import DecodeError, ManifestError
from openmov.media.decode import PLAIN, Decoder, GuardedDecoder, MediaInfo
from openmov.runtime.atomic import require_writable, write_together
from openmov.runtime.progress import progress_bar
from openmov.text.vocabulary import Vocabulary

Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Is told how many files will be opened; what it yields, how many are done."""
Facts = MediaInfo | str
"""What a file holds, or what is wrong with it."""

_SPARE_SECONDS = 2.0
"""A file longer than its clip by more than this holds the video the clip was cut from."""


@contextmanager
def unseen(total: int) -> Iterator[Callable[[int], None]]:
    """A Progress that shows nothing."""
    yield lambda done: None


def open_files(
    layout: Layout,
    clips: Sequence[ListedClip],
    files: dict[str, VideoFile],
    *,
    decoder: Decoder,
    workers: int,
    every: bool,
    progress: Progress,
) -> dict[VideoFile, Facts]:
    """The facts of every file that is to be used; with `every` false only of those whose length matters."""
    by_length = {files[clip.clip_id] for clip in clips if _tells_no_time(clip, files.get(clip.clip_id))}
    usable = {video for video in files.values() if not (video.is_empty or video.outside)}
    chosen = sorted((video for video in usable if every or video in by_length), key=lambda video: video.path)

    def one(video: VideoFile) -> Facts:
        try:
            info = file_facts(layout.folder / video.path, decoder)
            return "has no pictures" if info.video is None else info
        except DecodeError as error:
            return error.what

    opened: dict[VideoFile, Facts] = {}
    with progress(len(chosen)) as show, ThreadPoolExecutor(max(1, workers)) as pool:
        try:
            for video, facts in zip(chosen, pool.map(one, chosen), strict=True):
                opened[video] = facts
                show(len(opened))
        except BaseException:
            decoder.close()  # or the files in hand would be waited for
            pool.shutdown(cancel_futures=True)
            raise
    return opened


def outcome(layout: Layout, clip: ListedClip, video: VideoFile | None, facts: Facts | None) -> Record | LostVideo:
    """The clip as a record, or why it is lost."""
    lost = LostVideo(clip.clip_id, clip.split, clip.label)
    if video is None:
        return lost
    if video.is_empty:
        return replace(lost, reason=f"{video.path}: is empty")
    if video.outside:
        what = "links to a file outside the folder, so name the folder that holds both"
        return replace(lost, reason=f"{video.path}: {what}")
    if isinstance(facts, str):
        return replace(lost, reason=f"{video.path}: {facts}")
    start, end = _segment(clip, video, facts)
    return Record(clip.clip_id, layout.folder / video.path, clip.label, start, end, clip.split)


def _tells_no_time(clip: ListedClip, video: VideoFile | None) -> bool:
    """Whether a file bears the video's id alone, so that its length has to say whether it is the clip."""
    return video is not None and clip.span_seconds is not None and video.stem == clip.keys[-1]


def _segment(clip: ListedClip, video: VideoFile, info: MediaInfo | None) -> tuple[float | None, float | None]:
    """Which part of the file is the clip; (None, None) for all of it."""
    span = clip.span_seconds
    if span is None or not _tells_no_time(clip, video) or info is None or info.video is None:
        return None, None
    length = info.video.end_seconds - info.video.start_seconds
    return span if length > span[1] - span[0] + _SPARE_SECONDS else (None, None)


MANIFEST = "manifest.csv"
VOCABULARY = "vocabulary.json"


@dataclass(frozen=True)
class Built:
    """What was written."""

    coverage: Coverage
    """Of the whole set."""
    vocabulary: Vocabulary
    """Class names with their roles."""
    num_records: int
    """Rows of the manifest."""
    doubled: tuple[str, ...] = field(repr=False)
    """Files that are second copies of a clip."""
    strangers: tuple[str, ...] = field(repr=False)
    """Files that are no listed clip."""


def build(
    benchmark: Benchmark,
    videos: Path,
    annotations: Sequence[Path],
    out: Path,
    *,
    workers: int = 2,
    decoder: Decoder = PLAIN,
    opened: bool = True,
    progress: Progress = unseen,
) -> Built:
    """Writes manifest, vocabulary and account of a data set into `out`.

    Every file is opened, unless `opened` is false, where only empty ones count as broken. Missing and broken videos are
    listed, never an error. Raises ManifestError for a folder in which no listed clip is found, saying what was found
    and what was expected, and for annotation files that are none of this data set; StorageError.
    """
    require_writable(out)
    refuse_other_vocabulary(out / VOCABULARY)
    refuse_other_manifest(out / MANIFEST)
    layout = look_into(videos)
    listing = _without_doubles(benchmark.listing(layout, annotations))
    matched = match(listing.clips, layout.videos, benchmark.keys_of)
    if not matched.files:
        what = f"no video is a listed clip of {benchmark.title}: found {layout.found()}"
        raise ManifestError(videos, what, f"expected {benchmark.expected}")
    vocabulary = benchmark.vocabulary(layout.folder)
    files = matched.files
    facts = open_files(layout, listing.clips, files, decoder=decoder, workers=workers, every=opened, progress=progress)
    found = [(clip, files.get(clip.clip_id)) for clip in listing.clips]
    outcomes = [outcome(layout, clip, video, facts.get(video) if video else None) for clip, video in found]
    rows = {one.video_id: one for one in outcomes if isinstance(one, Record)}
    lost = {one.clip_id: one for one in outcomes if isinstance(one, LostVideo)}
    if not rows:
        first = next(one.reason for one in lost.values() if one.reason)
        raise ManifestError(videos, f"none of its {len(files)} videos can be used, the first: {first}")
    notes = (*listing.notes, *((benchmark.note,) if benchmark.note else ()))
    whole = _Whole(benchmark, listing, layout, rows, lost, vocabulary, notes)
    coverage = _write_all(whole, out)
    return Built(coverage, vocabulary, len(rows), matched.doubled, matched.strangers)


@dataclass(frozen=True)
class _Whole:
    """Everything known of a data set in a folder."""

    benchmark: Benchmark
    listing: Listing
    layout: Layout
    rows: dict[str, Record]
    lost: dict[str, LostVideo]
    vocabulary: Vocabulary
    notes: tuple[str, ...]

    def described(
        self, path: Path, split_of: Callable[[ListedClip], Split | None], official: Sequence[str]
    ) -> tuple[Coverage, dict[Path, str]]:
        """One manifest with its account, of the clips that have a split: the account, and the text of both files."""
        parts = {clip.clip_id: part for clip in self.listing.clips if (part := split_of(clip)) is not None}
        rows = [replace(self.rows[one], split=part) for one, part in parts.items() if one in self.rows]
        lost = [replace(self.lost[one], split=part) for one, part in parts.items() if one in self.lost]
        filled = {record.label for record in rows}
        labels = {clip.clip_id: clip.label for clip in self.listing.clips}
        counts = Counter(parts.values())
        by_class = Counter((part, labels[one]) for one, part in parts.items())
        coverage = Coverage(
            dataset=self.benchmark.name,
            title=self.benchmark.title,
            root=relative_root(self.layout.folder, path),
            listed={name: counts[name] for name in SPLITS if counts[name]},
            listed_by_class={
                name: {label: count for (part, label), count in by_class.items() if part == name}
                for name in SPLITS
                if counts[name]
            },
            missing=tuple(one for one in lost if not one.reason),
            broken=tuple(one for one in lost if one.reason),
            empty_classes=tuple(name for name in self.vocabulary.names if name not in filled),
            sources=self.listing.sources,
            notes=self.notes,
            official_splits=tuple(official),
        )
        text = manifest_text(path, rows, root=self.layout.folder)
        coverage = replace(coverage, manifest_sha256=hashlib.sha256(text.encode()).hexdigest())
        return coverage, {path: text, coverage_path(path): coverage_text(coverage)}


def _write_all(whole: _Whole, out: Path) -> Coverage:
    num_splits = max((len(clip.official_splits) for clip in whole.listing.clips), default=0)
    names = [f"manifest-split{number}.csv" for number in range(1, num_splits + 1)]
    own_draw = whole.benchmark.name in NUM_BASE
    note = f"base and novel classes {OWN_DRAW}" if own_draw else ""
    for name in (MANIFEST, *names):
        refuse_other_manifest(out / name)
    coverage, texts = whole.described(out / MANIFEST, lambda clip: clip.split, names)
    seed = PUBLISHED_SEED if own_draw else None
    texts[out / VOCABULARY] = vocabulary_text(whole.vocabulary, seed=seed, note=note)
    for place, name in enumerate(names):
        texts |= whole.described(out / name, lambda clip, place=place: clip.official_splits[place], ())[1]  # type: ignore[misc]
    write_together(texts)
    return coverage


def _without_doubles(listing: Listing) -> Listing:
    """Each clip once; a second line about one is counted."""
    clips: dict[str, ListedClip] = {}
    for clip in listing.clips:
        clips.setdefault(clip.clip_id, clip)
    more = len(listing.clips) - len(clips)
    notes = (f"{more} lines of the lists name a clip again and are not used",) if more else ()
    return replace(listing, clips=tuple(clips.values()), notes=(*listing.notes, *notes))


def dataset_names() -> tuple[str, ...]:
    """What there is."""
    return tuple(DATASETS)


def write_dataset(
    name: str,
    videos: Path,
    out: Path,
    annotations: Sequence[Path] = (),
    *,
    workers: int = 2,
    opened: bool = True,
    shown: bool = True,
) -> Built:
    """Writes `manifest.csv`, `vocabulary.json` and what belongs to them into `out`.

    `annotations` are files, or folders of them. A video that hangs or crashes its decoder is a broken one; with
    `opened` false none is opened. Raises ManifestError, StorageError.
    """
    benchmark = DATASETS.get(name)
    listed = [file for path in annotations for file in _annotation_files(path)]
    decoder = GuardedDecoder()
    try:
        bar = partial(progress_bar, "opening videos", shown=shown)
        return build(benchmark, videos, listed, out, workers=workers, decoder=decoder, opened=opened, progress=bar)
    finally:
        decoder.close()


def _annotation_files(path: Path) -> list[Path]:
    """The file itself, or every CSV of a folder; where there is none every JSON, or every text."""
    if not path.is_dir():
        return [path]
    for suffix in (".csv", ".json", ".txt"):
        found = sorted(one for one in path.iterdir() if one.suffix.lower() == suffix)
        if found:
            return found
    raise ManifestError(path, "holds no annotation file", "expected .csv or .json files as the data set publishes them")
