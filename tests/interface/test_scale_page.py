"""docs/scale.md is arithmetic on measured figures, and the arithmetic is right."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def scale() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scale", DOCS / "scale.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_figures_give(scale: ModuleType) -> None:
    assert scale.PAGE.read_text(encoding="utf-8") == scale.page(), "run python docs/scale.py"


def test_other_figures_give_another_page(scale: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    found = scale.figures()
    found["costs"]["figures"]["flow_core_seconds_a_pair"] *= 2
    monkeypatch.setattr(scale, "figures", lambda: found)
    assert scale.PAGE.read_text(encoding="utf-8") != scale.page()


def test_costs_by_hand(scale: ModuleType) -> None:
    """10 training clips in 2 views and 5 test clips in 4 moments are 40 moments of 16 pairs; and 20 + 5 x 12 views."""
    data = scale.DataSet("toy", 10, 5, flow=True, sound=True)
    one = {
        "flow_core_seconds_a_pair": 0.5,
        "flow_bytes_a_pair": 3.0,
        "sound_core_seconds_a_spectrogram": 2.0,
        "sound_bytes_a_spectrogram": 7.0,
        "frozen_core_seconds_a_frame": 0.25,
        "survey_core_seconds_a_clip": 1.0,
        "clip_bytes": 100.0,
    }
    cost = scale.costs(data, one, train_seeds=2)
    assert cost["pairs"] == 640
    assert (cost["flow seconds"], cost["flow bytes"]) == (320, 1920)
    assert (cost["frozen seconds"], cost["frozen bytes"]) == (320, 80 * 16 * 2048)
    assert (cost["sound seconds"], cost["sound bytes"]) == (30, 105)
    assert (cost["planning seconds"], cost["video bytes"], cost["entries"]) == (15, 1500, 40 + 80 + 15)
    assert scale.seconds_of(cost) == 320 + 320 + 30 + 15
    assert scale.bytes_of(cost) == 1920 + 80 * 16 * 2048 + 105


@pytest.mark.parametrize(
    ("seconds", "words"), [(1800, "0.5 h"), (4 * 86400, "4 days"), (365 * 86400 * 10, "10.0 years")]
)
def test_times_in_words(scale: ModuleType, seconds: float, words: str) -> None:
    assert scale.days(seconds) == words
