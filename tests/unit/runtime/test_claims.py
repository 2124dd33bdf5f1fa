"""Claims: one process at a time, given back when it ends, taken over when it is gone."""

import errno
import json
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from openmov.errors import StorageError
from openmov.runtime import claims as module
from openmov.runtime.claims import Claims

KEY, OTHER = "ab" * 16, "cd" * 16


def test_one_of_two_has_it_until_it_is_released(tmp_path: Path) -> None:
    with Claims(tmp_path) as first, Claims(tmp_path) as second:
        assert first.take(KEY)
        assert not second.take(KEY)
        assert not first.take(KEY)
        assert second.take(OTHER)
        first.release(KEY)
        assert second.take(KEY)
        assert not first.take(KEY)


def test_of_many_threads_of_many_holders_one_has_it(tmp_path: Path) -> None:
    keys = [f"{number:032x}" for number in range(20)]
    with Claims(tmp_path) as first, Claims(tmp_path) as second, Claims(tmp_path) as third:
        start = threading.Barrier(6)

        def grab(holder: Claims) -> list[str]:
            start.wait()
            return [key for key in keys if holder.take(key)]

        with ThreadPoolExecutor(6) as pool:
            taken = [key for found in pool.map(grab, [first, second, third] * 2) for key in found]
    assert sorted(taken) == keys


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    folder = tmp_path / "claims"
    with Claims(folder) as holder:
        holder.take(KEY)
        assert len(list(folder.iterdir())) == 2
    assert not folder.exists()


def stale(folder: Path, *, seconds_ago: float, **holder: object) -> None:
    """A claim of a process elsewhere that renewed it so long ago."""
    facts = {"machine": "another", "pid": 1, "born": "7"} | holder
    path = folder / f"{KEY}.0"
    folder.mkdir(exist_ok=True)
    path.write_text(json.dumps(facts))
    os.utime(path, (time.time() - seconds_ago,) * 2)


@pytest.mark.parametrize(("seconds_ago", "taken"), [(5, False), (55, False), (65, True), (3600, True)])
def test_a_claim_lives_as_long_as_its_lease(tmp_path: Path, seconds_ago: float, taken: bool) -> None:
    stale(tmp_path, seconds_ago=seconds_ago)
    with Claims(tmp_path, lease_seconds=60.0) as holder:
        assert holder.take(KEY) is taken


def test_only_one_takes_a_stale_claim_over_and_then_holds_it(tmp_path: Path) -> None:
    stale(tmp_path, seconds_ago=3600)
    with Claims(tmp_path) as first, Claims(tmp_path) as second:
        assert [first.take(KEY), second.take(KEY), second.take(KEY)] == [True, False, False]
        first.release(KEY)
        assert second.take(KEY)
        second.release(KEY)
        assert not list(tmp_path.glob(f"{KEY}*"))


def test_a_process_of_this_machine_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    me = {"machine": module._machine(), "pid": os.getpid()}
    with Claims(tmp_path) as holder:
        stale(tmp_path, seconds_ago=1, **me, born=module._born(os.getpid()))
        assert not holder.take(KEY)
        stale(tmp_path, seconds_ago=1, **me, born="before me, with my number")
        assert holder.take(KEY)


def _hold_until_killed(folder: str) -> None:
    with Claims(Path(folder)) as holder:
        assert holder.take(KEY)
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_loses_its_claims_at_once(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_hold_until_killed, args=(str(tmp_path),))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert (tmp_path / f"{KEY}.0").exists()
    with Claims(tmp_path) as holder:
        assert holder.take(KEY)


def test_claims_are_renewed_while_they_are_held(tmp_path: Path) -> None:
    with Claims(tmp_path, lease_seconds=0.2) as holder:
        holder.take(KEY)
        place = tmp_path / f"{KEY}.0"
        before = place.stat().st_mtime_ns
        deadline = time.monotonic() + 30
        while place.stat().st_mtime_ns == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_repeated_request_of_nfs_is_not_taken_for_another_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link was made, the answer lost, and the repeated request says that it is there."""
    link = os.link

    def twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", twice)
    with Claims(tmp_path) as first, Claims(tmp_path) as second:
        assert first.take(KEY)
        assert not second.take(KEY)


def test_without_hard_links_everybody_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", refuse)
    with Claims(tmp_path) as first, Claims(tmp_path) as second:
        assert first.take(KEY)
        assert second.take(KEY)
        assert not first.take(KEY)


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "no space left"), (errno.EROFS, "read-only")])
def test_a_full_or_read_only_disk_is_the_users_to_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(code, "no")

    with Claims(tmp_path) as holder:
        with monkeypatch.context() as patch:
            patch.setattr(os, "link", refuse)
            with pytest.raises(StorageError, match=words):
                holder.take(KEY)
        assert holder.take(KEY)


def test_only_keys_are_keys(tmp_path: Path) -> None:
    with Claims(tmp_path) as holder, pytest.raises(ValueError, match="no key"):
        holder.take("../../etc/passwd")
