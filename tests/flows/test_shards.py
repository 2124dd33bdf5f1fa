"""Training from shards, in a folder or over HTTP with broken connections: the clips of the files, bit for bit."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from openmov.build import Components, build_components
from openmov.cli import run
from openmov.config.load import change_recipe, load_recipe
from openmov.data.loader import TrainLoader, evaluation_batches
from openmov.errors import OpenMovError, StorageError
from openmov.prepare.manifest import PrepareOptions, prepare_manifest
from openmov.prepare.pack import pack_manifest
from openmov.runtime.checkpoint import load_checkpoint
from openmov.runtime.distributed import World
from openmov.store import remote
from openmov.store.pack import Pack, find_pack
from openmov.training.clips import PackedClips, find_clips
from openmov.training.data import TrainingData, load_base
from openmov.training.sampler import BatchSampler
from openmov.training.train import run_training
from openmov.types import ClipBatch
from tiny_server import Behaviour, serving
from tiny_world import TinyWorld

BUFFER = 4
THREADS = PrepareOptions(workers=1, engine="threads", limit_seconds=None)


@pytest.fixture(scope="module")
def packed(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All clips of the tiny world in several shards."""
    recipe, cache = load_recipe(tiny_world.recipe), tiny_world.cache
    out = tmp_path_factory.mktemp("shards") / "pack"
    prepare_manifest(recipe, tiny_world.manifest, cache_folder=cache, options=THREADS, shown=False)
    pack_manifest(recipe, tiny_world.manifest, out, cache_folder=cache, shard_bytes=200_000, shown=False)
    assert len(list(out.glob("*.tar"))) > 2
    return out


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote.time, "sleep", lambda seconds: None)


def parts(world: TinyWorld, cache: Path, *changes: str) -> tuple[Components, TrainingData]:
    components = build_components(change_recipe(load_recipe(world.recipe), changes), cache)
    return components, load_base(world.manifest, world.vocabulary, 0, check_files=False)


def found(world: TinyWorld, shards: str | Path, cache: Path, *changes: str) -> PackedClips:
    return find_clips(*parts(world, cache, *changes), shards, workers=2)


def equal(one: ClipBatch, other: ClipBatch) -> bool:
    assert one.frozen is not None
    assert other.frozen is not None
    pairs = [(one.frozen, other.frozen), *((one.inputs[name], other.inputs[name]) for name in one.inputs)]
    same = all(torch.equal(mine, theirs) for mine, theirs in pairs)
    return same and (one.video_ids, one.labels, list(one.inputs)) == (other.video_ids, other.labels, list(other.inputs))


