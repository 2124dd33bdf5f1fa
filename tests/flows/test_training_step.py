"""One step of the whole model, divided and computed in any way the recipe offers, has the gradient of the plain one."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from openmov.config.schema import ModelConfig
from openmov.model import MOV
from openmov.model.backbones.clip import CLIPBackbone
from openmov.runtime.checkpoint import load_checkpoint
from openmov.training.loop import train
from openmov.training.objective import BaseObjective
from openmov.training.sampler import BatchSampler
from openmov.training.step import StepLoss, add_gradients
from openmov.types import ClassEmbeddings, ClipBatch, JointEmbeddings, Modality
from tiny_backbones import make_tiny_clip_folder
from tiny_batches import make_batch, rows
from tiny_training import NAMES, PROVENANCE, Killed, StopAt, metrics_of, tiny_config, tiny_folder

CPU = torch.device("cpu")


class RandomClips:
    """Clip i has class i modulo 4; one in five lacks flow, one in three sound, one in fifteen both."""

    def __init__(self, count: int) -> None:
        absent = {Modality.FLOW: range(0, count, 5), Modality.AUDIO: range(0, count, 3)}
        self.clips = make_batch(*Modality, size=count, num_frames=2, absent=absent)
        self.clips = replace(self.clips, labels=tuple(NAMES[i % len(NAMES)] for i in range(count)))

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, indices: Sequence[int], epoch: int) -> ClipBatch:
        return replace(rows(self.clips, *indices), labels=tuple(str(self.clips.labels[i]) for i in indices))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> CLIPBackbone:
    return CLIPBackbone.load(str(make_tiny_clip_folder(tmp_path_factory.mktemp("backbone") / "clip")))


@pytest.fixture(scope="module")
def clips() -> RandomClips:
    return RandomClips(1024)


def make_network(backbone: CLIPBackbone, patch_dropout: float = 0.0) -> MOV:
    """As after some training: no branch is zero."""
    torch.manual_seed(0)
    network = MOV(backbone, ModelConfig(modalities=("video", "flow", "audio"), patch_dropout=patch_dropout))
    with torch.no_grad():
        for weight in network.parameters():
            if weight.requires_grad and not weight.any():
                weight.normal_(std=0.1)
    return network.train()


def objective(dim: int) -> BaseObjective:
    vectors = F.normalize(torch.randn(len(NAMES), dim, generator=torch.Generator().manual_seed(1)), dim=-1)
    return BaseObjective(ClassEmbeddings(NAMES, vectors), alpha=0.5, tau=0.05)


def gradients(
    network: MOV, clips: RandomClips, micro_batch_size: int, count: int = 1024, **settings: object
) -> tuple[StepLoss, Tensor]:
    """Of one step over the first `count` clips; all trained weights' gradients end to end."""
    step = next(BatchSampler(count, 1, count, micro_batch_size, seed=0).steps_from(0))
    batches: Iterator[ClipBatch] = (clips.batch(part, step.epoch) for part in step.micro_batches)
    config = tiny_config(**settings)
    result = add_gradients(network, objective(network.dim), step, batches, config, CPU)
    found = [weight.grad for weight in network.trainable_parameters().values()]
    assert all(gradient is not None for gradient in found)
    return result, torch.cat([gradient.flatten() for gradient in found if gradient is not None])


def farthest(found: Tensor, expected: Tensor) -> float:
    """Largest difference, of the largest number."""
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("patch_dropout", [0.0, 0.5])
def test_a_batch_of_1024_is_its_micro_batches(backbone: CLIPBackbone, clips: RandomClips, patch_dropout: float) -> None:
    whole, expected = gradients(make_network(backbone, patch_dropout), clips, 1024)
    parts, found = gradients(make_network(backbone, patch_dropout), clips, 60)  # 17 of them, and one of 4
    assert farthest(found, expected) < 1e-5
    assert parts.loss_sum == pytest.approx(whole.loss_sum, rel=1e-6)
    assert parts.by_modality == pytest.approx(whole.by_modality, rel=1e-6)
    assert parts.counts == whole.counts
    assert 0 < whole.counts[Modality.AUDIO] < whole.counts[Modality.FLOW] < whole.counts[Modality.VIDEO] == 1024
    other = gradients(make_network(backbone, patch_dropout), clips, 60, count=1020)[1]
    assert farthest(other, expected) > 1e-4  # four clips in 1024 are seen


def test_half_precision_is_within_its_rounding(backbone: CLIPBackbone, clips: RandomClips) -> None:
    """bfloat16 has 8 bits: each number is within 1/256, and the gradient of many clips points the same way."""
    exact, expected = gradients(make_network(backbone), clips, 64, count=64)
    coarse, found = gradients(make_network(backbone), clips, 64, count=64, precision="bf16")
    assert found.dtype == torch.float32  # weights and gradients stay in single precision
    assert not torch.equal(found, expected)
    assert coarse.loss_sum == pytest.approx(exact.loss_sum, rel=0.01)
    assert float(F.cosine_similarity(found, expected, dim=0)) > 0.999


def test_the_loss_is_single_precision_whatever_the_network_gives() -> None:
    """At tau 0.01, cosines 0.899 and 0.9 are 0.1 apart; bfloat16 would take them for one number."""
    vectors = torch.tensor([[0.899, (1 - 0.899**2) ** 0.5], [0.9, (1 - 0.9**2) ** 0.5]])
    loss_of = BaseObjective(ClassEmbeddings(NAMES[:2], vectors), alpha=1.0, tau=0.01)
    row = torch.tensor([[1.0, 0.0]], dtype=torch.bfloat16)
    loss = loss_of(JointEmbeddings({Modality.VIDEO: row}, {Modality.VIDEO: torch.tensor([True])}), NAMES[:1])
    assert loss.per_clip.dtype == torch.float32
    assert float(loss.total) == pytest.approx(math.log(1 + math.exp(0.1)), rel=1e-3)
    assert vectors[0, 0].bfloat16() == vectors[1, 0].bfloat16()


def trained(
    backbone: CLIPBackbone, clips: StopAt | RandomClips, path: Path, *, resume: bool = False
) -> dict[str, Tensor]:
    network, folder = make_network(backbone, patch_dropout=0.5), tiny_folder(path, resume=resume)
    config = tiny_config(epochs=2, batch_size=8, micro_batch_size=3)
    options = {"progress": False, "resume": resume, "checkpoint_seconds": 0.0}
    train(network, clips, objective(network.dim), config, folder, PROVENANCE, **options)  # type: ignore[arg-type]
    return load_checkpoint(folder.last)[0]


def test_patch_dropout_is_the_same_after_a_restart(backbone: CLIPBackbone, tmp_path: Path) -> None:
    clips = RandomClips(12)
    straight = trained(backbone, clips, tmp_path / "straight")
    with pytest.raises(Killed):
        trained(backbone, StopAt(clips, 7, Killed()), tmp_path / "stopped")  # type: ignore[arg-type]
    torch.rand(5)
    resumed = trained(backbone, clips, tmp_path / "stopped", resume=True)
    assert all(torch.equal(resumed[name], tensor) for name, tensor in straight.items())
    losses = [
        [line.get("loss") for line in metrics_of(tiny_folder(tmp_path / run, resume=True))]
        for run in ("straight", "stopped")
    ]
    assert losses[0] == losses[1]
