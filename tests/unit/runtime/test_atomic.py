"""A target exists if and only if it is complete."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from openmov.errors import StorageError
from openmov.runtime import atomic
from openmov.runtime.atomic import (
    atomic_file,
    atomic_files,
    atomic_folder,
    scratch_folder,
    storage_errors,
    write_text,
    write_together,
)


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


def ours(folder: Path) -> bool:
    return True


def killed(code: str, *arguments: Path) -> int:
    """Runs a program of its own, which kills itself; its exit code."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False).returncode


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
        assert killed(code, tmp_path / "a.txt") == -signal.SIGKILL
        assert (tmp_path / "a.txt").read_text() == "old"
        assert len(names(tmp_path)) == 2
        write_text(tmp_path / "a.txt", "new")
        assert (tmp_path / "a.txt").read_text() == "new"
        assert names(tmp_path) == ["a.txt"]  # what the dead one left is gone

    def test_two_writers_at_once_do_not_disturb_each_other(self, tmp_path: Path) -> None:
        with atomic_file(tmp_path / "a") as one, atomic_file(tmp_path / "a") as other:
            one.write_text("first to begin")
            other.write_text("last to end")
            write_text(tmp_path / "a", "in between")
            assert one.read_text() == "first to begin"
        assert (tmp_path / "a").read_text() == "first to begin"
        assert names(tmp_path) == ["a"]

    def test_what_lies_behind_a_link_stays(self, tmp_path: Path) -> None:
        (tmp_path / "precious").write_text("of someone else")
        (tmp_path / "soft").symlink_to(tmp_path / "precious")
        (tmp_path / "hard").hardlink_to(tmp_path / "precious")
        for name in ("soft", "hard"):
            write_text(tmp_path / name, "new")
            assert (tmp_path / name).read_text() == "new"
        assert (tmp_path / "precious").read_text() == "of someone else"

    def test_a_planted_temporary_name_is_not_followed(self, tmp_path: Path) -> None:
        """In a folder that others may write, /tmp say: its name could be guessed."""
        (tmp_path / "precious").write_text("of someone else")
        (tmp_path / ".a.openmov-0.tmp").symlink_to(tmp_path / "precious")
        write_text(tmp_path / "a", "new")
        assert (tmp_path / "precious").read_text() == "of someone else"
        assert (tmp_path / "a").read_text() == "new"

    def test_a_device_is_not_replaced_by_a_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "null").symlink_to("/dev/null")
        for name in ("pipe", "null"):
            with pytest.raises(StorageError, match="is a device or a pipe"):
                write_text(tmp_path / name, "x")
            with pytest.raises(StorageError, match="is a device or a pipe"):
                write_together({tmp_path / "other": "x", tmp_path / name: "x"})
        assert names(tmp_path) == ["null", "pipe"]

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
        with atomic_folder(tmp_path / "f", replaces=ours) as temporary:
            (temporary / "x").write_text("new")
            assert names(tmp_path / "f") == ["only-old", "x"]
        assert (tmp_path / "f" / "x").read_text() == "new"
        assert names(tmp_path / "f") == ["x"]
        with pytest.raises(RuntimeError), atomic_folder(tmp_path / "f", replaces=ours) as temporary:
            fail_after_writing(temporary / "x")
        assert (tmp_path / "f" / "x").read_text() == "new"
        assert names(tmp_path) == ["f"]

    @pytest.mark.parametrize("nth", [1, 2])
    def test_a_failed_swap_leaves_the_old_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
        """Where names cannot change places the old folder is moved aside first; it comes back where a move fails."""
        monkeypatch.setattr("openmov.runtime.atomic._exchanged", lambda one, other: False)
        with atomic_folder(tmp_path / "f") as temporary:
            (temporary / "x").write_text("old")
        rename, calls = Path.rename, []

        def failing(path: Path, target: Path) -> Path:
            calls.append(path)
            if len(calls) == nth:
                raise OSError(errno.ENOSPC, "full")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", failing)
        with pytest.raises(StorageError), atomic_folder(tmp_path / "f", replaces=ours) as temporary:
            (temporary / "x").write_text("new")
        assert (tmp_path / "f" / "x").read_text() == "old"
        assert names(tmp_path) == ["f"]

    @pytest.mark.parametrize("in_one_step", [True, False])
    def test_a_kill_between_the_two_moves_loses_nothing(self, tmp_path: Path, in_one_step: bool) -> None:
        with atomic_folder(tmp_path / "f") as temporary:
            (temporary / "x").write_text("old")
        code = f"""
import os, signal, sys
from pathlib import Path
from openmov.runtime import atomic
exchanged, rename = atomic._exchanged, Path.rename
def kill(*given):
    os.kill(os.getpid(), signal.SIGKILL)
def killed(one, other):
    if not {in_one_step}:
        atomic.Path.rename = lambda path, target: (rename(path, target), kill())
        return False
    exchanged(one, other)
    kill()
atomic._exchanged = killed
with atomic.atomic_folder(Path(sys.argv[1]), replaces=lambda folder: True) as temporary:
    (temporary / "x").write_text("new")
"""
        assert killed(code, tmp_path / "f") == -signal.SIGKILL
        if in_one_step:
            assert (tmp_path / "f" / "x").read_text() == "new"
        for content in ("newer", "newest"):
            with atomic_folder(tmp_path / "f", replaces=ours) as temporary:
                assert (tmp_path / "f" / "x").read_text() != "newest"  # the old one is back in its place
                (temporary / "x").write_text(content)
        assert names(tmp_path) == ["f"]

    @pytest.mark.parametrize("replaces", [None, lambda folder: False])
    def test_what_is_not_openmovs_is_never_replaced(self, tmp_path: Path, replaces) -> None:
        mine = tmp_path / "thesis"
        mine.mkdir()
        with atomic_folder(mine, replaces=replaces) as temporary:  # an empty one will do
            (temporary / "x").write_text("new")
        (mine / "chapter1.txt").write_text("three years of work")
        refused = pytest.raises(
            StorageError, match=r"holds files that would be lost \(chapter1\.txt, x\); choose another"
        )
        with refused, atomic_folder(mine, replaces=replaces):
            pytest.fail("it is said before any work")
        (tmp_path / "link").symlink_to(mine)
        with pytest.raises(StorageError, match="would be lost"), atomic_folder(tmp_path / "link", replaces=replaces):
            pass
        assert names(mine) == ["chapter1.txt", "x"]
        assert names(tmp_path) == ["link", "thesis"]

    def test_what_comes_there_at_the_last_moment_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def alone(folder: Path) -> bool:
            return names(folder) == ["x"]

        with atomic_folder(tmp_path / "f") as temporary:
            (temporary / "x").write_text("old")
        exchanged = atomic._exchanged

        def later(one: Path, other: Path) -> bool:
            (tmp_path / "f" / "mine").write_text("of this moment") if not (one / "mine").exists() else None
            return exchanged(one, other)

        monkeypatch.setattr(atomic, "_exchanged", later)
        refused = pytest.raises(StorageError, match="would be lost")
        with refused, atomic_folder(tmp_path / "f", replaces=alone) as temporary:
            (temporary / "x").write_text("new")
        assert (tmp_path / "f" / "mine").read_text() == "of this moment"
        assert (tmp_path / "f" / "x").read_text() == "old"
        assert names(tmp_path) == ["f"]

    def test_a_link_to_ones_own_folder_is_followed(self, tmp_path: Path) -> None:
        with atomic_folder(tmp_path / "disk" / "f") as temporary:
            (temporary / "x").write_text("old")
        (tmp_path / "f").symlink_to(tmp_path / "disk" / "f")
        with atomic_folder(tmp_path / "f", replaces=ours) as temporary:
            (temporary / "x").write_text("new")
        assert (tmp_path / "f").is_symlink()
        assert (tmp_path / "disk" / "f" / "x").read_text() == "new"

    @pytest.mark.parametrize("place", [".", "../..", "../inside"])
    def test_the_folder_one_works_in_is_not_taken_away(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        (tmp_path / "outside" / "inside").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "outside" / "inside")
        refused = pytest.raises(StorageError, match="the folder this command runs in")
        with refused, atomic_folder(Path(place), replaces=ours):
            pytest.fail("it is said before any work")
        assert (tmp_path / "outside" / "inside").is_dir()

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
            with atomic_folder(tmp_path / "f", replaces=ours) as temporary:
                (temporary / "x").write_text(content)
        assert (tmp_path / "f" / "x").read_text() == "two"


