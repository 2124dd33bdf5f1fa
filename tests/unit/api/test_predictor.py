"""A Predictor answers many files with one network, and grows with neither their number nor their length."""

import tracemalloc
from pathlib import Path

import pytest
import torch

from openmov.config.load import load_recipe
from openmov.errors import BackboneError, CheckpointError, DecodeError, RecipeError, VocabularyError
from openmov.inference.answers import Prediction
from openmov.inference.predictor import Predictor
from openmov.media.decode import limited_decoder
from openmov.media.encode import write_clip
from openmov.scoring.paths import base_probabilities, novel_probabilities
from openmov.training.runs import load_calibration, load_run, load_trained
from tiny_backbones import make_tiny_clip_folder
from tiny_media import block_over_texture
from tiny_world import BASE, NOVEL, TinyWorld
from tricky_decoder import TrickyDecoder


@pytest.fixture(scope="module")
def predictor(tiny_run: Path) -> Predictor:
    return Predictor.from_run(tiny_run)


def answer(predictor: Predictor, path: Path, names: tuple[str, ...], top: int = 9) -> Prediction:
    (found,) = predictor.predict([path], predictor.vocabulary(names), top=top)
    assert isinstance(found, Prediction)
    return found


def probabilities(prediction: Prediction, names: tuple[str, ...]) -> list[float]:
    found = dict(zip(prediction.answers.names, prediction.answers.probabilities, strict=True))
    return [found[name] for name in names]


def test_a_file_that_hangs_its_decoder_is_given_up_and_the_next_one_answered(
    tiny_run: Path, tiny_world: TinyWorld, tmp_path: Path
) -> None:
    files = [tmp_path / "hang.mp4", tmp_path / "fine.mp4"]
    for path in files:
        path.write_bytes(tiny_world.clip(BASE[0]).read_bytes())
    predictor = Predictor.from_run(tiny_run)
    with limited_decoder(3.0, TrickyDecoder()) as decoder:
        predictor.read_with(decoder)
        lost, answered = predictor.predict(files, predictor.vocabulary(BASE), workers=2)
    assert isinstance(lost, DecodeError)
    assert "longer than 3 s" in lost.what
    assert isinstance(answered, Prediction)
    assert answer(Predictor.from_run(tiny_run), files[1], BASE).answers == answered.answers


class TestRoles:
    def test_are_what_the_run_was_trained_on_and_the_rest(self, predictor: Predictor) -> None:
        vocabulary = predictor.vocabulary((NOVEL[0], BASE[1], "yodelling", BASE[0]))
        assert (vocabulary.base, vocabulary.novel) == ((BASE[1], BASE[0]), (NOVEL[0], "yodelling"))

    def test_prompts_are_those_of_the_training_unless_others_are_named(self, predictor: Predictor) -> None:
        assert predictor.vocabulary(("a",)).prompts == "kinetics700"
        assert predictor.vocabulary(("a",), "none").prompts == "none"

    def test_doubled_names_are_refused(self, predictor: Predictor) -> None:
        with pytest.raises(VocabularyError, match="more than once"):
            predictor.vocabulary(("a", "a"))


class TestPaths:
    """Against the equations, on the embeddings of the same clip."""

    def embeddings(self, predictor: Predictor, path: Path) -> object:
        from openmov.data.loader import collate
        from openmov.data.records import Record

        clip = predictor._reader.evaluation_clip(Record(str(path), path))
        return predictor._scorer.embed(collate([clip], predictor._scorer.modalities))

    def test_base_names_take_equation_10(self, predictor: Predictor, tiny_world: TinyWorld) -> None:
        path = tiny_world.clip(NOVEL[1])
        classes = predictor._scorer.embed_classes(predictor.vocabulary(BASE))
        expected = base_probabilities(self.embeddings(predictor, path), classes, tau=0.05)  # type: ignore[arg-type]
        assert probabilities(answer(predictor, path, BASE), BASE) == pytest.approx(expected[0].tolist(), abs=1e-5)

    @pytest.mark.parametrize("names", [NOVEL, BASE + NOVEL])
    def test_any_novel_name_sends_all_down_the_novel_path(
        self, predictor: Predictor, tiny_world: TinyWorld, tiny_run: Path, names: tuple[str, ...]
    ) -> None:
        path, chosen = tiny_world.clip(BASE[1]), load_calibration(tiny_run)
        assert chosen is not None
        classes = predictor._scorer.embed_classes(predictor.vocabulary(names))
        expected = novel_probabilities(self.embeddings(predictor, path), classes, chosen)  # type: ignore[arg-type]
        assert probabilities(answer(predictor, path, names), names) == pytest.approx(expected[0].tolist(), abs=1e-5)


