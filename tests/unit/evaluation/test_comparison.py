"""Several runs on one page."""

import json
from dataclasses import replace

import pytest

from openmov.report.content import ComparedRun, ComparisonContent
from openmov.report.report import split_settings, write_comparison


def test_page_and_json(comparison, tmp_path):
    path = write_comparison(tmp_path, comparison)
    html = path.read_text(encoding="utf-8")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["comparison.html", "comparison.json"]
    assert "http" not in html
    assert html.count('class="chart"') == 4  # loss, validation, base and novel accuracy
    assert "loss of alpha 0.25 from 4.00 to 1.50" in html
    assert "validation of alpha 0.5 ends at 77.5 per cent" in html
    data = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert data["differing_settings"] == ["training.alpha"]
    assert [run["rows"][0]["base"]["count"] for run in data["runs"]] == [320, 320, 320]


def test_only_what_differs_is_told_apart():
    runs = (
        ComparedRun("a", (), (("seed", "0"), ("epochs", "5"))),
        ComparedRun("b", (), (("seed", "1"), ("epochs", "5"), ("alpha", "0.5"))),
    )
    assert split_settings(runs) == ({"seed": ("0", "1"), "alpha": ("–", "0.5")}, {"epochs": "5"})


def test_runs_without_curves_have_no_chart(comparison, tmp_path):
    bare = replace(
        comparison, runs=tuple(replace(run, curve=None, learning=None, settings=()) for run in comparison.runs)
    )
    html = write_comparison(tmp_path, bare).read_text(encoding="utf-8")
    assert 'class="chart"' not in html
    assert "How they learned" not in html
    assert "Settings" not in html


def test_two_runs_of_one_name(comparison, tmp_path):
    with pytest.raises(ValueError, match="different names"):
        write_comparison(tmp_path, ComparisonContent("x", (comparison.runs[0],) * 2))


def test_names_are_escaped(comparison, tmp_path):
    run = replace(comparison.runs[0], name="<script>", settings=(("<i>", "<b>"),))
    html = write_comparison(tmp_path, replace(comparison, runs=(run, comparison.runs[1]))).read_text(encoding="utf-8")
    assert "<script>" not in html
    assert "<i>" not in html
