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
from openmov.training.tracking import open_log
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


@pytest.mark.parametrize("how", ["hard link", "soft link"])
def test_a_copy_of_a_run_by_links_does_not_write_into_the_first(tmp_path: Path, how: str) -> None:
    one, copy = tiny_folder(tmp_path / "one"), tiny_folder(tmp_path / "copy")
    with open_log(one, 0, 0) as log:
        lengths = [log.write({"step": step}, step) for step in (1, 2, 3)]
    before = one.metrics.read_bytes()
    if how == "hard link":
        copy.metrics.hardlink_to(one.metrics)
    else:
        copy.metrics.symlink_to(one.metrics)
    with open_log(copy, lengths[0], 1) as log:
        log.write({"step": 2, "loss": 7.0}, 2)
    assert one.metrics.read_bytes() == before
    assert metrics_of(copy) == [{"step": 1}, {"step": 2, "loss": 7.0}]


def test_two_files_of_curves_never_share_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In containers every process may have the number 1, and a clock may be set back."""
    monkeypatch.setattr("openmov.training.event_file.time.time", lambda: 1_700_000_000.0)
    folder = tiny_folder(tmp_path / "run")
    for step in range(3):
        with open_log(folder, 0, step):
            pass
    sizes = [path.stat().st_size for path in folder.tensorboard.iterdir()]
    assert len(sizes) == 3
    assert max(sizes) < 2 * min(sizes)


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

    monkeypatch.setattr("openmov.training.tracking.FileIO", FullDisk)
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
