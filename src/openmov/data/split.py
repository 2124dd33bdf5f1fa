"""Which classes are base and which novel, and which training videos are kept for validation.

Every draw is a permutation by NumPy's PCG64 from a seed that is written beside its outcome, with the SHA-256 of the
names: the list is the authority, the seed says how it came about. Knows nothing of what classes look like.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from openmov.data.records import Record
from openmov.errors import ManifestError, VocabularyError
from openmov.runtime.atomic import write_text
from openmov.text.vocabulary import Vocabulary, names_sha256

GENERATOR = "numpy.random.Generator(numpy.random.PCG64(seed)).permutation(len(names))[:num_base]"
"""How a split is drawn, in words that can be run."""


def split_classes(
    names: Sequence[str],
    *,
    num_base: int | None = None,
    base_fraction: float | None = None,
    seed: int,
    prompts: str = "kinetics700",
) -> Vocabulary:
    """`num_base` of the names, or that fraction of them (rounded), become base; each role keeps the given order.

    Raises VocabularyError for names that are no vocabulary, or where a role would be left without a class.
    """
    if seed < 0:
        raise VocabularyError("split", f"the seed is {seed}", "choose one from 0")
    whole = Vocabulary(tuple(names), (), prompts)
    count = _num_base(len(whole.base), num_base, base_fraction)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(whole.base))
    chosen = set(order[:count].tolist())
    base, novel = (tuple(name for i, name in enumerate(whole.base) if (i in chosen) is role) for role in (True, False))
    return Vocabulary(base, novel, prompts)


def pseudo_novel_split(vocabulary: Vocabulary, fraction: float = 1 / 5, *, seed: int) -> Vocabulary:
    """A split of the base classes alone, for calibration: `fraction` of them (at least one) play the novel ones.

    The true novel names have no influence. Raises VocabularyError for fewer than two base classes.
    """
    base = vocabulary.base
    if len(base) < 2 or not 0 < fraction < 1:
        what = f"{len(base)} base classes cannot give up {fraction:g} of them"
        raise VocabularyError(
            "pseudo-novel split", what, "calibrate on at least two base classes, with 0 < fraction < 1"
        )
    held_out = min(max(round(len(base) * fraction), 1), len(base) - 1)
    return split_classes(base, num_base=len(base) - held_out, seed=seed, prompts=vocabulary.prompts)


def write_vocabulary(path: Path, vocabulary: Vocabulary, *, seed: int | None = None, note: str = "") -> None:
    """Writes JSON that `load_vocabulary` reads back, with the seed, how it was drawn and the SHA-256 of the names.

    A note is for people. Raises StorageError.
    """
    drawn = {} if seed is None else {"seed": seed, "generator": GENERATOR}
    names = {"base": vocabulary.base, "novel": vocabulary.novel, "prompts": vocabulary.prompts}
    said = {"note": note} if note else {}
    fields = {**said, **names, **drawn, "sha256": names_sha256(vocabulary.base, vocabulary.novel)}
    write_text(path, json.dumps(fields, ensure_ascii=False, indent=1) + "\n")


def hold_out_validation(
    records: Sequence[Record], *, per_class: int | None = None, fraction: float | None = None, seed: int
) -> tuple[Record, ...]:
    """The same records in the same order, some training ones of each class now in the split `val`.

    `per_class` of each, or that fraction (rounded, at least one), but never a class's last training video. What is
    drawn from a class depends on the seed, its name and its video ids only. Raises ManifestError where there are
    validation videos already, or none can be spared.
    """
    if (per_class is None) == (fraction is None):
        raise ValueError("give per_class or fraction, one of them")
    if (per_class is not None and per_class < 1) or (fraction is not None and not 0 < fraction < 1):
        raise ValueError("per_class is at least 1, fraction between 0 and 1")
    if any(record.split == "val" for record in records):
        raise ManifestError("validation", "the manifest has validation videos already", "use those")
    training = [record for record in records if record.split == "train"]
    by_label = groupby(sorted(training, key=_class_then_id), key=lambda record: record.label or "")
    chosen = {video for label, group in by_label for video in _drawn(label, list(group), per_class, fraction, seed)}
    if not chosen:
        raise ManifestError("validation", "no class has two training videos", "add videos, or a validation split")
    return tuple(replace(record, split="val") if record.video_id in chosen else record for record in records)


def _num_base(total: int, num_base: int | None, base_fraction: float | None) -> int:
    if (num_base is None) == (base_fraction is None):
        raise VocabularyError("split", "the size of the base is not given once", "give num_base or base_fraction")
    if base_fraction is not None and not 0 < base_fraction < 1:
        raise VocabularyError("split", f"base_fraction is {base_fraction:g}", "choose between 0 and 1")
    count = num_base if num_base is not None else round(total * (base_fraction or 0))
    if not 0 < count < total:
        what = f"{count} base classes of {total} leave one role without a class"
        raise VocabularyError("split", what, f"choose from 1 to {max(total - 1, 1)}")
    return count


def _class_then_id(record: Record) -> tuple[str, str]:
    return record.label or "", record.video_id


def _drawn(label: str, group: list[Record], per_class: int | None, fraction: float | None, seed: int) -> list[str]:
    """Ids of the videos of one class that go to validation."""
    wanted = per_class if per_class is not None else max(round(len(group) * (fraction or 0)), 1)
    stream = np.random.Generator(np.random.PCG64([seed, zlib.crc32(label.encode())]))
    order = stream.permutation(len(group)).tolist()
    return [group[i].video_id for i in order[: min(wanted, len(group) - 1)]]
