"""Embeddings equal to open_clip's own forward pass, for the architectures it reads; and what must be refused."""

import json
import math
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from open_clip_folders import HALVES, SMALL_TEXT, make_open_clip_folder, own, timm
from openmov.cli import run
from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones import Backbone, load_backbone
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.backbones.open_clip_generic import OpenCLIPImageEncoder, OpenCLIPModel
from tiny_world import TinyWorld

CLOSE = 1e-5
SENTENCES = ["a photo of a star", "moving left", "a video of the person doing something"]
WORD_TEXT = {**SMALL_TEXT, "vocab_size": 64, "hf_tokenizer_name": "words", "pool_type": "last", "no_causal_mask": True}
SMALL_VIT = {"image_size": 32, "layers": 3, "width": 64, "head_width": 32, "patch_size": 8}
MULTIMODAL = {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}

GENERIC: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "PE-Core-T": ("PE-Core", timm("vit_pe_core_tiny_patch16_384", 384, timm_pool="map", timm_proj=None), HALVES),
    "EVA02-B": ("EVA02", timm("eva02_base_patch16_clip_224", 224, timm_pool="token", timm_proj=None, dim=512), {}),
    "SigLIP-B": (
        "SigLIP",
        {
            **timm("vit_base_patch16_siglip_224", 224, timm_pool="map", timm_proj="none", dim=768),
            "text_cfg": dict(WORD_TEXT),
            "init_logit_bias": -10,
        },
        HALVES,
    ),
    "ConvNeXt": ("ConvNeXt", timm("convnext_atto", 64, timm_proj="linear"), {}),
    "MobileCLIP2-S0": ("MobileCLIP", timm("fastvit_mci0", 256, timm_pool="avg", timm_proj=None), HALVES),
    "CoCa": (
        "CoCa",
        {
            "embed_dim": 64,
            "vision_cfg": {**SMALL_VIT, "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
            "text_cfg": {**SMALL_TEXT, "embed_cls": True, "output_tokens": True},
            "multimodal_cfg": {**MULTIMODAL, "attn_pooler_heads": 2},
            "custom_text": True,
        },
        {},
    ),
    "ResNet": (
        "CLIP",
        {
            "embed_dim": 64,
            "vision_cfg": {"image_size": 64, "layers": [2, 2, 2, 2], "width": 16},
            "text_cfg": dict(SMALL_TEXT),
        },
        {},
    ),
    "ViT with average pooling": ("CLIP", own({**SMALL_VIT, "pool_type": "avg", "final_ln_after_pool": True}), {}),
}
LAYERS = {"PE-Core-T": 12, "EVA02-B": 12, "SigLIP-B": 12, "ConvNeXt": 12, "MobileCLIP2-S0": 20, "CoCa": 3, "ResNet": 8}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Made when they are first asked for."""
    root = tmp_path_factory.mktemp("open_clip")

    class Folders(dict[str, Path]):
        def __missing__(self, name: str) -> Path:
            _, config, preprocess = GENERIC[name]
            self[name] = make_open_clip_folder(root / name, json.loads(json.dumps(config)), preprocess)
            return self[name]

    return Folders()


def theirs(folder: Path) -> tuple[Any, Any]:
    """open_clip's own model and tokenizer, by its own loader."""
    model = open_clip.create_model(f"local-dir:{folder}", pretrained_text=False).eval()
    return model, open_clip.get_tokenizer(f"local-dir:{folder}")


def pictures(size: int) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


def largest(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())


