"""A checkpoint is the old one or the new one, whole, whatever happens; what is not a checkpoint is refused."""

import dataclasses
import errno
import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from openmov.errors import CheckpointError, StorageError
from openmov.runtime import checkpoint
from openmov.runtime.checkpoint import (
    CheckpointHeader,
    Provenance,
    is_checkpoint,
    load_checkpoint,
    load_header,
    load_resume_state,
    require_match,
    save_checkpoint,
)

PROVENANCE = Provenance({"name": "é", "training": {"epochs": 3}}, "clip", "b1", "v1", ("left", "right"), "kinetics700")


def header(step: int = 5) -> CheckpointHeader:
    return CheckpointHeader("best", PROVENANCE, step, 1, {"validation": 0.1, "best_epoch": None, "n": 3})


def weights(value: float) -> dict[str, torch.Tensor]:
    return {"a.weight": torch.full((3, 2), value), "b": torch.tensor(value, dtype=torch.float64)}


def value_in(folder: Path) -> float:
    tensors, _ = load_checkpoint(folder)
    assert float(tensors["a.weight"][0, 0]) == float(tensors["b"])
    return float(tensors["b"])


class Killed(BaseException):
    """Stands for kill -9."""


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    random = {"random": torch.arange(5, dtype=torch.uint8), "half": torch.ones(2, dtype=torch.bfloat16)}
    save_checkpoint(tmp_path / "last", weights(0.1), header(), random)
    tensors, said = load_checkpoint(tmp_path / "last")
    assert said == header()
    assert load_header(tmp_path / "last") == said
    for name, tensor in weights(0.1).items():
        assert torch.equal(tensors[name], tensor)
        assert tensors[name].dtype == tensor.dtype
    resumed = load_resume_state(tmp_path / "last")
    assert torch.equal(resumed["random"], random["random"])
    assert resumed["half"].dtype == torch.bfloat16


def test_views_of_one_storage_can_be_saved(tmp_path: Path) -> None:
    base = torch.arange(6.0)
    save_checkpoint(tmp_path / "c", {"front": base[:3], "back": base[3:], "turned": base.view(2, 3).T}, header())
    tensors, _ = load_checkpoint(tmp_path / "c")
    assert torch.equal(tensors["back"], base[3:])
    assert torch.equal(tensors["turned"], base.view(2, 3).T)


def test_replacing_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", weights(1.0), header(), {"x": torch.ones(1)})
    (tmp_path / "c" / ".tmpLeftByAKill").write_text("half")
    (tmp_path / "c" / "notes.txt").write_text("the user's")
    save_checkpoint(tmp_path / "c", weights(2.0), header(6))
    assert value_in(tmp_path / "c") == 2.0
    assert sorted(path.suffix for path in (tmp_path / "c").iterdir()) == [".json", ".safetensors", ".txt"]
    with pytest.raises(CheckpointError, match="cannot be resumed from"):
        load_resume_state(tmp_path / "c")


@pytest.mark.parametrize("step", ["save_tensors", "write_text", "_sweep"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_between_any_two_operations_one_of_the_two_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    folder = tmp_path / "last"
    save_checkpoint(folder, weights(1.0), header(), {"x": torch.ones(1)})
    original = getattr(checkpoint, step)

    def killed(*arguments: object) -> None:
        if when == "after":
            original(*arguments)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "_sweep", lambda *arguments: None)  # a real kill runs no finally
        patched.setattr(checkpoint, step, killed)
        with pytest.raises(Killed):
            save_checkpoint(folder, weights(2.0), header(6), {"x": torch.zeros(1)})
    committed = step == "_sweep" or (step == "write_text" and when == "after")
    assert value_in(folder) == (2.0 if committed else 1.0)
    assert load_resume_state(folder)["x"].item() == (0.0 if committed else 1.0)
    save_checkpoint(folder, weights(3.0), header(7), {"x": torch.ones(1)})
    assert value_in(folder) == 3.0
    assert len(list(folder.iterdir())) == 3


def test_an_interrupt_just_after_the_rename_does_not_take_the_new_one_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = checkpoint.write_text

    def interrupted(path: Path, text: str) -> None:
        original(path, text)
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path / "c", weights(2.0), header())
    assert value_in(tmp_path / "c") == 2.0


