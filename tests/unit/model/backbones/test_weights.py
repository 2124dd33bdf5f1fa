"""Pickled weights become safetensors with the same tensors, once; nothing in a pickle ever runs."""

import json
import os
import pickle
import signal
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError, StorageError
from openmov.model.backbones import load_backbone, weights
from openmov.model.backbones.contents import ModelContents
from openmov.model.backbones.weights import converted, require_safe_torch, safetensors_of
from openmov.store.usage import clear_caches, show_caches
from small_disk import small_disk
from tiny_backbones import make_tiny_clip_folder

_ROWS = torch.arange(12.0).reshape(3, 4)


def held(folder: Path, *files: Path) -> ModelContents:
    form = "bin" if any(file.suffix == ".bin" for file in files) else "safetensors"
    return ModelContents(folder, "transformers", "clip", {}, files, form, ())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("OPENMOV_CACHE", str(folder))
    return folder


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the second that a process takes, and without its limit on memory."""

    def call(self: object, function: Callable[..., Any], *given: Any) -> Any:
        return function(*given)

    monkeypatch.setattr(weights.GuardedCalls, "call", call)
    monkeypatch.setattr(weights, "_limit_memory", lambda num_bytes: None)


def saved(path: Path, content: Any, **how: Any) -> Path:
    torch.save(content, path, **how)
    return path


def state() -> OrderedDict[str, Tensor]:
    return OrderedDict(
        single=_ROWS,
        half=_ROWS.half() + 0.5,
        bfloat=_ROWS.bfloat16() / 3,
        ids=torch.arange(5)[None],
        scale=torch.tensor(4.6),
        tied=_ROWS,
        view=_ROWS[1:],
        turned=_ROWS.T,
    )


class ARun:
    """Pickled as a call of `mkdir`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


