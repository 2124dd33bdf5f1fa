"""CLIP's tokenizer as its authors describe it (openai/CLIP, simple_tokenizer.py; open_clip copies it), for comparison.

    clean, lower case -> words -> bytes as letters, the last with </w> -> merge the most frequent pair, again and again

The vocabulary is the file that the wheel of open-clip-torch carries: `make setup-dev` fetches the wheel, and it is read
as a file. The one step left out is ftfy's repair of broken text, which tests/openclip looks at.
"""

import gzip
import html
import sys
import unicodedata
import zipfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import regex

WHEEL = Path(sys.prefix) / "wheels" / "open_clip_torch-3.3.0-py3-none-any.whl"
_WORDS = regex.compile(
    r"<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE
)


def published_merges() -> list[str]:
    """The lines of bpe_simple_vocab_16e6.txt.gz that CLIP's tokenizer reads: all but the first, as many as fit."""
    if not WHEEL.is_file():
        pytest.skip("no wheel of open-clip-torch (make setup-dev fetches it)")
    with zipfile.ZipFile(WHEEL) as wheel:
        packed = wheel.read("open_clip/bpe_simple_vocab_16e6.txt.gz")
    return gzip.decompress(packed).decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]


class SimpleTokenizer:
    def __init__(self, merges: Sequence[str]) -> None:
        pairs = [tuple(line.split()) for line in merges]
        self._letters = self._letters_of_bytes()
        letters = list(self._letters.values())
        tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in pairs)]
        tokens += ["<start_of_text>", "<end_of_text>"]
        self.ids = {token: number for number, token in enumerate(tokens)}
        self._ranks = {pair: rank for rank, pair in enumerate(pairs)}
        self._known: dict[str, list[str]] = {}

    @staticmethod
    def _letters_of_bytes() -> dict[int, str]:
        seen = [byte for byte in range(256) if 33 <= byte <= 126 or 161 <= byte <= 172 or 174 <= byte <= 255]
        unseen = [byte for byte in range(256) if byte not in seen]
        return {byte: chr(byte) for byte in seen} | {byte: chr(256 + place) for place, byte in enumerate(unseen)}

    def __call__(self, text: str) -> list[int]:
        """Start, words and end; as long as it takes."""
        clean = unicodedata.normalize("NFC", html.unescape(html.unescape(text)))
        lower = " ".join(clean.split()).lower()
        tokens = [token for word in _WORDS.findall(lower) for token in self._parts(word)]
        return [self.ids["<start_of_text>"], *(self.ids[token] for token in tokens), self.ids["<end_of_text>"]]

    def _parts(self, word: str) -> list[str]:
        if word not in self._known:
            spelt = "".join(self._letters[byte] for byte in word.encode("utf-8"))
            self._known[word] = self._merged([*spelt[:-1], f"{spelt[-1]}</w>"])
        return self._known[word]

    def _merged(self, parts: list[str]) -> list[str]:
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            merged: list[str] = []
            place = 0
            while place < len(parts):
                if tuple(parts[place : place + 2]) == best:
                    merged.append("".join(best))
                    place += 2
                else:
                    merged.append(parts[place])
                    place += 1
            parts = merged
        return parts
