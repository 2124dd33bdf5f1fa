"""Weights that are published as a pickle (`.bin`), written once as safetensors and read as such ever after.

    pytorch_model.bin --opcodes scanned--> only the globals of plain weights
                      --torch.load(weights_only, mmap), in a process of its own--> tensors
                      --> CACHE/weights/SHA256.safetensors, under the hash of the .bin

A pickle is a program. Nothing of it runs here before its opcodes were read without executing them: weights need five
globals and the tag of half precision, and a file that names any other is refused. What then runs is torch's own
restricted unpickler, since torch 2.10: it could be tricked into running code before 2.6 (CVE-2025-32434) and into
corrupting memory before 2.10 (CVE-2026-24747). It runs in a process of its own that is bounded in time and memory, so
that a file which crashes it costs one line. The hash of a .bin decides the name of what was made of it, so a file that
changes is converted anew and two processes that convert the same one at once write the same bytes.

Knows nothing of models: a mapping from names to tensors goes in and comes out, in the precision it was stored in.
"""

import hashlib
import os
import pickletools
import re
import resource
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from openmov.errors import BackboneError, StorageError
from openmov.model.backbones.contents import FETCH_AGAIN, ModelContents
from openmov.runtime.atomic import atomic_file, free_bytes
from openmov.runtime.cache_folder import WEIGHTS, default_cache_folder
from openmov.runtime.checkpoint import is_whole, write_tensors
from openmov.runtime.progress import warn
from openmov.runtime.workers import CallDiedError, CallOverTimeError, GuardedCalls

ALLOWED_GLOBALS = frozenset(
    {
        "collections.OrderedDict",
        "torch._utils._rebuild_tensor_v2",
        "torch.FloatStorage",
        "torch.LongStorage",
        "torch.BFloat16Storage",
        "torch.HalfStorage",
    }
)
"""What the pickles of published weights name, by the hub's own scan of them; the storages only say a tensor's type."""

OLDEST_TORCH = (2, 10)
"""The first version whose restricted unpickler is safe."""

_SECONDS_AT_LEAST = 120.0
_BYTES_A_SECOND = 10_000_000
"""A slow disk: a conversion may take so long for each byte, beyond the seconds that are always given."""
_MEMORY_AT_LEAST = 2 * 2**30
_MEMORY_A_BYTE = 2.0
"""Mapped once and written once: twice the file, beyond what torch itself takes."""
_LONGEST_PICKLE = 64 * 2**20
"""The pickle inside a .bin holds names and shapes; that of ViT-H/14 has 100 kB."""
_TOO_OLD = "was saved by a torch before 1.6, or is not a file of weights: it is not a zip archive"
_OTHER = "use a copy or revision of the model with safetensors weights"


class _NotWeightsError(Exception):
    """A pickle that is well-formed and holds something else."""


def safetensors_of(contents: ModelContents, *, safetensors_only: bool = False, name: str = "") -> tuple[Path, ...]:
    """The safetensors files of a model: its own, or those that its `.bin` files were converted to.

    Conversion happens once; a line on stderr says so. `name` is what the user called the model. Raises BackboneError
    where the files are damaged, need more than plain weights do, or may not be read (`safetensors_only`, an old torch);
    StorageError where the converted file cannot be written.
    """
    where = name or str(contents.folder)
    pickled = [path for path in contents.weights if path.suffix != ".safetensors"]
    if not pickled:
        return contents.weights
    if safetensors_only:
        what = f"has its weights as a pickle ({pickled[0].name}), which --safetensors-only forbids"
        raise BackboneError(where, what, f"{_OTHER}, or leave out --safetensors-only (backbone.safetensors_only)")
    return tuple(
        converted(where, path) if path.suffix != ".safetensors" else path for path in contents.weights
    )  # one file for each, so that shards stay shards


def converted(where: str, path: Path, cache: Path | None = None) -> Path:
    """The safetensors file with the content of one `.bin`; made if it is not in the cache yet.

    `where` names the model in errors; `cache` is openmov's cache folder (None: $OPENMOV_CACHE or ~/.cache/openmov).
    Raises BackboneError, StorageError.
    """
    require_safe_torch(where, path)
    target = (cache or default_cache_folder()) / WEIGHTS / f"{_sha256(where, path)}.safetensors"
    if is_whole(target):
        return target
    refuse_other_globals(where, path)
    num_bytes = path.stat().st_size
    warn(f"{where}: converting {path.name} ({num_bytes / 1e6:,.0f} MB) to safetensors, once, into {target.parent}")
    if (free := free_bytes(target.parent)) < num_bytes:
        what = f"no space left for the converted weights ({num_bytes / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free)"
        raise StorageError(target.parent, what, "free some space, or set OPENMOV_CACHE to a folder on another disk")
    _convert(where, path, target, num_bytes)
    return target


def require_safe_torch(where: str, path: Path, version: str = torch.__version__) -> None:
    """Raises BackboneError where this torch's restricted unpickler is not safe."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_TORCH:
        what = f"has its weights as a pickle ({path.name}), which torch {version} does not read safely"
        raise BackboneError(where, what, f"install torch 2.10 or newer (CVE-2026-24747), or {_OTHER}")


def refuse_other_globals(where: str, path: Path) -> None:
    """Raises BackboneError for a file that is cut short, or whose pickle needs more than plain weights do.

    Reads opcodes, executes none.
    """
    try:
        others = sorted(set(_globals_of(path)) - ALLOWED_GLOBALS)
    except (zipfile.BadZipFile, EOFError) as error:
        raise BackboneError(where, f"{path.name} is damaged or cut short", FETCH_AGAIN) from error
    except _NotWeightsError as error:
        raise BackboneError(where, f"{path.name} {error}", _OTHER) from error
    except ValueError as error:  # what pickletools says of opcodes that are none
        raise BackboneError(where, f"{path.name} is damaged ({error})", FETCH_AGAIN) from error
    if others:
        shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        what = f"{path.name} needs {shown}, which plain weights do not, and is not opened"
        raise BackboneError(where, what, _OTHER)


def _globals_of(path: Path) -> Iterator[str]:
    """Every global that the pickles of a torch file name."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            beginning = file.read(4)
        raise zipfile.BadZipFile if beginning in (b"", b"PK\x03\x04") else _NotWeightsError(_TOO_OLD)
    with zipfile.ZipFile(path) as archive:
        pickles = [entry for entry in archive.infolist() if entry.filename.endswith(".pkl")]
        if not any(entry.filename.split("/")[-1] == "data.pkl" for entry in pickles):
            raise _NotWeightsError("holds no data.pkl, and so no weights")
        for entry in pickles:
            if entry.file_size > _LONGEST_PICKLE:
                raise _NotWeightsError(f"has {entry.file_size / 1e6:,.0f} MB in {entry.filename}, far more than names")
            yield from _globals_in(archive.read(entry))


def _globals_in(pickled: bytes) -> Iterator[str]:
    """The globals of one pickle, as `module.name`.

    torch writes protocol 2, which names a global in place (GLOBAL). What comes from the stack, or by a number, may be
    put together while the pickle runs: such a global is shown as well as it can be, and never allowed.
    """
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in ("GLOBAL", "INST"):
            yield ".".join(str(argument).split(" ", 1))
        elif opcode.name == "STACK_GLOBAL":
            yield f"{'.'.join(strings[-2:])} (from the stack)"
        elif opcode.name in ("EXT1", "EXT2", "EXT4"):
            yield f"copyreg extension {argument}"
        elif "UNICODE" in opcode.name or "STRING" in opcode.name:
            strings.append(str(argument))


def _convert(where: str, path: Path, target: Path, num_bytes: int) -> None:
    """One conversion in a process of its own; `target` is there afterwards, whole, or an error is raised."""
    seconds = _SECONDS_AT_LEAST + num_bytes / _BYTES_A_SECOND
    with atomic_file(target) as temporary, GuardedCalls(seconds, module=__name__) as guarded:
        try:
            guarded.call(_convert_here, path, temporary, round(_MEMORY_AT_LEAST + _MEMORY_A_BYTE * num_bytes))
        except _NotWeightsError as error:
            raise BackboneError(where, f"{path.name} {error}", _OTHER) from error
        except MemoryError as error:
            raise BackboneError(where, f"{path.name} takes more memory than its size allows", FETCH_AGAIN) from error
        except (UnpicklingError, RuntimeError, EOFError, ValueError, TypeError, KeyError) as error:
            # torch's restricted unpickler, and its reader of zip files, on a file that is damaged or made up
            reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
            raise BackboneError(where, f"{path.name} cannot be read ({reason})", FETCH_AGAIN) from error
        except CallOverTimeError as error:
            raise BackboneError(where, f"{path.name} was not converted within {seconds:.0f} s", FETCH_AGAIN) from error
        except CallDiedError as error:
            raise BackboneError(where, f"{path.name} crashed the process that converts it", FETCH_AGAIN) from error


def _convert_here(path: Path, target: Path, memory_bytes: int) -> None:
    """In the process that may crash: .bin to safetensors."""
    _limit_memory(memory_bytes)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        write_tensors(target, _plain(loaded), {"format": "pt"})
    except RuntimeError as error:
        if "allocate memory" in str(error):  # torch has no error of its own for the processor's memory
            raise MemoryError from error
        raise


def _limit_memory(num_bytes: int) -> None:
    """No more than so many bytes beyond what the process has now; what is mapped privately counts as well (Linux)."""
    statm = Path("/proc/self/statm")
    if not statm.exists():  # elsewhere RLIMIT_DATA means something else
        return
    now = int(statm.read_text(encoding="ascii").split()[5]) * os.sysconf("SC_PAGE_SIZE")
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = now + num_bytes if hard == resource.RLIM_INFINITY else min(now + num_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _plain(loaded: Any) -> dict[str, Tensor]:
    """The tensors by name: of a state dict, or of a training checkpoint around one (open_clip's `state_dict`)."""
    weights = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else None
    if not isinstance(weights, Mapping) or not weights:
        raise _NotWeightsError("holds no weights by name")
    for name, tensor in weights.items():
        if not (isinstance(name, str) and isinstance(tensor, Tensor)):
            raise _NotWeightsError(f"holds {name!r}, which is not a tensor")
    # what torch's DistributedDataParallel puts before every name
    start = "module." if all(name.startswith("module.") for name in weights) else ""
    return {name.removeprefix(start): tensor for name, tensor in weights.items()}


def _sha256(where: str, path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BackboneError(where, f"{path.name} cannot be read", FETCH_AGAIN) from error
