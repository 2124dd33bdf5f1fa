"""Recipe to parts: the backbone, the reader of clips, the network, the class names in the joint space.

The one place where packages that do not know each other are put together; it decides nothing a recipe could decide.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from openmov.baselines.text_head import TextHead, TextHeadRule
from openmov.config.schema import Recipe
from openmov.data.pictures import PictureSettings
from openmov.data.reader import ClipDataset
from openmov.data.sound import Hearing, SoundReader, WaveformReader
from openmov.errors import RecipeError
from openmov.media.decode import PLAIN, Decoder
from openmov.media.decode.by_torchcodec import TorchcodecDecoder
from openmov.methods import METHODS, MODALITIES
from openmov.modalities.rgb import RGB_VERSION
from openmov.model import NetworkParts, TrainedModel, build_network
from openmov.model.backbones import Backbone, load_backbone, load_sound_tower
from openmov.model.backbones.base import SoundTower, TextSide
from openmov.model.class_embeddings import embed_classes, text_identity
from openmov.model.encoders import FrozenFrameEncoder
from openmov.model.execution import Prepared
from openmov.runtime.compute import EXACT, Compute, choose_compute
from openmov.runtime.progress import progress_bar
from openmov.scoring.embeddings import AnswerRule, BaseNovelRule, EmbedClasses
from openmov.scoring.paths import NovelPath
from openmov.store.cache import ArrayCache
from openmov.store.class_vectors import ClassVectors
from openmov.store.features import FeatureFacts, StoredFeatures, open_features
from openmov.text.prompts import load_prompts
from openmov.text.vocabulary import Vocabulary
from openmov.types import OURS, ClassEmbeddings, Modality

_REMEMBERED = 8
"""Vocabularies kept in memory; the one asked for longest ago is forgotten first."""
_AT_A_TIME = 256
"""Names embedded between two looks at the progress, and lost at most by an interrupt."""
_MANY = 1024
"""From so many sentences on, a bar is shown."""


class ClassNames:
    """A function from vocabularies to vectors, in the order of their names."""

    def __init__(
        self, backbone: TextSide, store: ClassVectors | None = None, *, exact: bool = False, unit: bool = True
    ) -> None:
        """With `exact`, for training, a vocabulary is taken from `store` as a whole only (see `ClassVectors.find`).

        `unit` False keeps the lengths of the vectors, as `embed_classes` says.
        """
        self._backbone, self._store, self._exact, self._unit = backbone, store, exact, unit
        self._known: OrderedDict[str, ClassEmbeddings] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, vocabulary: Vocabulary) -> ClassEmbeddings:
        """Raises BackboneError for names the backbone refuses, VocabularyError for prompts that are none."""
        with self._lock:
            found = self._known.pop(vocabulary.identity, None) or self._embed(vocabulary)
            self._known[vocabulary.identity] = found
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            return found

    def _embed(self, vocabulary: Vocabulary) -> ClassEmbeddings:
        names, templates = vocabulary.names, load_prompts(vocabulary.prompts)
        if self._store is None:
            return embed_classes(self._backbone, names, templates, unit=self._unit)
        group = text_identity(self._backbone, templates, unit=self._unit)
        vectors, known = self._store.find(group, names, self._backbone.dim, exact=self._exact)
        if not known.all():
            missing = np.flatnonzero(~known)
            try:
                self._fill(vectors, known, missing, names, templates)
            finally:  # an interrupt keeps what is done
                held = np.flatnonzero(known)
                if len(held):
                    self._store.keep(group, [names[i] for i in held], vectors[held])
        return ClassEmbeddings(names, torch.from_numpy(vectors))

    def _fill(
        self,
        vectors: Float32[np.ndarray, "names dim"],
        known: np.ndarray,
        missing: np.ndarray,
        names: Sequence[str],
        templates: Sequence[str],
    ) -> None:
        """Embeds what is missing, in place."""
        shown = len(missing) * len(templates) >= _MANY
        with progress_bar("embedding names", len(missing), shown=shown) as progress:
            for start in range(0, len(missing), _AT_A_TIME):
                rows = missing[start : start + _AT_A_TIME]
                part = embed_classes(self._backbone, [names[i] for i in rows], templates, unit=self._unit)
                vectors[rows], known[rows] = part.vectors.numpy(), True
                progress(start + len(rows))


NOT_TRAINED = "names a pretrained sound tower, which answers by itself and takes no part in training"
ENCODER_CHUNK = 32
"""Frames that go through an encoder at a time where no gradient is needed."""


class FrozenEmbedder:
    """The frozen video encoder as a function from pictures to vectors, for the package `data`.

    A copy of the backbone's is made for the first picture: where all embeddings are stored there never is one.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._backbone, self._lock = backbone, threading.Lock()
        self._encoder: FrozenFrameEncoder | None = None
        self.identity = backbone.identity
        """Hash of its weights and preprocessing."""
        self.dim = backbone.dim
        """Width of an embedding."""

    @property
    def encoder(self) -> FrozenFrameEncoder:
        """The copy, made when it is first asked for."""
        with self._lock:
            if self._encoder is None:
                self._encoder = FrozenFrameEncoder(self._backbone.image_encoder(), self.dim, chunk=ENCODER_CHUNK)
            return self._encoder

    def __call__(self, images: Float[Tensor, "time 3 height width"]) -> Float[Tensor, "time dim"]:
        embedded: Tensor = self.encoder(images[None])[0]
        return embedded


