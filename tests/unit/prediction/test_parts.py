"""What goes between processes, and what is cut off a batch, carries every tensor of the embeddings."""

from dataclasses import fields

import torch
from torch import nn

from openmov.runtime.distributed import ALONE
from openmov.scoring.embeddings import Embeddings, gathered, joined
from openmov.training.distributed import Sharded
from openmov.types import ClipBatch, JointEmbeddings, Modality

V, F, A = Modality.VIDEO, Modality.FLOW, Modality.AUDIO


def full(rows: int = 4, seed: int = 0) -> JointEmbeddings:
    """Every field filled, modalities out of their order."""
    random = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(rows, *shape, generator=random)

    fused, present = {A: drawn(3), V: drawn(3)}, {V: drawn() > 0, A: drawn() > 0}
    return JointEmbeddings(fused, present, drawn(3), drawn(5, 3), {"video": drawn(7), "both": drawn(2)})


def same(one: JointEmbeddings, other: JointEmbeddings) -> bool:
    mine, theirs = one.tensors(), other.tensors()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_every_field_has_a_name_and_comes_back_in_the_order_of_sums() -> None:
    whole = full()
    assert {name.partition("/")[0] for name in whole.tensors()} == {one.name for one in fields(JointEmbeddings)}
    back = JointEmbeddings.from_tensors(dict(reversed(whole.tensors().items())))
    assert same(back, whole)
    assert list(back.fused) == list(back.present) == [V, A]
    assert all(isinstance(key, Modality) for key in back.fused)
    assert same(whole.map(lambda rows: rows[:2]).map(lambda rows: rows[1:]), whole.map(lambda rows: rows[1:2]))


def test_a_recording_of_several_processes_keeps_all_of_it() -> None:
    part = Embeddings(("a", "b"), ("x", None), 2, full())
    found = gathered(ALONE, part)
    assert (found.video_ids, found.labels, found.views) == (part.video_ids, part.labels, 2)
    assert same(found.embeddings, part.embeddings)
    assert same(part.take([1]).embeddings, part.embeddings.map(lambda rows: rows[2:]))


def test_what_a_part_lacks_is_rows_of_zeros_that_are_not_present() -> None:
    mask = torch.ones(2, dtype=torch.bool)
    bare = JointEmbeddings({F: torch.ones(2, 3)}, {F: mask})
    found = joined([full(), bare])
    assert list(found.present) == [V, F, A]
    assert found.present[F].tolist() == [False] * 4 + [True] * 2
    assert found.present[V][4:].tolist() == [False, False]
    assert found.context is not None
    assert torch.equal(found.context[4:], torch.zeros(2, 5, 3))
    assert found.own["both"].shape == (6, 2)


class Echo(nn.Module):
    def forward(self, batch: ClipBatch) -> JointEmbeddings:
        return full(len(batch))


def test_a_network_in_shares_gives_all_of_it() -> None:
    sharded = object.__new__(Sharded)
    sharded._model, sharded._world = Echo(), ALONE  # type: ignore[assignment]
    batch = ClipBatch(("a", "b"), {V: torch.ones(2, 1, 4)}, {V: torch.tensor([True, True])})
    assert same(sharded.embed(batch), full(2))
