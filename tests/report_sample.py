"""A report as it might come out of one run: plausible numbers, pictures drawn here. To look at it:

python tests/report_sample.py some_folder
"""

import sys
from itertools import product
from pathlib import Path

import numpy as np

from openmov.evaluation.metrics import paired_bootstrap, proportion
from openmov.evaluation.result import Evaluation, Failure, Role, SampleRecord
from openmov.evaluation.rows import (
    CrossRow,
    GeneralisedRow,
    confusion_map,
    cross_row,
    protocol_row,
    reliability,
)
from openmov.report.content import (
    Answer,
    ClassChange,
    ComparedRun,
    ComparisonContent,
    Difference,
    EpochCurve,
    Example,
    FactGroup,
    LearningCurve,
    MethodRow,
    ReportContent,
    Step,
    SweepPoint,
    TaskReport,
    TauSweep,
)
from openmov.report.paper import Extra
from openmov.report.report import write_comparison, write_report

NUM_BASE, NUM_NOVEL, CLIPS_A_CLASS = 40, 24, 8
_SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "diamond", "heart")
_MOTIONS = ("moving left", "moving right", "moving up", "moving down", "growing", "shrinking", "spinning", "shaking")
_SOUNDS = (
    "a low tone",
    "a high tone",
    "a rising tone",
    "a falling tone",
    "noise",
    "a beeping sound",
    "a buzzing sound",
)
_COLOURS = {"star": (250, 230, 70), "heart": (235, 70, 60), "ring": (80, 140, 255), "cross": (200, 110, 240)}
_ACCURACIES = {
    "flow": [(0.178, 0.198), (0.512, 0.380), (0.203, 0.172), (0.560, 0.396), (0.775, 0.203), (0.775, 0.536)],
    "audio": [(0.112, 0.193), (0.631, 0.682), (0.144, 0.141), (0.652, 0.656), (0.734, 0.521), (0.734, 0.766)],
}


def sample_content() -> ReportContent:
    """Two tasks, three predictions, two failures; the same at every call."""
    return ReportContent(
        title="MOV on ShapesAV: motion and sound",
        summary="Trained on base classes, asked about base and novel ones, from real media files to this page.",
        date="24 November 2026",
        facts=_facts(),
        steps=_steps(),
        tasks=(_task("flow"), _task("audio")),
        predictions=tuple(_prediction(k) for k in range(3)),
        num_files=1536,
        failures=(
            Failure("clips/test/0412.mp4", "no video stream"),
            Failure("clips/test/0977.mp4", "is cut off after 0.4 s"),
        ),
        notes=(
            "ShapesAV is a synthetic world made to exercise the whole path on a small machine. These numbers say that "
            "the method works as described on it; they say nothing about Kinetics or VGGSound.",
        ),
    )


def sample_comparison() -> ComparisonContent:
    """Three runs that differ in one setting."""
    runs = tuple(
        ComparedRun(
            name=f"alpha {alpha}",
            rows=(_row("MOV", "mov", base, novel, "β 0.25, τv 0.003"),),
            settings=(("training.alpha", str(alpha)), ("training.epochs", "10"), ("training.seed", "0")),
            curve=_curve(base, novel),
            learning=LearningCurve((1.0, 2.0, 3.0), (4.0, 2.0 + alpha, 1.5), (1, 2), (base / 2, base)),
        )
        for alpha, base, novel in ((0.25, 0.741, 0.214), (0.5, 0.775, 0.203), (0.75, 0.762, 0.182))
    )
    return ComparisonContent(
        "How much should the video loss weigh?",
        runs,
        "ShapesAV-Motion, one seed each.",
        differences=_differences("flow")[:2],
    )


