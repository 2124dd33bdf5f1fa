"""ActionCLIP (Wang et al. 2021): both of CLIP's encoders fine-tuned, a transformer over frames, matching both ways.

    frames --h_v (trained)--> v + positions --transformer--> + v --mean over time--> clip     names: many templates

The loss of a clip is the mean of two Kullback-Leibler divergences from the ground truth: of its softmax over the names
in its micro-batch, and of its name's softmax over the micro-batch's clips, where clips of one class share the truth.
An answer is the mean over templates of softmax(cos / tau). Before training, with one template, it is CLIP's answer
for the mean of the raw frame embeddings: positions and the transformer's branches start at zero (theirs at random).
Knows nothing of files.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from openmov.baselines.text_head import TextHeadModel, TrainedNames, text_encoder
from openmov.model.heads import TemporalTransformer
from openmov.model.joint import head_count
from openmov.model.trained import NetworkParts
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality


class ActionCLIP(TextHeadModel):
    """`actionclip`. Raises RecipeError for a backbone whose text side cannot be trained."""

    pretrained_rate = 0.1  # f_ratio 10 of the authors' configuration times the rate for new parts

    def __init__(self, parts: NetworkParts) -> None:
        super().__init__(parts)
        self.names = TrainedNames(text_encoder(parts), parts.recipe.baselines.prompts, keeps_templates=True)
        self.temporal = TemporalTransformer(
            parts.backbone.dim,
            num_layers=parts.recipe.baselines.temporal_layers,
            num_heads=head_count(parts.backbone, parts.recipe.model),
            mlp_ratio=4.0,
            max_frames=parts.recipe.video.num_frames,
        )

    def join(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]], present: Mapping[Modality, Bool[Tensor, "rows"]]
    ) -> JointEmbeddings:
        return JointEmbeddings(
            {m: (self.temporal(tokens) + tokens).mean(dim=1) for m, tokens in frames.items()}, present
        )

    def classes(self, vocabulary: Vocabulary, clips: Sequence[str] = ()) -> ClassEmbeddings:
        found: ClassEmbeddings = self.names(vocabulary, clips)
        return found

    def probabilities(
        self, embeddings: JointEmbeddings, classes: ClassEmbeddings, tau: float
    ) -> Float[Tensor, "rows classes"]:
        """The mean over templates of what each would answer."""
        assert classes.by_template is not None
        clips = F.normalize(embeddings.fused[Modality.VIDEO], dim=-1)
        return torch.stack(
            [torch.softmax(clips @ F.normalize(one, dim=-1).T / tau, dim=-1) for one in classes.by_template]
        ).mean(dim=0)

    def losses(
        self, embeddings: JointEmbeddings, classes: ClassEmbeddings, targets: Int[Tensor, "rows"], tau: float
    ) -> Float[Tensor, "rows"]:
        """Against the names and clips of the micro-batch, as in every contrastive training."""
        matching = self.similarity(embeddings, classes)[:, targets] / tau  # clip i with the name of clip j
        same = (targets[:, None] == targets[None]).to(matching)
        truth = same / same.sum(dim=-1, keepdim=True)
        return (divergence(truth, matching) + divergence(truth, matching.T)) / 2


def divergence(truth: Float[Tensor, "rows columns"], scores: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows"]:
    """KL(truth || softmax(scores)) of each row; 0 log 0 is 0."""
    return (torch.xlogy(truth, truth) - truth * F.log_softmax(scores, dim=-1)).sum(dim=-1)
