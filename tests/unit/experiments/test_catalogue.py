"""Every declared cell finds the paper's number, and every row of the paper's tables is on a page."""

from collections import Counter

import pytest

from openmov.errors import RecipeError
from openmov.experiments.catalogue import STUDIES, find_studies
from openmov.experiments.outcome import published_value
from openmov.experiments.study import Column, MethodSpec, Row, Study, Table
from openmov.report.paper import published

TABLES = [(study, part) for study in STUDIES.values() for part in study.parts if isinstance(part, Table)]
NOT_RUN_YET = {"CoOp", "CLIP-Adapter", "ActionCLIP", "X-CLIP"} - {
    row.title for _, table in TABLES for row in table.rows if row.method
}


@pytest.mark.parametrize("study", [study for study in STUDIES.values() if not study.own], ids=lambda study: study.name)
def test_every_number_of_the_published_table_stands_on_its_page_once(study: Study) -> None:
    for table in (part for part in study.parts if isinstance(part, Table)):
        shown = Counter(
            value
            for row in table.rows
            for column in table.columns
            if (value := published_value(table, row, column)) is not None
        )
        stored = published()[table.paper]
        rows = [row for row in stored["rows"] if row[0] not in NOT_RUN_YET]
        numbers = Counter(
            float(value)
            for row in rows
            for value, name in zip(row, stored["columns"], strict=True)
            if isinstance(value, float | int) and name not in ("layers", "tau_v", "audio_specific")
        )
        if table.paper == "table8_temperature":  # what stands alone is repeated in every published row
            numbers -= Counter(dict.fromkeys((56.7, 30.4, 48.8, 24.8), 4))
        assert shown == numbers


def test_rows_nobody_can_run_are_only_quoted() -> None:
    quoted = {row.title for _, table in TABLES for row in table.rows if row.method is None}
    assert {"VATT", "GA", "ResT", "MIL-NCE", "VideoCLIP", "Audio-SlowFast"} <= quoted
    assert not quoted & {"CLIP", "MOV"}


def test_a_row_that_fits_no_published_one_is_a_fault() -> None:
    column = Column("Base", "flow", "base", "base")
    table = Table((column,), (Row("No", MethodSpec(), (("method", "Nobody"),)),), "table1_kinetics700")
    with pytest.raises(ValueError, match="0 rows have"):
        published_value(table, table.rows[0], column)


@pytest.mark.parametrize("study", [study for study in STUDIES.values() if study.own], ids=lambda study: study.name)
def test_a_question_of_our_own_quotes_nothing_and_tests_something(study: Study) -> None:
    tables = [part for part in study.parts if isinstance(part, Table)]
    assert not any(table.paper or row.paper or row.method is None for table in tables for row in table.rows)
    assert study.findings
    assert all(finding.paper is None for finding in study.findings)
    shown = {row.method for table in tables for row in table.rows}
    assert {one for finding in study.findings for one in (finding.ours, finding.theirs)} <= shown


def test_studies_are_found_by_name_once_and_in_order() -> None:
    assert [study.name for study in find_studies(("table8", "table1", "table8"))] == ["table1", "table8"]
    assert find_studies(("all",)) == tuple(STUDIES.values())


def test_a_name_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"tabel1: is not a study; did you mean table1\?"):
        find_studies(("tabel1",))


def test_only_table_7_trains_on_all_classes() -> None:
    every = {study.name for study, table in TABLES for row in table.rows if row.method and row.method.classes == "all"}
    assert every == {study.name for study in STUDIES.values() if not study.base_only} == {"table7"}
