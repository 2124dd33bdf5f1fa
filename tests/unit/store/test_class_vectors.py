"""Vectors on disk: a name is embedded once for a backbone and its templates, and a folder keeps to its limit."""

import os
from pathlib import Path

import numpy as np
import pytest

from openmov.store.class_vectors import ClassVectors
from openmov.store.usage import entries_of

GROUP, OTHER = "a" * 64, "b" * 64
RANDOM = np.random.default_rng(0)
VECTORS = dict(zip("abcdef", RANDOM.standard_normal((6, 5)).astype(np.float32), strict=True))


def kept(folder: Path, *lists: str, limit_bytes: int = 1 << 20) -> ClassVectors:
    store = ClassVectors(folder, limit_bytes)
    for names in lists:
        store.keep(GROUP, names, np.stack([VECTORS[name] for name in names]))
    return store


def known(store: ClassVectors, names: str, group: str = GROUP) -> str:
    """The names that are found; their vectors are checked, and that nothing stands where none is."""
    vectors, found = store.find(group, names, 5)
    for name, vector, is_found in zip(names, vectors, found, strict=True):
        assert np.array_equal(vector, VECTORS[name] if is_found else np.zeros(5))
    return "".join(name for name, is_found in zip(names, found, strict=True) if is_found)


def test_what_was_kept_is_found_bit_for_bit(tmp_path: Path) -> None:
    assert known(ClassVectors(tmp_path), "abc") == ""
    assert known(kept(tmp_path, "abc"), "abc") == "abc"


def test_names_are_found_in_any_order_and_company(tmp_path: Path) -> None:
    store = kept(tmp_path, "abc", "de")
    assert known(store, "cba") == "cba"
    assert known(store, "efab") == "eab"
    assert known(store, "f") == ""


def test_another_backbone_or_template_knows_nothing(tmp_path: Path) -> None:
    assert known(kept(tmp_path, "abc"), "abc", OTHER) == ""


def test_vectors_of_another_width_are_left_alone(tmp_path: Path) -> None:
    _, found = kept(tmp_path, "abc").find(GROUP, "abc", 4)
    assert not found.any()


def test_a_damaged_entry_is_no_entry(tmp_path: Path) -> None:
    store = kept(tmp_path, "abc")
    (entry,) = entries_of(store.folder)
    entry.path.write_bytes(entry.path.read_bytes()[:-1])
    assert known(store, "abc") == ""


def test_the_entry_used_longest_ago_goes_first(tmp_path: Path) -> None:
    size = entries_of(kept(tmp_path / "one", "ab").folder)[0].size_bytes
    store = ClassVectors(tmp_path, 2 * size)
    for used, names in enumerate(("ab", "cd")):
        store.keep(GROUP, names, np.stack([VECTORS[name] for name in names]))
        for entry in entries_of(store.folder):
            os.utime(entry.path, (1e9 + used, 1e9 + used))
    assert known(store, "ab") == "ab"  # and now it is the one used last
    store.keep(GROUP, "ef", np.stack([VECTORS[name] for name in "ef"]))
    assert len(entries_of(store.folder)) == 2
    assert known(store, "abcdef") == "abef"


def test_the_newest_stays_though_it_is_larger_than_the_limit(tmp_path: Path) -> None:
    assert known(kept(tmp_path, "abc", limit_bytes=1), "abc") == "abc"


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "labels").write_text("in the way")
    ClassVectors(tmp_path).keep(GROUP, "a", VECTORS["a"][None])
    assert "class names are embedded anew next time" in caplog.text
