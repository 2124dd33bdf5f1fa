"""Packs: any entry by its key, bit for bit; damage and forgery are found; WebDataset reads the shards."""

import fcntl
import gc
import hashlib
import json
import os
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import zstandard

from openmov.errors import StorageError
from openmov.store.cache import ArrayCache, verify
from openmov.store.entry import ARRAY, array_of, to_bytes
from openmov.store.pack import Pack, Sample, cut, find_pack, open_pack, write_pack
from openmov.store.remote import FolderFiles, WebFiles
from tiny_server import Behaviour, serving

RANDOM = np.random.default_rng(0)
FLOW = {f"{number:032x}": RANDOM.integers(0, 9, (4, 8, 9, 2), dtype=np.uint8) for number in range(10, 20)}
SOUND = {f"{number << 64:032x}": RANDOM.random((16, 30), dtype=np.float32) for number in range(10, 20)}
ARRAYS = {**FLOW, **SOUND}
ENTRIES = {key: to_bytes(key, {ARRAY: array}) for key, array in ARRAYS.items()}


def samples() -> list[Sample]:
    """Ten videos of one flow and one spectrogram each."""
    pairs = zip(FLOW, SOUND, strict=True)
    return [
        Sample(f"{number:032x}", {"id": f"v{number}.mp4", "label": "ein Übel"}, {"flow0": f, "audio0": a}, 1000)
        for number, (f, a) in enumerate(pairs)
    ]


def spoiled(folder: Path, pack: Pack, key: str) -> Path:
    """The shard in which a bit of an entry is flipped."""
    path, content = next(
        (folder / name, whole) for name in pack.names if ENTRIES[key] in (whole := (folder / name).read_bytes())
    )
    changed = bytearray(content)
    changed[content.index(ENTRIES[key]) + 300] ^= 1
    path.write_bytes(changed)
    return path


def packed(folder: Path, shard_bytes: int = 3000, read: Callable[[str], Any] = ENTRIES.__getitem__) -> Pack:
    write_pack(folder, samples(), read, shard_bytes=shard_bytes)
    pack = find_pack(folder)
    assert pack is not None
    return pack


def test_every_entry_is_found_and_no_other(tmp_path: Path) -> None:
    pack = packed(tmp_path)
    assert (len(pack), len(pack.names)) == (20, 4)
    for key, array in ARRAYS.items():
        content = pack.content(key)
        assert content is not None
        loaded = array_of(content, key)
        assert loaded.dtype == array.dtype
        assert np.array_equal(loaded, array)
        assert loaded.flags.writeable
    for other in (f"{1:032x}", f"{11 << 64 | 5:032x}", "f" * 32, "0" * 32, "abcdef0123"):
        assert other not in pack
        assert pack.content(other) is None


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
    """As somebody would who has our pack and not our package: safetensors, and zstandard for 8 bits."""
    webdataset = pytest.importorskip("webdataset")
    pack = packed(tmp_path)

    def decode(content: bytes) -> dict[str, np.ndarray]:
        (length,) = struct.unpack("<Q", content[:8])
        shapes = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["packed"])
        found = safetensors.numpy.load(content)
        for name, shape in shapes.items():
            found[name] = np.frombuffer(zstandard.decompress(found[name].tobytes()), np.uint8).reshape(shape)
        return found

    urls = [str(tmp_path / shard) for shard in pack.names]
    handler = webdataset.handle_extension("safetensors", decode)
    found = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode(handler))
    assert [one["__key__"] for one in found] == [sample.name for sample in samples()]
    for one, sample in zip(found, samples(), strict=True):
        assert one["json"] == {**sample.facts, "entries": dict(sample.keys)}
        assert np.array_equal(one["flow0.safetensors"]["array"], FLOW[sample.keys["flow0"]])
        assert np.array_equal(one["audio0.safetensors"]["array"], SOUND[sample.keys["audio0"]])
    gc.collect()