def _facts() -> tuple[FactGroup, ...]:
    return (
        FactGroup(
            "Data",
            (
                ("world", "ShapesAV, 64 × 64 px, 2 s, H.264 and AAC"),
                ("classes", "40 base, 24 novel per task (seed 2026)"),
                ("training clips", "960 a task (24 a base class, 4 of them for validation)"),
                ("test clips", "8 a class: 320 base, 192 novel"),
            ),
        ),
        FactGroup(
            "Recipe",
            (
                ("frames", "8, one every 0.16 s, 64 px"),
                ("sound", "64 mel bins × 192 columns"),
                ("training", "10 epochs, batch 64, AdamW 1e-3, weight decay 0.05, alpha 0.5"),
                ("prediction", "beta 0.25, tau_x 0.01, tau_v 0.003"),
                ("seed", "0"),
            ),
        ),
        FactGroup(
            "Backbone",
            (
                ("name", "shapesav-tiny (CLIP, 1.5 M weights)"),
                ("identity", "9f1c02d7a44be310"),
                ("width", "128, patch 16"),
            ),
        ),
        FactGroup(
            "Machine",
            (("processor", "2 cores, x86-64"), ("openmov", "0.1.0"), ("Python", "3.11.9"), ("torch", "2.13.0")),
        ),
    )


def _steps() -> tuple[Step, ...]:
    return (
        Step("Write the clips", 41.2, "openmov demo make-clips demo/pool"),
        Step("Flow and sound caches", 63.9, "openmov prepare demo/pool/manifest.jsonl --recipe shapesav-motion"),
        Step("Train on motion", 118.4, "openmov train --recipe shapesav-motion --data demo/pool --out demo/motion"),
        Step("Train on sound", 49.7, "openmov train --recipe shapesav-sound --data demo/pool --out demo/sound"),
        Step("Evaluate", 32.3, "openmov evaluate demo/motion demo/sound"),
    )


def _task(extra: Extra) -> TaskReport:
    motion = extra == "flow"
    return TaskReport(
        title="ShapesAV-Motion: video + flow" if motion else "ShapesAV-Sound: video + sound",
        explanation=(
            "Name the shape and how it moves: “a star moving left”. One frame shows the shape, only time the motion."
            if motion
            else "Name the shape and its sound: “a star making a rising tone”. The picture cannot tell the sound."
        ),
        rows=_rows(extra),
        paper=extra,
        num_base_classes=NUM_BASE,
        num_novel_classes=NUM_NOVEL,
        differences=_differences(extra),
        curve=_curve(0.775, 0.203) if motion else _curve(0.734, 0.521),
        changes=_changes(extra),
        sweep=_sweep(extra),
        examples=tuple(_example(extra, k) for k in range(2 if motion else 1)),
        generalised=tuple(_generalised(name) for name in ("Frozen CLIP, frame average", "MOV")),
        protocols=tuple(protocol_row(name, said, found) for name, said, found in _evaluations()),
        confusions=tuple(confusion_map(name, said, found) for name, said, found in _evaluations()),
        reliabilities=tuple(reliability(name, said, found) for name, said, found in _evaluations()),
        cross=() if motion else tuple(_cross(name, shift) for name, shift in (("Frozen CLIP", 0), ("MOV", 1))),
    )


def _evaluations() -> tuple[tuple[str, str, Evaluation], ...]:
    return (("MOV", "base", _evaluation(NUM_BASE, 0.78, 1)), ("MOV", "novel", _evaluation(NUM_NOVEL, 0.4, 2)))


def _evaluation(num_classes: int, right: float, seed: int) -> Evaluation:
    """Answers that are right as often as said, mistaken for a neighbour otherwise, and a little too sure."""
    rng, names = np.random.default_rng(seed), tuple(f"class {k}" for k in range(num_classes))
    records = []
    for number in range(num_classes * CLIPS_A_CLASS):
        truth = number % num_classes
        hit = bool(rng.random() < right)
        answer = truth if hit else (truth + int(rng.integers(1, 4))) % num_classes
        sure = float(np.clip(rng.normal(0.85 if hit else 0.6, 0.15), 0.2, 1.0))
        pair = (sure, 1 - sure) if hit else (sure, min(sure, 1 - sure))
        labels = (names[answer], names[(answer + 1) % num_classes])
        records.append(SampleRecord(f"{number:04}", names[truth], 1 if hit else 2, pair[0], labels, pair))
    return Evaluation("sample", names, (), "0", tuple(records))


