"""A pack read from a folder or over HTTP: the same entries, few requests, and damage named by its shard."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from openmov.errors import StorageError
from openmov.modalities.packing import Sample, write_pack
from openmov.modalities.packs import array_of_npy
from openmov.modalities.shards import Shards, open_shards
from openmov.runtime.places import FolderPlace, WebPlace
from tiny_server import Behaviour, serving

RANDOM = np.random.default_rng(0)
FLOW = [RANDOM.integers(0, 9, (4, 8, 9, 2), dtype=np.uint8) for _ in range(10)]
ARRAYS = {f"{number:032x}": array for number, array in enumerate(FLOW)}
KEYS = list(ARRAYS)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    samples = [
        Sample(key, {"id": f"v{number}", "label": "an odd\u2028name"}, {"flow0": key}, 1000)
        for number, key in enumerate(KEYS)
    ]
    write_pack(tmp_path / "pack", samples, ARRAYS.__getitem__, shard_bytes=3500, settings={"backbone": "b0"})
    return tmp_path / "pack"


def opened(pack: Path) -> Shards:
    return open_shards(FolderPlace(pack), pack.parent / "kept")


def test_entries_come_as_they_were_packed(pack: Path) -> None:
    shards = opened(pack)
    assert (len(shards.names), len(shards.lines), shards.settings) == (3, 10, {"backbone": "b0"})
    assert [json.loads(line)["shard"] for line in shards.lines] == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
    asked = [KEYS[8], KEYS[1], KEYS[2], KEYS[1]]
    found = shards.read(asked)
    assert set(found) == set(asked)
    assert all(np.array_equal(array_of_npy(found[key]), ARRAYS[key]) for key in asked)
    with pytest.raises(KeyError):
        shards.read([KEYS[0], "f" * 32])


def test_over_http_the_lists_are_fetched_once_and_neighbours_together(pack: Path) -> None:
    behaviour = Behaviour(drops=lambda number: number % 2 == 1)
    with serving(pack, behaviour) as url:
        place = WebPlace(url, pause_seconds=0.0)
        shards = open_shards(place, pack.parent / "kept")
        lists = [path for path, _ in behaviour.asked]
        assert {"/pack.json", "/index.bin", "/samples.jsonl"} == set(lists)
        again = open_shards(place, pack.parent / "kept")
        assert again.identity == shards.identity == opened(pack).identity
        assert {path for path, _ in behaviour.asked[len(lists) :]} == {"/pack.json"}
        before = len(behaviour.asked)
        behaviour.drops = lambda number: False
        found = shards.read(KEYS)
        assert len(behaviour.asked) - before == 3  # one range a shard
        assert found == opened(pack).read(KEYS)
        (pack.parent / "kept" / shards.identity / "index.bin").write_bytes(b"damaged")
        assert np.array_equal(open_shards(place, pack.parent / "kept").index, opened(pack).index)


def test_far_entries_are_not_read_with_what_lies_between(pack: Path) -> None:
    behaviour = Behaviour()
    with serving(pack, behaviour) as url:
        near, far = (WebPlace(url, gap_bytes=gap) for gap in (1 << 20, 100))
        for place, requests in ((near, 1), (far, 2)):
            shards = open_shards(place, pack.parent / "kept")
            before = len(behaviour.asked)
            shards.read([KEYS[0], KEYS[3]])
            assert len(behaviour.asked) - before == requests


def test_other_bytes_than_the_index_says_name_their_shard(pack: Path) -> None:
    shards = opened(pack)
    row = shards.row(KEYS[5])
    path = pack / shards.names[1]
    content = bytearray(path.read_bytes())
    content[int(row["offset"]) + 30] ^= 1
    path.write_bytes(content)
    assert shards.read([KEYS[4], KEYS[6]])
    with pytest.raises(StorageError, match=r"shard-000001\.tar: holds other bytes than its index says"):
        shards.read([KEYS[5]])


def changed(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda pack: (pack / name).write_bytes(change((pack / name).read_bytes()))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda pack: (pack / "pack.json").unlink(), "pack.json: cannot be read"),
        (changed("pack.json", lambda text: text[:40]), "is damaged"),
        (changed("pack.json", lambda text: text.replace(b'_version": 1', b'_version": 9')), "format version 9"),
        (changed("pack.json", lambda text: text.replace(b'"lists"', b'"other"')), "without a list of its samples"),
        (changed("pack.json", lambda text: text.replace(b"shard-000000", b"../000000000")), "outside its folder"),
        (changed("index.bin", lambda rows: rows[:-48]), "index.bin: is missing, cut off"),
        (changed("samples.jsonl", lambda lines: lines[:-1]), "samples.jsonl: is missing, cut off"),
        (lambda pack: (pack / "samples.jsonl").unlink(), "samples.jsonl: is missing"),
    ],
)
def test_a_pack_that_is_not_whole_is_refused(pack: Path, spoil: Callable[[Path], object], words: str) -> None:
    assert opened(pack)
    spoil(pack)
    with pytest.raises(StorageError, match=words):
        opened(pack)
