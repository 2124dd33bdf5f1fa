"""From arguments to a Predictor."""

from pathlib import Path

import pytest

import openmov
from openmov.config.schema import BackboneConfig
from openmov.errors import DecodeError, RecipeError
from openmov.inference.options import Choices
from openmov.inference.predict import load, parse_views, predict, predictor_for
from openmov.model.backbones import load_backbone
from openmov.text.vocabulary import Vocabulary
from tiny_backbones import make_tiny_clip_folder
from tiny_world import BASE, NOVEL, TinyWorld


class TestViews:
    @pytest.mark.parametrize(("text", "counts"), [("1x1", (1, 1)), ("4x3", (4, 3)), ("12x1", (12, 1)), (None, None)])
    def test_clips_by_crops(self, text: str | None, counts: tuple[int, int] | None) -> None:
        assert parse_views(text) == counts

    @pytest.mark.parametrize("text", ["", "4", "x", "4x", "x3", "4x2", "0x1", "-1x3", "4x3x1", "4 x 3", "²x1", "axb"])
    def test_nothing_else(self, text: str) -> None:
        with pytest.raises(RecipeError, match=r"--views: .* write 1x1, 4x1 or 4x3"):
            parse_views(text)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A backbone for pictures of 32."""
    return str(make_tiny_clip_folder(tmp_path_factory.mktemp("clip") / "small", open_vocabulary=True))


class TestWithoutARun:
    def test_frames_alone_are_answered_by_the_frozen_backbone(self, small: str) -> None:
        predictor = load(backbone=small, views="2x1")
        settings = predictor.settings(predictor.vocabulary(["a"]))
        assert (settings.path, settings.views) == ("frozen", "2x1")
        assert settings.tau == pytest.approx(0.05)

    def test_more_modalities_take_the_novel_path_with_the_papers_values(self, small: str) -> None:
        predictor = load(backbone=small, modalities="video,flow,audio")
        settings = predictor.settings(predictor.vocabulary(["a"]))
        assert (settings.path, settings.beta, settings.tau_x, settings.tau_v) == ("novel", 0.25, 0.01, 0.003)
        assert settings.calibrated is False

    def test_pictures_have_the_size_the_backbone_was_made_for(self, small: str) -> None:
        video = load(backbone=small)._components.recipe.video
        assert (video.crop_size, video.short_side) == (32, 37)  # 224 of 256
        chosen = load(backbone=small, overrides=["video.crop_size=64", "video.num_frames=2"])._components.recipe.video
        assert (chosen.crop_size, chosen.num_frames) == (64, 2)

    def test_looks_as_closely_as_the_preset_says_and_as_views_say(self, small: str) -> None:
        def looks(**chosen: str) -> tuple[str, str | None]:
            settings = load(backbone=small, **chosen).settings(Vocabulary((), ("a",)))
            return settings.views, settings.preset

        assert looks() == ("4x1", "standard")
        assert looks(preset="fast") == ("2x1", "fast")
        assert looks(preset="fast", views="4x3") == ("4x3", "paper")
        assert looks(preset="paper", views="1x1") == ("1x1", None)

    def test_presets_and_precisions_of_nonsense_are_refused(self, small: str) -> None:
        with pytest.raises(RecipeError, match="--preset: 'quick' is not known"):
            load(backbone=small, preset="quick")
        with pytest.raises(RecipeError, match="--dtype: 'fp8' is not known"):
            load(backbone=small, dtype="fp8")

    @pytest.mark.parametrize("modalities", ["", "flow,audio", "video,smell", "video;flow"])
    def test_modalities_without_video_are_refused_before_anything_is_loaded(self, modalities: str) -> None:
        with pytest.raises(RecipeError, match="--modalities: "):
            predictor_for(Choices(backbone="nobody/nothing", modalities=modalities))


class TestBackboneChoice:
    @pytest.mark.parametrize("asked", [None, "auto"])
    def test_nobody_named_one(self, asked: str | None, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            "openmov.inference.predict.load_default", lambda **_: load_backbone(BackboneConfig(name=small))
        )
        assert predictor_for(Choices(backbone=asked, views="1x1")).backbone[0] == small

    def test_a_named_one_is_taken(self, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("openmov.inference.predict.load_default", lambda **_: pytest.fail("was asked"))
        assert predictor_for(Choices(backbone=small, views="1x1")).backbone[0] == small

    def test_a_run_keeps_its_own(self, tiny_run: Path, tiny_world: TinyWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("openmov.inference.predict.load_default", lambda **_: pytest.fail("was asked"))
        for asked in (None, "auto"):
            assert predictor_for(Choices(tiny_run, asked)).backbone[0] == str(tiny_world.backbone)


class TestFunction:
    def test_answers_and_errors_come_in_order(self, tiny_world: TinyWorld, tiny_run: Path, tmp_path: Path) -> None:
        first, second = tiny_world.clip(BASE[0]), tiny_world.clip(NOVEL[0])
        answers = predict([first, tmp_path / "no.mp4", second], BASE + NOVEL, run=tiny_run, top=1)
        assert isinstance(answers[1], DecodeError)
        found = [answer for answer in answers if isinstance(answer, openmov.Prediction)]
        assert [answer.path for answer in found] == [first, second]
        assert all(len(answer.answers.names) == 1 for answer in found)
