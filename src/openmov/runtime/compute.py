"""Where and how exactly a network computes its answers: the device, and the type of its encoders' numbers.

`auto` is a GPU where torch finds one, else the processor; and bfloat16 where the hardware multiplies it itself, else
single precision. Training has its own setting, `training.precision`; nothing here changes it.
"""

from dataclasses import dataclass

import torch

from openmov.errors import RecipeError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""By the names that people write."""
_AMPERE = (8, 0)  # first compute capability with bfloat16 tensor cores


@dataclass(frozen=True)
class Compute:
    """A device and a precision."""

    device: torch.device
    """Of the network and its inputs; class names are embedded on the processor, so that all devices share them."""
    dtype: torch.dtype
    """Of weights and activations of the image encoders; sums, norms' statistics and all that follows are float32."""

    def to_json(self) -> dict[str, str]:
        """The names that people write."""
        return {"device": str(self.device), "dtype": self.dtype_name}

    @property
    def dtype_name(self) -> str:
        """fp32 or bf16."""
        return next(name for name, dtype in DTYPES.items() if dtype is self.dtype)


EXACT = Compute(torch.device("cpu"), torch.float32)
"""What training without a GPU and every stored embedding are computed with."""


def choose_compute(device: str = "auto", dtype: str = "auto") -> Compute:
    """`device` as torch writes it (cpu, cuda, cuda:1, mps) or auto; `dtype` fp32, bf16 or auto.

    Raises RecipeError for a device that is none or not there, and for another dtype.
    """
    chosen = _device(device)
    if dtype != "auto" and dtype not in DTYPES:
        raise RecipeError("--dtype", f"{dtype!r} is not known", "write auto, fp32 or bf16")
    return Compute(chosen, _best_dtype(chosen) if dtype == "auto" else DTYPES[dtype])


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RecipeError("--device", f"{name!r} is not a device", "write auto, cpu, cuda, cuda:1 or mps") from None
    if not _is_there(device):
        raise RecipeError("--device", f"{name} is not available here", "write auto or cpu")
    return device


def _is_there(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return device.type == "cpu"


def _best_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= _AMPERE
    else:
        fast = device.type == "cpu" and cpu_has_bf16()
    return torch.bfloat16 if fast else torch.float32


def cpu_has_bf16() -> bool:
    """Whether the processor has instructions for products of bfloat16 (avx512_bf16 or AMX); without, they are slower
    than those of float32.
    """
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(bool(ask()) for ask in asked if ask is not None)
