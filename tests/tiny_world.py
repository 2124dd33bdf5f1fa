"""A handful of clips with sound, a random CLIP of a few weights and a recipe for them: the whole job in seconds.

Five classes, each a direction of motion with a tone of its own; three are base. Novel classes have training videos
too, which nothing may open.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openmov.media.encode import write_clip
from tiny_backbones import make_tiny_clip_folder
from tiny_media import RATE_FPS, RATE_HZ, tone

BASE = ("star moving left", "circle moving right", "heart moving up")
NOVEL = ("moon moving down", "ring shaking")
STEPS = {"left": (0, -3), "right": (0, 3), "up": (-3, 0), "down": (3, 0), "shaking": (2, 2)}
COUNTS = {"train": 3, "val": 1, "test": 2}
NUM_FRAMES = 12
SIDE = 64

RECIPE = """\
name: tiny
backbone: {name: BACKBONE}
video: {num_frames: 4, stride_seconds: 0.1, short_side: 64, crop_size: 64, crop_area: [0.6, 1.0], flip_probability: 0}
flow: {short_side: 64, max_displacement_px: 5, tvl1: {num_warps: 2, outer_iterations: 2, inner_iterations: 5}}
audio: {mel_bins: 32, total_columns: 118, crop_columns: 96, time_mask: 10, frequency_mask: 4}
views: {train_seeds: 2, num_clips: 1, num_crops: 1}
model: {method: mov, modalities: [video, flow, audio], temporal_layers: 1}
training: {epochs: 2, batch_size: 4, learning_rate: 1e-3, keep_epochs: true}
"""


@dataclass(frozen=True)
class TinyWorld:
    """Where everything lies."""

    root: Path
    """The folder of all of it; the clips are in `clips/`."""

    @property
    def manifest(self) -> Path:
        """All clips, of base and of novel classes."""
        return self.root / "manifest.csv"

    @property
    def vocabulary(self) -> Path:
        """Base and novel names."""
        return self.root / "vocabulary.json"

    @property
    def recipe(self) -> Path:
        """Video, flow and sound, two epochs."""
        return self.root / "tiny.yaml"

    @property
    def backbone(self) -> Path:
        """A CLIP folder with random weights."""
        return self.root / "backbone"

    @property
    def cache(self) -> Path:
        """Shared by all that use this world."""
        return self.root / "cache"

    def clip(self, name: str, split: str = "test", number: int = 0) -> Path:
        """The video file of a class."""
        return self.root / "clips" / f"{name.replace(' ', '_')}-{split}{number}.mp4"

    def clips(self, names: tuple[str, ...], *splits: str) -> list[Path]:
        """All video files of some classes."""
        return [self.clip(name, split, i) for name in names for split in splits or COUNTS for i in range(COUNTS[split])]

    def inputs(self, cache: Path | None = None) -> list[str]:
        """What train and evaluate are told of the data; the cache is this world's own unless another is given."""
        lists = ["--manifest", str(self.manifest), "--vocabulary", str(self.vocabulary)]
        return [*lists, "--cache", str(cache or self.cache), "--workers", "1"]

    def train(self, out: Path, *more: str, cache: Path | None = None) -> list[str]:
        """Arguments of a training into `out`."""
        return ["train", "--recipe", str(self.recipe), *self.inputs(cache), "--out", str(out), *more]

    def evaluate(self, *runs: Path, cache: Path | None = None) -> list[str]:
        """Arguments of an evaluation."""
        return ["evaluate", *map(str, runs), *self.inputs(cache)]


def make_tiny_world(root: Path) -> TinyWorld:
    """Writes everything into a folder."""
    world = TinyWorld(root)
    make_tiny_clip_folder(world.backbone, image_size=64, patch_size=16, open_vocabulary=True, max_positions=32)
    rows = ["path,label,split"]
    for place, name in enumerate((*BASE, *NOVEL)):
        for split, count in COUNTS.items():
            for number in range(count):
                path = world.clip(name, split, number)
                _write(path, name.split()[-1], 300.0 * (place + 1), seed=100 * place + 10 * number + len(split))
                rows.append(f"{path.relative_to(root)},{name},{split}")
    world.manifest.write_text("\n".join(rows) + "\n")
    world.vocabulary.write_text(json.dumps({"base": BASE, "novel": NOVEL}))
    world.recipe.write_text(RECIPE.replace("BACKBONE", str(world.backbone)))
    return world


def _write(path: Path, motion: str, hz: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    ground, block = random.integers(0, 90, (2, SIDE + 72, SIDE + 72, 3))
    images = np.empty((NUM_FRAMES, SIDE, SIDE, 3), np.uint8)
    down, right = STEPS[motion]
    for number, image in enumerate(images):
        image[:] = ground[:SIDE, :SIDE]
        sign = (-1) ** number if motion == "shaking" else number
        top, left = 20 + sign * down // 2, 20 + sign * right // 2
        image[top : top + 20, left : left + 20] = 120 + block[:20, :20]
    write_clip(path, images, RATE_FPS, tone(hz, NUM_FRAMES / RATE_FPS), RATE_HZ)
