"""What each figure of a report shows: content in, chart or chosen rows out.

The colours say the same everywhere: one tone for base classes, one for novel ones, grey for frozen CLIP. Knows
nothing of pages.
"""

from collections.abc import Sequence

from markupsafe import Markup

from openmov.evaluation.result import Role
from openmov.evaluation.rows import Reliability
from openmov.report import paper
from openmov.report.charts import Level, Line, line_chart
from openmov.report.content import ClassChange, ComparedRun, EpochCurve, MethodRow, TaskReport, TauSweep

NUM_EXTREMES = 10
"""Classes shown at either end of figure 3."""
_NUM_RUN_TONES = 6
_EXTRA_NAMES = {"flow": "flow", "audio": "sound", None: "other modality"}


def extra_name(extra: paper.Extra | None) -> str:
    """The modality beside the video, as a reader calls it."""
    return _EXTRA_NAMES[extra]


def epoch_chart(curve: EpochCurve, clip: MethodRow | None) -> Markup:
    """Base and novel accuracy after each epoch, with frozen CLIP as level lines."""
    lines = [_line("base", "base", curve.epochs, curve.base)]
    if curve.novel:
        lines.append(_line("novel", "novel", curve.epochs, curve.novel))
    levels = [
        Level(f"CLIP {role}", f"{role} faint", share.value)
        for role, share in (("base", clip and clip.base), ("novel", clip and clip.novel))
        if share
    ]
    alt = "; ".join(f"{line.name} accuracy from {_percent(line, 0)} to {_percent(line, -1)} per cent" for line in lines)
    return line_chart(lines, levels, alt=alt, x_label="epoch", y_label="accuracy (%)")


def over_epochs(base: Sequence[float], novel: Sequence[float]) -> Markup:
    """Base and novel accuracy after 0, 1, ... epochs, with what it was before training as level lines."""
    epochs = tuple(range(len(base)))
    lines = [_line("base", "base", epochs, base), _line("novel", "novel", epochs, novel)]
    levels = [Level("base before", "base faint", base[0]), Level("novel before", "novel faint", novel[0])]
    alt = "; ".join(f"{line.name} accuracy from {_percent(line, 0)} to {_percent(line, -1)} per cent" for line in lines)
    return line_chart(lines, levels, alt=alt, x_label="epoch", y_label="accuracy (%)")


def loss_chart(curve: EpochCurve) -> Markup:
    """Mean training loss of each epoch."""
    line = _line("loss", "extra", tuple(range(1, len(curve.loss) + 1)), curve.loss)
    alt = f"training loss from {curve.loss[0]:.2f} to {curve.loss[-1]:.2f}"
    return line_chart([line], alt=alt, x_label="epoch", y_label="training loss", percent=False)


def sweep_chart(sweep: TauSweep, extra: paper.Extra | None) -> Markup:
    """Fused accuracy over tau_v, with the stand-alone accuracies as level lines and the paper's curve dashed."""
    ordered = sorted(sweep.points, key=lambda point: point.tau_v)
    lines = [Line("fused", "mov", tuple((point.tau_v, point.fused.value) for point in ordered))]
    if extra:
        fused = paper.sweep(extra).fused
        lines.append(Line("paper", "paper", tuple((tau, fused[tau] / 100) for tau in sorted(fused)), dashed=True))
    levels = [
        Level("video", "clip", sweep.frozen_video.value),
        Level(_EXTRA_NAMES[extra].split()[0], "extra", sweep.extra.value),
    ]
    alt = "fused accuracy over tau_v: " + ", ".join(f"{p.tau_v:g}: {100 * p.fused.value:.1f} per cent" for p in ordered)
    return line_chart(lines, levels, alt=alt, x_label="tau_v (log scale)", y_label="accuracy (%)", log_x=True)


def reliability_chart(curve: Reliability) -> Markup:
    """Accuracy over confidence, with the diagonal of a model that is as right as it is sure."""
    points = tuple((100 * one.confidence, one.accuracy) for one in curve.bins)
    lines = [
        Line("perfect", "paper", ((0.0, 0.0), (100.0, 1.0)), dashed=True),
        Line("answers", "mov", tuple(sorted(points))),
    ]
    alt = f"accuracy over confidence, {curve.protocol}: expected calibration error {100 * curve.error:.1f} points"
    return line_chart(lines, alt=alt, x_label="probability of the answer (%)", y_label="right (%)")


