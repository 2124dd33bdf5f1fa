"""tau_v by matched entropy: distributions whose entropy is known by hand."""

import math
from dataclasses import replace

import pytest
import torch

from openmov.scoring.calibration import TAU_RANGE, extra_entropy, match_entropy, matched_tau_v, mean_entropy
from openmov.scoring.paths import NovelPath
from openmov.text.vocabulary import Vocabulary
from openmov.types import Modality
from tiny_recordings import TAU, RightAngles, recording, towards

TWO = Vocabulary(("archery", "biking"), ())
LABELS = ("archery", "biking")
CLEAR = [towards(label) for label in LABELS]
QUARTER = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
"""Entropy of (3/4, 1/4)."""


def diagonal(first: float, second: float) -> list[float]:
    return [first, second, 0.0, 0.0]


def test_entropy_of_certainty_of_a_coin_and_of_three_quarters() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.75, 0.25]])
    found = [mean_entropy(row[None]) for row in rows]
    assert found == pytest.approx([0.0, math.log(2), QUARTER])
    assert mean_entropy(rows) == pytest.approx(sum(found) / 3)
    with pytest.raises(ValueError, match="no row"):
        mean_entropy(rows[:0])


def test_a_video_like_the_flow_gets_the_temperature_of_the_flow() -> None:
    clips = recording(LABELS, frozen=CLEAR, video=CLEAR, flow=CLEAR)
    assert matched_tau_v(clips.embeddings, RightAngles()(TWO), TAU) == pytest.approx(TAU)


def test_a_video_that_tells_half_as_much_gets_half_the_temperature() -> None:
    """The classes' cosines differ by 1 in the flow and by 0.6 - 0.8 = -0.2 in the video: the temperature is a fifth.

    That the video is wrong in both clips changes nothing: no label is looked at.
    """
    clips = recording(LABELS, frozen=[diagonal(0.6, 0.8), diagonal(0.8, 0.6)], video=CLEAR, flow=CLEAR)
    assert matched_tau_v(clips.embeddings, RightAngles()(TWO), TAU) == pytest.approx(TAU / 5, rel=1e-5)
    shuffled = replace(clips, labels=LABELS[::-1])
    assert match_entropy(clips, RightAngles(), TWO, NovelPath(0.5, TAU, 1.0)).chosen == (
        match_entropy(shuffled, RightAngles(), TWO, NovelPath(0.5, TAU, 1.0)).chosen
    )


def test_beta_and_tau_x_stay_and_nothing_is_held_back() -> None:
    found = match_entropy(
        recording(LABELS, frozen=CLEAR, video=CLEAR, flow=CLEAR), RightAngles(), TWO, NovelPath(0.4, TAU, 9.0)
    )
    assert (found.chosen.beta, found.chosen.tau_x) == (0.4, TAU)
    assert found.chosen.tau_v == pytest.approx(TAU)
    assert (found.how, found.grid, found.pseudo_novel, found.num_clips) == ("entropy", (), (), 2)


def test_a_surer_flow_asks_for_a_sharper_video() -> None:
    clips = recording(LABELS, frozen=[diagonal(0.6, 0.8)] * 2, video=CLEAR, flow=CLEAR)
    found = [matched_tau_v(clips.embeddings, RightAngles()(TWO), tau_x) for tau_x in (0.5, 1.0, 2.0)]
    assert found == sorted(found)
    assert found[0] < found[2]


def test_rows_that_lack_a_modality_are_not_counted() -> None:
    """The second clip's flow is poisoned, and not there; only its video counts."""
    clips = recording(LABELS, frozen=CLEAR, video=CLEAR, flow=[CLEAR[0], [float("nan")] * 4])
    present = {Modality.VIDEO: torch.ones(2).bool(), Modality.FLOW: torch.tensor([True, False])}
    embeddings = replace(clips.embeddings, present=present)
    assert extra_entropy(embeddings, RightAngles()(TWO), TAU) == pytest.approx(QUARTER)
    assert matched_tau_v(embeddings, RightAngles()(TWO), TAU) == pytest.approx(TAU)


def test_a_video_that_cannot_be_made_so_unsure_gets_the_end_of_the_range() -> None:
    """A flow as near to both classes has the highest entropy there is; the video reaches it at no temperature."""
    clips = recording(LABELS, frozen=CLEAR, video=CLEAR, flow=[diagonal(1.0, 1.0)] * 2)
    assert matched_tau_v(clips.embeddings, RightAngles()(TWO), 1e-4) == pytest.approx(TAU_RANGE[1], rel=1e-3)


def test_without_video_or_without_extras_there_is_nothing_to_match() -> None:
    deaf = recording(LABELS, frozen=CLEAR, video=CLEAR)
    blind = recording(LABELS, flow=CLEAR)
    with pytest.raises(ValueError, match="no clip has flow or sound"):
        matched_tau_v(deaf.embeddings, RightAngles()(TWO), TAU)
    with pytest.raises(ValueError, match="no clip has a frozen video"):
        matched_tau_v(blind.embeddings, RightAngles()(TWO), TAU)
