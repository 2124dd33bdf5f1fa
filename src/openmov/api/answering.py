"""How a network answers: the class names it is given, and the rule from embeddings to probabilities.

MOV, single modalities, fine-tunes     the backbone's frozen names, base and novel path
methods with a text side of their own  their own names, their own similarity
"""

import threading
from collections import OrderedDict

import torch
from torch import nn

from openmov.api.wiring import Wiring
from openmov.baselines.own_text import OwnText, OwnTextRule
from openmov.model.inference import Prepared
from openmov.prediction.base_novel import NovelPath
from openmov.prediction.predictor import AnswerRule, BaseNovelRule, EmbedClasses
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings

_REMEMBERED = 8
"""Vocabularies kept in memory; the one asked for longest ago is forgotten first."""
_CPU = torch.device("cpu")


class OwnClassNames:
    """The class names of a network that is not trained meanwhile; each vocabulary is embedded once."""

    def __init__(self, network: OwnText) -> None:
        self._network = network
        self._known: OrderedDict[str, ClassEmbeddings] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, vocabulary: Vocabulary) -> ClassEmbeddings:
        """Raises BackboneError for names that are refused, VocabularyError for prompts that are none."""
        with self._lock:
            found = self._known.pop(vocabulary.identity, None) or self._network.classes(vocabulary).to(_CPU)
            self._known[vocabulary.identity] = found
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            return found


def base_novel_rule(wiring: Wiring, path: NovelPath | None = None) -> BaseNovelRule:
    """Base and novel path with the recipe's beta and temperatures, or with those of `path` on the novel one."""
    return BaseNovelRule(wiring.tau, path or wiring.novel_path, wiring.recipe.prediction.generalised)


def answering(wiring: Wiring, network: nn.Module, path: NovelPath | None = None) -> tuple[EmbedClasses, AnswerRule]:
    """Class names and answer rule of a network with the weights it has now; `path` replaces the recipe's novel path."""
    inner = network.model if isinstance(network, Prepared) else network
    if isinstance(inner, OwnText):
        return OwnClassNames(inner), OwnTextRule(inner, wiring.tau)
    return wiring.class_embedder(), base_novel_rule(wiring, path)
