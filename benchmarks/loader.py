"""Reading training clips back: clips a second from the cache, from a pack and decoded on the fly, by 0, 1, 2 workers.

A clip is one view of 16 flow pictures at 224 px with crop and flip, and a window of sound: what a training step reads
where the frozen video is stored as embeddings. All sources give the same tensors; they take turns in one run.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from clips import write_manifest
from machine import machine
from openmov.build import build_components
from openmov.config.load import change_recipe, load_recipe
from openmov.data.loader import TrainLoader
from openmov.data.manifest import load_manifest
from openmov.data.reader import ClipDataset
from openmov.prepare.manifest import PrepareOptions, prepare_manifest
from openmov.prepare.pack import pack_manifest
from openmov.types import Modality

WORKERS = (0, 1, 2)
BATCH = 8


class Source:
    """One way to get clips; with 0 workers they are read where they are used."""

    def __init__(self, reader: ClipDataset, manifest: Path, workers: int) -> None:
        self.records, self.reader, self.workers = load_manifest(manifest).records, reader, workers
        self.clips = TrainLoader(reader, self.records, 0, workers)

    def read(self, indices: list[int]) -> torch.Tensor:
        if self.workers:
            return self.clips.batch(indices, 0).inputs[Modality.FLOW]
        clips = [self.reader.training_clip(self.records[index], 0, 0) for index in indices]
        return torch.stack([clip.inputs[Modality.FLOW] for clip in clips])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer clips, once")
    parser.add_argument("--media", type=Path, help="a folder of clips")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    # The tiny CLIP is loaded because a recipe names one; flow and sound do not look at it.
    small = ["backbone.name=shapesav-tiny", "views.train_seeds=1", "model.method=flow_only", "model.modalities=[flow]"]
    recipe = change_recipe(load_recipe("kinetics700"), small)
    wanted = frozenset({Modality.FLOW, Modality.AUDIO})
    torch.set_num_threads(1)
    speeds: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        manifest = write_manifest(root / "clips", options.media, BATCH)
        threads = PrepareOptions(2, "threads", limit_seconds=None)
        prepare_manifest(recipe, manifest, cache_folder=root / "loose", options=threads, shown=False)
        pack_manifest(recipe, manifest, root / "pack", cache_folder=root / "loose", shown=False)
        readers = {
            "decoded on the fly": build_components(recipe, None).dataset(wanted),
            "cache": build_components(recipe, root / "loose").dataset(wanted),
            "pack": build_components(recipe, root / "pack").dataset(wanted),
        }
        indices = list(range(BATCH))
        first = {name: Source(reader, manifest, 0).read(indices[:2]) for name, reader in readers.items()}
        assert all(torch.equal(found, first["cache"]) for found in first.values())
        for _ in range(1 if options.quick else 3):
            for name, reader in readers.items():
                for workers in WORKERS:
                    source = Source(reader, manifest, workers)
                    times = 1 if name.startswith("decoded") else 8
                    begun = time.perf_counter()
                    for _ in range(times):
                        source.read(indices[:4] if options.quick and times == 1 else indices)
                    count = (4 if options.quick and times == 1 else BATCH) * times
                    speed = count / (time.perf_counter() - begun)
                    speeds[name, workers] = max(speed, speeds.get((name, workers), 0.0))
        stored = sum(path.stat().st_size for path in (root / "loose").rglob("*.safetensors"))
        packed = sum(path.stat().st_size for path in (root / "pack").glob("*.tar"))
    table = Table(title="training clips a second", title_justify="left")
    for column in ("source", *(f"{workers} workers" for workers in WORKERS), "x on the fly", "kB a clip"):
        table.add_column(column, justify="left" if column == "source" else "right")
    sizes = {"cache": stored / BATCH, "pack": packed / BATCH}
    for name in readers:
        ratio = np.mean([speeds[name, workers] / speeds["decoded on the fly", workers] for workers in WORKERS])
        figures = [f"{speeds[name, workers]:.2f}" for workers in WORKERS]
        table.add_row(name, *figures, f"{ratio:.0f}", f"{sizes[name] / 1000:.0f}" if name in sizes else "")
    print(machine())
    Console(width=100).print(table)
    ratio = speeds["cache", 2] / speeds["decoded on the fly", 2]
    if options.json:
        named = {f"{name}, {workers} workers": speed for (name, workers), speed in speeds.items()}
        facts = {"machine": machine(), "clips_per_second": named, "bytes_a_clip": sizes}
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    print(f"headline: cached_over_decoded_clips_per_second {ratio:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
