"""Files of the hub arrive whole or not at all, from the byte where they stopped, and nothing else is asked."""

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

from hub.server import Hub, Repository
from openmov.errors import StorageError
from openmov.runtime import hub as client
from openmov.runtime.hub import HubError, Listing, RemoteFile, fetch_files, fetch_model, find_conversion, list_files
from small_disk import small_disk
from tiny_server import serving as serving_files

NAME = "someone/model"
LARGE = "model.safetensors"
CONTENT = {"config.json": b'{"a": 1}', LARGE: bytes(range(256)) * 8000, "folder/empty.txt": b""}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that a person would wait."""
    monkeypatch.setattr(client, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(client, "FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def model(hub: Hub, tmp_path: Path) -> Repository:
    """On the hub: a small file, a large one, and one without content in a folder."""
    folder = tmp_path / "made"
    for name, content in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    hub.repositories = {NAME: Repository(folder)}
    return hub.repositories[NAME]


def fetched() -> Path:
    listing = list_files(NAME)
    return fetch_files(listing, list(listing.files))


def home() -> Path:
    return client.repository_folder(NAME)


def blobs() -> list[str]:
    return sorted(path.name for path in (home() / "blobs").iterdir()) if (home() / "blobs").is_dir() else []


def ranges(hub: Hub) -> list[str]:
    return [one.headers.get("range", "") for one in hub.asked if one.host == "storage"]


class TestWholeFiles:
    def test_they_are_those_of_the_hub(self, hub: Hub, model: Repository) -> None:
        folder = fetched()
        assert {name: (folder / name).read_bytes() for name in CONTENT} == CONTENT
        assert folder.name == model.commit("main")
        assert (home() / "refs" / "main").read_text() == model.commit("main")

    def test_what_is_there_is_not_fetched_again(self, hub: Hub, model: Repository) -> None:
        fetched()
        hub.asked.clear()
        fetched()
        assert [path.split("/")[2] for path in hub.paths()] == ["models", "models"]

    def test_the_hubs_own_client_finds_them(self, hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        ours = fetched()
        assert Path(huggingface_hub.snapshot_download(NAME, local_files_only=True)) == ours
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        hub.asked.clear()
        assert Path(huggingface_hub.snapshot_download(NAME)) == ours
        assert not hub.paths("storage")

    def test_and_those_it_fetched_are_found(self, hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        theirs = Path(huggingface_hub.snapshot_download(NAME))
        hub.asked.clear()
        assert fetched() == theirs
        assert not hub.paths("storage")

    def test_a_long_listing_comes_in_pages(self, hub: Hub, model: Repository) -> None:
        hub.behaviour.page_size = 1
        assert set(list_files(NAME).files) == set(CONTENT)

    def test_a_branch_and_a_commit(self, hub: Hub, model: Repository) -> None:
        commit = model.commit("main")
        assert list_files(NAME, commit) == list_files(NAME, "main") == list_files(NAME)


class TestBrokenConnections:
    def test_no_byte_is_sent_twice(self, hub: Hub, model: Repository) -> None:
        hub.behaviour.drops = lambda path, number: 700_000 if number < 2 else None
        assert (fetched() / LARGE).read_bytes() == CONTENT[LARGE]
        assert ranges(hub) == ["", "bytes=700000-", "bytes=1400000-"]
        assert hub.sent_bytes == len(CONTENT[LARGE])

    def test_it_goes_on_in_another_process(self, hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        hub.behaviour.drops = lambda path, number: 500_000 if number == 0 else 0
        with pytest.raises(HubError, match=r"model\.safetensors cannot be fetched .* 0\.5 of 2\.0 MB are here") as told:
            fetched()
        assert told.value.hint == "try again: it goes on from there"
        assert not (home() / "snapshots" / model.commit("main") / LARGE).exists()
        hub.behaviour.drops = lambda path, number: None
        assert (fetched() / LARGE).read_bytes() == CONTENT[LARGE]
        assert hub.sent_bytes == len(CONTENT[LARGE])

    def test_a_server_without_ranges_sends_it_all_again(self, hub: Hub, model: Repository) -> None:
        hub.behaviour.ranges = False
        hub.behaviour.drops = lambda path, number: 700_000 if number == 0 else None
        assert (fetched() / LARGE).read_bytes() == CONTENT[LARGE]
        assert hub.sent_bytes == len(CONTENT[LARGE]) + 700_000

    def test_a_server_without_ranges_that_always_breaks_off_ends(self, hub: Hub, model: Repository) -> None:
        hub.behaviour.ranges = False
        hub.behaviour.drops = lambda path, number: 700_000
        with pytest.raises(HubError, match=r"the connection breaks off; 0\.7 of 2\.0 MB"):
            fetched()

    def test_a_storage_that_falls_silent_is_asked_again(
        self, hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "SILENCE_SECONDS", 0.3)
        monkeypatch.setattr(client, "PATIENCE_SECONDS", 20.0)
        silent = iter([True, True])
        hub.behaviour.hangs = lambda path: path.startswith("/repos/") and next(silent, False)
        started = time.monotonic()
        assert (fetched() / LARGE).read_bytes() == CONTENT[LARGE]
        assert time.monotonic() - started < 10

    def test_damage_on_the_way_is_noticed(self, hub: Hub, model: Repository) -> None:
        hub.behaviour.damages = lambda path: True
        with pytest.raises(HubError, match=r"model\.safetensors arrives damaged"):
            fetched()
        assert hub.sent_bytes == 2 * len(CONTENT[LARGE])  # once more, then no more
        assert not (home() / "snapshots" / model.commit("main") / LARGE).exists()
        hub.behaviour.damages = lambda path: False
        assert (fetched() / LARGE).read_bytes() == CONTENT[LARGE]

    def test_a_file_cut_short_on_the_disk_is_fetched_again(self, hub: Hub, model: Repository) -> None:
        path = fetched() / LARGE
        path.resolve().write_bytes(CONTENT[LARGE][:1000])
        assert (fetched() / LARGE).read_bytes() == CONTENT[LARGE]


def test_two_that_fetch_at_once_fetch_once(hub: Hub, model: Repository) -> None:
    hub.behaviour.bytes_a_second = 8_000_000
    with ThreadPoolExecutor(3) as pool:
        folders = {pool.submit(fetched).result for _ in range(3)}
    assert {(one() / LARGE).read_bytes() for one in folders} == {CONTENT[LARGE]}
    assert hub.sent_bytes == len(CONTENT[LARGE])


class TestRefusals:
    @pytest.mark.parametrize("token", [None, "hf_someone"])
    def test_no_such_model(self, token: str | None, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        if token is not None:
            monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(HubError, match="nobody/none: is not a folder here and not a public model of the hub"):
            list_files("nobody/none")

    def test_no_such_revision(self, hub: Hub, model: Repository) -> None:
        with pytest.raises(HubError, match="has no revision 'v9' on the hub"):
            list_files(NAME, "v9")

    def test_a_licence_that_nobody_accepted(self, hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        model.gated = True
        page = f"{hub.address}/{NAME}"
        with pytest.raises(HubError) as told:
            fetched()
        assert str(told.value) == (
            f"{NAME}: its licence has to be accepted first, and no token says who asks; "
            f"accept it at {page}, then set HF_TOKEN"
        )
        monkeypatch.setenv("HF_TOKEN", "hf_another")
        with pytest.raises(HubError, match=f"not accepted by the account of your token; accept it at {page}"):
            fetched()
        monkeypatch.setenv("HF_TOKEN", "hf_accepted")
        assert (fetched() / LARGE).read_bytes() == CONTENT[LARGE]  # and the storage has not been shown the token

    def test_a_token_that_is_none(self, hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_TOKEN", "abc")
        with pytest.raises(HubError, match="the hub refuses your token; set a valid HF_TOKEN"):
            list_files(NAME)

    def test_a_file_that_would_lie_outside(self, hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Repository, "contents", lambda *_: {"../../outside.json": b"1"})
        with pytest.raises(HubError, match="something else answers"):
            list_files(NAME)

    def test_a_hash_that_is_a_path(self, hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hub.server._git_hash", lambda content: "../../outside")
        with pytest.raises(HubError, match="something else answers"):
            list_files(NAME)


class TestAHubOutOfReach:
    def refused(self, hint: str = "") -> HubError:
        started = time.monotonic()
        with pytest.raises(HubError, match=hint) as told:
            list_files(NAME)
        assert time.monotonic() - started < 5
        assert told.value.out_of_reach
        assert "\n" not in str(told.value)
        return told.value

    def test_it_hangs(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "ANSWER_SECONDS", 0.2)
        hub.behaviour.hangs = lambda path: True
        self.refused(r"cannot be reached \(it does not answer in time\)")

    def test_nobody_listens(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        self.refused(r"cannot be reached \(no connection\)")

    def test_its_name_is_never_resolved(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "ANSWER_SECONDS", 0.2)
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: time.sleep(3))
        monkeypatch.setattr(constants, "ENDPOINT", "http://hub.example")
        self.refused("it does not answer in time")

    def test_it_is_forbidden(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        self.refused("HF_HUB_OFFLINE forbids")
        assert not hub.asked

    def test_it_is_ill(self, hub: Hub) -> None:
        hub.behaviour.status = lambda path: 503
        self.refused("the hub answers 503")

    def test_it_was_ill_for_a_moment(self, hub: Hub, model: Repository) -> None:
        ill = iter([503, 500])
        hub.behaviour.status = lambda path: next(ill, None)
        assert set(list_files(NAME).files) == set(CONTENT)

    def test_the_login_page_of_a_network(self, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        page = tmp_path / "web" / "api" / "models" / NAME / "revision" / "main"
        page.parent.mkdir(parents=True)
        page.write_text("<html>Welcome to our café</html>")
        with serving_files(tmp_path / "web") as address:
            monkeypatch.setattr(constants, "ENDPOINT", address)
            self.refused("something else answers in its place")


class TestRateLimit:
    def test_it_waits_as_it_is_told(
        self, hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        slept: list[float] = []
        monkeypatch.setattr(client.time, "sleep", slept.append)
        hub.behaviour.limits = lambda path, number: 7.0 if number in (0, 3) else None
        assert (fetched() / LARGE).read_bytes() == CONTENT[LARGE]
        assert slept == [7.0, 7.0]
        assert capsys.readouterr().err.count("waiting 7 s as it asks") == 2

    def test_it_does_not_wait_for_an_hour(self, hub: Hub, model: Repository) -> None:
        hub.behaviour.limits = lambda path, number: 3600.0
        with pytest.raises(HubError, match="too many requests from here; try again in 3600 s, or set HF_TOKEN"):
            fetched()
        assert len(hub.asked) == 1

    def test_it_does_not_wait_again_and_again(
        self, hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slept: list[float] = []
        monkeypatch.setattr(client.time, "sleep", slept.append)
        hub.behaviour.limits = lambda path, number: 25.0
        with pytest.raises(HubError, match="too many requests"):
            fetched()
        assert sum(slept) <= client.LONGEST_WAIT_SECONDS


class TestAFullDisk:
    def test_it_is_seen_before_anything_is_fetched(self, hub: Hub, model: Repository, tmp_path: Path) -> None:
        with small_disk(Path(constants.HF_HUB_CACHE), 500_000):
            with pytest.raises(StorageError, match=r"takes 2\.0 MB, and 0\.\d MB are free .*set HF_HOME"):
                fetched()
            assert not hub.paths("storage")

    def test_it_fills_up_on_the_way(self, hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "free_bytes", lambda folder: 10**12)  # what was free when it began
        with small_disk(Path(constants.HF_HUB_CACHE), 500_000):
            with pytest.raises(StorageError, match="no space left on the device; free some space") as told:
                fetched()
            assert "\n" not in str(told.value)
            assert not [name for name in blobs() if name.endswith(".incomplete")]
            assert not (home() / "snapshots" / model.commit("main") / LARGE).exists()
        assert (fetched() / LARGE).read_bytes() == CONTENT[LARGE]


class TestNothingElse:
    def test_is_asked_or_told(self, hub: Hub, model: Repository) -> None:
        fetched()
        find_conversion(NAME)
        asked = f"/api/models/{NAME}", f"/{NAME}/resolve/", f"/api/resolve-cache/models/{NAME}/", "/repos/"
        assert all(path.startswith(asked) for path in hub.paths())
        told = {name.lower() for one in hub.asked for name in one.headers}
        assert told <= {"host", "accept", "accept-encoding", "connection", "user-agent", "x-amzn-trace-id", "range"}
        assert {one.headers["user-agent"] for one in hub.asked} == {"openmov"}

    def test_the_client_left_alone_would_ask(
        self, hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(home() / "none.json"))
        monkeypatch.setattr("huggingface_hub.utils._detect_agent._registry", None)
        huggingface_hub.HfApi(hub.address).model_info(NAME)
        assert "/api/agent-harnesses" in hub.paths()


class TestSharedModels:
    def test_the_newest_where_the_hub_answers_else_the_cached(
        self, hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = fetch_model(NAME, ["config.json", "absent.txt"])
        assert (first / "config.json").read_bytes() == CONTENT["config.json"]
        assert not (first / LARGE).exists()
        monkeypatch.setattr(client, "ANSWER_SECONDS", 0.2)
        hub.behaviour.hangs = lambda path: True
        assert fetch_model(NAME, ["config.json"]) == first
        with pytest.raises(HubError, match="cannot be reached"):
            fetch_model(NAME, [LARGE])

    def test_a_revision(self, hub: Hub, model: Repository) -> None:
        folder = fetch_model(f"{NAME}@{model.commit('main')}", ["config.json"])
        assert folder.name == model.commit("main")
        with pytest.raises(HubError, match="no revision 'v2'"):
            fetch_model(f"{NAME}@v2", ["config.json"])


def test_links_may_be_missing_on_a_disk(hub: Hub, model: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", none)
    folder = fetched()
    assert not (folder / LARGE).is_symlink()
    assert (folder / LARGE).read_bytes() == CONTENT[LARGE]


def test_a_listing_that_does_not_fit_the_file_is_not_believed(hub: Hub, model: Repository) -> None:
    listing = list_files(NAME)
    wrong = dataclasses.replace(listing.files["config.json"], digest="0" * 40)
    with pytest.raises(HubError, match=r"config\.json arrives damaged"):
        fetch_files(Listing(NAME, listing.commit, {"config.json": wrong}), ["config.json"])
    short = RemoteFile("config.json", 3, listing.files["config.json"].digest)
    with pytest.raises(HubError, match=r"config\.json arrives damaged"):
        fetch_files(Listing(NAME, listing.commit, {"config.json": short}), ["config.json"])
