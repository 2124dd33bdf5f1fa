"""X-CLIP against transformers' own forward pass, from released weights and around a CLIP."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from transformers import XCLIPConfig, XCLIPModel

from openmov.baselines.text_head import TextHeadRule
from openmov.baselines.xclip import XCLIP
from openmov.config.schema import Recipe
from openmov.errors import BackboneError, RecipeError
from openmov.model import NetworkParts
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.class_embeddings import embed_classes
from openmov.model.execution import compile_encoders, recompute_activations
from openmov.text.prompts import load_prompts
from openmov.text.vocabulary import Vocabulary
from openmov.types import Modality
from tiny_backbones import make_tiny_clip_folder
from tiny_batches import make_batch

NAMES = ("star moving left", "heart moving up", "ring")
VOCABULARY = Vocabulary(NAMES, (), "none")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> CLIPBackbone:
    return CLIPBackbone.load(str(make_tiny_clip_folder(tmp_path_factory.mktemp("clip"))))


@pytest.fixture(scope="module")
def released(clip: CLIPBackbone, tmp_path_factory: pytest.TempPathFactory) -> CLIPBackbone:
    """An X-CLIP folder, as on the hub: its own config, weights and ImageNet statistics, the tokenizer of a CLIP."""
    folder = tmp_path_factory.mktemp("xclip")
    make_tiny_clip_folder(folder)
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision |= {"image_size": 32, "patch_size": 8, "num_frames": 2, "mit_hidden_size": 32}
    vision |= {"mit_intermediate_size": 64, "mit_num_attention_heads": 2}
    text = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text |= {"vocab_size": clip._config.text_config.vocab_size, "max_position_embeddings": 16}
    torch.manual_seed(0)
    config = XCLIPConfig(text_config=text, vision_config=vision, projection_dim=32, prompt_num_attention_heads=2)
    model = XCLIPModel(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)
        model.logit_scale.fill_(3.0)
    model.save_pretrained(folder)
    return CLIPBackbone.load(str(folder))


def parts_of(backbone: CLIPBackbone, num_frames: int = 2, **model: Any) -> NetworkParts:
    fields = {
        "model": {"method": "xclip", "modalities": ["video"], **model},
        "video": {"num_frames": num_frames, "crop_size": 32, "short_side": 32},
    }
    return NetworkParts(
        backbone,
        Recipe.model_validate(fields),
        lambda names: embed_classes(backbone, names.names, load_prompts(names.prompts)),
    )


def transformers_answers(model: XCLIPModel, backbone: CLIPBackbone, pixels: torch.Tensor) -> torch.Tensor:
    encoded = backbone._tokenizer(list(NAMES), padding=True, return_tensors="pt")
    with torch.no_grad():
        found = model.eval()(encoded["input_ids"], pixels, encoded["attention_mask"])
    answers: torch.Tensor = found.logits_per_video.softmax(dim=-1)
    return answers


def test_released_weights_answer_as_transformers_does(released: CLIPBackbone) -> None:
    network, batch = XCLIP(parts_of(released)).eval(), make_batch(Modality.VIDEO)
    expected = transformers_answers(released.fresh_model(), released, batch.inputs[Modality.VIDEO][:, 0])
    found = TextHeadRule(network, released.temperature)(network(batch), network.classes(VOCABULARY), VOCABULARY)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert float((found - 1 / 3).abs().max()) > 0.02
    assert released.family == "X-CLIP"


def test_around_a_clip_it_is_transformers_x_clip_with_that_clips_towers(clip: CLIPBackbone) -> None:
    network, batch = XCLIP(parts_of(clip)).eval(), make_batch(Modality.VIDEO, absent={Modality.VIDEO: [1]})
    expected = transformers_answers(network.model, clip, batch.inputs[Modality.VIDEO][:, 0])
    found = TextHeadRule(network, clip.temperature)(network(batch), network.classes(VOCABULARY), VOCABULARY)
    tau = 1 / network.model.logit_scale.exp()
    torch.testing.assert_close(tau.item(), clip.temperature, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found[[0, 2]], expected[[0, 2]], atol=1e-5, rtol=1e-4)
    assert found[1].tolist() == pytest.approx([1 / 3] * 3)
    own = clip.fresh_model().state_dict()
    mine = network.model.state_dict()
    assert all(torch.equal(mine[key.replace("pre_layrnorm", "pre_layernorm")], value) for key, value in own.items())


def test_what_it_cannot_do_is_said(released: CLIPBackbone) -> None:
    with pytest.raises(RecipeError, match=r"is 4, but .* was trained with 2 frames; --set video.num_frames=2"):
        XCLIP(parts_of(released, num_frames=4))
    with pytest.raises(BackboneError, match="is an X-CLIP, which cannot embed a frame on its own"):
        released.image_encoder()
    network = XCLIP(parts_of(released))
    with pytest.raises(RecipeError, match="xclip looks at the frames of a clip together"):
        network.encode_inputs(Modality.VIDEO, torch.zeros(1, 2, 3, 32, 32))


def test_the_folder_is_a_model_of_the_hub(released: CLIPBackbone) -> None:
    assert (Path(released.name) / "model.safetensors").is_file()


def test_recomputed_gradients_are_the_same_bits(clip: CLIPBackbone) -> None:
    found: list[dict[str, torch.Tensor]] = []
    for frugal in (False, True):
        torch.manual_seed(0)
        network, kept = XCLIP(parts_of(clip)).train(), 0
        if frugal:
            recompute_activations(network)

        def keep(x: torch.Tensor) -> torch.Tensor:
            nonlocal kept
            kept += x.numel()
            return x

        with saved_tensors_hooks(keep, lambda x: x):
            network(make_batch(Modality.VIDEO)).fused[Modality.VIDEO].square().sum().backward()
        gradients = {name: one.grad for name, one in network.named_parameters() if one.grad is not None}
        found.append(gradients | {"kept": torch.tensor(kept)})
    plain, recomputed = found
    assert recomputed.pop("kept") < plain.pop("kept")
    assert plain.keys() == recomputed.keys()
    assert all(torch.equal(plain[name], recomputed[name]) for name in plain)
    assert float(plain["model.vision_model.encoder.layers.0.message_fc.weight"].abs().sum()) > 0


@pytest.mark.parametrize(("field", "value"), [("trainable_layers", 1), ("patch_dropout", 0.5)])
def test_what_it_would_ignore_is_refused(clip: CLIPBackbone, field: str, value: float) -> None:
    XCLIP(parts_of(clip, **{field: {"trainable_layers": "all", "patch_dropout": 0.0}[field]}))
    with pytest.raises(RecipeError, match=rf"model.{field}: is {value}, and xclip trains all layers, .*; leave it at"):
        XCLIP(parts_of(clip, **{field: value}))


def test_there_is_nothing_to_compile(clip: CLIPBackbone) -> None:
    with pytest.raises(RecipeError, match=r"training.compile: is asked for, and the method has no encoder that is"):
        compile_encoders(XCLIP(parts_of(clip)))
