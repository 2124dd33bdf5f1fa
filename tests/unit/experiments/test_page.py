"""What the pages of studies say."""

import json
from dataclasses import replace
from html.parser import HTMLParser

from openmov.evaluation.metrics import PairedDifference
from openmov.experiments.outcome import (
    Cell,
    ChangesResult,
    CurvesResult,
    FindingOutcome,
    PanelResult,
    RowResult,
    StudyResult,
    TableResult,
)
from openmov.experiments.page import StudiesContent, as_html, as_json, as_markdown
from openmov.experiments.study import Changes, Column, Curves, Finding, MethodSpec, Panel, Study, Table
from openmov.report.content import ClassChange, FactGroup

COLUMNS = (Column("Base", "flow", "base", "base"), Column("Novel", "audio", "novel", "novel"))
TABLE = TableResult(
    Table(COLUMNS, (), "table1_kinetics700"),
    (
        RowResult("VATT", "", (Cell((), 0, 19.8, "as published"), Cell((), 0, 21.6, "as published")), True),
        RowResult("MOV <ours>", "beta", (Cell((0.5, 0.7), 10, 75.3), Cell((), 0, 58.1, "no sound")), False, ("k",)),
    ),
)
PANEL = Panel("Frames", "flow", MethodSpec(), "base up, novel down")
CURVES = CurvesResult((PanelResult(PANEL, (0.2, 0.5, 0.4), (0.3, 0.1, 0.2)), PanelResult(PANEL, (), (), "no sound")))
CHANGES = ChangesResult(
    Changes("MOV", "flow", MethodSpec(), MethodSpec(), ("yawning",)), (ClassChange("yawning", "novel", 0.25, 0.75, 4),)
)
FINDING = FindingOutcome(
    Finding("MOV beats CLIP", "flow", "base", MethodSpec(), MethodSpec(), 24.1),
    PairedDifference(0.1, 0.05, 0.15, 0.01, 10),
)
STUDY = Study("table1", "Table 1", "Does it?", (TABLE.table, Curves((PANEL,)), CHANGES.changes), (FINDING.finding,))
FILLED = StudyResult(STUDY, (TABLE, CURVES, CHANGES), (FINDING,), {"seeds": [0, 1], "clips": {}, "trainings": {}})
CONTENT = StudiesContent(
    "Title", "Summary", "2026-11-24", "openmov study all", (FILLED, FILLED), (FactGroup("Data", (("clips", "3"),)),)
)


def test_markdown_has_measured_and_published_side_by_side() -> None:
    lines = as_markdown(CONTENT).splitlines()
    assert "| VATT *as published* | paper 19.8 | paper 21.6 |" in lines
    assert "| MOV <ours> (beta) | **60.0 ± 14.1**; paper 75.3 | paper 58.1 |" in lines
    assert "| MOV beats CLIP | +24.1 | +10.0 [+5.0, +15.0] | holds |" in lines
    assert "| Frames | base | 20.0 | 50.0 | 40.0 | base up, novel down |" in lines
    assert "| Frames | novel | 30.0 | 20.0 | 20.0 | base up, novel down |" in lines


def test_questions_of_our_own_stand_apart_and_quote_no_paper() -> None:
    table = TableResult(
        Table((COLUMNS[1], Column("beta", "audio", "settings")), ()),
        (RowResult("MOV", "", (Cell((0.5,), 10, None), Cell((), 0, None, said="beta 0.25, tau_v 0.003")), False),),
    )
    asked = FindingOutcome(
        Finding("entropy beats labels", "audio", "novel", MethodSpec(), MethodSpec()), FINDING.difference
    )
    study = Study("temperatures", "Beyond", "Is it?", (table.table,), (asked.finding,), own=True)
    content = replace(CONTENT, studies=(FILLED, StudyResult(study, (table,), (asked,), FILLED.facts)))
    lines = as_markdown(content).splitlines()
    assert "| entropy beats labels | +10.0 [+5.0, +15.0] | yes |" in lines
    assert "| MOV | **50.0** | beta 0.25, tau_v 0.003 |" in lines
    assert [one.finding.says for filled in content.found_in_paper for one in filled.outcomes] == ["MOV beats CLIP"]
    page = as_html(content)
    assert page.count("What was asked") == 1
    assert "tau_v 0.003</td>" in page.replace("\n", "")
    cell = json.loads(as_json(content))["studies"]["temperatures"]["parts"][0]["rows"][0]["cells"][1]
    assert (cell["said"], cell["mean"]) == ("beta 0.25, tau_v 0.003", None)


def test_a_page_of_one_study_says_its_title_once_and_what_was_lost_in_points() -> None:
    lost = replace(TABLE, table=replace(TABLE.table, columns=(COLUMNS[0], replace(COLUMNS[1], lost=True))))
    study = replace(FILLED, study=replace(STUDY, title="A title of its own"), parts=(lost,))
    page = as_html(replace(CONTENT, title="A title of its own", studies=(study,)))
    assert page.count(">A title of its own</h") == 1
    assert (
        as_markdown(replace(CONTENT, title="A title of its own", studies=(study,))).count("# A title of its own") == 1
    )
    assert f"{COLUMNS[0].title}, %" in page
    assert f"{COLUMNS[1].title}, points" in page
    assert as_html(replace(CONTENT, studies=(study, study))).count(">A title of its own</h2>") == 2


def test_every_table_is_one() -> None:
    for block in as_markdown(CONTENT).split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1


def test_the_page_stands_alone_and_escapes_names() -> None:
    page = as_html(CONTENT)
    links: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "link", "iframe")
            links.extend(value or "" for name, value in attrs if name in ("src", "href"))

    Reader().feed(page)
    assert all(link.startswith(("#", "data:")) for link in links)
    assert "MOV &lt;ours&gt;" in page
    for said in ("as published", "paper 75.3", "named in the paper", "no sound", "holds", "Not measured here"):
        assert said in page


def test_json_holds_every_seed_and_says_what_was_not_measured() -> None:
    fields = json.loads(as_json(CONTENT))
    row = fields["studies"]["table1"]["parts"][0]["rows"][1]
    assert row["cells"][0]["values"] == [0.5, 0.7]
    assert row["cells"][1] == {
        "values": [],
        "mean": None,
        "deviation": 0.0,
        "clips": 0,
        "published_percent": 58.1,
        "why_not": "no sound",
    }
    assert fields["studies"]["table1"]["findings"][0]["verdict"] == "holds"
    assert fields["studies"]["table1"]["made_of"]["seeds"] == [0, 1]
