"""Labels against a background: ratios known by hand, thresholds from known clips, and nothing that means the same."""

import math

import pytest
import torch

from openmov.errors import VocabularyError
from openmov.scoring.embeddings import BaseNovelRule
from openmov.scoring.paths import NovelPath
from openmov.scoring.unknown import BackgroundTest, Thresholds, calibrate_unknown, rejecting_threshold
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings
from tiny_recordings import NAMES, TAU, RightAngles, recording, towards

RULE = BaseNovelRule(TAU, NovelPath(beta=0.5, tau_x=TAU, tau_v=TAU))
ARCHERY, BIKING, COOKING, DIVING = NAMES


def test_between_two_names_at_right_angles() -> None:
    clips = recording(["a", "b"], frozen=[towards(ARCHERY), towards(COOKING)], video=[towards(ARCHERY)] * 2)
    test = BackgroundTest(Vocabulary((), (ARCHERY, BIKING)), [COOKING, DIVING], RightAngles(), RULE)
    ratios, best = test.log_ratios(clips.embeddings, 1)
    # a vector along a name is three times as probable as one across, at this temperature
    assert ratios.tolist() == pytest.approx([math.log(3), -math.log(3)], abs=1e-5)
    assert best[1] == COOKING
    fit = test.fit(clips.take([1]).embeddings)
    assert fit.rejected
    assert fit.to_json()["none_of_these"] is True
    assert not test.fit(clips.take([0]).embeddings).rejected


def test_base_names_take_the_base_path_with_the_background_beside_them() -> None:
    clips = recording(["a"], frozen=[towards(COOKING)], video=[towards(ARCHERY)])
    base = BackgroundTest(Vocabulary((ARCHERY,), ()), [COOKING], RightAngles(), RULE)
    novel = BackgroundTest(Vocabulary((), (ARCHERY,)), [COOKING], RightAngles(), RULE)
    assert base.log_ratios(clips.embeddings, 1)[0].item() == pytest.approx(math.log(3), abs=1e-5)
    assert novel.log_ratios(clips.embeddings, 1)[0].item() == pytest.approx(-math.log(3), abs=1e-5)


def test_the_threshold_is_that_of_the_path() -> None:
    thresholds = Thresholds(base=1.0, novel=-2.0, calibrated=True)
    base = BackgroundTest(Vocabulary((ARCHERY,), ()), [COOKING], RightAngles(), RULE, thresholds)
    both = BackgroundTest(Vocabulary((ARCHERY,), (BIKING,)), [COOKING], RightAngles(), RULE, thresholds)
    assert (base.threshold, both.threshold) == (1.0, -2.0)


def test_what_reads_the_same_as_a_label_is_no_background() -> None:
    test = BackgroundTest(Vocabulary((), (ARCHERY,)), ["Archery!", DIVING, DIVING], RightAngles(), RULE)
    assert test.background == (DIVING,)
    with pytest.raises(VocabularyError, match="they hold every background name"):
        BackgroundTest(Vocabulary((), (ARCHERY,)), ["archery"], RightAngles(), RULE)


def test_the_nearest_hundredth_of_the_background_is_left_out() -> None:
    names = [f"name {i}" for i in range(200)]

    def embed(vocabulary: Vocabulary) -> ClassEmbeddings:
        angles = torch.tensor([float(name.split()[1]) / 200 if " " in name else 0.0 for name in vocabulary.names])
        return ClassEmbeddings(vocabulary.names, torch.stack([angles.cos(), angles.sin()], dim=1))

    test = BackgroundTest(Vocabulary((), ("label",)), names, embed, RULE)
    assert test.background == tuple(names[2:])


@pytest.mark.parametrize(("count", "share", "place"), [(100, 0.05, 5), (19, 0.05, 1), (3, 0.05, 1), (99, 0.1, 10)])
def test_a_threshold_refuses_no_more_known_clips_than_asked(count: int, share: float, place: int) -> None:
    ratios = [float(i) for i in range(count)]
    threshold = rejecting_threshold(ratios[::-1], share)
    assert threshold == place - 1
    assert sum(ratio < threshold for ratio in ratios) <= share * count
    with pytest.raises(ValueError, match="no clip"):
        rejecting_threshold([])


def test_calibration_looks_at_each_path_with_clips_of_its_own() -> None:
    pseudo = Vocabulary((ARCHERY, BIKING), (COOKING, DIVING))
    unseen = recording([COOKING, DIVING], frozen=[towards(COOKING)] * 2, video=[towards(COOKING)] * 2)
    seen = recording([ARCHERY, BIKING], frozen=[towards(ARCHERY)] * 2, video=[towards(ARCHERY), towards(ARCHERY)])
    found = calibrate_unknown(unseen, seen, pseudo, RightAngles(), RULE)
    assert found.novel == pytest.approx(math.log(3), abs=1e-5)  # cooking is among the labels of both clips
    assert found.base == pytest.approx(-math.log(3), abs=1e-5)  # the second clip looks like the other half
    assert found.calibrated
    assert calibrate_unknown(unseen, None, pseudo, RightAngles(), RULE).base == 0.0


def test_no_name_that_is_novel_is_ever_asked_for() -> None:
    asked = RightAngles()
    pseudo = Vocabulary((ARCHERY,), (COOKING,))
    clips = recording([COOKING], frozen=[towards(COOKING)], video=[towards(COOKING)])
    calibrate_unknown(clips, None, pseudo, asked, RULE)
    assert {name for vocabulary in asked.asked for name in vocabulary.names} == {ARCHERY, COOKING}
