"""The cache: an entry is there whole or not at all, and its key changes with what it was made from."""

import errno
import logging
import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openmov.errors import DecodeError, StorageError
from openmov.store import cache
from openmov.store.cache import ArrayCache, content_hash, step_key, verify

KEY = "ab" + 30 * "1"
OTHER = "cd" + 30 * "2"


def array(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (4, 8, 9, 2), dtype=np.uint8)


def entry_of(folder: Path, key: str = KEY) -> Path:
    return folder / key[:2] / f"{key}.safetensors"


def files_under(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_an_absent_entry_is_none_and_counts_as_a_miss(tmp_path: Path) -> None:
    store = ArrayCache(tmp_path / "not yet made")
    assert store.load(KEY) is None
    assert KEY not in store
    assert (store.hits, store.misses, store.damaged) == (0, 1, 0)
    assert not store.folder.exists()


def test_get_computes_once(tmp_path: Path) -> None:
    store, calls = ArrayCache(tmp_path), []

    def compute() -> np.ndarray:
        calls.append(1)
        return array()

    assert np.array_equal(store.get(KEY, compute), array())
    assert np.array_equal(store.get(KEY, compute), array())
    assert np.array_equal(ArrayCache(tmp_path).get(KEY, compute), array())
    assert len(calls) == 1
    assert (store.hits, store.misses) == (1, 1)
    assert KEY in store
    assert OTHER not in store


def test_a_failing_computation_stores_nothing(tmp_path: Path) -> None:
    def compute() -> np.ndarray:
        raise DecodeError("a.mp4", "no video stream")

    with pytest.raises(DecodeError):
        ArrayCache(tmp_path).get(KEY, compute)
    assert files_under(tmp_path) == []


def test_several_arrays_are_one_entry(tmp_path: Path) -> None:
    ArrayCache(tmp_path).store_all(KEY, {"a": array(), "b": np.arange(3.0)})
    found = ArrayCache(tmp_path).load_all(KEY)
    assert found is not None
    assert np.array_equal(found["a"], array())
    assert found["b"].tolist() == [0, 1, 2]
    assert ArrayCache(tmp_path).load(KEY) is None  # there is no one array


def test_smooth_flow_becomes_much_smaller(tmp_path: Path) -> None:
    smooth = np.zeros((4, 64, 64, 2), np.uint8) + np.arange(64, dtype=np.uint8)[:, None] // 8
    size = ArrayCache(tmp_path).store(KEY, smooth)
    assert size == entry_of(tmp_path).stat().st_size
    assert size < smooth.nbytes / 20


def test_many_threads_load_at_once(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    cache.store(KEY, array())
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda _: cache.load(KEY), range(2000)))
    assert all(np.array_equal(one, array()) for one in loaded)


@pytest.mark.parametrize("key", ["", "abc", "../../../../etc/passwd", "AB" + 30 * "1", "ab/" + 29 * "1"])
def test_only_keys_are_keys(tmp_path: Path, key: str) -> None:
    store = ArrayCache(tmp_path)
    for act in (lambda: store.load(key), lambda: store.store(key, array()), lambda: key in store):
        with pytest.raises(ValueError, match="not a cache key"):
            act()


def flip_a_bit(content: bytes) -> bytes:
    return content[:300] + bytes([content[300] ^ 1]) + content[301:]


