"""Writes docs/scale.md: what Kinetics-700 and VGGSound take, from the figures that the benchmarks measured.

    python docs/scale.py             write the page anew
    python docs/scale.py --check     exit with 1 where the page is older than the figures

Every number on the page is arithmetic on benchmarks/results/*.json and on the assumptions below; nothing is typed in.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

ROOT = Path(__file__).parent.parent
PAGE, TEXT = ROOT / "docs" / "scale.md", ROOT / "docs" / "scale.template.md"
RESULTS = ROOT / "benchmarks" / "results"

PAIRS_A_VIEW = 16
TRAIN_SEEDS = 8
EVALUATION_CLIPS, EVALUATION_VIEWS = 4, 12
ARRAY_TASKS = 64
CORES_A_TASK = 1
CLUSTER_CORES = 1024
CORES_A_MACHINE = 32
TRAINING_CLIPS_PER_SECOND = 100
"""A node of eight accelerators that trains with stored features: an assumption, to have a reading rate."""

GPU_FLOP_PER_SECOND = 989e12
"""Dense bf16 products of an H100 SXM, by NVIDIA's data sheet."""
GPU_BYTES = 80e9
UTILISATION = 0.35
"""Share of that which a training reaches: an assumption, below the 0.38 to 0.43 that Llama 3 reports on H100s (Dubey et
al. 2024, table 4), whose products are larger."""
DIMS = {"ViT-B/16": 512, "ViT-L/14": 768}
EXTRAS = {"flow": 0, "audio": 1}  # which of SETS is trained on with it
EPOCHS = {"flow": 100, "audio": 20}  # the paper's


@dataclass(frozen=True)
class DataSet:
    """How many clips are for training and how many for a test, and what is looked at in them."""

    name: str
    train: int
    test: int
    flow: bool
    sound: bool


SETS = (
    DataSet("Kinetics-700, video and flow", 590_000, 60_000, flow=True, sound=False),
    DataSet("VGGSound, video and sound", 185_000, 15_000, flow=False, sound=True),
    DataSet("a hundred million clips, all three", 100_000_000, 0, flow=True, sound=True),
)


