"""X-CLIP (Ni et al. 2022): frames that exchange messages, a transformer over them, names adapted to each video.

    frames --h_v with messages--> class tokens --transformer over frames--> clip
                                  patches ------mean over frames----------> context --+
    names --text tower--> t ----------------------------------------------------------+--> t + alpha * P(t, context)

The modules are Hugging Face's XCLIPModel: of released weights (backbone.name is then an X-CLIP's), or around the
backbone's CLIP, with the new parts drawn as the authors draw them. The text tower does not train (theirs: FIX_TEXT).
Frames of a clip are looked at together, so there is nothing to embed one by one. Knows nothing of files.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import XCLIPConfig, XCLIPModel

from openmov.baselines import refuse_parts_of_encoders
from openmov.baselines.text_head import BySimilarity, TrainedNames
from openmov.errors import RecipeError
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.joint import head_count, num_views
from openmov.model.trained import NetworkParts, TrainedModel
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, ClipBatch, JointEmbeddings, Modality

_NAMES_AND_CLIPS = 4096
"""Adapted at a time where no gradient is needed."""
_NEW_PARTS = ("message_", "mit.", "prompts_")
"""In the names of weights that CLIP has not."""
_STD = 0.02
"""Of new weights, a normal distribution cut off at two deviations (microsoft/VideoX, X-CLIP, models/prompt.py)."""


class XCLIP(BySimilarity, TrainedModel):
    """`xclip`. Raises RecipeError for a backbone that is neither CLIP nor X-CLIP, for other frames than it has, and for
    layers or patches that do not train: each of its layers holds new parts, and messages pass between whole frames."""

    pretrained_rate = 0.1  # optimizer.py of the authors' code: 10 times the rate for new parts

    def __init__(self, parts: NetworkParts) -> None:
        super().__init__()
        refuse_parts_of_encoders(parts, "trains all layers, each with new parts, on whole frames")
        backbone, recipe = parts.backbone, parts.recipe
        if not isinstance(backbone, CLIPBackbone):
            what = f"xclip is built on CLIP, and the backbone {backbone.name} is none"
            raise RecipeError("model.method", what, "take a CLIP or an X-CLIP as backbone.name")
        self.model: Any = _released(backbone, recipe.video.num_frames) or _around(backbone, parts)
        self.model.logit_scale.requires_grad_(False)  # the temperature is not trained, in any method
        for frozen in (self.model.text_model, self.model.text_projection):
            frozen.requires_grad_(False)
        self.names = TrainedNames(backbone.text_encoder_of(self.model), recipe.baselines.prompts, keeps_templates=True)
        self.frames_at_a_time = parts.encoder_chunk

    def is_pretrained(self, name: str) -> bool:
        return not any(part in name for part in _NEW_PARTS)

    def own_blocks(self) -> Sequence[nn.Module]:
        """Layers of its picture tower."""
        return tuple(self.model.vision_model.encoder.layers)

    def forward(self, batch: ClipBatch) -> JointEmbeddings:
        frames = batch.inputs[Modality.VIDEO].flatten(0, 1)
        present = batch.present[Modality.VIDEO].repeat_interleave(num_views(batch))
        clips, context = self._looked_at(frames[present])
        return JointEmbeddings(
            {Modality.VIDEO: _put_back(clips, present)}, {Modality.VIDEO: present}, None, _put_back(context, present)
        )

    def join(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]], present: Mapping[Modality, Bool[Tensor, "rows"]]
    ) -> JointEmbeddings:
        raise _looks_at_frames_together()

    def encode_inputs(self, modality: Modality, inputs: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows _ dim"]:
        raise _looks_at_frames_together()

    def classes(self, vocabulary: Vocabulary, clips: Sequence[str] = ()) -> ClassEmbeddings:
        """Before they are adapted to a video."""
        found: ClassEmbeddings = self.names(vocabulary, clips)
        return found

    def similarity(self, embeddings: JointEmbeddings, classes: ClassEmbeddings) -> Float[Tensor, "rows classes"]:
        """Cosine of every clip with every name as that clip adapts it."""
        assert classes.by_template is not None
        assert embeddings.context is not None
        names, clips = classes.by_template.mean(dim=0), embeddings.fused[Modality.VIDEO]
        size = len(clips) if torch.is_grad_enabled() else max(1, _NAMES_AND_CLIPS // len(names))
        parts = zip(torch.split(clips, max(size, 1)), torch.split(embeddings.context, max(size, 1)), strict=True)
        return torch.cat([self._adapted_similarity(some, context, names) for some, context in parts])

    def _adapted_similarity(
        self, clips: Float[Tensor, "rows dim"], context: Float[Tensor, "rows tokens dim"], names: Float[Tensor, "n dim"]
    ) -> Float[Tensor, "rows n"]:
        expanded = names.expand(len(clips), -1, -1)
        adapted = expanded + self.model.prompts_generator(expanded, context)
        return torch.einsum("rd,rnd->rn", F.normalize(clips, dim=-1), F.normalize(adapted, dim=-1))

    def _looked_at(
        self, frames: Float[Tensor, "rows time 3 height width"]
    ) -> tuple[Float[Tensor, "rows dim"], Float[Tensor, "rows tokens dim"]]:
        at_once = len(frames) if torch.is_grad_enabled() else self.frames_at_a_time // frames.shape[1]
        parts = [self._few(some) for some in torch.split(frames, max(at_once, 1))]
        return torch.cat([clips for clips, _ in parts]), torch.cat([context for _, context in parts])

    def _few(
        self, frames: Float[Tensor, "rows time 3 height width"]
    ) -> tuple[Float[Tensor, "rows dim"], Float[Tensor, "rows tokens dim"]]:
        model, (rows, time) = self.model, frames.shape[:2]
        resized = frames.shape[-1] != int(model.config.vision_config.image_size)
        seen = model.vision_model(pixel_values=frames.flatten(0, 1), interpolate_pos_encoding=resized)
        tokens = model.visual_projection(seen.pooler_output).unflatten(0, (rows, time))
        patches = model.prompts_visual_layernorm(seen.last_hidden_state[:, 1:]) @ model.prompts_visual_projection
        context = patches.unflatten(0, (rows, time)).mean(dim=1)
        return model.mit(tokens).pooler_output.float(), context.float()


def _released(backbone: CLIPBackbone, num_frames: int) -> Any:
    """The model of released weights; None where the backbone is a CLIP."""
    model: Any = backbone.fresh_model()
    if not isinstance(model, XCLIPModel):
        return None
    trained_with = int(model.config.vision_config.num_frames)
    if trained_with != num_frames:
        what = f"is {num_frames}, but {backbone.name} was trained with {trained_with} frames"
        raise RecipeError("video.num_frames", what, f"--set video.num_frames={trained_with}")
    return model


def _around(backbone: CLIPBackbone, parts: NetworkParts) -> Any:
    """An X-CLIP whose towers are the backbone's."""
    clip: Any = backbone.fresh_model()
    chosen, dim, heads = parts.recipe.baselines, backbone.dim, head_count(backbone, parts.recipe.model)
    vision = clip.config.vision_config.to_dict() | {
        "num_frames": parts.recipe.video.num_frames,
        "mit_hidden_size": dim,
        "mit_intermediate_size": 4 * dim,
        "mit_num_hidden_layers": chosen.integration_layers,
        "mit_num_attention_heads": heads,
    }
    config = XCLIPConfig(
        text_config=_plain(clip.config.text_config.to_dict()),
        vision_config=_plain(vision),
        projection_dim=dim,
        prompt_layers=chosen.prompt_layers,
        prompt_alpha=chosen.prompt_alpha,
        prompt_num_attention_heads=heads,
    )
    model = XCLIPModel(config)
    renamed = {key.replace("pre_layrnorm", "pre_layernorm"): value for key, value in clip.state_dict().items()}
    report = model.load_state_dict(renamed, strict=False)
    assert not report.unexpected_keys, report.unexpected_keys
    draw_new_parts(model)
    return model


def draw_new_parts(model: Any) -> None:
    """The authors' initialisation of what names and frames are adapted by: N(0, 0.02) cut off, biases zero.

    transformers draws the linear layers of the prompt generator from N(0, 1), it takes `initializer_factor` for a
    deviation: the prompt is then hundreds of times longer than the name that it should adapt a little.
    """
    nn.init.normal_(model.mit.position_embedding, std=_STD)
    for module in (*model.mit.modules(), *model.prompts_generator.modules()):
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=_STD, a=-2 * _STD, b=2 * _STD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Without what belongs to the other family."""
    return {key: value for key, value in config.items() if key != "model_type"}


def _put_back(rows: Float[Tensor, "some ..."], present: Bool[Tensor, "rows"]) -> Float[Tensor, "rows ..."]:
    if bool(present.all()):
        return rows
    return rows.new_zeros(len(present), *rows.shape[1:]).index_put((present,), rows)


def _looks_at_frames_together() -> RecipeError:
    what = "xclip looks at the frames of a clip together, and here they are embedded one by one"
    return RecipeError("model.method", what, "ask a run of another method")
