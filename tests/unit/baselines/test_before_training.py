"""Before anything trains a method answers as its paper says that it starts: a rival that is broken there loses for it.

New weights neither drown what they are added to nor amplify what goes through them, in every method there is.
"""

import math
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from openmov.baselines.frozen_clip import FrozenCLIPRule
from openmov.baselines.text_head import TextHeadRule
from openmov.baselines.xclip import XCLIP
from openmov.config.schema import BackboneConfig, Recipe
from openmov.methods import METHODS
from openmov.modalities.rgb import normalise
from openmov.model import NetworkParts, build_network
from openmov.model.backbones import Backbone, load_backbone
from openmov.model.class_embeddings import embed_classes
from openmov.model.joint import frame_average
from openmov.shapesav.render import render_at
from openmov.shapesav.scene import Scene
from openmov.shapesav.vocabulary import COLOURS, SHAPES, phrase
from openmov.text.prompts import load_prompts
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClipBatch, JointEmbeddings, Modality

NAMES = Vocabulary(tuple(phrase(shape, colour=colour) for shape, colour in product(SHAPES, COLOURS)), (), "none")
"""Colour and shape: what the bundled tiny CLIP names without an error."""


@pytest.fixture(scope="module")
def tiny() -> Backbone:
    return load_backbone(BackboneConfig(name="shapesav-tiny"))


def parts_of(backbone: Backbone, method: str, **baselines: object) -> NetworkParts:
    single = METHODS.get(method).modality
    fields = {
        "model": {"method": method, "modalities": [single] if single else ["video", "flow", "audio"]},
        "video": {"num_frames": 2, "crop_size": 64, "short_side": 64},
        "audio": {"mel_bins": 64, "total_columns": 128, "crop_columns": 64},
        "baselines": {"scratch_width": 32, **baselines},
    }
    return NetworkParts(
        backbone,
        Recipe.model_validate(fields),
        lambda names: embed_classes(backbone, names.names, load_prompts(names.prompts)),
        NAMES.names,
    )


@pytest.fixture(scope="module")
def clips(tiny: Backbone) -> ClipBatch:
    """A clip a name, two frames each."""
    scenes = [
        Scene(shape, colour, "growing", "noise", seed) for seed, (shape, colour) in enumerate(product(SHAPES, COLOURS))
    ]
    frames = np.stack([render_at(scene, np.array([0.6, 1.2])) for scene in scenes])
    pictures = torch.from_numpy(frames).permute(0, 1, 4, 2, 3).float() / 255
    images = torch.stack([normalise(one, tiny.mean, tiny.std) for one in pictures])
    present = torch.ones(len(scenes), dtype=torch.bool)
    return ClipBatch(NAMES.names, {Modality.VIDEO: images[:, None]}, {Modality.VIDEO: present}, labels=NAMES.names)


def share_right(probabilities: torch.Tensor) -> float:
    return float((probabilities.argmax(dim=1) == torch.arange(len(NAMES.names))).float().mean())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_x_clip_names_what_clip_names(tiny: Backbone, clips: ClipBatch, seed: int) -> None:
    """Its prompt adapts names a little: drawn from N(0, 1) it would drown them, and 9 of 100 would be right."""
    torch.manual_seed(seed)
    network = XCLIP(parts_of(tiny, "xclip")).eval()
    with torch.no_grad():
        frames = network.model.vision_model(clips.inputs[Modality.VIDEO][:, 0].flatten(0, 1)).pooler_output
        frozen = frame_average(network.model.visual_projection(frames).unflatten(0, (-1, 2)))
        embeddings, names = network(clips), network.classes(NAMES)
    assert names.by_template is not None
    plain = embed_classes(tiny, NAMES.names, load_prompts(NAMES.prompts))
    present = {Modality.VIDEO: clips.present[Modality.VIDEO]}
    clip = FrozenCLIPRule(tiny.temperature)(JointEmbeddings({}, present, frozen), plain, NAMES)
    assert share_right(clip) == 1.0
    assert share_right(TextHeadRule(network, tiny.temperature)(embeddings, names, NAMES)) >= 0.98

    text = names.by_template.mean(dim=0)
    with torch.no_grad():
        prompt = network.model.prompts_generator(text[None], embeddings.context[:1])  # type: ignore[index]
    assert float(F.cosine_similarity(text[None], text[None] + prompt, dim=-1).min()) > 0.99


def test_x_clip_s_new_layers_have_the_published_deviation(tiny: Backbone) -> None:
    network = XCLIP(parts_of(tiny, "xclip"))
    new = [m for part in (network.model.mit, network.model.prompts_generator) for m in part.modules()]
    layers = [module for module in new if isinstance(module, nn.Linear)]
    assert len(layers) > 10
    for layer in layers:
        assert 0.015 < float(layer.weight.detach().std()) < 0.025
        assert layer.weight.abs().max() <= 0.0401
        assert layer.bias is None or not layer.bias.any()


def test_x_clip_s_text_tower_does_not_train(tiny: Backbone) -> None:
    network = XCLIP(parts_of(tiny, "xclip"))
    trained = network.trainable_parameters()
    assert not [name for name in trained if "text" in name]
    assert {name for name in trained if not network.is_pretrained(name)}
    assert {name for name in trained if network.is_pretrained(name)}


@pytest.mark.parametrize("method", METHODS.names())
def test_no_new_layer_of_any_method_amplifies(tiny: Backbone, method: str) -> None:
    """What differs between two seeds was drawn: its deviation times the root of its inputs, or of its outputs, is He's
    1.41 or less (He et al. 2015 offer both)."""
    drawn = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        drawn.append(dict(build_network(parts_of(tiny, method)).named_parameters()))
    new = {name: weight for name, weight in drawn[0].items() if not torch.equal(weight, drawn[1][name])}
    for name, weight in new.items():
        deviation, is_layer = float(weight.detach().std(unbiased=False)), weight.ndim > 1 and "position" not in name
        fans = (math.prod(weight.shape[1:]), len(weight) * math.prod(weight.shape[2:])) if is_layer else (1,)
        assert deviation * math.sqrt(min(fans)) < (1.6 if is_layer else 0.1), name
    if method in ("mov", "xclip", "actionclip", "clip_adapter", "resnet50_audio", "slowfast_audio"):
        assert new
