"""A target exists if and only if it is complete."""

import errno
from pathlib import Path

import pytest

from openmov.errors import StorageError
from openmov.runtime.atomic import atomic_file, atomic_folder, write_text


def fail_after_writing(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.txt"
    with atomic_file(target) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".txt"
        assert not target.exists()
    assert target.read_text() == "new"
    with pytest.raises(RuntimeError), atomic_file(target) as temporary:
        fail_after_writing(temporary)
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["a.txt"]


def test_a_folder_replaces_the_older_one(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with atomic_folder(tmp_path / "f") as temporary:
            (temporary / "x").write_text(content)
    assert (tmp_path / "f" / "x").read_text() == "new"
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "f") as temporary:
        fail_after_writing(temporary / "x")
    assert (tmp_path / "f" / "x").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize(("code", "what"), [(errno.ENOSPC, "no space left"), (errno.EACCES, "no permission")])
def test_the_systems_refusal_is_a_storage_error(tmp_path: Path, code: int, what: str) -> None:
    with pytest.raises(StorageError, match=what), atomic_file(tmp_path / "a"):
        raise OSError(code, "refused")
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_the_system_pass(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "a"):
        (tmp_path / "missing").read_text()


def test_a_path_through_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="is a file, not a folder"):
        write_text(tmp_path / "file" / "a.txt", "x")
