"""What answers where nobody named a backbone is what can be loaded: CLIP from any of its places, else ConSE."""

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from hub.repositories import Repositories
from hub.server import Hub, Repository
from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones import Backbone, auto, load_backbone, load_default
from openmov.model.backbones.auto import COPIES, PREFERRED, load_auto, load_named, places_of
from openmov.model.backbones.download import fetch_model_folder
from openmov.runtime import hub as client

COPY = COPIES[PREFERRED]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that a person would wait."""
    monkeypatch.setattr(client, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(client, "FIRST_PAUSE_SECONDS", 0.01)


class Loader:
    """Loads the bundled tiny CLIP under another name; refuses what it is told to, remembers what it was asked for."""

    def __init__(self, refuses: Callable[[BackboneConfig], str | None] = lambda config: None) -> None:
        self.refuses = refuses
        self.asked: list[tuple[str, bool]] = []

    def __call__(self, config: BackboneConfig) -> Backbone:
        self.asked.append((config.name, config.safetensors_only))
        if "/" in config.name:
            fetch_model_folder(config.name, config.revision, safetensors_only=config.safetensors_only)
        if (what := self.refuses(config)) is not None:
            raise BackboneError(config.name, what)
        backbone = copy.copy(tiny())
        backbone.name = config.name  # type: ignore[misc]
        return backbone


@cache
def tiny() -> Backbone:
    return load_backbone(BackboneConfig(name="shapesav-tiny"))


def without(published: Repositories, *names: str) -> dict[str, Repository]:
    """The hub without some repositories, and without pull requests."""
    return {name: Repository(published[name].files) for name in (PREFERRED, COPY) if name not in names}


class TestOrder:
    def test_the_pull_requests_safetensors_come_first(self, hub: Hub) -> None:
        load = Loader()
        assert load_auto(load).name == PREFERRED
        assert load.asked == [(PREFERRED, True)]

    def test_then_the_copy_in_safetensors(self, hub: Hub, published: Repositories) -> None:
        hub.repositories = without(published)
        load = Loader()
        assert load_auto(load).name == COPY
        assert load.asked == [(PREFERRED, True), (COPY, True)]

    def test_then_the_pickle(self, hub: Hub, published: Repositories) -> None:
        hub.repositories = without(published, COPY)
        load = Loader()
        assert load_auto(load).name == PREFERRED
        assert load.asked == [(PREFERRED, True), (COPY, True), (PREFERRED, False)]

    def test_unless_pickles_are_forbidden(
        self, hub: Hub, published: Repositories, capsys: pytest.CaptureFixture[str]
    ) -> None:
        hub.repositories = without(published, COPY)
        load = Loader()
        assert load_auto(load, safetensors_only=True).name == "conse"
        assert load.asked == [(PREFERRED, True), (COPY, True), ("conse", False)]
        told = capsys.readouterr().err
        assert "conse answers, since CLIP cannot be loaded" in told
        assert f"{PREFERRED}: has its weights only as a pickle" in told
        assert f"{COPY}: is not a folder here and not a public model of the hub" in told

    def test_what_cannot_be_loaded_is_passed_over(self, hub: Hub) -> None:
        load = Loader(lambda config: "its weights do not fit" if config.name == PREFERRED else None)
        assert load_auto(load).name == COPY

    def test_what_is_in_the_cache_comes_first_and_asks_no_network(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fetch_model_folder(COPY)
        hub.asked.clear()
        assert load_auto(Loader()).name == COPY
        assert not hub.asked
        assert [place.name for place in places_of(BackboneConfig(name=PREFERRED))] == [COPY, PREFERRED, PREFERRED]


class TestOutOfReach:
    @pytest.mark.parametrize("how", ["hangs", "refuses", "offline", "limits"])
    def test_a_hub_is_asked_once(
        self, how: str, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        if how == "hangs":
            monkeypatch.setattr(client, "ANSWER_SECONDS", 0.2)
        hub.behaviour.hangs = lambda path: how == "hangs"
        hub.behaviour.limits = lambda path, number: 3600.0 if how == "limits" else None
        if how == "refuses":
            monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", how == "offline")
        load = Loader()
        assert load_auto(load).name == "conse"
        assert [name for name, _ in load.asked] == [PREFERRED, "conse"]
        assert len(hub.asked) <= 1
        assert capsys.readouterr().err.count("\n") == 1

    def test_it_goes_away_in_the_middle(self, hub: Hub) -> None:
        hub.behaviour.drops = lambda path, number: 1000 if number == 0 else 0
        assert load_auto(Loader()).name == "conse"


class TestNothing:
    def test_every_candidate_and_why_it_was_not_it(
        self, hub: Hub, published: Repositories, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub.repositories = without(published, COPY)
        monkeypatch.setattr(auto, "installed", lambda: False)
        with pytest.raises(BackboneError, match=r"pip install openmov\[offline\]$") as told:
            load_auto(Loader(lambda config: None if config.safetensors_only else "needs torch 2.10"))
        line = str(told.value)
        assert "\n" not in line
        assert line.startswith("auto: no backbone can be loaded (")
        for reason in (
            f"{PREFERRED}: has its weights only as a pickle",
            f"{COPY}: is not a folder here and not a public model",
            f"{PREFERRED}: needs torch 2.10",
            "conse: is not installed",
        ):
            assert reason in line

    def test_a_conse_that_is_damaged(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(BackboneError, match=r"HF_HUB_OFFLINE .*; conse: is damaged\); pip install"):
            load_auto(Loader(lambda config: "is damaged"))


class TestNamed:
    """A recipe's name means the weights, and not one repository."""

    def test_openais_clip_is_found_elsewhere(self, hub: Hub, published: Repositories) -> None:
        hub.repositories = without(published)
        assert load_named(BackboneConfig(name=PREFERRED), Loader()).name == COPY

    def test_but_never_replaced_by_another_model(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "ANSWER_SECONDS", 0.2)
        hub.behaviour.hangs = lambda path: True
        with pytest.raises(BackboneError, match=f"^{PREFERRED}: cannot be loaded .*not answer in time.*give a local"):
            load_named(BackboneConfig(name=PREFERRED), Loader())

    def test_a_pinned_revision_is_of_its_own_repository(self, hub: Hub, published: Repositories) -> None:
        config = BackboneConfig(name=PREFERRED, revision=published[PREFERRED].commit("main"))
        assert places_of(config) == (config,)

    @pytest.mark.parametrize("name", ["openai/clip-vit-large-patch14", "conse", "shapesav-tiny"])
    def test_others_have_one_place(self, name: str, hub: Hub) -> None:
        config = BackboneConfig(name=name)
        assert places_of(config) == (config,)
        with pytest.raises(BackboneError, match=f"^{name}: no$"):  # its own words, not wrapped into others
            load_named(config, Loader(lambda config: "no"))

    def test_a_folder_of_that_name_is_a_folder(self, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / PREFERRED).mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        assert len(places_of(BackboneConfig(name=PREFERRED))) == 1


class TestReal:
    """With the loaders that there are."""

    def test_all_places_hold_the_same_clip(self, hub: Hub, published: Repositories) -> None:
        first = load_default()
        sentences = ["a photo of a cat.", "playing guitar"]
        assert (first.name, first.source.licence) == (PREFERRED, "mit")
        assert first.source.revision == fetch_model_folder(PREFERRED).revision
        second = load_backbone(BackboneConfig(name=COPY))
        pictures = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
        for ours, theirs in (
            (first.embed_text(sentences), second.embed_text(sentences)),
            (first.image_encoder()(pictures), second.image_encoder()(pictures)),
        ):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
        assert first.temperature == pytest.approx(second.temperature)

    def test_a_pull_request_that_holds_another_model_is_passed_over(
        self, hub: Hub, published: Repositories, tmp_path: Path
    ) -> None:
        other = tmp_path / "other"
        other.mkdir()
        source = published["google/siglip-base-patch16-224"].files
        (other / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes())
        (pull,) = (one for one in published[PREFERRED].pull_requests if one.author == "SFconvertbot")
        broken = Repository(published[PREFERRED].files, (type(pull)(pull.num, other),))
        hub.repositories = {PREFERRED: broken, COPY: published[COPY]}
        assert load_default().name == COPY
