"""Small charts as inline SVG, coloured by the page's style sheet, so that they follow light and dark.

A tone is a class of the style sheet (`base`, `novel`, `clip`, `extra`, `run1` ...). Names are escaped. The same values
give the same text. Knows nothing of what the numbers mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from openmov.evaluation.metrics import Proportion

_WIDTH, _HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 128, 14, 44
_LABEL_GAP = 16
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
    factor = 100 if percent else 1
    top = max([y for line in lines for _, y in line.points] + [level.value for level in levels]) * factor
    y_ticks = nice_ticks(0, min(top, 100) if percent else top, cover=True)
    x = _Scale(xs[0], xs[-1], _LEFT, _WIDTH - _RIGHT, log_x)
    y = _Scale(0, y_ticks[-1] / factor, _HEIGHT - _BOTTOM, _TOP)
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
    value, low, high = (100 * part for part in (share.value, share.low, share.high))
    return Markup(
        '<svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" x="0" y="1" width="100" height="6"/>'
        f'<rect class="fill {escape(tone)}" x="0" y="1" width="{value:.2f}" height="6"/>'
        f'<rect class="whisker" x="{low:.2f}" y="3.25" width="{high - low:.2f}" height="1.5"/></svg>'
    )


def bar(share: float, tone: str) -> Markup:
    """A plain bar from 0 to 1."""
    return Markup(
        '<svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" x="0" y="1" width="100" height="6"/>'
        f'<rect class="fill {escape(tone)}" x="0" y="1" width="{100 * share:.2f}" height="6"/></svg>'
    )


def diverging_bar(change: float, largest: float) -> Markup:
    """A bar from the middle to the right (better) or to the left (worse); `largest` fills a half."""
    width = 100 * abs(change) / largest if largest else 0.0
    start = 0.0 if change >= 0 else -width
    tone = "good" if change >= 0 else "bad"
    return Markup(
        '<svg class="diverging" viewBox="-100 0 200 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="fill {tone}" x="{start:.2f}" y="1" width="{width:.2f}" height="8"/>'
        '<line class="axis" x1="0" x2="0" y1="0" y2="10"/></svg>'
    )


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
    """Moves places apart until neighbours are at least `gap` away, in the same order, within [low, high] if they fit."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = [min(max(place, low), high) for place in places]
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    limit = high
    for i in reversed(order):
        moved[i] = min(moved[i], limit)
        limit = moved[i] - gap
    return moved


def _svg(parts: Sequence[str], alt: str) -> Markup:
    return Markup(
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(alt)}">'
        f"{''.join(parts)}</svg>"
    )


def _y_tick(at_px: float, tick: float) -> str:
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at_px:.1f}" y2="{at_px:.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{at_px + 4:.1f}" text-anchor="end">{tick:g}</text>'
    )


def _x_tick(at_px: float, tick: float) -> str:
    return f'<text class="tick" x="{at_px:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{tick:g}</text>'


def _level(at_px: float, tone: str) -> str:
    return f'<line class="level {escape(tone)}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at_px:.1f}" y2="{at_px:.1f}"/>'


def _line(points: Sequence[tuple[float, float]], line: Line) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle class="{escape(line.tone)}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in points)
    dashed = " dashed" if line.dashed else ""
    return f'<polyline class="line {escape(line.tone)}{dashed}" points="{path}"/>{dots}'


def _end_labels(ends: Sequence[tuple[float, str, str]]) -> list[str]:
    places = spread([at_px for at_px, _, _ in ends], _LABEL_GAP, _TOP, _HEIGHT - _BOTTOM)
    return [
        f'<text class="end {escape(tone)}" x="{_WIDTH - _RIGHT + 8}" y="{place + 4:.1f}">{escape(text)}</text>'
        for place, (_, text, tone) in zip(places, ends, strict=True)
    ]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _axis_names(x_label: str, y_label: str) -> str:
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    up = (_TOP + _HEIGHT - _BOTTOM) / 2
    return (
        f'<text class="name" x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text class="name" transform="translate(11 {up}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )
