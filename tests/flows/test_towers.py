"""Answers from pretrained towers as people ask for them: from pictures and sound, before anybody trained anything."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import openmov
from openmov.cli import run
from openmov.inference.options import Choices
from openmov.inference.predict import components_without_run
from openmov.media.encode import write_clip
from openmov.model.backbones import ModelSource
from openmov.model.backbones.base import SoundEncoder, SoundTower
from openmov.types import Modality
from tiny_media import RATE_FPS, RATE_HZ, numbered, tone
from tiny_towers import (
    make_tiny_clap_folder,
    make_tiny_pe_av_folder,
    make_tiny_videoprism_folder,
    make_tiny_xclip_folder,
)
from tiny_world import BASE, NOVEL, TinyWorld

NAMES = (*BASE, *NOVEL)
LABELS = ",".join(NAMES)


@dataclass(frozen=True)
class Towers:
    """Folders of tiny towers, and of files to ask them about."""

    clap: Path
    pe_av: Path
    xclip: Path
    videoprism: Path
    silent: Path
    """A video without sound."""
    heard: Path
    """Sound alone."""
    long: Path
    """A video of 4 s, whose tone changes from second to second."""


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Towers:
    root = tmp_path_factory.mktemp("towers")
    found = Towers(
        make_tiny_clap_folder(root / "clap"),
        make_tiny_pe_av_folder(root / "pe_av"),
        make_tiny_xclip_folder(root / "xclip", num_frames=4),
        make_tiny_videoprism_folder(root / "videoprism"),
        root / "silent.mp4",
        root / "heard.mp4",
        root / "long.mp4",
    )
    write_clip(found.silent, numbered(12), RATE_FPS, None)
    write_clip(found.heard, None, RATE_FPS, tone(700, 1.0), RATE_HZ)
    changing = np.concatenate([tone(hz, 1.0) for hz in (300, 600, 900, 1200)])
    write_clip(found.long, np.concatenate([numbered(14)] * 3)[:40], RATE_FPS, changing, RATE_HZ)
    return found


def asked(files: Sequence[Path], world: TinyWorld, sound: Path | str | None, *more: str) -> list[str]:
    heard = () if sound is None else ("--sound", str(sound))
    here = ("--limit", "0", "--backbone", str(world.backbone))  # files are opened in this process: faster
    return ["predict", *map(str, files), "--labels", LABELS, *here, *heard, *more]


def told(command: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*command, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


class PitchEncoder(SoundEncoder):
    """Tells the tones of the tiny world apart: the k-th is at 300 (k + 1) Hz."""

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft(samples).abs()
        hertz = spectrum.argmax(dim=1) * (RATE_HZ / samples.shape[1])
        return torch.eye(len(NAMES))[(hertz / 300).round().long().clamp(1, len(NAMES)) - 1]


class PitchTower:
    """A sound tower with made-up weights in which sound k means name k."""

    source = ModelSource("mit")
    name, family, identity, dim, temperature, cosine, prompts = "pitch", "Pitch", "p1tch", 5, 0.05, True, "none"
    rate_hz, longest_seconds = RATE_HZ, 2.0

    def embed_text(self, sentences: Sequence[str]) -> torch.Tensor:
        return torch.eye(len(NAMES))[[NAMES.index(sentence) for sentence in sentences]]

    def sound_encoder(self) -> PitchEncoder:
        return PitchEncoder()


@pytest.fixture
def pitch(monkeypatch: pytest.MonkeyPatch) -> str:
    assert isinstance(PitchTower(), SoundTower)
    monkeypatch.setattr("openmov.build.load_sound_tower", lambda *_, **__: PitchTower())
    return "pitch"


class TestTrust:
    def test_calibrated_sound_wins_where_the_pictures_of_a_random_clip_know_nothing(
        self, tiny_world: TinyWorld, pitch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        weights = tmp_path / "weights.json"
        assert run([*self.calibration(tiny_world, weights), "--split", "train"]) == 0
        said = capsys.readouterr().out
        assert "on 15 clips: together 100.0%, pictures alone" in said
        assert f"{weights}" in said
        chosen = json.loads(weights.read_text())
        assert chosen["beta"] > 0
        assert chosen["sound"] == {"name": "pitch", "identity": "p1tch"}
        clips = tiny_world.clips(NAMES, "test")
        answers = told(asked(clips, tiny_world, pitch, "--weights", str(weights)), capsys)
        labels = [name for name in NAMES for _ in range(2)]
        assert [one["answers"][0]["name"] for one in answers["predictions"]] == labels
        assert answers["settings"]["calibrated"] is True
        assert answers["settings"]["beta"] == chosen["beta"]

    def test_uncalibrated_it_counts_for_a_quarter_and_both_answers_are_shown(
        self, tiny_world: TinyWorld, pitch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        clip, page = tiny_world.clip(NOVEL[0]), tmp_path / "page.html"
        answers = told(asked([clip], tiny_world, pitch, "--report", str(page)), capsys)
        (one,) = answers["predictions"]
        assert answers["sound"]["name"] == "pitch"
        assert answers["sound"]["licence"] == "mit"
        assert answers["sound"]["confident_lead"] == pytest.approx(1 / 3)
        assert one["weights"] == {"video": 0.75, "audio": 0.25}
        assert one["modalities"] == ["video", "audio"]
        assert one["by_modality"]["audio"][0]["name"] == NOVEL[0]
        told_of = {p["name"]: p["probability"] for p in one["answers"]}
        streams = [{p["name"]: p["probability"] for p in one["by_modality"][s]} for s in ("video", "audio")]
        for name, probability in told_of.items():
            assert probability == pytest.approx(0.75 * streams[0][name] + 0.25 * streams[1][name], abs=1e-6)
        text = page.read_text()
        assert f"Answered by {tiny_world.backbone} and, of the sound, pitch" in text
        assert "video alone (weight 0.75)" in text
        assert "sound alone (weight 0.25)" in text
        assert "leads their second by 0.33 or less" in text
        assert json.loads(page.with_suffix(".json").read_text()) == {"made_by": "openmov", **answers}
        assert run(asked([clip], tiny_world, pitch)) == 0
        printed = capsys.readouterr()
        assert "  pictures alone (0.75): " in printed.out
        assert f"  sound alone (0.25): {NOVEL[0]} 100.0%" in printed.out
        assert "sound: pitch (p1tch, licence mit)" in printed.err

    def test_the_pictures_answer_is_what_they_say_without_the_sound(
        self, tiny_world: TinyWorld, pitch: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        clip = tiny_world.clip(BASE[0])
        alone = told(asked([clip], tiny_world, None), capsys)["predictions"][0]["answers"]
        beside = told(asked([clip], tiny_world, pitch), capsys)["predictions"][0]["by_modality"]["video"]
        assert [one["name"] for one in alone] == [one["name"] for one in beside]
        assert [one["probability"] for one in alone] == pytest.approx([one["probability"] for one in beside], abs=1e-6)

    def test_the_weight_can_be_set(self, tiny_world: TinyWorld, pitch: str, capsys: pytest.CaptureFixture[str]) -> None:
        command = asked([tiny_world.clip(BASE[1])], tiny_world, pitch, "--set", "prediction.beta=1")
        answers = told(command, capsys)
        assert answers["predictions"][0]["answers"][0] == {"name": BASE[1], "probability": pytest.approx(1)}
        assert answers["sound"]["confident_lead"] is None

    @staticmethod
    def calibration(world: TinyWorld, out: Path) -> list[str]:
        lists = ["calibrate", str(world.manifest), "--out", str(out), "--views", "1x1", "--limit", "0"]
        return [*lists, "--backbone", str(world.backbone), "--sound", "pitch"]

    def test_unreadable_clips_are_named_and_the_rest_decides(
        self, tiny_world: TinyWorld, pitch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in NAMES[:2]:
            shutil.copy(tiny_world.clip(name), tmp_path)
        (tmp_path / "broken.mp4").write_bytes(b"no film")
        rows = [f"{tiny_world.clip(name).name},{name},val" for name in NAMES[:2]] + [f"broken.mp4,{NAMES[0]},val"]
        manifest = tmp_path / "some.csv"
        manifest.write_text("\n".join(["path,label,split", *rows]) + "\n")
        command = self.calibration(tiny_world, tmp_path / "weights.json")
        command[1] = str(manifest)
        assert run([*command, "--json"]) == 2
        printed = capsys.readouterr()
        assert json.loads(printed.out)["num_clips"] == 2
        assert printed.err.splitlines()[-1] == "openmov: 1 of 3 clips could not be read"


class TestCLAP:
    def test_a_file_without_sound_is_answered_from_its_pictures_and_one_without_pictures_from_its_sound(
        self, tiny_world: TinyWorld, towers: Towers, capsys: pytest.CaptureFixture[str]
    ) -> None:
        answers = told(asked([towers.silent, towers.heard], tiny_world, towers.clap), capsys)
        silent, heard = answers["predictions"]
        assert silent["weights"] == {"video": 1.0}
        assert silent["notes"] == ["no sound in it: answered from its pictures alone"]
        assert heard["weights"] == {"audio": 1.0}
        assert heard["notes"] == ["no pictures in it: answered from its sound alone"]
        assert heard["answers"] == heard["by_modality"]["audio"]

    def test_windows_of_a_longer_sound_are_averaged(
        self, tiny_world: TinyWorld, towers: Towers, pitch: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two views of four seconds, of which the tower hears one at a time: the first and the last, half each."""
        monkeypatch.setattr(PitchTower, "longest_seconds", 1.0)
        predictor = openmov.load(backbone=str(tiny_world.backbone), sound=pitch, views="2x1")
        (one,) = predictor.predict([towers.long], predictor.vocabulary(NAMES))
        heard = one.by_modality["audio"]
        assert set(heard.names[:2]) == {NAMES[0], NAMES[3]}
        assert heard.probabilities[:2] == pytest.approx((0.5, 0.5), abs=1e-3)

    def test_timeline_and_none_of_these(
        self, tiny_world: TinyWorld, pitch: str, towers: Towers, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = asked([towers.long], tiny_world, pitch, "--timeline", "--window", "1", "--set", "prediction.beta=1")
        answers = told([*command, "--hop", "1"], capsys)
        assert answers["sound"]["name"] == "pitch"
        windows = answers["timelines"][0]["windows"]
        assert [one["answers"][0]["name"] for one in windows] == list(NAMES[:4])
        assert all(one["modalities"] == ["video", "audio"] for one in windows)
        known = [*command, "--unknown", "--labels", NAMES[1], "--background", ",".join((NAMES[0], *NAMES[2:]))]
        known.remove(LABELS)
        known.remove("--labels")
        segments = told([*known, "--hop", "1", "--min-segment", "0"], capsys)["timelines"][0]["segments"]
        assert [one["none_of_these"] for one in segments] == [True, False, True]

    def test_class_vectors_are_kept_under_the_towers_identity(
        self, tiny_world: TinyWorld, towers: Towers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(2):
            predictor = openmov.load(
                backbone=str(tiny_world.backbone), sound=str(towers.clap), views="1x1", cache=tmp_path
            )
            assert len(list(predictor.predict([tiny_world.clip(BASE[0])], predictor.vocabulary(NAMES)))) == 1
            assert len(list((tmp_path / "labels").iterdir())) == 2  # one of the pictures, one of the sound
            monkeypatch.setattr("openmov.model.backbones.clap.CLAPTower.embed_text", _never)


def _never(*_: object) -> torch.Tensor:
    raise AssertionError("names were embedded again")


class TestWholeClips:
    @pytest.mark.parametrize("family", ["xclip", "videoprism", "pe_av"])
    def test_they_answer(
        self, tiny_world: TinyWorld, towers: Towers, family: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = asked([tiny_world.clip(BASE[0])], tiny_world, None, "--prompts", "none")
        command[command.index("--backbone") + 1] = str(getattr(towers, family))
        answers = told(command, capsys)
        (one,) = answers["predictions"]
        assert sum(answer["probability"] for answer in one["answers"]) == pytest.approx(1, abs=1e-5)
        heard = family == "pe_av"
        assert one["modalities"] == (["video", "audio"] if heard else ["video"])
        assert set(one["by_modality"]) == ({"video", "audio", "both"} if heard else set())
        assert answers["settings"]["path"] == ("towers" if heard else "frozen")
        assert told([*command, "--timeline"], capsys)["timelines"][0]["segments"]

    @pytest.mark.parametrize(("modalities", "used"), [("video", ["video"]), ("audio", ["audio"])])
    def test_pe_av_from_one_of_the_two(
        self,
        tiny_world: TinyWorld,
        towers: Towers,
        modalities: str,
        used: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        command = asked([tiny_world.clip(BASE[0])], tiny_world, None, "--modalities", modalities)
        command[command.index("--backbone") + 1] = str(towers.pe_av)
        (one,) = told(command, capsys)["predictions"]
        assert one["modalities"] == used
        assert sum(answer["probability"] for answer in one["answers"]) == pytest.approx(1, abs=1e-5)

    def test_they_look_at_the_whole_video_with_their_own_number_of_frames(self, towers: Towers) -> None:
        recipe = components_without_run(Choices(backbone=str(towers.xclip))).recipe
        assert (recipe.video.num_frames, recipe.video.sampling, recipe.video.crop_size) == (4, "whole", 32)
        changed = components_without_run(
            Choices(backbone=str(towers.xclip), overrides=("video.sampling=stride",))
        ).recipe
        assert (changed.video.num_frames, changed.video.sampling) == (4, "stride")

    def test_a_clap_beside_an_x_clip(self, tiny_world: TinyWorld, towers: Towers) -> None:
        predictor = openmov.load(backbone=str(towers.xclip), sound=str(towers.clap))
        assert predictor.hears
        (one,) = predictor.predict([tiny_world.clip(BASE[0])], predictor.vocabulary(NAMES))
        assert one.weights == {"video": 0.75, "audio": 0.25}
        assert one.modalities == (Modality.VIDEO, Modality.AUDIO)


def without(folder: Path, copy: Path, name: str) -> Path:
    shutil.copytree(folder, copy)
    (copy / name).unlink()
    return copy


class TestBadInput:
    """One line, exit code 2."""

    def refused(self, command: list[str], phrase: str, capsys: pytest.CaptureFixture[str]) -> None:
        capsys.readouterr()
        assert run(command) == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("openmov: ")]
        assert len(lines) == 1
        assert phrase in lines[0]

    def test_a_sound_tower_for_pictures_and_the_other_way_round(
        self, tiny_world: TinyWorld, towers: Towers, capsys: pytest.CaptureFixture[str]
    ) -> None:
        clip = tiny_world.clip(BASE[0])
        swapped = asked([clip], tiny_world, None)
        swapped[swapped.index("--backbone") + 1] = str(towers.clap)
        self.refused(swapped, "understands sound, not pictures", capsys)
        for tower in (tiny_world.backbone, towers.xclip):
            self.refused(asked([clip], tiny_world, tower), "understands pictures, not sound", capsys)

    def test_options_that_do_not_go_together(
        self, tiny_world: TinyWorld, towers: Towers, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        clip, clap = tiny_world.clip(BASE[0]), towers.clap
        for more, phrase in (
            (["--run", str(tiny_run)], "--sound: is given with a trained run"),
            (["--modalities", "video"], "--modalities video has no audio"),
            (["--modalities", "video,flow,audio"], "is given with flow, which means nothing before training"),
            (["--modalities", "audio", "--weights", "w.json"], "weighs sound against pictures, and none are looked at"),
        ):
            self.refused(asked([clip], tiny_world, clap, *more), phrase, capsys)
        for more, phrase in (
            (["--weights", "w.json"], "weighs sound against pictures, and nothing hears"),
            (["--modalities", "audio"], "'audio' is not video alone"),
            (["--run", str(tiny_run), "--set", f"backbone.sound={clap}"], "takes no part in training"),
        ):
            self.refused(asked([clip], tiny_world, None, *more), phrase, capsys)
        trained = tiny_world.train(tmp_path / "out", "--set", f"backbone.sound={clap}")
        self.refused(trained, "backbone.sound: names a pretrained sound tower", capsys)
        assert not (tmp_path / "out").exists()
        bf16 = asked([clip], tiny_world, None, "--dtype", "bf16")
        bf16[bf16.index("--backbone") + 1] = str(towers.xclip)
        self.refused(bf16, "embeds clips in fp32 alone", capsys)

    def test_weights_of_something_else(
        self, tiny_world: TinyWorld, towers: Towers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "weights.json"
        command = asked([tiny_world.clip(BASE[0])], tiny_world, towers.clap, "--weights", str(file))
        self.refused(command, "cannot be read", capsys)
        fields = {"kind": "openmov weights of towers", "beta": 0.5, "tau_x": 0.1, "tau_v": 0.1}
        for content, phrase in (
            ("no JSON", "is not a file of weights"),
            ("[]", "is not a file of weights"),
            (json.dumps(fields | {"beta": 7}), "is not a file of weights"),
            (json.dumps(fields | {"kind": "a recipe"}), "is not a file of weights"),
            (json.dumps(fields | {"backbone": {"name": "b", "identity": "x"}}), "was chosen for another backbone (b)"),
        ):
            file.write_text(content)
            self.refused(command, phrase, capsys)

    def test_folders_that_are_not_whole(
        self, tiny_world: TinyWorld, towers: Towers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cut = tmp_path / "cut"
        shutil.copytree(towers.clap, cut)
        weights = (cut / "model.safetensors").read_bytes()
        (cut / "model.safetensors").write_bytes(weights[: len(weights) // 2])
        some = tmp_path / "some"
        shutil.copytree(towers.clap, some)
        tensors = load_file(some / "model.safetensors")
        save_file(
            {key: value for key, value in tensors.items() if not key.startswith("audio_projection")},
            some / "model.safetensors",
            {"format": "pt"},
        )
        other = tmp_path / "other"
        shutil.copytree(towers.clap, other)
        hearing = json.loads((other / "preprocessor_config.json").read_text()) | {"feature_size": 32}
        (other / "preprocessor_config.json").write_text(json.dumps(hearing))
        unscaled = tmp_path / "unscaled"
        shutil.copytree(towers.pe_av, unscaled)
        tensors = load_file(unscaled / "model.safetensors")
        (scale,) = [key for key in tensors if key.endswith("text_audio_logit_scale")]
        save_file(tensors | {scale: torch.zeros(1)}, unscaled / "model.safetensors", {"format": "pt"})
        for folder, phrase in (
            (cut, "model.safetensors is damaged or cut short"),
            (some, "its weights are incomplete (audio_projection"),
            (other, "gives 32 mel bins, and its sound tower takes others"),
            (without(towers.clap, tmp_path / "dumb", "tokenizer.json"), "holds no tokenizer"),
            (unscaled, "its logit scale is 0, which is not above 0"),
        ):
            self.refused(asked([tiny_world.clip(BASE[0])], tiny_world, folder), phrase, capsys)

    def test_a_pe_av_whose_pictures_need_timm(
        self,
        tiny_world: TinyWorld,
        towers: Towers,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def absent(name: str) -> None:
            raise ImportError(f"No module named {name!r}")

        folder = tmp_path / "published"
        shutil.copytree(towers.pe_av, folder)
        config = json.loads((folder / "config.json").read_text())
        timm = {"model_type": "timm_wrapper", "architecture": "vit_pe_core_tiny_patch16_384"}
        config["audio_video_config"]["video_config"]["vision_config"] = timm
        (folder / "config.json").write_text(json.dumps(config))
        monkeypatch.setattr("openmov.model.backbones.pe_av.import_module", absent)
        command = asked([tiny_world.clip(BASE[0])], tiny_world, None)
        command[command.index("--backbone") + 1] = str(folder)
        self.refused(command, "cannot be imported here (No module named 'timm'); install timm", capsys)
        assert told(asked([tiny_world.clip(BASE[0])], tiny_world, folder), capsys)["sound"]["family"] == "PE-AV"

    def test_nothing_to_calibrate_on(
        self, tiny_world: TinyWorld, pitch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out, manifest = tmp_path / "weights.json", tmp_path / "some.csv"
        command = TestTrust.calibration(tiny_world, out)
        self.refused(command[:-2], "calibrate: weighs sound against pictures, and nothing hears", capsys)
        out.write_text("of the user's own")
        self.refused(command, "does not say that openmov made it", capsys)
        assert out.read_text() == "of the user's own"
        out.unlink()
        command[1] = str(manifest)
        shutil.copy(tiny_world.clip(BASE[0]), tmp_path / "a.mp4")
        (tmp_path / "b.mp4").write_bytes(b"no film")
        manifest.write_text(f"path,label,split\na.mp4,{BASE[0]},val\n")
        self.refused(command, "has clips of 1 classes in its split val, and 2 are needed", capsys)
        manifest.write_text(f"path,label,split\na.mp4,{BASE[0]},test\nb.mp4,{BASE[0]},val\nb.mp4,{BASE[1]},val\n")
        capsys.readouterr()
        assert run(command) == 2
        assert not out.exists()