def test_members_are_the_entries_of_the_cache_byte_for_byte_and_no_key_has_a_dot(tmp_path: Path) -> None:
    for shard in packed(tmp_path).names:
        with tarfile.open(tmp_path / shard) as tar:
            for member in tar.getmembers():
                key, _, ending = member.name.partition(".")
                assert ending in ("json", "flow0.safetensors", "audio0.safetensors")
                assert (len(key), "/" in member.name) == (32, False)
                content = tar.extractfile(member)
                assert content is not None
                if ending != "json":
                    assert content.read() in ENTRIES.values()


def test_a_damaged_entry_is_found_and_counts_as_absent(tmp_path: Path) -> None:
    pack, key = packed(tmp_path), list(FLOW)[4]
    shard = spoiled(tmp_path, pack, key)
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

    def until_the_fifth(key: str) -> bytes:
        asked.append(key)
        if len(asked) == 11:
            raise KeyboardInterrupt
        return ENTRIES[key]

    with pytest.raises(KeyboardInterrupt):
        packed(tmp_path / "a", read=until_the_fifth)
    assert find_pack(tmp_path / "a") is None
    assert sorted(path.name for path in (tmp_path / "a").glob("*.tar")) == ["shard-000000.tar"]
    asked.clear()
    packed(tmp_path / "a", read=lambda key: (asked.append(key), ENTRIES[key])[1])
    assert len(asked) == 14  # not the six of the first shard
    packed(tmp_path / "b")
    assert (tmp_path / "a" / "index.bin").read_bytes() == (tmp_path / "b" / "index.bin").read_bytes()


def test_shards_are_cut_at_their_size() -> None:
    sizes = [len(group) for group in cut(samples(), 3500)]
    assert sizes == [4, 4, 2]
    assert [len(group) for group in cut(samples(), 1)] == [1] * 10
    assert list(cut([], 10)) == []


def test_a_packing_that_was_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    """Half-written files, shards of another size, and what a power cut emptied; another's files stay."""
    packed(tmp_path / "calm")
    packed(tmp_path / "pack", shard_bytes=1000)
    for name in (".shard-000001.x1y2.tmp.tar", ".pack.openmov-0.tmp.json", ".index.abc.tmp.bin"):
        (tmp_path / "pack" / name).write_bytes(b"half")
    (tmp_path / "pack" / "shard-000001.tar").write_bytes(b"")
    for name in ("README.md", "pack-notes.json"):
        (tmp_path / "pack" / name).write_text("mine")
    packed(tmp_path / "pack")
    found = {path.name: path.read_bytes() for path in (tmp_path / "pack").iterdir()}
    assert (found.pop("README.md"), found.pop("pack-notes.json")) == (b"mine", b"mine")
    assert found == {path.name: path.read_bytes() for path in (tmp_path / "calm").iterdir()}


@pytest.mark.parametrize("place", [0, 300, 515, 1023, -1])
def test_a_damaged_shard_is_written_anew_wherever_the_damage_is(tmp_path: Path, place: int) -> None:
    packed(tmp_path)
    shard = tmp_path / "shard-000000.tar"
    good = shard.read_bytes()
    bad = bytearray(good)
    bad[place] ^= 1
    shard.write_bytes(bad)
    packed(tmp_path)
    assert shard.read_bytes() == good