def runs_chart(runs: Sequence[ComparedRun], role: Role) -> Markup | None:
    """Accuracy over epochs of several runs; None where none has a curve for that role."""
    curves = [(i, run.name, run.curve) for i, run in enumerate(runs) if run.curve and getattr(run.curve, role)]
    lines = [_line(name, run_tone(i), curve.epochs, getattr(curve, role)) for i, name, curve in curves]
    if not lines:
        return None
    alt = "; ".join(f"{line.name} ends at {_percent(line, -1)} per cent" for line in lines)
    return line_chart(lines, alt=alt, x_label="epoch", y_label=f"{role} accuracy (%)")


def loss_curves(runs: Sequence[ComparedRun]) -> Markup | None:
    """Training loss over steps of several runs; None where none wrote any."""
    curves = [(i, run.name, run.learning) for i, run in enumerate(runs) if run.learning and run.learning.steps]
    lines = [
        Line(name, run_tone(i), tuple(zip(one.steps, one.loss, strict=True)), dots=False) for i, name, one in curves
    ]
    if not lines:
        return None
    alt = "; ".join(f"loss of {line.name} from {line.points[0][1]:.2f} to {line.points[-1][1]:.2f}" for line in lines)
    return line_chart(lines, alt=alt, x_label="optimiser step", y_label="training loss", percent=False)


def validation_curves(runs: Sequence[ComparedRun]) -> Markup | None:
    """Validation accuracy over epochs of several runs; None where none has any."""
    curves = [(i, run.name, run.learning) for i, run in enumerate(runs) if run.learning and run.learning.validation]
    lines = [_line(name, run_tone(i), one.epochs, one.validation) for i, name, one in curves]
    if not lines:
        return None
    alt = "; ".join(f"validation of {line.name} ends at {_percent(line, -1)} per cent" for line in lines)
    return line_chart(lines, alt=alt, x_label="epoch", y_label="validation accuracy (%)")


def run_tone(index: int) -> str:
    """The colour of a run."""
    return f"run{index % _NUM_RUN_TONES + 1}"


def extremes(changes: Sequence[ClassChange], role: Role) -> tuple[list[ClassChange], list[ClassChange]]:
    """The most improved classes, best first, and the most degraded, worst last; unchanged ones are in neither."""
    return extremes_of(changes, role, NUM_EXTREMES)


def extremes_of(changes: Sequence[ClassChange], role: Role, count: int) -> tuple[list[ClassChange], list[ClassChange]]:
    """The same with at most `count` classes at either end."""
    ordered = sorted((c for c in changes if c.role == role), key=lambda c: (-c.change, c.name))
    better = [change for change in ordered if change.change > 0]
    worse = [change for change in ordered if change.change < 0]
    return better[:count], worse[-count:]


def tally(changes: Sequence[ClassChange], role: Role) -> dict[str, int]:
    """How many classes of a role there are, and how many improved, got worse or stayed the same."""
    signs = [(c.change > 0) - (c.change < 0) for c in changes if c.role == role]
    return {
        "classes": len(signs),
        "improved": signs.count(1),
        "worse": signs.count(-1),
        "same": signs.count(0),
    }


def best_values(rows: Sequence[MethodRow]) -> dict[str, float | None]:
    """The highest base, novel and harmonic value of a table; every row that has it is set in bold."""
    columns = {
        "base": [row.base.value for row in rows if row.base],
        "novel": [row.novel.value for row in rows if row.novel],
        "harmonic": [row.harmonic for row in rows if row.harmonic is not None],
    }
    return {name: max(values, default=None) for name, values in columns.items()}


def common_count(rows: Sequence[MethodRow], role: Role) -> int | None:
    """The number of clips behind a column, where it is the same for every row."""
    counts = {share.count for row in rows if (share := row.base if role == "base" else row.novel)}
    return counts.pop() if len(counts) == 1 else None


def margins(task: TaskReport) -> dict[str, float]:
    """MOV minus frozen CLIP, fractions: of `base`, of `novel`, and `novel_calibrated`, as far as measured."""
    clip, mov, calibrated = (task.row(kind) for kind in ("clip", "mov", "mov_calibrated"))
    pairs = {
        "base": (mov and mov.base, clip and clip.base),
        "novel": (mov and mov.novel, clip and clip.novel),
        "novel_calibrated": (calibrated and calibrated.novel, clip and clip.novel),
    }
    return {name: ours.value - theirs.value for name, (ours, theirs) in pairs.items() if ours and theirs}


def _line(name: str, tone: str, xs: Sequence[int], ys: Sequence[float]) -> Line:
    return Line(name, tone, tuple((float(x), float(y)) for x, y in zip(xs, ys, strict=True)))


def _percent(line: Line, index: int) -> str:
    return f"{100 * line.points[index][1]:.1f}"
