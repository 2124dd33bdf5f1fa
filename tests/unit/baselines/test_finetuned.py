from collections.abc import Callable

import pytest
import torch

from openmov.baselines.frozen_clip import FrozenCLIP
from openmov.model import NetworkParts, build_network
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.joint import frame_average
from openmov.types import Modality
from tiny_batches import make_batch

MakeParts = Callable[..., NetworkParts]


@pytest.mark.parametrize("modality", list(Modality))
def test_before_training_it_averages_the_encoders_embeddings(
    backbone: CLIPBackbone, parts: MakeParts, modality: Modality
) -> None:
    network = build_network(parts(f"finetune_{modality}", modality)).eval()
    batch = make_batch(*Modality, views=2)
    found = network(batch)
    images = batch.inputs[modality]
    frames = backbone.image_encoder()(images.flatten(0, -4)).reshape(6, -1, 32)
    assert set(found.fused) == set(found.present) == {modality}
    assert found.frozen is None
    torch.testing.assert_close(found.fused[modality], frame_average(frames), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("modality", list(Modality))
def test_the_encoder_itself_trains_and_nothing_is_put_on_it(parts: MakeParts, modality: Modality) -> None:
    network = build_network(parts(f"finetune_{modality}", modality))
    names = set(network.trained_state())
    assert {name.split(".")[0] for name in names} == {"encoders"}
    assert names == set(dict(network.named_parameters()))
    fused = network(make_batch(modality)).fused[modality]
    fused.sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_the_videos_is_frozen_clip_before_training(backbone: CLIPBackbone, parts: MakeParts) -> None:
    batch = make_batch(Modality.VIDEO)
    frozen = FrozenCLIP(backbone)(batch).frozen
    found = build_network(parts("finetune_video"))(batch).fused[Modality.VIDEO]
    torch.testing.assert_close(found.detach(), frozen, atol=1e-6, rtol=1e-5)
    changed = build_network(parts("finetune_video"))
    with torch.no_grad():
        list(changed.parameters())[-1].mul_(torch.linspace(0.5, 2, 32)[:, None])
    assert not torch.allclose(changed(batch).fused[Modality.VIDEO], frozen, atol=1e-4)
