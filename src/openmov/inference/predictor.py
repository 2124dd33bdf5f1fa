"""Answers for many files from one network, loaded once.

    file --reader--> clip --network--> embeddings --base, novel or frozen path--> Prediction

Nothing of a video is cached: each file is read once, its views alone, so memory does not grow with the length of the
video or with the number of files.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from torch import nn

from openmov.baselines.frozen_clip import FrozenCLIP, FrozenCLIPRule
from openmov.baselines.text_head import TextHeadRule
from openmov.build import NOT_TRAINED, Components, answering, build_components
from openmov.config.choices import preset_of
from openmov.config.load import change_recipe
from openmov.config.schema import Recipe
from openmov.data.examples import ExampleInputs, example_inputs
from openmov.data.loader import collate, in_order
from openmov.data.records import Record
from openmov.data.segment import file_facts
from openmov.errors import DecodeError, RecipeError
from openmov.inference.answers import AnswerSettings, Prediction, ranked
from openmov.inference.streaming import StagedNetwork, StreamSettings
from openmov.inference.timeline import Answering, Timeline, TimelineSettings
from openmov.inference.towers import answers_by_towers, tower_scorer
from openmov.inference.trained import open_trained
from openmov.media.decode import Decoder
from openmov.model.backbones import ModelSource
from openmov.model.backbones.base import SoundTower
from openmov.model.backbones.folder import BUNDLED
from openmov.model.joint import num_views
from openmov.scoring.embeddings import AnswerRule, BaseNovelRule, NetworkScorer, answers_by_modality
from openmov.scoring.paths import NovelPath
from openmov.scoring.towers import TowersRule, confident_lead
from openmov.scoring.unknown import BackgroundTest, Thresholds
from openmov.shapesav.vocabulary import TASKS, base_novel_split
from openmov.store.class_vectors import ClassVectors
from openmov.text.label_sets import load_label_set
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, Clip, JointEmbeddings, Modality

_EVERYDAY = "kinetics700"
"""698 things people do: broad, and written without regard to anybody's labels."""


def default_background(base: Collection[str], backbone: str) -> tuple[str, ...]:
    """What a run was trained on; without a run, the classes of Kinetics-700.

    The bundled tiny CLIP knows no other words than its world's: for it, the base classes of the world's first tasks.
    """
    if base:
        return tuple(sorted(base))
    if backbone in BUNDLED:
        return tuple(name for task in TASKS[:2] for name in base_novel_split(task)[0])
    return load_label_set(_EVERYDAY).readable


_FLOW_THREADS = 2


