"""Which files are meant by a name, a folder, a pattern or a list."""

from pathlib import Path

import pytest

from openmov.errors import DecodeError
from openmov.media.find import find_media, parse_list


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = [
        "b.mp4",
        "a.MOV",
        "c.txt",
        "d.wav",
        "deep/er/e.mkv",
        "deep/f.webm",
        ".hidden.mp4",
        ".trash/g.mp4",
        "[1].mp4",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "deep" / "back").symlink_to(tmp_path)
    return tmp_path


def found(folder: Path, *texts: str | Path, with_sound: bool = False) -> list[str]:
    shown = []
    for one in find_media(texts, with_sound=with_sound):
        assert isinstance(one, Path), one
        shown.append(str(one.relative_to(folder)))
    return shown


def fault(*texts: str | Path) -> str:
    (one,) = find_media(texts)
    assert isinstance(one, DecodeError)
    return str(one)


def test_a_folder_gives_its_videos_at_any_depth_in_order(folder: Path) -> None:
    videos = ["[1].mp4", "a.MOV", "b.mp4", "deep/er/e.mkv", "deep/f.webm"]
    assert found(folder, folder) == videos
    assert found(folder, folder, with_sound=True) == sorted([*videos, "d.wav"])


def test_what_is_named_is_taken_whatever_it_is_called(folder: Path) -> None:
    assert found(folder, folder / "c.txt", str(folder / "d.wav"), folder / "no.mp4") == ["c.txt", "d.wav", "no.mp4"]


def test_patterns(folder: Path) -> None:
    assert found(folder, folder / "?.mp4") == ["b.mp4"]
    assert found(folder, f"{folder}/deep/**/*.mkv") == ["deep/er/e.mkv"]
    assert found(folder, f"{folder}/dee*") == ["deep/er/e.mkv", "deep/f.webm"]


def test_a_file_of_that_very_name_is_no_pattern(folder: Path) -> None:
    assert found(folder, folder / "[1].mp4") == ["[1].mp4"]


def test_the_order_is_that_of_the_arguments(folder: Path) -> None:
    assert found(folder, folder / "b.mp4", folder / "deep", folder / "a.MOV")[::3] == ["b.mp4", "a.MOV"]


def test_where_there_is_nothing_an_error_stands_and_the_others_are_found(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty: a folder without a video" in fault(folder / "empty")
    assert "no file fits this pattern" in fault(folder / "*.avi")
    kinds = [type(one) for one in find_media([folder / "*.avi", folder / "b.mp4", folder / "empty"])]
    assert [kind is DecodeError for kind in kinds] == [True, False, True]


def test_a_name_that_is_too_long_is_left_to_the_decoder() -> None:
    assert list(find_media(["a" * 5000])) == [Path("a" * 5000)]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("a.mp4\n\nb c.mp4\n", ("a.mp4", "b c.mp4")),
        ("a.mp4\r\nb.mp4", ("a.mp4", "b.mp4")),
        ("new\nline.mp4\0b.mp4\0", ("new\nline.mp4", "b.mp4")),
    ],
)
def test_lists(text: str, paths: tuple[str, ...]) -> None:
    assert parse_list(text) == paths


@pytest.mark.parametrize("text", ["", "\n \n", "\0"])
def test_a_list_of_nothing(text: str) -> None:
    with pytest.raises(DecodeError, match="names no file"):
        parse_list(text)
