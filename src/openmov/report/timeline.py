"""A page about long videos: one coloured band a file, its segments with a picture each. Self-contained.

Colours are the names': the same name has the same colour in every band. Knows nothing of how answers come about.
"""

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from markupsafe import Markup
from PIL import Image

from openmov.evaluation.result import Failure
from openmov.report.pages import render
from openmov.runtime.own_files import write_own

_WIDTH, _BAND, _CURVE = 1000.0, 64.0, 46.0
_PICTURE_PX = 144
_GOLDEN_DEGREES = 137.508
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_LETTER_PX = 7.2


@dataclass(frozen=True)
class Block:
    """One segment."""

    start_seconds: float
    """Where it begins."""
    end_seconds: float
    """Where it ends."""
    name: str
    """What it shows."""
    probability: float
    """How sure that is."""
    known: bool = True
    """False for "none of these"."""
    picture: UInt8[np.ndarray, "height width 3"] | None = field(default=None, repr=False, compare=False)
    """From its middle."""

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True)
class Band:
    """One file."""

    title: str
    """Its path."""
    blocks: tuple[Block, ...]
    """In order of time."""
    windows: tuple[tuple[float, float, str, float], ...] = ()
    """Start, end, best name and its probability."""
    notes: tuple[str, ...] = ()
    """What was odd."""

    @property
    def span(self) -> tuple[float, float]:
        """First and last moment; (0, 0) of nothing."""
        return (self.blocks[0].start_seconds, self.blocks[-1].end_seconds) if self.blocks else (0.0, 0.0)

    def totals(self) -> list[tuple[str, bool, float, float]]:
        """Name, whether it is a label, seconds and share of the file; the longest first."""
        seconds: defaultdict[tuple[str, bool], float] = defaultdict(float)
        for block in self.blocks:
            seconds[block.name, block.known] += block.seconds
        whole = sum(seconds.values()) or 1.0
        ordered = sorted(seconds.items(), key=lambda item: -item[1])
        return [(name, known, total, total / whole) for (name, known), total in ordered]


@dataclass(frozen=True)
class TimelinePage:
    """Everything one page says."""

    title: str
    """The heading."""
    bands: tuple[Band, ...]
    """One a file."""
    facts: tuple[tuple[str, str], ...] = ()
    """What it was made with."""
    failures: tuple[Failure, ...] = ()
    """Files that could not be read."""
    notes: tuple[str, ...] = ()
    """Said at the foot."""


def write_timeline_page(path: Path, content: TimelinePage, data: str) -> None:
    """Writes the page, and `data` (JSON) beside it under the same name, over none but openmov's own.

    Raises StorageError.
    """
    colours = name_colours(content.bands)
    page = render(
        "timeline.html.jinja", content=content, colours=colours, band=band_chart, clock=clock, thumbnail=thumbnail
    )
    write_own({path: page, path.with_suffix(".json"): data})


def name_colours(bands: Sequence[Band]) -> dict[str, str]:
    """A colour for each name, the longest-lasting first: hues a golden angle apart. "None of these" is grey."""
    totals: defaultdict[str, float] = defaultdict(float)
    for band in bands:
        for block in band.blocks:
            if block.known:
                totals[block.name] += block.seconds
        for _, _, name, _ in band.windows:  # of which some never lasted
            totals[name] += 0.0
    ordered = sorted(totals, key=lambda name: (-totals[name], name))
    return {name: f"hsl({(210 + i * _GOLDEN_DEGREES) % 360:.0f} 60% 44%)" for i, name in enumerate(ordered)}


def band_chart(band: Band, colours: dict[str, str]) -> Markup:
    """The band with its times, and above it how sure each window was."""
    start, end = band.span
    scale = _WIDTH / ((end - start) or 1.0)

    def x(seconds: float) -> float:
        return (seconds - start) * scale

    parts = [_curve(band, colours, x)] if band.windows else []
    parts += [_block(block, x(block.start_seconds), x(block.end_seconds), colours) for block in band.blocks]
    parts += [_tick(x(tick), tick) for tick in ticks(start, end)]
    names = ", ".join(f"{clock(b.start_seconds)} {b.name}" for b in band.blocks[:20])
    frame = Markup('<svg class="band" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}</svg>')
    return frame.format(_WIDTH, _CURVE + _BAND + 26, f"Timeline: {names}", Markup().join(parts))


def ticks(start: float, end: float) -> list[float]:
    """At most about ten round times."""
    step = next((step for step in _STEPS if (end - start) / step <= 10), 14_400)
    first = int(-(-start // step))
    return [float(i * step) for i in range(first, int(end // step) + 1)]


def clock(seconds: float) -> str:
    """`02:05`, or `1:02:05`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


def thumbnail(image: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """A PNG for dense screens, reduced."""
    picture = Image.fromarray(image)
    picture.thumbnail((2 * _PICTURE_PX, _PICTURE_PX), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.quantize(128).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _block(block: Block, left: float, right: float, colours: dict[str, str]) -> Markup:
    width = max(right - left, 0.6)
    title = f"{clock(block.start_seconds)}–{clock(block.end_seconds)}  {block.name}  {block.probability:.2f}"
    fill = Markup('style="fill:{};opacity:{:.2f}"').format(colours.get(block.name, ""), 0.5 + 0.5 * block.probability)
    look = fill if block.known else Markup('class="none"')
    shape = Markup('<rect x="{:.2f}" y="{:g}" width="{:.2f}" height="{:g}" rx="2" {}><title>{}</title></rect>').format(
        left, _CURVE, max(width - 1, 0.6), _BAND, look, title
    )
    letters = int((width - 12) / _LETTER_PX)
    if letters < 4:
        return shape
    name = block.name if len(block.name) <= letters else f"{block.name[: letters - 1]}…"
    label = Markup('<text class="{}" x="{:.2f}" y="{:g}">{}</text>')
    return shape + label.format("on" if block.known else "off", left + 7, _CURVE + _BAND / 2 + 5, name)


def _curve(band: Band, colours: dict[str, str], x) -> Markup:  # type: ignore[no-untyped-def]
    """One stroke a window, as high as it was sure, in the colour of what it said."""
    strokes = []
    for start, end, name, probability in band.windows:
        height = probability * (_CURVE - 6)
        middle = x((start + end) / 2)
        stroke = Markup('<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" style="fill:{}"/>')
        width = max(0.6, min(x(end) - x(start), _WIDTH / len(band.windows) - 0.6))
        strokes.append(stroke.format(middle - width / 2, _CURVE - 3 - height, width, height, colours.get(name, "gray")))
    return Markup('<g class="sure">{}</g>').format(Markup().join(strokes))


def _tick(at_px: float, seconds: float) -> Markup:
    anchor = "start" if at_px < 20 else "end" if at_px > _WIDTH - 20 else "middle"
    return Markup(
        '<line class="axis" x1="{0:.2f}" x2="{0:.2f}" y1="{1:g}" y2="{2:g}"/>'
        '<text class="tick" x="{0:.2f}" y="{3:g}" text-anchor="{4}">{5}</text>'
    ).format(at_px, _CURVE + _BAND, _CURVE + _BAND + 5, _CURVE + _BAND + 20, anchor, clock(seconds))
