"""Nothing made under another key is ever found."""

from importlib.resources import files
from pathlib import Path

from openmov.experiments.folders import MEASURING, TRAINING, StudyFolders, code_identity, imported_sources
from openmov.training.runs import CALIBRATION_FILE

FACTS = {"code": "c", "recipe": {"training": {"epochs": 2}}, "manifest": "m"}


def test_every_fact_is_in_the_key(tmp_path: Path) -> None:
    folders = StudyFolders(tmp_path)
    mine = folders.training("flow-mov-seed0", FACTS)
    assert folders.training("flow-mov-seed0", dict(FACTS)) == mine
    for other in (FACTS | {"code": "d"}, FACTS | {"recipe": {"training": {"epochs": 3}}}, FACTS | {"manifest": "n"}):
        assert folders.training("flow-mov-seed0", other).path != mine.path


def test_a_training_is_finished_when_it_says_so(tmp_path: Path) -> None:
    folder = StudyFolders(tmp_path).training("flow-mov-seed0", FACTS)
    folder.run.mkdir(parents=True)
    assert not folder.finished(calibrated=False)
    folder.finish(FACTS)
    assert folder.finished(calibrated=False)
    assert not folder.finished(calibrated=True)
    (folder.run / CALIBRATION_FILE).write_text("{}")
    assert folder.finished(calibrated=True)


def test_trainings_of_other_recipes_are_counted(tmp_path: Path) -> None:
    folders = StudyFolders(tmp_path)
    mine, other = (folders.training("flow-mov-seed0", FACTS | {"code": code}) for code in "ab")
    assert folders.unused_trainings([mine]) == 0
    for folder in (mine, other):
        folder.finish(FACTS)
    assert folders.unused_trainings([mine]) == 1


def _package(folder: Path, **sources: str) -> Path:
    package = folder / "shop"
    for name, source in sources.items():
        path = package.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return package


def test_what_a_module_can_reach_is_read_off_its_imports(tmp_path: Path) -> None:
    """Directly, by way of others, inside functions, as a name of a package; never what nobody imports."""
    package = _package(
        tmp_path,
        train="from shop.model import mov\nimport shop.loop\n",
        model__mov="from shop.fusion import Fusion\n",
        fusion="class Fusion: ...\n",
        loop="def run():\n    from shop import saving\n",
        saving="import json\n",
        page="import shop.train\n",
    )
    (package / "model" / "__init__.py").write_text("from shop import registry\n")
    (package / "registry.py").write_text("")
    found = {str(path.relative_to(package)) for path in imported_sources(package, "shop.train")}
    reached = {"train.py", "model/mov.py", "model/__init__.py", "registry.py", "fusion.py", "loop.py", "saving.py"}
    assert found == reached


def test_the_code_behind_a_key_is_all_that_decides_weights_and_answers() -> None:
    """The best epoch's choice was once forgotten in a list kept by hand."""
    package = Path(str(files("openmov")))
    training, measuring = (
        {str(path.relative_to(package)) for path in imported_sources(package, module)}
        for module in (TRAINING, MEASURING)
    )
    for part in ("training/loop.py", "evaluation/evaluator.py", "evaluation/metrics.py", "runtime/checkpoint.py"):
        assert part in training
    assert training < measuring
    assert not {path for path in measuring if path.startswith("cli/")}
    assert code_identity(TRAINING) != code_identity(MEASURING)
