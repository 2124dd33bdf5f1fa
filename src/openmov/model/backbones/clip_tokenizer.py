"""CLIP's tokenizer where no tokenizer.json has it: made from byte pairs, for open_clip's folders and older ones.

    sentence -> NFC, one space for many, lower case -> words, digits, signs -> bytes as letters -> byte pairs -> ids
    ids: 256 bytes, 256 bytes that end a word, one for each merge, start of text, end of text

OpenAI's 48,894 merges (`clip_merges.txt.gz`, MIT licence; the first lines of CLIP's bpe_simple_vocab_16e6.txt.gz, those
that its tokenizer reads) ship with the package: open_clip's folders may hold no tokenizer, because open_clip brings it
itself. The ids are open_clip's, but for texts that the library ftfy would repair first (curly quotation marks, HTML
entities, text decoded wrongly): these are taken as they stand, as transformers does.
"""

import gzip
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from openmov.errors import BackboneError
from openmov.model.backbones.contents import FETCH_AGAIN, read_json
from openmov.model.backbones.pretrained import load_tokenizer_json

START, END = "<|startoftext|>", "<|endoftext|>"
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

Merges = tuple[tuple[str, str], ...]


def load_clip_tokenizer(name: str, folder: Path) -> Any:
    """tokenizer.json of a folder; else vocab.json with merges.txt; else the one that every CLIP of OpenAI's words has.

    It pads on the right. Raises BackboneError for files that are damaged.
    """
    has_json = (folder / "tokenizer.json").is_file()
    tokenizer = load_tokenizer_json(name, folder) if has_json else _of_merges(name, folder)
    for kind, token in (("bos", START), ("eos", END), ("pad", END)):
        if getattr(tokenizer, f"{kind}_token") is None and token in tokenizer.get_vocab():
            setattr(tokenizer, f"{kind}_token", token)  # tokenizer.json alone does not say which token is which
    return tokenizer


def _of_merges(name: str, folder: Path) -> Any:
    try:
        if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
            return clip_tokenizer(read_json(name, folder / "vocab.json"), _merges(folder / "merges.txt"))
    except (OSError, ValueError, KeyError) as error:
        raise BackboneError(name, "its tokenizer cannot be loaded", FETCH_AGAIN) from error
    return clip_tokenizer(openai_vocabulary(), openai_merges())


def clip_tokenizer(vocabulary: dict[str, int], merges: Merges) -> PreTrainedTokenizerFast:
    """CLIP's tokenizer with these words. Raises ValueError where a merge gives a token that is not among them."""
    try:
        tokenizer = Tokenizer(
            BPE(vocabulary, list(merges), end_of_word_suffix="</w>", continuing_subword_prefix="", unk_token=END)
        )
    except Exception as error:  # tokenizers raises nothing narrower
        raise ValueError(str(error)) from error
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [(token, vocabulary[token]) for token in (START, END)]
    tokenizer.post_processor = TemplateProcessing(single=f"{START} $A {END}", special_tokens=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        unk_token=END,
        model_max_length=77,
        padding_side="right",
    )


@cache
def openai_merges() -> Merges:
    """Pairs of tokens that become one, the most frequent first."""
    packed = (files("openmov.model.backbones") / "clip_merges.txt.gz").read_bytes()
    return tuple(_pair(line) for line in gzip.decompress(packed).decode("utf-8").splitlines())


@cache
def openai_vocabulary() -> dict[str, int]:
    """49,408 tokens and their ids."""
    letters = _byte_letters()
    merged = ["".join(pair) for pair in openai_merges()]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *merged, START, END]
    return {token: number for number, token in enumerate(tokens)}


def _byte_letters() -> list[str]:
    """A visible letter for each of 256 bytes: bytes that are visible in Latin-1 first, then letters from U+0100 on."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [*map(chr, visible), *(chr(256 + number) for number in range(256 - len(visible)))]


def _merges(path: Path) -> Merges:
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(_pair(line) for line in lines if line and not line.startswith("#version"))


def _pair(line: str) -> tuple[str, str]:
    first, second = line.split()
    return first, second
