"""A folder of videos to a manifest, a vocabulary and an account of what is missing.

OUT/manifest.csv             the videos that are there and can be opened
OUT/manifest.dataset.json    the account (see data/coverage.py)
OUT/manifest-split1.csv ...  the official splits, where a data set has several
OUT/vocabulary.json          class names with their roles
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from openmov.data.benchmarks.layout import Layout, look_into
from openmov.data.benchmarks.listing import Benchmark, ListedClip, Listing
from openmov.data.benchmarks.matching import match
from openmov.data.benchmarks.opening import Progress, open_files, outcome, unseen
from openmov.data.benchmarks.published import NUM_BASE, OWN_DRAW, PUBLISHED_SEED
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
from openmov.data.split import refuse_other_vocabulary, vocabulary_text
from openmov.errors import ManifestError
from openmov.media.decode import PLAIN, Decoder
from openmov.runtime.atomic import require_writable, write_together
from openmov.text.vocabulary import Vocabulary

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