def figures() -> dict[str, Any]:
    """What was measured, by file."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}


def costs(data: DataSet, measured: dict[str, float], train_seeds: int = TRAIN_SEEDS) -> dict[str, float]:
    """Core-seconds and bytes of one data set, by step."""
    moments = train_seeds * data.train + EVALUATION_CLIPS * data.test
    views = train_seeds * data.train + EVALUATION_VIEWS * data.test
    pairs = PAIRS_A_VIEW * moments * data.flow
    frames = PAIRS_A_VIEW * views
    sounds = (data.train + data.test) * data.sound
    clips = data.train + data.test
    return {
        "clips": clips,
        "pairs": pairs,
        "flow seconds": pairs * measured["flow_core_seconds_a_pair"],
        "frozen seconds": frames * measured["frozen_core_seconds_a_frame"],
        "sound seconds": sounds * measured["sound_core_seconds_a_spectrogram"],
        "planning seconds": clips * measured["survey_core_seconds_a_clip"],
        "flow bytes": pairs * measured["flow_bytes_a_pair"],
        "frozen bytes": frames * 4 * 512,
        "sound bytes": sounds * measured["sound_bytes_a_spectrogram"],
        "video bytes": clips * measured["clip_bytes"],
        "entries": moments * data.flow + views + sounds,
    }


def seconds_of(cost: dict[str, float]) -> float:
    return sum(value for name, value in cost.items() if name.endswith(" seconds"))


def bytes_of(cost: dict[str, float]) -> float:
    return sum(value for name, value in cost.items() if name.endswith(" bytes") and name != "video bytes")


def training(case: dict[str, Any], measured: dict[str, float]) -> dict[str, float]:
    """What one way to train takes on H100s at the assumed utilisation: `case` as counted by training_flops."""
    data = SETS[EXTRAS[case["extra"]]]
    clip_bytes = PAIRS_A_VIEW * 4 * DIMS[case["size"]] if case["stored"] else measured["clip_bytes"]
    flow = PAIRS_A_VIEW * measured["flow_bytes_a_pair"]
    clip_bytes += flow if case["extra"] == "flow" else measured["sound_bytes_a_spectrogram"]
    clips_per_second = GPU_FLOP_PER_SECOND * UTILISATION / case["step_flop"]
    fixed = 16 * case["trained_weights"] + 4 * case["frozen_weights"]  # weight, gradient, two moments
    return {
        "epoch flop": case["step_flop"] * data.train,
        "epoch hours": data.train / clips_per_second / 3600,
        "hours": EPOCHS[case["extra"]] * data.train / clips_per_second / 3600,
        "clips per second": clips_per_second,
        "bytes per second": clips_per_second * clip_bytes,
        "fixed bytes": fixed,
        "clips that fit": max(0.0, (GPU_BYTES - fixed) // case["kept_bytes"]),
    }


def training_rows(cases: list[dict[str, Any]], measured: dict[str, float]) -> dict[str, str]:
    """The two tables on training."""
    work, memory = [], []
    for case in cases:
        took, extra = training(case, measured), "sound" if case["extra"] == "audio" else "flow"
        name = f"{case['size']}, {SETS[EXTRAS[case['extra']]].name.split(',')[0]}"
        how = ", ".join(
            [f"v {'stored' if case['stored'] else 'computed'}"]
            + [f"{case['patch_dropout']:.0%} of the patches of {extra} left out"] * bool(case["patch_dropout"])
            + ["activations recomputed"] * case["recomputed"]
        )
        counted = [f"{case['step_flop'] / 1e12:.2f}", f"{took['epoch flop'] / 1e18:.3f}"]
        hours = [f"{amount:,.2f}" for amount in (took["epoch hours"], took["hours"], took["hours"] / 8)]
        fed = [f"{took['clips per second']:,.0f}", f"{8 * took['bytes per second'] / 1e6:,.0f} MB/s"]
        work.append(f"| {name} | {how} | " + " | ".join([*counted, *hours, *fed]) + " |")
        if case["stored"]:
            sizes = [size(took["fixed bytes"]), size(case["kept_bytes"]), f"{took['clips that fit']:,.0f}"]
            memory.append(f"| {name} | {how} | " + " | ".join(sizes) + " |")
    return {"training": "\n".join(work), "training_memory": "\n".join(memory)}


def kept_of_a_clip(cases: list[dict[str, Any]]) -> dict[str, str]:
    """Measured for one clip of flow with everything kept, by precision."""
    plain = {"clips": 1, "recomputed": False, "extra": "flow", "stored": True, "patch_dropout": 0.0}
    chosen = [case for case in cases if plain.items() <= case.items()]
    return {f"kept_{case['precision']}": size(case["kept_bytes"]) for case in chosen}


def values() -> dict[str, str]:
    """What the template asks for."""
    found = figures()
    measured, storage, loader = found["costs"]["figures"], found["storage"]["formats"], found["loader"]
    rows, disks, times = [], [], []
    for data in SETS:
        cost = costs(data, measured)
        parts = [cost[f"{step} seconds"] / 3600 for step in ("flow", "frozen", "sound", "planning")]
        rows.append(f"| {data.name} | {cost['clips']:,.0f} | " + " | ".join(f"{part:,.0f}" for part in parts) + " |")
        sizes = [size(cost[f"{step} bytes"]) for step in ("flow", "frozen", "sound", "video")]
        disks.append(f"| {data.name} | " + " | ".join(sizes) + f" | {cost['entries'] / 1e6:,.1f} million |")
        core = seconds_of(cost)
        walls = (core / CORES_A_MACHINE, core / ARRAY_TASKS / CORES_A_TASK, core / CLUSTER_CORES)
        bandwidth = cost["video bytes"] / (core / CLUSTER_CORES) / 1e6
        times.append(f"| {data.name} | " + " | ".join(days(wall) for wall in walls) + f" | {bandwidth:,.0f} MB/s |")
    view = measured["flow_bytes_a_pair"] * PAIRS_A_VIEW + PAIRS_A_VIEW * 4 * 512
    with_sound = measured["sound_bytes_a_spectrogram"]
    raw = storage["raw 8-bit codes"]["bytes_a_picture"]
    best = max(speed for name, speed in loader["clips_per_second"].items() if name.startswith("cache"))
    kinetics = costs(SETS[0], measured)
    huge = costs(SETS[2], measured)
    one_seed = costs(SETS[0], measured, 1)
    return {
        **kept_of_a_clip(found["training_memory"]["cases"]),
        **training_rows(found["training_flops"]["cases"], measured),
        "utilisation": f"{UTILISATION:.0%}",
        "gpu_rate": f"{GPU_FLOP_PER_SECOND / 1e12:,.0f}",
        "gpu_size": f"{GPU_BYTES / 1e9:.0f}",
        "machine": found["costs"]["machine"],
        "figures": "\n".join(f"| `{name}` | {value:.4g} |" for name, value in measured.items()),
        "core_hours": "\n".join(rows),
        "disk": "\n".join(disks),
        "wall": "\n".join(times),
        "cores": str(CORES_A_MACHINE),
        "tasks": str(ARRAY_TASKS),
        "cluster": f"{CLUSTER_CORES:,}",
        "rate": str(TRAINING_CLIPS_PER_SECOND),
        "read_flow": f"{view * TRAINING_CLIPS_PER_SECOND / 1e6:,.0f}",
        "read_sound": f"{(with_sound + PAIRS_A_VIEW * 4 * 512) * TRAINING_CLIPS_PER_SECOND / 1e6:,.0f}",
        "read_raw": f"{raw * PAIRS_A_VIEW * TRAINING_CLIPS_PER_SECOND / 1e6:,.0f}",
        "loader": f"{best:,.0f}",
        "loader_cores": f"{TRAINING_CLIPS_PER_SECOND / loader['clips_per_second']['cache, 0 workers']:,.0f}",
        "pairs": f"{kinetics['pairs'] / 1e6:,.0f}",
        "dense_pairs": f"{(SETS[0].train + SETS[0].test) * 249 / 1e6:,.0f}",
        "one_seed": f"{seconds_of(one_seed) / 3600:,.0f} core-hours and {size(bytes_of(one_seed))}",
        "shard_size": f"{kinetics['clips'] / ARRAY_TASKS:,.0f}",
        "shard_spread": f"{(kinetics['clips'] / ARRAY_TASKS) ** 0.5:,.0f}",
        "huge_entries": f"{huge['entries'] / 1e9:,.1f} billion",
        "huge_index": size(huge["entries"] * 48),
        "huge_core_years": f"{seconds_of(huge) / 3600 / 24 / 365:,.0f}",
        "huge_disk": size(bytes_of(huge)),
        "huge_plan_hours": f"{huge['planning seconds'] / 3600 / CORES_A_MACHINE:,.0f}",
        "two_processes": f"{found['prepare']['figures']['two_processes_over_one']:.2f}",
    }


def size(num_bytes: float) -> str:
    """As disks are sold."""
    if not num_bytes:
        return "none"
    for power, name in ((6, "MB"), (9, "GB"), (12, "TB")):
        if num_bytes < 1000 * 10**power:
            return f"{num_bytes / 10**power:,.{int(num_bytes < 100 * 10**power)}f} {name}"
    return f"{num_bytes / 1e15:,.1f} PB"


def days(seconds: float) -> str:
    """`7.5 h`, `12 days`, `3.1 years`."""
    if seconds < 72 * 3600:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 86400:,.0f} days" if seconds < 1000 * 86400 else f"{seconds / 86400 / 365:,.1f} years"


def page() -> str:
    return Template(TEXT.read_text(encoding="utf-8")).substitute(values())


def main() -> int:
    text = page()
    if sys.argv[1:] == ["--check"]:
        stale = PAGE.read_text(encoding="utf-8") != text
        if stale:
            print("docs/scale.md is older than the figures: run python docs/scale.py")
        return int(stale)
    PAGE.write_text(text, encoding="utf-8")
    print("docs/scale.md written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
