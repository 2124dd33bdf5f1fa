"""Kinetics-400, -600 and -700 (also the 2020 release): ten seconds of a YouTube video, one of so many human actions.

Annotation files: CSV with the columns label, youtube_id, time_start, time_end, split (and is_cc), or the JSON beside
it. The public validation list is what results are reported on, so `val` becomes the split `test`; the held-out test
list is used only where there is no validation list. Without annotation files, class folders say what there is.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from openmov.data.records import Split
from openmov.datasets.benchmark import (
    Benchmark,
    ClassNames,
    Layout,
    ListedClip,
    Listing,
    VideoFile,
    read_annotation,
    sha256_of,
    split_of,
)
from openmov.datasets.published import all_novel, published_split
from openmov.errors import ManifestError
from openmov.text.label_sets import load_label_set

_NAME = re.compile(r"(?P<id>[A-Za-z0-9_-]{11})(?:_(?P<start>\d{1,9})(?:_(?P<end>\d{1,9}))?)?")
_NUM_ID_LETTERS = 11
_SHORTEST_SPAN_MS = 1000
"""A span of more is in milliseconds: no clip of these data sets is longer than ten seconds."""


def keys_of_file(video: VideoFile) -> tuple[str, ...]:
    """`ID`, `ID 12` or `ID 12 22`; nothing for a file that is called otherwise."""
    found = _NAME.fullmatch(video.stem)
    if found is None:
        return ()
    times = [int(text) for text in (found["start"], found["end"]) if text is not None]
    if len(times) == 2 and times[1] - times[0] >= _SHORTEST_SPAN_MS:
        times = [time // 1000 for time in times]
    return (" ".join((found["id"], *map(str, times))),)


def keys_of_clip(video_id: str, start: int, end: int | None) -> tuple[str, ...]:
    """What the clip's file may be found by, the surest first."""
    ends = () if end is None else (f"{video_id} {start} {end}",)
    return (*ends, f"{video_id} {start}", *(() if end is not None else (f"{video_id} {start} {start + 10}",)), video_id)


def is_video_id(text: str) -> bool:
    """Whether a text may be the id of a video."""
    return len(text) == _NUM_ID_LETTERS and re.fullmatch(r"[A-Za-z0-9_-]+", text) is not None


def list_by_folder(layout: Layout, names: ClassNames, title: str, *, needs: str) -> Listing:
    """A clip of every video in a class folder; the public validation videos are the test.

    A folder `val` counts as test where there is no better: `test` is used only where there is no `val`. Raises
    ManifestError where no folder is named after a class, saying what was found and what was expected.
    """
    labelled = [(video, label) for video in layout.videos if (label := names.of_folder(video)) is not None]
    if not labelled:
        examples = ", ".join(repr(name) for name in names.labels.original[:2])
        what = f"no folder is named after a class of {title}: found {layout.found()}"
        raise ManifestError(layout.folder, what, f"expected folders such as {examples}, or give {needs}")
    parts = {video: split_of(video, lambda folder: names.find(folder) is not None) for video, _ in labelled}
    tested: Split = "val" if "val" in parts.values() else "test"
    used: dict[Split | None, Split] = {"train": "train", tested: "test", None: "test"}
    clips = [_clip_of_folder(video, label, used[parts[video]]) for video, label in labelled if parts[video] in used]
    notes = ["no annotation file was given: what is missing cannot be known"]
    left = len(labelled) - len(clips)
    notes += [f"{left} videos of the held-out test folder are not used"] if left else []
    strange = len(layout.videos) - len(labelled)
    notes += [f"{strange} videos lie in no class folder and are not used"] if strange else []
    return Listing(tuple(clips), (("class folders", ""),), tuple(notes), complete=False)


def _clip_of_folder(video: VideoFile, label: str, split: Split) -> ListedClip:
    return ListedClip(str(video.path), label, split, (f"path {video.path}",))


_COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
_SPLITS = {"train": "train", "val": "val", "validate": "val", "validation": "val", "test": "test"}
_SIZES = (400, 600, 700)


@dataclass(frozen=True)
class _Row:
    label: str
    video_id: str
    start: int
    end: int
    split: str


def kinetics(size: int) -> Benchmark:
    """The data set of 400, 600 or 700 classes."""
    name = f"kinetics{size}"
    with_roles = size == 700
    return Benchmark(
        name=name,
        title=f"Kinetics-{size}",
        expected="class folders ('air drumming' or 'air_drumming'), also under train/ and val/, or flat with "
        "--annotations; files called ID_SSSSSS_EEEEEE.mp4, ID_SSSSSS.mp4 or ID.mp4",
        vocabulary=partial(published_split, name) if with_roles else partial(all_novel, name),
        listing=partial(_listing, size),
        keys_of=keys_of_file,
        note=f"base and novel classes of {name} are this project's own draw" if with_roles else "",
    )