def test_a_pack_that_is_written_anew_is_none_meanwhile(tmp_path: Path) -> None:
    packed(tmp_path)

    def interrupted(key: str) -> bytes:
        raise KeyboardInterrupt

    packed(tmp_path, read=interrupted)  # everything is there: nothing is read
    with pytest.raises(KeyboardInterrupt):
        packed(tmp_path, shard_bytes=5000, read=interrupted)
    assert find_pack(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [("pack.json", '{"mine": 1}'), ("shard-000000.tar", "x"), ("samples.jsonl", "{}\n"), ("index.bin", "")],
)
def test_what_no_packing_wrote_is_not_written_over(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(StorageError, match=f"holds {name}, which openmov pack did not write"):
        packed(tmp_path)
    assert (tmp_path / name).read_text() == content
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_one_packing_at_a_time(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(StorageError, match="another openmov pack is writing there"):
        packed(tmp_path)
    os.close(handle)
    packed(tmp_path)


def spoil(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        facts = json.loads((folder / name).read_text())
        change(facts)
        (folder / name).write_text(json.dumps(facts))

    return act


def changed(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda pack: (pack / name).write_bytes(change((pack / name).read_bytes()))


DEEP = "[" * 200_000 + "]" * 200_000
DAMAGE: list[tuple[Callable[[Path], object], str]] = [
    (spoil("pack.json", lambda facts: facts.update(format_version=99)), "format version 99.*newer openmov"),
    (spoil("pack.json", lambda facts: facts.update(format_version=1)), "format version 1.*pack anew"),
    (spoil("pack.json", lambda facts: facts.update(entries=21)), "does not agree with itself"),
    (spoil("pack.json", lambda facts: facts.update(entries=-1)), "is damaged"),
    (spoil("pack.json", lambda facts: facts["shards"][0].update(name="../a.tar")), "outside its folder"),
    (spoil("pack.json", lambda facts: facts["shards"][0].update(name="pack.json")), "outside its folder"),
    (spoil("pack.json", lambda facts: facts["shards"][0].update(bytes="many")), "is damaged"),
    (spoil("pack.json", lambda facts: facts.pop("shards")), "is damaged"),
    (spoil("pack.json", lambda facts: facts.pop("lists")), "is damaged"),
    (spoil("pack.json", lambda facts: facts["lists"]["samples.jsonl"].update(bytes=1 << 50)), "too long"),
    (lambda folder: (folder / "pack.json").write_text("{"), "is damaged"),
    (lambda folder: (folder / "pack.json").write_text(DEEP), "is damaged"),
    (lambda folder: (folder / "pack.json").write_bytes(b" " * ((1 << 26) + 1)), "larger than 64 MB"),
    (lambda folder: (folder / "index.bin").unlink(), "is missing"),
    (changed("index.bin", lambda rows: rows[:-48]), "index.bin: is missing, cut off"),
]


@pytest.mark.parametrize(("change", "words"), DAMAGE)
def test_a_pack_that_is_not_whole_is_refused(tmp_path: Path, change: Callable[[Path], None], words: str) -> None:
    write_pack(tmp_path / "pack", samples(), ENTRIES.__getitem__, shard_bytes=3000)
    change(tmp_path / "pack")
    with pytest.raises(StorageError, match=words):
        ArrayCache(tmp_path / "pack")
    with pytest.raises(StorageError, match=words):
        opened(tmp_path / "pack")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "pack.json").unlink(), "pack.json: cannot be read"),
        (changed("index.bin", lambda rows: bytes([rows[0] ^ 1]) + rows[1:]), "index.bin: is missing, cut off"),
        (changed("samples.jsonl", lambda lines: lines[:-1]), "samples.jsonl: is missing, cut off"),
        (lambda folder: (folder / "samples.jsonl").unlink(), "samples.jsonl: is missing"),
    ],
)
def test_lists_are_compared_where_they_are_relied_on(
    tmp_path: Path, change: Callable[[Path], None], words: str
) -> None:
    packed(tmp_path / "pack")
    change(tmp_path / "pack")
    with pytest.raises(StorageError, match=words):
        opened(tmp_path / "pack").lines  # noqa: B018


@pytest.mark.parametrize(("column", "value"), [("shard", 99), ("offset", 1 << 40), ("size", (1 << 32) - 1)])
def test_an_index_that_points_outside_the_shards_is_refused(tmp_path: Path, column: str, value: int) -> None:
    """With a digest that agrees."""
    pack = packed(tmp_path / "pack")
    rows = np.array(pack.index)
    rows[column] = value
    del pack
    content = rows.tobytes()
    (tmp_path / "pack" / "index.bin").write_bytes(content)
    facts = json.loads((tmp_path / "pack" / "pack.json").read_text())
    facts["lists"]["index.bin"]["digest"] = hashlib.blake2b(content, digest_size=16).hexdigest()
    (tmp_path / "pack" / "pack.json").write_text(json.dumps(facts, indent=2))
    forged = opened(tmp_path / "pack")
    for act in (lambda: forged.content(KEYS[0]), lambda: KEYS[0] in forged, lambda: forged.read(KEYS[:1])):
        with pytest.raises(StorageError, match=r"index\.bin: says of an entry that it lies outside the shards"):
            act()
    assert forged.damaged_shards()


