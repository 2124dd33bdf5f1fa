"""Which path answers, what a recording keeps, and that answering from it is answering from the network."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from openmov.config.schema import ModelConfig
from openmov.data.loader import collate
from openmov.model import build_model
from openmov.model.backbones.clip import CLIPBackbone
from openmov.scoring.embeddings import (
    BaseNovelRule,
    EmbeddingsScorer,
    NetworkScorer,
    answers_by_modality,
    record,
)
from openmov.scoring.paths import NovelPath
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, Clip, ClipBatch, JointEmbeddings, Modality, Scorer
from tiny_backbones import make_tiny_clip_folder
from tiny_batches import make_batch
from tiny_recordings import NAMES, TAU, EchoNet, RightAngles, echo_batch, recording, towards

V, F, A = Modality.VIDEO, Modality.FLOW, Modality.AUDIO
RULE = BaseNovelRule(TAU, NovelPath(beta=0.25, tau_x=TAU, tau_v=TAU))
BOTH = Vocabulary(("archery",), ("biking",))
MIXED = recording([None], frozen=[towards("archery")], video=[towards("archery")], flow=[towards("biking")])
"""The video says archery, the flow biking."""


def answer(vocabulary: Vocabulary) -> Tensor:
    return RULE(MIXED.embeddings, RightAngles()(vocabulary), vocabulary)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> CLIPBackbone:
    return CLIPBackbone.load(str(make_tiny_clip_folder(tmp_path_factory.mktemp("predictor") / "clip")))


class TestPaths:
    def test_only_base_names_take_the_base_path(self) -> None:
        """Equation 10: v_m alone."""
        torch.testing.assert_close(answer(Vocabulary(("archery", "biking"), ())), torch.tensor([[0.75, 0.25]]))

    def test_only_novel_names_take_the_novel_path(self) -> None:
        """Equations 11 and 12: 3/4 of the frozen video's answer, 1/4 of the flow's."""
        expected = torch.tensor([[0.75 * 0.75 + 0.25 * 0.25, 0.75 * 0.25 + 0.25 * 0.75]])
        torch.testing.assert_close(answer(Vocabulary((), ("archery", "biking"))), expected)

    def test_one_novel_name_sends_all_down_the_novel_path(self) -> None:
        """Appendix C: the generalised setting answers as if no name were base."""
        generalised = answer(BOTH)
        assert torch.equal(generalised, answer(Vocabulary((), ("archery", "biking"))))
        assert not torch.allclose(generalised, answer(Vocabulary(("archery", "biking"), ())))


class TestByModality:
    def test_each_stream_answers_alone(self) -> None:
        """frozen at tau: 3 to 1; the fused ones at tau_x = tau / 2: 9 to 1."""
        rule = BaseNovelRule(TAU, NovelPath(beta=0.5, tau_x=TAU / 2, tau_v=1.0))
        found = answers_by_modality(MIXED.embeddings, RightAngles()(BOTH), rule, views=1)
        assert set(found) == {"clip", "video", "flow"}
        torch.testing.assert_close(found["clip"], torch.tensor([[0.75, 0.25]]))
        torch.testing.assert_close(found["video"], torch.tensor([[0.9, 0.1]]))
        torch.testing.assert_close(found["flow"], torch.tensor([[0.1, 0.9]]))

    def test_probabilities_not_embeddings_are_averaged_over_views(self) -> None:
        """(3/4 + 1/2) / 2, where the mean embedding would say 3/4."""
        two = recording([None], views=2, audio=[towards("archery"), towards("cooking")])
        found = answers_by_modality(two.embeddings, RightAngles()(BOTH), RULE, views=2)
        assert set(found) == {"audio"}
        torch.testing.assert_close(found["audio"], torch.tensor([[0.625, 0.375]]))


class TestRecording:
    @pytest.fixture
    def three(self) -> tuple[ClipBatch, ClipBatch]:
        """Three clips of two views in two batches: rows 0, 1 / 10, 11 / 20, 21 in the first place."""
        rows = torch.tensor([[[0.0], [1.0]], [[10.0], [11.0]], [[20.0], [21.0]]]).repeat(1, 1, 4)
        first = echo_batch(["a", "b"], {V: rows[:2], A: -rows[:2]}, ["x", "y"])
        return first, echo_batch(["c"], {V: rows[2:], A: -rows[2:]}, ["x"])

    def test_it_holds_every_clip_of_every_batch(self, three: tuple[ClipBatch, ClipBatch]) -> None:
        found = record(EchoNet(), three)
        assert found.video_ids == ("a", "b", "c")
        assert found.labels == ("x", "y", "x")
        assert found.views == 2
        assert found.embeddings.fused[V][:, 0].tolist() == [0, 1, 10, 11, 20, 21]
        assert found.embeddings.fused[A][:, 0].tolist() == [0, -1, -10, -11, -20, -21]
        assert found.embeddings.frozen is not None
        assert found.embeddings.frozen[:, 0].tolist() == [0, 2, 20, 22, 40, 42]

    def test_take_and_where_keep_all_views_of_a_clip(self, three: tuple[ClipBatch, ClipBatch]) -> None:
        whole = record(EchoNet(), three)
        turned = whole.take([2, 0])
        assert turned.video_ids == ("c", "a")
        assert turned.embeddings.fused[V][:, 0].tolist() == [20, 21, 0, 1]
        assert turned.embeddings.present[A].tolist() == [True] * 4
        chosen = whole.where(["x", "unheard of"])
        assert (chosen.video_ids, chosen.labels) == (("a", "c"), ("x", "x"))
        assert chosen.embeddings.frozen is not None
        assert chosen.embeddings.frozen[:, 0].tolist() == [0, 2, 40, 42]
        assert whole.where([]).video_ids == ()
        assert len(whole.where(["z"]).embeddings.fused[V]) == 0

    @pytest.mark.parametrize("turned", [False, True])
    def test_what_a_whole_batch_lacks_is_absent_in_its_rows_alone(self, turned: bool) -> None:
        """Rows must not slide up: a batch without video, or without sound, may come first or last."""
        ones = torch.ones(1, 2, 4)
        seen, heard = echo_batch(["seen"], {V: 3 * ones}), echo_batch(["heard"], {A: 5 * ones})
        found = record(EchoNet(), [heard, seen] if turned else [seen, heard])
        seen_rows, heard_rows = (found.take([found.video_ids.index(name)]) for name in ("seen", "heard"))
        for rows, values, present in (
            (seen_rows, {V: 3.0, A: 0.0}, {V: True, A: False}),
            (heard_rows, {V: 0.0, A: 5.0}, {V: False, A: True}),
        ):
            for modality in (V, A):
                assert rows.embeddings.fused[modality].eq(values[modality]).all()
                assert rows.embeddings.present[modality].tolist() == [present[modality]] * 2
        assert seen_rows.embeddings.frozen is not None
        assert seen_rows.embeddings.frozen.eq(6).all()

    def test_no_clip_and_different_views_are_refused(self, three: tuple[ClipBatch, ClipBatch]) -> None:
        with pytest.raises(ValueError, match="no clip"):
            record(EchoNet(), [])
        other = echo_batch(["d"], {V: torch.ones(1, 3, 4), A: torch.ones(1, 3, 4)})
        with pytest.raises(ValueError, match="different numbers of views"):
            record(EchoNet(), [*three, other])

    def test_the_network_is_in_eval_mode_and_no_graph_is_kept(self, three: tuple[ClipBatch, ClipBatch]) -> None:
        net = EchoNet().train()
        net.scale = torch.nn.Parameter(torch.ones(1))
        net.register_forward_hook(lambda module, given, found: replace(found, fused={V: found.fused[V] * net.scale}))
        found = record(net, three)
        assert not net.training
        assert not found.embeddings.fused[V].requires_grad


class TestScorers:
    def test_both_are_scorers(self) -> None:
        network = NetworkScorer(EchoNet(), RightAngles(), RULE, frozenset({V, A}))
        assert isinstance(network, Scorer)
        assert network.modalities == {V, A}
        assert isinstance(EmbeddingsScorer(MIXED, RightAngles(), RULE), Scorer)

    @pytest.mark.parametrize(
        "vocabulary", [Vocabulary(NAMES[:3], ()), Vocabulary((), NAMES[:3]), Vocabulary(NAMES[:2], NAMES[2:])]
    )
    def test_a_recording_answers_as_the_network(self, backbone: CLIPBackbone, vocabulary: Vocabulary) -> None:
        """A whole MOV, five clips in two batches of different make-up, three views."""
        torch.manual_seed(0)
        model = build_model(backbone, ModelConfig(modalities=("video", "flow", "audio")), num_frames=2)
        clips = make_batch(V, F, A, size=5, views=3, absent={A: [1, 3], F: [3, 4]})
        embed = TinyClasses(backbone.dim)
        network = NetworkScorer(model, embed, RULE, frozenset(Modality))
        batches = [part(clips, [0, 1, 2]), part(clips, [3, 4])]
        recorded = EmbeddingsScorer(record(model, batches), embed, RULE)
        direct = torch.cat([network.score(batch, vocabulary) for batch in batches])
        (all_clips,) = recorded.recording.batches()
        torch.testing.assert_close(recorded.score(all_clips, vocabulary), direct)
        torch.testing.assert_close(direct.sum(dim=1), torch.ones(5))
        turned = recorded.recording.take([4, 0])
        (some,) = turned.batches()
        torch.testing.assert_close(recorded.score(some, vocabulary), direct[[4, 0]])

    def test_clips_are_recorded_where_the_network_is_and_kept_on_the_processor(self) -> None:
        """The meta device stands for a GPU: what got there cannot come back, so this network answers by itself."""

        class Elsewhere(EchoNet):
            def __init__(self) -> None:
                super().__init__()
                self.weight = torch.nn.Parameter(torch.zeros(1, device="meta"))

            def forward(self, batch: ClipBatch) -> JointEmbeddings:
                seen.extend(tensor.device.type for tensor in (*batch.inputs.values(), *batch.present.values()))
                return super().forward(clips)

        seen: list[str] = []
        clips = echo_batch(["a"], {V: torch.tensor([[towards("archery")]])})
        record(Elsewhere(), [clips])
        assert seen == ["meta", "meta"]
        kept = record(EchoNet(), [clips]).embeddings
        assert kept.fused[V].tolist() == [towards("archery")]

    def test_a_clip_that_was_not_recorded_is_refused(self) -> None:
        scorer = EmbeddingsScorer(MIXED, RightAngles(), RULE)
        with pytest.raises(KeyError):
            scorer.score(ClipBatch(("another",), {}, {}), BOTH)

    def test_views_are_averaged_as_probabilities(self) -> None:
        inputs = {V: torch.tensor([[towards("archery"), towards("cooking")]])}
        scorer = NetworkScorer(EchoNet(), RightAngles(), RULE, frozenset({V}))
        found = scorer.score(echo_batch(["a"], inputs), Vocabulary(("archery", "biking"), ()))
        torch.testing.assert_close(found, torch.tensor([[0.625, 0.375]]))

    @pytest.mark.parametrize("absent", [A, F])
    def test_a_clip_of_its_own_answers_as_beside_others(self, backbone: CLIPBackbone, absent: Modality) -> None:
        """A batch in which no clip has sound is collated without it; the answer is the same."""
        torch.manual_seed(0)
        model = build_model(backbone, ModelConfig(modalities=("video", "flow", "audio")), num_frames=2)
        scorer = NetworkScorer(model, TinyClasses(backbone.dim), RULE, frozenset(Modality))
        whole = make_batch(V, F, A, size=2, views=2)
        inputs = [{modality: tensor[i] for modality, tensor in whole.inputs.items()} for i in range(2)]
        clips = [Clip("a", {m: x for m, x in inputs[0].items() if m is not absent}), Clip("b", inputs[1])]
        for vocabulary in (Vocabulary(NAMES[:2], ()), Vocabulary((), NAMES[:2])):
            alone = scorer.score(collate(clips[:1], scorer.modalities), vocabulary)
            together = scorer.score(collate(clips, scorer.modalities), vocabulary)
            torch.testing.assert_close(alone, together[:1])


class TinyClasses:
    """Fixed random unit vectors for names."""

    def __init__(self, dim: int) -> None:
        vectors = torch.randn(len(NAMES), dim, generator=torch.Generator().manual_seed(1))
        self.vectors = torch.nn.functional.normalize(vectors, dim=-1)

    def __call__(self, vocabulary: Vocabulary) -> ClassEmbeddings:
        return ClassEmbeddings(vocabulary.names, self.vectors[[NAMES.index(name) for name in vocabulary.names]])


def part(batch: ClipBatch, clips: list[int]) -> ClipBatch:
    """These clips, collated anew, so that what all of them lack is not in the batch."""
    chosen = [
        Clip(batch.video_ids[i], {m: x[i] for m, x in batch.inputs.items() if batch.present[m][i]}) for i in clips
    ]
    return collate(chosen, frozenset(Modality))


def test_embeddings_of_a_scorer_are_the_networks() -> None:
    inputs = {F: torch.tensor([[towards("biking")]])}
    found = NetworkScorer(EchoNet(), RightAngles(), RULE, frozenset({F})).embed(echo_batch(["a"], inputs))
    assert isinstance(found, JointEmbeddings)
    assert found.fused[F].tolist() == [towards("biking")]