class TestGeneric:
    @pytest.mark.parametrize("name", GENERIC)
    def test_embeddings_are_open_clips(self, folders: dict[str, Path], name: str) -> None:
        backbone, (model, tokenizer) = load_backbone(BackboneConfig(name=str(folders[name]))), theirs(folders[name])
        assert isinstance(backbone, OpenCLIPModel)
        assert isinstance(backbone, Backbone)
        assert (backbone.family, backbone.dim) == (GENERIC[name][0], GENERIC[name][1]["embed_dim"])
        seen = pictures(backbone.image_size)
        with torch.no_grad():
            by_picture = largest(backbone.image_encoder()(seen), model.encode_image(seen, normalize=False))
            words = [sentence.lower() for sentence in SENTENCES]
            by_words = largest(backbone.embed_text(words), model.encode_text(tokenizer(words), normalize=False))
        print(f"{name}: pictures {by_picture:.1e}, words {by_words:.1e}")
        assert by_picture < CLOSE
        assert by_words < CLOSE

    @pytest.mark.parametrize("name", GENERIC)
    def test_temperature_and_preprocessing(self, folders: dict[str, Path], name: str) -> None:
        backbone, (model, _) = load_backbone(BackboneConfig(name=str(folders[name]))), theirs(folders[name])
        assert isinstance(backbone, OpenCLIPModel)
        assert backbone.temperature == pytest.approx(math.exp(-2.5), rel=1e-6)
        assert backbone.logit_bias == (pytest.approx(-3.0) if name == "SigLIP-B" else None)
        found, wanted = backbone.preprocessing, model.visual.preprocess_cfg
        assert (found.mean, found.std) == (tuple(wanted["mean"]), tuple(wanted["std"]))
        assert (found.resize, found.interpolation) == (wanted["resize_mode"], wanted["interpolation"])
        size = wanted["size"]
        assert (size if isinstance(size, int) else size[0]) == backbone.image_size

    @pytest.mark.parametrize("name", GENERIC)
    def test_layers_are_all_but_the_stem_each_once(self, folders: dict[str, Path], name: str) -> None:
        encoder = load_backbone(BackboneConfig(name=str(folders[name]))).image_encoder()
        layers = encoder.layers_from_last()
        if name in LAYERS:
            assert len(layers) == LAYERS[name]
        owners = [id(weight) for layer in layers for module in layer for weight in module.parameters()]
        assert len(owners) == len(set(owners))
        rest = {key for key, weight in encoder.named_parameters() if id(weight) not in set(owners)}
        stem = (
            "patch_embed",
            "stem",
            "conv",
            "bn",
            "class_embedding",
            "positional",
            "ln_pre",
            "pos_embed",
            "cls_token",
        )
        assert all(any(word in key for word in (*stem, "norm_pre")) for key in rest), rest

    def test_the_last_layer_alone_learns_the_whole_way_out(self, folders: dict[str, Path]) -> None:
        """The projection of open_clip's own ViT is a parameter of the tower there, and a layer of its own here."""
        encoder = load_backbone(BackboneConfig(name=str(folders["CoCa"]))).image_encoder().requires_grad_(False)
        for module in encoder.layers_from_last()[0]:
            module.requires_grad_(True)
        encoder(pictures(32)).square().sum().backward()
        assert isinstance(encoder, OpenCLIPImageEncoder)
        assert encoder.projection is not None
        assert encoder.projection.weight.grad is not None

    def test_pictures_of_another_shape_are_resized(self, folders: dict[str, Path]) -> None:
        encoder = load_backbone(BackboneConfig(name=str(folders["CoCa"]))).image_encoder()
        wide = torch.ones(1, 3, 40, 100)  # one colour: the same at any size
        with torch.no_grad():
            assert largest(encoder(wide), encoder(torch.ones(1, 3, 32, 32))) < CLOSE

    def test_norms_over_a_batch_keep_their_statistics(self, folders: dict[str, Path]) -> None:
        encoder = load_backbone(BackboneConfig(name=str(folders["MobileCLIP2-S0"]))).image_encoder().train()
        norms = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
        before = [norm.running_mean.clone() for norm in norms]
        encoder(pictures(256))
        assert norms
        assert all(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, before, strict=True))

    def test_it_draws_nothing_in_training(self, folders: dict[str, Path], tmp_path: Path) -> None:
        config = timm("convnext_atto", 64, timm_proj="linear", timm_drop=0.5, timm_drop_path=0.5)
        folder = make_open_clip_folder(tmp_path / "a", config)
        encoder = load_backbone(BackboneConfig(name=str(folder))).image_encoder().train()
        assert torch.equal(encoder(pictures(64)), encoder(pictures(64)))


class TestPlain:
    """CLIP's own code, which needs no open_clip, reads the plain ones: the same answer as open_clip's."""

    @pytest.mark.parametrize("quick_gelu", [False, True])
    @pytest.mark.parametrize("resize_mode", ["shortest", "squash"])
    def test_embeddings_are_open_clips(self, tmp_path: Path, quick_gelu: bool, resize_mode: str) -> None:
        config = {
            "embed_dim": 64,
            "quick_gelu": quick_gelu,
            "vision_cfg": dict(SMALL_VIT),
            "text_cfg": dict(SMALL_TEXT),
        }
        folder = make_open_clip_folder(tmp_path / "a", config, {"resize_mode": resize_mode})
        backbone, (model, tokenizer) = load_backbone(BackboneConfig(name=str(folder))), theirs(folder)
        assert isinstance(backbone, CLIPBackbone)
        assert backbone.preprocessing.resize == model.visual.preprocess_cfg["resize_mode"] == resize_mode
        seen = pictures(32)
        with torch.no_grad():
            assert largest(backbone.image_encoder()(seen), model.encode_image(seen)) < CLOSE
            assert largest(backbone.embed_text(SENTENCES), model.encode_text(tokenizer(SENTENCES))) < CLOSE

    def test_both_codes_agree(self, tmp_path: Path) -> None:
        folder = make_open_clip_folder(tmp_path / "a", own(dict(SMALL_VIT)))
        plain, generic = load_backbone(BackboneConfig(name=str(folder))), OpenCLIPModel.load(str(folder))
        with torch.no_grad():
            assert largest(plain.image_encoder()(pictures(32)), generic.image_encoder()(pictures(32))) < CLOSE
            assert largest(plain.embed_text(SENTENCES), generic.embed_text(SENTENCES)) < CLOSE


