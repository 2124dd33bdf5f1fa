"""A double of the Hugging Face hub on the loopback interface: its protocol, its errors and its bad manners.

    127.0.0.1:A     the hub: /api/models/..., /<id>/resolve/<revision>/<file>
    localhost:B     another host, where large files are redirected to, as the hub redirects to its storage

It answers what `huggingface_hub` 2.4 asks for one kind of repository (models), from folders that are made when they
are first asked for. Everything that is asked is recorded. Knows nothing of openmov.
"""

import hashlib
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE_SUFFIXES = (".safetensors", ".bin", ".msgpack", ".h5", ".model", ".onnx")
"""Files that the hub keeps outside git (its default .gitattributes), whatever their size."""
WRITER = "SFconvertbot"
CONVERSION = "Adding `safetensors` variant of this model"
CREATED = "2022-03-02T23:29:05.000Z"


@dataclass(frozen=True)
class PullRequest:
    """What somebody proposes: files that are added to, or put in place of, those of the main branch."""

    num: int
    files: Path
    """Folder of the changed files."""
    title: str = CONVERSION
    author: str = WRITER
    status: str = "open"


@dataclass
class Repository:
    """A model on the hub."""

    files: Path
    """What is on the main branch."""
    pull_requests: tuple[PullRequest, ...] = ()
    gated: bool = False
    """Whether a licence has to be accepted first; the token "hf_accepted" has done so."""
    has_discussions: bool = True
    _read: dict[str, dict[str, bytes]] = field(default_factory=dict, repr=False)
    _commits: dict[str, str] = field(default_factory=dict, repr=False)

    def contents(self, reference: str) -> dict[str, bytes] | None:
        """Files at `main`, `refs/pr/N` or a commit."""
        for name in ("main", *(f"refs/pr/{one.num}" for one in self.pull_requests)):
            if reference in (name, self.commit(name)):
                return self._contents(name)
        return None

    def commit(self, reference: str) -> str:
        """A hash that follows from the files."""
        if reference in self._commits:
            return self._commits[reference]
        digest = hashlib.sha1(usedforsecurity=False)
        for name, content in sorted(self._contents(reference).items()):
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        self._commits[reference] = digest.hexdigest()
        return self._commits[reference]

    def _contents(self, reference: str) -> dict[str, bytes]:
        if reference not in self._read:
            changed = [one.files for one in self.pull_requests if reference == f"refs/pr/{one.num}"]
            found: dict[str, bytes] = {}
            for folder in (self.files, *changed):
                found |= _read_folder(folder)
            self._read[reference] = found  # at once: other threads ask meanwhile
        return self._read[reference]


def _read_folder(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@dataclass(frozen=True)
class Request:
    """What somebody asked."""

    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str]
    host: str
    """"hub", or "storage" for the host of large files."""


@dataclass
class Behaviour:
    """What goes wrong, by the path of the request; nothing unless told."""

    drops: Callable[[str, int], int | None] = lambda path, number: None
    """After how many bytes of a file the connection breaks off; `number` counts requests for files of storage."""
    hangs: Callable[[str], bool] = lambda path: False
    """Whether the request is never answered."""
    limits: Callable[[str, int], float | None] = lambda path, number: None
    """Seconds that a request is told to wait (429); `number` counts all requests."""
    status: Callable[[str], int | None] = lambda path: None
    """An error of the server to answer with."""
    damages: Callable[[str], bool] = lambda path: False
    """Whether a file of storage arrives with another byte in it."""
    ranges: bool = True
    """Whether storage answers Range requests."""
    page_size: int = 1000
    """Entries of a tree in one answer."""
    bytes_a_second: float | None = None
    """How fast files come."""


