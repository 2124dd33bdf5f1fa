"""Laws of the pretraining pairs: marks and captions belong together, and videos carry no marks."""

import numpy as np
import pytest

from openmov.shapesav.captions import Marks, draw_pair, marked_still, random_scene
from openmov.shapesav.render import render_at
from openmov.shapesav.scene import SECONDS
from openmov.shapesav.vocabulary import MOTIONS, SOUNDS


def test_a_caption_mentions_only_what_is_drawn() -> None:
    rng = np.random.default_rng(0)
    mentioned = 0
    for _ in range(150):
        pair = draw_pair(rng)
        for words, drawn in ((MOTIONS, pair.marks.motion), (SOUNDS, pair.marks.sound)):
            said = [word for word in words if f" {word}" in pair.content]
            assert said in ([], [drawn])
            mentioned += bool(said)
        assert pair.scene.shape in pair.content
        assert pair.content in pair.caption
    assert 70 < mentioned < 170


def test_a_still_without_marks_is_a_video_frame() -> None:
    for seed in range(10):
        scene = random_scene(np.random.default_rng(seed))
        still = marked_still(scene, Marks(None, None), np.random.default_rng(seed))
        frame = render_at(scene, np.random.default_rng(seed).uniform(0, SECONDS, 1))[0]
        assert np.array_equal(still, frame)


@pytest.mark.parametrize("marks", [Marks(word, None) for word in MOTIONS] + [Marks(None, word) for word in SOUNDS])
def test_every_mark_shows(marks: Marks) -> None:
    for seed in range(10):
        scene = random_scene(np.random.default_rng(seed))
        plain = marked_still(scene, Marks(None, None), np.random.default_rng(seed)).astype(int)
        marked = marked_still(scene, marks, np.random.default_rng(seed)).astype(int)
        assert np.count_nonzero(np.abs(marked - plain).max(axis=-1) > 40) >= 12


def test_pairs_follow_their_generator() -> None:
    one, same, other = (draw_pair(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.picture, same.picture)
    assert one.caption == same.caption
    assert not np.array_equal(one.picture, other.picture)


def test_the_shape_can_be_chosen() -> None:
    rng = np.random.default_rng(0)
    assert {random_scene(rng, "heart").shape for _ in range(20)} == {"heart"}
    assert len({random_scene(rng).shape for _ in range(60)}) == 8