class TestRefusals:
    def check(self, folder: Path, *words: str) -> None:
        with pytest.raises(BackboneError) as raised:
            load_backbone(BackboneConfig(name=str(folder)))
        assert "\n" not in str(raised.value)
        for word in words:
            assert word in str(raised.value)

    def change(self, folder: Path, **text: Any) -> Path:
        config = json.loads((folder / "open_clip_config.json").read_text())
        config["model_cfg"]["text_cfg"] |= text
        (folder / "open_clip_config.json").write_text(json.dumps(config))
        return folder

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return make_open_clip_folder(tmp_path / "a", timm("convnext_atto", 64, timm_proj="linear"))

    def test_a_text_tower_of_the_hub(self, folder: Path) -> None:
        self.check(self.change(folder, hf_model_name="roberta-base"), "roberta-base, which is not in the folder")

    def test_a_tokenizer_that_is_told_to_run_code(self, folder: Path) -> None:
        self.check(self.change(folder, tokenizer_kwargs={"trust_remote_code": True}), "trust_remote_code")

    def test_a_tokenizer_that_is_code(self, folder: Path) -> None:
        self.change(folder, hf_tokenizer_name="words")
        (folder / "tokenizer.json").write_text("{}")
        (folder / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["a.B", null]}}')
        self.check(folder, "its tokenizer is code, which is not run")

    def test_a_tokenizer_that_is_not_there(self, folder: Path) -> None:
        self.check(self.change(folder, hf_tokenizer_name="timm/words"), "holds no tokenizer", "those of timm/words")

    def test_a_network_that_timm_does_not_know(self, folder: Path) -> None:
        config = json.loads((folder / "open_clip_config.json").read_text())
        config["model_cfg"]["vision_cfg"]["timm_model_name"] = "nonesuch_net"
        (folder / "open_clip_config.json").write_text(json.dumps(config))
        self.check(folder, "describes no network of open_clip", "nonesuch_net")

    def test_weights_of_another_shape(self, folder: Path) -> None:
        self.check(self.change(folder, width=32), "do not fit its open_clip_config.json", "not (")

    def test_positions_are_not_stretched(self, tmp_path: Path) -> None:
        folder = make_open_clip_folder(tmp_path / "b", json.loads(json.dumps(GENERIC["CoCa"][1])))
        config = json.loads((folder / "open_clip_config.json").read_text())
        config["model_cfg"]["vision_cfg"]["image_size"] = 64
        (folder / "open_clip_config.json").write_text(json.dumps(config))
        self.check(folder, "visual.positional_embedding")

    def test_missing_weights(self, folder: Path) -> None:
        state = load_file(folder / "open_clip_model.safetensors")
        del state["visual.head.proj.weight"]
        save_file(state, folder / "open_clip_model.safetensors")
        self.check(folder, "visual.head.proj.weight")

    def test_a_long_sentence(self, folder: Path) -> None:
        backbone = load_backbone(BackboneConfig(name=str(folder)))
        with pytest.raises(BackboneError, match="tokens long, 16 at most fit"):
            backbone.embed_text(["moving left and right " * 10])


def test_mov_trains_a_step_from_it_and_answers(tiny_world: TinyWorld, tmp_path: Path) -> None:
    folder = make_open_clip_folder(tmp_path / "clip", timm("convnext_atto", 64, timm_proj="linear"))
    changes = (f"backbone.name={folder}", "training.epochs=1", "model.trainable_layers=2")
    asked = [word for change in changes for word in ("--set", change)]
    assert run(tiny_world.train(tmp_path / "run", *asked)) == 0
    assert run(tiny_world.evaluate(tmp_path / "run")) == 0
