import pytest
import torch

from openmov.errors import RecipeError
from openmov.runtime import compute
from openmov.runtime.compute import EXACT, choose_compute


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def a_gpu(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)


@pytest.mark.parametrize(("has_bf16", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
@pytest.mark.usefixtures("no_gpu")
def test_the_processor_answers_where_there_is_no_gpu(
    monkeypatch: pytest.MonkeyPatch, has_bf16: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(compute, "cpu_has_bf16", lambda: has_bf16)
    chosen = choose_compute()
    assert (chosen.device.type, chosen.dtype) == ("cpu", dtype)


@pytest.mark.parametrize(("capability", "dtype"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_a_gpu_is_taken_and_bf16_only_where_it_has_it(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], dtype: str
) -> None:
    a_gpu(monkeypatch, capability)
    assert choose_compute().to_json() == {"device": "cuda", "dtype": dtype}
    assert choose_compute("cpu").device.type == "cpu"


def test_what_is_asked_for_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "cpu_has_bf16", lambda: False)
    assert choose_compute("cpu", "bf16").dtype is torch.bfloat16
    monkeypatch.setattr(compute, "cpu_has_bf16", lambda: True)
    assert choose_compute("cpu", "fp32") == EXACT


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "mps", "meta"])
@pytest.mark.usefixtures("no_gpu")
def test_a_device_that_is_not_there_is_named(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(RecipeError, match=f"--device: {device} is not available here"):
        choose_compute(device)


def test_the_second_of_one_gpu_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    a_gpu(monkeypatch, (8, 0))
    with pytest.raises(RecipeError, match="cuda:1 is not available here"):
        choose_compute("cuda:1")


def test_nonsense_is_refused() -> None:
    with pytest.raises(RecipeError, match="'toaster' is not a device"):
        choose_compute("toaster")
    with pytest.raises(RecipeError, match="--dtype: 'fp8' is not known; write auto, fp32 or bf16"):
        choose_compute("cpu", "fp8")