def test_a_missing_shard_is_the_users_to_mend(tmp_path: Path) -> None:
    pack = packed(tmp_path)
    (tmp_path / pack.names[0]).unlink()
    with pytest.raises(StorageError, match="copy the folder anew"):
        pack.content(next(iter(FLOW)))
    assert verify(tmp_path) == (tmp_path / pack.names[0],)


# ---- from anywhere


KEYS = list(FLOW)


def opened(folder: Path) -> Pack:
    return open_pack(FolderFiles(folder), folder.parent / "kept")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Ten samples of a flow each, in three shards."""
    parts = [
        Sample(key, {"id": f"v{number}", "label": "an odd\u2028name"}, {"flow0": key}, 1000)
        for number, key in enumerate(KEYS)
    ]
    write_pack(tmp_path / "pack", parts, ENTRIES.__getitem__, shard_bytes=3500, settings={"backbone": "b0"})
    return tmp_path / "pack"


def test_entries_come_as_they_were_packed(pack: Path) -> None:
    found = opened(pack)
    assert (len(found.names), len(found.lines), found.settings) == (3, 10, {"backbone": "b0"})
    assert [json.loads(line)["shard"] for line in found.lines] == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
    asked = [KEYS[8], KEYS[1], KEYS[2], KEYS[1]]
    assert found.read(asked) == {key: ENTRIES[key] for key in asked}
    with pytest.raises(KeyError):
        found.read([KEYS[0], "f" * 32])


def test_over_http_the_lists_are_fetched_once_and_neighbours_together(pack: Path) -> None:
    behaviour = Behaviour(drops=lambda number: number % 2 == 1)
    with serving(pack, behaviour) as url:
        files = WebFiles(url, pause_seconds=0.0)
        found = open_pack(files, pack.parent / "kept")
        assert len(found.lines) == 10
        lists = [path for path, _ in behaviour.asked]
        assert {"/pack.json", "/index.bin", "/samples.jsonl"} == set(lists)
        again = open_pack(files, pack.parent / "kept")
        assert again.lines == found.lines
        assert again.identity == found.identity == opened(pack).identity
        assert {path for path, _ in behaviour.asked[len(lists) :]} == {"/pack.json"}
        before = len(behaviour.asked)
        behaviour.drops = lambda number: False
        entries = found.read(KEYS)
        assert len(behaviour.asked) - before == 3  # one range a shard
        assert entries == opened(pack).read(KEYS)
        (pack.parent / "kept" / found.identity / "index.bin").write_bytes(b"damaged")
        assert np.array_equal(open_pack(files, pack.parent / "kept").index, opened(pack).index)


def test_far_entries_are_not_read_with_what_lies_between(pack: Path) -> None:
    behaviour = Behaviour()
    with serving(pack, behaviour) as url:
        near, far = (WebFiles(url, gap_bytes=gap) for gap in (1 << 20, 100))
        for files, requests in ((near, 1), (far, 2)):
            found = open_pack(files, pack.parent / "kept")
            before = len(behaviour.asked)
            found.read([KEYS[0], KEYS[3]])
            assert len(behaviour.asked) - before == requests


def test_other_bytes_than_the_index_says_name_their_shard(pack: Path) -> None:
    found = opened(pack)
    spoiled(pack, found, KEYS[5])
    assert found.read([KEYS[4], KEYS[6]])
    with pytest.raises(StorageError, match=r"shard-000001\.tar: holds other bytes than its index says"):
        found.read([KEYS[5]])
