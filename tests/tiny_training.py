"""A tiny network and made-up clips for any test of training to use: classes are directions, clips lie around them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from openmov.config.schema import TrainingConfig
from openmov.runtime.checkpoint import Provenance
from openmov.runtime.run_folder import RunFolder
from openmov.training.objective import BaseObjective
from openmov.training.tracking import TIMINGS
from openmov.types import ClassEmbeddings, ClipBatch, JointEmbeddings, Modality

DIM = 8
NAMES = ("juggling", "mowing lawn", "playing cello", "yawning")
PROVENANCE = Provenance({"name": "tiny"}, "tiny", "backbone0", "vocabulary0", NAMES, "kinetics700")


class TinyNet(nn.Module):
    """A frozen video projection under a trained head, and a trained flow encoder, with dropout in between."""

    def __init__(self, seed: int = 0, dropout: float = 0.2) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.frozen = nn.Linear(DIM, DIM).requires_grad_(False)
            self.head = nn.Sequential(nn.LayerNorm(DIM), nn.Linear(DIM, DIM))
            self.flow_encoder = nn.Sequential(nn.Linear(DIM, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, DIM))

    def forward(self, batch: ClipBatch) -> JointEmbeddings:
        flow = self.flow_encoder(batch.inputs[Modality.FLOW][:, 0])
        video = self.frozen(batch.inputs[Modality.VIDEO][:, 0])
        return JointEmbeddings({Modality.VIDEO: video + self.head(video), Modality.FLOW: flow}, batch.present)

    def trained_state(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in self.named_parameters() if p.requires_grad}

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        mine = self.trained_state()
        assert mine.keys() == state.keys()
        for name, tensor in mine.items():
            tensor.copy_(state[name])


class TinyClips:
    """Clip i has class i modulo 4 and lies near that class's direction; noise follows from (i, epoch)."""

    def __init__(self, count: int, *, offset: int = 0, labels: Sequence[str] | None = None) -> None:
        self.count = count
        self.offset = offset
        self.labels = labels or [NAMES[i % len(NAMES)] for i in range(count)]
        self.seen: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: Sequence[int], epoch: int) -> ClipBatch:
        self.seen += [(epoch, i) for i in indices]
        noise = [
            torch.randn(2, DIM, generator=torch.Generator().manual_seed(7 * (i + self.offset) + 100_003 * epoch))
            for i in indices
        ]
        directions = class_directions()
        values = torch.stack([directions[i % len(NAMES)] + 0.2 * n for i, n in zip(indices, noise, strict=True)])
        present = torch.ones(len(indices), dtype=torch.bool)
        return ClipBatch(
            tuple(f"clip{i:03d}" for i in indices),
            {Modality.VIDEO: values[:, None, 0], Modality.FLOW: values[:, None, 1]},
            {Modality.VIDEO: present, Modality.FLOW: present.clone()},
            None,
            tuple(self.labels[i] for i in indices),
        )


class Killed(BaseException):
    """Stands for kill -9: nothing in the training handles it."""


@dataclass
class StopAt:
    """A source that raises when the clips of one reading are asked for, counted from 0."""

    source: TinyClips
    reading: int
    error: BaseException
    readings: int = 0

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: Sequence[int], epoch: int) -> ClipBatch:
        self.readings += 1
        if self.readings > self.reading:
            raise self.error
        return self.source.batch(indices, epoch)


def class_directions() -> Tensor:
    """Unit vectors, at right angles in pairs of axes."""
    directions = torch.zeros(len(NAMES), DIM)
    directions[torch.arange(len(NAMES)), torch.arange(len(NAMES)) * 2] = 1
    return directions


def tiny_objective() -> BaseObjective:
    # the classes to answer lie elsewhere than the clips do: there is something to learn
    turned = class_directions().roll(1, dims=1)
    return BaseObjective(ClassEmbeddings(NAMES, turned), alpha=0.5, tau=0.1)


def tiny_config(**changes: Any) -> TrainingConfig:
    defaults: dict[str, Any] = {"epochs": 3, "batch_size": 8, "learning_rate": 0.01, "modality_dropout": 0.3}
    return TrainingConfig(**(defaults | changes))


def tiny_folder(path: Path, *, resume: bool = False) -> RunFolder:
    return RunFolder.create(path, {"name": "tiny"}, "f1", resume=resume)


def accuracy(model: TinyNet, source: TinyClips) -> float:
    """Share of clips whose summed similarity is highest for their class."""
    model.eval()
    batch = source.batch(range(len(source)), epoch=999)
    with torch.no_grad():
        embeddings = model(batch)
    turned = class_directions().roll(1, dims=1)
    similarity = sum(nn.functional.normalize(rows, dim=-1) @ turned.T for rows in embeddings.fused.values())
    assert isinstance(similarity, Tensor)
    answers = [NAMES[i] for i in similarity.argmax(-1).tolist()]
    return sum(a == b for a, b in zip(answers, batch.labels, strict=True)) / len(answers)


def metrics_of(folder: RunFolder) -> list[dict[str, Any]]:
    """Every line, without what the clock says."""
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMINGS} for line in lines]