class TestTogether:
    def test_all_are_written(self, tmp_path: Path) -> None:
        write_together({tmp_path / "page" / "a.html": "page", tmp_path / "page" / "a.json": "numbers"})
        assert [(tmp_path / "page" / name).read_text() for name in ("a.html", "a.json")] == ["page", "numbers"]
        assert names(tmp_path / "page") == ["a.html", "a.json"]

    @pytest.mark.parametrize("nth", range(6))
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
    def test_a_disk_that_fails_at_any_moment_leaves_all_of_the_old_ones(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int, code: int
    ) -> None:
        """Three are written out, then three get their names."""
        old = {tmp_path / name: f"old {name}" for name in ("a", "b")}
        write_together(old)
        calls = iter(range(99))

        def failing(real):
            def call(*given):
                if next(calls) == nth:
                    raise OSError(code, os.strerror(code))
                return real(*given)

            return call

        monkeypatch.setattr(atomic, "_flush", failing(atomic._flush))
        monkeypatch.setattr(Path, "replace", failing(Path.replace))
        with pytest.raises(StorageError):
            write_together({tmp_path / name: f"new {name}" for name in ("a", "b", "c")})
        assert {path: path.read_text() for path in tmp_path.iterdir()} == old

    @pytest.mark.parametrize("nth", range(4))
    def test_ctrl_c_and_kill_leave_a_whole_set(self, tmp_path: Path, nth: int) -> None:
        """Ctrl-C at any of four calls; then kill -9 there: before the first name nothing has changed."""
        write_together(dict.fromkeys((tmp_path / "a", tmp_path / "b"), "old"))
        code = """
import os, signal, sys
from pathlib import Path
from openmov.runtime import atomic
number, nth, folder = int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[1])
count = iter(range(99))
def watched(real):
    def call(*given):
        if next(count) == nth:
            os.kill(os.getpid(), number)
        return real(*given)
    return call
atomic._flush, Path.replace = watched(atomic._flush), watched(Path.replace)
atomic.write_together({folder / "a": "new", folder / "b": "new"})
"""
        killed(code, tmp_path, signal.SIGINT.value, nth)  # type: ignore[arg-type]
        assert len({path.read_text() for path in tmp_path.iterdir()}) == 1
        assert names(tmp_path) == ["a", "b"]
        write_together(dict.fromkeys((tmp_path / "a", tmp_path / "b"), "old"))
        assert killed(code, tmp_path, signal.SIGKILL.value, nth) == -signal.SIGKILL  # type: ignore[arg-type]
        assert nth == 3 or {(tmp_path / name).read_text() for name in ("a", "b")} == {"old"}
        write_together(dict.fromkeys((tmp_path / "a", tmp_path / "b"), "newer"))
        assert {path.read_text() for path in tmp_path.iterdir()} == {"newer"}
        assert names(tmp_path) == ["a", "b"]

    def test_files_whose_names_a_library_chooses(self, tmp_path: Path) -> None:
        for content in ("one", "two"):
            with atomic_files(tmp_path / "net.onnx") as folder:
                (folder / "net.onnx").write_text(content)
                (folder / "net.onnx.data").write_text(content)
        assert names(tmp_path) == ["net.onnx", "net.onnx.data"]
        with pytest.raises(RuntimeError), atomic_files(tmp_path / "net.onnx") as folder:
            fail_after_writing(folder / "net.onnx")
        assert {path.read_text() for path in tmp_path.iterdir()} == {"two"}

    def test_a_scratch_folder_goes_and_so_does_that_of_a_killed_process(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code = """
import os, signal, sys, tempfile
from openmov.runtime.atomic import scratch_folder
tempfile.tempdir = sys.argv[1]
with scratch_folder("openmov-plan") as folder:
    (folder / "deep").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""
        assert killed(code, tmp_path) == -signal.SIGKILL
        assert len(names(tmp_path)) == 1
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        with scratch_folder("openmov-plan") as folder:
            assert names(folder) == []
            assert folder.stat().st_mode & 0o777 == 0o700
        assert names(tmp_path) == []


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

    @pytest.mark.parametrize("code", sorted(set(errno.errorcode) - {errno.ENOENT}))
    def test_whatever_the_system_refuses_is_one_line(self, tmp_path: Path, code: int) -> None:
        error = OSError(code, os.strerror(code))
        if isinstance(error, ConnectionError | BlockingIOError):
            return  # somebody else's: a reader that hangs up
        with pytest.raises(StorageError) as caught, atomic_file(tmp_path / "a"):
            raise error
        assert str(caught.value).startswith(f"{tmp_path / 'a'}: ")
        assert "; " in str(caught.value)  # and what to do
        assert names(tmp_path) == []

    def test_a_folder_that_has_gone(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="the folder has gone meanwhile"), atomic_file(tmp_path / "f" / "a"):
            shutil.rmtree(tmp_path / "f")

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
