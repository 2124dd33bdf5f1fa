from collections.abc import Callable

import pytest
import torch
from torch import nn

from openmov.config.schema import ModelConfig
from openmov.model import MOV, SingleModality, build_model
from openmov.model.backbones.clip import CLIPBackbone
from openmov.types import Modality
from tiny_batches import make_batch

METHODS = [("video_only", Modality.VIDEO), ("flow_only", Modality.FLOW), ("audio_only", Modality.AUDIO)]


@pytest.mark.parametrize(("method", "modality"), METHODS)
@torch.no_grad()
def test_before_training_it_is_the_average_embedding(backbone: CLIPBackbone, method: str, modality: Modality) -> None:
    model = build_model(backbone, ModelConfig.model_validate({"method": method, "modalities": (modality,)}))
    batch = make_batch(*Modality, views=2)
    found = model(batch)
    images = batch.inputs[modality]
    frames = backbone.image_encoder()(images.flatten(0, -4)).reshape(6, -1, 32)
    assert isinstance(model, SingleModality)
    assert set(found.fused) == set(found.present) == {modality}
    assert found.frozen is None
    torch.testing.assert_close(found.fused[modality], frames.mean(dim=1), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("method", "modality"), METHODS)
def test_only_the_video_encoder_stays_frozen(backbone: CLIPBackbone, method: str, modality: Modality) -> None:
    model = build_model(backbone, ModelConfig.model_validate({"method": method, "modalities": (modality,)}))
    trained = {name.split(".")[0] for name in model.trained_state()}
    assert trained == ({"heads"} if modality is Modality.VIDEO else {"encoders", "heads"})


def test_the_head_matters_once_trained(backbone: CLIPBackbone, wake: Callable[[nn.Module], None]) -> None:
    config = ModelConfig(method="video_only", modalities=("video",))
    model, batch = build_model(backbone, config), make_batch(Modality.VIDEO)
    before = model(batch).fused[Modality.VIDEO]
    wake(model)
    after = model(batch).fused[Modality.VIDEO]
    assert after.requires_grad
    assert not torch.allclose(after, before, atol=1e-2)


def test_rows_without_the_modality_are_marked_and_do_no_harm(backbone: CLIPBackbone) -> None:
    model = build_model(backbone, ModelConfig(method="flow_only", modalities=("flow",)))
    whole = model(make_batch(Modality.FLOW))
    mixed = model(make_batch(Modality.FLOW, absent={Modality.FLOW: [0]}, absent_value=float("nan")))
    assert mixed.present[Modality.FLOW].tolist() == [False, True, True]
    torch.testing.assert_close(mixed.fused[Modality.FLOW][1:], whole.fused[Modality.FLOW][1:])


def test_a_batch_without_the_modality_has_no_answer(backbone: CLIPBackbone) -> None:
    model = build_model(backbone, ModelConfig(method="flow_only", modalities=("flow",)))
    assert model(make_batch(Modality.AUDIO)).fused == {}


def test_the_method_chooses_the_model(backbone: CLIPBackbone) -> None:
    assert isinstance(build_model(backbone, ModelConfig()), MOV)
    with pytest.raises(ValueError, match="a single modality is"):
        SingleModality(backbone, ModelConfig())
