"""One run a folder, one process at a time."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from openmov.errors import RunFolderError
from openmov.runtime.run_folder import RunFolder

RECIPE = {"name": "motion", "training": {"epochs": 2}}


def test_a_new_run_and_back(tmp_path: Path) -> None:
    made = RunFolder.create(tmp_path / "out", RECIPE, "f1")
    assert RunFolder.open(tmp_path / "out") == made
    assert made.name == "motion"
    assert json.loads(made.recipe.read_text()) == RECIPE
    assert made.epoch(7).name == "007"


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path, RECIPE, "f1").fingerprint == "f1"


def test_the_same_run_needs_resume(tmp_path: Path) -> None:
    made = RunFolder.create(tmp_path, RECIPE, "f1")
    assert RunFolder.create(tmp_path, RECIPE, "f1", resume=True) == made
    with pytest.raises(RunFolderError, match=r"already holds this run \(motion, .*--resume"):
        RunFolder.create(tmp_path, RECIPE, "f1")


def test_another_run_is_refused_even_with_resume(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, RECIPE, "f1")
    for resume in (False, True):
        with pytest.raises(RunFolderError, match=r"holds another run \(motion, .*choose another --out"):
            RunFolder.create(tmp_path, RECIPE, "f2", resume=resume)
    with pytest.raises(RunFolderError, match="another run"):
        RunFolder.open(tmp_path, "f2")


def test_what_is_there_can_be_asked_without_writing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert RunFolder.found(out, "f1") is None
    assert not out.exists()
    made = RunFolder.create(out, RECIPE, "f1")
    assert RunFolder.found(out, "f1", resume=True) == made
    for fingerprint, resume in (("f1", False), ("f2", True)):
        with pytest.raises(RunFolderError, match="holds"):
            RunFolder.found(out, fingerprint, resume=resume)


def test_foreign_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match=r"holds other files \(thesis\.tex\)"):
        RunFolder.create(tmp_path, RECIPE, "f1")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(RunFolderError, match="is a file"):
        RunFolder.create(tmp_path / "thesis.tex", RECIPE, "f1")


def test_a_folder_without_run_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no run"):
        RunFolder.open(tmp_path / "absent")
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunFolderError, match="is damaged"):
        RunFolder.open(tmp_path)


def test_a_kill_between_the_two_files_is_mended(tmp_path: Path) -> None:
    made = RunFolder.create(tmp_path, RECIPE, "f1")
    made.recipe.unlink()
    RunFolder.create(tmp_path, RECIPE, "f1", resume=True)
    assert json.loads(made.recipe.read_text()) == RECIPE


def test_a_kill_during_the_first_file_leaves_the_folder_usable(tmp_path: Path) -> None:
    (tmp_path / ".run.abcd.tmp.json").write_text("{")
    RunFolder.create(tmp_path, RECIPE, "f1")


_HOLDER = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.lockf(handle, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_keeps_us_out_until_it_dies(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, RECIPE, "f1")
    with folder.locked():
        pass
    command = [sys.executable, "-c", _HOLDER, str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunFolderError, match="another process is training into it"), folder.locked():
            pass
        holder.kill()
    with folder.locked():
        pass


@pytest.mark.parametrize("how", ["removed", "another in its place"])
def test_a_folder_that_goes_while_it_is_locked_is_noticed(tmp_path: Path, how: str) -> None:
    out = tmp_path / "out"
    with RunFolder.create(out, RECIPE, "f1").locked() as lock:
        lock.require_folder()
        shutil.rmtree(out)
        if how != "removed":
            with RunFolder.create(out, RECIPE, "f2").locked():
                pass
        with pytest.raises(RunFolderError, match="has gone while it was being trained into"):
            lock.require_folder()


def test_two_that_begin_at_once_do_not_train_under_one_name(tmp_path: Path) -> None:
    mine = RunFolder.create(tmp_path / "out", RECIPE, "f1")
    other = RunFolder.create(tmp_path / "other", RECIPE, "f2")
    shutil.copy(other.path / "run.json", mine.path)  # both found the folder empty
    with pytest.raises(RunFolderError, match="another run"), mine.locked():
        pass


def test_a_copy_by_hard_links_has_a_lock_of_its_own(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "a", RECIPE, "f1").locked():
        pass
    shutil.copytree(tmp_path / "a", tmp_path / "b", copy_function=os.link)
    with RunFolder.open(tmp_path / "b").locked() as lock:
        lock.require_folder()
        command = [sys.executable, "-c", _HOLDER, str(tmp_path / "a" / ".lock")]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.stdout == "held\n"


def test_a_link_into_another_run_is_refused_and_one_to_another_disk_is_not(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a", RECIPE, "f1")
    other = RunFolder.create(tmp_path / "b", RECIPE, "f2")
    (tmp_path / "disk").mkdir()
    (folder.path / "checkpoints").symlink_to(tmp_path / "disk")
    with folder.locked():
        pass
    (folder.path / "results").symlink_to(other.path / "results")
    with pytest.raises(RunFolderError, match="results: is a link into another run"), folder.locked():
        pass


def test_metrics_are_read_as_far_as_they_are_whole(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, RECIPE, "f1")
    assert folder.read_metrics() == []
    folder.metrics.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert folder.read_metrics() == [{"step": 1}, {"step": 2}]
    folder.metrics.write_bytes(b"\0" * 100 + b"\n")  # as a power cut may leave it
    with pytest.raises(RunFolderError, match=r"metrics\.jsonl: is damaged"):
        folder.read_metrics()
