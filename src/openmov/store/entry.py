"""The format of everything stored: a safetensors file with a key and a digest in its metadata.

    8 bytes        length of the header, little-endian
    header         JSON: {"__metadata__": {"digest", "key", "packed"}, name: {"dtype", "shape", "data_offsets"}, ...}
    elements       of one array after the other, in C order

Arrays of 8 bits are packed with Zstandard, which makes flow eight times smaller for less than a millisecond a picture
(decision 18): such a tensor holds the packed bytes, and `packed` says its shape. `digest` is BLAKE2b of the whole
file, as it would be with zeros in the digest's place, so cut, flipped and added bytes are all found; `key` tells an
entry that lies under another's name. Any reader of safetensors opens these files; this module writes and reads the
header itself, for the library writes metadata in no fixed order, and the same arrays must give the same bytes.

Nothing a file says is believed before it was checked against its length, and nothing in it is run.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import zstandard

AnyArray = np.ndarray[Any, np.dtype[Any]]
Tensor = tuple[str, str, list[int]]
"""Name, dtype in safetensors' words, shape."""
ARRAY = "array"
"""The name of an array that is alone in its entry."""
SUFFIX = ".safetensors"
MOST_BYTES = 1 << 32
"""Of the arrays of one entry, unpacked: whatever claims more is damaged or made to hurt."""

_DIGEST_BYTES = 16
_NO_DIGEST = "0" * 2 * _DIGEST_BYTES
_MOST_HEADER_BYTES = 1 << 20
_LEVEL = 3
_DTYPES = {
    "U8": "|u1",
    "I8": "|i1",
    "BOOL": "|b1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
}
_NAMES = {np.dtype(kind): name for name, kind in _DTYPES.items()}


class DamagedError(Exception):
    """The bytes are not those that were stored under this key; says what is wrong with them."""


def digest_of(*parts: bytes | memoryview) -> str:
    """BLAKE2b, as 32 hex digits."""
    hashed = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        hashed.update(part)
    return hashed.hexdigest()


def to_bytes(key: str, arrays: Mapping[str, AnyArray]) -> bytes:
    """The file; the same arrays under the same key give the same bytes. Raises ValueError for Python objects."""
    packed: dict[str, list[int]] = {}
    tensors: list[Tensor] = []
    elements: list[bytes] = []
    for name, given in arrays.items():
        array = np.asarray(given, order="C")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if array.dtype not in _NAMES:
            raise ValueError(f"elements of type {array.dtype} cannot be stored")
        content, shape = array.tobytes(), list(array.shape)
        if array.dtype == np.uint8:
            packed[name], content = shape, zstandard.compress(content, _LEVEL)
            shape = [len(content)]
        tensors.append((name, _NAMES[array.dtype], shape))
        elements.append(content)
    digest = digest_of(_header(key, packed, tensors, _NO_DIGEST), *elements)
    return b"".join([_header(key, packed, tensors, digest), *elements])


def check(content: bytes | memoryview, key: str) -> None:
    """Raises DamagedError for other bytes than `to_bytes` gave for this key; unpacks nothing."""
    _checked(memoryview(content), key)


def from_bytes(content: bytes | memoryview, key: str, most_bytes: int = MOST_BYTES) -> dict[str, AnyArray]:
    """The arrays of an entry, writable. Raises DamagedError likewise, and where they take more than `most_bytes`."""
    content = memoryview(content)
    packed, tensors, start = _checked(content, key)
    if sum(math.prod(packed.get(name, shape)) * itemsize(kind) for name, kind, shape in tensors) > most_bytes:
        raise DamagedError(f"more than {most_bytes} bytes")
    arrays = {}
    for name, kind, shape in tensors:
        end = start + math.prod(shape) * itemsize(kind)
        arrays[name] = _array(content[start:end], kind, shape, packed.get(name))
        start = end
    return arrays


def array_of(content: bytes | memoryview, key: str, most_bytes: int = MOST_BYTES) -> AnyArray:
    """The one array of an entry that holds no other. Raises DamagedError."""
    arrays = from_bytes(content, key, most_bytes)
    if arrays.keys() != {ARRAY}:
        raise DamagedError("another kind of entry")
    return arrays[ARRAY]


