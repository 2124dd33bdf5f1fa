"""Files behind a web address come whole however often the connection breaks, or one line names the file."""

import base64
import re
from pathlib import Path

import pytest

from openmov.errors import StorageError
from openmov.store.remote import FolderFiles, RemoteFiles, WebFiles, open_files
from tiny_server import Behaviour, serving

CONTENT = bytes(range(256)) * 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shard 0.tar").write_bytes(CONTENT)
    return tmp_path


def web(url: str, attempts: int = 3) -> WebFiles:
    return WebFiles(url, attempts=attempts, pause_seconds=0.0, timeout_seconds=5.0)


def test_a_folder_and_a_server_give_the_same_bytes(folder: Path) -> None:
    with serving(folder) as url:
        places: list[RemoteFiles] = [FolderFiles(folder), web(url), web(url + "/")]
        for place in places:
            assert place.read_all("shard 0.tar", 1 << 20) == CONTENT
            assert place.read("shard 0.tar", 1000, 77) == CONTENT[1000:1077]
            assert place.read("shard 0.tar", len(CONTENT) - 1, 1) == CONTENT[-1:]
            assert place.read("shard 0.tar", 5, 0) == b""


def test_a_broken_connection_is_taken_up_where_it_broke(folder: Path) -> None:
    behaviour = Behaviour(drops=lambda number: number < 2)
    with serving(folder, behaviour) as url:
        assert web(url).read("shard 0.tar", 100, 1000) == CONTENT[100:1100]
    ranges = [asked for _, asked in behaviour.asked]
    assert ranges == ["bytes=100-1099", "bytes=600-1099", "bytes=850-1099"]
    assert behaviour.sent_bytes == 1000


def test_a_whole_file_is_taken_up_too_and_a_busy_server_asked_again(folder: Path) -> None:
    behaviour = Behaviour(drops=lambda number: number == 1, status=lambda number: 503 if number == 0 else None)
    with serving(folder, behaviour) as url:
        assert web(url).read_all("shard 0.tar", 1 << 20) == CONTENT
    assert [asked for _, asked in behaviour.asked] == ["", "", f"bytes={len(CONTENT) // 2}-"]


def test_attempts_are_bounded_and_the_file_is_named(folder: Path) -> None:
    behaviour = Behaviour(drops=lambda number: True)
    with serving(folder, behaviour) as url, pytest.raises(StorageError) as caught:
        web(f"{url}?signature=secret").read("shard 0.tar", 0, 1000)
    assert len(behaviour.asked) == 3
    assert "signature=secret" in behaviour.asked[0][0]
    line = str(caught.value)
    assert "/shard%200.tar: cannot be fetched (the connection breaks off; tried 3 times)" in line
    assert "secret" not in line
    assert "\n" not in line


def test_what_asking_again_will_not_mend_is_said_at_once(folder: Path) -> None:
    behaviour = Behaviour()
    with serving(folder, behaviour) as url:
        with pytest.raises(StorageError, match=r"other\.tar: is not there \(the server answers 404\)"):
            web(url).read_all("other.tar", 9)
        with pytest.raises(StorageError, match="shorter than its index says"):
            web(url).read("shard 0.tar", len(CONTENT), 1)
        assert len(behaviour.asked) == 2
        behaviour.ranges = False
        with pytest.raises(StorageError, match="use a server that answers Range requests"):
            web(url).read("shard 0.tar", 10, 10)
        assert web(url).read("shard 0.tar", 0, 10) == CONTENT[:10]
    with pytest.raises(StorageError, match="tried 3 times"):  # nobody listens there any more
        web(url).read_all("shard 0.tar", 1 << 20)


def test_a_folder_says_what_is_wrong(folder: Path) -> None:
    with pytest.raises(StorageError, match="is cut off"):
        FolderFiles(folder).read("shard 0.tar", 0, len(CONTENT) + 1)
    with pytest.raises(StorageError, match="cannot be read"):
        FolderFiles(folder).read_all("other.tar", 9)


def test_places_are_folders_and_web_addresses(folder: Path) -> None:
    assert open_files(folder) == FolderFiles(folder)
    assert open_files("https://host/pack") == WebFiles("https://host/pack")
    secret = WebFiles("https://me:word@host/pack?key=1")
    assert secret.where("a b") == "https://host/pack/a%20b"
    assert not {"word", "key"} & set(re.findall("[a-z]+", repr(secret)))
    for other in ("ftp://host/pack", "file:///etc", str(folder / "nowhere")):
        with pytest.raises(StorageError):
            open_files(other)


def test_a_name_and_password_are_sent_and_never_shown(folder: Path) -> None:
    behaviour = Behaviour()
    with serving(folder, behaviour) as url:
        address = url.replace("http://", "http://me:my%20word@")
        assert web(address).read("shard 0.tar", 0, 10) == CONTENT[:10]
        with pytest.raises(StorageError) as caught:
            web(address).read("other.tar", 0, 10)
    assert behaviour.logins[0] == "Basic " + base64.b64encode(b"me:my word").decode()
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("length", ["many", "-5", "", None])
def test_a_length_that_is_none_is_not_minded(folder: Path, length: str | None) -> None:
    with serving(folder, Behaviour(length=lambda size: length)) as url:
        assert web(url).read_all("shard 0.tar", 1 << 20) == CONTENT
        assert web(url).read("shard 0.tar", 7, 9) == CONTENT[7:16]


def test_a_length_that_is_too_long_ends_in_one_line(folder: Path) -> None:
    longer = Behaviour(length=lambda size: str(size + 1000))
    with serving(folder, longer) as url, pytest.raises(StorageError, match=r"0\.tar: (cannot be fetched|is shorter)"):
        web(url).read_all("shard 0.tar", 1 << 20)


def test_no_more_is_taken_than_such_a_file_has(folder: Path) -> None:
    with serving(folder) as url:
        for files in (FolderFiles(folder), web(url)):
            assert files.read_all("shard 0.tar", len(CONTENT)) == CONTENT
            with pytest.raises(StorageError, match="which such a file never is"):
                files.read_all("shard 0.tar", len(CONTENT) - 1)


def test_a_server_that_sends_on_elsewhere_is_followed_to_the_web_alone(folder: Path) -> None:
    with serving(folder) as url:
        for target, words in ((url + "/", None), ("ftp://host/", "ftp"), (f"file://{folder}/", "refused")):
            with serving(folder, Behaviour(redirect=target)) as other:
                if words is None:
                    assert web(other).read("shard 0.tar", 0, 10) == CONTENT[:10]
                else:
                    with pytest.raises(StorageError, match=words):
                        web(other).read("shard 0.tar", 0, 10)
    with pytest.raises(StorageError):
        web("http://").read("a", 0, 1)
