"""`openmov evaluate --protocol cross`: trained runs on another data set, nothing trained any further (table 4).

    one pass over every clip of the full set --> the full set, each official test split, ten random halves

All names go down the novel path, shared with the training or not; how many are shared is counted and said.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

from openmov.api.conditions import conditions_of
from openmov.api.evaluate import HONEST_NOTES, answer_path, answer_text
from openmov.api.facts import fact_groups
from openmov.api.measuring import Contender, contenders, measure_under
from openmov.api.recorded import HowToRecord, data_facts, failures_of, record_runs
from openmov.api.runs import LoadedRun
from openmov.api.test_clips import Preparing, TestClips, prepare_clips, require_clips
from openmov.data.coverage import load_coverage
from openmov.data.manifest import load_manifest
from openmov.evaluation.content import ReportContent, TaskReport
from openmov.evaluation.detail import CrossRow, confusion_map, cross_row, protocol_row, reliability
from openmov.evaluation.protocols import HALF_SEEDS, half_vocabulary
from openmov.evaluation.report import write_report
from openmov.evaluation.result import Evaluation
from openmov.text.vocabulary import Vocabulary, load_vocabulary


@dataclass(frozen=True)
class CrossMethod:
    """One contender on another data set."""

    contender: Contender
    """What answered."""
    full: Evaluation = field(repr=False)
    """Every clip, every name."""
    splits: Mapping[int, Evaluation] = field(repr=False)
    """The test clips of each official split, every name; by its number, without those of which no clip is there."""
    halves: Mapping[int, Evaluation] = field(repr=False)
    """Every clip of each random half of the classes, the names of that half; by its seed."""
    halves_of_split: Mapping[int, Evaluation] = field(repr=False)
    """The same, of the test clips of the first official split alone."""

    @property
    def row(self) -> CrossRow:
        """Its figures."""
        name, note = self.contender.name, self.contender.note
        return cross_row(name, note, self.full, self.splits, self.halves, self.halves_of_split)


@dataclass(frozen=True)
class CrossTask:
    """Runs on another data set, measured."""

    runs: tuple[LoadedRun, ...] = field(repr=False)
    """The runs, as given."""
    clips: TestClips
    """The full set."""
    methods: tuple[CrossMethod, ...]
    """The rows."""
    shared: tuple[str, ...]
    """Names that the runs were trained on too."""

    @property
    def title(self) -> str:
        """What it was measured on."""
        return self.clips.coverage.title if self.clips.coverage else "another data set"


def evaluate_cross(
    run_folders: Sequence[Path],
    manifest: Path,
    vocabulary: Path,
    **how: Unpack[HowToRecord],
) -> CrossTask:
    """Measures runs on a data set with names of its own; `how` is what `HowToRecord` lists.

    Official splits are those `openmov dataset` wrote beside the manifest. Raises RunFolderError for no run,
    CheckpointError, BackboneError, ManifestError, VocabularyError.
    """
    given = load_vocabulary(vocabulary)
    names = Vocabulary((), given.names, given.prompts)
    official = official_test_ids(manifest, how.get("root"))

    def prepare(runs: Sequence[LoadedRun], preparing: Preparing) -> TestClips:
        clips = prepare_clips(runs, manifest, names, preparing)
        require_clips(manifest, clips, "of these classes", "of these classes", frozenset(names.names))
        return clips

    seen = record_runs(run_folders, lambda runs: None, prepare, **how)
    listed = contenders(seen.runs, seen.recordings)
    methods = tuple(measure_cross(one, seen.clips, official, seen.seconds) for one in listed)
    return CrossTask(seen.runs, seen.clips, methods, shared_names(seen.runs, names))


def write_cross(task: CrossTask, out: Path) -> Path:
    """Writes the page and every video's answers into `out`; returns the page's path. Raises StorageError."""
    answers: dict[Path, str] = {}
    for method in task.methods:
        named = {"full": method.full} | {f"split{number}": one for number, one in method.splits.items()}
        named |= {f"half{seed}": one for seed, one in method.halves.items()}
        named |= {f"split1-half{seed}": one for seed, one in method.halves_of_split.items()}
        for protocol, evaluation in named.items():
            answers[answer_path(out, method.contender.name, protocol)] = answer_text(evaluation)
    last = task.methods[-1]
    facts = dict(data_facts(task.clips)) | {"names shared with the training": _said(task.shared)}
    report = TaskReport(
        title=f"{task.title}: trained elsewhere",
        rows=(),
        explanation="Nothing was trained on these classes' videos; every name is a possible answer of the novel path.",
        protocols=tuple(protocol_row(one.contender.name, "full set", one.full) for one in task.methods),
        cross=tuple(one.row for one in task.methods),
        confusions=(confusion_map(last.contender.name, "full set", last.full),),
        reliabilities=(reliability(last.contender.name, "full set", last.full),),
    )
    content = ReportContent(
        title=f"openmov: {task.title}",
        facts=fact_groups(
            {run.wiring.recipe.name: run.wiring for run in task.runs},
            {task.title: facts},
            {last.contender.name: last.full.conditions},
        ),
        tasks=(report,),
        num_files=len(task.clips.records) + len(task.clips.unreadable),
        failures=failures_of(task.clips),
        notes=HONEST_NOTES,
    )
    return write_report(out, content, answers)


def measure_cross(
    contender: Contender, clips: TestClips, official: Sequence[frozenset[str]], seconds: Mapping[str, float]
) -> CrossMethod:
    """One contender on the full set, on the test clips of each official split, and on random halves of the classes."""
    runs, trained, path = contender.runs, contender.trained, contender.path
    conditions = conditions_of(runs, clips, trained=trained, seconds=seconds, path=path)

    def under(vocabulary: Vocabulary, what: str, of: Collection[str] | None = None) -> Evaluation:
        said = f"{contender.name}, {what}"
        return measure_under(contender, clips, vocabulary, what=said, conditions=conditions, of=of)

    def each(parts: Mapping[int, tuple[Vocabulary, Collection[str] | None]], what: str) -> dict[int, Evaluation]:
        return {
            number: under(names, f"{what} {number}", of) for number, (names, of) in parts.items() if held(names, of)
        }

    def held(vocabulary: Vocabulary, of: Collection[str] | None) -> bool:
        names = frozenset(vocabulary.names)
        return any(one.label in names and (of is None or one.video_id in of) for one in clips.records)

    whole = clips.vocabulary
    halves = {seed: half_vocabulary(whole, seed) for seed in (HALF_SEEDS if len(whole.names) > 1 else ())}
    first = {seed: (half, official[0]) for seed, half in halves.items()} if official else {}
    return CrossMethod(
        contender,
        under(whole, "full set"),
        each({number: (whole, of) for number, of in enumerate(official, start=1)}, "official test split"),
        each({seed: (half, None) for seed, half in halves.items()}, "half"),
        each(first, "split 1, half"),
    )


def official_test_ids(manifest: Path, root: Path | None = None) -> list[frozenset[str]]:
    """The test clips of each official split, also those that are missing or broken."""
    coverage = load_coverage(manifest)
    found = []
    for name in coverage.official_splits if coverage else ():
        beside = manifest.parent / name
        part = load_coverage(beside)
        lost = () if part is None else (*part.missing, *part.broken)
        listed = [record.video_id for record in load_manifest(beside, root=root).select("test").records]
        found.append(frozenset([*listed, *(one.clip_id for one in lost if one.split == "test")]))
    return found


def shared_names(runs: Sequence[LoadedRun], names: Vocabulary) -> tuple[str, ...]:
    """Names that the runs were trained on too."""
    trained = {name.casefold() for run in runs for name in run.header.provenance.base_classes}
    return tuple(name for name in names.names if name.casefold() in trained)


def _said(shared: Sequence[str]) -> str:
    few = ", ".join(shared[:5]) + (" ..." if len(shared) > 5 else "")
    return f"{len(shared)}, which is allowed{f': {few}' if shared else ''}"
