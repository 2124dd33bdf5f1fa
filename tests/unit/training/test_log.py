"""Lines are appended, counted in bytes, and cut back to where a checkpoint stands."""

import errno
import json
import os
import signal
from collections.abc import Mapping
from io import FileIO
from pathlib import Path

import pytest

from openmov.errors import RunFolderError, StorageError
from openmov.training.event_file import EventFile
from openmov.training.log import open_log
from tiny_training import metrics_of, tiny_folder


def test_going_on_cuts_off_what_the_checkpoint_does_not_count(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "run")
    with open_log(folder, 0, 0) as log:
        lengths = [log.write({"step": step, "loss": step / 2}, step) for step in (1, 2, 3)]
    with folder.metrics.open("a") as lines:
        lines.write('{"step": 4, "lo')  # a kill in the middle of a line
    with open_log(folder, lengths[1], 2) as log:
        log.write({"step": 3, "loss": 7.0}, 3)
    assert metrics_of(folder) == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": 1.0},
        {"step": 3, "loss": 7.0},
    ]
    assert list(folder.tensorboard.iterdir())


def test_metrics_shorter_than_the_checkpoint_says_are_refused(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "run")
    with pytest.raises(RunFolderError, match=r"metrics\.jsonl: is shorter"), open_log(folder, 10, 2):
        pass


def test_a_line_can_be_read_the_moment_it_is_written(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "run")
    with open_log(folder, 0, 0) as log:
        length = log.write({"step": 1, "validation": None}, 1)
        assert folder.metrics.stat().st_size == length
        assert json.loads(folder.metrics.read_text()) == {"step": 1, "validation": None}


def test_a_full_disk_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(FileIO):
        def write(self, line: bytes) -> int:  # type: ignore[override]
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("openmov.training.log.FileIO", FullDisk)
    folder = tiny_folder(tmp_path / "run")
    with open_log(folder, 0, 0) as log, pytest.raises(StorageError, match="no space left"):
        log.write({"step": 1}, 1)


def test_ctrl_c_never_falls_into_the_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, drawn = tiny_folder(tmp_path / "run"), []

    def add(self: EventFile, numbers: Mapping[str, float], step: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        drawn.extend(numbers)

    monkeypatch.setattr(EventFile, "add", add)
    with open_log(folder, 0, 0) as log, pytest.raises(KeyboardInterrupt):
        log.write({"step": 1, "loss": 0.5, "learning_rate": 0.1}, 1)
    assert drawn == ["loss", "learning_rate"]