def weights(run_folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(run_folder / "checkpoints/last")[0]


def same_weights(one: Path, other: Path) -> bool:
    mine, theirs = weights(one), weights(other)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def train(world: TinyWorld, out: Path, shards: str | Path, cache: Path, **more: Any) -> Path:
    recipe = load_recipe(world.recipe)
    lists = (world.manifest, world.vocabulary)
    run_training(recipe, *lists, out, cache_folder=cache, shards=shards, buffer=BUFFER, shown=False, **more)
    return out


def test_streamed_clips_are_those_of_the_files_whoever_drops_what(
    tiny_world: TinyWorld, packed: Path, tmp_path: Path
) -> None:
    components, data = parts(tiny_world, tiny_world.cache)
    files = TrainLoader(components.dataset(), data.train, seed=3)
    behaviour = Behaviour(drops=lambda number: number % 3 == 1)
    with serving(packed, behaviour) as url:
        for place in (packed, url):
            clips = found(tiny_world, place, tmp_path)
            source = clips.store.training(clips.of(data.train), 3, BUFFER)
            plan = BatchSampler(len(source), 3, 4, 3, 0, order=source.order)
            steps = list(plan.steps_from(2))
            micros = [(step.epoch, micro) for step in steps for micro in step.micro_batches]
            streamed = list(source.batches(iter(steps)))
            assert len(streamed) == len(micros)
            for batch, (epoch, micro) in zip(streamed, micros, strict=True):
                assert equal(batch, files.batch(micro, epoch))
            assert equal(source.batch(micros[0][1], micros[0][0]), streamed[0])
            assert not equal(streamed[0], files.batch(micros[0][1], micros[0][0] + 1))
            tests = clips.store.evaluation_batches(clips.of(data.val), 2)
            wanted = evaluation_batches(components.dataset(), data.val, 2, [])
            assert all(equal(one, other) for one, other in zip(tests, wanted, strict=True))
    assert sum("-" in asked for _, asked in behaviour.asked) > 5
    assert [path for path, _ in behaviour.asked if path.endswith(".json")] == ["/pack.json"]


def test_no_video_is_needed_and_http_trains_to_the_same_weights(
    tiny_world: TinyWorld, packed: Path, tmp_path: Path
) -> None:
    elsewhere = TinyWorld(tmp_path / "elsewhere")  # as on a machine that has the lists alone
    elsewhere.root.mkdir()
    for path in (tiny_world.manifest, tiny_world.vocabulary, tiny_world.recipe):
        shutil.copy(path, elsewhere.root)
    local = train(elsewhere, tmp_path / "local", packed, tmp_path / "cache")
    with serving(packed, Behaviour(drops=lambda number: number % 4 == 2)) as url:
        remote = train(elsewhere, tmp_path / "remote", url, tmp_path / "cache2")
    assert same_weights(local, remote)
    assert json.loads((local / "data.json").read_text())["train_clips"] == 9
    other = tmp_path / "other"
    told = ["--recipe", str(elsewhere.recipe), "--manifest", str(elsewhere.manifest), "--out", str(other)]
    told += ["--vocabulary", str(elsewhere.vocabulary), "--cache", str(tmp_path / "cache")]
    assert run(["train", *told, "--shards", str(packed), "--buffer", "9"]) == 0
    assert not same_weights(local, other)  # the order of clips is another


def test_a_training_that_lost_its_server_goes_on_to_the_same_weights(
    tiny_world: TinyWorld, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = train(tiny_world, tmp_path / "straight", packed, tmp_path / "cache")
    read, out = remote.FolderFiles.read, tmp_path / "out"
    reads = []

    def until_the_ninth(self: remote.FolderFiles, name: str, *where: Any) -> bytes:
        reads.append(name)
        if len(reads) > 9:
            raise StorageError(self.where(name), "cannot be fetched")
        return read(self, name, *where)

    with monkeypatch.context() as patched:
        patched.setattr(remote.FolderFiles, "read", until_the_ninth)
        with pytest.raises(StorageError, match=r"shard-00000\d\.tar: cannot be fetched"):
            train(tiny_world, out, packed, tmp_path / "cache")
    name, clips = reads[-1], found(tiny_world, packed, tmp_path)
    source = clips.store.training(tuple(clips.videos.values()), 0, BUFFER)
    assert source.files_in_hand() == ()
    assert source.file_of("clips/star_moving_left-train0.mp4").startswith(str(packed / "shard-"))
    assert name.startswith("shard-")
    assert 0 < load_checkpoint(out / "checkpoints/last")[1].step < 6
    assert not same_weights(straight, out)
    assert same_weights(straight, train(tiny_world, out, packed, tmp_path / "cache", resume=True))


def test_two_processes_fetch_every_clip_once_an_epoch(tiny_world: TinyWorld, packed: Path, tmp_path: Path) -> None:
    clips = found(tiny_world, packed, tmp_path)
    _, data = parts(tiny_world, tmp_path)
    alone = clips.store.training(clips.of(data.train), 0, BUFFER)
    seen: list[list[tuple[int, str]]] = []
    for rank in (0, 1):
        source = clips.store.training(clips.of(data.train), 0, BUFFER)
        steps = list(BatchSampler(len(source), 2, 4, 2, 0, World(rank, 2), source.order).steps_from(0))
        epochs = [step.epoch for step in steps for _ in step.micro_batches]
        batches = source.batches(steps)
        seen.append([(epoch, name) for epoch, batch in zip(epochs, batches, strict=True) for name in batch.video_ids])
    ids = [record.video_id for record in data.train]
    assert sorted(seen[0] + seen[1]) == sorted((epoch, name) for epoch in (0, 1) for name in ids)
    assert not set(seen[0]) & set(seen[1])
    assert alone.order(0) != alone.order(1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["backbone.name=shapesav-tiny"], r"backbone \(packed with \w+, the recipe has \w+\)"),
        (["views.train_seeds=3"], r"views.train_seeds \(packed with 2, the recipe has 3\)$"),
        (["video.num_frames=3"], r"video.num_frames \(packed with 4, the recipe has 3\)"),
        (["audio.mel_bins=16"], r"audio.mel_bins \(packed with 32, the recipe has 16\)"),
    ],
)
def test_shards_of_another_recipe_are_refused_naming_both(
    tiny_world: TinyWorld, packed: Path, tmp_path: Path, change: list[str], words: str
) -> None:
    assert found(
        tiny_world, packed, tmp_path, "views.train_seeds=1", "audio.time_mask=2", "model.modalities=[video,flow]"
    )
    with pytest.raises(OpenMovError) as caught:
        found(tiny_world, packed, tmp_path, *change)
    assert "was packed for another recipe: " in caught.value.what
    assert re.search(words, caught.value.what)


def test_shards_of_another_manifest_are_refused_naming_what_differs(
    tiny_world: TinyWorld, packed: Path, tmp_path: Path
) -> None:
    components, data = parts(tiny_world, tmp_path)
    first, second, third, *rest = data.train
    swapped = replace(third, path=second.path, video_id=third.video_id)
    changed = replace(
        data,
        train=(
            replace(first, video_id="unknown.mp4"),
            replace(second, label="heart moving up", start_seconds=0.1),
            swapped,
            replace(rest[0], split="val"),
            *rest[1:],
        ),
    )
    with pytest.raises(OpenMovError) as caught:
        find_clips(components, changed, packed, workers=1)
    line = str(caught.value)
    for words in (
        "1 of 12 videos are missing (unknown.mp4)",
        f"1 of 12 videos have another label ({second.video_id} is 'star moving left' there, 'heart moving up' here)",
        f"1 of 12 videos are packed for another split ({rest[0].video_id} is train there, val here)",
        f"1 of 12 videos are another segment ({second.video_id})",
        f"1 of 12 videos were made from a file with other content ({third.video_id})",
    ):
        assert words in line
    assert "\n" not in line


def test_what_cannot_be_had_is_one_line_and_nothing_is_written(
    tiny_world: TinyWorld, packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with serving(tmp_path) as url:
        for shards, more, words in (
            (url, (), "/pack.json: is not there (the server answers 404)"),
            (str(tmp_path), (), "pack.json: cannot be read"),
            (str(packed), ("--calibrate",), "--calibrate: looks at training clips as in a test"),
            ("s3://bucket/pack", (), "s3 is not a way to fetch files"),
        ):
            told = tiny_world.train(out, "--shards", shards, *more, cache=tmp_path / "cache")
            assert run(told) == 2
            said = capsys.readouterr().err.strip()
            assert words in said
            assert "\n" not in said
            assert not out.exists()


def test_a_pack_is_still_a_cache_folder(packed: Path) -> None:
    assert isinstance(find_pack(packed), Pack)
