"""Equation 12 over pretrained towers: how far sound can reach, and how its weight is chosen."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openmov.model.towers import FrozenTowers
from openmov.scoring.embeddings import Embeddings
from openmov.scoring.paths import NovelPath
from openmov.scoring.towers import DEFAULT_BETA, TowersRule, calibrate_towers, confident_lead
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality

COUNT = 6
NAMES = tuple(f"name {i}" for i in range(COUNT))
VOCABULARY = Vocabulary((), NAMES, "none")
EXACT = dict.fromkeys(("video", "audio", "both"), 1.0)
PRODUCT = dict.fromkeys(EXACT, False)


def rule(*streams: str, beta: float = DEFAULT_BETA) -> TowersRule:
    """Streams compared by product at a temperature of 1: a row of log-probabilities answers with just these."""
    return TowersRule(FrozenTowers(), dict.fromkeys(streams, 1.0), PRODUCT, beta)


def classes(*streams: str) -> ClassEmbeddings:
    """Name k is the k-th axis of every stream."""
    return ClassEmbeddings(NAMES, torch.eye(COUNT), None, {stream: torch.eye(COUNT) for stream in streams})


def said(seen: list[bool] | None = None, heard: list[bool] | None = None, **rows: torch.Tensor) -> JointEmbeddings:
    """Embeddings whose streams say these probabilities."""
    count = len(next(iter(rows.values())))
    present = {
        Modality.VIDEO: torch.tensor(seen if seen is not None else ["video" in rows] * count),
        Modality.AUDIO: torch.tensor(heard if heard is not None else ["audio" in rows] * count),
    }
    return JointEmbeddings({}, present, None, None, {name: p.clamp_min(1e-30).log() for name, p in rows.items()})


def certain(*names: int) -> torch.Tensor:
    return torch.eye(COUNT)[list(names)]


distributions = st.lists(st.floats(0, 1), min_size=COUNT, max_size=COUNT).filter(lambda row: sum(row) > 0.1)


class TestHowFarSoundCanReach:
    @given(distributions, distributions, distributions, st.floats(0, 0.95))
    def test_confident_pictures_are_never_overruled(
        self, pictures: list[float], sound: list[float], both: list[float], beta: float
    ) -> None:
        """Whatever the sound says, and a tower that takes both."""
        video, audio, joint = (torch.tensor([row]) / sum(row) for row in (pictures, sound, both))
        first, second = video[0].topk(2).values.tolist()
        if first - second <= confident_lead(beta) + 1e-5:
            return
        found = rule("video", "audio", "both", beta=beta)(
            said(video=video, audio=audio, both=joint), classes("video", "audio", "both"), VOCABULARY
        )
        assert int(found.argmax()) == int(video.argmax())

    def test_by_default_two_thirds_always_stand(self) -> None:
        assert confident_lead(DEFAULT_BETA) == pytest.approx(1 / 3)
        pictures = torch.tensor([[0.67, 0.33, 0, 0, 0, 0]])
        found = rule("video", "audio")(said(video=pictures, audio=certain(1)), classes("video", "audio"), VOCABULARY)
        assert int(found.argmax()) == 0

    def test_a_lead_that_is_a_little_smaller_can_be_overruled(self) -> None:
        pictures = torch.tensor([[0.66, 0.34, 0, 0, 0, 0]])
        found = rule("video", "audio")(said(video=pictures, audio=certain(1)), classes("video", "audio"), VOCABULARY)
        assert int(found.argmax()) == 1
        torch.testing.assert_close(found, torch.tensor([[0.495, 0.505, 0, 0, 0, 0]]))

    def test_where_sound_counts_for_all_nothing_is_confident(self) -> None:
        assert confident_lead(1.0) == float("inf")
        assert confident_lead(0.0) == 0.0


class TestWhatIsMissing:
    def test_weights_pass_to_what_is_there(self) -> None:
        given_rows = said(
            seen=[True, True, False], heard=[True, False, True], video=certain(0, 0, 0), audio=certain(1, 1, 1)
        )
        weights = rule("video", "audio").weights(given_rows)
        assert weights["video"].tolist() == [0.75, 1, 0]
        assert weights["audio"].tolist() == [0.25, 0, 1]
        found = rule("video", "audio")(given_rows, classes("video", "audio"), VOCABULARY)
        torch.testing.assert_close(found[:, :2], torch.tensor([[0.75, 0.25], [1, 0], [0, 1]]))

    def test_a_tower_that_takes_both_shares_with_the_sound_where_there_are_both(self) -> None:
        rows = {"video": certain(0, 0, 0), "audio": certain(1, 1, 1), "both": certain(2, 2, 2)}
        given_rows = said(seen=[True, True, False], heard=[True, False, True], **rows)
        weights = rule(*rows).weights(given_rows)
        assert [weights[stream].tolist() for stream in rows] == [[0.75, 1, 0], [0.125, 0, 1], [0.125, 0, 0]]
        found = rule(*rows)(given_rows, classes(*rows), VOCABULARY)
        torch.testing.assert_close(found[:, :3], torch.tensor([[0.75, 0.125, 0.125], [1, 0, 0], [0, 1, 0]]))

    def test_what_an_absent_row_holds_does_not_matter(self) -> None:
        rows = said(seen=[True], heard=[False], video=certain(3), audio=torch.full((1, COUNT), float("nan")))
        assert int(rule("video", "audio")(rows, classes("video", "audio"), VOCABULARY).argmax()) == 3

    def test_neither_is_refused(self) -> None:
        with pytest.raises(ValueError, match="neither pictures nor sound"):
            rule("video").weights(said(seen=[False], heard=[False], video=certain(0)))


def test_temperatures_move_together() -> None:
    moved = rule("video", "audio", "both").weighed(NovelPath(0.5, 2.0, 0.3))
    assert moved.taus == {"video": 0.3, "audio": 2.0, "both": 2.0}
    assert moved.path == NovelPath(0.5, 2.0, 0.3)


def test_names_are_as_long_as_the_tower_takes_them() -> None:
    """By cosine only the direction of a name counts; by product its length does too."""
    long = replace(classes(), own={"video": torch.eye(COUNT) * torch.arange(1, COUNT + 1)[:, None]})
    rows = JointEmbeddings({}, {Modality.VIDEO: torch.tensor([True])}, None, None, {"video": torch.ones(1, COUNT)})
    by_product = rule("video").similarities(rows, long)["video"][0].tolist()
    by_cosine = replace(rule("video"), cosine={"video": True}).similarities(rows, long)["video"][0]
    assert by_product == [1, 2, 3, 4, 5, 6]
    assert float(by_cosine.max() - by_cosine.min()) < 1e-6


def world(knows_seen: list[bool], knows_heard: list[bool], clips_each: int = 12, seed: int = 0) -> Embeddings:
    """Clips of every class. Sound k means name k, and picture k too, for the classes that a tower knows.

    Of the others the pictures are all the same to within noise, and the sound is of another class, as sure as ever.
    """
    generator = torch.Generator().manual_seed(seed)
    truth = torch.arange(COUNT).repeat_interleave(clips_each)
    video = torch.full((len(truth), COUNT), 1.0) + 0.05 * torch.randn(len(truth), COUNT, generator=generator)
    seen, heard = torch.tensor(knows_seen)[truth], torch.tensor(knows_heard)[truth]
    video[seen, truth[seen]] += 4.0
    wrong = (truth + torch.randint(1, COUNT, (len(truth),), generator=generator)) % COUNT
    audio = 4.0 * torch.eye(COUNT)[torch.where(heard, truth, wrong)]
    both = {m: torch.ones(len(truth), dtype=torch.bool) for m in (Modality.VIDEO, Modality.AUDIO)}
    embeddings = JointEmbeddings({}, both, None, None, {"video": video, "audio": audio})
    ids = tuple(f"clip {i}" for i in range(len(truth)))
    return Embeddings(ids, tuple(NAMES[i] for i in truth.tolist()), 1, embeddings)


def calibrated_accuracy(recording: Embeddings, fresh: Embeddings) -> tuple[float, NovelPath]:
    """Chosen on one world, measured on other clips of it."""
    own, names = rule("video", "audio"), classes("video", "audio")
    found = calibrate_towers(recording, lambda _: names, VOCABULARY, own)
    rows = own.weighed(found.chosen)(fresh.embeddings, names, VOCABULARY)
    truth = torch.tensor([NAMES.index(str(label)) for label in fresh.labels])
    return (rows.argmax(-1) == truth).double().mean().item(), found.chosen


ALL, NONE, HALF = [True] * COUNT, [False] * COUNT, [True, True, True, False, False, False]


class TestCalibration:
    def test_sound_wins_where_pictures_know_nothing(self) -> None:
        accuracy, chosen = calibrated_accuracy(world(NONE, ALL), world(NONE, ALL, seed=1))
        assert accuracy == 1.0
        assert chosen.beta > 0.5

    def test_and_not_where_they_know(self) -> None:
        accuracy, chosen = calibrated_accuracy(world(ALL, NONE), world(ALL, NONE, seed=1))
        assert accuracy == 1.0
        assert chosen.beta == 0.0

    def test_each_where_it_knows(self) -> None:
        """Pictures know the first half and sound the other; neither alone is right on more than half and a guess."""
        other = [not knows for knows in HALF]
        accuracy, chosen = calibrated_accuracy(world(HALF, other), world(HALF, other, seed=1))
        assert accuracy == 1.0
        assert 0 < chosen.beta < 1

    def test_it_says_what_each_would_have_answered(self) -> None:
        own, names = rule("video", "audio"), classes("video", "audio")
        found = calibrate_towers(world(HALF, ALL), lambda _: names, VOCABULARY, own)
        assert found.accuracy["together"] == found.accuracy["audio"] == 1.0
        assert found.accuracy["video"] < 0.8
        assert found.num_clips == 12 * COUNT

    def test_without_a_clip_of_the_names_there_is_nothing_to_choose_by(self) -> None:
        strangers = Vocabulary((), ("somebody", "else"), "none")
        with pytest.raises(ValueError, match="no clip of any of the names"):
            calibrate_towers(world(ALL, ALL), lambda _: classes(), strangers, rule("video", "audio"))

    def test_uncalibrated_sound_wins_where_pictures_are_flat_and_nowhere_else(self) -> None:
        names = classes("video", "audio")
        for knows, right in ((ALL, 1.0), (NONE, 0.0)):
            clips = world(knows, NONE)  # the sound is always of another class
            rows = rule("video", "audio")(clips.embeddings, names, VOCABULARY)
            truth = torch.tensor([NAMES.index(str(label)) for label in clips.labels])
            assert (rows.argmax(-1) == truth).double().mean().item() == right
