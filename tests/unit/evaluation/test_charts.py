"""Charts put values where they belong."""

import re

import pytest

from openmov.evaluation.metrics import Proportion
from openmov.report.charts import Level, Line, diverging_bar, line_chart, meter, nice_ticks, spread

LABELS = {"alt": "a chart", "x_label": "epoch", "y_label": "accuracy (%)"}


def test_points_are_placed_by_value():
    chart = line_chart([Line("base", "base", ((0.0, 0.0), (5.0, 0.5), (10.0, 1.0)))], **LABELS)
    xs, ys = zip(
        *[map(float, pair.split(",")) for pair in re.search(r'points="([^"]*)"', chart)[1].split()], strict=True
    )
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1])
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2])
    assert ys[2] < ys[0]  # up is more
    assert ">base 100.0<" in chart


def test_log_axis_and_single_point():
    chart = line_chart([Line("fused", "mov", ((0.0001, 0.2), (0.001, 0.2), (0.01, 0.2)))], log_x=True, **LABELS)
    xs = [float(x) for x in re.findall(r'cx="([\d.]+)"', chart)]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.11)
    assert "0.0001" in chart
    assert "nan" not in line_chart([Line("base", "base", ((1.0, 0.0),))], [Level("CLIP", "clip", 0.0)], **LABELS)


def test_a_chart_needs_a_point():
    with pytest.raises(ValueError, match="needs a point"):
        line_chart([Line("base", "base", ())], **LABELS)


def test_names_are_escaped_and_shortened():
    chart = line_chart([Line("<b>&", "base", ((1.0, 0.5),)), Line("a very long run", "run1", ((1.0, 0.4),))], **LABELS)
    assert "<b>" not in chart
    assert "&lt;b&gt;&amp; 50.0" in chart
    assert "a very lon… 40.0" in chart


def test_nice_ticks():
    assert nice_ticks(0.0, 77.5, cover=True) == [0, 20, 40, 60, 80]
    assert nice_ticks(0.0, 100.0, cover=True) == [0, 20, 40, 60, 80, 100]
    assert nice_ticks(1.0, 4.0, whole=True) == [1, 2, 3, 4]
    assert nice_ticks(0.0, 0.0)[0] == 0


def test_spread_keeps_order_and_distance():
    assert spread([50.0, 10.0, 52.0], 15.0, 0.0, 100.0) == [50, 10, 65]
    assert spread([98.0, 99.0, 100.0], 15.0, 0.0, 100.0) == [70, 85, 100]
    assert spread([], 15.0, 0.0, 100.0) == []


def test_bars():
    assert 'width="77.50"' in meter(Proportion(0.775, 0.7, 0.8, 9), "base")
    assert 'x="-50.00" y="1" width="50.00"' in diverging_bar(-0.25, 0.5)
    assert 'x="0.00" y="1" width="100.00"' in diverging_bar(0.5, 0.5)
    assert 'width="0.00"' in diverging_bar(0.0, 0.0)
