"""Damaged lists and manifests: each is read or refused in one line, whatever was done to it. Seeds are fixed.

The short form is part of the suite; OPENMOV_CAMPAIGN=2000 runs as many.
"""

import os
import random
from pathlib import Path

from openmov.data.manifest import load_manifest
from openmov.errors import OpenMovError
from openmov.text.vocabulary import load_vocabulary

COUNT = int(os.environ.get("OPENMOV_CAMPAIGN", "150"))
SEEDS = {
    "a.txt": b"1 ApplyEyeMakeup\n2 Archery\n3 bird chirping, tweeting\n",
    "b.txt": '#selfie\ncafe\u0301\n"a, b"\nn01440764 x\n'.encode(),
    "a.csv": b'id,name\n0,archery\n1,"bird chirping, tweeting"\n',
    "a.json": b'{"base": ["a", "b"], "novel": ["c"], "prompts": "kinetics700"}',
    "b.json": b'{"id2label": {"0": "archery", "1": "biking"}}',
    "a.yaml": b"names:\n  0: archery\n  1: biking\n",
    "m.csv": b"path,label,split,group,start,end\na.mp4,x,train,1,0,1\nb.mp4,y,test,2,,\n",
    "m.jsonl": b'{"path": "a.mp4", "label": "x", "split": "val"}\n{"path": "b.mp4", "label": null}\n',
}
PIECES = (
    b"\0",
    b"\xff\xfe",
    b'"',
    b",",
    b"\n",
    b"[" * 5000,
    b"{",
    b"9" * 5000,
    b"\x1b[2J",
    b"NaN",
    b"&a [*a]",
    b"\\ud800",
)


def damaged(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        place, kind = rng.randrange(len(data) + 1), rng.randrange(5)
        if kind == 0:
            data[place:place] = rng.choice(PIECES)
        elif kind == 1:
            del data[place : place + rng.randint(1, 9)]
        elif kind == 2 and place < len(data):
            data[place] = rng.randrange(256)
        elif kind == 3:
            data[place:place] = data[: rng.randint(1, 40)]
        else:
            data = bytearray(
                bytes(data).decode("utf-8", "replace").encode(rng.choice(["utf-8", "utf-16", "utf-16-le"]))
            )
    return bytes(data)


def test_every_one_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    rng = random.Random(2026)
    outcomes = {"read": 0, "refused": 0}
    for number in range(COUNT):
        name = list(SEEDS)[number % len(SEEDS)]
        path = tmp_path / name
        path.write_bytes(damaged(SEEDS[name], rng))
        try:
            load_manifest(path) if name.startswith("m") else load_vocabulary(path)
            outcomes["read"] += 1
        except OpenMovError as error:
            assert str(error).isprintable(), repr(str(error))  # noqa: PT017 (either way is right)
            outcomes["refused"] += 1
    print(outcomes)
    assert min(outcomes.values()) > 0
