"""What a training writes, refuses and leaves alone. (Resuming is in tests/flows.)"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from openmov.errors import CheckpointError, ManifestError, OpenMovError, RunFolderError, VocabularyError
from openmov.runtime.checkpoint import is_checkpoint, load_checkpoint
from openmov.training.loop import Trainable, train
from openmov.types import ClipBatch, Modality
from tiny_training import (
    NAMES,
    PROVENANCE,
    TinyClips,
    TinyNet,
    accuracy,
    metrics_of,
    tiny_config,
    tiny_folder,
    tiny_objective,
)


def test_lines_and_checkpoints_of_a_training(tmp_path: Path) -> None:
    net, source, folder = TinyNet(), TinyClips(20), tiny_folder(tmp_path / "run")
    values = iter([0.2, 0.6, 0.6, 0.1])
    trained_after: list[dict[str, torch.Tensor]] = []

    def validate(model: TinyNet) -> float:
        assert not model.training
        assert not torch.is_grad_enabled()
        trained_after.append({name: tensor.clone() for name, tensor in model.trained_state().items()})
        return next(values)

    config = tiny_config(epochs=4, keep_epochs=True)
    summary = train(net, source, tiny_objective(), config, folder, PROVENANCE, validate=validate, progress=False)
    assert (summary.steps, summary.epochs, summary.best_epoch, summary.best_validation) == (12, 4, 1, 0.6)
    lines = metrics_of(folder)
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 13))
    epochs = [line for line in lines if "validation" in line]
    assert [line["validation"] for line in epochs] == [0.2, 0.6, 0.6, 0.1]
    weighted = sum(line["loss"] * size for line, size in zip(lines[:3], (8, 8, 4), strict=True)) / 20
    assert epochs[0]["epoch_loss"] == pytest.approx(weighted)  # the last batch counts for its four clips
    rates = [line["learning_rate"] for line in lines if "loss" in line]
    assert rates == pytest.approx([0.01 * 0.5 * (1 + math.cos(math.pi * i / 12)) for i in range(12)])
    assert set(lines[0]) >= {"loss_video", "loss_flow", "gradient_norm", "epoch"}
    best, header = load_checkpoint(folder.best)
    assert header.epoch == 2
    assert header.metrics["validation"] == 0.6
    assert best.keys() == net.trained_state().keys()  # only what was trained
    for epoch, expected in enumerate(trained_after):
        kept, _ = load_checkpoint(folder.epoch(epoch))
        assert all(torch.equal(kept[name], tensor) for name, tensor in expected.items())
    assert all(torch.equal(best[name], tensor) for name, tensor in trained_after[1].items())
    assert list(folder.tensorboard.iterdir())


def test_each_clip_comes_exactly_once_an_epoch(tmp_path: Path) -> None:
    source = TinyClips(21)
    train(
        TinyNet(),
        source,
        tiny_objective(),
        tiny_config(micro_batch_size=4),
        tiny_folder(tmp_path / "run"),
        PROVENANCE,
        progress=False,
    )
    assert sorted(source.seen) == [(epoch, i) for epoch in range(3) for i in range(21)]


def test_frozen_weights_stay_bit_identical_and_trained_ones_move(tmp_path: Path) -> None:
    net = TinyNet()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    train(
        net, TinyClips(20), tiny_objective(), tiny_config(), tiny_folder(tmp_path / "run"), PROVENANCE, progress=False
    )
    for name, parameter in net.named_parameters():
        assert torch.equal(before[name], parameter) == name.startswith("frozen."), name


def test_without_validation_the_newest_epoch_is_the_best(tmp_path: Path) -> None:
    net, folder = TinyNet(), tiny_folder(tmp_path / "run")
    summary = train(net, TinyClips(8), tiny_objective(), tiny_config(), folder, PROVENANCE, progress=False)
    assert (summary.best_epoch, summary.best_validation) == (2, None)
    assert load_checkpoint(folder.best)[1].epoch == 3


def test_true_labels_are_learned_and_shuffled_ones_give_chance(tmp_path: Path) -> None:
    count = 96
    shuffled = [NAMES[(i // len(NAMES)) % len(NAMES)] for i in range(count)]  # each label as often in every true class

    def held_out(seed: int, labels: Sequence[str] | None) -> float:
        net = TinyNet(seed)
        source, folder = TinyClips(count, labels=labels), tiny_folder(tmp_path / f"{seed}{labels is None}")
        config = tiny_config(epochs=12, batch_size=16, modality_dropout=0.0, seed=seed)
        train(net, source, tiny_objective(), config, folder, PROVENANCE, progress=False)
        return accuracy(net, TinyClips(400, offset=5000))

    assert held_out(0, None) > 0.97
    assert 0.15 < sum(held_out(seed, shuffled) for seed in range(3)) / 3 < 0.35  # chance is 0.25


def test_the_global_random_state_is_left_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(
        TinyNet(),
        TinyClips(8),
        tiny_objective(),
        tiny_config(),
        tiny_folder(tmp_path / "run"),
        PROVENANCE,
        validate=lambda net: torch.rand(1).item(),
        progress=False,
    )
    assert torch.equal(torch.rand(3), expected)


def test_validation_draws_do_not_change_the_training(tmp_path: Path) -> None:
    def final(name: str, draws: int) -> torch.Tensor:
        net = TinyNet()
        folder = tiny_folder(tmp_path / name)
        train(
            net,
            TinyClips(20),
            tiny_objective(),
            tiny_config(),
            folder,
            PROVENANCE,
            validate=lambda _: torch.rand(draws).sum().item(),
            progress=False,
        )
        return net.head[1].weight

    assert torch.equal(final("one", 1), final("many", 1000))


def test_gradient_clip_bounds_the_step_and_shows_the_norm_before(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "run")
    config = tiny_config(epochs=1, gradient_clip=1e-4)
    net = TinyNet()
    train(net, TinyClips(8), tiny_objective(), config, folder, PROVENANCE, progress=False)
    norm = torch.stack([p.grad.norm() for p in net.parameters() if p.grad is not None]).norm()
    assert norm.item() == pytest.approx(1e-4, rel=0.02)
    assert metrics_of(folder)[0]["gradient_norm"] > 1e-3


class PoisonedClips(TinyClips):
    def batch(self, indices: Sequence[int], epoch: int) -> ClipBatch:
        batch = super().batch(indices, epoch)
        flow = batch.inputs[Modality.FLOW].clone()
        flow[[name == "clip005" for name in batch.video_ids]] = math.nan
        return replace(batch, inputs={**batch.inputs, Modality.FLOW: flow})


def test_a_loss_that_is_not_finite_stops_the_training_with_the_weights_before_it(tmp_path: Path) -> None:
    net, folder = TinyNet(), tiny_folder(tmp_path / "run")
    with pytest.raises(OpenMovError, match="not finite; videos: clip005;"):
        train(
            net,
            PoisonedClips(20),
            tiny_objective(),
            tiny_config(batch_size=4, modality_dropout=0.0),
            folder,
            PROVENANCE,
            progress=False,
        )
    assert all(bool(torch.isfinite(p).all()) for p in net.parameters())


def test_the_files_of_a_loss_that_is_not_finite_are_named_where_the_source_knows_them(tmp_path: Path) -> None:
    class Named(PoisonedClips):
        def file_of(self, video_id: str) -> str:
            return f"/videos/{video_id}.mp4"

        def files_in_hand(self) -> tuple[str, ...]:
            return ()

    config, folder = tiny_config(modality_dropout=0.0), tiny_folder(tmp_path / "run")
    with pytest.raises(OpenMovError, match=r"the loss is not finite; files: /videos/clip005\.mp4; check"):
        train(TinyNet(), Named(20), tiny_objective(), config, folder, PROVENANCE, progress=False)


def test_a_gradient_that_is_not_finite_stops_the_training(tmp_path: Path) -> None:
    net = TinyNet()
    net.head[1].weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(OpenMovError, match="gradient is not finite; videos: clip"):
        train(
            net, TinyClips(8), tiny_objective(), tiny_config(), tiny_folder(tmp_path / "r"), PROVENANCE, progress=False
        )


def test_a_novel_name_stops_the_training_before_anything_is_saved(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "run")
    labels = [*NAMES, "flying a kite"]
    with pytest.raises(VocabularyError, match=r"clip004: its label 'flying a kite' is not among the 4 base classes"):
        train(
            TinyNet(), TinyClips(5, labels=labels), tiny_objective(), tiny_config(), folder, PROVENANCE, progress=False
        )
    assert not is_checkpoint(folder.last)


def test_a_training_without_clips_or_weights_is_refused(tmp_path: Path) -> None:
    folder, objective = tiny_folder(tmp_path / "run"), tiny_objective()
    with pytest.raises(ManifestError, match="no clip to train on"):
        train(TinyNet(), TinyClips(0), objective, tiny_config(), folder, PROVENANCE, progress=False)
    frozen = TinyNet().requires_grad_(False)
    with pytest.raises(OpenMovError, match="no weight that trains"):
        train(frozen, TinyClips(4), objective, tiny_config(), folder, PROVENANCE, progress=False)


def test_a_folder_where_training_has_begun_needs_resume_and_the_same_backbone(tmp_path: Path) -> None:
    folder, objective = tiny_folder(tmp_path / "run"), tiny_objective()
    source, config = TinyClips(8), tiny_config()
    first = train(TinyNet(), source, objective, config, folder, PROVENANCE, progress=False)
    with pytest.raises(RunFolderError, match="training has begun"):
        train(TinyNet(), source, objective, config, folder, PROVENANCE, progress=False)
    other = replace(PROVENANCE, backbone_identity="backbone1")
    with pytest.raises(CheckpointError, match="backbone0"):
        train(TinyNet(), source, objective, config, folder, other, progress=False, resume=True)
    before = folder.metrics.read_bytes()
    again = train(TinyNet(), source, objective, config, folder, PROVENANCE, progress=False, resume=True)
    assert (again.steps, again.best_epoch) == (first.steps, first.best_epoch)
    assert folder.metrics.read_bytes() == before


def test_a_network_is_what_the_protocol_says() -> None:
    assert isinstance(TinyNet(), Trainable)
    assert not isinstance(torch.nn.Linear(2, 2), Trainable)
