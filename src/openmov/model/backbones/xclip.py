"""X-CLIP (Ni et al. 2022) as a frozen answerer: a clip is looked at as a whole, and names are adapted to each clip.

    frames --towers that pass messages--> class tokens --transformer over frames--> clip
                                          patches ------mean over frames----------> context
    names --text tower--> t --> t + alpha * P(t, context), compared with the clip by cosine

The network is transformers' XCLIPModel; the same weights are a starting point for the method `xclip` of
`openmov.baselines`, which trains them. Knows nothing of files.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from openmov.errors import BackboneError
from openmov.model.backbones.base import AdaptingClipEncoder, ImageEncoder
from openmov.model.backbones.clip import CLIPBackbone

_NAMES_AND_CLIPS = 4096
"""Names that are adapted at a time, over all clips."""


class XCLIPBackbone(CLIPBackbone):
    """A ClipBackbone: its frames look at each other. Everything that concerns words is as in CLIP."""

    prompts = "none"
    """The bare name, as X-CLIP's authors ask for the classes of a data set."""
    cosine = True
    suits_bf16 = False
    """Clips are embedded in single precision."""

    @property
    def num_frames(self) -> int:
        return int(self._config.vision_config.num_frames)

    def image_encoder(self) -> ImageEncoder:
        """Raises BackboneError: there is none."""
        what = "is an X-CLIP, which cannot embed a frame on its own"
        raise BackboneError(self.name, what, "take a CLIP, or model.method=xclip")

    def clip_encoder(self) -> "XCLIPEncoder":
        return XCLIPEncoder(self.fresh_model())


class XCLIPEncoder(AdaptingClipEncoder):
    """(batch, time, 3, height, width) -> (batch, dim), and what names are adapted to."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model: Any = model
        self.num_frames = int(model.config.vision_config.num_frames)
        # What is not asked again: words are embedded once, by the backbone.
        del self.model.text_model, self.model.text_projection
        self.requires_grad_(False).eval()

    def forward(self, frames: Float[Tensor, "batch time 3 height width"]) -> Float[Tensor, "batch dim"]:
        return self.with_context(frames)[0]

    @torch.no_grad()
    def with_context(
        self, frames: Float[Tensor, "batch time 3 height width"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch tokens dim"]]:
        parts = [self._one(clip) for clip in torch.split(frames, 1)]  # a clip holds many pictures already
        return torch.cat([clip for clip, _ in parts]), torch.cat([context for _, context in parts])

    def _one(
        self, frames: Float[Tensor, "1 time 3 height width"]
    ) -> tuple[Float[Tensor, "1 dim"], Float[Tensor, "1 tokens dim"]]:
        model, time = self.model, frames.shape[1]
        resized = frames.shape[-1] != int(model.config.vision_config.image_size)
        seen = model.vision_model(pixel_values=frames.flatten(0, 1), interpolate_pos_encoding=resized)
        tokens = model.visual_projection(seen.pooler_output).unflatten(0, (1, time))
        patches = model.prompts_visual_layernorm(seen.last_hidden_state[:, 1:]) @ model.prompts_visual_projection
        context: Tensor = patches.unflatten(0, (1, time)).mean(dim=1).float()
        clip: Tensor = model.mit(tokens).pooler_output.float()
        return clip, context

    @torch.no_grad()
    def adapt(
        self, names: Float[Tensor, "names dim"], context: Float[Tensor, "batch tokens dim"]
    ) -> Float[Tensor, "batch names dim"]:
        size = max(1, _NAMES_AND_CLIPS // max(len(context), 1))
        parts = []
        for some in torch.split(names, size):
            expanded = some.expand(len(context), -1, -1)
            parts.append(expanded + self.model.prompts_generator(expanded, context))
        return torch.cat(parts, dim=1)
