"""ResNet-50 (He et al. 2016), and a two-path network after SlowFast (Feichtenhofer 2019; for sound, Kazakos 2021).

    ResNet50   picture -> stem -> 3, 4, 6, 3 bottlenecks -> mean
    TwoPath    every 4th column -> slow path, wide  --+-> both means
               every column ----> fast path, 1/8 wide -+   the fast one's columns, four to one, join the slow after
                                                          the stem and after every stage but the last
Knows nothing of sound: columns are time.
"""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from openmov.baselines import refuse_parts_of_encoders
from openmov.errors import RecipeError, VocabularyError
from openmov.model.joint import num_views
from openmov.model.trained import NetworkParts, TrainedModel
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, ClipBatch, JointEmbeddings, Modality

_DEPTHS = (3, 4, 6, 3)
_EXPANSION = 4
_SPEED = 4
"""Columns of the fast path for one of the slow (alpha)."""
_NARROWER = 8
"""Channels of the slow path for one of the fast (1 / beta)."""


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride), 1x1, and the way past them."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = width * _EXPANSION
        same = stride == 1 and channels == out
        self.shortcut = nn.Identity() if same else nn.Sequential(_conv(channels, out, 1, stride), Norm(out))
        self.layers = nn.Sequential(
            _conv(channels, width, 1),
            Norm(width),
            nn.ReLU(),
            _conv(width, width, 3, stride),
            Norm(width),
            nn.ReLU(),
            _conv(width, out, 1),
            Norm(out),
        )

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch out high wide"]:
        return torch.relu(self.layers(x) + self.shortcut(x))


class ResNet50(nn.Module):
    """(batch, 3, height, width) -> (batch, dim); `width` 64 is the published one."""

    def __init__(self, width: int = 64, joining: int = 0) -> None:
        """`joining`: channels that come beside those of the stem, and twice, four, eight times as many later on."""
        super().__init__()
        self.stem = nn.Sequential(_conv(3, width, 7, 2), Norm(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.stages = nn.ModuleList()
        channels = width
        for number, depth in enumerate(_DEPTHS):
            beside = 0 if not joining else joining * (1 if number == 0 else _EXPANSION * 2 ** (number - 1))
            blocks, inner = [], width * 2**number
            for block in range(depth):
                came = channels + (beside if block == 0 else 0)
                blocks.append(Bottleneck(came, inner, 2 if number and not block else 1))
                channels = inner * _EXPANSION
            self.stages.append(nn.Sequential(*blocks))
        self.dim = channels
        _drawn(self)

    def forward(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        x = self.stem(pictures)
        for stage in self.stages:
            x = stage(x)
        pooled: Tensor = x.mean(dim=(2, 3))
        return pooled


class TwoPath(nn.Module):
    """(batch, 3, bins, columns) -> (batch, dim)."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        narrow = max(1, width // _NARROWER)
        self.fast = ResNet50(narrow)
        self.slow = ResNet50(width, joining=2 * narrow)
        sizes = [narrow, *(narrow * _EXPANSION * 2**number for number in range(len(_DEPTHS) - 1))]
        self.joins = nn.ModuleList(
            nn.Conv2d(size, 2 * size, (1, 5), stride=(1, _SPEED), padding=(0, 2), bias=False) for size in sizes
        )
        self.dim = self.slow.dim + self.fast.dim

    def forward(self, spectrograms: Float[Tensor, "batch 3 bins columns"]) -> Float[Tensor, "batch dim"]:
        fast, slow = self.fast.stem(spectrograms), self.slow.stem(spectrograms[..., ::_SPEED])
        for ours, theirs, join in zip(self.slow.stages, self.fast.stages, self.joins, strict=True):
            joined = join(fast)[..., : slow.shape[-1]]
            missing = slow.shape[-1] - joined.shape[-1]
            slow = ours(torch.cat([slow, nn.functional.pad(joined, (0, missing))], dim=1))
            fast = theirs(fast)
        return torch.cat([slow.mean(dim=(2, 3)), fast.mean(dim=(2, 3))], dim=1)


def _conv(channels: int, out: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, size, stride, padding=size // 2, bias=False)


class Norm(nn.GroupNorm):
    """Over 32 groups of channels, fewer in a narrower network: at least two channels each."""

    def __init__(self, channels: int) -> None:
        super().__init__(math.gcd(32, max(1, channels // 2)), channels)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        # nn.GroupNorm refuses a single picture of one pixel, mistaking the batch for what it averages over
        normed: Tensor = torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
        return normed


def _drawn(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class ScratchAudio(TrainedModel):
    """`resnet50_audio` and `slowfast_audio`. Raises RecipeError where the classes to learn are not known, and where
    some layers or patches should not train: they have neither CLIP's layers nor patches."""

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