def _listing(size: int, layout: Layout, annotations: Sequence[Path]) -> Listing:
    names = ClassNames(load_label_set(f"kinetics{size}"))
    if not annotations:
        return list_by_folder(layout, names, f"Kinetics-{size}", needs="--annotations train.csv val.csv")
    rows: list[_Row] = []
    for path in annotations:
        read = list(_rows(path))
        _refuse_another_version(path, read, size, names)
        rows += read
    counts = Counter(row.split for row in rows)
    tested = "val" if counts["val"] else "test"
    used: dict[str, Split] = {"train": "train", tested: "test"}
    _refuse_held_out(annotations, [row for row in rows if row.split in used])
    clips = [_clip(row, names.find(row.label) or "", used[row.split]) for row in rows if row.split in used]
    notes = (
        [f"{counts['test']} clips of the held-out test list are not used"] if counts["test"] and counts["val"] else []
    )
    return Listing(tuple(clips), tuple(map(sha256_of, annotations)), tuple(notes))


def _refuse_held_out(paths: Sequence[Path], rows: Sequence[_Row]) -> None:
    nameless = sum(not row.label for row in rows)
    if nameless:
        what = f"lists {nameless} clips without a label, as the held-out test list does"
        raise ManifestError(", ".join(map(str, paths)), what, "give the validation list, which is the public one")


def _clip(row: _Row, label: str, split: Split) -> ListedClip:
    clip_id = f"{row.video_id}_{row.start:06d}_{row.end:06d}"
    span = (float(row.start), float(row.end))
    return ListedClip(clip_id, label, split, keys_of_clip(row.video_id, row.start, row.end), span)


def _rows(path: Path) -> Iterator[_Row]:
    text = read_annotation(path)
    return _json_rows(path, text) if path.suffix == ".json" else _csv_rows(path, text)


def _csv_rows(path: Path, text: str) -> Iterator[_Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    header = tuple(reader.fieldnames or ())
    if not set(_COLUMNS) - {"label"} <= set(header):
        what = f"has the columns {', '.join(header[:6]) or 'of an empty file'}, not {', '.join(_COLUMNS)}"
        raise ManifestError(path, what, "give train.csv and val.csv as Kinetics publishes them")
    for row in reader:
        line = f"line {reader.line_num}"
        yield _row(path, line, row.get("label"), row["youtube_id"], (row["time_start"], row["time_end"]), row["split"])


def _json_rows(path: Path, text: str) -> Iterator[_Row]:
    try:
        entries = json.loads(text)
        for video_id, entry in entries.items():
            found = entry.get("annotations", {})
            yield _row(path, video_id, found.get("label"), video_id, found["segment"], entry["subset"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"is not an annotation file of Kinetics ({type(error).__name__})"
        raise ManifestError(path, what, "give train.json and validate.json as Kinetics publishes them") from error


def _row(
    path: Path,
    where: str,
    label: str | None,
    video_id: str | None,
    span: Sequence[str | float | None],
    split: str | None,
) -> _Row:
    part = _SPLITS.get((split or "").strip().lower())
    try:
        start, end = (round(float(time or "")) for time in span)
    except ValueError:
        start, end = 0, 0
    if part is None or end <= start or start < 0 or not is_video_id(video_id or ""):
        what = f"{where} is not a clip: {video_id!r} from {span[0]} to {span[-1]}, split {split!r}"
        raise ManifestError(path, what, "fix the line, or fetch the file again")
    return _Row(label or "", video_id or "", start, end, part)


def _refuse_another_version(path: Path, rows: Sequence[_Row], size: int, names: ClassNames) -> None:
    """Labels that are no class here: those of another release, or none at all."""
    if not rows:
        raise ManifestError(path, "lists no clip", "fetch it again")
    listed = {row.label for row in rows if row.split != "test" or row.label}
    unknown = sorted(label for label in listed if names.find(label) is None)
    if not unknown:
        return
    fits = [
        other for other in _SIZES if all(ClassNames(load_label_set(f"kinetics{other}")).find(one) for one in listed)
    ]
    guess = f"it looks like that of Kinetics-{fits[0]}" if fits else "it fits no Kinetics this release knows"
    what = f"names {len(unknown)} classes that Kinetics-{size} has not, such as {unknown[0]!r}"
    raise ManifestError(path, what, f"{guess}; give the one of Kinetics-{size}")
