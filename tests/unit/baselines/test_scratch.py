"""The networks of table 7: their shape is the published one, and what they have not learned they say."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers import ResNetConfig, ResNetModel

from openmov.baselines.scratch import ResNet50, ScratchAudio, TwoPath
from openmov.baselines.text_head import TextHead, TextHeadRule
from openmov.errors import RecipeError, VocabularyError
from openmov.model import NetworkParts, build_network
from openmov.text.vocabulary import Vocabulary
from openmov.types import Modality
from tiny_batches import make_batch, rows

MakeParts = Callable[..., NetworkParts]
METHODS = ["resnet50_audio", "slowfast_audio"]
NAMES = ("star moving left", "heart moving up", "ring shaking")


def without_norms(network: nn.Module) -> nn.Module:
    for name, child in network.named_children():
        if isinstance(child, nn.GroupNorm | nn.BatchNorm2d):
            setattr(network, name, nn.Identity())
        else:
            without_norms(child)
    return network


def test_its_convolutions_are_those_of_transformers_resnet_50() -> None:
    theirs = ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[32, 64, 128, 256], depths=[3, 4, 6, 3])).eval()
    ours = without_norms(ResNet50(8))
    without_norms(theirs)
    weights, others = list(ours.parameters()), list(theirs.parameters())
    assert [weight.shape for weight in weights] == [other.shape for other in others]
    with torch.no_grad():
        for weight, other in zip(weights, others, strict=True):
            other.copy_(weight.mul_(0.3))
        pictures = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
        expected = theirs(pictures).pooler_output.flatten(1)
        torch.testing.assert_close(ours(pictures), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_at_full_width_it_has_the_published_number_of_weights() -> None:
    with torch.device("meta"):
        assert sum(weight.numel() for weight in ResNet50().parameters()) == 23_508_032
        paths = TwoPath()
    assert (paths.slow.dim, paths.fast.dim, paths.dim) == (2048, 256, 2304)


def test_the_slow_path_sees_every_fourth_column_and_the_rest_through_the_joins() -> None:
    torch.manual_seed(0)
    network = TwoPath(8).eval()
    sounds = torch.randn(1, 3, 32, 64)
    changed = sounds.clone()
    changed[..., 1::4] += 1
    with torch.no_grad():
        before, after = network(sounds), network(changed)
        assert not torch.allclose(before[:, : network.slow.dim], after[:, : network.slow.dim])
        for join in network.joins:
            join.weight.zero_()
        before, after = network(sounds), network(changed)
    assert torch.equal(before[:, : network.slow.dim], after[:, : network.slow.dim])
    assert not torch.allclose(before[:, network.slow.dim :], after[:, network.slow.dim :])


@pytest.mark.parametrize("method", METHODS)
def test_a_sound_is_answered_alike_whatever_stands_beside_it(method: str, parts: MakeParts) -> None:
    torch.manual_seed(0)
    network = build_network(parts(method, "audio", scratch_width=8)).train().double()  # rounding is not the question
    batch = make_batch(Modality.AUDIO, spectrogram=(32, 128))
    batch = replace(batch, inputs={Modality.AUDIO: batch.inputs[Modality.AUDIO].double()})
    whole = network(batch).fused[Modality.AUDIO]
    alone = network(rows(batch, 1)).fused[Modality.AUDIO]
    torch.testing.assert_close(whole[1:2], alone, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(whole[:1], alone, atol=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_it_answers_for_trained_names_in_any_order_and_for_no_others(method: str, parts: MakeParts) -> None:
    torch.manual_seed(0)
    network = build_network(parts(method, "audio", scratch_width=8)).eval()
    assert isinstance(network, ScratchAudio)
    assert isinstance(network, TextHead)
    embeddings = network(make_batch(Modality.AUDIO))
    scores = network.classifier(embeddings.fused[Modality.AUDIO]).softmax(dim=-1).detach()
    turned = Vocabulary(NAMES[::-1], ())
    found = TextHeadRule(network, 0.01)(embeddings, network.classes(turned), turned)
    torch.testing.assert_close(found, scores.flip(1))
    with pytest.raises(VocabularyError, match=rf"1 are no classes that {method} was trained on \(moon\)"):
        network.classes(Vocabulary((NAMES[0],), ("moon",)))


@pytest.mark.parametrize("method", METHODS)
def test_its_loss_reaches_every_weight(method: str, parts: MakeParts) -> None:
    network = build_network(parts(method, "audio", scratch_width=8))
    assert isinstance(network, ScratchAudio)
    batch = make_batch(Modality.AUDIO)
    classes = network.classes(Vocabulary(NAMES, ()), batch.video_ids)
    network.losses(network(batch), classes, torch.tensor([0, 1, 2]), 0.01).sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_without_a_training_it_knows_no_class(parts: MakeParts) -> None:
    with pytest.raises(RecipeError, match="knows the classes it was trained on alone, and without a training"):
        build_network(replace(parts("resnet50_audio", "audio"), classes=()))


@pytest.mark.parametrize(("field", "value"), [("trainable_layers", 1), ("patch_dropout", 0.5)])
def test_what_it_would_ignore_is_refused(parts: MakeParts, field: str, value: float) -> None:
    plain = parts(METHODS[0], "audio", scratch_width=8)
    build_network(plain)
    model = plain.recipe.model.model_copy(update={field: value})
    asked = replace(plain, recipe=plain.recipe.model_copy(update={"model": model}))
    with pytest.raises(RecipeError, match=rf"model.{field}: is {value}, and resnet50_audio has no pretrained layers"):
        build_network(asked)
