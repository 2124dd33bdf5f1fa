"""Which checkpoints a training leaves: a copy of one instant, the last few, and never less than one."""

import errno
import os
from pathlib import Path

import pytest
import torch

from openmov.errors import StorageError
from openmov.runtime import checkpoint
from openmov.runtime.checkpoint import load_checkpoint, load_header
from openmov.runtime.distributed import ALONE
from openmov.runtime.run_folder import RunFolder
from openmov.training import checkpoints as saving
from openmov.training.checkpoints import BackgroundWriter, RunCheckpoints
from openmov.training.distributed import Replicated
from openmov.training.loop import train
from openmov.training.optimizer import build_optimizer, trained_parameters
from openmov.training.state import TrainState
from tiny_training import PROVENANCE, TinyClips, TinyNet, metrics_of, tiny_config, tiny_folder, tiny_objective


def run(folder: RunFolder, *, resume: bool = False, **changes: object) -> None:
    config = tiny_config(**({"epochs": 2} | changes))
    train(
        *(TinyNet(), TinyClips(20), tiny_objective(), config, folder, PROVENANCE),
        progress=False,
        resume=resume,
        checkpoint_seconds=0.0,
    )


def kept(folder: RunFolder) -> list[int]:
    return [load_header(path).step for path in sorted(folder.previous.iterdir())] if folder.previous.exists() else []


def test_the_newest_alone_is_kept_unless_more_are_asked_for(tmp_path: Path) -> None:
    run(one := tiny_folder(tmp_path / "one"))
    run(three := tiny_folder(tmp_path / "three"), keep_last=3)
    assert (kept(one), load_header(one.last).step) == ([], 6)
    assert (kept(three), load_header(three.last).step) == ([4, 5], 6)  # each after one step


def test_a_training_goes_on_from_one_of_the_previous(tmp_path: Path) -> None:
    run(straight := tiny_folder(tmp_path / "straight"), keep_last=3)
    run(other := tiny_folder(tmp_path / "other"), keep_last=3)
    for path in other.last.iterdir():
        path.unlink()
    other.last.rmdir()
    (other.previous / "00000004").rename(other.last)
    run(other, resume=True, keep_last=3)
    assert metrics_of(other) == metrics_of(straight)
    assert kept(other) == [4, 5]  # that of step 5 is the new one
    weights, expected = load_checkpoint(other.last)[0], load_checkpoint(straight.last)[0]
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_previous_ones_share_their_bytes_where_there_are_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linked: list[Path] = []
    link = os.link

    def counted(source: Path, target: Path) -> None:
        link(source, target)
        linked.append(target)

    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", counted)
    run(with_links := tiny_folder(tmp_path / "with"), keep_last=2)
    assert len(linked) == 3 * 5  # header, weights and optimiser of the five that were replaced
    monkeypatch.setattr(os, "link", refused)
    run(without := tiny_folder(tmp_path / "without"), keep_last=2)
    assert kept(with_links) == kept(without) == [5]


def test_what_is_written_is_the_instant_it_was_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, net = tiny_folder(tmp_path / "run"), TinyNet()
    parameters = trained_parameters(net)
    optimizer = build_optimizer(parameters, tiny_config())
    expected = {name: weight.detach().clone() for name, weight in parameters.items()}
    original = saving.save_checkpoint

    def after_a_step(*arguments: object) -> None:
        with torch.no_grad():
            for weight in parameters.values():
                weight.fill_(7.0)  # the training goes on meanwhile
        original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(saving, "save_checkpoint", after_a_step)
    with folder.locked() as lock, BackgroundWriter() as writer:
        checkpoints = RunCheckpoints(
            *(folder, PROVENANCE, net, optimizer, parameters, writer), strategy=Replicated(net, ALONE), lock=lock
        )
        checkpoints.save_last(TrainState(step=3))
    weights = load_checkpoint(folder.last)[0]
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())


def test_a_full_disk_stops_the_training_and_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, original, calls = tiny_folder(tmp_path / "run"), checkpoint.save_file, iter(range(99))

    def full(tensors: dict[str, torch.Tensor], target: Path) -> None:
        if next(calls) >= 4:  # two files a checkpoint: the third one fails
            target.write_bytes(b"half")
            raise checkpoint.SafetensorError("I/O error: No space left on device (os error 28)")
        original(tensors, target)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save_file", full)
        with pytest.raises(StorageError, match=r"weights-\w+\.safetensors: no space left on the device; free some"):
            run(folder)
    assert load_checkpoint(folder.last)[1].step == 2
    assert len(list(folder.last.iterdir())) == 3  # nothing half-written beside it
    run(folder, resume=True)
    assert load_header(folder.last).step == 6
