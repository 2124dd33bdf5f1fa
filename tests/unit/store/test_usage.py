"""What lies in a cache folder: counted by kind, removed oldest first, and nobody else's file is touched."""

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from openmov.errors import RecipeError
from openmov.store import usage
from openmov.store.cache import ArrayCache
from openmov.store.class_vectors import ClassVectors
from openmov.store.usage import clear_caches, parse_size, show_caches


def filled(folder: Path, count: int = 4) -> Path:
    """Entries of videos and a vocabulary, one of an older release, and files of other people."""
    cache = ArrayCache(folder)
    for number in range(count):
        cache.store(f"{number:02x}" + "0" * 30, np.arange(100 * (number + 1)))
        os.utime(cache.path_of(f"{number:02x}" + "0" * 30), (1e9 + number, 1e9 + number))
    ClassVectors(folder).keep("a" * 64, ["one"], np.ones((1, 4), np.float32))
    (folder / "00" / ("00" + "1" * 30 + ".array")).write_bytes(b"x" * 100)
    return folder


def counts(folder: Path) -> dict[str, int]:
    return {one.kind: one.num_entries for one in show_caches(folder)}


def test_kinds_are_counted_and_removed_one_by_one(tmp_path: Path) -> None:
    filled(tmp_path)
    assert counts(tmp_path) == {"labels": 1, "videos": 4, "older": 1}
    assert [one.num_bytes for one in show_caches(tmp_path)][2] == 100
    (gone,) = clear_caches(tmp_path, "older")
    assert (gone.kind, gone.num_entries) == ("older", 1)
    assert counts(tmp_path) == {"labels": 1, "videos": 4}
    clear_caches(tmp_path)
    assert counts(tmp_path) == {"labels": 0, "videos": 0}
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    with pytest.raises(RecipeError, match="'films' is not a kind of cache"):
        clear_caches(tmp_path, "films")


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    filled(tmp_path)
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("0?/*.safetensors"))]
    clear_caches(tmp_path, "videos", keep_bytes=sizes[2] + sizes[3])
    assert sorted(path.parent.name for path in tmp_path.glob("0?/*.safetensors")) == ["02", "03"]


def test_files_that_no_cache_wrote_stay(tmp_path: Path) -> None:
    """Weights with a name of hex digits, files of a features folder, hidden ones however old."""
    mine = ["deadbeef.safetensors", "sub/deadbeef.safetensors", "train-0.safetensors", ".hidden.safetensors"]
    for name in mine:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"mine")
        os.utime(tmp_path / name, (1e9, 1e9))
    filled(tmp_path)
    clear_caches(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(mine)


def test_what_killed_writers_left_goes_once_it_is_old(tmp_path: Path) -> None:
    filled(tmp_path)
    old, new = (tmp_path / "01" / f".01{'0' * 30}.{name}.tmp.safetensors" for name in ("a", "b"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1e9, 1e9))
    clear_caches(tmp_path)
    assert (old.exists(), new.exists()) == (False, True)


def test_folders_that_go_meanwhile_are_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path)
    real, done = os.scandir, []

    def vanishing(place: str) -> object:
        if not isinstance(place, int) and os.fspath(place).endswith("02") and not done:
            done.append(place)
            shutil.rmtree(place)
        return real(place)

    monkeypatch.setattr(usage.os, "scandir", vanishing)
    clear_caches(tmp_path)
    assert done
    assert counts(tmp_path) == {"labels": 0, "videos": 0}


def test_two_clear_while_one_fills_and_one_reads(tmp_path: Path) -> None:
    """Whoever is quicker: no error, and a reader gets an entry whole or none."""
    stop, errors = threading.Event(), []
    cache, wanted = ArrayCache(tmp_path), np.arange(1000)

    def until_stopped(act: object) -> None:
        try:
            while not stop.is_set():
                act()  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)

    def read() -> None:
        found = cache.load("ab" + "0" * 30)
        assert found is None or np.array_equal(found, wanted)

    acts = [lambda: clear_caches(tmp_path)] * 2 + [lambda: cache.store("ab" + "0" * 30, wanted), read]
    threads = [threading.Thread(target=until_stopped, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    stop.wait(0.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []


def test_sizes_are_read_as_people_write_them() -> None:
    assert [parse_size(text) for text in ("500MB", "1.5 GB", "2000", "3k")] == [500_000_000, 1_500_000_000, 2000, 3000]
    with pytest.raises(RecipeError, match="is not a size"):
        parse_size("lots")
