"""What strangers add from files of their own is trained, measured and predicted with like ours."""

import tarfile
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import numpy as np
import pytest

import openmov
from extending import a_data_set, a_fusion, a_method, a_modality
from openmov import DATASETS, FUSIONS, METHODS, MODALITIES, RecipeError, Registry, registry
from openmov.cli import run
from openmov.media.encode import write_clip
from openmov.runtime.checkpoint import load_checkpoint
from small_shapesav import OVERRIDES, SmallShapesAV

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """For one test each: what is registered is forgotten afterwards."""
    for one in (METHODS, FUSIONS, DATASETS, MODALITIES):
        monkeypatch.setattr(one, "_values", dict(one._values))
    for module in (a_fusion, a_method, a_data_set, a_modality):
        module.register()


def trained(world: SmallShapesAV, out: Path, *overrides: str) -> Path:
    recipe = openmov.load_recipe("shapesav-motion", [*OVERRIDES, *overrides])
    openmov.train(recipe, world.manifest, world.vocabulary, out, cache_folder=world.cache, shown=False)
    return out


def first_answer(world: SmallShapesAV, folder: Path) -> openmov.Prediction:
    clip = next((world.root / "test").glob("*.mp4"))
    (answer,) = openmov.predict([clip], ["a star moving left", "a circle growing"], run=folder)
    assert isinstance(answer, openmov.Prediction)
    return answer


def test_each_is_a_file_of_under_100_lines_that_needs_public_names_alone() -> None:
    for path in HERE.glob("a_*.py"):
        lines = path.read_text().splitlines()
        assert len(lines) < 100, path.name
        assert any(line.startswith("from openmov import ") for line in lines), path.name


def test_a_fusion_is_trained_measured_and_predicted_with(shapesav: SmallShapesAV, tmp_path: Path) -> None:
    folder = trained(shapesav, tmp_path / "run", "model.fusion=gated")
    gates = {
        name: tensor
        for name, tensor in load_checkpoint(folder / "checkpoints" / "best")[0].items()
        if name.startswith("fuse.gates")
    }
    assert gates.keys() == {"fuse.gates.flow"}
    assert bool(gates["fuse.gates.flow"].abs().max() > 0)
    task = openmov.evaluate([folder], shapesav.manifest, shapesav.vocabulary, cache_folder=shapesav.cache, shown=False)
    assert {"clip", "mov"} <= {method.kind for method in task.methods}
    assert first_answer(shapesav, folder).label in ("a star moving left", "a circle growing")


def test_a_method_is_trained_measured_and_predicted_with(shapesav: SmallShapesAV, tmp_path: Path) -> None:
    folder = trained(shapesav, tmp_path / "run", "model.method=linear_probe")
    assert a_method.distance_from_start(load_checkpoint(folder / "checkpoints" / "best")[0]) > 0
    task = openmov.evaluate([folder], shapesav.manifest, shapesav.vocabulary, cache_folder=shapesav.cache, shown=False)
    assert "Linear probe" in {method.name for method in task.methods}
    assert first_answer(shapesav, folder).modalities == (openmov.Modality.VIDEO,)


