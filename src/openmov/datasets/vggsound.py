"""VGGSound: ten seconds of a YouTube video in which one of 309 sounds is heard and its source seen.

The annotation file `vggsound.csv` has no header: YouTube id, start second, label, train or test. Without it the
official test list, which ships with the package, says what there should be; training clips then are not known.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from openmov.data.records import Split
from openmov.datasets import kinetics as youtube
from openmov.datasets.benchmark import Benchmark, ClassNames, Layout, ListedClip, Listing, read_annotation, sha256_of
from openmov.datasets.published import published_split
from openmov.datasets.three_splits import list_sha256, official_list
from openmov.errors import ManifestError
from openmov.text.label_sets import load_label_set

_CLIP_SECONDS = 10.0
_MEND = "give vggsound.csv as its authors publish it: id, start second, label, train or test, without a header"


def _listing(layout: Layout, annotations: Sequence[Path]) -> Listing:
    if not annotations:
        rows = ((key.rpartition("_"), label) for key, label in official_list("vggsound-test"))
        names = load_label_set("vggsound").readable_of
        clips = tuple(_clip(video_id, int(start), names[label], "test") for (video_id, _, start), label in rows)
        note = "the test list alone is known; give --annotations vggsound.csv for the training clips"
        return Listing(clips, (list_sha256("vggsound-test"),), (note,))
    clips = tuple(clip for path in annotations for clip in _read(path))
    return Listing(clips, tuple(map(sha256_of, annotations)), _against_the_official(clips))


def _clip(video_id: str, start: int, label: str, split: Split) -> ListedClip:
    keys = youtube.keys_of_clip(video_id, start, None)
    return ListedClip(f"{video_id}_{start:06d}", label, split, keys, (float(start), start + _CLIP_SECONDS))


def _read(path: Path) -> Iterator[ListedClip]:
    names = ClassNames(load_label_set("vggsound"))
    reader = csv.reader(io.StringIO(read_annotation(path), newline=""))
    unknown: dict[str, None] = {}
    clips: list[ListedClip] = []
    for cells in reader:
        if len(cells) != 4 or not cells[1].strip().isdecimal() or cells[3].strip() not in ("train", "test"):
            what = f"line {reader.line_num} is {','.join(cells)[:60]!r}"
            raise ManifestError(path, what, _MEND)
        label = names.find(cells[2].strip())
        if label is None:
            unknown[cells[2]] = None
        else:
            split: Split = "train" if cells[3].strip() == "train" else "test"
            clips.append(_clip(cells[0].strip(), int(cells[1]), label, split))
    if unknown:
        what = f"names {len(unknown)} classes that VGGSound has not, such as {next(iter(unknown))!r}"
        raise ManifestError(path, what, _MEND)
    if not clips:
        raise ManifestError(path, "lists no clip", _MEND)
    return iter(clips)


def _against_the_official(clips: Sequence[ListedClip]) -> tuple[str, ...]:
    """Whether the test clips are those of the official list: another release would not be comparable."""
    official = {key for key, _ in official_list("vggsound-test")}
    listed = {clip.clip_id for clip in clips if clip.split == "test"}
    lost, more = len(official - listed), len(listed - official)
    if not (lost or more):
        return ()
    return (f"the test clips differ from the official list of {len(official)}: {lost} are not listed, {more} are more",)


VGGSOUND = Benchmark(
    name="vggsound",
    title="VGGSound",
    expected="files called ID_SSSSSS.mp4, ID_SSSSSS_EEEEEE.mp4 or ID.mp4, flat or in class or split folders",
    vocabulary=partial(published_split, "vggsound"),
    listing=_listing,
    keys_of=youtube.keys_of_file,
    note="base and novel classes of vggsound are this project's own draw",
)
