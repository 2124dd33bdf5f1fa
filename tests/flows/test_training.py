"""A training stopped anywhere and resumed equals one that ran straight through, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from random import Random

import pytest
import torch

from openmov.errors import StorageError
from openmov.runtime import checkpoint
from openmov.runtime.checkpoint import CheckpointHeader, is_checkpoint, load_checkpoint, load_resume_state
from openmov.runtime.run_folder import RunFolder
from openmov.training import checkpoints as saving
from openmov.training.loader import ClipSource
from openmov.training.loop import train
from small_disk import small_disk
from tiny_training import (
    PROVENANCE,
    Killed,
    StopAt,
    TinyClips,
    TinyNet,
    accuracy,
    metrics_of,
    tiny_config,
    tiny_folder,
    tiny_objective,
)

CLIPS = 21  # two epochs of three steps (8, 8 and 5 clips) of two micro-batches each: twelve readings
HERE = Path(__file__).parent
HELD_OUT = TinyClips(40, offset=5000)


def validation(model: TinyNet) -> float:
    return accuracy(model, HELD_OUT)


def run(
    path: Path,
    source: ClipSource,
    *,
    resume: bool = False,
    checkpoint_seconds: float = 60.0,
    validate: Callable[[TinyNet], float] = validation,
) -> None:
    net, folder = TinyNet(), tiny_folder(path, resume=resume)
    if is_checkpoint(folder.last):
        for weight in net.trained_state().values():
            weight.fill_(3.0)  # must come from the checkpoint
    train(
        net,
        source,
        tiny_objective(),
        tiny_config(epochs=2, micro_batch_size=4, keep_epochs=True),
        folder,
        PROVENANCE,
        validate=validate,
        progress=False,
        resume=resume,
        checkpoint_seconds=checkpoint_seconds,
    )


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    path = tmp_path_factory.mktemp("straight") / "run"
    run(path, TinyClips(CLIPS))
    return RunFolder.open(path)


def assert_same_run(path: Path, straight: RunFolder) -> None:
    folder = RunFolder.open(path)
    assert metrics_of(folder) == metrics_of(straight)
    for name in ("last", "best", "epochs/000", "epochs/001"):
        mine, said = load_checkpoint(path / "checkpoints" / name)
        theirs, expected = load_checkpoint(straight.path / "checkpoints" / name)
        assert (said.step, said.epoch) == (expected.step, expected.epoch)
        differing = {key for key, value in expected.metrics.items() if said.metrics[key] != value}
        assert differing <= {"metrics_bytes"}  # lines hold clips a second, of which some have more digits
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine), name
    state, expected_state = load_resume_state(folder.last), load_resume_state(straight.last)
    assert state.keys() == expected_state.keys()
    assert all(torch.equal(state[key], expected_state[key]) for key in state)


@pytest.mark.parametrize("reading", [0, 1, 2, 5, 6, 11])
@pytest.mark.parametrize(
    ("error", "checkpoint_seconds"),
    [(KeyboardInterrupt(), 60.0), (Killed(), 0.0), (Killed(), 60.0)],
    ids=["ctrl-c", "kill, last after every step", "kill, last after every epoch"],
)
def test_stopped_at_a_batch(
    tmp_path: Path, straight: RunFolder, reading: int, error: BaseException, checkpoint_seconds: float
) -> None:
    path = tmp_path / "run"
    with pytest.raises(type(error)):
        run(path, StopAt(TinyClips(CLIPS), reading, error), checkpoint_seconds=checkpoint_seconds)
    run(path, TinyClips(CLIPS), resume=True)
    assert_same_run(path, straight)


def test_a_run_that_was_not_resumed_is_not_the_same(tmp_path: Path, straight: RunFolder) -> None:
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(path, StopAt(TinyClips(CLIPS), 9, KeyboardInterrupt()))
    assert load_checkpoint(RunFolder.open(path).last)[1].step == 4  # of Ctrl-C, not of the last epoch's end
    with pytest.raises(AssertionError):
        assert_same_run(path, straight)


def test_stopped_again_and_again(tmp_path: Path, straight: RunFolder) -> None:
    path, stops = tmp_path / "run", 0
    while True:
        try:
            run(path, StopAt(TinyClips(CLIPS), 3, KeyboardInterrupt()), resume=True)
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops == 5  # one step of two readings each time but the last
    assert_same_run(path, straight)


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), Killed()], ids=["ctrl-c", "kill"])
def test_stopped_in_validation(tmp_path: Path, straight: RunFolder, epoch: int, error: BaseException) -> None:
    path, calls = tmp_path / "run", iter(range(9))

    def stopped(model: TinyNet) -> float:
        torch.rand(10)
        if next(calls) == epoch:
            raise error
        return validation(model)

    with pytest.raises(type(error)):
        run(path, TinyClips(CLIPS), validate=stopped)
    run(path, TinyClips(CLIPS), resume=True)
    assert_same_run(path, straight)


@pytest.mark.parametrize("kind", ["best", "epoch", "last"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", [0, 1])
def test_killed_around_a_checkpoint(
    tmp_path: Path, straight: RunFolder, monkeypatch: pytest.MonkeyPatch, kind: str, when: str, call: int
) -> None:
    path, calls, original = tmp_path / "run", iter(range(99)), saving.save_checkpoint

    def killed(folder: Path, tensors: object, header: CheckpointHeader, resume: object = None) -> None:
        now = header.kind == kind and next(calls) == call
        if when == "after" or not now:
            original(folder, tensors, header, resume)  # type: ignore[arg-type]
        if now:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(saving, "save_checkpoint", killed)
        with pytest.raises(Killed):
            run(path, TinyClips(CLIPS))
    run(path, TinyClips(CLIPS), resume=True)
    assert_same_run(path, straight)


def test_ctrl_c_in_the_middle_of_an_update(
    tmp_path: Path, straight: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, calls, original = tmp_path / "run", iter(range(99)), torch.optim.AdamW.step

    def interrupted(self: torch.optim.AdamW) -> None:
        if next(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        original(self)

    with monkeypatch.context() as patched:
        patched.setattr(torch.optim.AdamW, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(path, TinyClips(CLIPS))
    assert load_checkpoint(RunFolder.open(path).last)[1].step == 5  # the update it fell into was finished
    run(path, TinyClips(CLIPS), resume=True)
    assert_same_run(path, straight)


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(
    tmp_path: Path, straight: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, original = tmp_path / "run", checkpoint.save_file
    calls = iter(range(99))

    def full(tensors: dict[str, torch.Tensor], target: Path) -> None:
        if next(calls) > 4:
            raise checkpoint.SafetensorError("I/O error: No space left on device (os error 28)")
        original(tensors, target)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save_file", full)
        with pytest.raises(StorageError, match="no space left"):
            run(path, TinyClips(CLIPS))
    run(path, TinyClips(CLIPS), resume=True)
    assert_same_run(path, straight)


def test_curves_on_a_disk_that_is_really_full_end_the_training_in_one_line(tmp_path: Path, straight: RunFolder) -> None:
    path = tmp_path / "run"
    tiny_folder(path)
    with small_disk(path / "tensorboard", 4096) as disk:
        (disk / "ballast").write_bytes(bytes(4096))
        with pytest.raises(StorageError, match="no space left") as caught:
            run(path, TinyClips(CLIPS), resume=True)
    assert "tensorboard/events.out" in str(caught.value)
    run(path, TinyClips(CLIPS), resume=True)
    assert_same_run(path, straight)


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("spare_bytes", [0, 4096], ids=["no line fits", "lines fit, and no checkpoint"])
def test_a_disk_that_is_really_full_keeps_the_last_checkpoint(
    tmp_path: Path, straight: RunFolder, epoch: int, spare_bytes: int
) -> None:
    epochs = iter(range(9))

    def filling(model: TinyNet) -> float:
        if next(epochs) == epoch:
            fill(disk / "ballast", spare_bytes)
        return validation(model)

    with small_disk(tmp_path / "disk", 1_000_000) as disk:
        path = disk / "run"
        with pytest.raises(StorageError, match="no space left") as caught:
            run(path, TinyClips(CLIPS), checkpoint_seconds=0.0, validate=filling)
        assert "\n" not in str(caught.value)
        assert load_checkpoint(path / "checkpoints/last")[1].step >= 3 * epoch + 1
        (disk / "ballast").unlink()
        run(path, TinyClips(CLIPS), resume=True)
        assert_same_run(path, straight)


def fill(ballast: Path, spare_bytes: int) -> None:
    """Takes all the room there is but so many bytes."""
    with FileIO(ballast, "a") as file:
        with suppress(OSError):
            while file.write(bytes(4096)) == 4096:
                pass
        file.truncate(file.tell() - spare_bytes)


_PROGRAM = """
import sys, time
from pathlib import Path
import test_training as flow
from tiny_training import TinyClips