def header_bytes(metadata: Mapping[str, str], tensors: Sequence[Tensor], total_bytes: int = 0) -> bytes:
    """Length and header of a safetensors file whose tensors follow each other in this order.

    Filled up with blanks to `total_bytes` if it is shorter.
    """
    facts: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    place = 0
    for name, kind, shape in tensors:
        end = place + math.prod(shape) * itemsize(kind)
        facts[name] = {"dtype": kind, "shape": shape, "data_offsets": [place, end]}
        place = end
    text = json.dumps(facts, separators=(",", ":")).encode()
    text = text.ljust(total_bytes - 8)
    text += b" " * (-len(text) % 8)  # elements begin at a multiple of 8, as readers that map the file like it
    return len(text).to_bytes(8, "little") + text


def read_header(content: bytes | memoryview) -> tuple[dict[str, str], list[Tensor], int]:
    """Metadata, the tensors, which follow each other, and where the first one begins.

    `content` is the file or its beginning. Raises DamagedError for what is no such file.
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(_MOST_HEADER_BYTES, len(content) - 8):
        raise DamagedError("no safetensors file, or a cut off one")
    try:
        facts = json.loads(bytes(content[8 : 8 + length]))
        metadata = {str(name): str(value) for name, value in facts.pop("__metadata__").items()}
        tensors: list[Tensor] = []
        place = 0
        for name, tensor in facts.items():
            kind, shape, end = str(tensor["dtype"]), _whole(tensor["shape"]), place
            end += math.prod(shape) * itemsize(kind)
            if tensor["data_offsets"] != [place, end]:
                raise DamagedError("tensors that do not follow each other")
            tensors.append((str(name), kind, shape))
            place = end
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError("a header that cannot be read") from error
    return metadata, tensors, 8 + length


def itemsize(kind: str) -> int:
    """Bytes of an element of a safetensors dtype. Raises KeyError for an unknown one."""
    return 2 if kind == "BF16" else np.dtype(_DTYPES[kind]).itemsize


def _checked(content: memoryview, key: str) -> tuple[dict[str, list[int]], list[Tensor], int]:
    """Shapes of packed arrays, the tensors, and where the first one begins."""
    metadata, tensors, start = read_header(content)
    digest, name, packed = metadata.get("digest", ""), metadata.get("key", ""), _shapes(metadata.get("packed", ""))
    # Written anew from what was read, so that no bit of the header can be another unnoticed.
    if bytes(content[:start]) != _header(name, packed, tensors, digest):
        raise DamagedError("other bytes than were stored")
    if digest_of(_header(name, packed, tensors, _NO_DIGEST), content[start:]) != digest:
        raise DamagedError("other bytes than were stored")
    if name != key:
        raise DamagedError("an entry under another's name")
    if start + sum(math.prod(shape) * itemsize(kind) for _, kind, shape in tensors) != len(content):
        raise DamagedError("cut off, or longer than it says")
    return packed, tensors, start


def _header(key: str, packed: Mapping[str, list[int]], tensors: Sequence[Tensor], digest: str) -> bytes:
    shapes = json.dumps(dict(packed), separators=(",", ":"))
    return header_bytes({"digest": digest, "key": key, "packed": shapes}, tensors)


def _whole(shape: Any) -> list[int]:
    if not isinstance(shape, list) or any(type(size) is not int or size < 0 for size in shape):
        raise ValueError("no shape")
    return shape


def _shapes(text: str) -> dict[str, list[int]]:
    try:
        return {str(name): _whole(shape) for name, shape in json.loads(text).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise DamagedError("a header that cannot be read") from error


def _array(part: memoryview, kind: str, shape: list[int], unpacked: list[int] | None) -> AnyArray:
    array: AnyArray = np.empty(shape if unpacked is None else unpacked, np.dtype(_DTYPES[kind]))
    elements = array.reshape(-1).view(np.uint8)
    if unpacked is None:
        elements[:] = np.frombuffer(part, np.uint8)
        return array
    try:
        with zstandard.ZstdDecompressor().stream_reader(part) as reader:
            filled = 0
            while filled < len(elements) and (count := reader.readinto(elements[filled:].data)):
                filled += count
            if filled < len(elements) or reader.read(1):  # and no more may come out than its shape says
                raise DamagedError("another length than it says")
    except zstandard.ZstdError as error:
        raise DamagedError("cannot be unpacked") from error
    return array
