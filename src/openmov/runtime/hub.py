"""Files of a model on the Hugging Face hub: listed, fetched once, and found again without a network.

    list_files        GET /api/models/<id>/revision/<rev>, .../tree/<commit>    -> Listing
    find_conversion   GET /api/models/<id>/discussions                          -> refs/pr/N
    fetch_files       GET /<id>/resolve/<commit>/<file>                         -> files in the hub's own cache

The cache is the one that every client of the hub shares ($HF_HOME; blobs by hash, snapshots of links to them), and the
connection is the client's (proxies, certificates, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE). What is ours is how bytes
come in: a file grows under a name that nobody takes for a model, goes on from the byte where it stopped, also in
another process, and gets its name when length and hash are those the hub announced. The client itself begins anew in
every process, waits without bound for some answers, and asks the hub about things that are not models
(`/api/agent-harnesses`); none of this happens here, and nothing is sent but what a request needs.

Knows nothing of what the files hold.
"""

import errno
import hashlib
import itertools
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, runtime_checkable
from urllib.parse import quote

from huggingface_hub import constants, get_session, get_token
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import WeakFileLock, hf_raise_for_status, httpx

from openmov.errors import OpenMovError, StorageError
from openmov.runtime.atomic import atomic_file, free_bytes, storage_errors, write_text
from openmov.runtime.progress import download_bar, warn

ANSWER_SECONDS = 5.0
"""A question to the hub is answered within so long, name resolution included, or the hub cannot be reached."""
SILENCE_SECONDS = 10.0
"""Without a byte for so long, a connection counts as broken; `HF_HUB_DOWNLOAD_TIMEOUT` says otherwise."""
PATIENCE_SECONDS = 30.0
"""A file that gets no further for so long, whatever is tried, is given up."""
FIRST_PAUSE_SECONDS = 0.5
"""Before a second attempt; doubled before each one after."""
LONGEST_WAIT_SECONDS = 60.0
"""A hub that limits the rate of requests is obeyed if it asks for no longer than this."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PIECE_BYTES = 1 << 18
_SHA256_DIGITS = 64
_WORTH_A_BAR = 1_000_000
_PASSING = (408, 500, 502, 503, 504)
"""Answers that may be others in a moment."""
_TRIES = 4
_CONVERTER = "SFconvertbot"
"""The hub's own bot; pull requests that others give the same title are not looked at."""
_CONVERSION_TITLE = "Adding `safetensors` variant of this model"


class HubError(OpenMovError):
    """Why files of the hub cannot be had. Callers say it in the class of their own errors (`raised_as`)."""

    def __init__(self, where: str, what: str, hint: str, *, out_of_reach: bool = False) -> None:
        super().__init__(where, what, hint)
        self.hint = hint
        self.out_of_reach = out_of_reach
        """Whether the hub could not be asked; another model would fare no better."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository, as the hub lists it."""

    name: str
    """Its path in the repository."""
    size_bytes: int
    """Of its content."""
    digest: str
    """SHA-256 of a large file (64 digits), git's SHA-1 of a small one (40); also its name in the cache."""


@dataclass(frozen=True)
class Listing:
    """What a repository holds at one commit."""

    repository: str
    """`owner/model`."""
    commit: str
    """Full hash."""
    files: dict[str, RemoteFile] = field(repr=False)
    """By name."""


