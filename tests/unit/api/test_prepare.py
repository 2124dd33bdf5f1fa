"""Filling the caches: planned, done once, shared, gone on with; every video has one place in the report."""

import errno
import json
import os
import re
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broken_media import WAYS, write_pool
from openmov.config.load import change_recipe, load_recipe
from openmov.config.schema import Recipe
from openmov.data import pictures
from openmov.data.entries import Cost
from openmov.data.records import Record
from openmov.data.shards import Shard
from openmov.errors import RecipeError, StorageError
from openmov.modalities import flow
from openmov.prepare import manifest as module
from openmov.prepare import workers as prepare_crew
from openmov.prepare.manifest import Preparation, PrepareOptions, prepare_manifest
from openmov.prepare.plan import PlannedStep, PreparePlan, estimated, sample
from openmov.prepare.video import Job, Outcome
from openmov.prepare.workers import ThreadWorker, WorkerPool
from openmov.runtime.workers import CallDiedError, CallOverTimeError
from openmov.store.cache import verify
from tiny_world import TinyWorld

THREADS = PrepareOptions(workers=1, engine="threads", limit_seconds=None)
NUM_VIDEOS = 24


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 videos, of which ten are broken in ten ways."""
    manifest, broken = write_pool(tmp_path_factory.mktemp("prepare") / "pool", NUM_VIDEOS, len(WAYS))
    assert len(broken) == len(WAYS) == 10
    return manifest


@pytest.fixture(scope="module")
def recipe(tiny_world: TinyWorld) -> Recipe:
    """Flow alone."""
    return flow_only(tiny_world)


def flow_only(world: TinyWorld) -> Recipe:
    return change_recipe(load_recipe(world.recipe), ["model.method=flow_only", "model.modalities=[flow]"])


def filled(recipe: Recipe, manifest: Path, cache: Path, options: PrepareOptions = THREADS, **more: Any) -> Preparation:
    return prepare_manifest(recipe, manifest, cache_folder=cache, options=options, shown=False, **more)


def entries(cache: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cache.rglob("*.safetensors")}


def counts(done: Preparation) -> tuple[int, int, int]:
    assert done.report is not None
    return done.report.done, done.report.reused, len(done.report.failures)


class TestReport:
    def test_every_video_has_one_place_and_every_failure_its_reason(
        self, recipe: Recipe, pool: Path, tmp_path: Path
    ) -> None:
        done = filled(recipe, pool, tmp_path)
        assert counts(done) == (14, 0, 10)
        assert len(done.records) == 14
        names = {re.sub(r"[0-9]+[.]mp4", "", one.record.path.name): one.error.what for one in done.unreadable}
        assert names.keys() == {way.replace(" ", "-") for way in WAYS}
        assert names["empty"] == "an empty file"
        assert names["sound-only"] == "gives no flow: it holds sound alone"
        assert names["overwritten"] == "neither pictures nor sound can be decoded"
        assert names["cut-off"] == names["noise"] == "no media file, or one that is damaged or cut off"
        assert all(names.values())

    def test_is_written_beside_the_entries(self, recipe: Recipe, pool: Path, tmp_path: Path) -> None:
        done = filled(recipe, pool, tmp_path)
        assert done.report_file is not None
        assert done.report is not None
        facts = json.loads(done.report_file.read_text())
        assert (facts["videos"], facts["done"], facts["reused"], len(facts["failed"])) == (24, 14, 0, 10)
        assert {one["file"] for one in facts["failed"]} == {str(one.record.path) for one in done.unreadable}
        stored = sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))
        assert facts["made"]["flow"]["stored_bytes"] == stored
        assert facts["made"]["flow"]["units"] == sum(
            4 * (2 if record.split == "train" else 1) for record in done.records
        )  # four pairs a view, two seeded views in training
        assert sum(len(group) for group in done.report.by_reason.values()) == 10

    def test_a_second_run_reuses_and_touches_nothing(self, recipe: Recipe, pool: Path, tmp_path: Path) -> None:
        first = filled(recipe, pool, tmp_path)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
        second = filled(recipe, pool, tmp_path)
        assert counts(second) == (0, 14, 10)
        assert second.unreadable == first.unreadable or len(second.unreadable) == 10
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == before
        assert second.report_file == first.report_file

    @pytest.mark.parametrize("workers", [2, 5])
    def test_is_the_same_with_any_number_of_workers(
        self, recipe: Recipe, pool: Path, tmp_path: Path, workers: int
    ) -> None:
        alone = filled(recipe, pool, tmp_path / "alone")
        together = filled(recipe, pool, tmp_path / "together", replace(THREADS, workers=workers))
        assert counts(alone) == counts(together)
        assert alone.report is not None
        assert together.report is not None
        assert alone.report.failures == together.report.failures
        assert alone.records == together.records
        assert entries(tmp_path / "alone") == entries(tmp_path / "together")

    def test_what_is_odd_in_a_file_is_noted(self, recipe: Recipe, pool: Path, tmp_path: Path) -> None:
        """Pictures of the middle are overwritten: the others are used, and it is said."""
        good = next(path for path in pool.parent.glob("good*.mp4"))
        content = bytearray(good.read_bytes())
        start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
        content[start + (end - start) * 9 // 10 : end] = b"\xff" * (end - start - (end - start) * 9 // 10)
        (tmp_path / "odd.mp4").write_bytes(content)
        (tmp_path / "m.csv").write_text("path,label\nodd.mp4,\n")
        done = filled(recipe, tmp_path / "m.csv", tmp_path / "cache")
        assert done.report is not None
        assert [note.what.split(":")[0] for note in done.report.notes] == ["damaged packets"]


class TestPlan:
    def test_counts_what_is_needed_and_what_is_missing(self, recipe: Recipe, pool: Path, tmp_path: Path) -> None:
        plans: list[PreparePlan] = []
        done = filled(recipe, pool, tmp_path, announce=plans.append)
        (plan,) = plans
        assert plan is done.plan
        assert (plan.videos, plan.complete, plan.unreadable, len(plan.jobs)) == (24, 0, 10, 14)
        flow = plan.steps["flow"]
        assert flow.needed == flow.missing
        assert flow.missing_bytes == flow.missing * 2 * 64 * 96
        assert flow.seconds is not None
        assert flow.seconds > 0
        stored = sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))
        assert plan.disk_bytes == pytest.approx(stored, rel=0.2)
        again = filled(recipe, pool, tmp_path)
        assert (again.plan.complete, again.plan.steps["flow"].needed) == (14, flow.needed)
        assert again.plan.steps["flow"].missing < flow.needed / 4

    def test_alone_writes_nothing(self, recipe: Recipe, pool: Path, tmp_path: Path) -> None:
        done = filled(recipe, pool, tmp_path / "cache", plan_only=True)
        assert done.report is None
        assert done.plan.disk_bytes > 0
        assert not (tmp_path / "cache").exists()

    def test_is_in_proportion_to_the_sample(self) -> None:
        """3 pairs took 0.6 s and 30 of 60 bytes: 10 pairs of 200 bytes take 2 s and 100 bytes."""
        job = Job(0, Record("a", Path("a")), False, {"flow": 60})
        measured = [(job, Outcome("done", {"flow": Cost(3, 0.6, 30)}))]
        steps = {"flow": PlannedStep(20, 10, 200), "audio": PlannedStep(5, 5, 50), "frozen": PlannedStep(7, 0, 0)}
        said = estimated(steps, measured)
        assert (said["flow"].seconds, said["flow"].disk_bytes) == (pytest.approx(2.0), 100)
        assert said["audio"].seconds is None
        assert said["frozen"].seconds == 0
        plan = PreparePlan(1, 0, 0, said, 1000, workers=4)
        assert plan.seconds == pytest.approx(0.5)
        assert plan.unknown == ("audio",)

    def test_sample_is_spread_over_the_jobs(self) -> None:
        jobs = [Job(index, Record(str(index), Path("a")), False) for index in range(100)]
        assert [job.index for job in sample(jobs, 5)] == [0, 20, 40, 60, 80]
        assert [job.index for job in sample(jobs[:3], 5)] == [0, 1, 2]
        assert sample([], 5) == ()


class TestDamage:
    def test_a_damaged_entry_is_made_anew_only_where_entries_are_verified(
        self, recipe: Recipe, pool: Path, tmp_path: Path
    ) -> None:
        filled(recipe, pool, tmp_path)
        whole = entries(tmp_path)
        victim = next(iter(sorted(tmp_path.rglob("*.safetensors"))))
        victim.write_bytes(victim.read_bytes()[:-1])
        assert verify(tmp_path) == (victim,)
        assert counts(filled(recipe, pool, tmp_path)) == (0, 14, 10)
        assert verify(tmp_path) == (victim,)
        assert counts(filled(recipe, pool, tmp_path, replace(THREADS, verify=True))) == (1, 13, 10)
        assert verify(tmp_path) == ()
        assert entries(tmp_path) == whole


class TestShards:
    def test_do_disjoint_parts_that_make_the_whole(self, recipe: Recipe, pool: Path, tmp_path: Path) -> None:
        filled(recipe, pool, tmp_path / "whole")
        seen: list[str] = []
        files = set()
        for number in (1, 2, 3):
            options = replace(THREADS, shard=Shard(number, 3))
            done = filled(recipe, pool, tmp_path / "parts", options)
            seen += [record.video_id for record in done.records]
            seen += [one.record.video_id for one in done.unreadable]
            assert counts(done)[1] == 0
            files.add(done.report_file)
        assert len(seen) == len(set(seen)) == NUM_VIDEOS
        assert len(files) == 3
        assert entries(tmp_path / "parts") == entries(tmp_path / "whole")

    def test_an_empty_part_is_no_fault(self, recipe: Recipe, pool: Path, tmp_path: Path) -> None:
        empty = next(
            shard
            for shard in (Shard(number, 999) for number in range(1, 999))
            if not any(shard.holds(line.split(",")[0]) for line in pool.read_text().splitlines())
        )
        assert counts(filled(recipe, pool, tmp_path, replace(THREADS, shard=empty))) == (0, 0, 0)


def test_frames_are_stored_where_asked_for_and_spare_the_next_backbone_decoding(
    tiny_world: TinyWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = change_recipe(load_recipe(tiny_world.recipe), ["model.method=video_only", "model.modalities=[video]"])

    def prepared(folder: str, options: PrepareOptions = THREADS) -> Preparation:
        return prepare_manifest(
            recipe, tiny_world.manifest, "val", cache_folder=tmp_path / folder, options=options, shown=False
        )

    assert "frames" not in prepared("plain").plan.steps
    assert prepared("c", replace(THREADS, frames=True)).plan.steps["frames"].needed == 5 * 4
    plain, stored = entries(tmp_path / "plain"), entries(tmp_path / "c")
    assert (len(plain), len(stored)) == (5, 10)
    assert plain.items() <= stored.items()
    monkeypatch.setattr(pictures.Footage, "crop", None)  # decoding would fail now
    made = [path for path in (tmp_path / "c").rglob("*.safetensors") if path.stat().st_size < 1000]
    assert len(made) == 5  # embeddings: four of 32 numbers
    for path in made:
        path.unlink()
    assert counts(prepared("c")) == (5, 0, 0)
    assert entries(tmp_path / "c") == stored


class TestFaults:
    def test_a_full_disk_stops_with_one_line_and_what_is_done_is_whole(
        self, recipe: Recipe, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = [5]
        write = Path.write_bytes

        def full(path: Path, content: bytes) -> int:
            room[0] -= 1
            if room[0] < 0:
                write(path, content[:10])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(path, content)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", full)
            with pytest.raises(StorageError, match="no space left on the device; free some space"):
                filled(recipe, pool, tmp_path, replace(THREADS, workers=2))
        assert len(entries(tmp_path)) == 5
        assert verify(tmp_path) == ()
        assert [path for path in tmp_path.rglob("*") if ".tmp" in path.name] == []
        done = filled(recipe, pool, tmp_path)
        assert counts(done)[2] == 10
        assert sum(counts(done)) == NUM_VIDEOS

    def test_a_read_only_cache_says_so_before_any_work(
        self, recipe: Recipe, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def read_only(**_: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr("openmov.store.cache.tempfile.TemporaryFile", read_only)
        monkeypatch.setattr(prepare_crew, "do_job", None)
        with pytest.raises(StorageError, match="the file system is read-only"):
            filled(recipe, pool, tmp_path)

    def test_a_file_replaced_meanwhile_is_read_again_and_stored_as_what_it_is(
        self, recipe: Recipe, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, new = (path.read_bytes() for path in sorted(pool.parent.glob("good*.mp4"))[:2])
        (tmp_path / "a.mp4").write_bytes(old)
        (tmp_path / "m.csv").write_text("path,label\na.mp4,\n")
        compute, done = flow.compute_flow, []

        def replaced_the_first_time(*given: Any) -> Any:
            if not done:
                done.append(1)
                (tmp_path / "b.mp4").write_bytes(new)
                (tmp_path / "b.mp4").replace(tmp_path / "a.mp4")
            return compute(*given)

        monkeypatch.setattr(flow, "compute_flow", replaced_the_first_time)
        assert counts(filled(recipe, tmp_path / "m.csv", tmp_path / "cache")) == (1, 0, 0)
        monkeypatch.setattr(flow, "compute_flow", compute)
        assert counts(filled(recipe, tmp_path / "m.csv", tmp_path / "other")) == (1, 0, 0)
        assert entries(tmp_path / "cache") == entries(tmp_path / "other")

    def test_a_file_that_keeps_changing_is_refused(
        self, recipe: Recipe, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = next(path for path in pool.parent.glob("good*.mp4"))
        shutil.copy(good, tmp_path / "a.mp4")
        (tmp_path / "m.csv").write_text("path,label\na.mp4,\n")
        compute = flow.compute_flow

        def growing(*given: Any) -> Any:
            with (tmp_path / "a.mp4").open("ab") as file:
                file.write(bytes(8))
            return compute(*given)

        monkeypatch.setattr(flow, "compute_flow", growing)
        done = filled(recipe, tmp_path / "m.csv", tmp_path / "cache")
        assert [one.error.what for one in done.unreadable] == ["was changed while it was read"]
        assert entries(tmp_path / "cache") == {}

    def test_ctrl_c_keeps_what_is_done(
        self, recipe: Recipe, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def press(_: PreparePlan) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            filled(recipe, pool, tmp_path, announce=press)
        before = entries(tmp_path)
        assert before
        done = filled(recipe, pool, tmp_path)
        assert counts(done)[2] == 10
        assert before.items() <= entries(tmp_path).items()


class Scripted:
    """A worker that does as it is told: by video id, what each call raises or answers."""

    def __init__(self, script: dict[str, list[Any]], calls: list[str]) -> None:
        self.script, self.calls = script, calls

    def do(self, job: Job, limit_seconds: float | None) -> Outcome:
        self.calls.append(job.record.video_id)
        answer = self.script.get(job.record.video_id, [])
        said = answer.pop(0) if answer else Outcome("done", {"flow": Cost(1, 1.0, 1)})
        if isinstance(said, BaseException):
            raise said
        return said

    def close(self) -> None:
        pass


def jobs(*names: str) -> list[Job]:
    return [Job(place, Record(name, Path(name)), False) for place, name in enumerate(names)]


class TestCrew:
    """Counting, whatever becomes of the workers."""

    def outcomes(self, script: dict[str, list[Any]], workers: int = 2) -> tuple[dict[str, Outcome], int]:
        opened: list[int] = []
        calls: list[str] = []

        def open_worker() -> Scripted:
            opened.append(1)
            return Scripted(script, calls)

        with WorkerPool(open_worker, workers, 9.0) as crew:
            found = [(job.record.video_id, outcome) for job, outcome in crew.outcomes(jobs("a", "b", "c", "d"))]
        assert sorted(name for name, _ in found) == ["a", "b", "c", "d"]  # each once
        return dict(found), len(opened)

    def test_a_worker_that_died_is_replaced_and_its_video_tried_once_more(self) -> None:
        found, opened = self.outcomes({"b": [CallDiedError("killed by SIGKILL")]}, workers=1)
        assert {outcome.status for outcome in found.values()} == {"done"}
        assert opened == 2

    def test_a_retried_video_that_is_there_already_is_counted_once_and_not_done_twice(self) -> None:
        """The worker died after it had stored everything and before it could say so."""
        found, _ = self.outcomes({"b": [CallDiedError("node lost"), Outcome("reused")]})
        assert found["b"] == Outcome("reused")

    def test_a_video_that_kills_its_workers_is_named(self) -> None:
        found, opened = self.outcomes({"b": [CallDiedError("killed by SIGSEGV")] * 2}, workers=1)
        assert found["b"].status == "failed"
        assert found["b"].what == "ends the process that reads it (killed by SIGSEGV)"
        assert opened == 3

    def test_a_video_that_hangs_is_named_and_not_tried_again(self) -> None:
        found, opened = self.outcomes({"c": [CallOverTimeError()]}, workers=1)
        assert found["c"].what == "takes longer than 9 s"
        assert opened == 2


def test_without_ray_its_engine_says_how_to_get_it(
    recipe: Recipe, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RecipeError, match=r"Ray is not installed; pip install 'openmov\[cluster\]'"):
        filled(recipe, pool, tmp_path, replace(THREADS, engine="ray"))
    assert entries(tmp_path) == {}


def test_two_at_once_share_the_work(
    recipe: Recipe, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both see everything missing; what one has stored the other finds there, and both report all of them.

    Each goes through the list in an order of its own: in one and the same they would do every video twice.
    """
    barrier, orders = threading.Barrier(2), dict[int, list[str]]()
    do_job = ThreadWorker.do

    def noted(self: ThreadWorker, job: Job, limit: float | None) -> Outcome:
        orders.setdefault(id(self), []).append(job.record.video_id)
        return do_job(self, job, limit)

    monkeypatch.setattr(ThreadWorker, "do", noted)
    survey = module.survey
    monkeypatch.setattr(module, "survey", lambda *given, **named: (survey(*given, **named), barrier.wait())[0])
    results: list[Preparation] = []
    both = [threading.Thread(target=lambda: results.append(filled(recipe, pool, tmp_path))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(results) == 2
    assert [sum(counts(one)) for one in results] == [NUM_VIDEOS, NUM_VIDEOS]
    assert 14 <= sum(counts(one)[0] for one in results) < 28
    first, second = orders.values()
    assert sorted(first) == sorted(second)
    assert first != second
    assert verify(tmp_path) == ()
