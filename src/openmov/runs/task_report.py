"""Everything the report says of one task: results, curves over epochs, classes that changed, tau_v, example videos.

    measured methods + recordings --> TaskReport

Novel accuracy over epochs is measured here, afterwards, from the weights a run kept of every epoch.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from openmov.data.examples import ExampleInputs, example_inputs
from openmov.data.records import Record
from openmov.evaluation.metrics import Proportion
from openmov.evaluation.result import Evaluation, paired_difference
from openmov.evaluation.rows import ProtocolRow, confusion_map, generalised_row, protocol_row, reliability
from openmov.report.content import (
    Answer,
    Difference,
    EpochCurve,
    Example,
    MethodKind,
    MethodRow,
    SweepPoint,
    TaskReport,
    TauSweep,
    class_changes,
    method_row,
)
from openmov.runs.measure import EvalClips, MethodResult, embed_run, measure
from openmov.scoring.embeddings import Embeddings, EmbeddingsScorer, answers_by_modality
from openmov.scoring.paths import NovelPath
from openmov.text.vocabulary import Protocol
from openmov.training.runs import LoadedRun, load_calibration
from openmov.types import Modality, extra_modalities

_TAUS_V = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
_COMPARED: tuple[tuple[MethodKind, MethodKind], ...] = (
    ("mov", "clip"),
    ("mov_calibrated", "clip"),
    ("mov", "score_fusion"),
    ("score_fusion", "single"),
    ("score_fusion", "video"),
)


def task_report(
    title: str,
    explanation: str,
    mov: LoadedRun,
    recording: Embeddings,
    methods: Sequence[MethodResult],
    clips: EvalClips,
    *,
    num_examples: int,
    workers: int,
) -> TaskReport:
    """The report of one task, with `mov` as the run whose curves, temperatures and answers are shown."""
    by_kind = {method.kind: method for method in methods}
    extra = next(one for one in extra_modalities() if one in mov.components.modalities)
    calibrated = by_kind.get("mov_calibrated", by_kind["mov"])
    changes = (
        *class_changes(by_kind["clip"].base, calibrated.base),
        *class_changes(by_kind["clip"].novel, calibrated.novel),
    )
    return TaskReport(
        title=title,
        explanation=explanation,
        rows=tuple(_row(method) for method in methods),
        paper="flow" if extra is Modality.FLOW else "audio",
        num_base_classes=len(clips.vocabulary.base),
        num_novel_classes=len(clips.vocabulary.novel),
        differences=tuple(_differences(by_kind)),
        curve=_curve(mov, clips, workers),
        changes=changes,
        changes_of=calibrated.name,
        sweep=_tau_sweep(mov, recording, clips, extra),
        examples=tuple(_examples(mov, recording, clips, num_examples)),
        generalised=tuple(generalised_row(method.name, method.generalised) for method in methods),
        protocols=tuple(row for method in methods for row in _protocol_rows(method)),
        confusions=tuple(confusion_map(calibrated.name, said, one) for said, one in _by_protocol(calibrated)),
        reliabilities=tuple(reliability(calibrated.name, said, one) for said, one in _by_protocol(calibrated)),
    )


def _by_protocol(method: MethodResult) -> tuple[tuple[str, Evaluation], ...]:
    return (("base", method.base), ("novel", method.novel), ("all classes", method.generalised))


def _protocol_rows(method: MethodResult) -> list[ProtocolRow]:
    return [protocol_row(method.name, said, evaluation) for said, evaluation in _by_protocol(method)]


def _row(method: MethodResult) -> MethodRow:
    return method_row(method.name, method.base, method.novel, kind=method.kind, note=method.note)


def _differences(by_kind: dict[MethodKind, MethodResult]) -> list[Difference]:
    found = []
    for ours, theirs in _COMPARED:
        if ours in by_kind and theirs in by_kind:
            mine, other = by_kind[ours], by_kind[theirs]
            for role, pair in (("base", (mine.base, other.base)), ("novel", (mine.novel, other.novel))):
                difference = paired_difference(*pair)
                found.append(Difference(mine.name, other.name, "base" if role == "base" else "novel", difference))
    return found


def _curve(mov: LoadedRun, clips: EvalClips, workers: int) -> EpochCurve | None:
    """Accuracy of every epoch's weights, with the settings of the final row; None where none were kept."""
    kept = sorted(folder for folder in mov.folder.epochs.glob("[0-9]*") if folder.is_dir())
    if not kept:
        return None
    rule = replace(mov.rule, novel=_final_settings(mov))
    base, novel = [], []
    for folder in kept:
        recording = embed_run(mov, clips.records, checkpoint=folder, workers=workers)
        scorer = EmbeddingsScorer(recording, mov.components.class_embedder(), rule)
        measured = measure("MOV", "mov", scorer, recording, clips)
        base.append(measured.base.accuracy.value)
        novel.append(measured.novel.accuracy.value)
    epochs = tuple(int(folder.name) + 1 for folder in kept)
    return EpochCurve(epochs, tuple(base), tuple(novel), _epoch_losses(mov), _shown_row(mov))