@pytest.mark.parametrize("part", [0, 1])
def test_a_full_disk_leaves_the_old_one_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    folder = tmp_path / "last"
    save_checkpoint(folder, weights(1.0), header(), {"x": torch.ones(1)})
    before = sorted(folder.iterdir())
    original, calls = checkpoint.save_file, iter(range(9))

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        if next(calls) == part:
            path.write_bytes(b"half")
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        original(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(StorageError, match="no space left"):
        save_checkpoint(folder, weights(2.0), header(6), {"x": torch.zeros(1)})
    assert value_in(folder) == 1.0
    assert sorted(folder.iterdir()) == before


def test_a_full_disk_at_the_header_leaves_the_old_one_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "last"
    save_checkpoint(folder, weights(1.0), header())
    before = sorted(folder.iterdir())

    def full(self: Path, *arguments: object, **options: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(StorageError, match="no space left"):
            save_checkpoint(folder, weights(2.0), header(6))
    assert value_in(folder) == 1.0
    assert sorted(folder.iterdir()) == before


def rewritten(folder: Path, **changes: object) -> None:
    path = folder / "checkpoint.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_another_format_version_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", weights(1.0), header())
    rewritten(tmp_path / "c", format_version=99)
    with pytest.raises(CheckpointError, match="has format version 99, this is version 1"):
        load_checkpoint(tmp_path / "c")


@pytest.mark.parametrize(
    "changes",
    [{"header": {}}, {"files": {"weights": "../../etc/passwd"}}, {"files": 3}, {"extra": 1}, {"header": None}],
)
def test_a_damaged_header_is_refused_in_one_line(tmp_path: Path, changes: dict[str, object]) -> None:
    save_checkpoint(tmp_path / "c", weights(1.0), header())
    rewritten(tmp_path / "c", **changes)
    with pytest.raises(CheckpointError, match=r"checkpoint\.json: (is damaged|names a file outside)") as caught:
        load_checkpoint(tmp_path / "c")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1, 2", "[]", "{}", "3"])
def test_what_is_no_header_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "checkpoint.json").write_text(text)
    with pytest.raises(CheckpointError, match="is not a header"):
        load_checkpoint(tmp_path)


def test_truncated_weights_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", weights(1.0), header())
    (path,) = (tmp_path / "c").glob("*.safetensors")
    whole = path.read_bytes()
    for length in (0, 4, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="is truncated or damaged") as caught:
            load_checkpoint(tmp_path / "c")
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        load_checkpoint(tmp_path / "c")


def test_a_folder_without_checkpoint_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        assert not is_checkpoint(folder)
        with pytest.raises(CheckpointError, match="holds no checkpoint"):
            load_checkpoint(folder)


def test_weights_of_another_backbone_or_vocabulary_are_refused() -> None:
    require_match(header(), backbone_identity="b1", vocabulary_identity="v1")
    require_match(header())
    with pytest.raises(CheckpointError, match=r"backbone clip \(b1\), not b2"):
        require_match(header(), backbone_identity="b2", vocabulary_identity="v1")
    with pytest.raises(CheckpointError, match=r"vocabulary v1 .* not v2"):
        require_match(header(), backbone_identity="b1", vocabulary_identity="v2")


def test_a_number_that_is_none_is_never_written(tmp_path: Path) -> None:
    bad = dataclasses.replace(header(), metrics={"validation": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        save_checkpoint(tmp_path / "c", weights(1.0), bad)
    assert list((tmp_path / "c").iterdir()) == []
