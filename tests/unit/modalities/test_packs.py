"""Packs: any entry by its key, bit for bit; damage is found; WebDataset reads the shards, and nothing is unpickled."""

import gc
import gzip
import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openmov.errors import StorageError
from openmov.modalities.cache import ArrayCache, verify
from openmov.modalities.packing import Sample, cut, write_pack
from openmov.modalities.packs import Pack, array_of_npy, find_pack, npy_bytes

RANDOM = np.random.default_rng(0)
FLOW = {f"{number:032x}": RANDOM.integers(0, 9, (4, 8, 9, 2), dtype=np.uint8) for number in range(10, 20)}
SOUND = {f"{number << 64:032x}": RANDOM.random((16, 30), dtype=np.float32) for number in range(10, 20)}
ARRAYS = {**FLOW, **SOUND}


def samples() -> list[Sample]:
    """Ten videos of one flow and one spectrogram each."""
    pairs = zip(FLOW, SOUND, strict=True)
    return [
        Sample(f"{number:032x}", {"id": f"v{number}.mp4", "label": "ein Übel"}, {"flow0": f, "audio0": a}, 1000)
        for number, (f, a) in enumerate(pairs)
    ]


def packed(folder: Path, shard_bytes: int = 3000, load: Callable[[str], Any] = ARRAYS.__getitem__) -> Pack:
    write_pack(folder, samples(), load, shard_bytes=shard_bytes)
    pack = find_pack(folder)
    assert pack is not None
    return pack


def test_every_entry_is_found_and_no_other(tmp_path: Path) -> None:
    pack = packed(tmp_path)
    assert (len(pack), len(pack.shards)) == (20, 4)
    for key, array in ARRAYS.items():
        loaded = pack.load(key)
        assert loaded is not None
        assert loaded.dtype == array.dtype
        assert np.array_equal(loaded, array)
        assert loaded.flags.writeable
    for other in (f"{1:032x}", f"{11 << 64 | 5:032x}", "f" * 32, "0" * 32, "abcdef0123"):
        assert other not in pack
        assert pack.load(other) is None


def test_a_cache_folder_may_be_a_pack_and_new_entries_lie_beside_it(tmp_path: Path) -> None:
    packed(tmp_path)
    cache, key = ArrayCache(tmp_path), next(iter(FLOW))
    assert key in cache
    assert np.array_equal(cache.get(key, lambda: pytest.fail("computed")), FLOW[key])
    cache.store("ab" * 16, np.ones(3))
    assert np.array_equal(ArrayCache(tmp_path).load("ab" * 16), np.ones(3))  # type: ignore[arg-type]
    assert verify(tmp_path) == ()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves its files open
def test_webdataset_reads_the_shards(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    pack = packed(tmp_path)
    urls = [str(tmp_path / shard) for shard in pack.shards]
    found = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode())
    assert [one["__key__"] for one in found] == [sample.name for sample in samples()]
    for one, sample in zip(found, samples(), strict=True):
        assert one["json"] == {**sample.facts, "entries": dict(sample.keys)}
        assert np.array_equal(one["flow0.npy.gz"], FLOW[sample.keys["flow0"]])
        assert np.array_equal(one["audio0.npy"], SOUND[sample.keys["audio0"]])
    gc.collect()


def test_no_member_is_of_a_kind_that_is_unpickled_and_no_key_has_a_dot(tmp_path: Path) -> None:
    for shard in packed(tmp_path).shards:
        with tarfile.open(tmp_path / shard) as tar:
            for member in tar.getmembers():
                key, _, ending = member.name.partition(".")
                assert ending.split(".", 1)[-1] in ("json", "npy", "npy.gz")
                assert len(key) == 32
                assert "/" not in member.name
                content = tar.extractfile(member)
                assert content is not None
                with pytest.raises((pickle.UnpicklingError, ValueError, KeyError, EOFError, IndexError)):
                    pickle.loads(content.read())


@pytest.mark.parametrize(
    "array", [*list(ARRAYS.values())[:1], np.zeros((0, 0), np.float32), np.arange(5.0), np.array(3)]
)
def test_arrays_are_npy_files_as_numpy_reads_them(tmp_path: Path, array: np.ndarray) -> None:
    content = npy_bytes(array)
    plain = gzip.decompress(content) if array.dtype == np.uint8 else content
    assert np.array_equal(np.load(io.BytesIO(plain), allow_pickle=False), array)
    assert np.array_equal(array_of_npy(content), array)
    assert array_of_npy(content).shape == array.shape


