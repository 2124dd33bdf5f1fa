"""From a network's embeddings to answers: the base path, the novel path, or frozen CLIP.

    ClipBatch --model--> JointEmbeddings --answer--> probabilities --mean over views--> one row a video

Knows no files and no training. A `Embeddings` keeps the embeddings of many clips, so that one pass of the network
answers under many vocabularies, temperatures and weights (tables 8 and 9, calibration).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from openmov.model.class_embeddings import class_probabilities
from openmov.model.joint import num_views
from openmov.runtime.checkpoint import tensors_from_bytes, tensors_to_bytes
from openmov.runtime.distributed import World
from openmov.scoring.paths import (
    Generalised,
    NovelPath,
    average_views,
    base_probabilities,
    novel_probabilities,
    parts_of,
    weighed_probabilities,
)
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, ClipBatch, JointEmbeddings, Modality

EmbedClasses = Callable[[Vocabulary], ClassEmbeddings]
"""Class names of a vocabulary, through its prompts, in the joint space."""

AnswerRule = Callable[[JointEmbeddings, ClassEmbeddings, Vocabulary], Float[Tensor, "rows classes"]]
"""Embeddings and class names to probabilities, one row a view."""


@dataclass(frozen=True)
class BaseNovelRule:
    """MOV's way: only base names, equation 10; otherwise every name goes down the novel path (11-12, appendix C).

    Base and novel names together may instead be answered by both paths, weighed.
    """

    tau: float
    """Temperature of the base path: the one of training."""
    novel: NovelPath
    """beta, tau_x and tau_v of the novel path."""
    generalised: Generalised = "novel"
    """What answers where base and novel names stand together."""

    def __call__(
        self, embeddings: JointEmbeddings, classes: ClassEmbeddings, vocabulary: Vocabulary
    ) -> Float[Tensor, "rows classes"]:
        if vocabulary.novel and vocabulary.base and self.generalised == "weighed":
            base, novel = parts_of(classes, vocabulary)
            return weighed_probabilities(embeddings, base, novel, self.tau, self.novel)
        if vocabulary.novel:
            return novel_probabilities(embeddings, classes, self.novel)
        return base_probabilities(embeddings, classes, self.tau)


def answers_by_modality(
    embeddings: JointEmbeddings, classes: ClassEmbeddings, rule: BaseNovelRule, views: int
) -> Mapping[str, Float[Tensor, "batch classes"]]:
    """What each stream would say alone: `clip` (frozen frames), and `video`, `flow`, `audio` after the fusion.

    Rows of a modality that a clip lacks mean nothing.
    """
    streams = {str(modality): (rows, rule.novel.tau_x) for modality, rows in embeddings.fused.items()}
    if embeddings.frozen is not None:
        streams["clip"] = (embeddings.frozen, rule.tau)
    return {
        name: average_views(class_probabilities(rows, classes, tau), views) for name, (rows, tau) in streams.items()
    }


class NetworkScorer:
    """A network that embeds clips, with the class names of any vocabulary: a Scorer."""

    def __init__(
        self, model: nn.Module, embed_classes: EmbedClasses, rule: AnswerRule, modalities: frozenset[Modality]
    ) -> None:
        self.model = model.eval()
        self.embed_classes = embed_classes
        self.rule = rule
        self._modalities = modalities

    @property
    def modalities(self) -> frozenset[Modality]:
        return self._modalities

    @torch.inference_mode()
    def embed(self, batch: ClipBatch) -> JointEmbeddings:
        """The network's embeddings, rows = clips x views."""
        embeddings: JointEmbeddings = self.model(batch)
        return embeddings

    def score(self, batch: ClipBatch, vocabulary: Vocabulary) -> Float[Tensor, "batch classes"]:
        rows = self.rule(self.embed(batch), self.embed_classes(vocabulary), vocabulary)
        return average_views(rows, num_views(batch))


@dataclass(frozen=True)
class Embeddings:
    """The embeddings of many clips, by video id."""

    video_ids: tuple[str, ...]
    """One a clip."""
    labels: tuple[str | None, ...]
    """Class names."""
    views: int
    """Consecutive rows of a clip."""
    embeddings: JointEmbeddings = field(repr=False)
    """Rows = clips x views."""

    def batches(self) -> Iterator[ClipBatch]:
        """Every clip, without network inputs: what a EmbeddingsScorer is evaluated on."""
        yield ClipBatch(self.video_ids, {}, {}, None, self.labels)

    def where(self, labels: Iterable[str]) -> "Embeddings":
        """The clips of some classes."""
        kept = frozenset(labels)
        return self.take([row for row, label in enumerate(self.labels) if label in kept])

    def take(self, clips: list[int]) -> "Embeddings":
        """The clips at some positions, in that order."""
        rows = torch.tensor(
            [clip * self.views + view for clip in clips for view in range(self.views)], dtype=torch.long
        )
        return replace(
            self,
            video_ids=tuple(self.video_ids[clip] for clip in clips),
            labels=tuple(self.labels[clip] for clip in clips),
            embeddings=self.embeddings.map(lambda tensor: tensor[rows]),
        )


