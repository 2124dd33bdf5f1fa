"""Class names typed on one line."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmov.errors import VocabularyError
from openmov.text.labels import parse_labels


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("archery", ("archery",)),
        ("archery, arm wrestling ,biking", ("archery", "arm wrestling", "biking")),
        ('archery, "bird chirping, tweeting" , biking', ("archery", "bird chirping, tweeting", "biking")),
        ("archery\nbiking\n", ("archery", "biking")),
        ('"a ""b""", c', ('a "b"', "c")),
        ("people's dance", ("people's dance",)),
    ],
)
def test_names(text: str, names: tuple[str, ...]) -> None:
    assert parse_labels(text) == names


@pytest.mark.parametrize(
    ("text", "says"), [("", "no class name"), (" \n", "no class name"), ("a,,b", "name 2 of 3"), ('"a, b', "left open")]
)
def test_refused(text: str, says: str) -> None:
    with pytest.raises(VocabularyError, match=says):
        parse_labels(text)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.text("ab,' -\"", min_size=1).map(lambda text: f"x{text}x"), min_size=1))
def test_what_csv_writes_is_read_back(names: list[str]) -> None:
    out = io.StringIO()
    csv.writer(out).writerow(names)
    assert parse_labels(out.getvalue()) == tuple(" ".join(name.split()) for name in names)