def _generalised(name: str) -> GeneralisedRow:
    share = 0.6 if name == "MOV" else 0.2
    return GeneralisedRow(name, proportion(round(320 * share), 320), proportion(round(192 * share / 2), 192))


def _cross(name: str, shift: int) -> CrossRow:
    full = _evaluation(20, 0.5 + 0.2 * shift, 3)
    parts = {number: _evaluation(20, 0.5 + 0.2 * shift, 3 + number) for number in (1, 2, 3)}
    halves = {number: _evaluation(10, 0.6 + 0.2 * shift, 9 + number) for number in range(10)}
    return cross_row(name, "beta 0.25" if shift else "", full, parts, halves, halves)


def _rows(extra: Extra) -> tuple[MethodRow, ...]:
    only = "Flow only" if extra == "flow" else "Sound only"
    kinds = ("clip", "single", "video", "score_fusion", "mov", "mov_calibrated")
    names = ("Frozen CLIP, frame average", only, "Video only", "Score fusion", "MOV", "MOV, calibrated")
    notes = ("", "", "frozen encoder, trained head", "", "β 0.25, τv 0.003", "β 0.75, τv 0.01: held-out base classes")
    return tuple(
        _row(name, kind, base, novel, note)
        for name, kind, note, (base, novel) in zip(names, kinds, notes, _ACCURACIES[extra], strict=True)
    )


def _row(name, kind, base: float, novel: float, note: str = "") -> MethodRow:
    return MethodRow(
        name,
        proportion(round(base * NUM_BASE * CLIPS_A_CLASS), NUM_BASE * CLIPS_A_CLASS),
        proportion(round(novel * NUM_NOVEL * CLIPS_A_CLASS), NUM_NOVEL * CLIPS_A_CLASS),
        kind,
        note,
    )


def _differences(extra: Extra) -> tuple[Difference, ...]:
    rng = np.random.default_rng(3)
    clip, *_, score, mov, calibrated = _ACCURACIES[extra]
    pairs = (
        ("MOV", "frozen CLIP", "base", mov[0], clip[0], 320),
        ("MOV", "score fusion", "base", mov[0], score[0], 320),
        ("MOV", "frozen CLIP", "novel", mov[1], clip[1], 192),
        ("MOV, calibrated", "frozen CLIP", "novel", calibrated[1], clip[1], 192),
    )
    return tuple(
        Difference(ours, theirs, role, paired_bootstrap(rng.random(n) < a, rng.random(n) < b))
        for ours, theirs, role, a, b, n in pairs
    )


def _curve(base: float, novel: float) -> EpochCurve:
    epochs = np.arange(0, 11)
    wobble = 0.012 * np.sin(2.1 * epochs)
    grown = 1 - np.exp(-epochs / 2.6)
    return EpochCurve(
        tuple(epochs.tolist()),
        tuple((0.178 + (base - 0.178) * grown / grown[-1] + wobble - wobble[-1]).tolist()),
        tuple((0.156 + (novel - 0.156) * grown / grown[-1] - wobble + wobble[-1]).tolist()),
        tuple((0.62 + 2.9 * np.exp(-epochs[1:] / 2.9)).tolist()),
    )


def _changes(extra: Extra) -> tuple[ClassChange, ...]:
    rng = np.random.default_rng(11 if extra == "flow" else 12)
    words = _MOTIONS if extra == "flow" else tuple(f"making {sound}" for sound in (*_SOUNDS, "a clicking sound"))
    names = [f"a {shape} {word}" for shape, word in product(_SHAPES, words)]
    roles: list[Role] = ["base"] * NUM_BASE + ["novel"] * NUM_NOVEL
    found = []
    for name, role in zip(rng.permutation(names).tolist(), roles, strict=True):
        before, after = rng.binomial(CLIPS_A_CLASS, 0.2), rng.binomial(CLIPS_A_CLASS, 0.72 if role == "base" else 0.24)
        found.append(ClassChange(name, role, before / CLIPS_A_CLASS, after / CLIPS_A_CLASS, CLIPS_A_CLASS))
    return tuple(found)


