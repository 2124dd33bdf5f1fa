"""The format: any reader of safetensors opens it, every changed bit is found, and nothing it says is believed."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard
from safetensors import safe_open

from openmov.store.entry import ARRAY, DamagedError, array_of, check, digest_of, from_bytes, header_bytes, to_bytes

KEY = "ab" + 30 * "1"


def codes(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 9, (4, 8, 9, 2), dtype=np.uint8)


ARRAYS = [
    codes(),
    np.zeros((0, 3), np.float32),
    np.zeros((0, 0), np.uint8),
    np.array(2.5),
    np.array(7, np.uint8),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(10)[::-2],
    np.arange(4, dtype=">i2"),
    np.array([True, False]),
    np.arange(5, dtype=np.uint16),
]


@pytest.mark.parametrize("array", ARRAYS)
def test_what_is_read_is_what_was_written(array: np.ndarray) -> None:
    found = array_of(to_bytes(KEY, {ARRAY: array}), KEY)
    assert found.dtype == array.dtype.newbyteorder("<")
    assert np.array_equal(found, array)
    assert found.shape == array.shape
    assert found.flags.writeable


def test_several_arrays_keep_their_names_and_the_same_bytes_come_out_each_time() -> None:
    arrays = {"names": codes(), "vectors": np.arange(3, dtype=np.float32), "more": codes(1)}
    content = to_bytes(KEY, arrays)
    assert content == to_bytes(KEY, arrays)
    found = from_bytes(content, KEY)
    assert list(found) == list(arrays)
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())
    with pytest.raises(DamagedError):
        array_of(content, KEY)


def test_the_library_of_safetensors_reads_it(tmp_path: Path) -> None:
    """Arrays of 8 bits as the bytes of a Zstandard frame, all others as they are; and who it is."""
    arrays = {"flow": codes(), "audio": np.arange(6, dtype=np.float32).reshape(2, 3), "none": np.zeros((0, 2))}
    (tmp_path / "a.safetensors").write_bytes(to_bytes(KEY, arrays))
    with safe_open(tmp_path / "a.safetensors", "numpy") as file:
        said = file.metadata()
        assert (said["key"], json.loads(said["packed"])) == (KEY, {"flow": [4, 8, 9, 2]})
        assert np.array_equal(file.get_tensor("audio"), arrays["audio"])
        assert file.get_tensor("none").shape == (0, 2)
        assert zstandard.decompress(file.get_tensor("flow").tobytes()) == arrays["flow"].tobytes()


@pytest.mark.parametrize("array", [codes(), np.arange(3.0)])
def test_every_flipped_bit_and_every_cut_is_found(array: np.ndarray) -> None:
    content = to_bytes(KEY, {ARRAY: array})
    for place in range(len(content)):
        for bit in (0, 5):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            with pytest.raises(DamagedError):
                check(bytes(changed), KEY)
    for damaged in (*(content[:length] for length in range(0, len(content), 7)), content + b"\0", content[1:]):
        with pytest.raises(DamagedError):
            check(damaged, KEY)


def test_an_entry_under_another_name_is_found() -> None:
    with pytest.raises(DamagedError, match="another's name"):
        check(to_bytes(KEY, {ARRAY: codes()}), "cd" + 30 * "2")


def forged(packed: dict[str, list[int]], kind: str, shape: list[int], elements: bytes) -> bytes:
    """A file whose digest agrees with whatever it says."""
    said = {"key": KEY, "packed": json.dumps(packed, separators=(",", ":"))}
    tensors = [(ARRAY, kind, shape)]
    digest = digest_of(header_bytes({**said, "digest": "0" * 32}, tensors), elements)
    return header_bytes({**said, "digest": digest}, tensors) + elements


BOMB = zstandard.compress(bytes(1 << 24))
FORGED: dict[str, Callable[[], bytes]] = {
    "more than it says": lambda: forged({ARRAY: [10]}, "U8", [len(BOMB)], BOMB),
    "less than it says": lambda: forged({ARRAY: [1 << 25]}, "U8", [len(BOMB)], BOMB),
    "more than any machine has": lambda: forged({ARRAY: [1 << 60, 1 << 60]}, "U8", [len(BOMB)], BOMB),
    "no frame": lambda: forged({ARRAY: [3]}, "U8", [3], b"abc"),
    "another length": lambda: forged({}, "U8", [5], b"abc"),
    "an unknown dtype": lambda: (9).to_bytes(8, "little") + b'{"a": 1} ',
    "objects": lambda: forged({}, "U8", [3], b"abc").replace(b'"U8"', b'"O8"'),
    "nested brackets": lambda: (200_000).to_bytes(8, "little") + b"[" * 200_000,
    "a header without end": lambda: b"\xff" * 100,
    "nothing": lambda: b"",
    "a pickle": lambda: b"\x80\x04K\x01.",
}


@pytest.mark.parametrize("make", FORGED.values(), ids=FORGED.keys())
def test_what_a_stranger_forged_is_refused_before_it_takes_memory(make: Callable[[], bytes]) -> None:
    with pytest.raises(DamagedError):
        from_bytes(make(), KEY)


def test_a_reader_may_set_a_lower_limit() -> None:
    content = to_bytes(KEY, {ARRAY: codes()})
    assert len(from_bytes(content, KEY, codes().nbytes)) == 1
    with pytest.raises(DamagedError, match="more than"):
        from_bytes(content, KEY, codes().nbytes - 1)


def test_objects_cannot_be_stored() -> None:
    with pytest.raises(ValueError, match="cannot be stored"):
        to_bytes(KEY, {ARRAY: np.array([{}], dtype=object)})
