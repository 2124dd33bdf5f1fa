"""CLIP's answer by hand, from frames and from stored embeddings."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from openmov.baselines.frozen_clip import FrozenCLIP, FrozenCLIPRule
from openmov.model.backbones.clip import CLIPBackbone
from openmov.scoring.embeddings import NetworkScorer
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, ClipBatch, JointEmbeddings, Modality
from tiny_backbones import make_tiny_clip_folder
from tiny_batches import make_batch

V, A = Modality.VIDEO, Modality.AUDIO
VOCABULARIES = (Vocabulary(("star", "ring"), ()), Vocabulary((), ("star", "ring")), Vocabulary(("star",), ("ring",)))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> CLIPBackbone:
    folder: Path = make_tiny_clip_folder(tmp_path_factory.mktemp("clip") / "clip")
    return CLIPBackbone.load(str(folder))


@pytest.fixture(scope="module")
def clip(backbone: CLIPBackbone) -> FrozenCLIP:
    return FrozenCLIP(backbone)


def embed_names(backbone: CLIPBackbone, vocabulary: Vocabulary) -> ClassEmbeddings:
    return ClassEmbeddings(vocabulary.names, normalize(backbone.embed_text(vocabulary.names), dim=-1))


def scorer(clip: FrozenCLIP, backbone: CLIPBackbone) -> NetworkScorer:
    rule = FrozenCLIPRule(backbone.temperature)
    return NetworkScorer(clip, lambda vocabulary: embed_names(backbone, vocabulary), rule, frozenset({V}))


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=["base", "novel", "generalised"])
@torch.no_grad()
def test_it_is_frame_averaged_clip_on_every_path(
    clip: FrozenCLIP, backbone: CLIPBackbone, vocabulary: Vocabulary
) -> None:
    """Frames through the encoder, normalised, mean; cosine with the names over the backbone's temperature; views."""
    batch = make_batch(V, size=2, views=3, num_frames=4)
    found = scorer(clip, backbone).score(batch, vocabulary)
    encoder, names = backbone.image_encoder(), normalize(backbone.embed_text(vocabulary.names), dim=-1)
    for row in range(2):
        per_view = []
        for view in range(3):
            frames = normalize(encoder(batch.inputs[V][row, view]), dim=-1)
            cosines = normalize(frames.mean(dim=0), dim=-1) @ names.T
            per_view.append(torch.softmax(cosines / backbone.temperature, dim=-1))
        torch.testing.assert_close(found[row], torch.stack(per_view).mean(dim=0))


@torch.no_grad()
def test_stored_embeddings_give_the_same_answer(clip: FrozenCLIP, backbone: CLIPBackbone) -> None:
    frames = make_batch(V, size=2, views=2, num_frames=3)
    stored = backbone.image_encoder()(frames.inputs[V].flatten(0, 2)).reshape(2, 2, 3, backbone.dim)
    batch = ClipBatch(frames.video_ids, {}, frames.present, stored)
    for one in VOCABULARIES:
        direct = scorer(clip, backbone).score(frames, one)
        torch.testing.assert_close(scorer(clip, backbone).score(batch, one), direct)


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_a_clip_without_video_gives_uniform(clip: FrozenCLIP, backbone: CLIPBackbone, value: float) -> None:
    batch = make_batch(V, size=3, views=2, absent={V: [1]}, absent_value=value)
    found = scorer(clip, backbone).score(batch, VOCABULARIES[0])
    assert found[1].tolist() == [0.5, 0.5]
    whole = scorer(clip, backbone).score(make_batch(V, size=3, views=2), VOCABULARIES[0])
    torch.testing.assert_close(found[[0, 2]], whole[[0, 2]])
    assert not torch.allclose(whole[0], torch.tensor([0.5, 0.5]))


def test_a_batch_without_any_video_is_refused(clip: FrozenCLIP) -> None:
    with pytest.raises(ValueError, match="the batch holds none"):
        clip(make_batch(A))


def test_the_rule_needs_frozen_embeddings() -> None:
    rows, names = torch.eye(2), ClassEmbeddings(("star", "ring"), torch.eye(2))
    present = {A: torch.ones(2, dtype=torch.bool)}
    with pytest.raises(ValueError, match="needs the frozen video"):
        FrozenCLIPRule(0.01)(JointEmbeddings({A: rows}, present), names, VOCABULARIES[0])


def test_nothing_of_it_trains(clip: FrozenCLIP) -> None:
    assert not any(weight.requires_grad for weight in clip.parameters())
    assert not clip.train().encoder.training
