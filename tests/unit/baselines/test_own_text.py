"""What every method with a text side of its own is before training, and where its gradient goes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from openmov.baselines.actionclip import ActionCLIP, divergence
from openmov.baselines.clip_adapter import Adapter, CLIPAdapter
from openmov.baselines.coop import CoOp
from openmov.baselines.frozen_clip import FrozenCLIP, FrozenCLIPRule
from openmov.baselines.text_head import TextHead, TextHeadModel, TextHeadRule, drawn
from openmov.baselines.vificlip import ViFiCLIP
from openmov.errors import BackboneError, RecipeError
from openmov.methods import METHODS
from openmov.model import NetworkParts, build_network
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.class_embeddings import embed_classes
from openmov.text.prompts import load_prompts
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, Modality
from tiny_batches import make_batch

MakeParts = Callable[..., NetworkParts]
TAU = 0.05
CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def clip_answers(backbone: CLIPBackbone, vocabulary: Vocabulary) -> torch.Tensor:
    """Frozen CLIP's probabilities for the batch that `answers` uses."""
    classes = embed_classes(backbone, vocabulary.names, load_prompts(vocabulary.prompts))
    return FrozenCLIPRule(TAU)(FrozenCLIP(backbone)(make_batch(Modality.VIDEO)), classes, vocabulary)


def answers(network: torch.nn.Module, vocabulary: Vocabulary) -> torch.Tensor:
    assert isinstance(network, TextHead)
    embeddings = network.eval()(make_batch(Modality.VIDEO))
    return TextHeadRule(network, TAU)(embeddings, network.classes(vocabulary), vocabulary)


def test_vificlip_before_training_is_frozen_clip(
    backbone: CLIPBackbone, parts: MakeParts, vocabulary: Vocabulary
) -> None:
    network = build_network(parts("vificlip"))
    torch.testing.assert_close(answers(network, vocabulary), clip_answers(backbone, vocabulary), **CLOSE)
    with torch.no_grad():
        network.get_parameter("names.encoder.projection.weight").add_(0.05)
    assert not torch.allclose(answers(network, vocabulary), clip_answers(backbone, vocabulary), atol=1e-3)


def test_clip_adapter_with_ratio_0_is_clip_and_with_another_mixes(
    backbone: CLIPBackbone, parts: MakeParts, vocabulary: Vocabulary
) -> None:
    plain = CLIPAdapter(parts("clip_adapter", adapter_ratio=0.0))
    torch.testing.assert_close(answers(plain, vocabulary), clip_answers(backbone, vocabulary), **CLOSE)
    mixed = CLIPAdapter(parts("clip_adapter", adapter_ratio=0.5))
    assert not torch.allclose(answers(mixed, vocabulary), clip_answers(backbone, vocabulary), atol=1e-3)


def test_the_adapter_by_hand() -> None:
    adapter = Adapter(4, 0.2)
    with torch.no_grad():
        adapter.layers[0].weight.copy_(torch.tensor([[1.0, 1.0, 0.0, 0.0]]))
        adapter.layers[2].weight.copy_(torch.tensor([[2.0], [-2.0], [0.0], [1.0]]))
    # 1 + 2 = 3 -> (6, -6, 0, 3) -> (6, 0, 0, 3), a fifth of it beside four fifths of the feature
    found = adapter(torch.tensor([[1.0, 2.0, 5.0, -1.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.2 * 6 + 0.8, 1.6, 4.0, 0.2 * 3 - 0.8]]))


def test_coop_with_the_words_of_a_prompt_is_that_prompt(
    backbone: CLIPBackbone, parts: MakeParts, tmp_path: Path
) -> None:
    one = tmp_path / "one.txt"
    one.write_text("a photo of a {}\n")
    vocabulary = Vocabulary(("star moving left", "ring shaking"), (), str(one))
    coop = CoOp(parts("coop", context_init="a photo of a"))
    assert coop.context.shape[0] == 4
    torch.testing.assert_close(answers(coop, vocabulary), clip_answers(backbone, vocabulary), **CLOSE)
    other = CoOp(parts("coop", context_init="a photo of the"))
    assert not torch.allclose(answers(other, vocabulary), clip_answers(backbone, vocabulary), atol=1e-4)


def test_coop_draws_its_words_and_trains_nothing_else(parts: MakeParts) -> None:
    torch.manual_seed(0)
    coop = CoOp(parts("coop", context_tokens=16))
    assert set(coop.trained_state()) == {"context"}
    assert coop.context.shape == (16, 32)
    assert float(coop.context.detach().std()) == pytest.approx(0.02, rel=0.15)


def test_coop_refuses_names_that_leave_no_room(parts: MakeParts, prompts: Path) -> None:
    coop = CoOp(parts("coop", context_tokens=20))
    with pytest.raises(BackboneError, match=r"takes 24 tokens, and the longest name is 25 long with its context"):
        coop.classes(Vocabulary(("star moving left",), (), str(prompts)))


def test_actionclip_before_training_averages_what_each_template_answers(
    backbone: CLIPBackbone, parts: MakeParts, vocabulary: Vocabulary
) -> None:
    network = ActionCLIP(parts("actionclip", temporal_layers=1))
    batch = make_batch(Modality.VIDEO)
    frames = backbone.image_encoder()(batch.inputs[Modality.VIDEO].flatten(0, 2)).reshape(3, 2, -1)
    clips = F.normalize(frames.mean(dim=1), dim=-1).detach()
    expected = torch.zeros(3, 3)
    for template in load_prompts(vocabulary.prompts):
        names = F.normalize(backbone.embed_text([template.replace("{}", name) for name in vocabulary.names]), dim=-1)
        expected += torch.softmax(clips @ names.T / TAU, dim=-1) / 3
    torch.testing.assert_close(answers(network, vocabulary), expected, **CLOSE)


