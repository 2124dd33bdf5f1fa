"""Peak memory of a training step of MOV over a ViT-B/16: with and without recomputed activations.

    python benchmarks/training_memory.py [--quick] [--json FILE]

Each case is a process of its own: an untrained MOV of random weights (memory does not depend on them) takes one step on
random clips, forward, backward and AdamW, with stored video embeddings unless it says otherwise. Shown are the largest
memory of the process in the step, how much of it the step added to what stood before (backbone, network, clips), and
what the graph keeps for the gradient. With --quick the clips have 4 frames instead of 16, one clip a micro-batch.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.autograd.graph import saved_tensors_hooks

from machine import machine
from openmov.config.schema import ModelConfig, TrainingConfig
from openmov.model import MOV
from openmov.model.execution import recompute_activations
from openmov.training.objective import BaseObjective
from openmov.training.optimizer import build_optimizer
from openmov.training.step import batch_loss
from openmov.types import ClassEmbeddings, ClipBatch, Modality
from training_flops import SIZES, made_backbone

CLASSES = 400


@dataclass(frozen=True)
class Case:
    """One step."""

    clips: int
    recomputed: bool
    precision: str
    extra: str = "flow"
    frames: int = 16
    stored: bool = True
    patch_dropout: float = 0.0


def cases(quick: bool) -> list[Case]:
    if quick:
        return [Case(1, recomputed, "bf16", frames=4) for recomputed in (False, True)]
    plain = [Case(clips, recomputed, "bf16") for clips, recomputed in product((1, 2), (False, True))]
    others = [Case(1, recomputed, "fp32") for recomputed in (False, True)]
    sound = [Case(2, recomputed, "bf16", "audio") for recomputed in (False, True)]
    return [*plain, *others, *sound, Case(1, False, "bf16", patch_dropout=0.5), Case(1, False, "bf16", stored=False)]


def made_batch(case: Case, dim: int) -> ClipBatch:
    shapes = {Modality.FLOW: (case.frames, 3, 224, 224), Modality.AUDIO: (3, 128, 800)}
    extra, here = Modality(case.extra), torch.ones(case.clips, dtype=torch.bool)
    inputs = {extra: torch.randn(case.clips, 1, *shapes[extra])}
    if not case.stored:
        inputs[Modality.VIDEO] = torch.randn(case.clips, 1, *shapes[Modality.FLOW])
    frozen = torch.randn(case.clips, 1, case.frames, dim) if case.stored else None
    ids = tuple(f"clip{number}" for number in range(case.clips))
    return ClipBatch(ids, inputs, {Modality.VIDEO: here, extra: here}, frozen, ("0",) * case.clips)


def kept_bytes(sizes: dict[int, int]) -> int:
    return sum(sizes.values())


def measure(case: Case) -> dict[str, float]:
    """One step in this process."""
    torch.manual_seed(0)
    backbone = made_backbone(SIZES["ViT-B/16"])
    model = ModelConfig(modalities=("video", Modality(case.extra).value), patch_dropout=case.patch_dropout)
    network = MOV(backbone, model, num_frames=case.frames, with_video_encoder=not case.stored).train()
    if case.recomputed:
        recompute_activations(network)
    config = TrainingConfig(precision="bf16" if case.precision == "bf16" else "fp32")
    weights = network.trainable_parameters()
    optimizer, batch = build_optimizer(weights, config), made_batch(case, backbone.dim)
    names = tuple(map(str, range(CLASSES)))
    objective = BaseObjective(ClassEmbeddings(names, torch.randn(CLASSES, backbone.dim)), 0.5, 0.01)
    own = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
    sizes: dict[int, int] = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        where = x.untyped_storage().data_ptr()
        if where not in own:
            sizes[where] = x.untyped_storage().nbytes()
        return x

    before = peak_bytes()
    started = time.perf_counter()
    with saved_tensors_hooks(keep, lambda x: x):
        loss = batch_loss(network, objective, batch, 0, config, torch.device("cpu"))
    kept = kept_bytes(sizes)
    torch.autograd.backward(loss.total / case.clips)
    gradients = peak_bytes()
    optimizer.step()
    return {
        "peak_bytes": peak_bytes(),
        "before_bytes": before,
        "peak_bytes_without_optimizer": gradients,
        "kept_bytes": kept,
        "trained_weights": sum(weight.numel() for weight in weights.values()),
        "seconds": time.perf_counter() - started,
    }


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_own_process(case: Case) -> dict[str, float]:
    words = [sys.executable, __file__, "--case", json.dumps(asdict(case))]
    found: dict[str, float] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return found


def show(found: list[tuple[Case, dict[str, float]]]) -> None:
    table = Table(title="a training step of MOV over ViT-B/16", title_justify="left")
    for column in ("streams", "clips", "frames", "precision", "activations", "peak", "of it the step", "kept", "s"):
        table.add_column(column, justify="right", no_wrap=True)
    for case, got in found:
        video = "stored video" if case.stored else "video"
        halved = f", {case.patch_dropout:g} of patches out" if case.patch_dropout else ""
        added = got["peak_bytes"] - got["before_bytes"]
        sizes = [f"{value / 1e9:.2f} GB" for value in (got["peak_bytes"], added, got["kept_bytes"])]
        how = "recomputed" if case.recomputed else "kept"
        row = (f"{video} + {case.extra}{halved}", str(case.clips), str(case.frames), case.precision, how)
        table.add_row(*row, *sizes, f"{got['seconds']:.1f}")
    Console(width=130).print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="4 frames, one clip: under a minute")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(Case(**json.loads(options.case)))))
        return 0
    print(f"{machine()}, torch {torch.__version__}")
    found = [(case, in_own_process(case)) for case in cases(options.quick)]
    show(found)
    if options.json:
        rows: list[dict[str, Any]] = [asdict(case) | got for case, got in found]
        options.json.write_text(json.dumps({"machine": machine(), "cases": rows}, indent=1) + "\n")
    kept, recomputed = (found[place][1]["kept_bytes"] for place in ((0, 1) if options.quick else (2, 3)))
    print(f"headline: kept_over_recomputed_activations {kept / recomputed:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
