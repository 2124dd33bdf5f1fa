"""The page stands alone, escapes what it is given, says every number in JSON too, and is the same each time."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from openmov.errors import StorageError
from openmov.evaluation.metrics import proportion
from openmov.evaluation.result import Failure
from openmov.report import report
from openmov.report.content import Answer, ClassChange, Example, MethodRow, ReportContent, TaskReport
from openmov.report.figures import extremes
from openmov.report.pages import duration, p_value, percent, points

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects tags, links, ids and the text of table cells; insists that tags nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "td":
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if "td" in self.open:
            self.cells[-1] += data

    def values(self, *names: str) -> list[str]:
        return [value for _, attrs in self.tags for name, value in attrs.items() if name in names and value]


@pytest.fixture(scope="module")
def written(content, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    assert report.write_report(folder, content) == folder / "report.html"
    return folder


@pytest.fixture(scope="module")
def page(written) -> Page:
    return Page((written / "report.html").read_text(encoding="utf-8"))


def test_the_folder_holds_both_files_and_nothing_else(written):
    assert sorted(path.name for path in written.iterdir()) == ["report.html", "report.json"]


def test_nothing_is_loaded_from_elsewhere(page, written):
    links = page.values("src", "href", "srcset", "data", "action", "poster", "xlink:href")
    assert links
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in links)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    html = re.sub(r"data:image/png;base64,[\w+/=]+", "", (written / "report.html").read_text(encoding="utf-8"))
    assert not re.search(r"https?:|url\(|@import|//[a-z]", html)


def test_links_lead_somewhere(page):
    ids = {attrs.get("id") for _, attrs in page.tags}
    assert all(link[1:] in ids for link in page.values("href") if link.startswith("#"))


def test_pictures_have_words_and_headers_have_scopes(page):
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")
    assert all(attrs.get("scope") for tag, attrs in page.tags if tag == "th")
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") for tag, attrs in page.tags if tag == "svg")


def numbers_of(value) -> list[float]:
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int | float):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    keys = [float(key) for key in value if re.fullmatch(r"[\d.e-]+", key)] if isinstance(value, dict) else []
    return keys + [number for child in children for number in numbers_of(child)]


def test_json_holds_every_number_of_every_table(page, written):
    data = json.loads((written / "report.json").read_text(encoding="utf-8"))
    numbers = numbers_of(data)
    shown = {f"{x * factor:.{digits}f}" for x in numbers for factor in (1, 100) for digits in (0, 1)}
    shown |= {f"{abs(x) * 100:.1f}" for x in numbers} | {
        p_value(float(x)).removeprefix("< ") for x in numbers if x >= 0
    }
    shown |= {word for x in numbers for word in duration(float(abs(x))).split()}
    found = {number for cell in page.cells for number in re.findall(r"\d+(?:\.\d+)?", cell)}
    assert len(found) > 100
    assert found <= shown, sorted(found - shown)


def test_json_says_what_follows_from_the_content(written):
    task = json.loads((written / "report.json").read_text(encoding="utf-8"))["tasks"][0]
    assert task["mov_minus_clip"]["base"] == pytest.approx(0.597, abs=0.001)
    assert task["published"]["mov_minus_clip"]["base"] == pytest.approx(24.1)
    assert task["chance"] == {"base": 1 / 40, "novel": 1 / 24}
    assert task["rows"][4]["harmonic"] == pytest.approx(0.322, abs=0.001)
    assert task["examples"][0]["frames"] == {"shape": [8, 64, 64, 3]}


def test_the_same_content_gives_the_same_bytes(content, written, tmp_path):
    report.write_report(tmp_path, content)
    for name in ("report.html", "report.json"):
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()


def hostile(text: str) -> ReportContent:
    """The text in every place that takes one."""
    share = proportion(1, 2)
    clip = Example(text, (Answer(text, (text, "b"), (0.6, 0.4), 1),), text, "novel", note=text)
    task = TaskReport(
        text,
        (MethodRow(text, share, share, "clip", text), MethodRow(text, share, share, "mov", text)),
        text,
        changes=(ClassChange(text, "novel", 0.0, 1.0, 2),),
        examples=(clip,),
    )
    return ReportContent(
        text, text, text, tasks=(task,), predictions=(clip,), failures=(Failure(text, text),), notes=(text,)
    )


def test_what_is_given_is_escaped(tmp_path):
    text = "<script>alert('x')</script> & \"q\""
    html = report.write_report(tmp_path, hostile(text)).read_text(encoding="utf-8")
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 15
    assert "script" not in {tag for tag, _ in Page(html).tags}
    assert text in json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["title"]


def test_empty_parts_do_not_appear(content, tmp_path):
    words = (
        "What was run",
        "Steps",
        "Results",
        "over epochs",
        "Which classes",
        "table 8",
        "closer look",
        "Predictions",
    )
    full = report.write_report(tmp_path, content).read_text(encoding="utf-8")
    assert all(word in full for word in words)
    bare = report.write_report(tmp_path, ReportContent("Bare")).read_text(encoding="utf-8")
    assert not [word for word in words if word in bare]
    assert "every file could be read" in bare
    assert all(link[1:] in {attrs.get("id") for _, attrs in Page(bare).tags} for link in Page(bare).values("href"))


def test_predictions_alone(content, tmp_path):
    """What `predict --report` writes: files without labels, with no task."""
    found = tuple(replace(video, label=None, role=None) for video in content.predictions)
    page = Page(report.write_report(tmp_path, ReportContent("Files", predictions=found)).read_text(encoding="utf-8"))
    assert sum(tag == "article" for tag, _ in page.tags) == 3
    assert not [attrs for _, attrs in page.tags if attrs.get("class") == "right"]


def test_parts_of_a_task_may_be_missing(content, tmp_path):
    task = replace(content.tasks[0], paper=None, num_base_classes=None, rows=content.tasks[0].rows[:1])
    html = report.write_report(tmp_path, ReportContent("x", tasks=(task,))).read_text(encoding="utf-8")
    Page(html)
    assert "As published" not in html
    unmeasured = TaskReport("one row", (MethodRow("MOV", proportion(3, 4), None),))
    Page(report.write_report(tmp_path, ReportContent("x", tasks=(unmeasured,))).read_text(encoding="utf-8"))


def test_an_older_report_survives_a_refusal(content, tmp_path, monkeypatch):
    path = report.write_report(tmp_path, ReportContent("Old"))
    before = path.read_bytes()

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="no space left"):
        report.write_report(tmp_path, content)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_a_number_that_is_none_is_a_bug(tmp_path):
    broken = replace(proportion(1, 2), value=float("nan"))
    with pytest.raises(ValueError, match="not JSON compliant"):
        report.write_report(tmp_path, ReportContent("x", tasks=(TaskReport("t", (MethodRow("m", broken, broken),)),)))
    assert not list(tmp_path.iterdir())


def test_extremes_are_ordered_and_leave_out_the_unchanged():
    changes = [ClassChange(f"c{i:02}", "novel", 0.5, 0.5 + i / 100, 8) for i in range(-12, 13)]
    better, worse = extremes([*changes, ClassChange("b", "base", 0.0, 1.0, 8)], "novel")
    assert [round(100 * c.change) for c in better] == list(range(12, 2, -1))
    assert [round(100 * c.change) for c in worse] == list(range(-3, -13, -1))


def test_failures_by_reason():
    failures = [Failure("a", "empty"), Failure("b", "cut off"), Failure("c", "empty")]
    assert report.by_reason(failures) == {"empty": ["a", "c"], "cut off": ["b"]}


def test_markdown_table(content):
    lines = report.markdown_table(content.tasks[0]).splitlines()
    assert len(lines) == 8
    assert lines[6] == "| MOV (β 0.25, τv 0.003) | 77.5 [72.6, 81.7] | 20.3 [15.2, 26.6] | 32.2 |"


def test_how_numbers_are_written():
    assert (percent(0.7754), percent(None), points(0.241), points(-0.016), points(0.0001)) == (
        "77.5",
        "–",
        "+24.1",
        "−1.6",
        "0.0",
    )
    assert [duration(s) for s in (8.44, 59.97, 83.2, 7500.0)] == ["8.4 s", "1 min 0 s", "1 min 23 s", "2 h 5 min"]
    assert [p_value(p) for p in (0.0002, 0.0312, 0.78)] == ["< 0.001", "0.031", "0.78"]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(theme):
    """WCAG 2 level AA: a contrast of 4.5."""
    style = (Path(report.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{([^}]*--ink[^}]*)\}", style)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[theme]))
    for ground in ("ground", "panel", "strong"):
        for ink in set(colours) - {"line", "ground", "panel", "strong"}:
            low, high = sorted((luminance(colours[ground]), luminance(colours[ink])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)
