"""The values that cross packages.

    Clip        network inputs of one video, made by `data`
    ClipBatch   several of them, padded to one shape: where `data` and `model` meet
    JointEmbeddings   what a network says of a batch, in the backbone's joint space
    ClassEmbeddings   class names in the same space
    Scorer      anything that maps a ClipBatch and a Vocabulary to probabilities

Axis words used in every shape of the project:

    batch     videos of a batch
    views     seeded looks at one video (clips x crops, or one in training)
    time      frames of a view, in order (`num_frames`)
    channel   3: red, green, blue; or horizontal flow, vertical flow, zero; or the log-mel three times
    height, width       pixels
    bins, columns       mel filters and time steps of a spectrogram
    dim       width of the joint space (CLIP ViT-B/16: 512)
    classes   names of a vocabulary, in its order
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from openmov.methods import known_modality, modality_names
from openmov.text.vocabulary import Vocabulary


class _Ordered(type):
    """Iterating over Modality gives all of them in the order of sums: ours, then registered ones by their names."""

    def __iter__(cls) -> Iterator["Modality"]:
        return map(Modality, modality_names())


class Modality(str, metaclass=_Ordered):
    """A stream of a video, by its name: ours, or one that is registered in MODALITIES. There is one object a name.

    Results do not depend on how a set is written: sums are taken in the order in which Modality is iterated over.
    """

    VIDEO: ClassVar["Modality"]
    FLOW: ClassVar["Modality"]
    AUDIO: ClassVar["Modality"]
    _made: ClassVar[dict[str, "Modality"]] = {}

    def __new__(cls, name: str) -> "Modality":
        """Raises ValueError for a name that no modality has."""
        known = str(known_modality(name))
        return cls._made.setdefault(known, super().__new__(cls, known))

    def __reduce__(self) -> tuple[type["Modality"], tuple[str]]:
        return Modality, (self.value,)

    @property
    def value(self) -> str:
        """The name."""
        return str.__str__(self)


Modality.VIDEO, Modality.FLOW, Modality.AUDIO = map(Modality, ("video", "flow", "audio"))
OURS = (Modality.VIDEO, Modality.FLOW, Modality.AUDIO)
"""Those that are there without being registered."""


def extra_modalities() -> tuple[Modality, ...]:
    """What is fused with the video, in the order of sums."""
    return tuple(modality for modality in Modality if modality is not Modality.VIDEO)


@dataclass(frozen=True)
class Clip:
    """Network inputs of one video. A modality the file lacks is absent from the mapping."""

    video_id: str
    """Id of the manifest, unique there."""
    inputs: Mapping[Modality, Float[Tensor, "views ..."]] = field(repr=False)
    """VIDEO, FLOW: (views, time, 3, height, width), normalised for the backbone; AUDIO: (views, 3, bins, columns), or
    (views, samples) for a pretrained sound tower, which makes its own spectrograms."""
    frozen: Float[Tensor, "views time dim"] | None = field(default=None, repr=False)
    """Stored embeddings of the same views by the frozen video encoder, in place of inputs[VIDEO]."""
    label: str | None = None
    """Class name, where known."""
    notes: tuple[str, ...] = ()
    """What was odd in the file, one phrase each: it is cut off, packets are damaged."""

    @property
    def present(self) -> frozenset[Modality]:
        """The modalities this clip has; stored video embeddings count as video."""
        return frozenset(self.inputs) | ({Modality.VIDEO} if self.frozen is not None else frozenset())


@dataclass(frozen=True)
class ClipBatch:
    """Clips stacked along a new first axis; where a clip lacks a modality, zeros stand and `present` says so."""

    video_ids: tuple[str, ...]
    """One a video."""
    inputs: Mapping[Modality, Float[Tensor, "batch views ..."]] = field(repr=False)
    """As in Clip, with a leading batch axis."""
    present: Mapping[Modality, Bool[Tensor, "batch"]] = field(repr=False)
    """For each modality of the batch (stored video counts as video), which clips have it."""
    frozen: Float[Tensor, "batch views time dim"] | None = field(default=None, repr=False)
    """Stored video embeddings, in place of inputs[VIDEO]."""
    labels: tuple[str | None, ...] = ()
    """Class names, where known; as long as video_ids."""
    seeds: tuple[int, ...] = ()
    """In training, a number a clip from which whatever a network draws for it follows; as long as video_ids."""

    def __len__(self) -> int:
        return len(self.video_ids)

    def to(self, device: torch.device) -> "ClipBatch":
        """The same with its tensors on `device`."""
        return replace(
            self,
            inputs={modality: tensor.to(device, non_blocking=True) for modality, tensor in self.inputs.items()},
            present={modality: mask.to(device, non_blocking=True) for modality, mask in self.present.items()},
            frozen=None if self.frozen is None else self.frozen.to(device, non_blocking=True),
        )


@dataclass(frozen=True)
class JointEmbeddings:
    """What a network says of a batch; not normalised (similarity normalises)."""

    fused: Mapping[Modality, Float[Tensor, "batch dim"]] = field(repr=False)
    """v_m (VIDEO) and x_m (FLOW, AUDIO) of equations 5-8, each the mean over time (and over nothing else)."""
    present: Mapping[Modality, Bool[Tensor, "batch"]] = field(repr=False)
    """Which rows of each are meant; the others are to be ignored."""
    frozen: Float[Tensor, "batch dim"] | None = field(default=None, repr=False)
    """Mean over time of the normalised frame embeddings of the frozen video encoder: the CLIP baseline."""
    context: Float[Tensor, "batch tokens dim"] | None = field(default=None, repr=False)
    """What a method's own text side looks at of each clip (X-CLIP: its patches), to adapt class names to it."""
    own: Mapping[str, Float[Tensor, "batch _"]] = field(default_factory=dict, repr=False)
    """Of pretrained towers whose space is not the backbone's, by stream (`video`, `audio`, `both`): to be compared with
    class vectors of that stream alone (`ClassEmbeddings.own`)."""

    def to(self, device: torch.device) -> "JointEmbeddings":
        """The same with its tensors on `device`."""
        return self.map(lambda rows: rows.to(device))

    def map(self, change: Callable[[Tensor], Tensor]) -> "JointEmbeddings":
        """The same with every tensor changed: all of them have one row a clip and view."""
        return JointEmbeddings.from_tensors({name: change(rows) for name, rows in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by a name of its own: `fused/video`, `frozen` ..."""
        found: dict[str, Tensor] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Mapping):
                found |= {f"{one.name}/{key}": rows for key, rows in value.items()}
            elif value is not None:
                found[one.name] = value
        return found

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "JointEmbeddings":
        """Undoes `tensors`, whatever their order: modalities come in theirs, for sums follow it."""
        given: dict[str, Any] = {"fused": {}, "present": {}, "own": {}}
        for name, rows in sorted(tensors.items(), key=lambda item: _place(item[0].rpartition("/")[2])):
            one, _, key = name.partition("/")
            if key:
                given[one][key if one == "own" else Modality(key)] = rows
            else:
                given[one] = rows
        return cls(**given)


def _place(key: str) -> tuple[int, str]:
    order = modality_names()
    return (order.index(key) if key in order else len(order)), key


@dataclass(frozen=True)
class ClassEmbeddings:
    """Class names in the backbone's joint space."""

    names: tuple[str, ...]
    """Row order."""
    vectors: Float[Tensor, "classes dim"] = field(repr=False)
    """Unit rows: mean over templates of normalised text embeddings, normalised again."""
    by_template: Float[Tensor, "templates classes width"] | None = field(default=None, repr=False)
    """Text embeddings before they are normalised and averaged (width dim), for methods that do more with them; of a
    network with a row of weights for each class, these rows."""
    own: Mapping[str, Float[Tensor, "classes _"]] = field(default_factory=dict, repr=False)
    """The same names for streams with class vectors of their own (`JointEmbeddings.own`): as a pretrained sound tower's
    text side embeds them."""

    def to(self, device: torch.device) -> "ClassEmbeddings":
        """The same with its tensors on `device`."""
        kept = None if self.by_template is None else self.by_template.to(device)
        own = {stream: vectors.to(device) for stream, vectors in self.own.items()}
        return ClassEmbeddings(self.names, self.vectors.to(device), kept, own)

    def take(self, rows: Sequence[int]) -> "ClassEmbeddings":
        """Some of the names, in that order."""
        chosen = torch.tensor(rows, dtype=torch.long)
        kept = None if self.by_template is None else self.by_template[:, chosen]
        own = {stream: vectors[chosen] for stream, vectors in self.own.items()}
        return ClassEmbeddings(tuple(self.names[row] for row in rows), self.vectors[chosen], kept, own)

    def followed_by(self, others: "ClassEmbeddings") -> "ClassEmbeddings":
        """These names, then others of the same text sides."""
        both = None
        if self.by_template is not None and others.by_template is not None:
            both = torch.cat([self.by_template, others.by_template], dim=1)
        own = {stream: torch.cat([vectors, others.own[stream]]) for stream, vectors in self.own.items()}
        return ClassEmbeddings(self.names + others.names, torch.cat([self.vectors, others.vectors]), both, own)


@runtime_checkable
class Scorer(Protocol):
    """The one thing evaluation, prediction and baselines agree on."""

    @property
    def modalities(self) -> frozenset[Modality]:
        """The streams it looks at; what a batch holds beyond them it ignores."""
        ...

    def score(self, batch: ClipBatch, vocabulary: Vocabulary) -> Float[Tensor, "batch classes"]:
        """Probabilities over `vocabulary.names`, averaged over views; rows sum to 1.

        Where every name is base, the base path (equation 10) answers; otherwise all names go down the novel path
        (equations 11-12, appendix C).
        """
        ...
