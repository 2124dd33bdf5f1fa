"""What MOV and the single-modality models share: encoders and heads by modality, views, and what was trained.

Views are folded into the batch: a batch of (batch, views, ...) gives batch * views rows, those of one video next to
each other, and probabilities are averaged over them afterwards. View i of the video goes with window i of the sound.
Rows that lack a modality never reach its encoder; zeros stand in their place.
Knows nothing of classes, losses or files.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import compress

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from openmov.config.schema import ModelConfig
from openmov.errors import RecipeError
from openmov.model.backbones.base import Backbone, ImageEncoder, PatchImageEncoder
from openmov.model.encoders import FrameEncoder, FrozenFrameEncoder, SpectrogramEncoder, train_last_layers
from openmov.model.heads import AudioHead, TemporalTransformer
from openmov.model.patch_dropout import PatchChoice, kept_patches
from openmov.model.trained import TrainedModel
from openmov.types import ClipBatch, JointEmbeddings, Modality


class JointModel(TrainedModel):
    """Encoders h and heads phi of the given modalities; a subclass says in `forward` how they come together."""

    def __init__(
        self,
        backbone: Backbone,
        config: ModelConfig,
        modalities: Sequence[Modality],
        *,
        num_frames: int,
        with_video_encoder: bool,
        encoder_chunk: int,
        trains_video: bool = False,
        with_heads: bool = True,
    ) -> None:
        """`trains_video` makes the video's encoder one that trains like the others; heads may be left out."""
        super().__init__()
        self.modalities = tuple(m for m in Modality if m in modalities)
        self.dim = backbone.dim
        self.patch_dropout = config.patch_dropout
        encoded = [m for m in self.modalities if with_video_encoder or trains_video or m is not Modality.VIDEO]
        frozen = frozenset() if trains_video else frozenset({Modality.VIDEO})
        made = {m.value: _encoder(m, backbone, config, encoder_chunk, frozen=m in frozen) for m in encoded}
        self.encoders = nn.ModuleDict(made)
        headed = self.modalities if with_heads else ()
        self.heads = nn.ModuleDict({m.value: _head(m, backbone, config, num_frames) for m in headed})

    def forward(self, batch: ClipBatch) -> JointEmbeddings:
        """One row a view, those of one video next to each other; modalities the batch lacks are absent."""
        return self.join(self.encode(batch), self.presence(batch))

    def encode_inputs(self, modality: Modality, inputs: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows _ dim"]:
        """One of v, f, a for inputs that all have the modality, for callers who put them together themselves."""
        embedded: Tensor = self.encoders[modality.value](inputs)
        return embedded

    def encode(self, batch: ClipBatch) -> dict[Modality, Float[Tensor, "rows _ dim"]]:
        """v, f, a of equation 1, raw, for the modalities that the batch and this model share."""
        return {m: self._encode(m, batch) for m in self.modalities if m in batch.present}

    def attend(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]]
    ) -> dict[Modality, Float[Tensor, "rows _ dim"]]:
        """v_t, f_t, a_t of equations 2-4: every modality through its head."""
        return {m: self.heads[m.value](tokens) for m, tokens in frames.items()}

    def presence(self, batch: ClipBatch) -> dict[Modality, Bool[Tensor, "rows"]]:
        """Which rows have each of the modalities that `encode` gives."""
        return {m: batch.present[m].repeat_interleave(num_views(batch)) for m in self.modalities if m in batch.present}

    def _encode(self, modality: Modality, batch: ClipBatch) -> Float[Tensor, "rows _ dim"]:
        present = batch.present[modality].repeat_interleave(num_views(batch))
        if modality is Modality.VIDEO and batch.frozen is not None:
            stored = batch.frozen.flatten(0, 1).float()
            return torch.where(present[:, None, None], stored, stored.new_zeros(()))
        if modality.value not in self.encoders:
            raise ValueError("this model was built without a video encoder: give batches with stored embeddings")
        encoder, inputs = self.encoders[modality.value], batch.inputs[modality].flatten(0, 1)
        return _encode_present(encoder, inputs, present, self._patch_choice(modality, batch))

    def _trains(self, modality: Modality) -> bool:
        return not isinstance(self.encoders[modality.value], FrozenFrameEncoder)

    def _patch_choice(self, modality: Modality, batch: ClipBatch) -> PatchChoice | None:
        """Which patches of the clips that have the modality are looked at; None for all of them."""
        if not self.training or not self.patch_dropout or not self._trains(modality):
            return None
        if len(batch.seeds) != len(batch):
            raise ValueError("patch dropout follows from the clips' seeds: give training batches theirs")
        seeds = tuple(compress(batch.seeds, batch.present[modality].tolist()))
        frames = 1 if modality is Modality.AUDIO else batch.inputs[modality].shape[2]
        pictures = num_views(batch) * frames
        return partial(kept_patches, seeds=seeds, pictures=pictures, modality=modality, dropout=self.patch_dropout)


