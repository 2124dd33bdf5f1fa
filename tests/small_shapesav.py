"""A small ShapesAV: a few classes of its motions, as something new would first be tried on."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

from openmov.shapesav.pool import PoolSize, write_world

SHAPES = ("star", "circle")
"""Classes of these shapes alone, so that flow of few clips is computed."""
OVERRIDES = (
    "video.num_frames=2",
    "views.train_seeds=1",
    "training.epochs=1",
    "training.batch_size=4",
    "training.keep_epochs=false",
)
"""A training of seconds."""


@dataclass(frozen=True)
class SmallShapesAV:
    """Where everything lies."""

    root: Path
    """Clips, lists and the cache."""

    @property
    def manifest(self) -> Path:
        """Clips of a few classes."""
        return self.root / "few.csv"

    @property
    def vocabulary(self) -> Path:
        """Their names."""
        return self.root / "few.json"

    @property
    def cache(self) -> Path:
        """Shared by all tests."""
        return self.root / "cache"


def make_small_shapesav(root: Path) -> SmallShapesAV:
    """Writes everything into a folder."""
    world = SmallShapesAV(root)
    write_world(world.root, PoolSize(1, 1, 1), 2026, workers=2, shown=False)
    names = json.loads((world.root / "vocabulary-motion.json").read_text())
    few = {role: [name for name in names[role] if name.split()[1] in SHAPES] for role in ("base", "novel")}
    world.vocabulary.write_text(json.dumps({**few, "prompts": names["prompts"]}))
    with (world.root / "manifest-motion.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["label"] in {*few["base"], *few["novel"]}]
    with world.manifest.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return world
