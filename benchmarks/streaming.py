"""Peak memory and speed of streaming clips out of shards, over the number of shards, from a folder and over HTTP.

    python benchmarks/streaming.py [--quick]

Each row is a process of its own, which reads one epoch of made-up entries of real size through a shuffle buffer of the
same length. The headline is the peak memory with the most shards over that with the fewest: 1 if memory does not grow.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from openmov.config.schema import AudioConfig, FlowConfig, VideoConfig, ViewsConfig
from openmov.data.pictures import PictureSettings
from openmov.data.reader import ClipDataset, Opened
from openmov.data.shards import PackedEntries, PackedVideo, ShardStore
from openmov.data.sound import SoundReader
from openmov.store.entry import ARRAY, to_bytes
from openmov.store.pack import Sample, open_pack, write_pack
from openmov.store.remote import open_files
from openmov.training.sampler import BatchSampler
from openmov.types import Modality

BUFFER, BATCH, CLIPS_A_SHARD = 32, 8, 16
VIDEO = VideoConfig(num_frames=8)
MEDIA = {
    "duration_seconds": 10.0,
    "video": {"width": 340, "height": 256, "rate_fps": 25.0, "start_seconds": 0.0, "end_seconds": 10.0}
    | {"rotation_degrees": 0, "codec": "h264"},
    "audio": {"rate_hz": 16000, "channels": 1, "start_seconds": 0.0, "end_seconds": 10.0, "codec": "aac"},
}


def reader() -> ClipDataset:
    """Flow and sound, as large as real ones; a single seeded view."""
    pictures = PictureSettings(VIDEO, FlowConfig(), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    modalities = frozenset({Modality.FLOW, Modality.AUDIO})
    return ClipDataset(modalities, pictures, ViewsConfig(train_seeds=1), SoundReader(AudioConfig()))


def make_pack(folder: Path, shards: int) -> None:
    random, read = np.random.default_rng(0), reader()
    flow = np.repeat(random.integers(120, 136, (8, 32, 340, 2), dtype=np.uint8), 8, axis=1)
    sound = random.standard_normal((128, 1000), dtype=np.float32)
    samples, kinds = [], {}
    for number in range(shards * CLIPS_A_SHARD):
        facts = {"id": f"clip{number}", "label": "a name", "split": "train", "start": None, "end": None}
        facts |= {"content": f"{number:032x}", "bytes": 1, "media": MEDIA}
        video = PackedVideo.of_line(json.dumps({"shard": 0, **facts}))
        opened = Opened(video.info(), PackedEntries(video))
        keys = {entry.step: entry.key for entry in read.entries(video.record, training=True, opened=opened)}
        kinds |= {key: step for step, key in keys.items()}
        samples.append(Sample(f"{number:032x}", facts, keys, 1))

    def entry(key: str) -> bytes:
        return to_bytes(key, {ARRAY: flow if kinds[key] == "flow" else sound})

    write_pack(folder, samples, entry, shard_bytes=CLIPS_A_SHARD)


def stream(where: str, kept: str) -> None:
    """One epoch; prints what it took."""
    pack = open_pack(open_files(where), Path(kept))
    videos = [PackedVideo.of_line(line) for line in pack.lines]
    source = ShardStore(reader(), pack).training(videos, 0, BUFFER)
    began = time.perf_counter()
    plan = BatchSampler(len(source), 1, BATCH, BATCH, 0, order=source.order)
    clips = sum(len(batch) for batch in source.batches(plan.steps_from(0)))
    seconds = time.perf_counter() - began
    assert clips == len(videos)
    print(json.dumps({"mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, "rate": clips / seconds}))


def measured(where: str, kept: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--stream", where, str(kept)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--stream", nargs=2)
    asked = parser.parse_args()
    if asked.stream:
        stream(*asked.stream)
        return
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from tiny_server import serving

    peaks = []
    print("| shards | clips | from | peak MB | clips/s |\n|---|---|---|---|---|")
    for shards in (4, 16) if asked.quick else (4, 16, 64):
        with tempfile.TemporaryDirectory() as folder:
            pack = Path(folder) / "pack"
            make_pack(pack, shards)
            with serving(pack) as url:
                rows = {"folder": measured(str(pack), Path(folder)), "HTTP": measured(url, Path(folder) / "kept")}
        for name, row in rows.items():
            print(f"| {shards} | {shards * CLIPS_A_SHARD} | {name} | {row['mb']:.0f} | {row['rate']:.0f} |", flush=True)
        peaks.append(max(row["mb"] for row in rows.values()))
    print(f"headline: memory_over_shards {peaks[-1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