def test_a_modality_is_prepared_packed_trained_measured_and_predicted_with(
    shapesav: SmallShapesAV, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = "model.modalities=[video,flow,differences]"
    folder = trained(shapesav, tmp_path / "run", chosen)
    weights = load_checkpoint(folder / "checkpoints" / "best")[0]
    assert any(name.startswith("encoders.differences.") for name in weights)
    assert any(name.startswith("heads.differences.") for name in weights)
    task = openmov.evaluate([folder], shapesav.manifest, shapesav.vocabulary, cache_folder=shapesav.cache, shown=False)
    assert {"clip", "mov"} <= {method.kind for method in task.methods}
    answer = first_answer(shapesav, folder)
    assert answer.modalities == (openmov.Modality.VIDEO, openmov.Modality.FLOW, openmov.Modality("differences"))
    lists = ["--manifest", str(shapesav.manifest), "--cache", str(shapesav.cache), "--recipe", "shapesav-motion"]
    words = [*lists, *(word for one in (*OVERRIDES, chosen) for word in ("--set", one))]
    assert run(["prepare", *words, "--engine", "threads", "--json"]) == 0
    capsys.readouterr()
    assert run(["pack", *words, "--out", str(tmp_path / "pack")]) == 0
    with tarfile.open(tmp_path / "pack" / "shard-000000.tar") as shard:
        assert any(name.endswith(".differences0.safetensors") for name in shard.getnames())
    vocabulary = ["--vocabulary", str(shapesav.vocabulary), "--out", str(tmp_path / "streamed")]
    assert run(["train", *words, *vocabulary, "--shards", str(tmp_path / "pack")]) == 0
    clip = next((shapesav.root / "test").glob("*.mp4"))
    capsys.readouterr()
    assert run(["predict", str(clip), "--labels", "a star, a circle", "--run", str(folder), "--timeline"]) == 2
    assert "differences cannot be looked at in a long video" in capsys.readouterr().err


def test_a_modality_that_nobody_registered_is_named() -> None:
    with pytest.raises(RecipeError, match="is not a known modality: did you mean differences"):
        openmov.load_recipe("shapesav-motion", ["model.modalities=[video,diferences]"])


def test_a_data_set_is_listed_by_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("k=waving", "k=jumping"):
        (tmp_path / "videos" / name).mkdir(parents=True)
        for number in range(2):
            path = tmp_path / "videos" / name / f"{name[2:]}{number}.mp4"
            write_clip(path, np.zeros((3, 32, 32, 3), np.uint8), 10.0, None)
    (tmp_path / "testlist.txt").write_text("waving1 jumping1\n")
    words = ["dataset", "k-folders", "--videos", str(tmp_path / "videos"), "--out", str(tmp_path / "lists")]
    assert run([*words, "--annotations", str(tmp_path / "testlist.txt")]) == 0
    rows = (tmp_path / "lists" / "manifest.csv").read_text().splitlines()
    assert sum(row.endswith("test") for row in rows) == 2
    assert sum(row.endswith("train") for row in rows) == 2
    assert run(words) == 2
    assert "needs its testlist.txt; give it with --annotations testlist.txt" in capsys.readouterr().err


def test_without_its_registration_a_run_is_refused_by_name(
    shapesav: SmallShapesAV, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = trained(shapesav, tmp_path / "run", "model.method=linear_probe")
    monkeypatch.delitem(METHODS._values, "linear_probe")
    with pytest.raises(openmov.OpenMovError, match=r"model\.method is not a known method: .*mov, video_only"):
        openmov.load(folder)


class TestRegistry:
    def test_entry_points_of_installed_packages_are_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        point = EntryPoint("late", "extending.a_method:LINEAR_PROBE", "some.group")
        monkeypatch.setattr(
            registry, "entry_points", lambda group: EntryPoints([point] if group == "some.group" else [])
        )
        found: Registry[object] = Registry("thing", "some.group", {"ours": 1})
        assert found.names() == ("ours", "late")
        assert found.get("late") is a_method.LINEAR_PROBE

    def test_a_name_is_taken_once(self) -> None:
        METHODS.register("linear_probe", a_method.LINEAR_PROBE)
        with pytest.raises(RecipeError, match="linear_probe: is the name of another method already"):
            METHODS.register("linear_probe", openmov.TrainableMethod("Other", a_method.LinearProbe))

    def test_a_package_that_is_gone_is_named(self) -> None:
        found: Registry[object] = Registry("thing", "no.group", {"gone": "no_such_package:thing"})
        with pytest.raises(RecipeError, match="no_such_package:thing: cannot be imported"):
            found.get("gone")
        with pytest.raises(RecipeError, match=r"gnoe: is not a known thing; did you mean gone\? There are gone"):
            found.get("gnoe")