@runtime_checkable
class _Digest(Protocol):
    def update(self, content: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@contextmanager
def raised_as(error_class: type[OpenMovError]) -> Iterator[None]:
    """A HubError within the block leaves it as an error of this class, in the same words."""
    try:
        yield
    except HubError as error:
        raise error_class(error.where, error.what, error.hint) from error


def is_hub_name(text: str) -> bool:
    """Whether it reads as `owner/model` or `owner/model@revision`; a folder may be called so too."""
    return _HUB_NAME.fullmatch(text) is not None


def repository_folder(repository: str) -> Path:
    """Where the cache keeps a repository; it need not exist."""
    return Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"


def fetch_model(name: str, wanted: Sequence[str]) -> Path:
    """The folder of those of the `wanted` files that the model `owner/model[@revision]` has.

    The newest where the hub answers, else what the cache holds. Raises HubError, StorageError.
    """
    repository, _, revision = name.partition("@")
    try:
        listing = list_files(repository, revision or None)
    except HubError as error:
        cached = cached_snapshot(repository, revision or None) if error.out_of_reach else None
        if cached is None or not (cached / wanted[0]).is_file():
            raise
        return cached
    return fetch_files(listing, [file for file in wanted if file in listing.files], revision or None)


def list_files(repository: str, revision: str | None = None) -> Listing:
    """What the hub has at a revision (a branch, a tag, `refs/pr/N` or a commit; None for main). Raises HubError."""
    path = f"/api/models/{repository}"
    commit = revision or "main"
    if not _COMMIT.fullmatch(commit):
        answer = _ask(repository, f"{path}/revision/{quote(commit, safe='')}", revision)
        with _understood(repository):
            commit = _hexadecimal(answer.json()["sha"])
    files: dict[str, RemoteFile] = {}
    page: str | None = f"{path}/tree/{commit}?recursive=true"
    while page is not None:
        answer = _ask(repository, page, revision)
        with _understood(repository):
            found = [_remote_file(entry) for entry in answer.json() if entry["type"] == "file"]
        files |= {file.name: file for file in found}
        page = answer.links.get("next", {}).get("url")
    return Listing(repository, commit, files)


def _remote_file(entry: dict[str, Any]) -> RemoteFile:
    """Raises ValueError for a path that leads out of the repository's folder, or a hash that is none."""
    path, large = PurePosixPath(entry["path"]), entry.get("lfs")
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(path)
    size, digest = (large["size"], large["oid"]) if large else (entry["size"], entry["oid"])
    return RemoteFile(str(path), int(size), _hexadecimal(digest))


def _hexadecimal(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text):
        raise ValueError(text)
    return text


@contextmanager
def _understood(repository: str) -> Iterator[None]:
    """An answer that is not a hub's, such as the login page of a network, becomes a HubError."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreachable(repository, "something else answers in its place") from error


def find_conversion(repository: str) -> str | None:
    """`refs/pr/N` of the open pull request in which the hub's bot put a model's weights into safetensors, if there is
    one. Raises HubError."""
    seen = 0
    for page in itertools.count():
        answer = _ask(repository, f"/api/models/{repository}/discussions?type=pull_request&status=open&p={page}", None)
        with _understood(repository):
            count, discussions = int(answer.json()["count"]), list(answer.json()["discussions"])
            for one in discussions:
                by_bot = (one.get("author") or {}).get("name") == _CONVERTER
                if by_bot and one["isPullRequest"] and one["status"] == "open" and one["title"] == _CONVERSION_TITLE:
                    return f"refs/pr/{int(one['num'])}"
        seen += len(discussions)
        if not discussions or seen >= count:
            break
    return None


def cached_snapshot(repository: str, revision: str | None = None) -> Path | None:
    """The folder of the files that the cache holds of a revision, whoever fetched them; they may be a part of it."""
    home, commit = repository_folder(repository), revision or "main"
    if not _COMMIT.fullmatch(commit):
        reference = home / "refs" / commit
        if not reference.is_file():
            return None
        commit = reference.read_text(encoding="utf-8").strip()
    folder = home / "snapshots" / commit
    return folder if folder.is_dir() else None


def fetch_files(listing: Listing, names: Sequence[str], revision: str | None = None) -> Path:
    """Folder of the snapshot that holds these files, each whole; the last name is the last that appears.

    `revision` is what the commit was found by, and is remembered for when there is no network. A bar on stderr shows
    size and speed. Raises HubError; StorageError where the disk is full.
    """
    home = repository_folder(listing.repository)
    snapshot = home / "snapshots" / listing.commit
    files = [listing.files[name] for name in names]
    missing = [file for file in files if not _is_there(snapshot / file.name, file)]
    if missing:
        here = sum(min(_size(_partial(home, file)), file.size_bytes) for file in missing)
        num_bytes = sum(file.size_bytes for file in missing)
        _refuse_small_disk(listing.repository, home, num_bytes - here)
        with download_bar(listing.repository, num_bytes, here, shown=num_bytes >= _WORTH_A_BAR) as advance:
            for file in missing:
                _fetch(listing, file, home, advance)
    if not _COMMIT.fullmatch(revision or "main"):
        reference = home / "refs" / (revision or "main")
        if not reference.is_file() or reference.read_text(encoding="utf-8") != listing.commit:
            with suppress(StorageError):  # a cache that cannot be written is as good to read from
                write_text(reference, listing.commit)
    return snapshot


def _is_there(path: Path, file: RemoteFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size_bytes


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _refuse_small_disk(repository: str, home: Path, needed: int) -> None:
    free = free_bytes(home)
    if needed > free:
        what = f"takes {needed / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free in {constants.HF_HUB_CACHE}"
        raise StorageError(repository, what, "free some space, or set HF_HOME to a folder on another disk")


def _partial(home: Path, file: RemoteFile) -> Path:
    return home / "blobs" / f"{file.digest}.incomplete"


def _fetch(listing: Listing, file: RemoteFile, home: Path, advance: Callable[[int], None]) -> None:
    """Brings one file into the cache: a blob under its hash, and the snapshot's link to it."""
    blob, link = home / "blobs" / file.digest, home / "snapshots" / listing.commit / file.name
    locks = Path(constants.HF_HUB_CACHE) / ".locks" / home.name
    with storage_errors(blob):
        for folder in (blob.parent, link.parent, locks):
            folder.mkdir(parents=True, exist_ok=True)
    with storage_errors(blob), WeakFileLock(locks / f"{file.digest}.lock"):  # the client's own lock for this file
        if _is_there(blob, file):
            advance(file.size_bytes)
        else:
            _receive_whole(listing, file, _partial(home, file), advance)
            with storage_errors(blob):
                _partial(home, file).replace(blob)
        _link(blob, link)


def _link(blob: Path, link: Path) -> None:
    with storage_errors(link):
        if link.is_symlink() or link.exists():
            link.unlink()
        try:
            link.symlink_to(os.path.relpath(blob, link.parent))
        except (OSError, NotImplementedError):  # a file system without links
            with atomic_file(link) as temporary:
                temporary.write_bytes(blob.read_bytes())


def _receive_whole(listing: Listing, file: RemoteFile, partial: Path, advance: Callable[[int], None]) -> None:
    """Fills `partial` from where it ends, over as many connections as it takes, and compares its hash."""
    incoming = _Incoming(listing, file, partial, advance)
    furthest, patience = incoming.have, time.monotonic() + PATIENCE_SECONDS
    pause, waited = FIRST_PAUSE_SECONDS, 0.0
    damaged = False
    while not incoming.complete():
        if incoming.have >= file.size_bytes:
            if damaged:
                incoming.start_anew()
                what = f"{file.name} arrives damaged (its hash is not the one that the hub announces)"
                raise HubError(listing.repository, what, "try again later, or over another network")
            damaged = True
            incoming.start_anew()
        reason = "the connection breaks off"
        try:
            incoming.receive()
        except _Limited as error:
            waited = _wait(listing.repository, error.seconds, waited)
            patience = time.monotonic() + PATIENCE_SECONDS
            continue
        except _Passing as error:
            reason = str(error)
        if incoming.have > furthest:
            furthest, patience = incoming.have, time.monotonic() + PATIENCE_SECONDS
            pause = FIRST_PAUSE_SECONDS
        if incoming.have < file.size_bytes:
            if time.monotonic() + pause > patience:
                here = f"{incoming.have / 1e6:.1f} of {file.size_bytes / 1e6:.1f} MB are here"
                what = f"{file.name} cannot be fetched ({reason}; {here})"
                raise HubError(listing.repository, what, "try again: it goes on from there", out_of_reach=True)
            time.sleep(pause)
            pause = min(2 * pause, 8.0)


class _Incoming:
    """A file on its way: what is there of it, and the hash of that."""

    def __init__(self, listing: Listing, file: RemoteFile, partial: Path, advance: Callable[[int], None]) -> None:
        self._listing, self._file, self._partial, self._advance = listing, file, partial, advance
        self.have, self._digest = 0, self._empty_digest()
        with storage_errors(partial):
            if partial.is_file() and partial.stat().st_size > file.size_bytes:
                partial.unlink()
            partial.touch()
            with partial.open("rb") as stream:
                while piece := stream.read(_PIECE_BYTES):
                    self._digest.update(piece)
                    self.have += len(piece)

    def complete(self) -> bool:
        """Whether all of it is there, and is what the hub announced."""
        return self.have == self._file.size_bytes and self._digest.hexdigest() == self._file.digest

    def start_anew(self) -> None:
        """Forgets what is there."""
        self._advance(-self.have)
        self._partial.write_bytes(b"")
        self.have, self._digest = 0, self._empty_digest()

    def receive(self) -> None:
        """Adds what one connection brings. Raises _Limited, _Passing, HubError, StorageError."""
        repository, name = self._listing.repository, self._file.name
        address = f"{constants.ENDPOINT}/{repository}/resolve/{self._listing.commit}/{quote(name)}"
        headers = _headers() | {"accept-encoding": "identity"}
        if self.have:
            headers["range"] = f"bytes={self.have}-"
        silence = float(os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT") or SILENCE_SECONDS)
        try:
            with get_session().stream("GET", address, headers=headers, timeout=silence) as answer:
                _refuse(repository, answer, None)
                if self.have and answer.status_code != httpx.codes.PARTIAL_CONTENT:
                    self.start_anew()  # a server that sends no parts
                where = self._partial
                with storage_errors(where), _removed_if_disk_is_full(where), where.open("ab") as stream:
                    for piece in answer.iter_bytes():  # as they come: a buffer would be lost with the connection
                        fitting = piece[: self._file.size_bytes - self.have]
                        stream.write(fitting)
                        self._add(fitting)
        except OfflineModeIsEnabled as error:
            raise _offline(repository) from error
        except httpx.TransportError as error:
            raise _Passing(_in_words(error)) from error

    def _add(self, piece: bytes) -> None:
        self._digest.update(piece)
        self.have += len(piece)
        self._advance(len(piece))

    def _empty_digest(self) -> _Digest:
        if len(self._file.digest) == _SHA256_DIGITS:
            return hashlib.sha256()
        return hashlib.sha1(f"blob {self._file.size_bytes}\0".encode(), usedforsecurity=False)  # as git names a file


class _Passing(Exception):
    """What may be over in a moment, in words."""


class _Limited(Exception):
    """Too many requests."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


@contextmanager
def _removed_if_disk_is_full(partial: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            partial.unlink(missing_ok=True)
        raise


def _ask(repository: str, path: str, revision: str | None) -> Any:
    """The hub's answer to a question. Raises HubError."""
    address = path if "://" in path else f"{constants.ENDPOINT}{path}"
    seconds = float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or ANSWER_SECONDS)
    waited, pause = 0.0, FIRST_PAUSE_SECONDS
    for left in reversed(range(_TRIES)):
        try:
            answer = _within(seconds, lambda: get_session().get(address, headers=_headers(), timeout=seconds))
            _refuse(repository, answer, revision)
            return answer
        except OfflineModeIsEnabled as error:
            raise _offline(repository) from error
        except _Limited as error:
            waited = _wait(repository, error.seconds, waited)
        except _Passing as error:
            if not left:
                raise _unreachable(repository, str(error)) from error
            time.sleep(pause)
            pause *= 2
        except (httpx.TransportError, TimeoutError) as error:
            raise _unreachable(repository, _in_words(error)) from error
    raise _limited(repository, 0)


def _within(seconds: float, question: Callable[[], Any]) -> Any:
    """The answer if it comes in time; in a thread, because name resolution knows no timeout. Raises TimeoutError."""
    answer: Future[Any] = Future()

    def ask() -> None:
        try:
            answer.set_result(question())
        except BaseException as error:  # carried over to whoever waits for it
            answer.set_exception(error)

    threading.Thread(target=ask, name="hub", daemon=True).start()
    return answer.result(seconds)


def _headers() -> dict[str, str]:
    """Who asks, and with what right; nothing about this machine."""
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    return {"user-agent": "openmov"} | ({"authorization": f"Bearer {token}"} if token else {})


def _refuse(repository: str, answer: Any, revision: str | None) -> None:
    """Raises _Limited, _Passing or the HubError that an answer other than a success means."""
    code = answer.status_code
    if code < 400:
        return
    if code == 429:
        raise _Limited(_seconds_to_wait(answer.headers))
    if code in _PASSING:
        raise _Passing(f"the hub answers {code}")
    page = f"{constants.ENDPOINT}/{repository}"
    has_token = "authorization" in answer.request.headers
    try:
        hf_raise_for_status(answer)
    except RevisionNotFoundError as error:
        raise HubError(repository, f"has no revision {revision!r} on the hub", "check the revision") from error
    except GatedRepoError as error:
        if has_token:
            what, hint = "its licence is not accepted by the account of your token", f"accept it at {page}"
        else:
            what = "its licence has to be accepted first, and no token says who asks"
            hint = f"accept it at {page}, then set HF_TOKEN"
        raise HubError(repository, what, hint) from error
    except RemoteEntryNotFoundError as error:
        raise HubError(repository, "lacks a file that the hub lists", "try again") from error
    except RepositoryNotFoundError as error:
        hint = "check the name, or give a local folder; for a private model set HF_TOKEN"
        raise HubError(repository, "is not a folder here and not a public model of the hub", hint) from error
    except HfHubHTTPError as error:
        if code == 401:
            raise HubError(repository, "the hub refuses your token", "set a valid HF_TOKEN, or unset it") from error
        raise HubError(repository, f"is refused by the hub (it answers {code})", f"see {page}") from error


def _seconds_to_wait(headers: Any) -> float:
    """Retry-After, or what is left of the hub's window (`RateLimit: "api";r=0;t=55`); a minute if it does not say."""
    told = headers.get("retry-after", "").strip()
    if told.isdecimal():
        return float(told)
    left = re.search(r";\s*t\s*=\s*(\d+)", headers.get("ratelimit", ""))
    return float(left[1]) if left else 60.0


def _wait(repository: str, seconds: float, waited: float) -> float:
    """Waits as the hub says, if that is not too long in all; how long it has waited then."""
    if waited + seconds > LONGEST_WAIT_SECONDS:
        raise _limited(repository, seconds)
    if seconds >= 1:
        warn(f"{repository}: the hub limits the rate of requests, waiting {seconds:.0f} s as it asks")
    time.sleep(seconds)
    return waited + max(seconds, 0.5)


def _limited(repository: str, seconds: float) -> HubError:
    what = "the hub has had too many requests from here"
    later = f"in {seconds:.0f} s" if seconds else "later"
    return HubError(repository, what, f"try again {later}, or set HF_TOKEN, which allows more", out_of_reach=True)


def _offline(repository: str) -> HubError:
    what = "is not a folder here and not in the cache, and HF_HUB_OFFLINE forbids to ask the hub"
    return HubError(repository, what, "give a local folder, or unset HF_HUB_OFFLINE", out_of_reach=True)


def _unreachable(repository: str, reason: str) -> HubError:
    what = f"is not a folder here and not in the cache, and the Hugging Face hub cannot be reached ({reason})"
    return HubError(repository, what, "give a local folder, or fetch it once with a network", out_of_reach=True)


def _in_words(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return "it does not answer in time"
    if isinstance(error, httpx.ProxyError):
        return "the proxy refuses"
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    return "the connection breaks off"
