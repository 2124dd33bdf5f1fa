"""Nothing but openmov's own is written over."""

import json
import os
from pathlib import Path

import pytest

from openmov.errors import StorageError
from openmov.runtime.own_files import is_own, marked, refuse_foreign, stamped, write_own

PAGE = '<!doctype html>\n<html lang="en">\n<head>\n<meta name="generator" content="openmov">'


@pytest.mark.parametrize(
    ("content", "own"),
    [
        (None, True),
        ("", True),  # as touch or mktemp leave it: nothing is lost
        (PAGE + "x" * 100_000, True),
        (json.dumps(stamped({"format_version": 1, "rows": ["x" * 100] * 1000})), True),
        (json.dumps(stamped({"a": 1}), indent=1), True),
        (marked("# Results\n" + "text " * 10_000), True),
        ('["my own list"]', False),
        ("<html><head><title>Mine, not made by openmov</title>", False),
        ('<meta name="generator" content="WordPress">', False),
        ("# Thesis\n\nopenmov is used in chapter 3.\n", False),
        ('{"tool": "openmov"}', False),
        ("\0" * 10, False),
    ],
)
def test_what_is_openmovs_own(tmp_path: Path, content: str | None, own: bool) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_text(content)
    assert is_own(path) is own
    if own:
        write_own({path: "new", tmp_path / "beside": "new"})
        assert path.read_text() == "new"
    else:
        with pytest.raises(StorageError, match="does not say that openmov made it; move it away, or choose another"):
            write_own({tmp_path / "beside": "new", path: "new"})
        assert path.read_text() == content
        assert not (tmp_path / "beside").exists()  # all or none


def test_through_a_link_it_is_the_file_behind_it_that_counts(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("[1]")
    (tmp_path / "page.json").symlink_to(tmp_path / "mine.json")
    with pytest.raises(StorageError):
        write_own({tmp_path / "page.json": "new"})
    (tmp_path / "page.json").unlink()
    (tmp_path / "page.json").symlink_to(tmp_path / "nothing")
    write_own({tmp_path / "page.json": "new"})
    assert not (tmp_path / "nothing").exists()


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for path, what in (("pipe", "not a file"), ("folder", "not a file"), ("file/page.html", "is a file, not a folder")):
        with pytest.raises(StorageError, match=what):
            refuse_foreign([tmp_path / path])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_closed_folder_is_found_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="no permission"):
        refuse_foreign([tmp_path / "closed" / "deep" / "page.html"])
