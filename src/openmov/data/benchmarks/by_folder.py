"""Class folders as the only list there is: what lies there is all that is known, so nothing can be missing."""

from openmov.data.benchmarks.layout import Layout, VideoFile, split_of
from openmov.data.benchmarks.listing import ClassNames, ListedClip, Listing
from openmov.data.records import Split
from openmov.errors import ManifestError


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
    clips = [_clip(video, label, used[parts[video]]) for video, label in labelled if parts[video] in used]
    notes = ["no annotation file was given: what is missing cannot be known"]
    left = len(labelled) - len(clips)
    notes += [f"{left} videos of the held-out test folder are not used"] if left else []
    strange = len(layout.videos) - len(labelled)
    notes += [f"{strange} videos lie in no class folder and are not used"] if strange else []
    return Listing(tuple(clips), (("class folders", ""),), tuple(notes), complete=False)


def _clip(video: VideoFile, label: str, split: Split) -> ListedClip:
    return ListedClip(str(video.path), label, split, (f"path {video.path}",))