def test_the_divergence_by_hand() -> None:
    truth = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    scores = torch.tensor([[0.0, 0.0], [torch.log(torch.tensor(3.0)), 0.0]])
    # log 2; and 1/2 log(1/2 / 3/4) + 1/2 log(1/2 / 1/4)
    expected = torch.tensor([2.0, (2 / 3) ** 0.5 * 2**0.5]).log()
    torch.testing.assert_close(divergence(truth, scores), expected)


def test_actionclip_has_no_loss_where_both_ways_are_certain(parts: MakeParts, vocabulary: Vocabulary) -> None:
    network = ActionCLIP(parts("actionclip", temporal_layers=1))
    names = ClassEmbeddings(vocabulary.names, torch.eye(3, 32))
    embeddings = network(make_batch(Modality.VIDEO, size=4))
    targets = torch.tensor([0, 1, 2, 0])
    embeddings.fused[Modality.VIDEO] = torch.eye(3, 32)[targets]  # type: ignore[index]
    assert float(network.losses(embeddings, names, targets, 0.01).detach().abs().max()) < 1e-4
    assert float(network.losses(embeddings, names, targets.roll(1), 0.01).min()) > 1


@pytest.mark.parametrize("method", ["coop", "clip_adapter", "actionclip", "vificlip", "xclip"])
def test_the_loss_reaches_every_weight_that_trains(method: str, parts: MakeParts, vocabulary: Vocabulary) -> None:
    torch.manual_seed(0)
    network = build_network(parts(method, **({"context_tokens": 4} if method == "coop" else {})))
    assert isinstance(network, TextHead)
    assert METHODS.get(method).text_head
    batch = make_batch(Modality.VIDEO, size=4)
    classes = network.classes(vocabulary, batch.video_ids)
    losses = network.losses(network(batch), classes, torch.tensor([0, 1, 2, 0]), TAU)
    losses.sum().backward()
    assert losses.shape == (4,)
    moved = {name for name, weight in network.trainable_parameters().items() if weight.grad is not None}
    unmoved = network.trainable_parameters().keys() - moved
    assert not unmoved
    answering = network.classes(vocabulary)
    assert not answering.vectors.requires_grad


def test_a_micro_batch_takes_one_template_and_answers_take_all(parts: MakeParts, vocabulary: Vocabulary) -> None:
    network = ViFiCLIP(parts("vificlip"))
    templates = load_prompts(vocabulary.prompts)
    clips = ("a", "b")
    alone = embed_classes(network_backbone(parts), vocabulary.names, (templates[drawn(clips, 3)],))
    torch.testing.assert_close(network.classes(vocabulary, clips).vectors.detach(), alone.vectors, **CLOSE)
    assert {drawn((str(i),), 3) for i in range(20)} == {0, 1, 2}
    whole = embed_classes(network_backbone(parts), vocabulary.names, templates)
    torch.testing.assert_close(network.classes(vocabulary).vectors, whole.vectors, **CLOSE)


def test_prompts_of_the_method_go_before_those_of_the_vocabulary(parts: MakeParts, prompts: Path) -> None:
    vocabulary = Vocabulary(("star moving left",), (), "none")
    network = ViFiCLIP(parts("vificlip", prompts=str(prompts)))
    expected = embed_classes(network_backbone(parts), vocabulary.names, load_prompts(str(prompts)))
    torch.testing.assert_close(network.classes(vocabulary).vectors, expected.vectors, **CLOSE)


def test_without_its_modality_a_clip_gets_a_uniform_answer(parts: MakeParts, vocabulary: Vocabulary) -> None:
    network = ViFiCLIP(parts("vificlip")).eval()
    embeddings = network(make_batch(Modality.VIDEO, absent={Modality.VIDEO: [1]}))
    rows = TextHeadRule(network, TAU)(embeddings, network.classes(vocabulary), vocabulary)
    assert rows[1].tolist() == pytest.approx([1 / 3] * 3)
    assert float(rows[0].max()) > 0.34


class Bare:
    """A backbone without a text side that trains, as ConSE is."""

    name = "conse"

    def __init__(self, whole: CLIPBackbone) -> None:
        self.whole = whole

    def __getattr__(self, name: str) -> object:
        if name == "text_encoder":
            raise AttributeError(name)
        return getattr(self.whole, name)


@pytest.mark.parametrize("method", ["coop", "vificlip", "actionclip"])
def test_a_backbone_without_a_text_tower_that_trains_is_refused(method: str, parts: MakeParts) -> None:
    made = parts(method)
    with pytest.raises(RecipeError, match=f"{method} works on the text tower of CLIP, and the backbone conse has none"):
        build_network(NetworkParts(Bare(made.backbone), made.recipe, made.embed_classes))  # type: ignore[arg-type]


def test_clip_adapter_takes_any_backbone(parts: MakeParts) -> None:
    made = parts("clip_adapter")
    bare = NetworkParts(Bare(made.backbone), made.recipe, made.embed_classes)  # type: ignore[arg-type]
    assert isinstance(build_network(bare), TextHeadModel)


def network_backbone(parts: MakeParts) -> CLIPBackbone:
    backbone = parts("vificlip").backbone
    assert isinstance(backbone, CLIPBackbone)
    return backbone
