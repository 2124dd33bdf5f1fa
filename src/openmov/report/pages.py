"""Fills the page templates: how a number, a length of time and a picture are written.

Everything that comes from data is escaped. A page is one file: style, charts and pictures are inside it, and it has no
script.
"""

import base64
import struct
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from openmov.report import charts, figures, paper, pictures
from openmov.report.pictures import Strip

_MINUS = "−"


def render(template: str, **context: Any) -> str:
    """The page a template makes of its context; the same context gives the same text."""
    return _environment().get_template(template).render(**context)


def percent(fraction: float | None, digits: int = 1) -> str:
    """`0.775` -> `77.5`; a dash where there is no figure."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f}".replace("-", _MINUS)


def points(fraction: float) -> str:
    """A difference of fractions in points, signed: `+24.1`."""
    text = f"{abs(100 * fraction):.1f}"
    return text if text == "0.0" else f"{'+' if fraction > 0 else _MINUS}{text}"


def duration(seconds: float) -> str:
    """`8.4 s`, `1 min 23 s`, `2 h 5 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def p_value(p: float) -> str:
    """`0.03`; below a thousandth only that."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def picture(png: bytes, alt: str) -> Markup:
    """An image inside the page, shown at half its pixels so that dense screens have enough."""
    width, height = struct.unpack(">II", png[16:24])  # the IHDR chunk comes first in every PNG
    tag = Markup('<img alt="{}" width="{}" height="{}" src="{}">')
    return tag.format(alt, width // 2, height // 2, _data_uri(png))


def strip_picture(strip: Strip, alt: str) -> Markup:
    """A strip inside the page, at half its pixels."""
    source = f"data:image/webp;base64,{base64.b64encode(strip.webp).decode('ascii')}"
    tag = Markup('<img alt="{}" width="{}" height="{}" src="{}">')
    return tag.format(alt, strip.size[0] // 2, strip.size[1] // 2, source)


def svg_picture(png: bytes, x: int, y: int, size: int) -> Markup:
    """A square image inside an SVG."""
    return Markup('<image x="{}" y="{}" width="{}" height="{}" href="{}"/>').format(x, y, size, size, _data_uri(png))


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("openmov.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "points": points,
        "duration": duration,
        "p_value": p_value,
        "picture": picture,
        "strip_picture": strip_picture,
        "svg_picture": svg_picture,
        "confusion_picture": pictures.confusion_picture,
        "film_strip": pictures.film_strip,
        "spectrogram_picture": pictures.spectrogram_picture,
    }
    environment.globals |= {"charts": charts, "figures": figures, "paper": paper, "pictures": pictures}
    return environment
