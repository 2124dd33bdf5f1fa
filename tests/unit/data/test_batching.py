"""What each clip has arrives in its row, what it lacks is marked, and clips that do not fit together are refused."""

import pytest
import torch
from torch import Tensor

from openmov.data.loader import collate
from openmov.types import Clip, Modality

V, F, A = Modality.VIDEO, Modality.FLOW, Modality.AUDIO
ALL = frozenset(Modality)


def filled(value: float, *, views: int = 2) -> Tensor:
    return torch.full((views, 3, 2, 2), float(value))


def test_rows_are_in_the_order_of_the_clips() -> None:
    clips = [Clip(name, {F: filled(value)}, label=label) for name, value, label in (("b", 2.0, "x"), ("a", 1.0, None))]
    batch = collate(clips, ALL)
    assert batch.video_ids == ("b", "a")
    assert batch.labels == ("x", None)
    assert batch.inputs[F].shape == (2, 2, 3, 2, 2)
    assert batch.inputs[F].mean(dim=(1, 2, 3, 4)).tolist() == [2.0, 1.0]


def test_what_a_clip_lacks_is_zeros_marked_absent() -> None:
    clips = [Clip("a", {V: filled(1), A: filled(2)}), Clip("b", {V: filled(3)}), Clip("c", {A: filled(4)})]
    batch = collate(clips, ALL)
    assert batch.present[V].tolist() == [True, True, False]
    assert batch.present[A].tolist() == [True, False, True]
    assert not batch.inputs[V][2].any()
    assert not batch.inputs[A][1].any()


def test_what_no_clip_has_is_not_in_the_batch() -> None:
    """A network asks `present`, so a modality that stands there has inputs too."""
    batch = collate([Clip("a", {V: filled(1)}), Clip("b", {V: filled(1)})], ALL)
    assert set(batch.inputs) == set(batch.present) == {V}


def test_only_the_modalities_asked_for_are_taken() -> None:
    batch = collate([Clip("a", {V: filled(1), F: filled(1)})], frozenset({F, A}))
    assert set(batch.inputs) == set(batch.present) == {F}


def test_stored_embeddings_count_as_video() -> None:
    clips = [Clip("a", {F: filled(1)}, torch.ones(2, 4, 8)), Clip("b", {F: filled(1)})]
    batch = collate(clips, ALL)
    assert batch.frozen is not None
    assert batch.frozen[0].eq(1).all()
    assert not batch.frozen[1].any()
    assert batch.present[V].tolist() == [True, False]
    assert V not in batch.inputs


def test_stored_embeddings_and_frames_are_not_mixed() -> None:
    clips = [Clip("a", {}, torch.ones(2, 4, 8)), Clip("b", {V: filled(1)})]
    with pytest.raises(ValueError, match="stored video embeddings"):
        collate(clips, ALL)


def test_different_numbers_of_views_are_not_mixed() -> None:
    with pytest.raises(RuntimeError):
        collate([Clip("a", {V: filled(1)}), Clip("b", {V: filled(1, views=3)})], ALL)
