"""What videos show, in the user's own words.

    files, labels --reader--> clips --network of a run, or frozen CLIP--> Predictions

With a run, its base names among the labels are base and all others novel; without one, the backbone alone answers
(video), or, if more modalities are asked for, an untrained MOV down the novel path.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from openmov.api.measuring import LoadedRun, load_run
from openmov.api.train import load_calibration, load_trained
from openmov.api.wiring import Wiring, wire
from openmov.baselines.frozen_clip import FrozenCLIP, FrozenCLIPRule
from openmov.config.load import load_recipe
from openmov.config.schema import Recipe
from openmov.data.batching import collate
from openmov.data.examples import ExampleInputs
from openmov.data.reader import ClipReader
from openmov.data.records import Record
from openmov.errors import DecodeError, RecipeError
from openmov.evaluation.content import Answer, Example
from openmov.prediction.predictor import BaseNovelRule, NetworkScorer, answers_by_modality
from openmov.text.labels import parse_labels
from openmov.text.vocabulary import Vocabulary, load_vocabulary
from openmov.types import Clip, Modality


@dataclass(frozen=True)
class RankedNames:
    """Class names, most probable first."""

    names: tuple[str, ...]
    """As many as were asked for."""
    probabilities: tuple[float, ...]
    """Theirs; all classes together sum to 1."""


@dataclass(frozen=True)
class Prediction:
    """What one video shows."""

    path: Path
    """The file."""
    answers: RankedNames
    """The answer, and the next best."""
    modalities: tuple[Modality, ...]
    """What was seen and heard."""
    by_modality: dict[str, RankedNames] = field(repr=False)
    """What each stream would have said alone."""

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "path": str(self.path),
            "answers": _pairs(self.answers),
            "modalities": list(self.modalities),
            "by_modality": {name: _pairs(ranked) for name, ranked in self.by_modality.items()},
        }


class Predictor:
    """Loads once, answers for many files. Made by `from_run` or `from_backbone`."""

    def __init__(self, wiring: Wiring, reader: ClipReader, scorer: NetworkScorer, base: frozenset[str]) -> None:
        self._wiring, self._reader, self._scorer, self._base = wiring, reader, scorer, base

    @classmethod
    def from_run(cls, run: Path, *, views: tuple[int, int] | None = None) -> "Predictor":
        """A trained run; calibrated beta and tau_v where it has them. Raises RunFolderError, CheckpointError."""
        loaded: LoadedRun = load_run(run, None)
        wiring = _with_views(loaded.wiring, views)
        network = load_trained(wiring, loaded.folder.best)
        settings = load_calibration(run) or wiring.recipe.prediction
        rule = BaseNovelRule(wiring.tau, settings)
        scorer = NetworkScorer(network, wiring.class_embedder(), rule, wiring.modalities)
        base = frozenset(loaded.header.provenance.base_classes)
        return cls(wiring, wiring.reader(flow_threads=2), scorer, base)

    @classmethod
    def from_backbone(cls, recipe: Recipe, *, views: tuple[int, int] | None = None) -> "Predictor":
        """No training: frozen CLIP, or an untrained MOV where the recipe names flow or sound. Raises BackboneError."""
        wiring = _with_views(wire(recipe, None), views)
        if recipe.model.method == "video_only":
            rule = FrozenCLIPRule(wiring.backbone.temperature)
            scorer = NetworkScorer(FrozenCLIP(wiring.backbone), wiring.class_embedder(), rule, wiring.modalities)
        else:
            novel = BaseNovelRule(wiring.tau, recipe.prediction)
            scorer = NetworkScorer(wiring.network(), wiring.class_embedder(), novel, wiring.modalities)
        return cls(wiring, wiring.reader(flow_threads=2), scorer, frozenset())

    @property
    def backbone(self) -> tuple[str, str]:
        """Name and identity of the backbone that answers."""
        return self._wiring.backbone.name, self._wiring.backbone.identity

    def vocabulary(self, labels: Sequence[str], prompts: str = "kinetics700") -> Vocabulary:
        """The labels with their roles: base where this predictor was trained on them. Raises VocabularyError."""
        base = tuple(label for label in labels if label in self._base)
        return Vocabulary(base, tuple(label for label in labels if label not in self._base), prompts)

    def predict(
        self, paths: Sequence[Path], vocabulary: Vocabulary, *, top: int = 5
    ) -> Iterator[Prediction | DecodeError]:
        """One answer a file, in order, as soon as it is known; an unreadable file gives its error instead."""
        for path in paths:
            try:
                clip = self._reader.evaluation_clip(Record(str(path), path))
            except DecodeError as error:
                yield error
                continue
            yield self._answer(path, clip, vocabulary, top)

    def _answer(self, path: Path, clip: Clip, vocabulary: Vocabulary, top: int) -> Prediction:
        batch = collate([clip], self._scorer.modalities)
        views = next(iter(clip.inputs.values())).shape[0]
        embeddings, classes = self._scorer.embed(batch), self._scorer.embed_classes(vocabulary)
        rows = self._scorer.rule(embeddings, classes, vocabulary).mean(0)
        streams = {}
        if isinstance(self._scorer.rule, BaseNovelRule):
            streams = dict(answers_by_modality(embeddings, classes, self._scorer.rule, views))
        present = tuple(modality for modality in Modality if modality in clip.present)
        return Prediction(
            path,
            _ranked(rows, vocabulary.names, top),
            present,
            {name: _ranked(scores[0], vocabulary.names, top) for name, scores in streams.items()},
        )


def predictor_for(
    run: Path | None, backbone: str, modalities: str, views: str | None, overrides: Sequence[str] = ()
) -> Predictor:
    """What `openmov predict` answers with. Raises RecipeError for modalities or views that are none."""
    counts = _views(views)
    if run is not None:
        return Predictor.from_run(run, views=counts)
    streams = [name.strip() for name in modalities.split(",")]
    method = "video_only" if streams == ["video"] else "mov"
    chosen = [
        f"backbone.name={json.dumps(backbone)}",
        f"model.method={method}",
        f"model.modalities={json.dumps(streams)}",
    ]
    return Predictor.from_backbone(load_recipe("kinetics700", [*chosen, *overrides]), views=counts)


def labels_of(text: str) -> tuple[str, ...]:
    """Names separated by commas, or the lines of a text file of that name. Raises VocabularyError."""
    path = Path(text)
    if path.suffix in (".txt", ".json") or path.is_file():
        return load_vocabulary(path).names
    return parse_labels(text)


def _views(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    clips, _, crops = text.partition("x")
    if not (clips.isdecimal() and crops in ("1", "3") and int(clips) > 0):
        raise RecipeError("--views", f"{text!r} is no clips x crops", "write 1x1, 4x1 or 4x3")
    return int(clips), int(crops)


def example_of(prediction: Prediction, label: str | None, inputs: ExampleInputs) -> Example:
    """A prediction with its pictures, for a report."""
    sources = {**prediction.by_modality, "answer": prediction.answers}
    return Example(
        video_id=prediction.path.name,
        answers=tuple(Answer(name, ranked.names, ranked.probabilities) for name, ranked in sources.items()),
        label=label,
        frames=inputs.frames,
        flow_px=inputs.flow_px,
        spectrogram=inputs.spectrogram,
        sound_seconds=inputs.sound_seconds,
    )


def _with_views(wiring: Wiring, views: tuple[int, int] | None) -> Wiring:
    if views is None:
        return wiring
    fields = {"num_clips": views[0], "num_crops": views[1]}
    changed = type(wiring.recipe.views).model_validate(wiring.recipe.views.model_dump() | fields)
    return Wiring(wiring.recipe.model_copy(update={"views": changed}), wiring.backbone, wiring.cache)


def _ranked(scores: torch.Tensor, names: tuple[str, ...], top: int) -> RankedNames:
    order = scores.argsort(descending=True, stable=True)[:top].tolist()
    return RankedNames(tuple(names[i] for i in order), tuple(float(scores[i]) for i in order))


def _pairs(ranked: RankedNames) -> list[dict[str, object]]:
    return [
        {"name": name, "probability": probability}
        for name, probability in zip(ranked.names, ranked.probabilities, strict=True)
    ]