def record(model: nn.Module, batches: Iterable[ClipBatch]) -> Embeddings:
    """One pass of the network, put in eval mode, over all clips; on its device, and kept on the processor.

    Raises ValueError where there is none, or not all have the same number of views.
    """
    ids: list[str] = []
    labels: list[str | None] = []
    parts: list[JointEmbeddings] = []
    views: set[int] = set()
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    model.eval()
    with torch.inference_mode():
        for batch in batches:
            ids += batch.video_ids
            labels += batch.labels or (None,) * len(batch)
            parts.append(model(batch.to(device)).to(torch.device("cpu")))
            views.add(num_views(batch))
    if len(views) != 1:
        raise ValueError(
            "no clip to record" if not views else f"clips with different numbers of views: {sorted(views)}"
        )
    return Embeddings(tuple(ids), tuple(labels), views.pop(), joined(parts))


class EmbeddingsScorer:
    """A Scorer that answers from a recording, for clips that are in it."""

    def __init__(self, recording: Embeddings, embed_classes: EmbedClasses, rule: AnswerRule) -> None:
        self.recording = recording
        self.embed_classes = embed_classes
        self.rule = rule
        self._position = {video_id: row for row, video_id in enumerate(recording.video_ids)}

    @property
    def modalities(self) -> frozenset[Modality]:
        return frozenset()

    def score(self, batch: ClipBatch, vocabulary: Vocabulary) -> Float[Tensor, "batch classes"]:
        found = self.recording.take([self._position[video_id] for video_id in batch.video_ids])
        return average_views(self.rule(found.embeddings, self.embed_classes(vocabulary), vocabulary), found.views)


def joined(parts: Sequence[JointEmbeddings]) -> JointEmbeddings:
    """Embeddings one below the other; what a whole batch lacks has rows of zeros that are not present."""
    counts = [len(next(iter(part.present.values()))) for part in parts]
    tensors = [part.tensors() for part in parts]
    names = dict.fromkeys(name for part in tensors for name in part)
    return JointEmbeddings.from_tensors(
        {name: _stacked([part.get(name) for part in tensors], counts) for name in names}
    )


def _stacked(parts: Sequence[Tensor | None], counts: Sequence[int]) -> Tensor:
    """Rows of all parts, zeros for a part that has none; one of them has some."""
    some = next(part for part in parts if part is not None)
    rows = [
        some.new_zeros(count, *some.shape[1:]) if part is None else part
        for part, count in zip(parts, counts, strict=True)
    ]
    return torch.cat(rows)


_ABOUT = "about"


def own_part(world: World, count: int, batch_size: int) -> range:
    """Which of `count` clips this process looks at: whole batches, contiguous, in the order of the processes."""
    batches = world.share(-(-count // batch_size))
    return range(batches.start * batch_size, min(count, batches.stop * batch_size))


def gathered(world: World, part: Embeddings | None) -> Embeddings:
    """The recording of all processes, in their order, the same everywhere; None where this process had no clip.

    Raises ValueError where none had any, OpenMovError where one has stopped.
    """
    parts = world.gather_bytes(b"" if part is None else _to_bytes(part))
    return _joined(_from_bytes(data) for data in parts if data)


def _joined(parts: Iterable[Embeddings]) -> Embeddings:
    found = list(parts)
    if len({part.views for part in found}) != 1:
        raise ValueError("no clip to record" if not found else "clips with different numbers of views")
    return Embeddings(
        tuple(video_id for part in found for video_id in part.video_ids),
        tuple(label for part in found for label in part.labels),
        found[0].views,
        joined([part.embeddings for part in found]),
    )


def _to_bytes(part: Embeddings) -> bytes:
    about = json.dumps([part.video_ids, part.labels, part.views]).encode()
    return tensors_to_bytes(part.embeddings.tensors() | {_ABOUT: torch.frombuffer(bytearray(about), dtype=torch.uint8)})


def _from_bytes(data: bytes) -> Embeddings:
    tensors = tensors_from_bytes(data)
    ids, labels, views = json.loads(tensors.pop(_ABOUT).numpy().tobytes())
    return Embeddings(tuple(ids), tuple(labels), views, JointEmbeddings.from_tensors(tensors))
