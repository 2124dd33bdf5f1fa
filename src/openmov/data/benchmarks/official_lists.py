"""The official lists that ship with the package: three splits of UCF101 and of HMDB51, and the test list of VGGSound.

Each is a text file, compressed (xz); sources and licences stand in lists/README.md. One line a clip:

    ucf101, hmdb51      class/clip <tab> 122     training part of split 1, test part of 2 and 3 (0: neither part)
    vggsound            ID_SSSSSS <tab> class
"""

import hashlib
import lzma
from functools import cache
from importlib import resources


@cache
def official_list(name: str) -> tuple[tuple[str, str], ...]:
    """Both columns of a packaged list: `ucf101`, `hmdb51` or `vggsound-test`."""
    data = (resources.files("openmov.data.benchmarks") / "lists" / f"{name}.tsv.xz").read_bytes()
    rows = (line.split("\t") for line in lzma.decompress(data).decode("utf-8").splitlines())
    return tuple((first, second) for first, second in rows)


def list_sha256(name: str) -> tuple[str, str]:
    """Name and SHA-256 of a packaged list, uncompressed."""
    text = "".join(f"{first}\t{second}\n" for first, second in official_list(name))
    return f"{name}, as packaged", hashlib.sha256(text.encode()).hexdigest()