class Predictor:
    """Made by `from_run` or `from_backbone`."""

    def __init__(
        self,
        components: Components,
        scorer: NetworkScorer,
        *,
        base: frozenset[str] = frozenset(),
        calibrated: bool = False,
        prompts: str = "kinetics700",
        thresholds: Thresholds | None = None,
    ) -> None:
        """`base`: the names the network was trained on; `prompts`: the templates it was trained with; `thresholds`:
        where "none of these" begins."""
        self._components, self._scorer, self._base = components, scorer, base
        self._calibrated, self._prompts = calibrated, prompts
        self._thresholds = thresholds or Thresholds()
        self._reader = components.dataset(flow_threads=_FLOW_THREADS)

    @classmethod
    def from_run(
        cls,
        run: Path,
        *,
        views: tuple[int, int] | None = None,
        backbone: str | None = None,
        revision: str | None = None,
        safetensors_only: bool = False,
        overrides: Sequence[str] = (),
        labels: ClassVectors | None = None,
        device: str = "auto",
        dtype: str = "auto",
    ) -> "Predictor":
        """A trained run or shared model (a folder, or `owner/model` of the hub), with what was calibrated for it.

        `views` are clips x crops, instead of the recipe's; `backbone` says where the run's backbone lies now, and
        `revision` which of a hub model's; `safetensors_only` refuses one that is published as a pickle; `overrides`
        change the recipe or the calibrated values
        (`prediction.beta=0.5`); class names are kept in `labels`, if given; `device` and `dtype` as in `Choices`.
        Raises RunFolderError, CheckpointError, BackboneError, RecipeError.
        """
        trained = open_trained(run, backbone=backbone, revision=revision, safetensors_only=safetensors_only)
        calibrated, recipe = trained.calibration, trained.components.recipe
        if calibrated is not None:
            recipe = recipe.model_copy(update={"prediction": recipe.prediction.model_copy(update=asdict(calibrated))})
        changed = _with_views(change_recipe(recipe, overrides), views)
        if changed.backbone.sound is not None:
            raise RecipeError("backbone.sound", NOT_TRAINED, "leave it out, or leave out --run")
        components = replace(trained.components, recipe=changed, labels=labels).computing(device, dtype)
        return cls(
            components,
            _scorer(components, trained.network(components)),
            base=frozenset(trained.base_classes),
            calibrated=components.novel_path == calibrated,
            prompts=trained.prompts,
            thresholds=trained.thresholds,
        )

    @classmethod
    def from_backbone(cls, recipe: Recipe, *, views: tuple[int, int] | None = None) -> "Predictor":
        """No training: frozen CLIP, or an untrained MOV where the recipe's method is mov. Raises BackboneError."""
        return cls.untrained(build_components(_with_views(recipe, views), None, hears=True))

    @classmethod
    def untrained(cls, components: Components, weights: NovelPath | None = None) -> "Predictor":
        """As `from_backbone`, with a backbone that is loaded already, and a sound tower beside it if there is one.

        `weights` were calibrated for the two.
        """
        if answers_by_towers(components):
            calibrated = weights is not None
            return cls(
                components,
                tower_scorer(components, weights),
                calibrated=calibrated,
                prompts=components.backbone.prompts,
            )
        if components.recipe.model.method == "video_only":
            rule = FrozenCLIPRule(components.backbone.temperature)
            scorer = _scorer(components, FrozenCLIP(components.backbone), rule)
        else:
            scorer = _scorer(components, components.network())
        return cls(components, scorer, prompts=components.backbone.prompts)

    @property
    def decoder(self) -> Decoder:
        """Who opens the files, by the recipe."""
        return self._components.decoder

    def read_with(self, decoder: Decoder) -> None:
        """Files are opened by this decoder from now on: with a GuardedDecoder, one that hangs is given up."""
        self._reader = self._components.dataset(flow_threads=_FLOW_THREADS, decoder=decoder)

    @property
    def backbone(self) -> tuple[str, str]:
        """Name and identity of the backbone that answers."""
        return self._components.backbone.name, self._components.backbone.identity

    @property
    def revision(self) -> str | None:
        """The commit the backbone's files are of, or what a hub model was pinned to; None for one of no hub."""
        return self.source.revision or self._components.recipe.backbone.revision

    @property
    def source(self) -> ModelSource:
        """Licence and revision of the backbone that answers."""
        return self._components.backbone.source

    def backbone_json(self) -> dict[str, Any]:
        """Which backbone answers, as every result file says it: plain values."""
        name, identity = self.backbone
        return {"name": name, "identity": identity, **self.source.to_json(), "revision": self.revision}

    def sound_json(self) -> dict[str, Any]:
        """Which pretrained tower hears, and by how much pictures must lead so that it cannot overrule them.

        Raises ValueError where none does.
        """
        tower = self.sound
        if tower is None:
            raise ValueError("no pretrained tower hears")
        named = {"name": tower.name, "identity": tower.identity, "family": tower.family}
        return {**named, **tower.source.to_json(), "confident_lead": self.confident_lead}

    @property
    def hears(self) -> bool:
        """Whether a file that holds nothing but sound can be answered from."""
        return Modality.AUDIO in self._scorer.modalities

    def look(self, path: Path) -> ExampleInputs:
        """What a person sees and hears of the middle of a video, motion included, whatever the network looks at.

        Raises DecodeError.
        """
        reader = self._components.dataset(frozenset(Modality), flow_threads=_FLOW_THREADS, decoder=self._reader.decoder)
        return example_inputs(reader, Record(str(path), path))

    @property
    def sees(self) -> bool:
        """Whether the network looks at pictures."""
        return Modality.VIDEO in self._scorer.modalities

    @property
    def sound(self) -> SoundTower | None:
        """The pretrained tower that hears, with words of its own; None where none does."""
        return self._components.sound

    @property
    def confident_lead(self) -> float | None:
        """By how much the pictures' best name must lead so that the sound cannot overrule it; None where no pretrained
        tower hears beside them, or where it may overrule anything (beta 1)."""
        rule = self._scorer.rule
        if not isinstance(rule, TowersRule) or not rule.hears or not self.sees or rule.beta >= 1:
            return None
        return confident_lead(rule.beta)

    @property
    def sees_motion(self) -> bool:
        """Whether the network looks at optical flow."""
        return Modality.FLOW in self._scorer.modalities

    def vocabulary(self, labels: Sequence[str], prompts: str | None = None) -> Vocabulary:
        """The labels with their roles: base where this predictor was trained on them.

        `prompts` names a template set or file; None takes those of the training, or without one the backbone's.
        Raises VocabularyError.
        """
        base = tuple(label for label in labels if label in self._base)
        return Vocabulary(base, tuple(label for label in labels if label not in self._base), prompts or self._prompts)

    def settings(self, vocabulary: Vocabulary) -> AnswerSettings:
        """How the probabilities of these names come about."""
        rule, recipe, compute = self._scorer.rule, self._components.recipe, self._components.compute
        looks = AnswerSettings(
            "frozen",
            views=f"{recipe.views.num_clips}x{recipe.views.num_crops}",
            preset=preset_of(recipe),
            device=str(compute.device),
            dtype=compute.dtype_name,
        )
        if isinstance(rule, TextHeadRule):
            return replace(looks, path="own", tau=rule.tau)
        if isinstance(rule, TowersRule) and rule.hears:
            numbers = asdict(rule.path) | ({} if self.sees else {"beta": None, "tau_v": None})
            return replace(looks, path="towers", calibrated=self._calibrated, **numbers)
        if not isinstance(rule, BaseNovelRule):
            return replace(looks, tau=self._components.backbone.temperature)
        if not vocabulary.novel:
            return replace(looks, path="base", tau=rule.tau)
        numbers = {**asdict(rule.novel), "calibrated": self._calibrated}
        if vocabulary.base and rule.generalised == "weighed":
            return replace(looks, path="weighed", tau=rule.tau, **numbers)
        return replace(looks, path="novel", **numbers)

    def predict(
        self,
        paths: Iterable[Path | DecodeError],
        vocabulary: Vocabulary,
        *,
        top: int = 5,
        workers: int = 1,
        unknown: BackgroundTest | None = None,
    ) -> Iterator[Prediction | DecodeError]:
        """One answer a file, in order, as soon as it is known; an unreadable file gives its error instead.

        `unknown`, of the same vocabulary, allows the answer "none of these".

        An error among `paths` keeps its place. More than one of `workers` read as many files ahead of the network.
        May be called from several threads at once.
        Raises BackboneError, before a file is opened, for names that cannot be embedded; VocabularyError for prompts
        that are none; ValueError for `top` below 1.
        """
        if top < 1:
            raise ValueError(f"top is {top}, not 1 or more")
        self._scorer.embed_classes(vocabulary)
        for path, clip in in_order(self._read, paths, workers):
            yield clip if isinstance(clip, DecodeError) else self._answer(path, clip, vocabulary, top, unknown)

    def _read(self, path: Path | DecodeError) -> tuple[Path, Clip | DecodeError]:
        if isinstance(path, DecodeError):
            return Path(path.where), path
        try:
            return path, self._reader.evaluation_clip(Record(str(path), path))
        except DecodeError as error:
            return path, error

    def background_test(self, vocabulary: Vocabulary, background: Sequence[str] | None = None) -> BackgroundTest:
        """What decides whether any of the names fits at all; `predict` and `timeline` take it as `unknown`.

        The names compete with `background`: by default those the run was trained on; without a run the classes of
        Kinetics-700, or, for the bundled tiny CLIP, the base classes of its world. The threshold is the run's own
        where it was calibrated. Raises BackboneError for words the backbone refuses, VocabularyError where no
        background is left.
        """
        names = default_background(self._base, self.backbone[0]) if background is None else tuple(background)
        return BackgroundTest(vocabulary, names, self._scorer.embed_classes, self._scorer.rule, self._thresholds)

    def timeline(
        self,
        path: Path,
        vocabulary: Vocabulary,
        settings: TimelineSettings | None = None,
        *,
        top: int = 5,
        unknown: BackgroundTest | None = None,
    ) -> Timeline:
        """A long video in sliding windows: iterate over it for windows and segments, as soon as they are known.

        `unknown`, of the same vocabulary, allows the answer "none of these". Raises BackboneError, DecodeError,
        VocabularyError.
        """
        components, scorer = self._components, self._scorer
        stream = StreamSettings(scorer.modalities, self._reader.pictures, components.hearing or components.recipe.audio)
        answering = Answering(scorer.rule, scorer.embed_classes(vocabulary), vocabulary, unknown, top)
        return Timeline(
            path, file_facts(path, self._reader.decoder), cast(StagedNetwork, scorer.model), answering, stream, settings
        )

    def _answer(
        self, path: Path, clip: Clip, vocabulary: Vocabulary, top: int, unknown: BackgroundTest | None
    ) -> Prediction:
        batch = collate([clip], self._scorer.modalities)
        embeddings, classes = self._scorer.embed(batch), self._scorer.embed_classes(vocabulary)
        rule: AnswerRule = self._scorer.rule
        if isinstance(rule, TowersRule):
            return self._answer_by_towers(path, clip, rule, embeddings, classes, top, unknown)
        streams = {}
        if isinstance(rule, BaseNovelRule):
            streams = dict(answers_by_modality(embeddings, classes, rule, num_views(batch)))
        answering = {*clip.present, "clip"} if Modality.VIDEO in clip.present else clip.present
        names = vocabulary.names
        return Prediction(
            path,
            ranked(rule(embeddings, classes, vocabulary).mean(0), names, top),
            tuple(modality for modality in Modality if modality in clip.present),
            {name: ranked(scores[0], names, top) for name, scores in streams.items() if name in answering},
            clip.notes,
            None if unknown is None else unknown.fit(embeddings),
        )

    def _answer_by_towers(
        self,
        path: Path,
        clip: Clip,
        rule: TowersRule,
        embeddings: JointEmbeddings,
        classes: ClassEmbeddings,
        top: int,
        unknown: BackgroundTest | None,
    ) -> Prediction:
        """Both answers, and how much each counts, where it hears; where it does not, the pictures' alone."""
        similarities, weights = rule.similarities(embeddings, classes), rule.weights(embeddings)
        shares = {stream: float(rows.mean()) for stream, rows in weights.items()} if rule.hears else {}
        held = {stream: share for stream, share in shares.items() if stream in similarities}
        answers = rule.answers(similarities)
        notes = list(clip.notes)
        if rule.hears and self.sees and Modality.AUDIO not in clip.present:
            notes.append("no sound in it: answered from its pictures alone")
        if rule.hears and self.sees and Modality.VIDEO not in clip.present:
            notes.append("no pictures in it: answered from its sound alone")
        return Prediction(
            path,
            ranked(rule.mixed(similarities, weights).mean(0), classes.names, top),
            tuple(modality for modality in Modality if modality in clip.present),
            {stream: ranked(answers[stream].mean(0), classes.names, top) for stream in held},
            tuple(notes),
            None if unknown is None else unknown.fit(embeddings),
            held,
        )


def _scorer(components: Components, network: nn.Module, rule: AnswerRule | None = None) -> NetworkScorer:
    """`rule` replaces the network's own, over the backbone's frozen class names."""
    prepared = components.answering(network)
    embed, own = answering(components, prepared)
    return NetworkScorer(prepared, embed, rule or own, components.modalities)


def _with_views(recipe: Recipe, views: tuple[int, int] | None) -> Recipe:
    return recipe if views is None else change_recipe(recipe, views_overrides(views))


def views_overrides(views: tuple[int, int]) -> tuple[str, str]:
    """Clips x crops as recipe fields."""
    return f"views.num_clips={views[0]}", f"views.num_crops={views[1]}"