@dataclass
class Hub:
    """The double, running."""

    address: str
    """What HF_ENDPOINT is set to."""
    repositories: Mapping[str, Repository]
    behaviour: Behaviour = field(default_factory=Behaviour)
    asked: list[Request] = field(default_factory=list)
    sent_bytes: int = 0
    """Of large files."""

    def paths(self, host: str | None = None) -> list[str]:
        """Paths that were asked for, without queries."""
        return [one.path.partition("?")[0] for one in self.asked if host in (None, one.host)]

    def environment(self, home: Path) -> dict[str, str]:
        """What points the real client here: variables for a process of its own."""
        proxies = {f"{name}_proxy": "" for name in ("http", "https", "all")}
        loopback = {"NO_PROXY": "*", "no_proxy": "*"}
        return {"HF_ENDPOINT": self.address, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", **proxies, **loopback}


@contextmanager
def serving(repositories: Mapping[str, Repository], behaviour: Behaviour | None = None) -> Iterator[Hub]:
    """Yields a running double; hanging requests are let go when the block ends."""
    hub = Hub("", repositories, behaviour or Behaviour())
    shared = _Shared(hub)
    servers = [_Server(("127.0.0.1", 0), _handler(shared, which)) for which in (_HubHandler, _StorageHandler)]
    hub.address = f"http://127.0.0.1:{servers[0].server_port}"
    shared.storage = f"http://localhost:{servers[1].server_port}"
    threads = [threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}) for one in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        shared.released.set()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
    for fault in (one for server in servers for one in server.faults):
        raise fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.faults: list[BaseException] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is not a fault of ours."""
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.faults.append(error)


@dataclass
class _Shared:
    hub: Hub
    storage: str = ""
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stored: dict[str, bytes] = field(default_factory=dict)
    """Large files by SHA-256."""
    num_stored: int = 0


def _handler(shared: _Shared, base: type["_Handler"]) -> type["_Handler"]:
    return type(base.__name__, (base,), {"shared": shared})


class _Handler(BaseHTTPRequestHandler):
    shared: _Shared
    host = "hub"
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub, how = self.shared.hub, self.shared.hub.behaviour
        with self.shared.lock:
            number = len(hub.asked)
            hub.asked.append(Request(self.command, self.path, dict(self.headers.items()), self.host))
        path = unquote(urlsplit(self.path).path)
        if how.hangs(path):
            self.shared.released.wait()
            self.close_connection = True
            return
        seconds = how.limits(path, number)
        if seconds is not None:
            told = {"Retry-After": str(int(seconds)), "RateLimit": f'"api";r=0;t={int(seconds)}'}
            self._error(
                429, "", "We had to rate limit your IP. To continue using our service, create a HF account", told
            )
            return
        if (code := how.status(path)) is not None:
            self._error(code, "", "Internal Error - We're working hard to fix this as soon as possible!")
            return
        self._serve(path, parse_qs(urlsplit(self.path).query))

    def _serve(self, path: str, query: Mapping[str, list[str]]) -> None:
        raise NotImplementedError

    def _send(self, code: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, content: object, headers: Mapping[str, str] | None = None, code: int = 200) -> None:
        kind = {"Content-Type": "application/json; charset=utf-8"}
        self._send(code, json.dumps(content).encode(), kind | dict(headers or {}))

    def _error(self, status: int, error: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        told = {"X-Error-Message": message} | ({"X-Error-Code": error} if error else {})
        self._json({"error": message}, told | dict(headers or {}), status)

    def log_message(self, *_: object) -> None:
        """Quiet: what was asked is recorded."""


class _HubHandler(_Handler):
    """The hub itself."""

    def _serve(self, path: str, query: Mapping[str, list[str]]) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and not token.startswith("hf_"):
            self._error(401, "", "Invalid credentials in Authorization header")
            return
        if path == "/api/agent-harnesses":
            self._json({"standardEnvVars": ["AI_AGENT", "AGENT"], "harnesses": {}})
            return
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+?)(?:/(revision|tree|discussions|commits)(?:/(.+))?)?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/((?:refs/pr/)?[^/]+)/(.+)", path)
        cached = re.fullmatch(r"/api/resolve-cache/models/([^/]+/[^/]+)/([^/]+)/(.+)", path)
        found = api or file or cached
        if found is None:
            self._error(404, "", "Sorry, we can't find the page you are looking for.")
            return
        repository = self.shared.hub.repositories.get(found[1])
        if repository is None:
            message = "Repository not found" if token else "Invalid username or password."
            self._error(404 if token else 401, "RepoNotFound", message)
        elif cached:
            self._small_file(repository, cached[2], cached[3])
        elif file:
            self._file(found[1], repository, file[2], file[3], token)
        elif api:
            self._about(api[1], repository, api[2] or "revision", api[3], query)

    def _about(
        self, name: str, repository: Repository, what: str, rest: str | None, query: Mapping[str, list[str]]
    ) -> None:
        if what == "discussions":
            self._discussions(name, repository, query)
            return
        reference = rest or "main"
        contents = repository.contents(reference)
        if contents is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {reference}")
            return
        commit = reference if re.fullmatch("[0-9a-f]{40}", reference) else repository.commit(reference)
        if what == "revision":
            self._json(
                {
                    "_id": "621ffdc136468d709f17ae06",
                    "id": name,
                    "modelId": name,
                    "author": name.partition("/")[0],
                    "sha": commit,
                    "lastModified": CREATED,
                    "createdAt": CREATED,
                    "private": False,
                    "gated": "manual" if repository.gated else False,
                    "disabled": False,
                    "tags": [],
                    "downloads": 0,
                    "likes": 0,
                    "siblings": [{"rfilename": file} for file in contents],
                }
            )
        elif what == "tree":
            self._tree(name, contents, commit, query)
        else:
            main = {"id": repository.commit("main"), "title": "Update", "message": "", "date": CREATED, "authors": []}
            own = [] if commit == main["id"] else [main | {"id": commit, "title": CONVERSION}]
            self._json([*own, main])

    def _tree(self, name: str, contents: Mapping[str, bytes], commit: str, query: Mapping[str, list[str]]) -> None:
        start, size = int(query.get("cursor", ["0"])[0]), self.shared.hub.behaviour.page_size
        folders = sorted({file.rpartition("/")[0] for file in contents if "/" in file})
        entries: list[dict[str, Any]] = [
            {"type": "directory", "oid": _sha1(b""), "size": 0, "path": one} for one in folders
        ]
        for file, content in contents.items():
            entry = {"type": "file", "oid": _git_hash(content), "size": len(content), "path": file}
            if file.endswith(LARGE_SUFFIXES):
                pointer = (
                    f"version https://git-lfs.github.com/spec/v1\noid sha256:{_sha256(content)}\nsize {len(content)}\n"
                )
                large = {"oid": _sha256(content), "size": len(content), "pointerSize": len(pointer)}
                entry |= {"oid": _git_hash(pointer.encode()), "lfs": large, "xetHash": _sha256(content[-100:])}
            entries.append(entry)
        more = {}
        if start + size < len(entries):
            address = f"{self.shared.hub.address}/api/models/{name}/tree/{commit}?recursive=true&cursor={start + size}"
            more = {"Link": f'<{address}>; rel="next"'}
        self._json(entries[start : start + size], more)

    def _discussions(self, name: str, repository: Repository, query: Mapping[str, list[str]]) -> None:
        if not repository.has_discussions:
            self._error(403, "", "Discussions are disabled for this repo")
            return
        page, size = int(query.get("p", ["0"])[0]), 15
        status, kind = query.get("status", ["all"])[0], query.get("type", ["all"])[0]
        author = query.get("author", [None])[0]
        found = [
            {
                "num": one.num,
                "author": {"name": one.author, "type": "user", "_id": "0", "fullname": one.author},
                "repo": {"name": name, "type": "model"},
                "title": one.title,
                "status": one.status,
                "createdAt": CREATED,
                "isPullRequest": True,
                "numComments": 1,
                "pinned": False,
            }
            for one in reversed(repository.pull_requests)
            if status in ("all", one.status) and kind in ("all", "pull_request") and author in (None, one.author)
        ]
        shown = found[page * size : (page + 1) * size]
        self._json({"discussions": shown, "count": len(found), "start": page * size, "numClosedDiscussions": 0})

    def _file(self, name: str, repository: Repository, reference: str, file: str, token: str) -> None:
        contents = repository.contents(reference)
        if repository.gated and token != "hf_accepted":
            message = (
                f"Access to model {name} is restricted. You must have access to it and be authenticated to access it."
            )
            self._error(403 if token else 401, "GatedRepo", f"{message} Please log in.")
            return
        if contents is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {reference}")
            return
        commit = reference if re.fullmatch("[0-9a-f]{40}", reference) else repository.commit(reference)
        told = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if file not in contents:
            self._error(404, "EntryNotFound", "Entry not found", told)
            return
        content = contents[file]
        if not file.endswith(LARGE_SUFFIXES):
            place = {"Location": f"/api/resolve-cache/models/{name}/{commit}/{file}", "ETag": f'"{_git_hash(content)}"'}
            told |= {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{_git_hash(content)}"'}
            self._send(307, b"", told | place)
            return
        digest = _sha256(content)
        self.shared.stored[digest] = content
        place = f"{self.shared.storage}/repos/{digest}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0&file={file}"
        token_route = f'<{self.shared.hub.address}/api/models/{name}/xet-read-token/{commit}>; rel="xet-auth"'
        told |= {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{digest}"', "Location": place}
        self._send(302, b"", told | {"X-Xet-Hash": _sha256(content[-100:]), "Link": token_route})

    def _small_file(self, repository: Repository, commit: str, file: str) -> None:
        content = (repository.contents(commit) or {}).get(file)
        if content is None:
            self._error(404, "EntryNotFound", "Entry not found")
            return
        wanted = _range(self.headers.get("Range"), len(content))
        told = {"ETag": f'"{_git_hash(content)}"', "X-Repo-Commit": commit}
        if wanted:
            told["Content-Range"] = f"bytes {wanted[0]}-{wanted[1]}/{len(content)}"
            content = content[wanted[0] : wanted[1] + 1]
        self._send(206 if wanted else 200, content, told)


class _StorageHandler(_Handler):
    """Where large files lie: knows signatures, and refuses the hub's tokens as S3 does."""

    host = "storage"

    def _serve(self, path: str, query: Mapping[str, list[str]]) -> None:
        if "Authorization" in self.headers:
            self._send(400, b"<Error><Code>InvalidArgument</Code></Error>", {"Content-Type": "application/xml"})
            return
        content = self.shared.stored.get(path.rpartition("/")[2])
        file = query.get("file", [""])[0]
        if content is None or "X-Amz-Signature" not in query:
            self._send(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"})
            return
        hub, how = self.shared.hub, self.shared.hub.behaviour
        if how.damages(file):
            content = content[:-1] + bytes([content[-1] ^ 1])
        wanted = _range(self.headers.get("Range"), len(content)) if how.ranges else None
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {wanted[0]}-{wanted[1]}/{len(content)}")
            content = content[wanted[0] : wanted[1] + 1]
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        with self.shared.lock:
            number, self.shared.num_stored = self.shared.num_stored, self.shared.num_stored + 1
        end = how.drops(file, number)
        sent = content if end is None else content[:end]
        piece = len(sent) or 1 if how.bytes_a_second is None else max(1, int(how.bytes_a_second / 20))
        for start in range(0, len(sent), piece):
            self.wfile.write(sent[start : start + piece])
            with self.shared.lock:
                hub.sent_bytes += len(sent[start : start + piece])
            if how.bytes_a_second is not None and self.shared.released.wait(0.05):
                break
        if end is not None:
            self.close_connection = True


def _range(header: str | None, length: int) -> tuple[int, int] | None:
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", header or "")
    return (int(wanted[1]), min(int(wanted[2] or length - 1), length - 1)) if wanted else None


@lru_cache(256)
def _git_hash(content: bytes) -> str:
    return _sha1(f"blob {len(content)}\0".encode() + content)


@lru_cache(256)
def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


@lru_cache(256)
def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
