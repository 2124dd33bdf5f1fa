"""Of every published layout one set of weights is fetched, with its configs, and only a whole model is used."""

import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from hub.repositories import LAYOUTS, Repositories
from hub.server import Hub, PullRequest, Repository
from openmov.errors import BackboneError
from openmov.model.backbones.contents import read_contents
from openmov.model.backbones.download import fetch_model_folder, is_downloaded
from openmov.runtime import hub as client

SAFE, PICKLE = "model.safetensors", "pytorch_model.bin"
OPEN_SAFE, OPEN_PICKLE = "open_clip_model.safetensors", "open_clip_pytorch_model.bin"
OPENAI = "openai/clip-vit-base-patch16"
SIGLIP = "google/siglip-base-patch16-224"
WANTED = {
    OPENAI: SAFE,
    "openai/clip-vit-base-patch32": PICKLE,
    "openai/clip-vit-large-patch14": SAFE,
    "timm/vit_base_patch32_clip_224.openai": OPEN_SAFE,
    "timm/vit_base_patch16_clip_224.openai": OPEN_SAFE,
    "timm/vit_large_patch14_clip_224.openai": OPEN_SAFE,
    "laion/CLIP-ViT-B-16-laion2B-s34B-b88K": OPEN_PICKLE,
    "laion/CLIP-ViT-L-14-laion2B-s32B-b82K": PICKLE,
    "apple/DFN2B-CLIP-ViT-L-14": "open_clip_pytorch_model.safetensors",
    "apple/DFN5B-CLIP-ViT-H-14": "open_clip_pytorch_model.safetensors",
    "timm/PE-Core-S-16-384": OPEN_SAFE,
    "timm/PE-Core-B-16": OPEN_SAFE,
    SIGLIP: SAFE,
    "google/siglip2-base-patch16-224": SAFE,
    "google/siglip2-base-patch16-naflex": SAFE,
    "facebook/metaclip-2-worldwide-b32": SAFE,
    "laion/clap-htsat-unfused": PICKLE,
    "laion/clap-htsat-fused": SAFE,
    "facebook/pe-av-small": SAFE,
    "facebook/pe-av-small-16-frame": SAFE,
    "microsoft/xclip-base-patch16-zero-shot": PICKLE,
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that a person would wait."""
    monkeypatch.setattr(client, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(client, "FIRST_PAUSE_SECONDS", 0.01)


def stored(hub: Hub) -> list[str]:
    """Large files that were asked for."""
    return [path.rpartition("/")[2] for path in hub.paths("hub") if "/resolve/" in path and path.endswith(LARGE)]


LARGE = (".safetensors", ".bin", ".msgpack", ".h5")


def test_every_layout_is_tested() -> None:
    assert set(WANTED) == set(LAYOUTS)


@pytest.mark.parametrize("name", WANTED)
def test_one_set_of_weights_and_nothing_of_other_frameworks(name: str, hub: Hub, published: Repositories) -> None:
    model = fetch_model_folder(name)
    weights = [path.name for path in model.folder.iterdir() if path.name.endswith(LARGE)]
    assert weights == stored(hub) == [WANTED[name]]
    assert model.repository == name
    assert model.revision.startswith(published[name].commit("main"))
    assert not any("xet" in path or "agent" in path for path in hub.paths())
    contents = read_contents(name, model.folder)
    assert contents.weights == (model.folder / WANTED[name],)
    assert contents.has_vocabulary
    assert (model.folder / "README.md").is_file()  # says the licence


@pytest.mark.parametrize("name", ["openai/clip-vit-base-patch32", "laion/clap-htsat-unfused"])
def test_pickles_may_be_forbidden(name: str, hub: Hub) -> None:
    with pytest.raises(BackboneError, match=rf"weights only as a pickle \({PICKLE}\), which --safetensors-only"):
        fetch_model_folder(name, safetensors_only=True)
    assert not stored(hub)


class TestConversion:
    """The bot's pull request."""

    @pytest.fixture
    def openai(self, hub: Hub, published: Repositories, tmp_path: Path) -> Repository:
        """OpenAI's model with one pull request, to be changed."""
        main = shutil.copytree(published[OPENAI].files, tmp_path / "main")
        (bots,) = (one for one in published[OPENAI].pull_requests if one.author == "SFconvertbot")
        repository = Repository(main, (PullRequest(9, bots.files),))
        hub.repositories = {OPENAI: repository}
        return repository

    def test_main_has_the_configs_and_the_pull_request_the_weights(
        self, hub: Hub, openai: Repository, published: Repositories
    ) -> None:
        (openai.pull_requests[0].files / "config.json").write_text('{"model_type": "another"}')
        try:
            model = fetch_model_folder(OPENAI)
        finally:
            (openai.pull_requests[0].files / "config.json").unlink()
        assert (model.folder / "config.json").read_bytes() == (openai.files / "config.json").read_bytes()
        assert load_file(model.folder / SAFE).keys() == load_file(openai.pull_requests[0].files / SAFE).keys()
        main, pull = openai.commit("main"), openai.commit("refs/pr/9")
        assert model.revision == f"{main} with the weights of refs/pr/9 ({pull})"

    @pytest.mark.parametrize(
        "change", [{"author": "somebody"}, {"status": "closed"}, {"status": "merged"}, {"title": "Add safetensors"}]
    )
    def test_others_are_not_trusted(self, change: dict[str, str], hub: Hub, openai: Repository) -> None:
        openai.pull_requests = (PullRequest(9, openai.pull_requests[0].files, **change),)
        assert (fetch_model_folder(OPENAI).folder / PICKLE).is_file()
        assert stored(hub) == [PICKLE]

    def test_one_made_of_an_older_pickle_is_not_used(self, hub: Hub, openai: Repository, tmp_path: Path) -> None:
        older = shutil.copytree(openai.pull_requests[0].files, tmp_path / "older")
        (older / PICKLE).write_bytes(b"what main held then")
        openai.pull_requests = (PullRequest(9, older),)
        assert (fetch_model_folder(OPENAI).folder / PICKLE).is_file()

    def test_it_may_be_on_a_later_page(self, hub: Hub, openai: Repository) -> None:
        (bots,) = openai.pull_requests
        talk = tuple(PullRequest(num, bots.files, title="A word", author="a reader") for num in range(20, 60))
        openai.pull_requests = (bots, *talk)
        assert (fetch_model_folder(OPENAI).folder / SAFE).is_file()

    def test_discussions_may_be_switched_off(self, hub: Hub, openai: Repository) -> None:
        openai.has_discussions = False
        assert (fetch_model_folder(OPENAI).folder / PICKLE).is_file()

    def test_a_revision_that_was_named_is_taken_as_it_is(self, hub: Hub, openai: Repository) -> None:
        assert (fetch_model_folder(OPENAI, openai.commit("main")).folder / PICKLE).is_file()
        pull = fetch_model_folder(OPENAI, "refs/pr/9")
        assert (pull.folder / SAFE).is_file()
        assert pull.revision == openai.commit("refs/pr/9")


def made(hub: Hub, folder: Path, files: dict[str, str]) -> str:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    hub.repositories = {"a/model": Repository(folder)}
    return "a/model"


CONFIG = json.dumps({"model_type": "clip"})


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"config.json": CONFIG, "flax_model.msgpack": "x", "tf_model.h5": "x"},
            r"holds no weights that are read here \(it has flax_model\.msgpack, tf_model\.h5\); give a model with",
        ),
        ({"config.json": CONFIG}, "holds no weights; give"),
        ({"config.json": "{}", SAFE: "x"}, r"config\.json names no model_type"),
        ({"README.md": "x"}, r"it holds no config\.json"),
        ({"config.json": '{"architecture": "vit"}', SAFE: "x"}, "not a model in transformers' or open_clip's format"),
    ],
)
def test_no_usable_weights(files: dict[str, str], words: str, hub: Hub, tmp_path: Path) -> None:
    name = made(hub, tmp_path / "made", files)
    with pytest.raises(BackboneError, match=rf"^a/model: .*{words}") as told:
        fetch_model_folder(name)
    assert "\n" not in str(told.value)
    assert not stored(hub)


