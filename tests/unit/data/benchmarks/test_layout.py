"""What lies in a folder, in words too."""

from pathlib import Path, PurePosixPath

import pytest

from benchmark_folders import touch
from openmov.datasets.benchmark import VideoFile, fold, look_into, split_of
from openmov.errors import ManifestError


def paths_of(folder: Path) -> list[str]:
    return [str(video.path) for video in look_into(folder).videos]


def test_videos_are_found_in_any_depth_and_spelling(tmp_path: Path) -> None:
    touch(tmp_path, "b.MP4", "a/c.avi", "a/b/d.mkv", "e.webm", "notes.txt", ".hidden.mp4", ".cache/f.mp4")
    assert paths_of(tmp_path) == ["a/b/d.mkv", "a/c.avi", "b.MP4", "e.webm"]


def test_an_empty_file_is_noticed(tmp_path: Path) -> None:
    touch(tmp_path, "full.mp4")
    (tmp_path / "hollow.mp4").touch()
    assert [video.is_empty for video in look_into(tmp_path).videos] == [False, True]


def test_links_are_followed_once_and_outside_ones_are_named(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    touch(inside, "a/x.mp4")
    touch(outside, "y.mp4")
    (inside / "a" / "circle").symlink_to(inside)
    (inside / "z.mp4").symlink_to(outside / "y.mp4")
    found = {str(video.path): video.outside for video in look_into(inside).videos}
    assert found == {"a/x.mp4": False, "z.mp4": True}


def test_a_folder_without_videos_is_described(tmp_path: Path) -> None:
    touch(tmp_path, "a.zip", "b.zip", "c.csv")
    with pytest.raises(ManifestError, match=r"holds no video: found 2 \.zip files, 1 \.csv files; expected videos \("):
        look_into(tmp_path)
    with pytest.raises(ManifestError, match="is not a folder"):
        look_into(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train/archery/x.mp4", "train"),
        ("videos_val/x.mp4", "val"),
        ("kinetics_400_test/a/x.mp4", "test"),
        ("Validate/x.mp4", "val"),
        ("val/training dog/x.mp4", "val"),
        ("training/x.mp4", "train"),
        ("kinetics700-train_256/x.mp4", "train"),
        ("trainspotting/x.mp4", None),
        ("archery/x.mp4", None),
    ],
)
def test_the_split_a_folder_names(path: str, split: str | None) -> None:
    assert split_of(VideoFile(PurePosixPath(path))) == split


def test_a_class_named_like_a_split_is_none() -> None:
    video = VideoFile(PurePosixPath("test/train_whistling/x.mp4"))
    assert split_of(video) == "train"
    assert split_of(video, lambda folder: folder == "train_whistling") == "test"


def test_what_folding_ignores() -> None:
    assert fold("passing American football (in game)") == fold("passing_american_football_in_game")
    assert fold("golf") != fold("golf2")