def _epoch_losses(mov: LoadedRun) -> tuple[float, ...]:
    return tuple(record["epoch_loss"] for record in mov.folder.read_metrics() if "epoch_loss" in record)


def _shown_row(mov: LoadedRun) -> str:
    """The row of the table that curves and examples are about: the calibrated one where there is one."""
    settings, calibrated = _final_settings(mov), load_calibration(mov.folder.path) is not None
    return f"MOV{', calibrated' if calibrated else ''}, beta {settings.beta:g}, tau_v {settings.tau_v:g}"


def _final_settings(mov: LoadedRun) -> NovelPath:
    return load_calibration(mov.folder.path) or mov.components.novel_path


def _tau_sweep(mov: LoadedRun, recording: Embeddings, clips: EvalClips, extra: Modality) -> TauSweep:
    """Table 8 on novel classes: `v` alone, `x_m` alone, and both at each tau_v, with the recipe's beta."""
    settings = mov.components.novel_path
    embed = mov.components.class_embedder()

    def accuracy(beta: float, tau_v: float) -> Proportion:
        rule = replace(mov.rule, novel=NovelPath(beta=beta, tau_x=settings.tau_x, tau_v=tau_v))
        return measure("MOV", "mov", EmbeddingsScorer(recording, embed, rule), recording, clips).novel.accuracy

    points = tuple(SweepPoint(tau_v, accuracy(settings.beta, tau_v)) for tau_v in _TAUS_V)
    return TauSweep(accuracy(0.0, settings.tau_v), accuracy(1.0, settings.tau_v), points, settings.beta)


def _examples(mov: LoadedRun, recording: Embeddings, clips: EvalClips, count: int) -> list[Example]:
    """Test videos, alternately novel and base, drawn evenly over the list."""
    reader = mov.components.dataset()
    novel = [record for record in clips.records if record.label in set(clips.vocabulary.novel)]
    base = [record for record in clips.records if record.label in set(clips.vocabulary.base)]
    chosen = _spread(novel, (count + 1) // 2) + _spread(base, count // 2)
    return [_example(mov, recording, clips, record, example_inputs(reader, record)) for record in chosen]


def _spread(records: list[Record], count: int) -> list[Record]:
    if not records:
        return []
    return [records[round(place)] for place in np.linspace(0, len(records) - 1, count)]


def _example(mov: LoadedRun, recording: Embeddings, clips: EvalClips, record: Record, inputs: ExampleInputs) -> Example:
    protocol: Protocol = "novel" if record.label in set(clips.vocabulary.novel) else "base"
    vocabulary = clips.vocabulary.for_protocol(protocol)
    mine = recording.take([recording.video_ids.index(record.video_id)])
    classes = mov.components.class_embedder()(vocabulary)
    rule = replace(mov.rule, novel=_final_settings(mov))
    streams = answers_by_modality(mine.embeddings, classes, rule, mine.views)
    fused = EmbeddingsScorer(mine, mov.components.class_embedder(), rule)
    (batch,) = mine.batches()
    scores = {_SOURCES[name]: rows[0] for name, rows in streams.items()} | {"MOV": fused.score(batch, vocabulary)[0]}
    truth = vocabulary.index_of(str(record.label))
    return Example(
        video_id=record.video_id,
        answers=tuple(
            _answer(name, scores[name], vocabulary.names, truth) for name in sorted(scores, key=_ORDER.index)
        ),
        label=record.label,
        role="novel" if protocol == "novel" else "base",
        frames=inputs.frames,
        flow_px=inputs.flow_px,
        spectrogram=inputs.spectrogram,
        sound_seconds=inputs.sound_seconds,
    )


_SOURCES = {"clip": "frozen CLIP", "video": "video, fused", "flow": "flow, fused", "audio": "sound, fused"}
_ORDER = [*_SOURCES.values(), "MOV"]


def _answer(source: str, scores: torch.Tensor, names: tuple[str, ...], truth: int) -> Answer:
    top = scores.argsort(descending=True, stable=True)
    rank = int((top == truth).nonzero()[0, 0]) + 1
    first = top[:3].tolist()
    return Answer(source, tuple(names[i] for i in first), tuple(float(scores[i]) for i in first), rank)
