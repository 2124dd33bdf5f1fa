"""Which classes are base and which novel, and which training videos are kept for validation.

Every draw is a permutation by NumPy's PCG64 from a seed that is written beside its outcome, with the SHA-256 of the
names: the list is the authority, the seed says how it came about. Knows nothing of what classes look like.
"""

import difflib
import json
import os
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from openmov.data.records import Record, Split
from openmov.errors import ManifestError, StorageError, VocabularyError
from openmov.runtime.atomic import write_text
from openmov.text.label_sets import readable
from openmov.text.labels import look
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


def chosen_split(names: Sequence[str], novel: Sequence[str], *, prompts: str = "kinetics700") -> Vocabulary:
    """The named classes become novel, all others base; each role keeps the order of `names`.

    A novel name may be spelt otherwise where only one of the names can be meant (`brush_hair`, `brush hair`). Raises
    VocabularyError for a name that is none of them, or where a role would be left without a class.
    """
    spelt = {readable(name).casefold(): name for name in names} | {look(name): name for name in names}
    chosen = set()
    unknown = []
    for name in novel:
        found = spelt.get(look(name)) or spelt.get(readable(name).casefold())
        chosen.add(found)
        unknown += [name] if found is None else []
    if unknown:
        close = difflib.get_close_matches(unknown[0], names, n=1)
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        hint = f"did you mean {close[0]!r}?" if close else "name classes of the list"
        raise VocabularyError("split", f"{unknown[0]!r}{more} is not among the {len(names)} classes", hint)
    vocabulary = Vocabulary(
        tuple(name for name in names if name not in chosen), tuple(name for name in names if name in chosen), prompts
    )
    for role, held in (("base", vocabulary.base), ("novel", vocabulary.novel)):
        if not held:
            raise VocabularyError("split", f"no class is left to be {role}", "name some of the classes")
    return vocabulary


