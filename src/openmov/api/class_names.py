"""Class names in the joint space: each vocabulary embedded once, however many threads ask.

in memory --else--> on disk --else--> the backbone's text side, with a bar if it takes long
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32

from openmov.model.backbones.base import TextSide
from openmov.model.classes import embed_classes, text_identity
from openmov.runtime.progress import progress_bar
from openmov.store.class_vectors import ClassVectors
from openmov.text.prompts import load_prompts
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings

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