@dataclass(frozen=True)
class Components:
    """The parts one recipe is run with."""

    recipe: Recipe
    """What was asked."""
    backbone: Backbone = field(repr=False)
    """Loaded."""
    cache: ArrayCache | None = field(repr=False)
    """For flow, spectrograms, frozen and class embeddings; None computes everything each time."""
    labels: ClassVectors | None = field(default=None, repr=False)
    """For class embeddings, name by name, as prediction keeps them; None keeps whole vocabularies in the cache."""
    features: StoredFeatures | None = field(default=None, repr=False)
    """Frozen video embeddings of many videos at once; what they lack is looked for in the cache."""
    classes: tuple[str, ...] = field(default=(), repr=False)
    """Names that are trained on, for methods whose last layer has a row for each."""
    sound: SoundTower | None = field(default=None, repr=False)
    """A pretrained tower that hears beside the backbone, or the backbone's own sound side; only without training."""
    compute: Compute = EXACT
    """Where and how exactly `answering` computes; all else, stored embeddings too, in fp32 on the processor."""

    def computing(self, device: str, dtype: str) -> "Components":
        """The same, answering on this device in this precision; `auto` is bf16 only for a backbone that it suits.

        Raises RecipeError.
        """
        wanted = "fp32" if dtype == "auto" and not self.backbone.suits_bf16 else dtype
        return replace(self, compute=choose_compute(device, wanted))

    def answering(self, network: nn.Module) -> Prepared:
        """Takes over a network, which only answers from then on."""
        return Prepared(network, self.compute)

    @property
    def modalities(self) -> frozenset[Modality]:
        """The streams the recipe's network looks at, and sound where a pretrained tower hears it."""
        heard = () if self.sound is None else (Modality.AUDIO,)
        return frozenset(Modality(name) for name in self.recipe.model.modalities).union(heard)

    @property
    def hearing(self) -> Hearing | None:
        """What a pretrained sound tower is given; None without one."""
        return None if self.sound is None else Hearing(self.sound.rate_hz, self.sound.longest_seconds)

    @property
    def trains_video(self) -> bool:
        """Whether the recipe's method trains the video's encoder, and so looks at frames."""
        return METHODS.get(self.recipe.model.method).trains_video

    @property
    def opens_files(self) -> bool:
        """Whether clips take anything else than stored features."""
        return self.features is None or self.modalities != {Modality.VIDEO} or self.trains_video

    @property
    def tau(self) -> float:
        """Temperature of training and of the base path."""
        return self.recipe.training.temperature or self.backbone.temperature

    @property
    def novel_path(self) -> NovelPath:
        """beta, and the temperatures of the novel path: the recipe's, or where it has none the backbone's."""
        chosen, backbone = self.recipe.prediction, self.backbone
        return NovelPath(chosen.beta, chosen.tau_x or backbone.tau_x, chosen.tau_v or backbone.tau_v)

    @cached_property
    def frozen_embedder(self) -> FrozenEmbedder:
        """One copy of the frozen video encoder, whoever reads."""
        return FrozenEmbedder(self.backbone)

    @property
    def decoder(self) -> Decoder:
        """Who opens the files. Raises RecipeError where it is not installed."""
        return TorchcodecDecoder() if self.recipe.video.decoder == "torchcodec" else PLAIN

    def dataset(
        self, modalities: frozenset[Modality] | None = None, *, flow_threads: int = 1, decoder: Decoder | None = None
    ) -> ClipDataset:
        """Reads clips for the recipe's network, or for some modalities; with a cache, video as stored embeddings, or
        as stored frames where its encoder trains.

        `decoder` None takes the recipe's. With a GuardedDecoder a file may hang or crash its decoder, and is then one
        that cannot be read. Raises RecipeError where the recipe's decoder is not installed.
        """
        recipe, backbone = self.recipe, self.backbone
        decoder = decoder or self.decoder
        wanted = self.modalities if modalities is None else modalities
        stores_video = self._stores_video and Modality.VIDEO in wanted and not self.trains_video
        sound = SoundReader(recipe.audio, self.cache, decoder)
        if self.hearing is not None:
            sound = WaveformReader(recipe.audio, self.hearing, decoder)
        return ClipDataset(
            wanted,
            PictureSettings(
                recipe.video,
                recipe.flow,
                backbone.mean,
                backbone.std,
                flow_threads,
                recipe.views.features,
                backbone.preprocessing.resize,
                backbone.preprocessing.interpolation,
            ),
            recipe.views,
            sound,
            cache=self.cache,
            embed_frames=self.frozen_embedder if stores_video else None,
            features=None if self.trains_video else self.features,
            store_frames=self.trains_video,
            decoder=decoder,
            others={one: MODALITIES.get(one.value)(recipe) for one in wanted if one not in OURS},
        )

    def network(self) -> TrainedModel:
        """The recipe's network before training; new weights are drawn from the recipe's seed.

        Raises RecipeError for a method that this backbone does not suit.
        """
        with seeded(self.recipe.training.seed):
            return build_network(
                NetworkParts(
                    self.backbone,
                    self.recipe,
                    self.class_embedder(),
                    self.classes,
                    not self._stores_video,
                    ENCODER_CHUNK,
                )
            )

    @property
    def _stores_video(self) -> bool:
        """Whether clips bring embeddings in place of frames, so that the network needs no video encoder."""
        return self.cache is not None or self.features is not None

    def class_embedder(self) -> ClassNames:
        """Class names to unit vectors of the backbone; each vocabulary is embedded once."""
        return self.class_names(self.backbone)

    def class_names(self, text_side: TextSide, *, unit: bool = True) -> ClassNames:
        """Class names as a text side embeds them, kept on disk if anything is; `unit` as `embed_classes` has it."""
        whole = None if self.cache is None else ClassVectors(self.cache.folder)
        return ClassNames(text_side, self.labels or whole, exact=self.labels is None, unit=unit)


