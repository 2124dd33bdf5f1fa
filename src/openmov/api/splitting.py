"""`openmov split`: base and novel classes of a list of names or a manifest, and, if asked, a split of its clips."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from openmov.api.labels import labels_of
from openmov.data.manifest import load_manifest, write_manifest
from openmov.data.split import chosen_split, split_classes, split_clips, write_vocabulary
from openmov.errors import ManifestError, VocabularyError
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
    divided = None
    if clips is not None:
        if clips.resolve() == names.resolve():
            raise ManifestError(clips, "is the manifest that is read", "write another file")
        manifest = load_manifest(names, root=root, check_files=False, vocabulary=vocabulary)
        divided = split_clips(manifest.records, test_fraction=test_fraction, val_fraction=val_fraction, seed=seed)
        write_manifest(clips, divided, root=root or clips.parent)
    write_vocabulary(out, vocabulary, seed=None if novel is not None else seed)
    said = [f"{len(vocabulary.base)} base and {len(vocabulary.novel)} novel classes in {out}"]
    if divided is not None:
        counts = Counter(record.split for record in divided)
        groups = len({record.group for record in divided} - {None})
        kept = f", {groups} groups kept together" if groups else ""
        said.append(f"{counts['train']} train, {counts['val']} val and {counts['test']} test clips in {clips}{kept}")
    return tuple(said)
