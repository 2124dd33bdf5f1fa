"""The margins asked for are the paper's own."""

import pytest

from openmov.experiments.results import MAIN_JOB
from openmov.report.paper import margins


def margin(ours: str, theirs: str, role: str) -> float:
    (found,) = (goal.margin for goal in MAIN_JOB if goal.ours == ours and theirs in goal.theirs and goal.role == role)
    return found


def test_mov_is_to_beat_clip_by_the_papers_margins() -> None:
    """Base: Kinetics-700, table 1. Novel: VGGSound, table 2, calibrated or not."""
    assert 100 * margin("mov", "clip", "base") == pytest.approx(margins("flow")[0], abs=0.05)
    for ours in ("mov", "mov_calibrated"):
        assert 100 * margin(ours, "clip", "novel") == pytest.approx(margins("audio")[1], abs=0.05)


def test_fusion_is_to_be_no_worse_than_what_it_is_made_of() -> None:
    assert margin("mov", "score_fusion", "base") == 0
    assert margin("score_fusion", "single", "base") == margin("score_fusion", "video", "base") == 0
