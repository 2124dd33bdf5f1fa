"""beta and tau_v from clips whose right answer is known by hand."""

from dataclasses import replace

import pytest
import torch

from openmov.scoring.calibration import BETAS, TAUS_V, Calibration, calibrate
from openmov.scoring.embeddings import Embeddings
from openmov.text.vocabulary import Vocabulary
from openmov.types import Modality
from tiny_recordings import TAU, RightAngles, recording, towards

PSEUDO = Vocabulary(("archery", "biking"), ("cooking", "diving"))
"""Two classes the network was trained on, two that play novel."""
LABELS = ("cooking", "diving", "cooking", "diving")
RIGHT = [towards(label) for label in LABELS]
WRONG = [towards({"cooking": "diving", "diving": "cooking"}[label]) for label in LABELS]
SILENT = [[0.0] * 4 for _ in LABELS]
"""As near to one class as to the other."""


def chosen(frozen: list[list[float]], flow: list[list[float]], **grid: tuple[float, ...]) -> Calibration:
    clips = recording(LABELS, frozen=frozen, video=SILENT, flow=flow)
    return calibrate(clips, RightAngles(), PSEUDO, TAU, **grid)


def test_where_the_flow_is_right_and_the_video_wrong_beta_is_one() -> None:
    found = chosen(WRONG, RIGHT)
    assert found.chosen.beta == 1.0
    assert found.chosen.tau_x == TAU
    best = next(point for point in found.grid if point.beta == 1.0)
    assert best.accuracy == 1.0
    assert best.log_likelihood == pytest.approx(torch.tensor(0.75).log().item())


def test_where_the_video_is_right_and_the_flow_wrong_beta_is_zero_and_the_video_sharp() -> None:
    found = chosen(RIGHT, WRONG, betas=BETAS, taus_v=(1.0, 0.2, 0.5))
    assert (found.chosen.beta, found.chosen.tau_v) == (0.0, 0.2)
    worst = min(found.grid, key=lambda point: (point.accuracy, point.log_likelihood))
    assert (worst.beta, worst.accuracy) == (1.0, 0.0)


def test_accuracy_comes_before_likelihood() -> None:
    """At a low tau_v the video outvotes the flow in clip 1, right, and is very sure of a wrong answer in clip 0."""
    frozen = [towards("diving"), towards("diving"), *SILENT[:2]]
    flow = [towards("diving", 9.0), towards("cooking", 9.0), *RIGHT[2:]]
    found = chosen(frozen, flow, betas=(0.5,), taus_v=(10.0, 0.1))
    blunt, sharp = found.grid
    assert sharp.accuracy > blunt.accuracy
    assert sharp.log_likelihood < blunt.log_likelihood
    assert found.chosen.tau_v == 0.1


def test_ties_go_to_the_higher_likelihood() -> None:
    """Every tau_v gives the right answers; the sharper, the more likely."""
    found = chosen(RIGHT, SILENT, betas=(0.5,), taus_v=(1.0, 0.3, 0.1, 0.5))
    assert {point.accuracy for point in found.grid} == {1.0}
    assert found.chosen.tau_v == 0.1
    assert max(found.grid, key=lambda point: point.log_likelihood).tau_v == 0.1


def test_ties_of_both_go_to_the_first_of_the_grid() -> None:
    """At 0.01 and below the answer is certain to the last bit: the smallest beta, then the first tau_v."""
    found = chosen(RIGHT, RIGHT, betas=(0.0, 0.0), taus_v=(0.01, 0.003, 0.001))
    assert {point.log_likelihood for point in found.grid} == {0.0}
    assert (found.chosen.beta, found.chosen.tau_v) == (0.0, 0.01)


def test_everything_that_was_tried_is_kept() -> None:
    found = chosen(RIGHT, RIGHT)
    assert [(point.beta, point.tau_v) for point in found.grid] == [(b, t) for b in BETAS for t in TAUS_V]
    assert found.pseudo_novel == PSEUDO.novel
    assert found.num_clips == 4


def test_the_paper_values_are_among_them() -> None:
    assert 0.25 in BETAS
    assert 0.003 in TAUS_V


class TestWhatItSees:
    def test_only_the_names_that_play_novel(self) -> None:
        embed = RightAngles()
        calibrate(recording(LABELS, frozen=RIGHT, video=SILENT, flow=RIGHT), embed, PSEUDO, TAU)
        assert {name for vocabulary in embed.asked for name in vocabulary.names} == {"cooking", "diving"}
        assert all(not vocabulary.base for vocabulary in embed.asked)

    def test_only_their_clips(self) -> None:
        """Clips of other classes, poisoned, change nothing."""
        clean = recording(LABELS, frozen=WRONG, video=SILENT, flow=RIGHT)
        poison = [[1e6, -1e6, float("nan"), 1e6]] * 2
        mixed = recording(
            ("archery", *LABELS, None),
            frozen=[poison[0], *WRONG, poison[1]],
            video=[poison[0], *SILENT, poison[1]],
            flow=[poison[0], *RIGHT, poison[1]],
        )
        assert calibrate(mixed, RightAngles(), PSEUDO, TAU) == calibrate(clean, RightAngles(), PSEUDO, TAU)

    @pytest.mark.parametrize("labels", [("archery",) * 4, (None,) * 4])
    def test_no_clip_of_them_is_refused(self, labels: tuple[str | None, ...]) -> None:
        clips = recording(labels, frozen=RIGHT, video=SILENT, flow=RIGHT)
        with pytest.raises(ValueError, match="no clip"):
            calibrate(clips, RightAngles(), PSEUDO, TAU)


def test_views_are_averaged() -> None:
    """Two views a clip, one silent, one right: the log-likelihood is that of (3/4 + 1/2) / 2."""
    rows = [row for right in RIGHT for row in (right, [0.0] * 4)]
    clips = recording(LABELS, views=2, frozen=[[0.0] * 4] * 8, video=[[0.0] * 4] * 8, flow=rows)
    found = calibrate(clips, RightAngles(), PSEUDO, TAU, betas=(1.0,), taus_v=(1.0,))
    assert found.num_clips == 4
    assert found.grid[0].log_likelihood == pytest.approx(torch.tensor(0.625).log().item())


def test_a_clip_without_the_extra_modality_is_answered_by_the_video() -> None:
    clips = recording(LABELS, frozen=RIGHT, video=SILENT, flow=WRONG)
    deaf: Embeddings = replace(
        clips,
        embeddings=replace(
            clips.embeddings, present={Modality.VIDEO: torch.ones(4).bool(), Modality.FLOW: torch.zeros(4).bool()}
        ),
    )
    found = calibrate(deaf, RightAngles(), PSEUDO, TAU)
    assert {point.accuracy for point in found.grid} == {1.0}
