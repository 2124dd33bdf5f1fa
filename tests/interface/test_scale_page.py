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


CASE = {"size": "ViT-B/16", "extra": "audio", "stored": True, "patch_dropout": 0.0, "recomputed": False}


def test_training_by_hand(scale: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU of 100 FLOP/s at 35 % does 3.5 clips of 10 FLOP a second; 3 weights of 16 bytes and 2 of 4 stand fixed."""
    monkeypatch.setattr(scale, "GPU_FLOP_PER_SECOND", 100.0)
    monkeypatch.setattr(scale, "GPU_BYTES", 100.0)
    data = scale.DataSet("toy", 1260, 0, flow=False, sound=True)
    monkeypatch.setattr(scale, "SETS", (data, data, data))
    counted = CASE | {"step_flop": 10.0, "kept_bytes": 20, "trained_weights": 3, "frozen_weights": 2}
    took = scale.training(counted, {"flow_bytes_a_pair": 1.0, "sound_bytes_a_spectrogram": 232.0, "clip_bytes": 5.0})
    assert took["epoch flop"] == 12600
    assert took["epoch hours"] == pytest.approx(0.1)  # 360 s
    assert took["hours"] == pytest.approx(2.0)
    assert took["bytes per second"] == pytest.approx(3.5 * (16 * 4 * 512 + 232))
    assert (took["fixed bytes"], took["clips that fit"]) == (56, 2)


def test_operations_are_those_of_the_shapes(scale: ModuleType) -> None:
    """ViT-B/16 by hand: 12 blocks of 197 tokens, of whose last only the class token is computed beyond keys and values.

    Forward and backward are three times forward, but for the picture itself, which needs no gradient.
    """
    width, tokens, frames = 768, 197, 16
    block = tokens * 12 * width**2 + 2 * tokens**2 * width
    last = tokens * 2 * width**2 + 10 * width**2 + 2 * tokens * width
    patches, projection = (tokens - 1) * width**2, width * 512
    video = 2 * frames * (11 * block + last + patches + projection)
    rows = {tuple(case[key] for key in CASE): case for case in scale.figures()["training_flops"]["cases"]}
    plain = rows["ViT-B/16", "flow", False, 0.0, False]["step_flop"]
    stored = rows["ViT-B/16", "flow", True, 0.0, False]["step_flop"]
    assert plain - stored == video
    assert stored / video == pytest.approx(3, rel=0.01)
