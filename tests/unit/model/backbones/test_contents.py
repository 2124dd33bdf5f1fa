import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones import load_backbone
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.backbones.contents import read_contents

Change = Callable[[Path], object]


@pytest.fixture
def copy(clip_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clip_folder, tmp_path / "copy"))


def _cut_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])


def _garble_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 200)


def _lose_a_tensor(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    del state["visual_projection.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def _widen(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["projection_dim"] = 64
    (folder / "config.json").write_text(json.dumps(config))


def _rename_type(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json is not a JSON object"),
        (_rename_type, "holds a model of type 'bert', which is not known to embed pictures and words"),
        (lambda folder: (folder / "model.safetensors").unlink(), "holds no model.safetensors"),
        (_cut_weights, "model.safetensors is damaged or cut short"),
        (_garble_weights, "model.safetensors is damaged or cut short"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "damaged or cut short"),
        (_lose_a_tensor, "its weights are incomplete"),
        (_widen, "its weights do not fit its config.json"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "holds no tokenizer"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "tokenizer.json cannot be read"),
        (lambda folder: (folder / "preprocessor_config.json").write_text('{"image_mean": [1]}'), "image_mean"),
    ],
)
def test_a_folder_that_is_no_usable_clip_is_refused(copy: Path, change: Change, message: str) -> None:
    load_backbone(BackboneConfig(name=str(copy)))
    change(copy)
    with pytest.raises(BackboneError, match=message):
        load_backbone(BackboneConfig(name=str(copy)))


def test_identity_is_of_the_content_not_of_the_place(copy: Path, clip_folder: Path) -> None:
    assert CLIPBackbone.load(str(copy)).identity == CLIPBackbone.load(str(clip_folder)).identity


@pytest.mark.parametrize(
    ("name", "identity"), [("shapesav-tiny", "f77103676996fd95"), ("shapesav-tiny-wide", "f2b0d4fb97c98526")]
)
def test_caches_and_checkpoints_of_earlier_versions_stay_valid(name: str, identity: str) -> None:
    """What a CLIP in transformers' format was called before other formats could be read."""
    assert load_backbone(BackboneConfig(name=name)).identity == identity


def _nudge_a_weight(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    state["visual_projection.weight"][0, 0] += 1e-3
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def _another_mean(folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.1, 0.2, 0.3]}')


def _another_word(folder: Path) -> None:
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"moon"', '"mars"'))


@pytest.mark.parametrize("change", [_nudge_a_weight, _another_mean, _another_word])
def test_identity_changes_with_whatever_changes_an_embedding(copy: Path, change: Change) -> None:
    before = CLIPBackbone.load(str(copy)).identity
    change(copy)
    assert CLIPBackbone.load(str(copy)).identity != before


TIMM = {"architecture": "vit_base_patch32_clip_224", "pretrained_cfg": {"tag": "openai"}}
PLAIN: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 32,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8},
        "text_cfg": {"context_length": 16, "vocab_size": 40, "width": 32, "heads": 2, "layers": 2},
    },
    "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]},
}


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


def write_weights(path: Path, *names: str) -> None:
    save_file({name: torch.zeros(2, 3) for name in names or ("visual.proj", "token_embedding.weight")}, path)


def test_an_open_clip_folder_with_timms_config_beside_it(tmp_path: Path) -> None:
    """As timm's repositories have it: their own weights, the picture half, under transformers' names."""
    write_json(tmp_path / "config.json", TIMM)
    write_json(tmp_path / "open_clip_config.json", PLAIN)
    write_weights(tmp_path / "model.safetensors", "blocks.0.norm1.weight")
    write_weights(tmp_path / "open_clip_model.safetensors")
    found = read_contents("it", tmp_path)
    assert (found.format, found.kind, found.plain) == ("open_clip", "open_clip", True)
    assert found.weights == (tmp_path / "open_clip_model.safetensors",)
    (tmp_path / "open_clip_model.safetensors").unlink()
    with pytest.raises(BackboneError, match=r"holds no open_clip_model.safetensors and no open_clip_pytorch"):
        read_contents("it", tmp_path)


