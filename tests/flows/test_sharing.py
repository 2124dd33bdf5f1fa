"""A run given away as a folder answers as the run does, tells what it is, and can do no harm."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import openmov
from openmov.cli import run
from openmov.errors import CheckpointError, OpenMovError, StorageError
from openmov.inference import trained
from openmov.runtime.checkpoint import load_tensors
from tiny_backbones import make_tiny_clip_folder
from tiny_world import BASE, NOVEL, TinyWorld

LABELS = (BASE[0], BASE[1], NOVEL[0])


@pytest.fixture(scope="module")
def shared(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("given") / "model"
    unmeasured = shutil.copytree(tiny_run, out.with_name("run"), ignore=shutil.ignore_patterns("results"))
    assert run(["share", str(unmeasured), "--out", str(out), "--licence", "cc-by-4.0"]) == 0
    return out


def answers(where: Path | str, world: TinyWorld, labels: tuple[str, ...] = LABELS) -> Any:
    predictor = openmov.load(where, backbone=str(world.backbone))
    (found,) = predictor.predict([world.clip(NOVEL[0])], predictor.vocabulary(labels))
    assert not isinstance(found, OpenMovError)
    return predictor, found


def test_it_answers_as_the_run_does(tiny_run: Path, shared: Path, tiny_world: TinyWorld, tmp_path: Path) -> None:
    moved = shutil.copytree(shared, tmp_path / "elsewhere")
    for labels in (LABELS, BASE):  # the novel path and the base path
        (one, mine), (other, theirs) = answers(tiny_run, tiny_world, labels), answers(moved, tiny_world, labels)
        assert mine.answers == theirs.answers
        assert mine.by_modality == theirs.by_modality
        vocabulary = one.vocabulary(labels)
        assert one.settings(vocabulary) == other.settings(vocabulary)
        assert one.vocabulary(labels) == other.vocabulary(labels)
    again = openmov.from_pretrained(moved, backbone=str(tiny_world.backbone))
    assert again.settings(vocabulary) == other.settings(vocabulary)
    told = ["predict", str(tiny_world.clip(BASE[0])), "--run", str(moved), "--labels", ",".join(BASE)]
    assert run([*told, "--backbone", str(tiny_world.backbone), "--json"]) == 0


def test_the_folder_holds_three_files_and_no_place_of_this_machine(shared: Path, tiny_world: TinyWorld) -> None:
    assert sorted(path.name for path in shared.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    config = json.loads((shared / "config.json").read_text())
    assert (config["model_type"], config["architectures"]) == ("openmov", ["mov"])
    assert config["base_classes"] == list(BASE)
    assert config["recipe"]["backbone"]["name"] == tiny_world.backbone.name
    assert config["calibration"] is not None
    for name in ("README.md", "config.json"):
        assert str(tiny_world.root) not in (shared / name).read_text()
    assert not any(name.startswith("encoders.video") for name in load_tensors(shared / "model.safetensors"))


def test_the_card_says_what_there_is_to_know(
    tiny_run: Path, tiny_world: TinyWorld, tmp_path: Path, shared: Path
) -> None:
    _, front, text = (shared / "README.md").read_text().split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["library_name"] == "openmov"
    assert facts["license"] == "cc-by-4.0"
    assert facts["pipeline_tag"] == "video-classification"
    assert {"flow", "audio"} <= set(facts["tags"])
    assert "base_model" not in facts  # a local folder is not a model of the hub
    config = json.loads((shared / "config.json").read_text())
    for words in (
        config["vocabulary_identity"],
        config["backbone_identity"],
        config["training"]["data"]["manifest"],
        "| clips | 9 to train, 3 to validate |",
        "| seed | 0 |",
        "on held-out base classes",
        "`cc-by-4.0`",
        "unknown: see where it was published",
        "was not evaluated on test clips",
        f"Base classes: {', '.join(BASE)}.",
    ):
        assert words in text

    evaluated = shutil.copytree(tiny_run, tmp_path / "run")
    assert run(tiny_world.evaluate(evaluated)) == 0
    openmov.save_pretrained(evaluated, tmp_path / "model")
    text = (tmp_path / "model" / "README.md").read_text()
    rows = json.loads((evaluated / "results" / "results.json").read_text())["rows"]
    assert all(f"| {row['method']} | {row['base'][0] / row['base'][1]:.1%} (" in text for row in rows)
    assert "not stated; ask whoever shared it" in text
    assert "license:" not in text.split("---\n")[1]


def test_by_hub_name_its_folder_is_looked_at_before_its_weights_are_fetched(
    shared: Path, tiny_world: TinyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, list[str]]] = []

    def fetched(folder: Path) -> Callable[[str, list[str]], Path]:
        return lambda name, wanted: calls.append((name, wanted)) or folder

    monkeypatch.setattr(trained, "fetch_model", fetched(shared))
    _, mine = answers("someone/mov@v1", tiny_world)
    assert mine.answers == answers(shared, tiny_world)[1].answers
    assert [name for name, _ in calls] == ["someone/mov@v1"] * 2
    assert calls[0][1] == ["config.json", "README.md"]
    assert "model.safetensors" in calls[1][1]

    calls.clear()
    monkeypatch.setattr(trained, "fetch_model", fetched(tiny_world.backbone))
    with pytest.raises(CheckpointError, match="someone/clip: is a model of the hub, but none of openmov's"):
        answers("someone/clip", tiny_world)
    assert len(calls) == 1


class Harm:
    """Unpickled, it leaves a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("harm"),)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def act(folder: Path) -> None:
        facts = json.loads((folder / "config.json").read_text())
        change(facts)
        (folder / "config.json").write_text(json.dumps(facts))

    return act


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "is missing"),
        (lambda folder: (folder / "model.safetensors").write_bytes(pickle.dumps(Harm())), "truncated or damaged"),
        (edited(lambda facts: facts.update(format_version=9)), "format version 9"),
        (edited(lambda facts: facts.update(auto_map={"AutoModel": "code.Model"})), "is none of this release"),
        (edited(lambda facts: facts["recipe"]["model"].update(width=3)), "is none of this release"),
        (edited(lambda facts: facts["recipe"]["model"].update(temporal_layers=2)), "belong to another model"),
    ],
)
def test_a_folder_that_is_wrong_is_refused(
    shared: Path, tiny_world: TinyWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Any, words: str
) -> None:
    folder = shutil.copytree(shared, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    spoil(folder)
    with pytest.raises(CheckpointError, match=words) as caught:
        answers(folder, tiny_world)
    assert "\n" not in str(caught.value)
    assert not Path("harm").exists()


def test_another_backbone_is_refused_and_an_existing_folder_kept(
    tiny_run: Path, shared: Path, tiny_world: TinyWorld, tmp_path: Path
) -> None:
    other = tmp_path / "backbone"
    make_tiny_clip_folder(other, image_size=64, patch_size=16, open_vocabulary=True, max_positions=32, seed=5)
    with pytest.raises(CheckpointError, match=r"was trained with another .*give the backbone it was trained with"):
        openmov.load(shared, backbone=str(other))
    before = (shared / "README.md").read_bytes()
    with pytest.raises(StorageError, match="is there already"):
        openmov.save_pretrained(tiny_run, shared)
    assert (shared / "README.md").read_bytes() == before
    assert run(["share", str(tmp_path), "--out", str(tmp_path / "model")]) == 2
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (("prompts",), "/etc/passwd"),
        (("recipe", "baselines", "prompts"), "SECRET"),
        (("recipe", "backbone", "sound_prompts"), "SECRET"),
        (("recipe", "backbone", "name"), "/root/clip"),
        (("recipe", "backbone", "name"), "../clip"),
        (("recipe", "backbone", "sound"), "SECRET"),
    ],
)
def test_a_model_names_no_file_of_this_machine(
    shared: Path, tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str], field: Any, value: str
) -> None:
    """Whatever stands at the path is neither opened nor shown."""
    folder = shutil.copytree(shared, tmp_path / "model")
    secret = tmp_path / "secret.txt"
    secret.write_text("my-secret-token\n")
    config = json.loads((folder / "config.json").read_text())
    place = config
    for name in field[:-1]:
        place = place[name]
    place[field[-1]] = str(secret) if value == "SECRET" else value
    (folder / "config.json").write_text(json.dumps(config))
    command = ["predict", str(tiny_world.clip(BASE[0])), "--run", str(folder), "--labels", ",".join(BASE)]
    named = field[-1] == "name"
    assert run([*command, *(() if named else ("--backbone", str(tiny_world.backbone)))]) == 2
    said = capsys.readouterr()
    assert "my-secret-token" not in said.out + said.err
    assert "config.json: names" in said.err