def test_shards_come_all_or_not_at_all(hub: Hub, published: Repositories, tmp_path: Path) -> None:
    source = published["openai/clip-vit-large-patch14"].files
    folder = tmp_path / "sharded"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.bin", SAFE))
    state = load_file(source / SAFE)
    halves = [dict(list(state.items())[start::2]) for start in (0, 1)]
    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    for name, half in zip(names, halves, strict=True):
        save_file(half, folder / name)
    parts = {key: name for name, half in zip(names, halves, strict=True) for key in half}
    (folder / f"{SAFE}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": parts}))
    hub.repositories = {"a/model": Repository(folder)}

    hub.behaviour.status = lambda path: 503 if path.endswith(names[1]) else None
    with pytest.raises(BackboneError, match=f"{names[1]} cannot be fetched"):
        fetch_model_folder("a/model")
    assert not is_downloaded("a/model")
    hub.behaviour.status = lambda path: None
    model = fetch_model_folder("a/model")
    assert read_contents("a/model", model.folder).weights == tuple(model.folder / name for name in names)

    (folder / names[1]).unlink()
    hub.repositories = {"b/model": Repository(folder)}
    with pytest.raises(BackboneError, match="holds no weights that are read here"):
        fetch_model_folder("b/model")


class TestCache:
    def test_what_is_there_asks_no_network(self, hub: Hub) -> None:
        first = fetch_model_folder(OPENAI)
        asked = len(hub.asked)
        assert fetch_model_folder(OPENAI) == fetch_model_folder(OPENAI, safetensors_only=True) == first
        assert is_downloaded(OPENAI)
        assert len(hub.asked) == asked

    def test_unless_it_is_told_to(self, hub: Hub, published: Repositories, tmp_path: Path) -> None:
        first = fetch_model_folder(SIGLIP)
        newer = shutil.copytree(published[SIGLIP].files, tmp_path / "newer")
        (newer / "README.md").write_text("---\nlicense: mit\n---\n")
        hub.repositories = {SIGLIP: Repository(newer)}
        assert fetch_model_folder(SIGLIP) == first
        sent = hub.sent_bytes
        second = fetch_model_folder(SIGLIP, refresh=True)
        assert second.revision == hub.repositories[SIGLIP].commit("main") != first.revision
        assert hub.sent_bytes == sent  # the weights are the same, and are there
        assert fetch_model_folder(SIGLIP) == second
        assert fetch_model_folder(SIGLIP, first.revision) == first

    def test_offline(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        model = fetch_model_folder(OPENAI)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert fetch_model_folder(OPENAI) == model
        with pytest.raises(BackboneError, match="not in the cache, and HF_HUB_OFFLINE forbids"):
            fetch_model_folder(SIGLIP)

    def test_refreshing_without_a_network_keeps_what_there_is(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        model = fetch_model_folder(OPENAI)
        monkeypatch.setattr(client, "ANSWER_SECONDS", 0.2)
        hub.behaviour.hangs = lambda path: True
        assert fetch_model_folder(OPENAI, refresh=True) == model

    def test_half_a_model_is_not_taken_for_one(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        sent = iter([100_000])
        hub.behaviour.drops = lambda path, number: next(sent, 0) if path == SAFE else None
        with pytest.raises(BackboneError, match=rf"{SAFE} cannot be fetched .*; try again: it goes on from there"):
            fetch_model_folder(SIGLIP)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert not is_downloaded(SIGLIP)
        with pytest.raises(BackboneError, match="HF_HUB_OFFLINE forbids"):
            fetch_model_folder(SIGLIP)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        hub.behaviour.drops = lambda path, number: None
        folder = fetch_model_folder(SIGLIP).folder
        assert sum((folder / name).stat().st_size for name in (SAFE, "spiece.model")) == hub.sent_bytes

    def test_a_file_that_was_cut_short_or_deleted_is_noticed(self, hub: Hub) -> None:
        path = (fetch_model_folder(SIGLIP).folder / SAFE).resolve()
        whole = path.read_bytes()
        for damage in (lambda: path.write_bytes(whole[:100]), path.unlink):
            damage()
            assert not is_downloaded(SIGLIP)
            assert (fetch_model_folder(SIGLIP).folder / SAFE).read_bytes() == whole

    def test_what_other_clients_fetched_is_used(
        self, hub: Hub, published: Repositories, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        huggingface_hub.snapshot_download(SIGLIP, allow_patterns=["config.json", SAFE])
        assert not is_downloaded(SIGLIP)  # without a tokenizer it is not whole
        theirs = huggingface_hub.snapshot_download(SIGLIP, allow_patterns=["*.json", SAFE])
        hub.asked.clear()
        model = fetch_model_folder(SIGLIP)
        assert model.folder == Path(theirs)
        assert model.revision == published[SIGLIP].commit("main")
        assert not hub.asked

    def test_their_pickle_is_second_to_the_hubs_safetensors(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        huggingface_hub.snapshot_download(OPENAI)
        assert is_downloaded(OPENAI)
        assert not is_downloaded(OPENAI, safetensors_only=True)
        assert (fetch_model_folder(OPENAI).folder / SAFE).is_file()

    def test_and_is_used_where_there_is_no_hub(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        theirs = huggingface_hub.snapshot_download(OPENAI)
        monkeypatch.setattr(client, "ANSWER_SECONDS", 0.2)
        hub.behaviour.hangs = lambda path: True
        assert fetch_model_folder(OPENAI).folder == Path(theirs)
        with pytest.raises(BackboneError, match="cannot be reached"):
            fetch_model_folder(OPENAI, safetensors_only=True)


def test_gated_without_a_token(hub: Hub, published: Repositories) -> None:
    hub.repositories = {SIGLIP: Repository(published[SIGLIP].files, gated=True)}
    with pytest.raises(
        BackboneError, match=f"its licence has to be accepted first.* accept it at {hub.address}/{SIGLIP}"
    ):
        fetch_model_folder(SIGLIP)
