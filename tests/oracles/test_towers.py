"""X-CLIP, VideoPrism, CLAP and PE-AV as towers: embeddings and logits equal to transformers' own forward pass."""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from transformers import (
    AutoTokenizer,
    ClapFeatureExtractor,
    ClapModel,
    PeAudioFeatureExtractor,
    VideoPrismClipModel,
    XCLIPModel,
)

from openmov.config.schema import BackboneConfig
from openmov.model.backbones import Backbone, load_backbone, load_sound_tower
from openmov.model.backbones.base import AdaptingClipEncoder, ClipBackbone, HearingBackbone, SoundTower
from openmov.model.backbones.pe_av import PEAVBackbone
from openmov.model.towers import FrozenTowers
from openmov.scoring.towers import TowersRule
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, Modality
from tiny_towers import (
    make_tiny_clap_folder,
    make_tiny_pe_av_folder,
    make_tiny_videoprism_folder,
    make_tiny_xclip_folder,
)

NAMES = ("star moving left", "heart moving up", "ring")
TOLERANCE = {"atol": 1e-5, "rtol": 1e-4}


def loaded(folder: Path) -> Any:
    return load_backbone(BackboneConfig(name=str(folder)))


def frames(backbone: Any, clips: int = 2, seed: int = 0) -> torch.Tensor:
    generator, size = torch.Generator().manual_seed(seed), backbone.image_size
    return torch.randn(clips, backbone.num_frames, 3, size, size, generator=generator)


def wave(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, samples, generator=torch.Generator().manual_seed(seed)) * 0.2


def three_waves() -> torch.Tensor:
    return torch.cat([wave(20_000, seed) for seed in range(3)])


def tokens_of(folder: Path, **how: Any) -> dict[str, torch.Tensor]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer(list(NAMES), padding=how.pop("padding", True), return_tensors="pt", **how)
    return {key: encoded[key] for key in ("input_ids", "attention_mask")}


def answers(network: FrozenTowers, rule: TowersRule, classes: ClassEmbeddings, **inputs: torch.Tensor) -> torch.Tensor:
    """Through `encode_inputs` and `join`, as a timeline does."""
    given = {Modality(name): tensor for name, tensor in inputs.items()}
    rows = {modality: network.encode_inputs(modality, tensor) for modality, tensor in given.items()}
    present = {modality: torch.ones(len(tensor), dtype=torch.bool) for modality, tensor in given.items()}
    return rule(network.join(rows, present), classes, Vocabulary((), NAMES, "none"))


class TestXCLIP:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return make_tiny_xclip_folder(tmp_path / "xclip", num_frames=4)

    def test_it_answers_as_transformers_does(self, folder: Path) -> None:
        backbone = loaded(folder)
        assert isinstance(backbone, Backbone)
        assert isinstance(backbone, ClipBackbone)
        assert backbone.num_frames == 4
        pixels, encoder = frames(backbone), backbone.clip_encoder()
        assert isinstance(encoder, AdaptingClipEncoder)
        with torch.no_grad():
            theirs = XCLIPModel.from_pretrained(folder).eval()(pixel_values=pixels, **tokens_of(folder))
        clips, context = encoder.with_context(pixels)
        unit = torch.nn.functional.normalize
        assert_close(unit(clips, dim=-1), theirs.video_embeds, **TOLERANCE)
        assert_close(unit(encoder.adapt(backbone.embed_text(NAMES), context), dim=-1), theirs.text_embeds, **TOLERANCE)
        network = FrozenTowers(clip=encoder)
        rule = TowersRule(network, {"video": backbone.temperature}, {"video": True})
        text = backbone.embed_text(NAMES)
        found = answers(network, rule, ClassEmbeddings(NAMES, unit(text, dim=-1), None, {"video": text}), video=pixels)
        assert_close(found, theirs.logits_per_video.softmax(dim=-1), **TOLERANCE)
        assert float((found[0] - found[1]).abs().max()) > 1e-3

    def test_a_window_with_fewer_frames_shows_some_of_them_twice(self, folder: Path) -> None:
        backbone = loaded(folder)
        encoder, pixels = backbone.clip_encoder(), frames(loaded(folder), clips=1)[:, :2]
        network = FrozenTowers(clip=encoder)
        present = {Modality.VIDEO: torch.ones(1, dtype=torch.bool)}
        joined = network.join({Modality.VIDEO: network.encode_inputs(Modality.VIDEO, pixels)}, present)
        assert_close(joined.own["video"], encoder(pixels[:, [0, 0, 1, 1]]))


