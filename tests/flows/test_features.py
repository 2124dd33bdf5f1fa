"""Frozen work done once: prepare --features, then train and evaluate from the folder, and what that must not change."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from openmov import build as wiring_module
from openmov.build import Components, build_components
from openmov.cli import run
from openmov.config.load import change_recipe, load_recipe
from openmov.config.schema import Recipe
from openmov.data.loader import TrainLoader
from openmov.media.decode.source import Source
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.encoders import FrozenFrameEncoder
from openmov.runtime.checkpoint import load_checkpoint
from openmov.runtime.run_folder import RunFolder
from openmov.training.data import load_base
from openmov.training.loop import train
from openmov.training.objective import BaseObjective
from tiny_backbones import make_tiny_clip_folder
from tiny_training import PROVENANCE, metrics_of
from tiny_world import COUNTS, TinyWorld

VIDEO_ONLY = ("model.method=video_only", "model.modalities=[video]")
WITH_SOUND = ("model.modalities=[video,audio]",)
WITH_FLOW = ("model.modalities=[video,flow]", "flow.tvl1.num_scales=1")
FRAMES = 4
BF16_TOLERANCE = 0.01
"""Largest difference of a step's loss, relative, between embeddings kept in bf16 and in fp32: decision 30."""


def settings(*changes: str) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def gathered(world: TinyWorld, folder: Path, *changes: str) -> Path:
    lists = ["--recipe", str(world.recipe), "--manifest", str(world.manifest), "--cache", str(world.cache)]
    options = ["--engine", "threads", "--workers", "1", "--limit", "0", *settings(*VIDEO_ONLY, *changes)]
    assert run(["prepare", *lists, *options, "--features", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def features(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gathered(tiny_world, tmp_path_factory.mktemp("features") / "fp32")


def trained(components: Components, world: TinyWorld, out: Path) -> list[dict[str, Any]]:
    """Losses and gradients of every step of the recipe's training; its folder has the weights."""
    data, folder = load_base(world.manifest, world.vocabulary, 0), RunFolder.create(out, {}, "f", resume=False)
    objective = BaseObjective(components.class_embedder()(data.vocabulary), 0.5, components.tau)
    source = TrainLoader(components.dataset(), data.train, 0, 1)
    train(components.network(), source, objective, components.recipe.training, folder, PROVENANCE, progress=False)
    return metrics_of(folder)


def last_weights(out: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(RunFolder.open(out).last)[0]


class TestSameLosses:
    @pytest.fixture
    def a_view_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The frozen encoder gets the frames of one view, as it does where they are stored."""
        monkeypatch.setattr(wiring_module, "ENCODER_CHUNK", FRAMES)

    @pytest.mark.usefixtures("a_view_at_a_time")
    @pytest.mark.parametrize("changes", [VIDEO_ONLY, WITH_FLOW, WITH_SOUND], ids=["video", "and flow", "and sound"])
    def test_losses_without_the_video_encoder_are_bit_identical_to_those_on_the_fly(
        self, tiny_world: TinyWorld, features: Path, tmp_path: Path, changes: Sequence[str]
    ) -> None:
        recipe = change_recipe(load_recipe(tiny_world.recipe), changes)
        fresh, stored = build_components(recipe, None), build_components(recipe, tmp_path / "cache", features)
        assert "video" in fresh.network().encoders
        assert "video" not in stored.network().encoders
        losses = [trained(one, tiny_world, tmp_path / name) for one, name in ((fresh, "fresh"), (stored, "stored"))]
        assert losses[0] == losses[1]
        assert len(losses[0]) == 2 * (3 + 1)
        mine, theirs = last_weights(tmp_path / "fresh"), last_weights(tmp_path / "stored")
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
        assert stored.frozen_embedder._encoder is None  # no copy of it was ever made

    @pytest.mark.usefixtures("a_view_at_a_time")
    def test_other_views_give_other_losses(self, tiny_world: TinyWorld, features: Path, tmp_path: Path) -> None:
        recipe = change_recipe(load_recipe(tiny_world.recipe), VIDEO_ONLY)
        other = change_recipe(recipe, ["views.first_seed=1", "views.train_seeds=1"])
        losses = [
            trained(build_components(one, None, features), tiny_world, tmp_path / str(number))
            for number, one in enumerate((recipe, other))
        ]
        assert losses[0] != losses[1]

    def test_bf16_stays_within_the_tolerance(self, tiny_world: TinyWorld, features: Path, tmp_path: Path) -> None:
        half = gathered(tiny_world, tmp_path / "bf16", "views.features=bf16")
        sizes = [(folder / "train-0.safetensors").stat().st_size for folder in (half, features)]
        assert 1.4 * sizes[0] < sizes[1] < 2 * sizes[0]  # each with its header and checksums
        recipe = change_recipe(load_recipe(tiny_world.recipe), VIDEO_ONLY)
        rounded = change_recipe(recipe, ["views.features=bf16"])
        exact = trained(build_components(recipe, None, features), tiny_world, tmp_path / "exact")
        near = trained(build_components(rounded, None, half), tiny_world, tmp_path / "near")
        apart = [abs(a["loss"] - b["loss"]) / a["loss"] for a, b in zip(exact, near, strict=True) if "loss" in a]
        assert 0 < max(apart) < BF16_TOLERANCE


def test_a_video_head_is_trained_and_measured_without_a_video(
    tiny_world: TinyWorld, features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list, the names and the features are all there is: no clip, no cache."""
    manifest, vocabulary = shutil.copy(tiny_world.manifest, tmp_path), shutil.copy(tiny_world.vocabulary, tmp_path)
    lists = ["--manifest", str(manifest), "--vocabulary", str(vocabulary), "--cache", str(tmp_path / "none")]
    more = ["--features", str(features), "--workers", "1"]

    def refuse(*given: object, **named: object) -> None:
        raise AssertionError("a video was opened or embedded")

    monkeypatch.setattr(Source, "__init__", refuse)
    monkeypatch.setattr(FrozenFrameEncoder, "__init__", refuse)
    recipe = ["--recipe", str(tiny_world.recipe), *settings(*VIDEO_ONLY)]
    out = tmp_path / "run"
    assert run(["train", *recipe, *lists, *more, "--out", str(out)]) == 0
    assert json.loads((out / "data.json").read_text())["train_clips"] == COUNTS["train"] * 3
    assert run(["evaluate", str(out), *lists, *more]) == 0
    assert run(["evaluate", str(out), *lists, "--workers", "1"]) == 2  # without them the clips are missed


def test_the_same_run_comes_of_the_cache(tiny_world: TinyWorld, features: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "features", tmp_path / "cache"
    assert run(tiny_world.train(one, *settings(*WITH_FLOW), "--features", str(features))) == 0
    assert run(tiny_world.train(other, *settings(*WITH_FLOW))) == 0
    assert metrics_of(RunFolder.open(one)) == metrics_of(RunFolder.open(other))


class TestRefused:
    def test_a_flipped_bit_is_named_and_not_trained_on(
        self, tiny_world: TinyWorld, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        damaged = Path(shutil.copytree(features, tmp_path / "damaged"))
        content = bytearray((damaged / "train-0.safetensors").read_bytes())
        content[4096] ^= 1  # behind the header, of a base class: those of novel ones are never read
        (damaged / "train-0.safetensors").write_bytes(content)
        assert run([*tiny_world.train(tmp_path / "run", *settings(*VIDEO_ONLY)), "--features", str(damaged)]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert str(damaged / "train-0.safetensors") in line
        assert "holds other bytes for clips/" in line

    def test_another_backbone_is_refused_naming_both(
        self, tiny_world: TinyWorld, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = tmp_path / "other"
        make_tiny_clip_folder(other, image_size=64, patch_size=16, open_vocabulary=True, max_positions=32, seed=5)
        mine, theirs = (CLIPBackbone.load(str(folder)) for folder in (tiny_world.backbone, other))
        arguments = tiny_world.train(tmp_path / "run", *settings(*VIDEO_ONLY, f"backbone.name={other}"))
        assert run([*arguments, "--features", str(features)]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        for word in (str(features), mine.name, mine.identity, theirs.name, theirs.identity, "prepare --features"):
            assert word in line
        assert not (tmp_path / "run").exists()

    def test_another_view_seed_is_refused_naming_both(
        self, tiny_world: TinyWorld, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = tiny_world.train(tmp_path / "run", *settings(*VIDEO_ONLY, "views.first_seed=2"))
        assert run([*arguments, "--features", str(features)]) == 2
        said = capsys.readouterr().err
        assert "holds the views of seeds 0 to 1, and the recipe asks for seeds 2 to 3" in said

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            (["--shard", "1/2"], "gathers the whole list"),
            (settings("model.method=flow_only", "model.modalities=[flow]"), "looks at no video"),
        ],
    )
    def test_what_cannot_be_gathered(
        self, tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
    ) -> None:
        lists = ["--recipe", str(tiny_world.recipe), "--manifest", str(tiny_world.manifest)]
        out = tmp_path / "features"
        assert run(["prepare", *lists, "--cache", str(tmp_path / "cache"), *more, "--features", str(out)]) == 2
        assert said in capsys.readouterr().err
        assert not out.exists()


def test_videos_without_pictures_are_named(
    tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tiny_world.clips(("star moving left",), "train")[0]
    shutil.copy(clip, tmp_path / "good.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,label,split\ngood.mp4,star moving left,train\nbad.mp4,star moving left,test\n")
    lists = ["--recipe", str(tiny_world.recipe), "--manifest", str(manifest), "--cache", str(tmp_path / "cache")]
    options = ["--engine", "threads", "--workers", "1", "--limit", "0", *settings(*VIDEO_ONLY), "--json"]
    assert run(["prepare", *lists, *options, "--features", str(tmp_path / "features")]) == 2
    said = json.loads(capsys.readouterr().out)["features"]
    assert (said["videos"], said["without"]) == (1, ["bad.mp4"])


def test_a_recipe_says_how_features_are_kept(tiny_world: TinyWorld) -> None:
    recipe: Recipe = load_recipe(tiny_world.recipe)
    assert (recipe.views.features, recipe.views.first_seed) == ("fp32", 0)