class Slow(TinyClips):
    def batch(self, indices, epoch):
        time.sleep(0.1)
        return super().batch(indices, epoch)

flow.run(Path(sys.argv[1]), Slow(flow.CLIPS), resume=True, checkpoint_seconds=0.0)
"""


def kill_after(path: Path, lines: int, later: float = 0.0) -> None:
    """Begins, or goes on, in another process, and kills that once so many metrics are written, and a little later."""
    search = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(path)], env={**os.environ, "PYTHONPATH": search}
    ) as process:
        deadline, metrics = time.monotonic() + 60, path / "metrics.jsonl"
        while time.monotonic() < deadline and process.poll() is None:
            if metrics.exists() and metrics.read_text().count("\n") >= lines:
                time.sleep(later)
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_killed_by_the_system(tmp_path: Path, straight: RunFolder) -> None:
    path = tmp_path / "run"
    kill_after(path, 4)
    assert 0 < load_checkpoint(path / "checkpoints" / "last")[1].step < 6
    run(path, TinyClips(CLIPS), resume=True)
    assert_same_run(path, straight)


@pytest.mark.slow
@pytest.mark.parametrize("repetition", range(20))
def test_killed_by_the_system_at_a_random_instant(tmp_path: Path, straight: RunFolder, repetition: int) -> None:
    path, random = tmp_path / "run", Random(repetition)
    kill_after(path, random.randint(0, 5), random.uniform(0.0, 0.2))
    if repetition % 2:  # and again while it goes on
        kill_after(path, 6, random.uniform(0.0, 0.1))
    run(path, TinyClips(CLIPS), resume=True)
    assert_same_run(path, straight)
