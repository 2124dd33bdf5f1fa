"""Names that nobody asked for, with which labels compete when "none of these" is a possible answer."""

from collections.abc import Collection

from openmov.data.shapesav.vocabulary import TASKS, base_novel_split
from openmov.model.backbones.folder import BUNDLED
from openmov.text.label_sets import load_label_set

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