def num_views(batch: ClipBatch) -> int:
    """Looks at each video; the same for every modality of a batch."""
    tensors = [*batch.inputs.values()] if batch.frozen is None else [*batch.inputs.values(), batch.frozen]
    counts = {tensor.shape[1] for tensor in tensors}
    if len(counts) != 1:
        raise ValueError(f"the modalities of a batch have different numbers of views: {sorted(counts)}")
    return int(counts.pop())


def frame_average(frames: Float[Tensor, "rows time dim"]) -> Float[Tensor, "rows dim"]:
    """Mean over time of the normalised frame embeddings: the CLIP baseline, and v of equation 11."""
    return F.normalize(frames, dim=-1).mean(dim=1)


def _encode_present(
    encoder: nn.Module, inputs: Float[Tensor, "rows ..."], present: Bool[Tensor, "rows"], choose: PatchChoice | None
) -> Float[Tensor, "rows _ dim"]:
    if bool(present.all()):
        embedded: Tensor = encoder(inputs, choose)
        return embedded
    some: Tensor = encoder(inputs[present], choose)
    return some.new_zeros(len(present), *some.shape[1:]).index_put((present,), some)


def _encoder(modality: Modality, backbone: Backbone, config: ModelConfig, chunk: int, *, frozen: bool) -> FrameEncoder:
    image_encoder = backbone.image_encoder()
    if frozen:
        return FrozenFrameEncoder(image_encoder, backbone.dim, chunk=chunk)
    _refuse_dropout_without_patches(image_encoder, backbone, config)
    train_last_layers(image_encoder, config.trainable_layers)
    if modality is Modality.AUDIO:
        return SpectrogramEncoder(image_encoder, backbone.dim, patch_size=backbone.patch_size, chunk=chunk)
    return FrameEncoder(image_encoder, backbone.dim, chunk=chunk)


def _refuse_dropout_without_patches(encoder: ImageEncoder, backbone: Backbone, config: ModelConfig) -> None:
    if config.patch_dropout and not isinstance(encoder, PatchImageEncoder):
        what = f"is {config.patch_dropout}, but the encoders of {backbone.name} have no patches"
        raise RecipeError("model.patch_dropout", what, "leave it out, or take a CLIP")


def _head(modality: Modality, backbone: Backbone, config: ModelConfig, num_frames: int) -> nn.Module:
    if modality is Modality.AUDIO:
        return AudioHead(backbone.dim, mlp_ratio=config.mlp_ratio, literal=config.audio_head == "literal")
    return TemporalTransformer(
        backbone.dim,
        num_layers=config.temporal_layers,
        num_heads=head_count(backbone, config),
        mlp_ratio=config.mlp_ratio,
        max_frames=num_frames if config.positions == "learned" else None,
    )


def head_count(backbone: Backbone, config: ModelConfig) -> int:
    """Attention heads of temporal and fusion layers. Raises RecipeError where they do not divide the width."""
    heads = config.num_heads or backbone.num_heads
    if backbone.dim % heads:
        raise RecipeError("model.num_heads", f"{heads} does not divide the backbone's {backbone.dim}", "leave it out")
    return heads
