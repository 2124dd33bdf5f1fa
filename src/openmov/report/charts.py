"""Small charts as inline SVG, coloured by the page's style sheet, so that they follow light and dark.

A tone is a class of the style sheet (`base`, `novel`, `clip`, `extra`, `run1` ...). Names are escaped. The same values
give the same text. Knows nothing of what the numbers mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from openmov.evaluation.metrics import Proportion

_WIDTH, _HEIGHT = 520.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 128.0, 14.0, 44.0
_LABEL_GAP = 16.0
"""Least distance between two labels at the right edge."""
_LONGEST_NAME = 11
"""Letters of a name that fit beside its value at the right edge."""


@dataclass(frozen=True)
class Line:
    """A series of points, labelled at its end."""

    name: str
    """Written at the right edge."""
    tone: str
    """Colour."""
    points: tuple[tuple[float, float], ...]
    """x ascending."""
    dashed: bool = False
    """For what is only there to compare with."""
    dots: bool = True
    """Each point is marked."""


@dataclass(frozen=True)
class Level:
    """A horizontal line: a value that does not depend on x."""

    name: str
    """Written at the right edge."""
    tone: str
    """Colour."""
    value: float
    """y."""


@dataclass(frozen=True)
class _Scale:
    """Data to pixels, one axis."""

    low: float
    high: float
    start_px: float
    end_px: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start_px + (self.end_px - self.start_px) * ((at - low) / (high - low) if high > low else 0.5)


def line_chart(
    lines: Sequence[Line],
    levels: Sequence[Level] = (),
    *,
    alt: str,
    x_label: str,
    y_label: str,
    percent: bool = True,
    log_x: bool = False,
) -> Markup:
    """Lines over a common x, from y = 0; fractions are shown as per cent. Log x has a tick at each point of a line.

    Raises ValueError where no line has a point.
    """
    xs = sorted({x for line in lines for x, _ in line.points})
    if not xs:
        raise ValueError("a chart needs a point")
    factor = 100.0 if percent else 1.0
    top = max([y for line in lines for _, y in line.points] + [level.value for level in levels]) * factor
    y_ticks = nice_ticks(0.0, min(top, 100.0) if percent else top, cover=True)
    x = _Scale(xs[0], xs[-1], _LEFT, _WIDTH - _RIGHT, log_x)
    y = _Scale(0.0, y_ticks[-1] / factor, _HEIGHT - _BOTTOM, _TOP)
    x_ticks = xs if log_x else [tick for tick in nice_ticks(xs[0], xs[-1], whole=True) if xs[0] <= tick <= xs[-1]]
    digits = 1 if percent else 2
    ends = [(line.points[-1][1], line.name, line.tone) for line in lines if line.points]
    ends += [(level.value, level.name, level.tone) for level in levels]
    parts = [
        *(_y_tick(y(tick / factor), tick) for tick in y_ticks),
        *(_x_tick(x(tick), tick) for tick in x_ticks or xs[:1]),
        *(_level(y(level.value), level.tone) for level in levels),
        *(_line([(x(a), y(b)) for a, b in line.points], line) for line in lines if line.points),
        *_end_labels([(y(value), f"{_short(name)} {value * factor:.{digits}f}", tone) for value, name, tone in ends]),
        _axis_names(x_label, y_label),
    ]
    return _svg(parts, alt)


def meter(share: Proportion, tone: str) -> Markup:
    """A bar from 0 to 1 with its interval as a whisker; decoration for a table cell that already says the number."""
    whisker = Markup('<rect class="whisker" x="{:.2f}" y="3.25" width="{:.2f}" height="1.5"/>')
    return _bar(share.value, tone, whisker.format(100 * share.low, 100 * (share.high - share.low)))


def bar(share: float, tone: str) -> Markup:
    """A plain bar from 0 to 1."""
    return _bar(share, tone, Markup())


def diverging_bar(change: float, largest: float) -> Markup:
    """A bar from the middle to the right (better) or to the left (worse); `largest` fills a half."""
    width = 100 * abs(change) / largest if largest else 0.0
    return Markup(
        '<svg class="diverging" viewBox="-100 0 200 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="fill {}" x="{:.2f}" y="1" width="{:.2f}" height="8"/>'
        '<line class="axis" x1="0" x2="0" y1="0" y2="10"/></svg>'
    ).format("good" if change >= 0 else "bad", 0.0 if change >= 0 else -width, width)


def nice_ticks(low: float, high: float, *, whole: bool = False, cover: bool = False) -> list[float]:
    """About five round values over [low, high] (steps of 1, 2 or 5 times a power of ten).

    `whole` keeps to whole numbers; `cover` adds the tick at or above `high`.
    """
    span = (high - low) or 1.0
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    step = max(1.0, step) if whole else step
    first = math.ceil(low / step - 1e-9)
    last = math.ceil(high / step - 1e-9) if cover else math.floor(high / step + 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Moves places until neighbours are at least `gap` apart, keeping their order, within [low, high] if they fit."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = [min(max(place, low), high) for place in places]
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    limit = high
    for i in reversed(order):
        moved[i] = min(moved[i], limit)
        limit = moved[i] - gap
    return moved


def _bar(share: float, tone: str, above: Markup) -> Markup:
    return Markup(
        '<svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" x="0" y="1" width="100" height="6"/>'
        '<rect class="fill {}" x="0" y="1" width="{:.2f}" height="6"/>{}</svg>'
    ).format(tone, 100 * share, above)


def _svg(parts: Sequence[Markup], alt: str) -> Markup:
    frame = Markup('<svg class="chart" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}</svg>')
    return frame.format(_WIDTH, _HEIGHT, alt, Markup().join(parts))


def _y_tick(at_px: float, tick: float) -> Markup:
    return Markup(
        '<line class="grid" x1="{:g}" x2="{:g}" y1="{:.1f}" y2="{:.1f}"/>'
        '<text class="tick" x="{:g}" y="{:.1f}" text-anchor="end">{:g}</text>'
    ).format(_LEFT, _WIDTH - _RIGHT, at_px, at_px, _LEFT - 6, at_px + 4, tick)


def _x_tick(at_px: float, tick: float) -> Markup:
    text = Markup('<text class="tick" x="{:.1f}" y="{:g}" text-anchor="middle">{:g}</text>')
    return text.format(at_px, _HEIGHT - _BOTTOM + 18, tick)


def _level(at_px: float, tone: str) -> Markup:
    line = Markup('<line class="level {}" x1="{:g}" x2="{:g}" y1="{:.1f}" y2="{:.1f}"/>')
    return line.format(tone, _LEFT, _WIDTH - _RIGHT, at_px, at_px)


def _line(points: Sequence[tuple[float, float]], line: Line) -> Markup:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dot = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="2.6"/>')
    dots = Markup().join(dot.format(line.tone, x, y) for x, y in points) if line.dots else Markup()
    dashed = " dashed" if line.dashed else ""
    return Markup('<polyline class="line {}{}" points="{}"/>{}').format(line.tone, dashed, path, dots)


def _end_labels(ends: Sequence[tuple[float, str, str]]) -> list[Markup]:
    places = spread([at_px for at_px, _, _ in ends], _LABEL_GAP, _TOP, _HEIGHT - _BOTTOM)
    label = Markup('<text class="end {}" x="{:g}" y="{:.1f}">{}</text>')
    return [
        label.format(tone, _WIDTH - _RIGHT + 8, place + 4, text)
        for place, (_, text, tone) in zip(places, ends, strict=True)
    ]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _axis_names(x_label: str, y_label: str) -> Markup:
    return Markup(
        '<text class="name" x="{:g}" y="{:g}" text-anchor="middle">{}</text>'
        '<text class="name" transform="translate(11 {:g}) rotate(-90)" text-anchor="middle">{}</text>'
    ).format((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, x_label, (_TOP + _HEIGHT - _BOTTOM) / 2, y_label)
