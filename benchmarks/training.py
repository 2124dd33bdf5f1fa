"""Training: a step with stored frozen embeddings beside one without, and what else decides how long a training takes.

    python benchmarks/training.py [--quick] [--only steps|heads|world] [--json FILE]

Steps: one optimiser step (forward, backward, AdamW) of a MOV over a ViT-B/16 of random weights, 16 frames of 224 x 224
with as many of flow (one clip) or with a spectrogram of 128 x 800 (two clips); with --quick, 3 frames with flow, and
one clip, once, with sound, in which the pass of AdamW over the weights weighs twice as much. What is left out with
stored embeddings is the frozen video encoder alone: decoding its frames, which storing saves too, counts for neither.
Heads: the whole loop (reading, logging and checkpoints too) on a video head over stored embeddings, which opens no
video. World: clips of ShapesAV, the tiny CLIP, caches filled: data-wait share, and two processes of one thread beside
one; --quick leaves this section out, unless it is the one asked for. All rivals of a section take turns in one run on
the same input; the lesser time of the rounds counts.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table

from machine import machine
from openmov.build import Components, build_components, feature_facts
from openmov.config.load import change_recipe, load_recipe
from openmov.config.schema import ModelConfig, Recipe, TrainingConfig
from openmov.data.loader import TrainLoader
from openmov.data.manifest import load_manifest
from openmov.data.records import Record
from openmov.model import JointModel, build_model
from openmov.model.backbones import Backbone
from openmov.model.encoders import FrameEncoder
from openmov.prepare.manifest import PrepareOptions, prepare_manifest
from openmov.prepare.pack import pack_manifest
from openmov.runtime.checkpoint import Provenance
from openmov.runtime.run_folder import RunFolder
from openmov.shapesav.pool import PoolSize, write_world
from openmov.store.features import open_features, write_features
from openmov.training.loop import TrainingSummary, train
from openmov.training.objective import BaseObjective
from openmov.training.optimizer import build_optimizer, trained_parameters
from openmov.training.step import batch_loss
from openmov.types import ClassEmbeddings, ClipBatch, Modality
from predict import random_clip

CPU = torch.device("cpu")
CLASSES = tuple(f"class {number}" for number in range(400))
SECTIONS = ("steps", "heads", "world")
GOALS = {
    "video + flow: stored over not": 1.2,
    "video + sound: stored over not": 4.0,
    "video + flow: stored over fine-tuning the video too": 1.7,
    "video + flow: half of the patches over all": 1.5,
}


@dataclass
class Stepper:
    """One network with its optimiser, as the loop has them."""

    network: JointModel
    config: TrainingConfig
    objective: BaseObjective
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.optimizer = build_optimizer(trained_parameters(self.network), self.config)
        self.network.train()

    def step(self, batch: ClipBatch, precision: str = "fp32") -> float:
        """Seconds of one."""
        config = self.config.model_copy(update={"precision": precision})
        started = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        loss = batch_loss(self.network, self.objective, batch, 0, config, CPU)
        torch.autograd.backward(loss.total / len(batch))
        self.optimizer.step()
        return time.perf_counter() - started


def objective(dim: int) -> BaseObjective:
    vectors = F.normalize(torch.randn(len(CLASSES), dim, generator=torch.Generator().manual_seed(3)), dim=-1)
    return BaseObjective(ClassEmbeddings(CLASSES, vectors), 0.5, 0.01)


def inputs(frames: int, modality: Modality, clips: int = 1) -> dict[bool, ClipBatch]:
    """The same clips with stored embeddings (True), and with frames."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    pictures = (clips, 1, frames, 3, 224, 224)
    extra = drawn(clips, 1, 3, 128, 800) if modality is Modality.AUDIO else drawn(*pictures)
    names, labels = tuple(map(str, range(clips))), tuple(CLASSES[:clips])
    present = {one: torch.ones(clips, dtype=torch.bool) for one in (Modality.VIDEO, modality)}
    shown = {Modality.VIDEO: drawn(*pictures), modality: extra}
    return {
        True: ClipBatch(names, {modality: extra}, present, drawn(clips, 1, frames, 512), labels),
        False: ClipBatch(names, shown, present, None, labels),
    }


