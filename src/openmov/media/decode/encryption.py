"""Whether a file that cannot be decoded is encrypted, and how: read from its bytes, without any key.

A file of that kind is whole, and fetching it again does not help; so it is worth a line of its own. Only its beginning
is looked at, and only once decoding has failed.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_LOOKED_AT_BYTES = 1 << 20
_TS_BYTES = 188
_SCRAMBLED_SHARE = 0.2
_MARKS = (
    (b"cenc", "Common Encryption"),
    (b"cbcs", "Common Encryption"),
    (b"cens", "Common Encryption"),
    (b"cbc1", "Common Encryption"),
    (b"drmi", "FairPlay"),
    (b"drms", "FairPlay"),
)
"""Names of boxes and schemes in MP4 files."""
_ASF_GUIDS = (
    bytes.fromhex("fbb31122 23bdd211 b4b700a0c955fc6e"),  # Content Encryption Object
    bytes.fromhex("14e68a29 22261746 b935dae07ee9289c"),  # Extended Content Encryption Object
)
_ASF_HEADER = bytes.fromhex("3026b275 8e66cf11 a6d900aa0062ce6c")
_MATROSKA_HEADER, _MATROSKA_ENCRYPTION = b"\x1a\x45\xdf\xa3", b"\x50\x35"


def encryption(path: Path) -> str | None:
    """The name of what encrypts a file's streams; None where nothing says that they are."""
    with path.open("rb") as file:
        head = file.read(_LOOKED_AT_BYTES)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"styp", b"wide", b"free"):
            head += _moov(file)
            return next((name for mark, name in _MARKS if _is_scheme(head, mark)), None)
    if head.startswith(_ASF_HEADER):
        return "Windows Media DRM" if any(guid in head for guid in _ASF_GUIDS) else None
    if head.startswith(_MATROSKA_HEADER):
        tracks = head[: max(head.find(b"\x1f\x43\xb6\x75"), 0) or len(head)]  # until the first cluster
        return "Matroska's ContentEncryption" if _MATROSKA_ENCRYPTION in tracks else None
    return "scrambling of the broadcast" if _is_scrambled(head) else None


def _moov(file: BinaryIO) -> bytes:
    """The index of an MP4 file, wherever it stands."""
    for name, at, length in boxes(file):
        if name == b"moov":
            file.seek(at)
            return file.read(min(length, _LOOKED_AT_BYTES))
    return b""


def boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of each outermost box of an MP4 file."""
    at, size = 0, file.seek(0, os.SEEK_END)
    while at + 8 <= size:
        file.seek(at)
        start = file.read(16)
        length = int.from_bytes(start[:4], "big")
        if length == 1:
            length = int.from_bytes(start[8:16], "big")
        if length < 8:  # the last one may say 0: until the file's end
            return
        yield start[4:8], at, length
        at += length


def _is_scheme(head: bytes, mark: bytes) -> bool:
    """Whether a box names the scheme, or a sample entry bears the mark: chance matches do not count."""
    at = head.find(mark)
    while at >= 0:
        if head[at - 8 : at - 4] == b"schm" or (mark in (b"drmi", b"drms") and b"stsd" in head[max(at - 24, 0) : at]):
            return True
        at = head.find(mark, at + 1)
    return False


def _is_scrambled(head: bytes) -> bool:
    """Whether the packets of a transport stream are marked as scrambled."""
    starts = range(0, len(head) - _TS_BYTES + 1, _TS_BYTES)
    packets = [head[at : at + 4] for at in starts if head[at] == 0x47]
    if len(packets) < 5 or len(packets) < len(starts) // 2:
        return False
    return sum(packet[3] >> 6 != 0 for packet in packets) > _SCRAMBLED_SHARE * len(packets)
