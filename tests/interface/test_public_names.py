"""`import openmov` offers what it says, loads nothing until it is used, and hides nothing from a type checker."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import openmov

TREE = ast.parse(Path(str(openmov.__file__)).read_text(encoding="utf-8"))


def test_every_name_can_be_had() -> None:
    assert all(getattr(openmov, name) is not None for name in openmov.__all__)
    assert set(openmov.__all__) <= set(dir(openmov))
    assert len(openmov.__all__) == len(set(openmov.__all__))


def test_a_name_is_the_thing_itself() -> None:
    assert openmov.Predictor is import_module("openmov.inference.predictor").Predictor
    assert openmov.train is import_module("openmov.training.train").run_training
    assert openmov.evaluate is import_module("openmov.runs.evaluate").evaluate_task
    assert openmov.DecodeError is import_module("openmov.errors").DecodeError


def test_every_error_a_user_can_mend_is_public() -> None:
    errors = import_module("openmov.errors")
    tree = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert tree <= set(openmov.__all__)


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="module 'openmov' has no attribute 'pridictor'"):
        openmov.pridictor  # noqa: B018


def test_a_type_checker_sees_the_same_names() -> None:
    """The imports under TYPE_CHECKING, the table behind __getattr__ and __all__ agree, names and places."""
    (block,) = (node for node in TREE.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    declared = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert declared == openmov._WHERE
    assert set(declared) == set(openmov.__all__)


@pytest.mark.parametrize(
    ("used", "loaded"),
    [
        ("openmov", []),
        ("openmov.DecodeError", []),
        ("openmov.load_recipe('kinetics700')", ["pydantic"]),
        ("openmov.Vocabulary(('a',), ())", []),
        ("openmov.Predictor", ["torch", "av", "numpy", "pydantic"]),
    ],
)
def test_what_is_loaded(used: str, loaded: list[str]) -> None:
    heavy = ("torch", "transformers", "av", "numpy", "pydantic", "cyclopts", "rich")
    code = f"import sys, openmov\n{used}\nprint([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = ast.literal_eval(done.stdout)
    assert found == loaded if "torch" not in loaded else set(loaded) <= set(found)


def test_frames_alone_wait_for_neither_transformers_nor_numba() -> None:
    """Everything `openmov predict` needs with ConSE, its networks and a sentence included."""
    slow = ("transformers", "numba", "sentence_transformers", "sklearn", "tensorboardX", "cv2")
    code = (
        "import sys, openmov\n"
        "predictor = openmov.load(backbone='conse')\n"
        "predictor._scorer.embed_classes(predictor.vocabulary(['a dog']))\n"
        f"print([name for name in {slow!r} if name in sys.modules])\n"
        "import openmov.tvl1.flow\n"
        "print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True"]
