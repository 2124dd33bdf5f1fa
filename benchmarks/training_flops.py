"""Floating-point operations and kept activations of training MOV, counted by torch on the model itself.

    python benchmarks/training_flops.py [--quick] [--json FILE]

The network is the real one on torch's meta device: every shape, no numbers, so ViT-L/14 takes no memory. Counted are
the matrix products, attention's included, of one clip's forward and backward pass (torch.utils.flop_counter); an
addition and a multiplication are two. `kept` is what the graph holds for the gradient in single precision.
--quick counts ViT-B/16 alone.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPConfig, CLIPModel

from openmov.config.load import load_recipe
from openmov.config.schema import ModalityName, ModelConfig
from openmov.model import MOV
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.backbones.folder import Preprocessing
from openmov.model.execution import recompute_activations
from openmov.model.patch_dropout import num_kept
from openmov.types import Modality

META = torch.device("meta")
RECIPES = {"flow": "kinetics700", "audio": "vggsound"}


@dataclass(frozen=True)
class Size:
    """A released CLIP's shape."""

    width: int
    layers: int
    heads: int
    patch: int
    dim: int
    text_heads: int


SIZES = {"ViT-B/16": Size(768, 12, 12, 16, 512, 8), "ViT-L/14": Size(1024, 24, 16, 14, 768, 12)}


def made_backbone(size: Size) -> CLIPBackbone:
    """A CLIP of this shape and random weights, which knows no words."""
    vision = {"hidden_size": size.width, "intermediate_size": 4 * size.width, "num_hidden_layers": size.layers}
    vision |= {"num_attention_heads": size.heads, "patch_size": size.patch, "image_size": 224}
    text = {"vocab_size": 4, "num_hidden_layers": 1, "hidden_size": size.dim, "num_attention_heads": size.text_heads}
    model = CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=size.dim))
    settings = Preprocessing((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return CLIPBackbone("random", model, None, settings, "random")


@dataclass(frozen=True)
class Case:
    """One way to train."""

    size: str
    extra: ModalityName
    stored: bool
    patch_dropout: float
    recomputed: bool = False


def made_network(case: Case) -> MOV:
    config = ModelConfig(modalities=("video", case.extra))
    with META:
        network = MOV(made_backbone(SIZES[case.size]), config, with_video_encoder=not case.stored)
    if case.recomputed:
        recompute_activations(network)
    return network.train()


def inputs_of(modality: Modality, recipe_name: str) -> Tensor:
    """One clip's, without numbers."""
    recipe = load_recipe(recipe_name)
    if modality is Modality.AUDIO:
        return torch.empty(1, 3, recipe.audio.mel_bins, recipe.audio.crop_columns, device=META)
    side = recipe.video.crop_size
    return torch.empty(1, recipe.video.num_frames, 3, side, side, device=META)


def forward(case: Case, network: MOV) -> Tensor:
    """What the training differentiates: the sum stands for the loss, whose products are negligible."""
    extra, recipe = Modality(case.extra), RECIPES[case.extra]
    frames: dict[Modality, Tensor] = {}
    if case.stored:
        frames[Modality.VIDEO] = torch.empty(1, load_recipe(recipe).video.num_frames, network.dim, device=META)
    else:
        frames[Modality.VIDEO] = network.encode_inputs(Modality.VIDEO, inputs_of(Modality.VIDEO, recipe))
    inputs = inputs_of(extra, recipe)
    pictures = 1 if extra is Modality.AUDIO else inputs.shape[1]

    def choose(patches: int) -> Tensor:
        return torch.zeros(pictures, num_kept(patches, case.patch_dropout), dtype=torch.long, device=META)

    frames[extra] = network.encoders[case.extra](inputs, choose if case.patch_dropout else None)
    here = torch.ones(1, dtype=torch.bool, device=META)
    fused = network.join(frames, {Modality.VIDEO: here, extra: here}).fused
    total: Tensor = sum((x.sum() for x in fused.values()), torch.zeros((), device=META))
    return total


@contextmanager
def counting_kept(network: MOV, found: dict[str, float]) -> Iterator[None]:
    own = {id(weight) for weight in network.parameters()}
    sizes: dict[int, tuple[Tensor, int]] = {}

    def keep(x: Tensor) -> Tensor:
        base = x if x._base is None else x._base
        if id(base) not in own:
            sizes[id(base)] = (base, base.numel() * base.element_size())  # held, so that no other gets its id
        return x

    with saved_tensors_hooks(keep, lambda x: x):
        yield
    found["kept_bytes"] = sum(size for _, size in sizes.values())


def count(case: Case) -> dict[str, float]:
    """Of one clip."""
    network, found = made_network(case), {}
    with FlopCounterMode(display=False) as ahead, counting_kept(network, found):
        loss = forward(case, network)
    with FlopCounterMode(display=False) as back:
        loss.backward()
    weights = list(network.parameters())
    found["forward_flop"], found["step_flop"] = (
        ahead.get_total_flops(),
        ahead.get_total_flops() + back.get_total_flops(),
    )
    found["trained_weights"] = sum(weight.numel() for weight in weights if weight.requires_grad)
    found["frozen_weights"] = sum(weight.numel() for weight in weights if not weight.requires_grad)
    return found


def cases(quick: bool) -> list[Case]:
    sizes = ["ViT-B/16"] if quick else list(SIZES)
    extras: tuple[ModalityName, ...] = ("flow", "audio")
    plain = [Case(*chosen) for chosen in product(sizes, extras, (False, True), (0.0, 0.5))]
    return [*plain, *(Case(*chosen, True, 0.0, recomputed=True) for chosen in product(sizes, extras))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="ViT-B/16 alone")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    found = [(case, count(case)) for case in cases(options.quick)]
    table = Table(title="one training clip", title_justify="left")
    for column in ("backbone", "video +", "v", "patches out", "activations", "TFLOP", "kept, fp32"):
        table.add_column(column, justify="right", no_wrap=True)
    for case, got in found:
        how = "recomputed" if case.recomputed else "kept"
        row = (case.size, case.extra, "stored" if case.stored else "computed", f"{case.patch_dropout:g}", how)
        table.add_row(*row, f"{got['step_flop'] / 1e12:.3f}", f"{got['kept_bytes'] / 1e9:.2f} GB")
    Console(width=110).print(table)
    if options.json:
        rows: list[dict[str, Any]] = [vars(case) | got for case, got in found]
        options.json.write_text(json.dumps({"torch": torch.__version__, "cases": rows}, indent=1) + "\n")
    by_case = {case: got["step_flop"] for case, got in found}
    ratio = by_case[Case("ViT-B/16", "flow", False, 0.0)] / by_case[Case("ViT-B/16", "flow", True, 0.0)]
    print(f"headline: flop_of_video_and_flow_over_stored_video {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
