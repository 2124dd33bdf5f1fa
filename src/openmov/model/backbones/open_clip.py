"""open_clip's plain models (Ilharco et al. 2021) read by CLIP's own code: the same network under other names.

    visual.transformer.resblocks.3.attn.in_proj_weight  ->  vision_model.encoder.layers.3.self_attn.{q,k,v}_proj.weight
    visual.proj, text_projection  (width, dim)          ->  {visual,text}_projection.weight  (dim, width)

That covers OpenAI's, LAION's, DataComp's, Apple's DFN and MetaCLIP's models, the multilingual ones included. What a
config asks for beyond a plain ViT and CLIP's text tower is found before (`ModelContents.unread`) and refused there.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from transformers import CLIPModel, MetaClip2Model

from openmov.errors import BackboneError
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.backbones.clip_tokenizer import load_clip_tokenizer
from openmov.model.backbones.contents import FETCH_AGAIN, ModelContents, read_contents
from openmov.model.backbones.folder import resolve_folder
from openmov.model.backbones.preprocessing import folder_identity, read_preprocessing
from openmov.model.backbones.pretrained import CONFIG_ERRORS, fill_model, load_tokenizer, read_weights

_HIGHEST_ID_POOLS = 2
"""transformers' way to say that a CLIP reads a sentence at its highest id, as open_clip's does (`pool_type` argmax)."""
_BLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")
_IN_BLOCK = {
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_VISUAL = {
    "class_embedding": "vision_model.embeddings.class_embedding",
    "positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "ln_post.weight": "vision_model.post_layernorm.weight",
    "ln_post.bias": "vision_model.post_layernorm.bias",
    "proj": "visual_projection.weight",
}
_TEXT = {
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "text_projection": "text_projection.weight",
}
_NO_WEIGHTS = {"attn_mask", "text.attn_mask", "input_resolution", "context_length", "vocab_size"}
"""What older files hold beside weights."""


class OpenCLIPBackbone:
    """Reads a folder; what comes of it is a CLIPBackbone."""

    @classmethod
    def load(cls, name: str, contents: ModelContents | None = None) -> CLIPBackbone:
        """In single precision whatever it is stored in; without `contents` the folder behind `name` is read.

        A folder without tokenizer files has OpenAI's words, as in open_clip. Raises BackboneError where it cannot be
        found, reached or used.
        """
        found = contents or read_contents(name, resolve_folder(name))
        if not found.plain:
            raise BackboneError(name, "is not a plain open_clip model", "give a plain ViT with CLIP's text tower")
        model_cfg = found.config["model_cfg"]
        preprocessing = read_preprocessing(name, found)
        identity = folder_identity(found, preprocessing)
        multilingual = _ends_by_id(model_cfg["text_cfg"])
        model_class = MetaClip2Model if multilingual else CLIPModel
        config = _config(name, model_cfg, model_class)
        state = to_transformers(name, read_weights(name, found.weights))
        model = fill_model(name, model_class, config, state)
        return CLIPBackbone(name, model, _load_tokenizer(name, found), preprocessing, identity)


def _load_tokenizer(name: str, contents: ModelContents) -> Any:
    words = contents.config["model_cfg"]["text_cfg"].get("hf_tokenizer_name")
    if words and not contents.has_vocabulary:
        what = f"holds no tokenizer, and its words are those of {words}"
        raise BackboneError(name, what, "put that model's tokenizer.json beside its weights")
    if words and not (contents.folder / "tokenizer.json").is_file():
        return load_tokenizer(name, contents.folder)
    return load_clip_tokenizer(name, contents.folder)


def to_transformers(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """open_clip's tensors under transformers' names, attention's three products apart.

    Raises BackboneError for a tensor that a plain model does not have.
    """
    renamed: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if key not in _NO_WEIGHTS:
            renamed |= _renamed(name, key, tensor)
    return renamed


def _renamed(name: str, key: str, tensor: Tensor) -> dict[str, Tensor]:
    if key == "logit_scale":
        return {key: tensor.reshape(())}
    visual = key.startswith("visual.")
    tower, names = ("vision_model", _VISUAL) if visual else ("text_model", _TEXT)
    rest = key.removeprefix("visual." if visual else "text.")
    if block := _BLOCK.fullmatch(rest):
        place, part = f"{tower}.encoder.layers.{block[1]}", block[2]
        if part in ("attn.in_proj_weight", "attn.in_proj_bias"):
            parts = zip("qkv", tensor.chunk(3), strict=True)
            kind = part.rpartition("_")[2]
            return {f"{place}.self_attn.{letter}_proj.{kind}": one.contiguous() for letter, one in parts}
        stem, _, kind = part.rpartition(".")
        if stem in _IN_BLOCK:
            return {f"{place}.{_IN_BLOCK[stem]}.{kind}": tensor}
    elif rest in names:
        flat = names[rest].endswith("_projection.weight")
        return {names[rest]: tensor.T.contiguous() if flat else tensor}
    raise BackboneError(name, f"holds {key}, which a plain ViT with CLIP's text tower does not have", FETCH_AGAIN)


def _ends_by_id(text: Mapping[str, Any]) -> bool:
    """Whether a sentence is read at an id of its own and not at the highest one."""
    return bool(text.get("pool_type") == "eos")


def _config(name: str, model: Mapping[str, Any], model_class: Any) -> Any:
    """The config of the same network in transformers; what is left out is what open_clip takes."""
    vision, text = model["vision_cfg"], model["text_cfg"]
    activation = "quick_gelu" if model.get("quick_gelu") else "gelu"
    width, text_width = vision.get("width", 768), text.get("width", 512)
    end = text.get("eos_id", 2) if _ends_by_id(text) else _HIGHEST_ID_POOLS
    try:
        return model_class.config_class(
            projection_dim=model["embed_dim"],
            vision_config={
                "hidden_size": width,
                "intermediate_size": int(width * vision.get("mlp_ratio", 4.0)),
                "num_hidden_layers": vision.get("layers", 12),
                "num_attention_heads": width // vision.get("head_width", 64),
                "image_size": vision.get("image_size", 224),
                "patch_size": vision.get("patch_size", 16),
                "hidden_act": activation,
            },
            text_config={
                "hidden_size": text_width,
                "intermediate_size": int(text_width * text.get("mlp_ratio", 4.0)),
                "num_hidden_layers": text.get("layers", 12),
                "num_attention_heads": text.get("heads", 8),
                "max_position_embeddings": text.get("context_length", 77),
                "vocab_size": text.get("vocab_size", 49408),
                "hidden_act": activation,
                "bos_token_id": 0,
                "pad_token_id": 1,
                "eos_token_id": end,
            },
        )
    except (*CONFIG_ERRORS, ArithmeticError) as error:
        raise BackboneError(name, "its open_clip_config.json describes no network", FETCH_AGAIN) from error
