"""Paths of the recipe and what a wrong one may have meant."""

import pytest

from openmov.config.load import dotted, field_paths, nearest_field


def test_paths_hold_sections_and_nested_fields() -> None:
    paths = list(field_paths())
    assert {"name", "flow", "flow.tvl1", "flow.tvl1.lambda_", "training.epochs"} <= set(paths)
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize(
    ("loc", "path"),
    [
        (("model", "trainable_layers", "constrained-int"), "model.trainable_layers"),
        (("video", "crop_area", 0), "video.crop_area.0"),
        (("flow", "tvl1", "tau"), "flow.tvl1.tau"),
        (("unknown",), "unknown"),
        ((), ""),
    ],
)
def test_dotted_drops_the_branches_of_a_union(loc: tuple[int | str, ...], path: str) -> None:
    assert dotted(loc) == path


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("trainnig", "training"),
        ("training.epoch", "training.epochs"),
        ("beta", "prediction.beta"),
        ("epoch", "training.epochs"),
        ("zzzzzz", ""),
    ],
)
def test_nearest_field(wrong: str, meant: str) -> None:
    assert nearest_field(wrong) == meant