def build_components(
    recipe: Recipe,
    cache_folder: Path | None,
    features: Path | None = None,
    *,
    backbone: Backbone | None = None,
    hears: bool = False,
) -> Components:
    """Loads what the recipe names (unless it is loaded: `backbone`), and opens a folder of stored features where one is
    given.

    A pretrained sound tower is loaded for those who ask for it (`hears`); training knows none.
    Raises BackboneError, StorageError, FeaturesError where the features were made for another recipe, RecipeError for
    a recipe with a sound tower where none is asked for.
    """
    asked, sound = recipe.backbone, None
    if asked.sound is not None and not hears:
        raise RecipeError("backbone.sound", NOT_TRAINED, "leave it out, or ask without a run (predict --sound)")
    cache = None if cache_folder is None else ArrayCache(cache_folder)
    backbone = backbone or load_backbone(recipe.backbone)
    stored = None if features is None else open_features(features, feature_facts(recipe, backbone))
    if asked.sound is not None:
        sound = load_sound_tower(asked.sound, asked.sound_revision, safetensors_only=asked.safetensors_only)
    return Components(recipe, backbone, cache, features=stored, sound=sound)


def feature_facts(recipe: Recipe, backbone: Backbone) -> FeatureFacts:
    """What decides the stored video embeddings of a recipe."""
    views = recipe.views
    fields = recipe.video.model_dump(mode="json")
    if fields["sampling"] == "stride":  # features older than this field looked so
        del fields["sampling"]
    pictures = {f"video.{name}": value for name, value in fields.items()}
    pictures["version"] = RGB_VERSION
    return FeatureFacts(
        backbone=backbone.name,
        identity=backbone.identity,
        dim=backbone.dim,
        num_frames=recipe.video.num_frames,
        precision=views.features,
        first_seed=views.first_seed,
        train_seeds=views.train_seeds,
        test_views=(views.num_clips, views.num_crops),
        pictures=pictures,
    )


def parameter_count(network: nn.Module) -> tuple[int, int]:
    """Weights in all, and those that train."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trains in sizes if trains)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws within the block come from `seed`; torch's generator goes on afterwards as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


_REMEMBERED_NAMES = 8
"""Vocabularies kept in memory; the one asked for longest ago is forgotten first."""
_CPU = torch.device("cpu")


class OwnClassNames:
    """The class names of a network that is not trained meanwhile; each vocabulary is embedded once."""

    def __init__(self, network: TextHead) -> None:
        self._network = network
        self._known: OrderedDict[str, ClassEmbeddings] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, vocabulary: Vocabulary) -> ClassEmbeddings:
        """Raises BackboneError for names that are refused, VocabularyError for prompts that are none."""
        with self._lock:
            found = self._known.pop(vocabulary.identity, None) or self._network.classes(vocabulary).to(_CPU)
            self._known[vocabulary.identity] = found
            while len(self._known) > _REMEMBERED_NAMES:
                self._known.popitem(last=False)
            return found


def base_novel_rule(components: Components, path: NovelPath | None = None) -> BaseNovelRule:
    """Base and novel path with the recipe's beta and temperatures, or with those of `path` on the novel one."""
    return BaseNovelRule(components.tau, path or components.novel_path, components.recipe.prediction.generalised)


def answering(
    components: Components, network: nn.Module, path: NovelPath | None = None
) -> tuple[EmbedClasses, AnswerRule]:
    """Class names and answer rule of a network with the weights it has now; `path` replaces the recipe's novel path."""
    inner = network.model if isinstance(network, Prepared) else network
    if isinstance(inner, TextHead):
        return OwnClassNames(inner), TextHeadRule(inner, components.tau)
    return components.class_embedder(), base_novel_rule(components, path)