def test_what_is_no_npy_of_ours_is_refused() -> None:
    for content in (b"", b"\x93NUMPY\x01\x00", pickle.dumps([1]), b"\x93NUMPY\x01\x00vv{'descr': '|O', 'fortran"):
        with pytest.raises(ValueError, match=r"no \.npy file of ours"):
            array_of_npy(content)


def test_a_damaged_entry_is_found_and_counts_as_absent(tmp_path: Path) -> None:
    pack, key = packed(tmp_path), list(FLOW)[4]
    row = pack._row(key)
    shard = tmp_path / pack.shards[int(row["shard"])]
    content = bytearray(shard.read_bytes())
    content[int(row["offset"]) + 30] ^= 1
    shard.write_bytes(content)
    assert verify(tmp_path) == (shard,)
    cache = ArrayCache(tmp_path)
    assert cache.load(key) is None
    assert cache.damaged == 1
    assert np.array_equal(cache.get(key, lambda: FLOW[key]), FLOW[key])
    assert np.array_equal(ArrayCache(tmp_path).load(key), FLOW[key])  # type: ignore[arg-type]
    assert all(cache.load(other) is not None for other in ARRAYS)


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    packed(tmp_path / "a")
    packed(tmp_path / "b")
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    shards = [f"shard-00000{number}.{end}" for number in range(4) for end in ("json", "tar")]
    assert files == ["index.bin", "pack.json", "samples.jsonl", *shards]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_an_interrupted_packing_goes_on_and_is_no_pack_until_it_is_done(tmp_path: Path) -> None:
    asked: list[str] = []

    def until_the_fifth(key: str) -> np.ndarray:
        asked.append(key)
        if len(asked) == 11:
            raise KeyboardInterrupt
        return ARRAYS[key]

    with pytest.raises(KeyboardInterrupt):
        packed(tmp_path / "a", load=until_the_fifth)
    assert find_pack(tmp_path / "a") is None
    assert sorted(path.name for path in (tmp_path / "a").glob("*.tar")) == ["shard-000000.tar"]
    asked.clear()
    packed(tmp_path / "a", load=lambda key: (asked.append(key), ARRAYS[key])[1])
    assert len(asked) == 14  # not the six of the first shard
    packed(tmp_path / "b")
    assert (tmp_path / "a" / "index.bin").read_bytes() == (tmp_path / "b" / "index.bin").read_bytes()


def test_shards_are_cut_at_their_size() -> None:
    sizes = [len(group) for group in cut(samples(), 3500)]
    assert sizes == [4, 4, 2]
    assert [len(group) for group in cut(samples(), 1)] == [1] * 10
    assert list(cut([], 10)) == []


def spoil(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        facts = json.loads((folder / name).read_text())
        change(facts)
        (folder / name).write_text(json.dumps(facts))

    return act


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (spoil("pack.json", lambda facts: facts.update(format_version=99)), "format version 99"),
        (spoil("pack.json", lambda facts: facts.update(entries=21)), "cut off"),
        (spoil("pack.json", lambda facts: facts["shards"][0].update(name="../a.tar")), "outside its folder"),
        (spoil("pack.json", lambda facts: facts.pop("shards")), "is damaged"),
        (lambda folder: (folder / "pack.json").write_text("{"), "is damaged"),
        (lambda folder: (folder / "index.bin").unlink(), "is damaged"),
    ],
)
def test_a_pack_that_is_not_whole_is_refused(tmp_path: Path, change: Callable[[Path], None], words: str) -> None:
    write_pack(tmp_path, samples(), ARRAYS.__getitem__, shard_bytes=3000)
    change(tmp_path)
    with pytest.raises(StorageError, match=words):
        ArrayCache(tmp_path)


def test_a_missing_shard_is_the_users_to_mend(tmp_path: Path) -> None:
    pack = packed(tmp_path)
    (tmp_path / pack.shards[0]).unlink()
    with pytest.raises(StorageError, match="copy the pack anew"):
        pack.load(next(iter(FLOW)))
    assert verify(tmp_path) == (tmp_path / pack.shards[0],)
