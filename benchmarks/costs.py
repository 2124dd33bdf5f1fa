"""What a clip costs to prepare, in core-seconds and bytes a unit: the figures docs/scale.md is made of.

Core-seconds are processor time of one thread, so that other work on the machine makes little difference. Clips
(--media: those in a folder) are prepared for training, one view of 16 pairs and the sound each, at the sizes of the
recipe kinetics700; frozen embeddings are timed with a ViT-B/16 of random weights in float32.
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from clips import write_manifest
from machine import machine
from openmov.build import build_components
from openmov.config.load import change_recipe, load_recipe
from openmov.data.entries import Cost, summed
from openmov.data.manifest import load_manifest
from openmov.errors import DecodeError

KINDS = {"flow": "flow_only", "audio": "audio_only"}


def stored(kind: str, manifest: Path, folder: Path) -> tuple[float, Cost]:
    """Core-seconds in all, and how much was made, for one kind of entry; the first clip warms up and is not counted."""
    changes = [f"model.method={KINDS[kind]}", f"model.modalities=[{kind}]", "views.train_seeds=1"]
    recipe = change_recipe(load_recipe("kinetics700"), ["backbone.name=shapesav-tiny", *changes])
    reader = build_components(recipe, folder).dataset()
    first, *others = load_manifest(manifest).records
    with suppress(DecodeError):
        reader.store(first, training=True)
    begun, made = time.process_time(), dict[str, Cost]()
    for record in others:
        with suppress(DecodeError):  # one without sound
            made = summed(made, reader.store(record, training=True).made)
    return time.process_time() - begun, made[kind]


def planned(manifest: Path, folder: Path) -> float:
    """Core-seconds a clip for opening, hashing and looking for what is there."""
    changes = ["model.method=flow_only", "model.modalities=[flow]", "backbone.name=shapesav-tiny"]
    reader = build_components(change_recipe(load_recipe("kinetics700"), changes), folder).reader()
    records, begun = load_manifest(manifest).records, time.process_time()
    for record in records:
        reader.entries(record, training=True)
    return (time.process_time() - begun) / len(records)


def embed_seconds(frames: int) -> float:
    """Of one frame through a ViT-B/16, one thread, in float32."""
    model = CLIPVisionModelWithProjection(CLIPVisionConfig(image_size=224, patch_size=16)).eval()
    images = torch.zeros(4, 3, 224, 224)
    with torch.inference_mode():
        model(images)
        begun = time.process_time()
        for _ in range(frames // 4):
            model(images)
    return (time.process_time() - begun) / (frames // 4 * 4)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer clips")
    parser.add_argument("--media", type=Path, help="a folder of clips")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        manifest = write_manifest(root / "clips", options.media, 4 if options.quick else 12)
        size = np.mean([path.stat().st_size for path in manifest.parent.iterdir() if path != manifest])
        looked = planned(manifest, root / "none")
        flow_seconds, flow = stored("flow", manifest, root / "flow")
        sound_seconds, sound = stored("audio", manifest, root / "sound")
    figures = {
        "flow_core_seconds_a_pair": flow_seconds / flow.units,
        "flow_bytes_a_pair": flow.stored_bytes / flow.units,
        "sound_core_seconds_a_spectrogram": sound_seconds / sound.units,
        "sound_bytes_a_spectrogram": sound.stored_bytes / sound.units,
        "frozen_core_seconds_a_frame": embed_seconds(8 if options.quick else 16),
        "survey_core_seconds_a_clip": looked,
        "clip_bytes": float(size),
    }
    print(machine())
    for name, value in figures.items():
        print(f"{name:34} {value:.5g}")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=1) + "\n")
    ratio = figures["frozen_core_seconds_a_frame"] / figures["flow_core_seconds_a_pair"]
    print(f"headline: frozen_frame_over_flow_pair {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