def network(backbone: Backbone, modality: Modality, frames: int, **model: Any) -> JointModel:
    config = ModelConfig(modalities=("video", modality.value), **model)
    torch.manual_seed(0)
    return build_model(backbone, config, num_frames=frames, encoder_chunk=frames)


def steps(folder: Path, *, quick: bool) -> dict[str, float]:
    """Seconds of every kind of step, by name; one modality after the other, for the networks are large."""
    recipe = change_recipe(load_recipe("kinetics700"), [f"backbone.name={folder}"])
    backbone, config = build_components(recipe, None).backbone, TrainingConfig(batch_size=1)
    found: dict[str, float] = {}
    shapes = ((Modality.FLOW, 3 if quick else 16, 1), (Modality.AUDIO, 16, 1 if quick else 2))
    for modality, frames, clips in shapes:
        name = "flow" if modality is Modality.FLOW else "sound"
        batches, judge = inputs(frames, modality, clips), objective(backbone.dim)
        plain, others = Stepper(network(backbone, modality, frames), config, judge), []
        work: dict[str, Callable[[], float]] = {
            f"video + {name}, stored": lambda one=plain, b=batches: one.step(b[True]),
            f"video + {name}, not stored": lambda one=plain, b=batches: one.step(b[False]),
            f"video + {name}, stored, bf16": lambda one=plain, b=batches: one.step(b[True], "bf16"),
        }
        if modality is Modality.FLOW:
            tuned = network(backbone, modality, frames)
            tuned.encoders["video"] = FrameEncoder(backbone.image_encoder(), backbone.dim)
            others.append(whole := Stepper(tuned, config, judge))
            work["video + flow, fine-tuning the video too"] = lambda one=whole, b=batches: one.step(b[False])
        others.append(half := Stepper(network(backbone, modality, frames, patch_dropout=0.5), config, judge))
        work[f"video + {name}, stored, half of the patches"] = lambda one=half, b=batches: one.step(b[True])
        warm = inputs(1, modality)
        for one in (plain, *others):
            one.step(warm[False])
        found |= by_turns(work, 1 if quick and modality is Modality.AUDIO else 2)
        del work, plain, others
        gc.collect()
    return found


