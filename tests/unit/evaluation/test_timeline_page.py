"""The page of timelines: a band whose blocks lie where they should, safe from what names contain."""

import re
from pathlib import Path

import numpy as np
import pytest

from openmov.evaluation.result import Failure
from openmov.report.timeline import (
    Band,
    Block,
    TimelinePage,
    band_chart,
    clock,
    name_colours,
    ticks,
    write_timeline_page,
)

BAND = Band(
    "a/b.mp4",
    (
        Block(0.0, 30.0, "cooking", 0.5),
        Block(30.0, 40.0, "none of these", 1.0, known=False),
        Block(40.0, 60.0, "<b>", 1.0),
    ),
    ((0.0, 4.0, "cooking", 0.5),),
)


def test_blocks_are_as_wide_as_they_last() -> None:
    chart = str(band_chart(Band(BAND.title, BAND.blocks), name_colours([BAND])))
    lefts = [float(x) for x in re.findall(r'<rect x="([\d.]+)"', chart)]
    assert lefts == pytest.approx([0.0, 500.0, 666.67], abs=0.01)


def test_names_are_escaped_and_none_of_these_has_no_colour() -> None:
    colours = name_colours([BAND])
    assert set(colours) == {"cooking", "<b>"}
    assert len(set(colours.values())) == 2
    chart = str(band_chart(BAND, colours))
    assert "<b>" not in chart
    assert "&lt;b&gt;" in chart
    assert chart.count('class="none"') == 1


def test_totals_are_by_name_the_longest_first() -> None:
    assert [(name, share) for name, _, _, share in BAND.totals()] == [
        ("cooking", 0.5),
        ("<b>", pytest.approx(1 / 3)),
        ("none of these", pytest.approx(1 / 6)),
    ]


@pytest.mark.parametrize("seconds", [0.5, 9.0, 60.0, 3600.0, 36_000.0, 360_000.0])
def test_ticks_are_few_round_and_within(seconds: float) -> None:
    found = ticks(3.0, 3.0 + seconds)
    assert len(found) <= 26
    assert all(3.0 <= tick <= 3.0 + seconds and tick == int(tick) for tick in found)


def test_how_times_are_written() -> None:
    assert [clock(s) for s in (0.0, 61.2, 3723.0)] == ["00:00", "01:01", "1:02:03"]


def test_the_page_stands_alone_and_says_what_failed(tmp_path: Path) -> None:
    shown = Block(0.0, 1.0, "cooking", 1.0, picture=np.zeros((90, 160, 3), np.uint8))
    content = TimelinePage("T", (BAND, Band("c.mp4", (shown,)), Band("empty.mp4", ())), (), (Failure("d.mp4", "gone"),))
    write_timeline_page(tmp_path / "page.html", content, "{}\n")
    page = (tmp_path / "page.html").read_text()
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert "d.mp4</code>: gone" in page
    assert page.count("data:image/png") == 1
    assert (tmp_path / "page.json").read_text() == "{}\n"