class TestConversion:
    def test_keeps_every_tensor_in_its_precision(self, tmp_path: Path, cache: Path) -> None:
        """In a process of its own; shared, tied and transposed ones too."""
        found = converted("m", saved(tmp_path / "pytorch_model.bin", state()))
        assert found.parent == cache / "weights"
        read = load_file(found)
        assert sorted(read) == sorted(state())
        for name, tensor in state().items():
            assert read[name].dtype == tensor.dtype
            assert torch.equal(read[name], tensor)

    @pytest.mark.usefixtures("in_this_process")
    def test_happens_once_and_is_said_once(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = saved(tmp_path / "pytorch_model.bin", state())
        first = converted("owner/model", path)
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "owner/model: converting pytorch_model.bin" in said
        stamp = first.stat().st_mtime_ns
        assert converted("owner/model", path) == first
        assert first.stat().st_mtime_ns == stamp
        assert capsys.readouterr().err == ""

    @pytest.mark.usefixtures("in_this_process")
    def test_depends_on_the_content_alone(self, tmp_path: Path) -> None:
        """Another name gives the same file, other weights another, and a damaged one in the cache is made anew."""
        path = saved(tmp_path / "pytorch_model.bin", state())
        copy = tmp_path / "open_clip_pytorch_model.bin"
        copy.write_bytes(path.read_bytes())
        made = converted("m", path)
        content = made.read_bytes()
        assert converted("m", copy) == made
        assert converted("m", saved(tmp_path / "b.bin", {"single": _ROWS + 1})) != made
        made.write_bytes(content[:-5])
        assert converted("m", path).read_bytes() == content

    @pytest.mark.usefixtures("in_this_process")
    def test_a_training_checkpoint_gives_its_model(self, tmp_path: Path) -> None:
        checkpoint = {"epoch": 3, "state_dict": {"module.a": _ROWS, "module.b": _ROWS + 1}}
        read = load_file(converted("m", saved(tmp_path / "a.bin", checkpoint)))
        assert torch.equal(read["a"], _ROWS)
        assert torch.equal(read["b"], _ROWS + 1)

    @pytest.mark.usefixtures("in_this_process")
    def test_shards_stay_shards(self, tmp_path: Path) -> None:
        shards = (saved(tmp_path / "a.bin", {"a": _ROWS}), saved(tmp_path / "b.bin", {"b": _ROWS}))
        made = safetensors_of(held(tmp_path, *shards))
        assert [list(load_file(path)) for path in made] == [["a"], ["b"]]

    def test_safetensors_are_taken_as_they_are(self, tmp_path: Path, cache: Path) -> None:
        save_file({"a": _ROWS}, tmp_path / "model.safetensors")
        contents = held(tmp_path, tmp_path / "model.safetensors")
        assert safetensors_of(contents) == safetensors_of(contents, safetensors_only=True) == contents.weights
        assert not cache.exists()


class TestRefusals:
    def check(self, path: Path, *words: str, error: type[Exception] = BackboneError) -> None:
        with pytest.raises(error) as raised:
            converted("m", path)
        line = str(raised.value)
        assert "\n" not in line
        for word in words:
            assert word in line
        kept = weights.default_cache_folder() / "weights"
        assert not kept.exists() or list(kept.iterdir()) == []

    @pytest.mark.parametrize("protocol", [2, 4])
    def test_a_call_is_named_and_never_made(self, tmp_path: Path, protocol: int) -> None:
        path = saved(tmp_path / "a.bin", {"a": ARun(tmp_path / "made")}, pickle_protocol=protocol)
        self.check(path, "a.bin needs", "posix.mkdir")
        assert not (tmp_path / "made").exists()

    def test_a_sixth_global_is_named(self, tmp_path: Path) -> None:
        """torch itself allows this one."""
        path = saved(tmp_path / "a.bin", {"a": torch.nn.Parameter(_ROWS)})
        torch.load(path, weights_only=True)
        self.check(path, "needs torch._utils._rebuild_parameter, which plain weights do not")

    def test_another_pickle_of_the_archive_counts(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.bin", {"a": _ROWS})
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("a/constants.pkl", pickle.dumps(ARun(tmp_path / "made"), protocol=2))
        self.check(path, "posix.mkdir")

    @pytest.mark.parametrize("kept", [0, 2, 40, 0.5, -1])
    def test_a_file_that_was_cut(self, tmp_path: Path, kept: float) -> None:
        whole = saved(tmp_path / "whole.bin", {"a": torch.randn(100, 100)}).read_bytes()
        length = int(kept if kept > 1 or kept < 0 else kept * len(whole))
        (tmp_path / "a.bin").write_bytes(whole[:length])
        self.check(tmp_path / "a.bin", "a.bin")

    def test_a_file_of_zeros_within(self, tmp_path: Path) -> None:
        whole = bytearray(saved(tmp_path / "a.bin", {"a": _ROWS}).read_bytes())
        start = whole.index(b"\x80\x02")
        whole[start : start + 60] = bytes(60)
        (tmp_path / "a.bin").write_bytes(whole)
        self.check(tmp_path / "a.bin", "damaged")

    def test_a_storage_that_is_not_there(self, tmp_path: Path) -> None:
        """Well-formed opcodes; torch's own reader finds the fault, in its own process."""
        saved(tmp_path / "whole.bin", {"a": _ROWS})
        with zipfile.ZipFile(tmp_path / "whole.bin") as whole, zipfile.ZipFile(tmp_path / "a.bin", "w") as lacking:
            for entry in whole.infolist():
                if "/data/" not in entry.filename:
                    lacking.writestr(entry, whole.read(entry))
        self.check(tmp_path / "a.bin", "a.bin cannot be read")

    def test_the_format_before_zip_archives(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.bin", {"a": _ROWS}, _use_new_zipfile_serialization=False)
        self.check(path, "before 1.6")

    @pytest.mark.usefixtures("in_this_process")
    @pytest.mark.parametrize(
        ("content", "said"),
        [([_ROWS], "no weights by name"), ({}, "no weights by name"), ({"lr": 0.1}, "'lr', which is not a tensor")],
    )
    def test_something_else_than_weights(self, tmp_path: Path, content: Any, said: str) -> None:
        self.check(saved(tmp_path / "a.bin", content), said)

    def test_safetensors_only(self, tmp_path: Path, cache: Path) -> None:
        contents = held(tmp_path, saved(tmp_path / "a.bin", {"a": _ROWS}))
        with pytest.raises(BackboneError, match=r"owner/model: .* as a pickle \(a.bin\), which --safetensors-only"):
            safetensors_of(contents, safetensors_only=True, name="owner/model")
        assert not cache.exists()

    @pytest.mark.parametrize("version", ["2.9.1+cpu", "2.6.0", "1.13", "nightly"])
    def test_a_torch_that_is_not_safe(self, version: str) -> None:
        with pytest.raises(BackboneError, match=r"install torch 2.10 or newer \(CVE-2026-24747\)"):
            require_safe_torch("m", Path("a.bin"), version)

    @pytest.mark.parametrize("version", ["2.10.0", "2.13.0+cpu", "3.0"])
    def test_a_torch_that_is(self, version: str) -> None:
        require_safe_torch("m", Path("a.bin"), version)


class TestItsProcess:
    """What goes wrong there costs one line here."""

    def test_a_crash(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(weights, "_convert_here", crash)
        TestRefusals().check(saved(tmp_path / "a.bin", {"a": _ROWS}), "a.bin crashed the process that converts it")

    def test_no_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(weights, "_convert_here", hang)
        monkeypatch.setattr(weights, "_SECONDS_AT_LEAST", 0.2)
        TestRefusals().check(saved(tmp_path / "a.bin", {"a": _ROWS}), "a.bin was not converted within")

    def test_more_memory_than_its_size_allows(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A few bytes that promise 4 GiB: a view with no stride."""
        monkeypatch.setattr(weights, "_MEMORY_AT_LEAST", 2**30)
        path = saved(tmp_path / "a.bin", {"a": torch.zeros(1).expand(2**30)})
        assert path.stat().st_size < 4096
        TestRefusals().check(path, "a.bin takes more memory than its size allows")

    def test_a_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Seen beforehand, and also where the room goes while it is written."""
        path = saved(tmp_path / "a.bin", {"a": torch.randn(300_000)})
        with small_disk(tmp_path / "small", 600_000) as small:
            monkeypatch.setenv("OPENMOV_CACHE", str(small))
            TestRefusals().check(path, "no space left for the converted weights", error=StorageError)
            monkeypatch.setattr(weights, "free_bytes", lambda folder: 10**12)
            TestRefusals().check(path, "no space left on the device", error=StorageError)


def crash(*given: object) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(*given: object) -> None:
    time.sleep(60)


def as_pickle(folder: Path, *, num_shards: int = 1) -> Path:
    """The folder's model.safetensors as pytorch_model.bin, or as shards with an index."""
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(state)
    if num_shards == 1:
        saved(folder / "pytorch_model.bin", state)
        return folder
    places = {name: f"pytorch_model-{i % num_shards + 1:05}-of-{num_shards:05}.bin" for i, name in enumerate(names)}
    for file in set(places.values()):
        saved(folder / file, {name: state[name] for name in names if places[name] == file})
    index = {"metadata": {}, "weight_map": places}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return folder


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("num_shards", [1, 2])
def test_a_model_answers_as_from_safetensors(tmp_path: Path, num_shards: int) -> None:
    plain = load_backbone(BackboneConfig(name=str(make_tiny_clip_folder(tmp_path / "a"))))
    folder = as_pickle(make_tiny_clip_folder(tmp_path / "b"), num_shards=num_shards)
    pickled = load_backbone(BackboneConfig(name=str(folder)))
    mine, theirs = pickled.image_encoder(), plain.image_encoder()
    weights = theirs.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in mine.state_dict().items())
    # Where a mapped tensor begins in its file decides the last bit of a product.
    pictures = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(mine(pictures), theirs(pictures), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(pickled.embed_text(["a photo"]), plain.embed_text(["a photo"]), atol=1e-6, rtol=1e-6)
    with pytest.raises(BackboneError, match="--safetensors-only forbids"):
        load_backbone(BackboneConfig(name=str(folder), safetensors_only=True))


@pytest.mark.usefixtures("in_this_process")
def test_one_that_is_pickled_alike_has_the_same_identity(tmp_path: Path) -> None:
    """So that caches and checkpoints fit wherever the .bin was converted."""
    first = load_backbone(BackboneConfig(name=str(as_pickle(make_tiny_clip_folder(tmp_path / "a")))))
    second = load_backbone(BackboneConfig(name=str(as_pickle(make_tiny_clip_folder(tmp_path / "b")))))
    assert first.identity == second.identity


@pytest.mark.usefixtures("in_this_process")
def test_they_are_a_kind_of_what_the_cache_keeps(tmp_path: Path, cache: Path) -> None:
    made = converted("m", saved(tmp_path / "a.bin", state()))
    (made.parent / "notes.txt").write_text("mine")
    found = {one.kind: one for one in show_caches(cache)}
    assert (found["weights"].num_entries, found["weights"].num_bytes) == (1, made.stat().st_size)
    assert found["videos"].num_entries == 0
    clear_caches(cache, "videos")
    assert made.exists()
    clear_caches(cache, "weights")
    assert [path.name for path in made.parent.iterdir()] == ["notes.txt"]
