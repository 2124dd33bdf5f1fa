"""`openmov split`: base and novel classes of a list of names or a manifest, and, if asked, a split of its clips."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from openmov.data.manifest import load_manifest, manifest_text
from openmov.data.split import chosen_split, refuse_other_vocabulary, split_classes, split_clips, vocabulary_text
from openmov.errors import ManifestError, StorageError, VocabularyError
from openmov.runtime.atomic import write_together
from openmov.text.label_choice import labels_of
from openmov.text.prompts import load_prompts
from openmov.text.vocabulary import load_vocabulary


def write_split(
    names: Path,
    out: Path,
    *,
    num_base: int | None = None,
    base_fraction: float | None = None,
    novel: str | None = None,
    seed: int = 0,
    prompts: str = "kinetics700",
    clips: Path | None = None,
    root: Path | None = None,
    test_fraction: float = 0.2,
    val_fraction: float = 0.1,
    say: Callable[[str], None] | None = None,
) -> tuple[str, ...]:
    """Writes the vocabulary `out`, and the manifest `clips` if it is named; returns what was done, in lines.

    How many classes become base is said by exactly one of `num_base`, `base_fraction` and `novel` (names, or a file of
    them). For `clips`, `names` is a manifest. Nothing is written where anything is wrong. Raises VocabularyError,
    ManifestError, StorageError.
    """
    if sum(one is not None for one in (num_base, base_fraction, novel)) != 1:
        what = "the size of the base is given by --base or by --fraction, or the novel classes by --novel"
        raise VocabularyError("split", what, "give one of them")
    load_prompts(prompts)
    listed = load_vocabulary(names, say).names
    if novel is not None:
        vocabulary = chosen_split(listed, labels_of(novel, say), prompts=prompts)
    else:
        vocabulary = split_classes(listed, num_base=num_base, base_fraction=base_fraction, seed=seed, prompts=prompts)
    divided, texts = None, dict[Path, str]()
    if clips is not None:
        if clips.resolve() == names.resolve():
            raise ManifestError(clips, "is the manifest that is read", "write another file")
        manifest = load_manifest(names, root=root, check_files=False, vocabulary=vocabulary)
        divided = split_clips(manifest.records, test_fraction=test_fraction, val_fraction=val_fraction, seed=seed)
        texts[clips] = manifest_text(clips, divided, root=root or clips.parent)
        _refuse_other_list(clips, texts[clips])
    refuse_other_vocabulary(out)
    texts[out] = vocabulary_text(vocabulary, seed=None if novel is not None else seed)
    write_together(texts)
    said = [f"{len(vocabulary.base)} base and {len(vocabulary.novel)} novel classes in {out}"]
    if divided is not None:
        counts = Counter(record.split for record in divided)
        groups = len({record.group for record in divided} - {None})
        kept = f", {groups} groups kept together" if groups else ""
        said.append(f"{counts['train']} train, {counts['val']} val and {counts['test']} test clips in {clips}{kept}")
    return tuple(said)


def _refuse_other_list(path: Path, text: str) -> None:
    """A CSV cannot say who made it: one that is there stays, unless it says the very same already."""
    try:
        same = not os.path.lexists(path) or path.read_bytes() in (b"", text.encode())
    except OSError:
        same = False
    if not same:
        raise StorageError(path, "is there, with other rows", "move it away, or choose another name")
