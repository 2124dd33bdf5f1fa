"""One run a folder, one process at a time."""

import json
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
