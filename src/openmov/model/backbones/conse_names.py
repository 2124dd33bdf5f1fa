"""The sentence embeddings of the 1000 ImageNet class names, stored with the package in half precision (0.8 MB).

Made by `python -m openmov.model.backbones.conse_names` from the pinned files; a test makes them again and compares.
Embedding a thousand sentences at every start would take longer than everything else before the first answer.
"""

import hashlib
import io
from importlib import resources
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from openmov.model.backbones import CONSE, conse_files
from openmov.model.backbones.minilm import MiniLM
from openmov.runtime.atomic import atomic_file

_FILE = "conse_names.npy"


def read_name_vectors() -> tuple[Float[Tensor, "classes dim"], str]:
    """Unit vectors in the order of the classifier's logits, and the SHA-256 of the file they were read from."""
    content = (resources.files("openmov.model.backbones") / _FILE).read_bytes()
    stored = np.load(io.BytesIO(content), allow_pickle=False)
    return F.normalize(torch.from_numpy(stored).float(), dim=-1), hashlib.sha256(content).hexdigest()


def make_name_vectors() -> Float[Tensor, "classes dim"]:
    """The same, from the class names and the sentence encoder. Raises BackboneError where these are not installed."""
    return MiniLM(CONSE, *conse_files.read_sentence_encoder()).embed(conse_files.read_class_names())


if __name__ == "__main__":
    with atomic_file(Path(__file__).with_name(_FILE)) as temporary:
        np.save(temporary, make_name_vectors().half().numpy(), allow_pickle=False)