class TestVideoPrism:
    def test_it_embeds_as_transformers_does(self, tmp_path: Path) -> None:
        folder = make_tiny_videoprism_folder(tmp_path / "videoprism")
        backbone = loaded(folder)
        assert isinstance(backbone, ClipBackbone)
        pixels = frames(backbone).sigmoid()
        model = VideoPrismClipModel.from_pretrained(folder).eval()
        encoded = tokens_of(folder, padding="max_length", max_length=16)
        with torch.no_grad():
            theirs = model(pixels, **encoded)
        assert_close(backbone.clip_encoder()(pixels), theirs.video_embeds, **TOLERANCE)
        assert_close(backbone.embed_text(NAMES), theirs.text_embeds, **TOLERANCE)


@pytest.mark.parametrize("fused", [False, True])
class TestCLAP:
    @pytest.fixture
    def folder(self, fused: bool, tmp_path: Path) -> Path:
        return make_tiny_clap_folder(tmp_path / "clap", fused=fused)

    @pytest.mark.parametrize("samples", [9_000, 48_000])
    def test_it_answers_as_transformers_does(self, folder: Path, samples: int) -> None:
        tower = load_sound_tower(str(folder))
        assert isinstance(tower, SoundTower)
        heard = wave(samples)
        extract = ClapFeatureExtractor.from_pretrained(folder)
        features = extract(heard[0].numpy(), sampling_rate=48_000, return_tensors="pt")
        model = ClapModel.from_pretrained(folder).eval()
        with torch.no_grad():
            theirs = model(**tokens_of(folder), **{key: value.float() for key, value in features.items()})
        unit = torch.nn.functional.normalize
        sound, text = tower.sound_encoder()(heard), tower.embed_text(NAMES)
        assert_close(unit(sound, dim=-1), theirs.audio_embeds, **TOLERANCE)
        assert_close(unit(text, dim=-1), theirs.text_embeds, **TOLERANCE)
        network = FrozenTowers(sound=tower.sound_encoder())
        rule = TowersRule(network, {"audio": tower.temperature}, {"audio": tower.cosine})
        classes = ClassEmbeddings(NAMES, unit(text, dim=-1), None, {"audio": unit(text, dim=-1)})
        found = answers(network, rule, classes, audio=heard)
        assert_close(found, theirs.logits_per_audio.softmax(dim=-1), **TOLERANCE)


def test_the_two_clap_extractors_are_told_apart(tmp_path: Path) -> None:
    towers = [load_sound_tower(str(make_tiny_clap_folder(tmp_path / str(f), fused=f))) for f in (False, True)]
    assert towers[0].identity != towers[1].identity


@pytest.fixture(scope="module")
def pe_av_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_pe_av_folder(tmp_path_factory.mktemp("peav"))


@pytest.fixture(scope="module")
def pe_av(pe_av_folder: Path) -> PEAVBackbone:
    found = loaded(pe_av_folder)
    assert isinstance(found, PEAVBackbone)
    return found


@pytest.fixture(scope="module")
def theirs(pe_av_folder: Path, pe_av: PEAVBackbone) -> Any:
    """transformers' forward pass; it takes as many clips as names, each with its sound."""
    features = PeAudioFeatureExtractor()([*three_waves().numpy()], sampling_rate=48_000, return_tensors="pt")
    model: Callable[..., Any] = pe_av._model
    with torch.no_grad():
        return model(
            pixel_values_videos=frames(pe_av, clips=3),
            input_values=features["input_values"].float(),
            **tokens_of(pe_av_folder),
        )