@pytest.mark.parametrize(
    "weights",
    ["open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors"],
)
def test_open_clips_weights_under_each_of_their_names(tmp_path: Path, weights: str) -> None:
    write_json(tmp_path / "open_clip_config.json", PLAIN)
    write_weights(tmp_path / weights)
    (tmp_path / "open_clip_pytorch_model.bin").write_bytes(b"\x80\x02 not looked at")
    found = read_contents("it", tmp_path)
    assert (found.weights, found.weights_format) == ((tmp_path / weights,), "safetensors")


@pytest.mark.parametrize("weights", ["open_clip_pytorch_model.bin", "pytorch_model.bin"])
def test_weights_that_have_to_be_converted_first(tmp_path: Path, weights: str) -> None:
    write_json(tmp_path / "open_clip_config.json", PLAIN)
    torch.save({"visual.proj": torch.zeros(2)}, tmp_path / weights)
    found = read_contents("it", tmp_path)
    assert (found.weights, found.weights_format) == ((tmp_path / weights,), "bin")
    (tmp_path / weights).write_bytes((tmp_path / weights).read_bytes()[:-100])
    with pytest.raises(BackboneError, match=f"{weights} is damaged or cut short"):
        read_contents("it", tmp_path)


def both_formats(folder: Path) -> Path:
    """config.json of a CLIP is there already; open_clip's says the same of it."""
    model = json.loads((folder / "config.json").read_text())
    facts = {**PLAIN["model_cfg"]["text_cfg"], "vocab_size": model["text_config"]["vocab_size"]}
    vision = {**PLAIN["model_cfg"]["vision_cfg"], "layers": 3}
    write_json(
        folder / "open_clip_config.json", {"model_cfg": {**PLAIN["model_cfg"], "vision_cfg": vision, "text_cfg": facts}}
    )
    return folder


def test_one_model_in_both_formats(copy: Path) -> None:
    """As Apple's DFN: two files of safetensors with different keys. And as LAION's: whichever is safetensors."""
    before = load_backbone(BackboneConfig(name=str(copy))).identity
    write_weights(both_formats(copy) / "open_clip_pytorch_model.safetensors")
    assert read_contents("it", copy).format == "transformers"
    assert load_backbone(BackboneConfig(name=str(copy))).identity == before
    (copy / "model.safetensors").unlink()
    torch.save({"x": torch.zeros(2)}, copy / "pytorch_model.bin")
    assert read_contents("it", copy).format == "open_clip"
    (copy / "open_clip_pytorch_model.safetensors").unlink()
    assert read_contents("it", copy).weights == (copy / "pytorch_model.bin",)


def test_two_different_models_in_one_folder(copy: Path) -> None:
    config = json.loads((both_formats(copy) / "open_clip_config.json").read_text())
    config["model_cfg"]["vision_cfg"]["layers"] = 12
    write_json(copy / "open_clip_config.json", config)
    message = "two different models: the layers of the picture tower is 3 in config.json and 12 in open_clip_config"
    with pytest.raises(BackboneError, match=message):
        read_contents("it", copy)


