"""What the main job has to show, as data: which method must beat which, where, and by how much.

The margins are the paper's own: MOV against CLIP on Kinetics-700 base classes (table 1) and on VGGSound novel classes
(table 2); the order of fusion methods is table 5's.
"""

from dataclasses import dataclass

from openmov.evaluation.content import MethodKind
from openmov.evaluation.result import Role


@dataclass(frozen=True)
class Goal:
    """Ours - theirs in accuracy is at least `margin`."""

    ours: MethodKind
    """The method that is meant to be better."""
    theirs: tuple[MethodKind, ...]
    """The best of these is what it is compared with."""
    role: Role
    """On which classes."""
    margin: float
    """Fraction; 0 asks only for not worse."""
    source: str
    """Where the margin comes from."""


MAIN_JOB = (
    Goal("mov", ("clip",), "base", 0.241, "table 1"),
    Goal("mov", ("clip",), "novel", 0.027, "table 2"),
    Goal("mov_calibrated", ("clip",), "novel", 0.027, "table 2"),
    Goal("mov", ("score_fusion",), "base", 0.0, "table 5"),
    Goal("score_fusion", ("single", "video"), "base", 0.0, "table 5"),
)
