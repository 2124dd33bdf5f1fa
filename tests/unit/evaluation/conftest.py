"""The sample report, built once."""

import pytest

from openmov.report.content import ComparisonContent, ReportContent
from report_sample import sample_comparison, sample_content


@pytest.fixture(scope="session")
def content() -> ReportContent:
    return sample_content()


@pytest.fixture(scope="session")
def comparison() -> ComparisonContent:
    return sample_comparison()