def split_clips(
    records: Sequence[Record], *, test_fraction: float, val_fraction: float, seed: int
) -> tuple[Record, ...]:
    """The same records in the same order, each in a split that is drawn class by class; groups are kept together.

    A record without a group is one of its own. Of every class about `test_fraction` become test and `val_fraction` val
    videos, and at least one group stays for training. What is drawn depends on the seed, the labels and the ids only.
    Raises ManifestError for fractions that leave nothing to train on.
    """
    if not (0 <= test_fraction < 1 and 0 <= val_fraction < 1 and test_fraction + val_fraction < 1):
        what = f"{test_fraction:g} of the clips to test and {val_fraction:g} to validate leave none to train"
        raise ManifestError("split", what, "choose fractions whose sum is below 1")
    side: dict[str, Split] = {}
    for label, members in groupby(sorted(records, key=_class_then_id), key=lambda record: record.label or ""):
        of_class = list(members)
        sizes = Counter(map(_group_of, of_class))
        names = sorted(sizes)
        stream = np.random.Generator(np.random.PCG64([seed, zlib.crc32(label.encode())]))
        free = [names[i] for i in stream.permutation(len(names)).tolist() if names[i] not in side]
        trains = any(side.get(name) == "train" for name in names)
        for part, fraction in (("test", test_fraction), ("val", val_fraction)):
            wanted = fraction * len(of_class) - sum(sizes[name] for name in names if side.get(name) == part)
            while free[not trains :] and sizes[free[0]] / 2 <= wanted:
                wanted -= sizes[free[0]]
                side[free.pop(0)] = "test" if part == "test" else "val"
        side |= dict.fromkeys(free, "train")
    return tuple(replace(record, split=side[_group_of(record)]) for record in records)


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

    A note is for people. Raises StorageError, also where a file is there that is not as openmov wrote it.
    """
    refuse_other_vocabulary(path)
    write_text(path, vocabulary_text(vocabulary, seed=seed, note=note))


def vocabulary_text(vocabulary: Vocabulary, *, seed: int | None = None, note: str = "") -> str:
    """What `write_vocabulary` writes."""
    drawn = {} if seed is None else {"seed": seed, "generator": GENERATOR}
    names = {"base": vocabulary.base, "novel": vocabulary.novel, "prompts": vocabulary.prompts}
    said = {"note": note} if note else {}
    fields = {**said, **names, **drawn, "sha256": names_sha256(vocabulary.base, vocabulary.novel)}
    return json.dumps(fields, ensure_ascii=False, indent=1) + "\n"


def refuse_other_vocabulary(path: Path) -> None:
    """Raises StorageError where a file is there whose names are not those its `sha256` was made of, or has none: a
    list that somebody wrote or edited."""
    if not os.path.lexists(path):
        return
    try:
        text = path.read_text(encoding="utf-8")
        fields = json.loads(text) if text else {}
        own = not text or fields["sha256"] == names_sha256(tuple(fields["base"]), tuple(fields["novel"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        own = False
    if not own:
        what = "is there, and is not a list that openmov wrote"
        raise StorageError(path, what, "move it away, or choose another name")


def hold_out_validation(
    records: Sequence[Record], *, per_class: int | None = None, fraction: float | None = None, seed: int
) -> tuple[Record, ...]:
    """The same records in the same order, some training ones of each class now in the split `val`.

    `per_class` of each, or that fraction (rounded, at least one), but never a class's last training video; of records
    with groups whole groups, as near to that number, and never a class's last group. What is drawn from a class depends
    on the seed, its name and its video ids only. Raises ManifestError where there are validation videos already, or
    none can be spared.
    """
    if (per_class is None) == (fraction is None):
        raise ValueError("give per_class or fraction, one of them")
    if (per_class is not None and per_class < 1) or (fraction is not None and not 0 < fraction < 1):
        raise ValueError("per_class is at least 1, fraction between 0 and 1")
    if any(record.split == "val" for record in records):
        raise ManifestError("validation", "the manifest has validation videos already", "use those")
    training = [record for record in records if record.split == "train"]
    if any(record.group is not None for record in training):
        return _hold_out_groups(records, training, per_class, fraction, seed)
    by_label = groupby(sorted(training, key=_class_then_id), key=lambda record: record.label or "")
    chosen = {video for label, group in by_label for video in _drawn(label, list(group), per_class, fraction, seed)}
    if not chosen:
        raise ManifestError("validation", "no class has two training videos", "add videos, or a validation split")
    return tuple(replace(record, split="val") if record.video_id in chosen else record for record in records)


def _hold_out_groups(
    records: Sequence[Record], training: Sequence[Record], per_class: int | None, fraction: float | None, seed: int
) -> tuple[Record, ...]:
    """As `hold_out_validation`, a group whole or not at all, in whatever classes it has clips."""
    left = Counter(record.label or "" for record in training)
    of_group: dict[str, Counter[str]] = {}
    for record in training:
        of_group.setdefault(_group_of(record), Counter())[record.label or ""] += 1
    chosen: set[str] = set()
    for label, count in sorted(left.items()):
        wanted = per_class if per_class is not None else max(round(count * (fraction or 0)), 1)
        held = sum(of_group[name][label] for name in chosen)
        names = sorted(name for name, counts in of_group.items() if label in counts and name not in chosen)
        stream = np.random.Generator(np.random.PCG64([seed, zlib.crc32(label.encode())]))
        for i in stream.permutation(len(names)).tolist():
            counts = of_group[names[i]]
            if held < wanted and all(left[one] > number for one, number in counts.items()):
                chosen.add(names[i])
                held += counts[label]
                left -= counts
    if not chosen:
        raise ManifestError("validation", "no class has two groups of training videos", "add validation clips")
    return tuple(
        replace(record, split="val") if record.split == "train" and _group_of(record) in chosen else record
        for record in records
    )


def _group_of(record: Record) -> str:
    """Its group; a record without one is a group of its own."""
    return f"={record.group}" if record.group is not None else f"~{record.video_id}"


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
