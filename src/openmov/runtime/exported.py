"""Functions of tensors as files for other programs, written and run again. The only way to onnxruntime.

    torch-export   .pt2, for PyTorch (also in C++) without the code that made it
    onnx           for onnxruntime and everything else that reads ONNX; weights of 1.5 GB and more lie beside it

Knows nothing of networks.
"""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from openmov.errors import OpenMovError
from openmov.runtime.atomic import storage_errors

Format = Literal["torch-export", "onnx"]
_ONE_FILE_BYTES = 1_500_000_000
"""An ONNX file holds 2 GB at most."""


def require(form: Format) -> None:
    """Raises OpenMovError where what writes or checks the format is not installed."""
    if form == "onnx":
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401
        except ImportError as error:
            what = f"needs {error.name}, which is not installed"
            raise OpenMovError("--format onnx", what, "pip install 'openmov[export]'") from error


def write_exported(
    function: nn.Module,
    examples: Sequence[Tensor],
    names: tuple[Sequence[str], Sequence[str]],
    form: Format,
    path: Path,
) -> None:
    """Traces a function and writes it; the first axis of every input may then have any length from 1 on.

    `names` are those of inputs and outputs. Weights of 1.5 GB and more lie beside `path` in its folder, which is the
    caller's to make and to put in its place when all is well. Raises StorageError.
    """
    rows = torch.export.Dim("rows", min=1, max=4096)
    shapes = {"inputs": tuple({0: rows} for _ in examples)}
    with storage_errors(path), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracers' own: they say nothing of this function
        program = torch.export.export(function, tuple(examples), dynamic_shapes=shapes)
        if form == "torch-export":
            with path.open("wb") as file:  # by name it wants a certain ending
                torch.export.save(program, file)
        else:
            _write_onnx(program, names, path)


def _write_onnx(program: torch.export.ExportedProgram, names: tuple[Sequence[str], Sequence[str]], path: Path) -> None:
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it would name the parts of torchvision that are not there
    torch.onnx.export(
        program,
        f=str(path),
        input_names=list(names[0]),
        output_names=list(names[1]),
        external_data=size > _ONE_FILE_BYTES,
        dynamo=True,
        verbose=False,
    )


def run_exported(path: Path, form: Format, inputs: Sequence[Tensor]) -> list[Tensor]:
    """What the function in a file that was just written here answers."""
    if form == "torch-export":
        with warnings.catch_warnings(), torch.no_grad(), path.open("rb") as file:
            warnings.simplefilter("ignore")
            return list(torch.export.load(file).module()(*inputs))
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = {one.name: tensor.numpy() for one, tensor in zip(session.get_inputs(), inputs, strict=True)}
    return [torch.from_numpy(answer) for answer in session.run(None, given)]
