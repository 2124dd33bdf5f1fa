"""Published files are used if and only if their content is the pinned one."""

import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones import conse_files, load_backbone
from openmov.model.backbones.conse_files import PinnedFile, read_pinned

HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
"""SHA-256 of `hello`."""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that must not be imported, with the file `data/hello.bin`."""
    folder = tmp_path / "made_up_weights"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('imported')")
    (folder / "data" / "hello.bin").write_bytes(b"hello")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def pinned(sha256: str = HELLO, path: str = "data/hello.bin") -> PinnedFile:
    return PinnedFile("made_up_weights", path, sha256)


def test_the_pinned_file_is_read_and_its_package_not_imported(package: Path) -> None:
    assert read_pinned(pinned()) == b"hello"
    assert "made_up_weights" not in sys.modules


@pytest.mark.parametrize("content", [b"hellp", b"hello\n", b""])
def test_any_other_content_is_refused_by_name(package: Path, content: bytes) -> None:
    file = package / "data" / "hello.bin"
    file.write_bytes(content)
    with pytest.raises(BackboneError, match="is not the published file") as caught:
        read_pinned(pinned())
    assert str(file) in str(caught.value)
    assert "pip install --force-reinstall made-up-weights" in str(caught.value)


@pytest.mark.parametrize("file", [pinned(path="data/gone.bin"), PinnedFile("no_such_package", "a", HELLO)])
def test_what_is_not_installed_says_what_to_install(package: Path, file: PinnedFile) -> None:
    with pytest.raises(BackboneError, match=r"is not installed; pip install openmov\[offline\]$"):
        read_pinned(file)


@pytest.mark.parametrize("file", conse_files.PINNED, ids=lambda file: Path(file.path).name)
def test_a_changed_part_stops_the_backbone(file: PinnedFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the three files of ConSE is checked, whatever the others are."""
    changed = tmp_path / file.package / file.path
    changed.parent.mkdir(parents=True)
    changed.write_bytes(b"another model")
    (tmp_path / file.package / "__init__.py").touch()
    for other in conse_files.PINNED:
        if other.package == file.package and other != file:
            spec = PathFinder.find_spec(file.package)
            assert spec is not None
            assert spec.submodule_search_locations is not None
            (tmp_path / other.package / other.path).symlink_to(Path(spec.submodule_search_locations[0]) / other.path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackboneError, match="is not the published file") as caught:
        load_backbone(BackboneConfig(name="conse"))
    assert str(changed) in str(caught.value)
    assert file.distribution in str(caught.value)


def test_missing_parts_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmov.model.backbones.conse_files.find_spec", lambda name: None)
    assert not conse_files.installed()
    with pytest.raises(BackboneError, match=r"^conse: .* is not installed; pip install openmov\[offline\]$"):
        load_backbone(BackboneConfig(name="conse"))


def test_a_revision_is_refused() -> None:
    with pytest.raises(BackboneError, match="it has no revisions"):
        load_backbone(BackboneConfig(name="conse", revision="main"))


def test_installed_here() -> None:
    assert conse_files.installed()