class TestPEAV:
    def test_each_of_the_three_is_embedded_as_transformers_does(self, pe_av: PEAVBackbone, theirs: Any) -> None:
        assert isinstance(pe_av, Backbone)
        assert isinstance(pe_av, HearingBackbone)
        pixels, heard, tower = frames(pe_av, clips=3), three_waves(), pe_av.sound_tower()
        video, sound, both = pe_av.joint_encoder()(pixels, heard)
        assert_close(video, theirs.video_embeds, **TOLERANCE)
        assert_close(sound, theirs.audio_embeds, **TOLERANCE)
        assert_close(both, theirs.audio_video_embeds, **TOLERANCE)
        assert_close(pe_av.clip_encoder()(pixels), theirs.video_embeds, **TOLERANCE)
        assert_close(tower.sound_encoder()(heard), theirs.audio_embeds, **TOLERANCE)
        assert_close(pe_av.embed_text(NAMES), theirs.text_video_embeds, **TOLERANCE)
        assert_close(tower.embed_text(NAMES), theirs.text_audio_embeds, **TOLERANCE)
        assert_close(pe_av.joint_text().embed_text(NAMES), theirs.text_audio_video_embeds, **TOLERANCE)

    def test_logits_are_transformers_own_but_for_a_bias_that_all_names_share(
        self, pe_av: PEAVBackbone, theirs: Any
    ) -> None:
        tower = pe_av.sound_tower()
        network = FrozenTowers(clip=pe_av.clip_encoder(), sound=tower.sound_encoder(), joint=pe_av.joint_encoder())
        taus = {"video": pe_av.temperature, "audio": tower.temperature, "both": pe_av.joint_temperature}
        rule = TowersRule(network, taus, dict.fromkeys(taus, False))
        own = {"video": pe_av.embed_text(NAMES), "audio": tower.embed_text(NAMES)}
        own["both"] = pe_av.joint_text().embed_text(NAMES)
        classes = ClassEmbeddings(NAMES, torch.eye(3), None, own)
        heard, seen = network.encode_inputs(Modality.AUDIO, three_waves()), frames(pe_av, clips=3)
        tokens = {Modality.VIDEO: network.encode_inputs(Modality.VIDEO, seen), Modality.AUDIO: heard}
        joined = network.join(tokens, {m: torch.ones(3, dtype=torch.bool) for m in tokens})
        found = rule.answers(rule.similarities(joined, classes))
        for stream, logits in (
            ("video", theirs.logits_video_text),
            ("audio", theirs.logits_audio_text),
            ("both", theirs.logits_audio_video_text),
        ):
            assert_close(found[stream], logits.softmax(dim=-1), **TOLERANCE)

    def test_its_sound_side_loads_without_its_pictures(
        self, pe_av_folder: Path, pe_av: PEAVBackbone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_pictures(*_: object, **__: object) -> None:
            raise AssertionError("a picture tower was made")

        monkeypatch.setattr("transformers.models.vit.modeling_vit.ViTForImageClassification.__init__", no_pictures)
        tower = load_sound_tower(str(pe_av_folder))
        assert tower.identity == pe_av.sound_tower().identity
        assert_close(tower.sound_encoder()(wave(9_000)), pe_av.sound_tower().sound_encoder()(wave(9_000)))
        assert_close(tower.embed_text(NAMES), pe_av.sound_tower().embed_text(NAMES))

    def test_nothing_is_printed_while_it_loads(self, pe_av_folder: Path) -> None:
        with redirect_stdout(io.StringIO()) as said:
            loaded(pe_av_folder)
        assert said.getvalue() == ""


def test_windows_that_are_the_same_are_heard_once(tmp_path: Path) -> None:
    tower = load_sound_tower(str(make_tiny_clap_folder(tmp_path / "clap")))
    encoder, calls = tower.sound_encoder(), []
    forward = encoder.forward

    def counted(samples: torch.Tensor) -> torch.Tensor:
        calls.append(len(samples))
        return forward(samples)

    encoder.forward = counted  # type: ignore[method-assign]
    one, other = wave(4_000), wave(4_000, seed=1)
    found = FrozenTowers(sound=encoder).encode_inputs(Modality.AUDIO, torch.cat([one, other, one, one]))[:, 0]
    assert calls == [1, 1]
    assert torch.equal(found[[0, 0]], found[[2, 3]])
    assert not np.allclose(found[0].numpy(), found[1].numpy())