def _sweep(extra: Extra) -> TauSweep:
    values = (0.505, 0.203, 0.198, 0.198, 0.198) if extra == "flow" else (0.760, 0.521, 0.292, 0.208, 0.193)
    taus = (0.01, 0.003, 0.001, 0.0003, 0.0001)
    points = tuple(SweepPoint(t, proportion(round(192 * v), 192)) for t, v in zip(taus, values, strict=True))
    return TauSweep(proportion(38, 192), proportion(100 if extra == "flow" else 145, 192), points, beta=0.25)


def _example(extra: Extra, k: int) -> Example:
    shape, step = (("star", (-1.6, 0.0)), ("heart", (0.0, 1.4)))[k]
    word = {"flow": ("moving left", "moving down"), "audio": ("making a rising tone", "making noise")}[extra][k]
    label = f"a {shape} {word}"
    others = [f"a {shape} shaking", f"a {shape} spinning", "a diamond growing"]
    right = (label, *others[:2])
    frames, flow = draw_clip(shape, step, k)
    second = (
        Answer("Flow", right, (0.61, 0.22, 0.05), 1)
        if extra == "flow"
        else Answer("Sound", right, (0.83, 0.1, 0.02), 1)
    )
    video = (
        Answer("Frozen video", tuple(others), (0.41, 0.33, 0.08), 4)
        if k == 0
        else Answer("Frozen video", (others[0], label, others[1]), (0.38, 0.35, 0.11), 2)
    )
    return Example(
        video_id=f"test/0{k}31.mp4",
        answers=(video, second, Answer("MOV", right, (0.55, 0.21, 0.09), 1)),
        label=label,
        role="novel" if k == 0 else "base",
        frames=frames,
        flow_px=flow if extra == "flow" else None,
        spectrogram=draw_sound(),
        sound_seconds=1.92,
    )


def _prediction(k: int) -> Example:
    shape, motion = _SHAPES[k + 1], _MOTIONS[k]
    names = tuple(f"a {shape} {_MOTIONS[(k + j) % 8]}" for j in range(5))
    return Example(
        f"test/1{k}07.mp4", (Answer("MOV", names, (0.52, 0.2, 0.11, 0.06, 0.02), 1),), f"a {shape} {motion}", "novel"
    )


def draw_clip(shape: str, step: tuple[float, float], seed: int):
    """Eight 64 px frames of a coloured patch over a textured ground, and its displacements in pixels."""
    rng = np.random.default_rng(seed)
    ground = np.clip(
        np.kron(rng.uniform(40, 130, (8, 8, 3)), np.ones((8, 8, 1))) + rng.normal(0, 6, (64, 64, 1)), 0, 255
    )
    y, x = np.mgrid[:64, :64] + 0.5
    frames, flow = np.empty((8, 64, 64, 3), np.uint8), np.zeros((8, 64, 64, 2), np.float32)
    for t in range(8):
        u, v = x - 38 - 4 * step[0] * (t - 3.5), y - 32 - 4 * step[1] * (t - 3.5)
        angle = np.arctan2(v, u)
        radius = 11 * (1 + 0.25 * np.cos(5 * angle)) if shape == "star" else 12.0
        inside = np.hypot(u, v) < radius
        frames[t] = np.where(inside[..., None], _COLOURS[shape], ground)
        flow[t][inside] = step
    return frames, flow


def draw_sound() -> np.ndarray:
    """A rising tone with two overtones in noise, 64 x 192."""
    rng = np.random.default_rng(5)
    bins, columns = np.mgrid[:64, :192]
    tone = sum(np.exp(-(((bins - 10 - 14 * k - columns * 0.1) / 1.6) ** 2)) / (1 + k) for k in range(3))
    return 3 * tone + 0.25 * rng.normal(size=(64, 192))


if __name__ == "__main__":
    print(write_report(Path(sys.argv[1]), sample_content()))
    print(write_comparison(Path(sys.argv[1]), sample_comparison()))