def by_turns(work: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The least seconds of each."""
    least = dict.fromkeys(work, float("inf"))
    for _ in range(rounds):
        for name, one in work.items():
            least[name] = min(least[name], one())
    return least


def step_ratios(seconds: Mapping[str, float]) -> dict[str, float]:
    found = {}
    for one, other in (("flow", "video + flow"), ("sound", "video + sound")):
        stored = seconds[f"{other}, stored"]
        found[f"{other}: stored over not"] = seconds[f"{other}, not stored"] / stored
        if one == "flow":
            found[f"{other}: stored over fine-tuning the video too"] = (
                seconds[f"{other}, fine-tuning the video too"] / stored
            )
        half = seconds[f"{other}, stored, half of the patches"]
        found[f"{other}: half of the patches over all"] = stored / half
        found[f"{other}: stored and half of the patches over neither"] = seconds[f"{other}, not stored"] / half
        found[f"{other}: bf16 over fp32"] = stored / seconds[f"{other}, stored, bf16"]
    return found


def heads(folder: Path, work: Path, *, quick: bool) -> dict[str, dict[str, float]]:
    """Clips a second and data-wait share of whole trainings over stored embeddings, by head, width and precision."""
    widths = {"D = 512": (str(folder), "kinetics700", 16), "tiny CLIP": ("shapesav-tiny", "shapesav-motion", 8)}
    runs: dict[str, Callable[[], TrainingSummary]] = {}
    for width, (name, bundled, frames) in widths.items():
        single = ["model.method=video_only", "model.modalities=[video]", f"backbone.name={name}"]
        views = ["views.train_seeds=1", "views.num_clips=1", "views.num_crops=1"]
        base = change_recipe(load_recipe(bundled), [*single, *views, "training.epochs=1", "training.batch_size=256"])
        clips = 256 * ((2 if quick else 8) if width.startswith("D") else (16 if quick else 64))
        for method in ("video_only", "clip_adapter"):  # those that look at nothing but the video, and train
            for precision in ("fp32", "bf16"):
                recipe = change_recipe(base, [f"model.method={method}", f"training.precision={precision}"])
                components = with_features(recipe, work / f"features-{frames}", clips)
                out = work / f"{width}-{method}-{precision}".replace(" ", "")
                runs[f"{method}, {width}, {precision}"] = HeadTraining(components, clips, out)
    found: dict[str, dict[str, float]] = {}
    for _ in range(1 if quick else 2):
        for name, run in runs.items():
            summary = run()
            speed = {"clips a second": summary.clips_per_second, "data wait": summary.data_wait_share}
            if name not in found or speed["clips a second"] > found[name]["clips a second"]:
                found[name] = speed
    return found


def with_features(recipe: Recipe, folder: Path, clips: int) -> Components:
    """The recipe's parts with stored embeddings of so many videos that never were."""
    components = build_components(recipe, None)
    facts = feature_facts(recipe, components.backbone)
    if not folder.exists():
        rng = np.random.default_rng(0)
        with write_features(folder, facts) as writer:
            for number in range(clips):
                view = rng.standard_normal((facts.num_frames, facts.dim), dtype=np.float32)
                writer.add(str(number), "", [view], training=True)
    return Components(recipe, components.backbone, None, features=open_features(folder, facts))


@dataclass
class HeadTraining:
    """One training, from the start each time it is called."""

    components: Components
    clips: int
    out: Path
    times: int = 0

    def __call__(self) -> TrainingSummary:
        self.times += 1
        recipe, dim = self.components.recipe, self.components.backbone.dim
        records = [Record(str(n), Path("none"), CLASSES[n % len(CLASSES)]) for n in range(self.clips)]
        return train(
            self.components.network(),
            TrainLoader(self.components.dataset(), records, 0, 1),
            objective(dim),
            recipe.training,
            RunFolder.create(self.out.with_name(f"{self.out.name}-{self.times}"), {}, "f", resume=False),
            Provenance({}, "random", "random", "none", CLASSES, "none"),
            progress=False,
        )


@dataclass(frozen=True)
class World:
    """A few clips of ShapesAV with all caches filled."""

    root: Path

    @property
    def manifest(self) -> Path:
        return self.root / "clips" / "manifest-motion.csv"

    def train(self, processes: int, epochs: int, out: Path, *more: str, threads: int = 1) -> dict[str, Any]:
        """The summary of `openmov train` in processes of so many threads."""
        clips = self.root / "clips"
        lists = ["--manifest", str(self.manifest), "--vocabulary", str(clips / "vocabulary-motion.json")]
        changes = [f"training.epochs={epochs}", "views.train_seeds=1", "training.keep_epochs=false", *more]
        sets = [word for change in changes for word in ("--set", change)]
        verb = ["train", "--recipe", "shapesav-motion", *lists, "--cache", str(self.root / "cache"), "--out", str(out)]
        start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        program = self.root / "train.py"
        program.write_text("from openmov.cli import main\nmain()\n")
        done = subprocess.run(
            [sys.executable, *(start if processes > 1 else []), str(program), *verb, *sets, "--json"],
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        return dict(json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{") :])[0])


def make_world(root: Path, *, quick: bool) -> World:
    world = World(root)
    write_world(root / "clips", PoolSize(1 if quick else 8, 1, 0), 2026, workers=2, shown=False)
    recipe = change_recipe(load_recipe("shapesav-motion"), ["views.train_seeds=1"])
    for split in ("train", "val"):
        options = PrepareOptions(2, "threads", limit_seconds=None)
        prepare_manifest(recipe, world.manifest, split, cache_folder=root / "cache", options=options, shown=False)
    return world


def reading(world: World, *, quick: bool) -> dict[str, float]:
    """Clips of stored video a second: from a file a view, from shards, mapped into memory."""
    single = ["model.method=video_only", "model.modalities=[video]", "views.train_seeds=1"]
    recipe, cache = change_recipe(load_recipe("shapesav-motion"), single), world.root / "cache"
    features, packed = world.root / "features", world.root / "pack"
    threads = PrepareOptions(2, "threads", limit_seconds=None)
    filled = {"cache_folder": cache, "features": features, "options": threads}
    prepare_manifest(recipe, world.manifest, "train", **filled, shown=False)
    pack_manifest(recipe, world.manifest, packed, "train", cache_folder=cache, shown=False)
    records = [record for record in load_manifest(world.manifest).records if record.split == "train"]
    sources = {
        "a file each": TrainLoader(build_components(recipe, cache).dataset(), records, 0, 2),
        "tar shards": TrainLoader(build_components(recipe, packed).dataset(), records, 0, 2),
        "mapped into memory": TrainLoader(build_components(recipe, cache, features).dataset(), records, 0, 2),
    }
    batches = [range(start, min(start + 64, len(records))) for start in range(0, len(records), 64)]

    def read(source: TrainLoader) -> float:
        started = time.perf_counter()
        for batch in batches:
            source.batch(batch, 0)
        return time.perf_counter() - started

    for source in sources.values():
        read(source)
    seconds = by_turns({name: lambda s=source: read(s) for name, source in sources.items()}, 3 if quick else 10)
    return {name: len(records) / one for name, one in seconds.items()}


def trainings(world: World, *, quick: bool) -> dict[str, dict[str, float]]:
    """Clips a second and data-wait share of whole trainings by the command, by processes and threads."""
    epochs, found = 2 if quick else 3, {}
    for turn in range(1 if quick else 3):
        for name, processes, threads in (("1 process, 1 thread", 1, 1), ("2 processes, 1 thread", 2, 1)):
            done = world.train(processes, epochs, world.root / f"{turn}-{processes}-{threads}", threads=threads)
            speed = {"clips a second": done["clips_per_second"], "data wait": done["data_wait_share"]}
            if name not in found or speed["clips a second"] > found[name]["clips a second"]:
                found[name] = speed
    return found


def show(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in ("", *columns):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(width=max(110, Console().width)).print(table)


def show_steps(seconds: Mapping[str, float], ratios: Mapping[str, float], frames: int) -> None:
    title = f"one step, ViT-B/16 ({frames} frames with flow, 16 with sound)"
    show(title, ("seconds",), [(name, f"{value:.2f}") for name, value in seconds.items()])
    rows = [(name, f"{value:.2f}", f"{GOALS[name]:g}" if name in GOALS else "") for name, value in ratios.items()]
    show("times as fast", ("ratio", "goal"), rows)


def show_speeds(title: str, speeds: Mapping[str, Mapping[str, float]]) -> None:
    rows = [(name, f"{one['clips a second']:.0f}", f"{one['data wait']:.1%}") for name, one in speeds.items()]
    show(title, ("clips a second", "waiting for data"), rows)


def run_all(options: argparse.Namespace, work: Path) -> tuple[dict[str, Any], dict[str, float]]:
    facts: dict[str, Any] = {}
    headline = {}
    wanted = (options.only,) if options.only else ("steps", "heads") if options.quick else SECTIONS
    folder = random_clip(work / "clip") if {"steps", "heads"} & set(wanted) else work
    if "steps" in wanted:
        seconds = steps(folder, quick=options.quick)
        ratios = step_ratios(seconds)
        show_steps(seconds, ratios, 3 if options.quick else 16)
        facts |= {"seconds a step": seconds, "ratios": ratios}
        headline = {"step_with_stored_over_without_video_flow": ratios["video + flow: stored over not"]}
    if "heads" in wanted:
        facts["heads"] = heads(folder, work, quick=options.quick)
        show_speeds("video heads over stored embeddings, batches of 256", facts["heads"])
        headline = headline or {"clips_a_second_at_512": facts["heads"]["video_only, D = 512, bf16"]["clips a second"]}
    if "world" in wanted:
        world = make_world(work / "world", quick=options.quick)
        facts["trainings"] = trainings(world, quick=options.quick)
        show_speeds("openmov train, tiny CLIP, video + flow, caches filled", facts["trainings"])
        one, two = (facts["trainings"][name]["clips a second"] for name in facts["trainings"])
        print(f"two processes over one: {two / one:.2f}")
        facts["reading"] = reading(world, quick=options.quick)
        rows = [(name, f"{speed:.0f}") for name, speed in facts["reading"].items()]
        show("reading stored video, batches of 64", ("clips a second",), rows)
        headline = headline or {"two_processes_over_one": two / one}
    return facts, headline


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer frames, clips and rounds: under a minute")
    parser.add_argument("--only", choices=SECTIONS, help="one section")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    print(f"{machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as work:
        facts, headline = run_all(options, Path(work))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "results": facts}, indent=1) + "\n")
    ((name, value),) = headline.items()
    print(f"headline: {name} {value:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
