"""ConSE (Norouzi et al. 2014): an ImageNet classifier's probabilities weigh the sentence embeddings of its class names.

    picture --EfficientNet-Lite2--> p over 1000 classes --> sum over the 10 likeliest of p_i s_i / sum p_i
    s_i, labels --MiniLM--> unit vectors of the same space

Every published part comes from PyPI (extra `offline`): no hub is needed. Everything between a picture's pixels and its
embedding is differentiable, so flow and sound encoders start from it as from CLIP. Before training an embedding is a
convex combination of the vectors of class names. Knows nothing of video.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from openmov.model.backbones import CONSE, conse_files, efficientnet_lite
from openmov.model.backbones.base import ImageEncoder
from openmov.model.backbones.conse_names import read_name_vectors
from openmov.model.backbones.efficientnet_lite import EfficientNetLite2, fold_norms
from openmov.model.backbones.minilm import CONTRASTIVE_TEMPERATURE, DIM, MiniLM
from openmov.model.backbones.preprocessing import Preprocessing
from openmov.model.backbones.source import source_of

KEPT_CLASSES = 10
"""ConSE(10), the variant its paper recommends."""

_MEAN, _STD = 127 / 255, 128 / 255  # the classifier was trained on (value - 127) / 128
_NUM_HEADS = 8
_PICTURES_AT_A_TIME = 4
"""On a CPU: twice as fast as 16, as activations stay in its caches."""
_VERSION = 1
"""Raise it when the same weights would give other embeddings."""


class ConSEImageEncoder(ImageEncoder):
    """h of equation 1: (batch, 3, height, width) -> (batch, dim), not normalised; any size goes.

    Takes over the classifier it is given; `names` are the unit vectors of its classes, a linear layer that trains too.
    """

    classifier: EfficientNetLite2

    def __init__(self, classifier: EfficientNetLite2, names: Float[Tensor, "classes dim"]) -> None:
        super().__init__()
        self.classifier = classifier
        self.names = nn.Linear(len(names), names.shape[1], bias=False, device="meta")
        self.names.weight = nn.Parameter(names.T.contiguous())

    def layers_from_last(self) -> tuple[tuple[nn.Module, ...], ...]:
        """The 21 blocks from the last to the first; with the last go head, classes and their names (table 6)."""
        last, *others = reversed(self.classifier.blocks)
        end = (self.classifier.head, self.classifier.classifier, self.names)
        return ((last, *end), *((block,) for block in others))

    def for_inference(self, dtype: torch.dtype) -> ImageEncoder:
        """Norms folded into the convolutions, these in `dtype`; the classifier and what follows stay in float32."""
        return PreparedConSEEncoder(self, dtype)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        embedding: Tensor = self.names(kept_probabilities(self.classifier(images)))
        return embedding


class PreparedConSEEncoder(ImageEncoder):
    """A ConSEImageEncoder for answering: without gradient, a few pictures at a time; float32 embeddings."""

    def __init__(self, encoder: ConSEImageEncoder, dtype: torch.dtype) -> None:
        super().__init__()
        self.classifier, self.names, self.dtype = encoder.classifier, encoder.names, dtype
        fold_norms(self.classifier, dtype)
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        pieces = torch.split(images, _PICTURES_AT_A_TIME) if images.device.type == "cpu" else (images,)
        logits = torch.cat([self.classifier(some.to(self.dtype)) for some in pieces])
        embedding: Tensor = self.names(kept_probabilities(logits))
        return embedding


def kept_probabilities(logits: Float[Tensor, "batch classes"]) -> Float[Tensor, "batch classes"]:
    """Softmax over all classes, 0 but for the KEPT_CLASSES likeliest (more where they tie), scaled to sum to 1."""
    probabilities = torch.softmax(logits.float(), dim=-1)
    least = probabilities.detach().topk(min(KEPT_CLASSES, logits.shape[-1]), dim=-1).values[:, -1:]
    kept = torch.where(probabilities >= least, probabilities, 0.0)
    return kept / kept.sum(dim=-1, keepdim=True)


class ConSEBackbone:
    """Classifier and sentence encoder; every property is as in `Backbone`."""

    name, family = CONSE, "ConSE"
    dim = DIM
    image_size = efficientnet_lite.IMAGE_SIZE
    patch_size = 1
    mean = (_MEAN, _MEAN, _MEAN)
    std = (_STD, _STD, _STD)
    preprocessing = Preprocessing(mean, std)
    temperature = CONTRASTIVE_TEMPERATURE
    """Its sentence encoder's; the classifier never met a sentence."""
    tau_x = CONTRASTIVE_TEMPERATURE
    tau_v = 0.3 * CONTRASTIVE_TEMPERATURE
    """In the proportion of the paper's 0.003 to CLIP's own 0.01."""
    prompts = "none"
    """Labels stand bare, as the names of the 1000 classes do (docs/decisions/0009)."""
    suits_bf16 = False
    """A frame's embedding then differs by a cosine of up to 0.05: rounding adds up over 65 convolutions."""
    num_heads = _NUM_HEADS
    source = source_of(CONSE, None)

    def __init__(self, classifier: Mapping[str, Tensor], sentences: MiniLM) -> None:
        """`classifier`: tensors under their published names."""
        self._classifier, self._sentences = classifier, sentences
        self._names, names_sha256 = read_name_vectors()
        files = [names_sha256, *(file.sha256 for file in conse_files.PINNED)]
        facts = [CONSE, _VERSION, files, self.mean, self.std, KEPT_CLASSES]
        self.identity = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    @classmethod
    def load(cls) -> "ConSEBackbone":
        """From the installed packages. Raises BackboneError where one is missing, or a file is not the pinned one."""
        return cls(conse_files.read_classifier(), MiniLM(CONSE, *conse_files.read_sentence_encoder()))

    def image_encoder(self) -> ImageEncoder:
        with torch.device("meta"):
            classifier = EfficientNetLite2()
        classifier.load_published(self._classifier)
        return ConSEImageEncoder(classifier, self._names.clone()).requires_grad_(True).eval()

    def embed_text(self, sentences: Sequence[str]) -> Float[Tensor, "sentences dim"]:
        """Unit vectors, each independent of the others it is embedded with.

        Raises BackboneError for letters it does not know, and for sentences longer than the encoder was trained on.
        """
        return self._sentences.embed(sentences)