class TestPrecision:
    """The numbers of the encoders' products; the rest of the network, and what is asked, stay the same."""

    @pytest.mark.parametrize(("dtype", "apart"), [("fp32", 1e-5), ("bf16", 0.1)])
    def test_answers_are_those_of_the_trained_network(
        self, tiny_run: Path, tiny_world: TinyWorld, dtype: str, apart: float
    ) -> None:
        from openmov.data.loader import collate
        from openmov.data.records import Record

        chosen, path = Predictor.from_run(tiny_run, device="cpu", dtype=dtype), tiny_world.clip(BASE[0])
        settings = chosen.settings(chosen.vocabulary(BASE))
        assert (settings.device, settings.dtype) == ("cpu", dtype)
        run = load_run(tiny_run, None)
        network, classes = load_trained(run.components, run.folder.best).eval(), chosen.vocabulary(BASE)
        batch = collate([chosen._reader.evaluation_clip(Record(str(path), path))], chosen._scorer.modalities)
        with torch.no_grad():
            expected = base_probabilities(network(batch), chosen._scorer.embed_classes(classes), tau=0.05)[0]
        assert probabilities(answer(chosen, path, BASE), BASE) == pytest.approx(expected.tolist(), abs=apart)

    def test_a_device_that_is_not_there_is_said_in_one_line(self, tiny_run: Path) -> None:
        with pytest.raises(RecipeError, match="--device: cuda:99 is not available here; write auto or cpu"):
            Predictor.from_run(tiny_run, device="cuda:99")


class TestManyFiles:
    def test_answers_do_not_depend_on_what_was_asked_before(self, predictor: Predictor, tiny_world: TinyWorld) -> None:
        first = answer(predictor, tiny_world.clip(BASE[0]), BASE)
        answer(predictor, tiny_world.clip(NOVEL[0]), NOVEL)
        again = answer(predictor, tiny_world.clip(BASE[0]), BASE)
        assert again == first
        assert again.answers != answer(predictor, tiny_world.clip(NOVEL[0]), BASE).answers

    def test_the_next_file_is_not_touched_before_it_is_asked_for(
        self, predictor: Predictor, tiny_world: TinyWorld, tmp_path: Path
    ) -> None:
        later = tmp_path / "later.mp4"
        answers = predictor.predict([tiny_world.clip(BASE[0]), later], predictor.vocabulary(BASE))
        assert isinstance(next(answers), Prediction)
        later.write_bytes(tiny_world.clip(BASE[1]).read_bytes())
        assert isinstance(next(answers), Prediction)

    def test_names_that_cannot_be_embedded_fail_before_a_file_is_opened(self, tmp_path: Path) -> None:
        closed = make_tiny_clip_folder(tmp_path / "clip", image_size=64, patch_size=16, max_positions=32)
        recipe = load_recipe("kinetics700", [f"backbone.name={closed}", *_FRAMES_ALONE])
        predictor = Predictor.from_backbone(recipe, views=(1, 1))
        with pytest.raises(BackboneError, match="does not know the words"):
            next(predictor.predict([tmp_path / "no.mp4"], predictor.vocabulary(["yodelling"], "none")))
        (failed,) = predictor.predict([tmp_path / "no.mp4"], predictor.vocabulary(["star"], "none"))
        assert isinstance(failed, DecodeError)

    def test_fewer_answers_than_one_are_a_mistake(self, predictor: Predictor) -> None:
        with pytest.raises(ValueError, match="top is 0"):
            next(predictor.predict([], predictor.vocabulary(BASE), top=0))


_FRAMES_ALONE = ("model.method=video_only", "model.modalities=[video]")


def test_memory_does_not_grow_with_the_length_of_the_video(tiny_world: TinyWorld, tmp_path: Path) -> None:
    """4 x 3 views of ten times the pictures. Decoded pictures are arrays of NumPy, which tells tracemalloc of each."""
    recipe = load_recipe("kinetics700", [f"backbone.name={tiny_world.backbone}", *_FRAMES_ALONE, *_SMALL])
    predictor = Predictor.from_backbone(recipe, views=(4, 3))
    peaks = []
    for seconds in (3, 30):
        path = tmp_path / f"{seconds}.mp4"
        write_clip(path, block_over_texture(10 * seconds, step_px=0), 10.0, None)
        answer(predictor, path, ("a", "b"))  # class names, first imports
        tracemalloc.start()
        answer(predictor, path, ("a", "b"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0], peaks


_SMALL = ("video.num_frames=4", "video.short_side=64", "video.crop_size=64")


class TestRuns:
    def test_another_backbone_is_refused(self, tiny_run: Path, tmp_path: Path) -> None:
        other = make_tiny_clip_folder(tmp_path / "clip", image_size=64, patch_size=16, open_vocabulary=True, seed=9)
        with pytest.raises(CheckpointError, match="was trained with the backbone"):
            Predictor.from_run(tiny_run, backbone=str(other))

    def test_loaded_weights_are_those_of_the_best_checkpoint(self, tiny_run: Path, predictor: Predictor) -> None:
        from openmov.runtime.checkpoint import load_checkpoint

        weights, header = load_checkpoint(load_run(tiny_run, None).folder.best)
        loaded = load_trained(load_run(tiny_run, None).components, load_run(tiny_run, None).folder.best).trained_state()
        mine = dict(predictor._scorer.model.named_parameters())
        heads = [name for name in weights if name.startswith(("heads.", "fusion."))]  # encoders are rearranged
        assert header.provenance.base_classes == BASE
        assert len(heads) > 10
        assert all(torch.equal(mine[f"model.{name}"], weights[name]) for name in heads)
        assert all(torch.equal(loaded[name], weights[name]) for name in weights)
