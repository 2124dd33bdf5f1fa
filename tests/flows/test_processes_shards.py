"""Shards streamed by a job of two processes, or killed at a random step and streamed again: the same clips and bits."""

from pathlib import Path
from random import Random

import pytest
import torch

from openmov.config.load import load_recipe
from openmov.data.manifest import load_manifest
from openmov.prepare.manifest import PrepareOptions, prepare_manifest
from openmov.prepare.pack import pack_manifest
from openmov.runtime.checkpoint import load_checkpoint, load_resume_state
from openmov.runtime.run_folder import RunFolder
from tiny_processes import kill_job, run_job
from tiny_training import metrics_of
from tiny_world import BASE, TinyWorld

pytestmark = pytest.mark.slow

PROGRAM = """
import functools, os, sys, time
from openmov.training import train as training
from openmov.cli import run
from openmov.data.shards import ShardClips
from openmov.runtime.run_folder import RunFolder

seconds, seen = float(sys.argv[1]), open(sys.argv[2] + os.environ["RANK"], "a")
training.train = functools.partial(training.train, checkpoint_seconds=0.0)
give, look = ShardClips._batch, RunFolder.found

def noted(self, clips, held):
    time.sleep(seconds)
    batch = give(self, clips, held)
    seen.writelines(f"{epoch} {name}\\n" for (epoch, _), name in zip(clips, batch.video_ids))
    return batch

def look_late(*given, **named):
    time.sleep(float(os.environ["RANK"]))  # when the first process could have made the folder
    return look(*given, **named)

ShardClips._batch, RunFolder.found = noted, staticmethod(look_late)
code = run(sys.argv[3:])
seen.close()
sys.exit(code)
"""
TOLERANCE = 1e-4
"""Of losses: decision 22."""


@pytest.fixture(scope="module")
def packed(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe, out = load_recipe(tiny_world.recipe), tmp_path_factory.mktemp("shards") / "pack"
    options = PrepareOptions(workers=1, engine="threads", limit_seconds=None)
    prepare_manifest(recipe, tiny_world.manifest, cache_folder=tiny_world.cache, options=options, shown=False)
    pack_manifest(recipe, tiny_world.manifest, out, cache_folder=tiny_world.cache, shard_bytes=200_000, shown=False)
    return out


def arguments(world: TinyWorld, packed: Path, out: Path, *more: str, seconds: float = 0.0) -> list[str]:
    epochs = ["--set", "training.epochs=3", "--set", "training.micro_batch_size=2"]
    asked = world.train(out, "--shards", str(packed), "--buffer", "4", *epochs, *more, cache=out.parent / "cache")
    return [str(seconds), f"{out}-seen", *asked]


def assert_same_bits(out: Path, straight: Path) -> None:
    assert metrics_of(RunFolder.open(out)) == metrics_of(RunFolder.open(straight))
    for read in (load_resume_state, lambda folder: load_checkpoint(folder)[0]):
        mine, theirs = (read(one / "checkpoints/last") for one in (out, straight))
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)


@pytest.fixture(scope="module")
def straight(tiny_world: TinyWorld, packed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """By the number of processes, a run that nobody stops."""
    found = {}
    for size in (1, 2):
        found[size] = tmp_path_factory.mktemp("straight") / "run"
        said = run_job(PROGRAM, arguments(tiny_world, packed, found[size]), size, timeout=280)
        assert [code for code, _ in said] == [0] * size, said
    return found


def seen(out: Path, rank: int) -> list[str]:
    return Path(f"{out}-seen{rank}").read_text().splitlines()


def test_two_processes_stream_every_clip_once_and_learn_what_one_learns(
    tiny_world: TinyWorld, straight: dict[int, Path]
) -> None:
    records = load_manifest(tiny_world.manifest).records
    ids = [record.video_id for record in records if record.split == "train" and record.label in BASE]
    halves = [seen(straight[2], rank) for rank in (0, 1)]
    assert sorted(halves[0] + halves[1]) == sorted(f"{epoch} {name}" for epoch in range(3) for name in ids)
    assert not set(halves[0]) & set(halves[1])
    assert sorted(halves[0] + halves[1]) == sorted(seen(straight[1], 0))
    two, one = metrics_of(RunFolder.open(straight[2])), metrics_of(RunFolder.open(straight[1]))
    assert len(one) == 12
    for line, expected in zip(two, one, strict=True):
        assert line == pytest.approx(expected, abs=TOLERANCE)
    # two clips a forward pass in both: the sums are of the same two numbers, and equal to the bit
    mine, theirs = (load_checkpoint(straight[size] / "checkpoints/last")[0] for size in (2, 1))
    assert all(torch.equal(mine[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("repetition", range(3))
def test_killed_at_a_random_step_and_gone_on_to_the_same_bits(
    tiny_world: TinyWorld, packed: Path, tmp_path: Path, straight: dict[int, Path], size: int, repetition: int
) -> None:
    out, random = tmp_path / "run", Random(10 * size + repetition)
    slowly = arguments(tiny_world, packed, out, "--resume", seconds=0.3)
    kill_job(PROGRAM, slowly, out / "metrics.jsonl", random.randint(1, 9), random.uniform(0, 0.3), size)
    assert not (out / "checkpoints/last").exists() or load_checkpoint(out / "checkpoints/last")[1].step < 9
    said = run_job(PROGRAM, arguments(tiny_world, packed, out, "--resume"), size, timeout=280)
    assert [code for code, _ in said] == [0] * size, said
    assert_same_bits(out, straight[size])
