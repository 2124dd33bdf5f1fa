"""A target exists if and only if it is complete."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from openmov.errors import StorageError
from openmov.runtime.atomic import atomic_file, atomic_folder, storage_errors, write_text


def fail_after_writing(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError


def interrupt_after_writing(path: Path, interrupt: type[BaseException]) -> None:
    path.write_text("half")
    raise interrupt


def write_to_a_full_disk(path: Path) -> None:
    """The kernel itself refuses: the file is a link to a device that is always full."""
    path.unlink()
    path.symlink_to("/dev/full")
    path.write_bytes(b"x" * 10_000)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestFile:
    def test_it_appears_whole_or_not_at_all(self, tmp_path: Path) -> None:
        target = tmp_path / "deep" / "a.txt"
        with atomic_file(target) as temporary:
            temporary.write_text("new")
            assert temporary.suffix == ".txt"
            assert temporary.parent == target.parent  # a rename within one file system is atomic
            assert not target.exists()
        assert target.read_text() == "new"
        with pytest.raises(RuntimeError), atomic_file(target) as temporary:
            fail_after_writing(temporary)
        assert target.read_text() == "new"
        assert names(target.parent) == ["a.txt"]

    @pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_an_interrupt_leaves_the_old_one(self, tmp_path: Path, interrupt: type[BaseException]) -> None:
        write_text(tmp_path / "a", "old")
        with pytest.raises(interrupt), atomic_file(tmp_path / "a") as temporary:
            interrupt_after_writing(temporary, interrupt)
        assert (tmp_path / "a").read_text() == "old"
        assert names(tmp_path) == ["a"]

    def test_a_kill_leaves_the_old_one(self, tmp_path: Path) -> None:
        write_text(tmp_path / "a.txt", "old")
        code = """
import os, signal, sys
from pathlib import Path
from openmov.runtime.atomic import atomic_file
with atomic_file(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
        arguments = [sys.executable, "-c", code, str(tmp_path / "a.txt")]
        done = subprocess.run(arguments, env={"PYTHONPATH": os.pathsep.join(sys.path)}, check=False)
        assert done.returncode == -signal.SIGKILL
        assert (tmp_path / "a.txt").read_text() == "old"
        write_text(tmp_path / "a.txt", "new")
        assert (tmp_path / "a.txt").read_text() == "new"

    def test_others_may_read_it(self, tmp_path: Path) -> None:
        write_text(tmp_path / "a", "x")
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644

    def test_text_is_utf8(self, tmp_path: Path) -> None:
        write_text(tmp_path / "a", "Ünïcode …\n")
        assert (tmp_path / "a").read_bytes().decode("utf-8") == "Ünïcode …\n"


class TestFolder:
    def test_it_replaces_the_older_one_whole(self, tmp_path: Path) -> None:
        with atomic_folder(tmp_path / "f") as temporary:
            (temporary / "x").write_text("old")
            (temporary / "only-old").write_text("old")
        with atomic_folder(tmp_path / "f") as temporary:
            (temporary / "x").write_text("new")
            assert names(tmp_path / "f") == ["only-old", "x"]
        assert (tmp_path / "f" / "x").read_text() == "new"
        assert names(tmp_path / "f") == ["x"]
        with pytest.raises(RuntimeError), atomic_folder(tmp_path / "f") as temporary:
            fail_after_writing(temporary / "x")
        assert (tmp_path / "f" / "x").read_text() == "new"
        assert names(tmp_path) == ["f"]

    @pytest.mark.parametrize("nth", [1, 2])
    def test_a_failed_swap_leaves_the_old_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
        """The old folder is moved aside first; it comes back where either move fails."""
        with atomic_folder(tmp_path / "f") as temporary:
            (temporary / "x").write_text("old")
        rename, calls = Path.rename, []

        def failing(path: Path, target: Path) -> Path:
            calls.append(path)
            if len(calls) == nth:
                raise OSError(errno.ENOSPC, "full")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", failing)
        with pytest.raises(StorageError), atomic_folder(tmp_path / "f") as temporary:
            (temporary / "x").write_text("new")
        assert (tmp_path / "f" / "x").read_text() == "old"
        assert names(tmp_path) == ["f"]

    def test_it_does_not_replace_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_text("somebody's")
        with pytest.raises(StorageError, match="a file is in its place"), atomic_folder(tmp_path / "f") as temporary:
            (temporary / "x").write_text("new")
        assert (tmp_path / "f").read_text() == "somebody's"
        assert names(tmp_path) == ["f"]

    def test_what_an_older_writer_left_aside_is_no_hindrance(self, tmp_path: Path) -> None:
        (tmp_path / f".f.old{os.getpid()}").mkdir()
        (tmp_path / f".f.old{os.getpid()}" / "x").write_text("left")
        for content in ("one", "two"):
            with atomic_folder(tmp_path / "f") as temporary:
                (temporary / "x").write_text(content)
        assert (tmp_path / "f" / "x").read_text() == "two"


class TestRefusals:
    @pytest.mark.parametrize(
        ("code", "what"),
        [
            (errno.ENOSPC, "no space left"),
            (errno.EDQUOT, "quota"),
            (errno.EACCES, "no permission"),
            (errno.EPERM, "no permission"),
            (errno.EROFS, "read-only"),
        ],
    )
    @pytest.mark.parametrize("atomic", [atomic_file, atomic_folder])
    def test_the_systems_refusal_is_a_storage_error(self, tmp_path: Path, atomic, code: int, what: str) -> None:
        with pytest.raises(StorageError, match=what) as caught, atomic(tmp_path / "a"):
            raise OSError(code, "refused")
        assert caught.value.where == str(tmp_path / "a")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is full")
    def test_a_full_disk_leaves_no_half_file_and_the_old_one(self, tmp_path: Path) -> None:
        target = tmp_path / "a.bin"
        for old in (None, b"old"):
            if old is not None:
                target.write_bytes(old)
            with pytest.raises(StorageError, match="no space left"), atomic_file(target) as temporary:
                write_to_a_full_disk(temporary)
            assert names(tmp_path) == ([] if old is None else ["a.bin"])
        assert target.read_bytes() == b"old"

    def test_other_errors_of_the_system_pass(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "a"):
            (tmp_path / "missing").read_text()
        with pytest.raises(FileNotFoundError), storage_errors(tmp_path):
            (tmp_path / "missing").read_text()

    def test_a_path_through_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StorageError, match="is a file, not a folder"):
            write_text(tmp_path / "file" / "a.txt", "x")

    def test_a_folder_in_a_files_place(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        with pytest.raises(StorageError, match="a folder is in its place"):
            write_text(tmp_path / "a", "x")
        assert names(tmp_path) == ["a"]

    def test_a_name_that_is_too_long(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="too long"):
            write_text(tmp_path / ("a" * 300), "x")
        assert names(tmp_path) == []

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_without_permission(self, tmp_path: Path) -> None:
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(StorageError, match="no permission"):
            write_text(tmp_path / "closed" / "a", "x")
