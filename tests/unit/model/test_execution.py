"""Recomputing activations: the same numbers, less kept; and attention is torch's own everywhere."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import CLIPModel

from openmov.config.schema import ModelConfig
from openmov.errors import RecipeError
from openmov.model import MOV, build_model
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.execution import compile_encoders, recompute_activations
from openmov.types import Modality
from tiny_batches import make_batch

Wake = Callable[[nn.Module], None]


def make(backbone: CLIPBackbone, wake: Wake, layers: Any = "all") -> MOV:
    torch.manual_seed(0)
    model = MOV(backbone, ModelConfig(modalities=("video", "flow", "audio"), trainable_layers=layers))
    wake(model)
    return model.train()


def gradients(model: MOV, precision: torch.dtype) -> tuple[dict[str, Tensor], int]:
    """Of a sum over outputs, and how many numbers were kept for them."""
    kept = 0

    def keep(x: Tensor) -> Tensor:
        nonlocal kept
        kept += x.numel()
        return x

    with saved_tensors_hooks(keep, lambda x: x), torch.autocast("cpu", precision, enabled=precision != torch.float32):
        loss = sum(
            (x.float().square().sum() for x in model(make_batch(*Modality, size=4)).fused.values()), torch.zeros(())
        )
    loss.backward()
    weights = model.trainable_parameters()
    return {name: weight.grad for name, weight in weights.items() if weight.grad is not None}, kept


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layers", ["all", 1])
def test_recomputed_gradients_are_the_same_bits(
    backbone: CLIPBackbone, wake: Wake, precision: torch.dtype, layers: Any
) -> None:
    plain, frugal = make(backbone, wake, layers), make(backbone, wake, layers)
    recompute_activations(frugal)
    (expected, kept), (found, kept_less) = gradients(plain, precision), gradients(frugal, precision)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], gradient) for name, gradient in expected.items())
    assert sum(float(gradient.abs().sum()) for gradient in expected.values()) > 1
    assert kept_less < (0.6 if layers == "all" else 0.95) * kept


def test_a_network_that_recomputes_has_the_same_weights_by_name_and_answers_alike(
    backbone: CLIPBackbone, wake: Wake
) -> None:
    plain, frugal = make(backbone, wake).eval(), make(backbone, wake).eval()
    recompute_activations(frugal)
    assert frugal.trained_state().keys() == plain.trained_state().keys()
    with torch.inference_mode():
        expected, found = plain(make_batch(*Modality)), frugal(make_batch(*Modality))
    assert all(torch.equal(found.fused[m], expected.fused[m]) for m in Modality)


class Operations(TorchDispatchMode):
    """Counts what torch computes."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def test_every_attention_is_one_fused_operation(backbone: CLIPBackbone, wake: Wake, clip_folder: Any) -> None:
    """Three encoders of three layers, two heads of two, and two layers each way of fusion."""
    model, batch = make(backbone, wake), make_batch(*Modality)
    with Operations() as seen:
        model(batch)
    assert seen.names["_scaled_dot_product_flash_attention_for_cpu"] == 3 * 3 + 2 * 2 + 2 * 2
    assert not seen.names["_softmax"]
    eager = CLIPModel.from_pretrained(clip_folder, attn_implementation="eager")
    with Operations() as seen:
        eager.vision_model(torch.randn(1, 3, 32, 32))
    assert seen.names["_softmax"] == 3


def test_without_a_compiler_compiling_is_refused(
    backbone: CLIPBackbone, wake: Wake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(RecipeError, match=r"training.compile: finds no C\+\+ compiler"):
        compile_encoders(make(backbone, wake))


def test_a_network_whose_encoders_are_all_frozen_has_nothing_to_recompute(backbone: CLIPBackbone) -> None:
    config = ModelConfig(method="video_only", modalities=("video",))
    network = build_model(backbone, config, num_frames=2, with_video_encoder=True, encoder_chunk=8)
    with pytest.raises(RecipeError, match=r"activation_checkpointing: is asked for, and the method trains no encoder"):
        recompute_activations(network)
