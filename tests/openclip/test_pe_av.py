"""PE-AV as it is published, its picture tower timm's: embeddings equal to transformers' own forward pass.

The other tests of PE-AV put a ViT of transformers in that tower's place, and run everywhere.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close
from transformers import AutoTokenizer, PeAudioFeatureExtractor, PeAudioVideoModel
from transformers.models.timm_wrapper import TimmWrapperConfig

from openmov.config.schema import BackboneConfig
from openmov.model.backbones import load_backbone, load_sound_tower
from openmov.model.backbones.pe_av import PEAVBackbone
from tiny_towers import make_tiny_pe_av_folder

NAMES = ("star moving left", "heart moving up", "ring")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    vision = TimmWrapperConfig(
        architecture="vit_pe_core_tiny_patch16_384",
        model_args={"depth": 2, "embed_dim": 48, "num_heads": 2, "img_size": 64},
        num_labels=24,
        do_pooling=True,
        global_pool="map",
    )
    path = tmp_path_factory.mktemp("pe_av")
    return make_tiny_pe_av_folder(path, vision=vision, image_size=64)


@pytest.fixture(scope="module")
def backbone(folder: Path) -> PEAVBackbone:
    found = load_backbone(BackboneConfig(name=str(folder)))
    assert isinstance(found, PEAVBackbone)
    return found


def test_it_is_transformers_own_model_and_its_folder_names_a_timm_tower(folder: Path, backbone: PEAVBackbone) -> None:
    vision = json.loads((folder / "config.json").read_text())["audio_video_config"]["video_config"]["vision_config"]
    assert vision["architecture"] == "vit_pe_core_tiny_patch16_384"
    assert (backbone.image_size, backbone.patch_size, backbone.num_frames) == (64, 16, 4)
    assert isinstance(backbone._model, PeAudioVideoModel)


def test_embeddings_are_transformers_own(folder: Path, backbone: PEAVBackbone) -> None:
    generator = torch.Generator().manual_seed(0)
    frames, waves = torch.randn(3, 4, 3, 64, 64, generator=generator), torch.randn(3, 20_000, generator=generator) * 0.2
    heard = PeAudioFeatureExtractor()([*waves.numpy()], sampling_rate=48_000, return_tensors="pt")["input_values"]
    tokens: Any = AutoTokenizer.from_pretrained(folder)(list(NAMES), padding=True, return_tensors="pt")
    ids = {key: tokens[key] for key in ("input_ids", "attention_mask")}
    with torch.no_grad():
        theirs = backbone._model(pixel_values_videos=frames, input_values=heard.float(), **ids)
    video, sound, both = backbone.joint_encoder()(frames, waves)
    for ours, expected in (
        (video, theirs.video_embeds),
        (sound, theirs.audio_embeds),
        (both, theirs.audio_video_embeds),
        (backbone.embed_text(NAMES), theirs.text_video_embeds),
        (backbone.joint_text().embed_text(NAMES), theirs.text_audio_video_embeds),
        (load_sound_tower(str(folder)).sound_encoder()(waves), theirs.audio_embeds),
    ):
        assert_close(ours, expected, atol=1e-5, rtol=1e-4)
    assert float((video[0] - video[1]).abs().max()) > 1e-3
