import torch
import torch.nn.functional as F
from torch import nn

from openmov.config.schema import ModelConfig
from openmov.model import build_model
from openmov.model.backbones.base import Autocast, ImageEncoder
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.execution import Prepared
from openmov.runtime.compute import EXACT, Compute
from openmov.types import ClipBatch, JointEmbeddings, Modality
from tiny_batches import make_batch

BF16 = Compute(torch.device("cpu"), torch.bfloat16)
ALL = ModelConfig(modalities=("video", "flow", "audio"))


def trained(backbone: CLIPBackbone) -> nn.Module:
    """Every stream with weights of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(backbone, ALL)
    with torch.no_grad():
        for seed, tensor in enumerate(model.trainable_parameters().values()):
            tensor.add_(0.02 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed)))
    return model.eval()


def test_every_stream_is_as_before(backbone: CLIPBackbone) -> None:
    """To rounding in single precision; cosines within 0.002 in bfloat16."""
    batch = make_batch(*Modality, image_size=32)
    with torch.no_grad():
        expected = trained(backbone)(batch)
    exact, rounded = (Prepared(trained(backbone), compute)(batch) for compute in (EXACT, BF16))
    assert expected.frozen is not None
    assert exact.frozen is not None
    assert rounded.frozen is not None
    pairs = [(expected.frozen, exact.frozen, rounded.frozen)]
    pairs += [(expected.fused[m], exact.fused[m], rounded.fused[m]) for m in Modality]
    for before, same, close in pairs:
        torch.testing.assert_close(same, before, atol=1e-5, rtol=1e-4)
        assert F.cosine_similarity(close, before).min() > 0.998
        assert not torch.equal(close, before)  # it did compute in another precision


def test_the_network_and_its_inputs_are_on_the_device_and_its_answer_is_not() -> None:
    seen: list[torch.device] = []

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, batch: ClipBatch) -> JointEmbeddings:
            seen.extend([self.weight.device, batch.inputs[Modality.VIDEO].device, batch.present[Modality.VIDEO].device])
            return JointEmbeddings({Modality.VIDEO: torch.zeros(1, 4)}, {Modality.VIDEO: torch.ones(1).bool()})

    meta = torch.device("meta")
    answer = Prepared(Spy(), Compute(meta, torch.float32))(make_batch(Modality.VIDEO, size=1))
    assert seen == [meta] * 3
    assert answer.fused[Modality.VIDEO].device.type == "cpu"


def test_an_encoder_that_knows_no_faster_form_runs_under_autocast() -> None:
    class Plain(ImageEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.layer(images.mean(dim=(2, 3)))
            assert out.dtype is torch.bfloat16
            return out

    encoder = Plain().for_inference(torch.bfloat16)
    assert isinstance(encoder, Autocast)
    assert encoder(torch.ones(2, 3, 4, 4)).dtype is torch.float32


def test_asked_in_stages_it_answers_the_same(backbone: CLIPBackbone) -> None:
    batch, prepared = make_batch(*Modality, image_size=32), Prepared(trained(backbone), EXACT)
    tokens = {m: prepared.encode_inputs(m, batch.inputs[m].flatten(0, 1)) for m in Modality}
    staged = prepared.join(tokens, {m: torch.ones(len(rows)).bool() for m, rows in tokens.items()})
    for modality, rows in prepared(batch).fused.items():
        torch.testing.assert_close(staged.fused[modality], rows)
