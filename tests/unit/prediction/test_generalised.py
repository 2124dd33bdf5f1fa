"""Base and novel path, weighed: what the weights 0 and 1 give, and weights known by hand."""

import pytest
import torch

from openmov.scoring.embeddings import BaseNovelRule
from openmov.scoring.paths import (
    NovelPath,
    base_probabilities,
    base_share,
    novel_probabilities,
    parts_of,
    weighed,
    weighed_probabilities,
)
from openmov.text.vocabulary import Vocabulary
from tiny_recordings import NAMES, TAU, RightAngles, recording, towards

BOTH = Vocabulary(NAMES[:2], NAMES[2:])
CLASSES = RightAngles()(BOTH)
PATH = NovelPath(beta=0.5, tau_x=TAU, tau_v=TAU)
CLIPS = recording(
    ("archery", "cooking"),
    frozen=[towards("archery"), towards("cooking")],
    video=[towards("archery"), towards("cooking")],
    flow=[towards("archery"), towards("diving")],
).embeddings
BASE, NOVEL = parts_of(CLASSES, BOTH)


def test_a_share_of_one_is_the_base_path_and_of_zero_the_novel_path() -> None:
    base, novel = base_probabilities(CLIPS, BASE, TAU), novel_probabilities(CLIPS, NOVEL, PATH)
    nothing = torch.zeros(2, 2)
    assert torch.equal(weighed(torch.ones(2), base, novel), torch.cat([base, nothing], dim=1))
    assert torch.equal(weighed(torch.zeros(2), base, novel), torch.cat([nothing, novel], dim=1))


def test_the_share_of_base_is_what_the_base_path_gives_to_base_names() -> None:
    """Four names, one of them three times as probable as each of the others: 1/2, 1/6, 1/6, 1/6."""
    assert base_share(CLIPS, BASE, NOVEL, TAU).tolist() == pytest.approx([4 / 6, 2 / 6])


def test_probabilities_by_hand() -> None:
    """The flow of the second clip is wrong: the novel path gives (3/4 + 1/4) / 2 to either novel name."""
    found = weighed_probabilities(CLIPS, BASE, NOVEL, TAU, PATH)
    assert found[0].tolist() == pytest.approx([2 / 3 * 3 / 4, 2 / 3 * 1 / 4, 1 / 6, 1 / 6])
    assert found[1].tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 3])
    assert found.sum(dim=1).tolist() == pytest.approx([1, 1])


class TestTheRule:
    def test_only_both_roles_together_are_weighed(self) -> None:
        path = NovelPath(beta=0.5, tau_x=5.0, tau_v=5.0)  # at TAU both ways would agree: it is the tau of the base path
        plain, rule = BaseNovelRule(TAU, path), BaseNovelRule(TAU, path, "weighed")
        for alone in (Vocabulary(NAMES, ()), Vocabulary((), NAMES)):
            assert torch.equal(rule(CLIPS, CLASSES, alone), plain(CLIPS, CLASSES, alone))
        assert torch.equal(rule(CLIPS, CLASSES, BOTH), weighed_probabilities(CLIPS, BASE, NOVEL, TAU, path))
        assert not torch.allclose(rule(CLIPS, CLASSES, BOTH), plain(CLIPS, CLASSES, BOTH))

    def test_the_paper_s_way_is_the_default(self) -> None:
        whole = novel_probabilities(CLIPS, CLASSES, PATH)
        assert torch.equal(BaseNovelRule(TAU, PATH)(CLIPS, CLASSES, BOTH), whole)
