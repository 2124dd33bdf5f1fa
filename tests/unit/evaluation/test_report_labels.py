"""The page says whose accuracy over epochs it draws: of the calibrated MOV where there is one."""

from dataclasses import replace
from pathlib import Path

from openmov.report.report import report_data, write_report
from report_sample import sample_content


def test_the_page_names_the_row_a_curve_leads_to(tmp_path: Path) -> None:
    content = sample_content()
    task = content.tasks[0]
    assert task.curve is not None
    renamed = replace(task, curve=replace(task.curve, method="MOV, calibrated, beta 0.5"), changes_of="MOV, calibrated")
    changed = replace(content, tasks=(renamed, *content.tasks[1:]))
    page = write_report(tmp_path, changed).read_text(encoding="utf-8")
    assert "were learned (MOV, calibrated, beta 0.5)" in page
    assert "Accuracy of MOV, calibrated minus that of frozen CLIP" in page
    assert report_data(changed)["tasks"][0]["curve"]["method"] == "MOV, calibrated, beta 0.5"
