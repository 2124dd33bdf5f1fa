"""Every other model of open_clip (PE-Core, EVA02, MobileCLIP2, SigLIP of timm, ConvNeXt, CoCa ...) as a Backbone.

The networks and tokenizers are open_clip's own (extra `openclip`), made from the folder's open_clip_config.json and
filled from its weights. Nothing is downloaded and no code of the folder runs: what open_clip would fetch by a name in
the config is refused, and so is every option of a tokenizer that could name code.

An architecture that is not known beforehand offers less than CLIP's own code: pictures of another shape than those it
was trained on, spectrograms among them, are resized to that shape; layers are counted in the order of its modules
(docs/decisions/0049). Knows nothing of video.
"""

import copy
import json
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from openmov.errors import BackboneError
from openmov.model.backbones.base import ImageEncoder
from openmov.model.backbones.contents import FETCH_AGAIN, ModelContents, read_contents, read_header
from openmov.model.backbones.folder import resolve_folder
from openmov.model.backbones.preprocessing import Preprocessing, folder_identity, read_preprocessing
from openmov.model.backbones.pretrained import refuse_ids_beyond, shortened
from openmov.model.backbones.source import ModelSource

_TEXT_BATCH = 256
_TOKENIZER_OPTIONS = {"clean", "strip_sep_token", "language"}
"""What a config may tell a tokenizer; others reach a loader that can be told to run code."""
_IN_TRAINING_ALONE = {"patch_dropout": 0.0, "timm_drop": 0.0, "timm_drop_path": None}
"""What a network would draw from torch's own generator: a run that is resumed has to draw the same again."""
_STEMS = ("stem", "patch_embed", "conv1")
_FAMILIES = (
    ("pe_core", "PE-Core"),
    ("eva02", "EVA02"),
    ("siglip", "SigLIP"),
    ("convnext", "ConvNeXt"),
    ("fastvit_mci", "MobileCLIP"),
    ("vit_base_mci", "MobileCLIP"),
)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class OpenCLIPImageEncoder(ImageEncoder):
    """A picture tower of open_clip: (batch, 3, height, width) -> (batch, dim), not normalised. Takes the tower over.

    Pictures of another height or width than `image_size` are resized to it. Norms over a batch keep the statistics they
    were trained with.
    """

    def __init__(self, visual: nn.Module, image_size: int) -> None:
        super().__init__()
        self.visual, self.image_size = visual, image_size
        self.projection: nn.Linear | None = None
        matrix = getattr(visual, "proj", None)
        if isinstance(matrix, nn.Parameter):  # open_clip's own ViT: a layer of its own here, so that it is the last's
            self.projection = nn.Linear(matrix.shape[0], matrix.shape[1], bias=False, device="meta")
            self.projection.weight = nn.Parameter(matrix.detach().T.contiguous())
            visual.proj = None  # type: ignore[assignment]  # as open_clip's own pruning does

    def layers_from_last(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Blocks, each with what stands between it and the block before; the stem belongs to none."""
        layers: list[list[nn.Module]] = []
        between: list[nn.Module] = []
        for module, is_block in _in_order(self.visual):
            if is_block:
                layers.append([module, *(between if layers else ())])
                between = []
            else:
                between.append(module)
        tail = [*between, *([self.projection] if self.projection is not None else [])]
        if not layers:
            return ((self.visual, *tail),)
        layers[-1] += tail
        return tuple(tuple(layer) for layer in reversed(layers))

    def train(self, mode: bool = True) -> "OpenCLIPImageEncoder":
        """Norms over a batch stay as they are (docs/decisions/0010)."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BATCH_NORMS):
                module.eval()
        return self

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        square = (self.image_size, self.image_size)
        if images.shape[-2:] != square:
            images = F.interpolate(images, square, mode="bicubic", antialias=True, align_corners=False)
        embedded = self.visual(images)
        embedding: Tensor = embedded[0] if isinstance(embedded, tuple) else embedded  # CoCa's tokens are not needed
        return embedding if self.projection is None else self.projection(embedding)


class OpenCLIPModel:
    """Picture and text tower of one model of open_clip; every property is as in `Backbone`."""

    prompts = "kinetics700"
    patch_size = 1
    suits_bf16 = False
    """Not known of an architecture that is not known."""
    source = ModelSource()

    def __init__(
        self, name: str, model: Any, tokenizer: Any, config: Any, preprocessing: Preprocessing, identity: str
    ) -> None:
        """`config`: `model_cfg` of open_clip_config.json."""
        self._model: Any = model.eval().requires_grad_(False)
        self._tokenizer, self._config = tokenizer, config
        self.name, self.identity, self.preprocessing = name, identity, preprocessing
        self.mean, self.std = preprocessing.mean, preprocessing.std
        self.family = _family(config)
        self.dim = int(config["embed_dim"])
        self.image_size = _side(name, model.visual)

    @classmethod
    def load(cls, name: str, contents: ModelContents | None = None) -> "OpenCLIPModel":
        """In single precision whatever it is stored in; without `contents` the folder behind `name` is read.

        Raises BackboneError where it cannot be found or used, or open_clip is not there.
        """
        found = contents or read_contents(name, resolve_folder(name))
        if found.format != "open_clip":
            raise BackboneError(name, "is not an open_clip model", "give a folder with open_clip_config.json")
        open_clip = import_open_clip(name)
        config = _safe_config(name, found)
        preprocessing = read_preprocessing(name, found)
        identity = folder_identity(found, preprocessing)
        tokenizer = _load_tokenizer(name, found, open_clip)
        model = _fill(name, found, _make(name, config, open_clip), open_clip)
        return cls(name, model, tokenizer, config, preprocessing, identity)

    @property
    def temperature(self) -> float:
        return math.exp(-float(self._model.logit_scale))

    @property
    def logit_bias(self) -> float | None:
        """b of sigmoid(cos / temperature + b), where the model was trained with a sigmoid; else None."""
        bias = self._model.logit_bias
        return None if bias is None else float(bias)

    @property
    def tau_x(self) -> float:
        """Its own temperature, as the paper's 0.01 is CLIP's."""
        return self.temperature

    @property
    def tau_v(self) -> float:
        """In the proportion of the paper's 0.003 to CLIP's own 0.01."""
        return 0.3 * self.temperature

    @property
    def num_heads(self) -> int:
        return math.gcd(self.dim, int(self._config["text_cfg"].get("heads", 8)))

    def image_encoder(self) -> ImageEncoder:
        encoder = OpenCLIPImageEncoder(copy.deepcopy(self._model.visual), self.image_size)
        return encoder.requires_grad_(True).eval()

    @torch.no_grad()
    def embed_text(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Text embeddings, not normalised; each is independent of the others it is embedded with.

        Raises BackboneError for sentences longer than the text tower.
        """
        batches = [sentences[i : i + _TEXT_BATCH] for i in range(0, len(sentences), _TEXT_BATCH)]
        device = self._model.logit_scale.device
        embedded = [self._model.encode_text(self._tokens(batch).to(device), normalize=False) for batch in batches]
        return torch.cat(embedded) if embedded else torch.zeros(0, self.dim)

    def _tokens(self, sentences: Sequence[str]) -> Int[Tensor, "sentences tokens"]:
        """Ids, filled up to the length of the text tower. open_clip itself would cut long sentences silently."""
        limit = int(self._tokenizer.context_length)
        for sentence in sentences:
            length = _num_tokens(self._tokenizer, sentence)
            if length > limit:
                what = f"{shortened(sentence)!r} is {length} tokens long, {limit} at most fit"
                raise BackboneError(self.name, what, "shorten the class name")
        tokens: Tensor = self._tokenizer(list(sentences))
        refuse_ids_beyond(self.name, tokens, int(self._config["text_cfg"].get("vocab_size", 49408)))
        return tokens


def import_open_clip(name: str) -> Any:
    """The package. Raises BackboneError where it is not installed, or cannot be imported beside this torch."""
    with _quiet():
        try:
            import open_clip
        except ModuleNotFoundError as error:
            what = f"is read by open_clip, which is not installed ({error.name} is missing)"
            raise BackboneError(name, what, "pip install openmov[openclip]") from error
        except (ImportError, RuntimeError) as error:
            # torchvision of another build: "operator torchvision::nms does not exist" (timm imports it)
            what = f"is read by open_clip, which cannot be imported beside torch {torch.__version__}: {_line(error)}"
            hint = "install torch and torchvision from one index, of versions that belong together"
            raise BackboneError(name, what, hint) from error
    return open_clip


def _in_order(module: nn.Module) -> Iterator[tuple[nn.Module, bool]]:
    """The tower's modules in the order they were made, and which of them are blocks: alike, one behind the other."""
    for name, child in module.named_children():
        if name.startswith(_STEMS):
            yield child, False
        elif _is_stack(child):
            for block in child.children():
                yield from _in_order(block) if _has_stack(block) else ((block, True),)
        elif _has_stack(child):
            yield from _in_order(child)
        else:
            yield child, False


def _is_stack(module: nn.Module) -> bool:
    """Whether a list of modules is one of blocks: all of one class, each made of other modules."""
    if not isinstance(module, nn.Sequential | nn.ModuleList):
        return False
    children = list(module.children())
    return len(children) > 1 and len(set(map(type, children))) == 1 and any(children[0].children())


def _has_stack(module: nn.Module) -> bool:
    return any(_is_stack(inner) for inner in module.modules())


def _make(name: str, config: Any, open_clip: Any) -> Any:
    """The network, not filled yet; which class it is, is open_clip's own rule."""
    settings = copy.deepcopy(config)
    custom_text = settings.pop("custom_text", False)
    plain = open_clip.CustomTextCLIP if custom_text else open_clip.CLIP
    with _quiet():
        try:
            return (open_clip.CoCa if "multimodal_cfg" in settings else plain)(**settings)
        except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
            what = f"its open_clip_config.json describes no network of open_clip: {_line(error)}"
            raise BackboneError(name, what, FETCH_AGAIN) from error


def _fill(name: str, contents: ModelContents, model: Any, open_clip: Any) -> Any:
    """Loads the weights, all of them. Where shapes differ, open_clip would stretch positions silently."""
    if len(contents.weights) != 1:
        raise BackboneError(name, "holds open_clip weights in parts", "give a model in one file")
    (file,) = contents.weights
    expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    for key, shape in read_header(name, file).items():
        wanted = expected.get(key, shape)
        if wanted != shape and math.prod(wanted) != math.prod(shape):
            what = f"its weights do not fit its open_clip_config.json ({key} is {shape}, not {wanted})"
            raise BackboneError(name, what, FETCH_AGAIN)
    with _quiet():
        try:
            open_clip.load_checkpoint(model, str(file), strict=True)
        except (RuntimeError, KeyError, ValueError) as error:
            what = f"its weights do not fit its open_clip_config.json: {_line(error)}"
            raise BackboneError(name, what, FETCH_AGAIN) from error
    return model.float()


def _safe_config(name: str, contents: ModelContents) -> Any:
    """`model_cfg` without what downloads, runs code, or draws at random in training. Raises BackboneError."""
    config: Any = copy.deepcopy(contents.config["model_cfg"])
    vision, text = config["vision_cfg"], config["text_cfg"]
    if text.get("hf_model_name"):
        what = f"its words are read by the network of {text['hf_model_name']}, which is not in the folder"
        raise BackboneError(name, what, "give a model with a text tower of open_clip's own")
    odd = sorted(set(text.get("tokenizer_kwargs") or {}) - _TOKENIZER_OPTIONS)
    if odd:
        raise BackboneError(name, f"tells its tokenizer {', '.join(odd)}, which is not allowed", FETCH_AGAIN)
    for option, value in _IN_TRAINING_ALONE.items():
        if option in vision:
            vision[option] = value
    vision["timm_model_pretrained"] = False
    return config


def _load_tokenizer(name: str, contents: ModelContents, open_clip: Any) -> Any:
    """open_clip's tokenizer for this config, from the folder's files or, for CLIP's words, from the package."""
    text = contents.config["model_cfg"]["text_cfg"]
    length = text.get("context_length", 77)
    options = dict(text.get("tokenizer_kwargs") or {})
    if not text.get("hf_tokenizer_name"):
        return open_clip.SimpleTokenizer(context_length=length, **options)
    if not contents.has_vocabulary:
        what = f"holds no tokenizer, and its words are those of {text['hf_tokenizer_name']}"
        raise BackboneError(name, what, "put that model's tokenizer.json beside its weights")
    _refuse_code(name, contents)
    safe = {"trust_remote_code": False, "local_files_only": True}
    with _quiet():
        try:
            return open_clip.tokenizer.HFTokenizer(
                str(contents.folder),
                context_length=length,
                tokenizer_mode=text.get("tokenizer_mode"),
                **options,
                **safe,
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise BackboneError(name, f"its tokenizer cannot be loaded: {_line(error)}", FETCH_AGAIN) from error


def _refuse_code(name: str, contents: ModelContents) -> None:
    for file in contents.tokenizer_files:
        if file.name == "tokenizer_config.json" and "auto_map" in json.loads(file.read_text(encoding="utf-8")):
            raise BackboneError(name, "its tokenizer is code, which is not run", "give a model with a tokenizer.json")


def _num_tokens(tokenizer: Any, sentence: str) -> int:
    """With beginning and end."""
    if hasattr(tokenizer, "encode"):
        return len(tokenizer.encode(tokenizer.clean_fn(sentence))) + 2
    return len(tokenizer.tokenizer(tokenizer.clean_fn(sentence)).input_ids)


def _side(name: str, visual: Any) -> int:
    size = visual.image_size
    height, width = size if isinstance(size, tuple | list) else (size, size)
    if height != width:
        raise BackboneError(name, f"looks at pictures of {height} x {width}, which are no squares", "give another")
    return int(height)


def _family(config: Any) -> str:
    if "multimodal_cfg" in config:
        return "CoCa"
    tower = str(config["vision_cfg"].get("timm_model_name") or "")
    return next((family for part, family in _FAMILIES if part in tower), "CLIP")


def _line(error: Exception) -> str:
    """The first line that says something, cut to a length that fits one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    text = " ".join(lines[:2])
    return text if len(text) <= 160 else f"{text[:157]}..."


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip and timm log to the root logger what is raised here, or known."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
