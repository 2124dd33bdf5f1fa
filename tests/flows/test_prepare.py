"""Preparing with real processes: videos that hang or kill, two runs beside each other, kill -9 at any moment."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import tricky_work
from broken_media import WAYS, write_pool
from openmov.config.load import change_recipe, load_recipe
from openmov.config.schema import Recipe
from openmov.prepare import workers as prepare_crew
from openmov.prepare.manifest import PrepareOptions, prepare_manifest
from openmov.store.cache import verify
from tiny_world import TinyWorld

FLOW_ONLY = ["model.method=flow_only", "model.modalities=[flow]"]
CODE = "import sys\nfrom openmov.cli import main\nsys.argv[0] = 'openmov'\nmain()"


@pytest.fixture(scope="module")
def recipe(tiny_world: TinyWorld) -> Recipe:
    return change_recipe(load_recipe(tiny_world.recipe), FLOW_ONLY)


def entries(cache: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cache.rglob("*.safetensors")}


def times(cache: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")}


def test_processes_give_what_threads_give(recipe: Recipe, tmp_path: Path) -> None:
    manifest, _ = write_pool(tmp_path / "pool", 4, 1)
    made = []
    for engine in ("processes", "threads"):
        options = PrepareOptions(workers=1, engine=engine)  # type: ignore[arg-type]
        cache = tmp_path / engine
        done = prepare_manifest(recipe, manifest, cache_folder=cache, options=options, shown=False)
        assert done.report is not None
        made.append((entries(cache), done.report.failures, done.records))
    assert len(made[0][0]) == 5
    assert made[0] == made[1]


@pytest.mark.slow
def test_a_video_that_hangs_or_kills_its_process_costs_itself_alone(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, _ = write_pool(tmp_path / "pool", 8, 0)
    for number, name in ((0, "hang"), (1, "crash"), (2, "bug"), (3, "once")):
        (manifest.parent / f"good{number}.mp4").rename(manifest.parent / f"{name}{number}.mp4")
        manifest.write_text(manifest.read_text().replace(f"good{number}.mp4", f"{name}{number}.mp4"))
    monkeypatch.setattr(prepare_crew, "do_in_child", tricky_work.do_in_child)
    options = PrepareOptions(workers=2, limit_seconds=30.0)
    done = prepare_manifest(recipe, manifest, cache_folder=tmp_path / "cache", options=options, shown=False)
    assert done.report is not None
    reasons = {one.record.path.name: one.error.what for one in done.unreadable}
    assert reasons.keys() == {"hang0.mp4", "crash1.mp4", "bug2.mp4"}
    assert reasons["hang0.mp4"] == "takes longer than 30 s"
    assert "ends the process that reads it" in reasons["crash1.mp4"]
    assert reasons["bug2.mp4"].startswith("unexpected IndexError: ")
    # once3 was done whole before its process died: the second try finds it there, and it is counted once.
    assert (done.report.done, done.report.reused) == (4, 1)
    assert len(done.records) == 5

    threads = PrepareOptions(workers=1, engine="threads", limit_seconds=None)
    for name in reasons:
        (manifest.parent / name).write_bytes(b"")
    prepare_manifest(recipe, manifest, cache_folder=tmp_path / "threads", options=threads, shown=False)
    assert entries(tmp_path / "cache") == entries(tmp_path / "threads")


def command(world: TinyWorld, manifest: Path, cache: Path, *more: str) -> list[str]:
    lists = ["--recipe", str(world.recipe), "--manifest", str(manifest), "--cache", str(cache)]
    settings = [word for setting in FLOW_ONLY for word in ("--set", setting)]
    return [sys.executable, "-c", CODE, "prepare", *lists, *settings, "--json", *more]


def started(words: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(words: list[str]) -> dict[str, Any]:
    process = subprocess.run(words, capture_output=True, text=True, check=False)
    assert process.returncode in (0, 2), process.stderr
    return dict(json.loads(process.stdout))


@pytest.mark.slow
def test_two_runs_beside_each_other_share_the_work(tiny_world: TinyWorld, tmp_path: Path) -> None:
    """The flow is made to take long enough that neither is done before the other has started."""
    manifest, _ = write_pool(tmp_path / "pool", 80, 10)
    long = ["--workers", "1", "--set", "flow.short_side=256", "--set", "flow.tvl1.num_warps=5"]
    words = command(tiny_world, manifest, tmp_path / "cache", *long)
    both = [started(words) for _ in range(2)]
    reports = [json.loads(process.communicate()[0]) for process in both]
    assert [report["videos"] for report in reports] == [80, 80]
    assert [len(report["failed"]) for report in reports] == [10, 10]
    # What both had in hand at the same moment is done by both.
    assert 70 <= sum(report["done"] for report in reports) <= 80
    assert min(report["done"] for report in reports) > 5
    assert verify(tmp_path / "cache") == ()
    assert finished(words)["reused"] == 70


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_at_most_the_videos_in_hand(tiny_world: TinyWorld, tmp_path: Path) -> None:
    manifest, _ = write_pool(tmp_path / "pool", 60, 10)
    words = command(tiny_world, manifest, tmp_path / "cache", "--workers", "2")
    for stored in (1, 7, 20, 41):
        process = started(words)
        while len(entries(tmp_path / "cache")) < stored and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert verify(tmp_path / "cache") == ()
    before = times(tmp_path / "cache")
    report = finished(words)
    assert (report["videos"], len(report["failed"])) == (60, 10)
    assert before.items() <= times(tmp_path / "cache").items()
    finished(command(tiny_world, manifest, tmp_path / "alone"))
    assert entries(tmp_path / "cache") == entries(tmp_path / "alone")
    assert finished(words)["reused"] == 50


@pytest.mark.slow
def test_ctrl_c_says_so_and_leaves_no_process_behind(tiny_world: TinyWorld, tmp_path: Path) -> None:
    manifest, _ = write_pool(tmp_path / "pool", 200, 0)
    process = started(command(tiny_world, manifest, tmp_path / "cache", "--workers", "2"))
    while len(entries(tmp_path / "cache")) < 10 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.splitlines()[-1] == "openmov: interrupted; what was finished is kept"
    assert "Traceback" not in said
    cache = os.fsencode(tmp_path)
    assert not [one for one in Path("/proc").glob("[0-9]*/cmdline") if cache in content_of(one)]


def content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.slow
def test_of_1000_videos_50_are_broken_in_ten_ways(tiny_world: TinyWorld, tmp_path: Path) -> None:
    manifest, broken = write_pool(tmp_path / "pool", 1000, 50)
    assert len({name.rstrip("0123456789.mp").rstrip("4") for name in broken}) == len(WAYS) == 10
    reports = []
    for workers in ("1", "2", "4"):
        cache = tmp_path / f"cache{workers}"
        reports.append(finished(command(tiny_world, manifest, cache, "--workers", workers)))
        if workers != "1":
            assert entries(cache) == entries(tmp_path / "cache1")
            shutil.rmtree(cache)
    for report in reports:
        assert (report["done"], report["reused"], len(report["failed"])) == (950, 0, 50)
        assert [Path(one["file"]).name for one in report["failed"]] == in_order(manifest, broken)
        assert all(one["reason"] for one in report["failed"])
        assert report["failed"] == reports[0]["failed"]


def in_order(manifest: Path, broken: list[str]) -> list[str]:
    """Training clips first, as they are prepared."""
    rows = [line.split(",") for line in manifest.read_text().splitlines()[1:]]
    return [name for split in ("train", "val", "test") for name, _, own in rows if own == split and name in broken]
