"""Choices of prediction the paper does not have, through the verbs."""

import json
from pathlib import Path

import pytest
import torch

from openmov.cli import run
from openmov.training.runs import load_calibration, load_run, load_trained
from tiny_world import TinyWorld


@pytest.fixture(scope="module")
def matched(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MOV whose tau_v is matched by entropy."""
    out = tmp_path_factory.mktemp("matched") / "run"
    assert run(tiny_world.train(out, "--calibrate", "entropy", "--set", "prediction.beta=0.4")) == 0
    return out


def test_matched_entropy_holds_no_class_back_and_keeps_beta(matched: Path) -> None:
    stored = json.loads((matched / "calibration.json").read_text())
    assert (stored["how"], stored["pseudo_novel"], stored["grid"]) == ("entropy", [], [])
    assert stored["num_clips"] == 3  # one validation clip of each base class
    assert not (matched / "calibration").exists()
    chosen = load_calibration(matched)
    assert chosen is not None
    assert chosen.beta == 0.4


def test_evaluate_says_how_paths_and_encoders_were_mixed(
    matched: Path, tiny_world: TinyWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--generalised", "weighed", "--encoder-weight", "0.5", "--json"]
    assert run([*tiny_world.evaluate(matched), *more]) == 0
    notes = [row["note"] for row in json.loads(capsys.readouterr().out)["rows"] if row["method"].startswith("MOV")]
    assert len(notes) == 2  # the recipe's settings and the matched ones
    assert all(note.endswith(", weighed, encoder weight 0.5") for note in notes)


def test_encoders_at_zero_are_the_backbone_s_and_at_one_the_run_s(matched: Path) -> None:
    loaded = load_run(matched, None)
    fresh = loaded.components.network().trained_state()
    whole = load_trained(loaded.components, loaded.folder.best).trained_state()
    for share, encoders in ((0, fresh), (1, whole)):
        changed = loaded.changed((f"prediction.encoder_weight={share}",))
        mixed = load_trained(changed.components, changed.folder.best).trained_state()
        for name, tensor in mixed.items():
            assert torch.equal(tensor, encoders[name] if name.startswith("encoders.") else whole[name])
    assert any(not torch.equal(fresh[name], whole[name]) for name in whole if name.startswith("encoders."))


def test_a_method_without_tau_v_is_refused(tiny_world: TinyWorld, tmp_path: Path) -> None:
    single = ["--set", "model.method=flow_only", "--set", "model.modalities=[flow]"]
    assert run(tiny_world.train(tmp_path / "run", "--calibrate", "entropy", *single)) == 2
    assert not (tmp_path / "run").exists()
