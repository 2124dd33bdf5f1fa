"""Kinetics-400, -600 and -700 (also the 2020 release): ten seconds of a YouTube video, one of so many human actions.

Annotation files: CSV with the columns label, youtube_id, time_start, time_end, split (and is_cc), or the JSON beside
it. The public validation list is what results are reported on, so `val` becomes the split `test`; the held-out test
list is used only where there is no validation list. Without annotation files, class folders say what there is.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from openmov.data.benchmarks import youtube
from openmov.data.benchmarks.by_folder import list_by_folder
from openmov.data.benchmarks.layout import Layout
from openmov.data.benchmarks.listing import Benchmark, ClassNames, ListedClip, Listing, read_annotation, sha256_of
from openmov.data.benchmarks.published import all_novel, published_split
from openmov.data.records import Split
from openmov.errors import ManifestError
from openmov.text.label_sets import load_label_set

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
        keys_of=youtube.keys_of_file,
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
    return ListedClip(clip_id, label, split, youtube.keys_of_clip(row.video_id, row.start, row.end), span)


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
        what = f"is no annotation file of Kinetics ({type(error).__name__})"
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
    if part is None or end <= start or start < 0 or not youtube.is_video_id(video_id or ""):
        what = f"{where} is no clip: {video_id!r} from {span[0]} to {span[-1]}, split {split!r}"
        raise ManifestError(path, what, "mend the line, or fetch the file again")
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