@pytest.mark.parametrize("damage", [flip_a_bit, lambda content: content[:-1], lambda content: b""])
def test_a_damaged_entry_is_found_removed_and_made_anew(
    tmp_path: Path, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = ArrayCache(tmp_path)
    store.store(KEY, array())
    store.store(OTHER, array())
    entry = entry_of(tmp_path)
    entry.write_bytes(damage(entry.read_bytes()))
    assert verify(tmp_path) == (entry,)
    with caplog.at_level(logging.WARNING, logger="openmov"):
        assert store.load(KEY) is None
    assert "damaged" in caplog.text
    assert not entry.exists()
    assert (store.hits, store.misses, store.damaged) == (0, 1, 1)
    assert np.array_equal(store.get(KEY, array), array())
    assert verify(tmp_path) == ()


def test_an_entry_under_another_name_is_damaged(tmp_path: Path) -> None:
    store = ArrayCache(tmp_path)
    store.store(KEY, array())
    entry_of(tmp_path, OTHER).parent.mkdir()
    entry_of(tmp_path).rename(entry_of(tmp_path, OTHER))
    assert verify(tmp_path) == (entry_of(tmp_path, OTHER),)
    assert store.load(OTHER) is None


def test_verify_of_a_folder_that_is_not_there_finds_nothing(tmp_path: Path) -> None:
    assert verify(tmp_path / "nowhere") == ()


def test_a_cache_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    entry_of(tmp_path).mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot be read"):
        ArrayCache(tmp_path).load(KEY)


def test_a_folder_that_is_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(StorageError, match="not a folder"):
        ArrayCache(tmp_path / "cache").store(KEY, array())


@pytest.mark.parametrize("failing", ["write", "replace"])
@pytest.mark.parametrize("older", [False, True])
def test_a_full_disk_leaves_no_half_entry(
    tmp_path: Path, failing: str, older: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArrayCache(tmp_path)
    if older:
        store.store(KEY, array(1))

    def no_space(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if failing == "replace":
            patch.setattr(os, "replace", no_space)
            patch.setattr(Path, "replace", no_space)
        else:
            patch.setattr(Path, "write_bytes", no_space)
        with pytest.raises(StorageError, match="no space left"):
            store.store(KEY, array(2))
    assert files_under(tmp_path) == ([entry_of(tmp_path)] if older else [])
    loaded = store.load(KEY)
    assert (np.array_equal(loaded, array(1)) and verify(tmp_path) == ()) if older else loaded is None


def _die_before_the_end(folder: str) -> None:
    write = Path.write_bytes

    def half(path: Path, content: bytes) -> int:
        write(path, content[:99])
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    Path.write_bytes = half  # type: ignore[assignment,method-assign]
    ArrayCache(Path(folder)).store(KEY, array())


def _fill(folder: str, seed: int) -> None:
    store = ArrayCache(Path(folder))
    for round_ in range(20):
        store.store(KEY, array(seed))
        for index in range(5):
            store.get(f"{index:08x}", lambda: array(seed))
        loaded = store.load(KEY)
        assert loaded is not None, round_
        assert any(np.array_equal(loaded, array(writer)) for writer in (1, 2))
    assert store.damaged == 0


def test_two_processes_fill_it_at_once_and_a_kill_leaves_no_entry(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    fillers = [spawn.Process(target=_fill, args=(str(tmp_path / "shared"), seed)) for seed in (1, 2)]
    killed = spawn.Process(target=_die_before_the_end, args=(str(tmp_path / "killed"),))
    for process in (*fillers, killed):
        process.start()
    for process in (*fillers, killed):
        process.join(60)
    assert [process.exitcode for process in fillers] == [0, 0]
    assert len(files_under(tmp_path / "shared")) == 6
    assert verify(tmp_path / "shared") == ()
    assert killed.exitcode == -signal.SIGKILL
    assert KEY not in ArrayCache(tmp_path / "killed")
    assert ArrayCache(tmp_path / "killed").load(KEY) is None
    assert verify(tmp_path / "killed") == ()


def test_the_key_covers_content_step_version_and_parameters_and_nothing_else() -> None:
    key = step_key("c", "flow", 1, {"short_side": 64, "tvl1": {"tau": 0.25, "theta": 0.3}})
    assert key == step_key("c", "flow", 1, {"tvl1": {"theta": 0.3, "tau": 0.25}, "short_side": 64})
    others = {
        step_key("d", "flow", 1, {"short_side": 64, "tvl1": {"tau": 0.25, "theta": 0.3}}),
        step_key("c", "audio", 1, {"short_side": 64, "tvl1": {"tau": 0.25, "theta": 0.3}}),
        step_key("c", "flow", 2, {"short_side": 64, "tvl1": {"tau": 0.25, "theta": 0.3}}),
        step_key("c", "flow", 1, {"short_side": 65, "tvl1": {"tau": 0.25, "theta": 0.3}}),
        step_key("c", "flow", 1, {"short_side": 64, "tvl1": {"tau": 0.25, "theta": 0.4}}),
        step_key("c", "flow", 1, {"short_side": 64}),
    }
    assert len(others | {key}) == 7
    assert len(key) == 32


def test_parameters_that_json_cannot_say_are_refused() -> None:
    with pytest.raises(TypeError):
        step_key("c", "flow", 1, {"path": Path("a")})
    with pytest.raises(ValueError, match="JSON"):
        step_key("c", "flow", 1, {"tau": float("nan")})


def test_content_counts_and_name_and_time_do_not(tmp_path: Path) -> None:
    first, second = tmp_path / "a.mp4", tmp_path / "b.avi"
    first.write_bytes(b"the same bytes")
    second.write_bytes(b"the same bytes")
    os.utime(second, (1, 1))
    assert content_hash(first) == content_hash(second)
    os.utime(first, (2, 2))
    assert content_hash(first) == content_hash(second)
    second.write_bytes(b"the same byteS")
    assert content_hash(first) != content_hash(second)


def test_a_file_is_read_once_while_it_stays_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened = tmp_path / "a.mp4", []
    path.write_bytes(b"bytes")
    original = cache._new_hash
    monkeypatch.setattr(cache, "_new_hash", lambda: (opened.append(1), original())[1])
    assert content_hash(path) == content_hash(path)
    assert len(opened) == 1
    path.write_bytes(b"other bytes")
    content_hash(path)
    assert len(opened) == 2


def test_a_missing_file_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="No such file"):
        content_hash(tmp_path / "a.mp4")
