"""Table 7's other networks: sound alone, classes known in advance, trained from scratch (the paper's were pretrained).

    spectrogram --trunk--> mean over bins and columns --linear, one row a class--> scores

A class that was not trained on has no row: these networks answer for no other names, and say so. Norms are over groups
of channels (Wu and He 2018) in place of the batch: an answer never depends on the clips beside it, in training neither.
Knows nothing of files.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from openmov.baselines import refuse_parts_of_encoders
from openmov.baselines.resnet import ResNet50, TwoPath
from openmov.errors import RecipeError, VocabularyError
from openmov.model.joint import num_views
from openmov.model.trained import NetworkParts, TrainedModel
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, ClipBatch, JointEmbeddings, Modality


class ScratchAudio(TrainedModel):
    """`resnet50_audio` and `slowfast_audio`. Raises RecipeError where the classes to learn are not known, and where
    some layers or patches shall not train: they have neither CLIP's layers nor patches."""

    def __init__(self, parts: NetworkParts) -> None:
        super().__init__()
        refuse_parts_of_encoders(parts, "has no pretrained layers and no patches")
        self.method, self.base = parts.recipe.model.method, tuple(parts.classes)
        if not self.base:
            what = f"{self.method} knows the classes it was trained on alone, and without a training there is none"
            raise RecipeError("model.method", what, "train it, or take another method")
        width = parts.recipe.baselines.scratch_width
        self.trunk = ResNet50(width) if self.method == "resnet50_audio" else TwoPath(width)
        self.classifier = nn.Linear(self.trunk.dim, len(self.base))
        self.spectrograms_at_a_time = parts.encoder_chunk

    def forward(self, batch: ClipBatch) -> JointEmbeddings:
        present = batch.present[Modality.AUDIO].repeat_interleave(num_views(batch))
        sounds = batch.inputs[Modality.AUDIO].flatten(0, 1)
        return self.join({Modality.AUDIO: self.encode_inputs(Modality.AUDIO, sounds)}, {Modality.AUDIO: present})

    def join(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]], present: Mapping[Modality, Bool[Tensor, "rows"]]
    ) -> JointEmbeddings:
        return JointEmbeddings({modality: tokens.mean(dim=1) for modality, tokens in frames.items()}, present)

    def encode_inputs(self, modality: Modality, inputs: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows _ dim"]:
        """Of spectrograms. Raises ValueError for another modality."""
        if modality is not Modality.AUDIO:
            raise ValueError(f"{self.method} listens, and knows nothing of {modality}")
        size = len(inputs) if torch.is_grad_enabled() else self.spectrograms_at_a_time
        return torch.cat([self.trunk(some).float() for some in torch.split(inputs, max(size, 1))])[:, None]

    def classes(self, vocabulary: Vocabulary, clips: Sequence[str] = ()) -> ClassEmbeddings:
        """The rows of the last layer, weights and bias. Raises VocabularyError for a name that has none."""
        place = {name: row for row, name in enumerate(self.base)}
        unknown = [name for name in vocabulary.names if name not in place]
        if unknown:
            what = f"{len(unknown)} are no classes that {self.method} was trained on ({', '.join(unknown[:3])})"
            raise VocabularyError("vocabulary", what, "ask for trained classes, or take a method of open vocabulary")
        rows = torch.tensor([place[name] for name in vocabulary.names], device=self.classifier.weight.device)
        with torch.set_grad_enabled(bool(clips)):
            layer = torch.cat([self.classifier.weight, self.classifier.bias[:, None]], dim=1)[rows]
            return ClassEmbeddings(vocabulary.names, F.normalize(layer[:, :-1], dim=-1), layer[None])

    def probabilities(
        self, embeddings: JointEmbeddings, classes: ClassEmbeddings, tau: float
    ) -> Float[Tensor, "rows classes"]:
        """softmax of the last layer; it has learned its own temperature."""
        return torch.softmax(_scores(embeddings, classes), dim=-1)

    def losses(
        self, embeddings: JointEmbeddings, classes: ClassEmbeddings, targets: Int[Tensor, "rows"], tau: float
    ) -> Float[Tensor, "rows"]:
        return F.cross_entropy(_scores(embeddings, classes), targets, reduction="none")


def _scores(embeddings: JointEmbeddings, classes: ClassEmbeddings) -> Float[Tensor, "rows classes"]:
    assert classes.by_template is not None
    layer = classes.by_template[0]
    return F.linear(embeddings.fused[Modality.AUDIO], layer[:, :-1], layer[:, -1])