@pytest.mark.parametrize(
    ("change", "unread"),
    [
        ({"vision_cfg": {"timm_model_name": "vit_pe", "timm_pool": "map"}}, "vision_cfg.timm_model_name"),
        ({"vision_cfg": {"attentional_pool": True}}, "vision_cfg.attentional_pool"),
        ({"vision_cfg": {"layers": [3, 4, 6, 3]}}, "vision_cfg.layers"),
        ({"vision_cfg": {"pool_type": "avg"}}, "vision_cfg.pool_type"),
        ({"vision_cfg": {"no_ln_pre": True}}, "vision_cfg.no_ln_pre"),
        ({"text_cfg": {"hf_model_name": "roberta-base"}}, "text_cfg.hf_model_name"),
        ({"text_cfg": {"embed_cls": True}}, "text_cfg.embed_cls"),
        ({"text_cfg": {"no_causal_mask": True}}, "text_cfg.no_causal_mask"),
        ({"text_cfg": {"pool_type": "last"}}, "text_cfg.pool_type"),
        ({"init_logit_bias": -10}, "init_logit_bias"),
        ({"multimodal_cfg": {"layers": 12}}, "multimodal_cfg"),
    ],
)
def test_what_clips_own_code_does_not_read_is_named(tmp_path: Path, change: dict[str, object], unread: str) -> None:
    model = json.loads(json.dumps(PLAIN["model_cfg"]))
    for part, values in change.items():
        model[part] = {**model[part], **values} if isinstance(values, dict) and part in model else values
    write_json(tmp_path / "open_clip_config.json", {"model_cfg": model})
    write_weights(tmp_path / "open_clip_model.safetensors")
    found = read_contents("it", tmp_path)
    assert (found.unread, found.plain, found.kind) == ((unread,), False, "open_clip_other")


def test_options_that_say_what_a_plain_tower_does_anyway(tmp_path: Path) -> None:
    model = json.loads(json.dumps(PLAIN["model_cfg"])) | {"custom_text": False}
    model["vision_cfg"] |= {"patch_dropout": 0.5, "pool_type": "tok", "no_ln_pre": False, "timm_model_name": None}
    model["text_cfg"] |= {"pool_type": "argmax", "proj_bias": False, "embed_cls": False}
    write_json(tmp_path / "open_clip_config.json", {"model_cfg": model})
    write_weights(tmp_path / "open_clip_model.safetensors")
    assert read_contents("it", tmp_path).plain


def test_shards_are_those_of_the_index(copy: Path) -> None:
    whole = CLIPBackbone.load(str(copy))
    weights = {name: tensor.clone() for name, tensor in whole.fresh_model().state_dict().items()}
    sentence = whole.embed_text(["moon"])
    state = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    names = sorted(state)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, keys in parts.items():
        save_file({key: state[key] for key in keys}, copy / file, metadata={"format": "pt"})
    with pytest.raises(BackboneError, match=r"parts of model.safetensors without model.safetensors.index.json"):
        read_contents("it", copy)
    index = {"weight_map": {key: file for file, keys in parts.items() for key in keys}}
    write_json(copy / "model.safetensors.index.json", index)
    assert [file.name for file in read_contents("it", copy).weights] == sorted(parts)
    parted = CLIPBackbone.load(str(copy))
    assert all(torch.equal(tensor, weights[name]) for name, tensor in parted.fresh_model().state_dict().items())
    # Where a mapped tensor begins in its file decides the last bit of a product.
    torch.testing.assert_close(parted.embed_text(["moon"]), sentence, atol=1e-6, rtol=1e-6)
    (copy / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(BackboneError, match=r"is incomplete: model-00002-of-00002.safetensors is missing"):
        read_contents("it", copy)
    index["weight_map"][names[0]] = "../../model.safetensors"
    write_json(copy / "model.safetensors.index.json", index)
    with pytest.raises(BackboneError, match="names files outside the folder"):
        read_contents("it", copy)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (TIMM, "holds a timm model, which has no words"),
        ({"hidden_size": 3}, "config.json names no model_type"),
        ({"model_type": "clip_vision_model"}, r"holds half of a model \(clip_vision_model\), which knows no words"),
        ({"model_type": "siglip_text_model"}, r"holds half of a model \(siglip_text_model\), which knows no pictures"),
        ({"model_type": "vit"}, "holds a model of type 'vit', which is not known to embed pictures and words"),
    ],
)
def test_a_folder_with_half_a_model_or_none(tmp_path: Path, config: object, message: str) -> None:
    write_json(tmp_path / "config.json", config)
    write_weights(tmp_path / "model.safetensors")
    with pytest.raises(BackboneError, match=message):
        load_backbone(BackboneConfig(name=str(tmp_path)))
