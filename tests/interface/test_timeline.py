"""`predict --timeline` and `predict --unknown`, from outside."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmov.cli import run
from openmov.inference.answers import Segment
from openmov.inference.timeline import Timeline
from openmov.media.encode import write_clip
from tiny_media import block_over_texture
from tiny_world import BASE, NOVEL, TinyWorld

LABELS = ", ".join(BASE)
CUT = ("--timeline", "--window", "0.5", "--min-segment", "0.25")


@pytest.fixture
def asked(tiny_world: TinyWorld, tiny_run: Path) -> list[str]:
    return ["predict", str(tiny_world.clip(BASE[0])), "--labels", LABELS, "--run", str(tiny_run)]


def test_segments_for_people_cover_the_video(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*asked, *CUT]) == 0
    found = capsys.readouterr()
    lines = [line for line in found.out.splitlines() if line.startswith("  ")]
    assert lines[0].startswith("  00:00-")
    assert "-00:01.2" in lines[-1]
    assert all(any(line.endswith(name) for name in BASE) for line in lines)
    assert "windows of 0.5 s every 0.25 s" in found.err


def test_csv_has_one_line_a_segment_and_failures_at_the_end(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert run([*asked[:2], str(tmp_path / "empty.mp4"), *asked[2:], *CUT, "--csv"]) == 2
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["error"] != "" for row in rows] == [False] * (len(rows) - 1) + [True]
    assert float(rows[0]["start_seconds"]) == 0.0
    assert {row["label"] for row in rows[:-1]} <= set(BASE)


def test_json_and_the_json_beside_the_report_are_the_same(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "out" / "page.html"
    assert run([*asked, *CUT, "--json", "--report", str(page)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {"made_by": "openmov", **shown} == json.loads(page.with_suffix(".json").read_text())
    (timeline,) = shown["timelines"]
    assert [w["start_seconds"] for w in timeline["windows"]] == [0.0, 0.25, 0.5, 0.75]
    assert timeline["segments"][-1]["end_seconds"] == pytest.approx(1.2, abs=0.05)
    assert shown["windows"] == {"window_seconds": 0.5, "hop_seconds": 0.25, "min_seconds": 0.25, "margin": 0.1}


def test_the_page_stands_alone_and_shows_every_segment(asked: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run([*asked, *CUT, "--report", str(page)]) == 0
    text = page.read_text()
    segments = json.loads(page.with_suffix(".json").read_text())["timelines"][0]["segments"]
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", text)
    assert "<script" not in text
    assert text.count('class="moment"') == len(segments)
    assert text.count("data:image/png") == len(segments)


def test_an_interrupt_keeps_what_was_said_and_writes_the_report(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Timeline.__iter__

    def stopped(self: Timeline) -> Iterator[object]:
        for number, moment in enumerate(whole(self)):
            if number == 2 and not isinstance(moment, Segment):
                raise KeyboardInterrupt
            yield moment

    monkeypatch.setattr(Timeline, "__iter__", stopped)
    page = tmp_path / "page.html"
    assert run([*asked, *CUT, "--csv", "--report", str(page)]) == 130
    kept = json.loads(page.with_suffix(".json").read_text())["timelines"][0]
    assert kept["segments"]
    assert kept["segments"][-1]["end_seconds"] < 1.2
    assert "interrupted: answered up to" in kept["notes"][0]
    assert "interrupted: answered up to" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--timeline", "--window", "0"), "--window: 0 s is not a length"),
        (("--timeline", "--window", "1", "--hop", "2"), "--hop: 2 s is more than the window of 1 s"),
        (("--timeline", "--min-segment", "-1"), "--min-segment: -1 s is not a length"),
        (("--window", "2"), "--window: is given without --timeline"),
        (("--background", "a, b"), "--background: is given without --unknown"),
        (("--unknown", "--background", LABELS), "they hold every background name"),
    ],
)
def test_what_cannot_be_asked(
    asked: list[str], more: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*asked, *more]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("openmov: ")]
    assert said in line


class TestUnknown:
    """A name far from everything as the only label, and the other way round."""

    def test_is_off_by_default_and_says_nothing_then(
        self, asked: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run([*asked, "--json"]) == 0
        assert "unknown" not in json.loads(capsys.readouterr().out)["predictions"][0]

    def test_compares_with_the_background_and_keeps_the_probabilities(
        self, asked: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        run([*asked, "--json"])
        plain = json.loads(capsys.readouterr().out)["predictions"][0]
        assert run([*asked, "--json", "--unknown", "--background", ", ".join(NOVEL)]) == 0
        found = json.loads(capsys.readouterr().out)["predictions"][0]
        assert found["answers"] == plain["answers"]
        assert found["unknown"]["best_background"] in NOVEL
        fits = found["unknown"]["log_ratio"] >= found["unknown"]["threshold"]
        assert found["unknown"]["none_of_these"] is not fits

    def test_one_and_the_same_pair_of_names_is_refused_one_way_and_accepted_the_other(
        self, tiny_world: TinyWorld, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = str(tiny_world.clip(BASE[0]))
        base = ["predict", file, "--backbone", str(tiny_world.backbone), "--prompts", "none", "--unknown", "--csv"]
        said = []
        for label, other in (("star", "heart"), ("heart", "star")):
            assert run([*base, "--labels", label, "--background", other]) == 0
            said.append(next(csv.DictReader(io.StringIO(capsys.readouterr().out)))["none_of_these"])
        assert sorted(said) == ["False", "True"]

    def test_people_read_what_fits_better(self, tiny_world: TinyWorld, capsys: pytest.CaptureFixture[str]) -> None:
        base = ["predict", str(tiny_world.clip(BASE[0])), "--backbone", str(tiny_world.backbone), "--prompts", "none"]
        texts = []
        for label, other in (("star", "heart"), ("heart", "star")):
            assert run([*base, "--unknown", "--labels", label, "--background", other]) == 0
            texts.append(capsys.readouterr().out)
        assert sum("none of these: " in text for text in texts) == 1

    def test_a_timeline_of_nothing_known_is_none_of_these(
        self, tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_clip(tmp_path / "a.mp4", block_over_texture(40, step_px=1), 10.0, None)
        base = [
            "predict",
            str(tmp_path / "a.mp4"),
            "--backbone",
            str(tiny_world.backbone),
            "--timeline",
            "--json",
            "--prompts",
            "none",
        ]
        names = []
        for label, other in (("star", "heart"), ("heart", "star")):
            page = tmp_path / f"{label}.html"
            assert run([*base, "--unknown", "--labels", label, "--background", other, "--report", str(page)]) == 0
            (timeline,) = json.loads(capsys.readouterr().out)["timelines"]
            (segment,) = timeline["segments"]
            names.append((segment["name"], segment["none_of_these"], "none of these" in page.read_text()))
        assert (None, True, True) in names
        assert [name for name in names if name[1] is False and name[2] is False]


def test_calibration_writes_thresholds_that_predict_uses(
    asked: list[str], tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = json.loads((tiny_run / "calibration.json").read_text())["unknown"]
    assert stored["calibrated"] is True
    for labels, path in ((BASE[:2], "base"), (BASE[:2] + NOVEL[:1], "novel")):
        changed = [", ".join(labels) if text == LABELS else text for text in asked]
        assert run([*changed, "--json", "--unknown"]) == 0
        found = json.loads(capsys.readouterr().out)["predictions"][0]["unknown"]
        assert found["threshold"] == stored[path]
        assert found["best_background"] == BASE[2]  # what the run was trained on, but for the labels
