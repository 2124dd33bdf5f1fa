"""Bytes of files that lie in a folder or behind a web address, read by name and range.

    open_files("/data/pack")            a folder
    open_files("https://host/pack")     the same files behind a web server or object store

A connection that breaks off is taken up again with a Range request for what is still missing, a bounded number of
times; then one error names the file. Whatever else goes wrong (missing, forbidden, shorter than it should be) is said
at once. No more is read than was asked for, whatever a server sends. Knows nothing of what the files hold.
"""

import base64
import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from openmov.errors import StorageError

_PIECE = 1 << 16
_WORTH = 1 << 20
"""An attempt that brought so many bytes does not count as a failure: long files may take many connections."""
_SLOWEST = 10
"""Times the time-out: a connection that has not brought so many bytes by then counts as broken."""
_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers that may be others in a moment."""
_REFUSALS = {401: "needs a login", 403: "may not be read", 404: "is not there", 410: "is no longer there"}


@runtime_checkable
class RemoteFiles(Protocol):
    """Files that are read by name. Safe to share between threads."""

    @property
    def gap_bytes(self) -> int:
        """Two ranges no further apart than this are cheaper read as one."""
        ...

    def where(self, name: str) -> str:
        """A file's path or address, for people: without passwords and signatures."""
        ...

    def read(self, name: str, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on. Raises StorageError."""
        ...

    def read_all(self, name: str, most_bytes: int) -> bytes:
        """A whole file. Raises StorageError, also where it is larger than `most_bytes`."""
        ...


@dataclass(frozen=True)
class FolderFiles:
    """Files in a folder of this machine."""

    folder: Path
    """Which."""
    gap_bytes: int = 1 << 16
    """A disk reads on faster than it seeks."""

    def where(self, name: str) -> str:
        return str(self.folder / name)

    def read(self, name: str, offset: int, size: int) -> bytes:
        content = self._read(name, offset, size)
        if len(content) < size:
            raise StorageError(self.folder / name, "is cut off", "copy the folder anew")
        return content

    def read_all(self, name: str, most_bytes: int) -> bytes:
        content = self._read(name, 0, most_bytes + 1)
        if len(content) > most_bytes:
            raise _too_large(str(self.folder / name), most_bytes)
        return content

    def _read(self, name: str, offset: int, most: int) -> bytes:
        path = self.folder / name
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(most)
        except OSError as error:
            raise StorageError(path, f"cannot be read ({error.strerror})", "copy the folder anew") from error


class _NoOtherScheme(urllib.request.FTPHandler):
    """A server may send us on to http and https alone."""

    def ftp_open(self, request: urllib.request.Request) -> Any:
        raise urllib.error.URLError("the server sends on to ftp")


@dataclass(frozen=True)
class WebFiles:
    """Files behind http or https.

    What follows a `?` (a signature) is sent with every request, and so are a user's name and password; neither is ever
    shown.
    """

    url: str = field(repr=False)
    """Address of the folder."""
    attempts: int = 6
    """How often a file is asked for without getting on."""
    pause_seconds: float = 0.5
    """Before the second attempt; doubled before each one after."""
    timeout_seconds: float = 30.0
    """Without a byte for so long, a connection counts as broken."""
    gap_bytes: int = 1 << 20
    """A request costs as long as so many bytes do."""

    def where(self, name: str) -> str:
        scheme, host, path, _, _ = urlsplit(self.url)
        return urlunsplit((scheme, host.rpartition("@")[2], f"{path.rstrip('/')}/{quote(name)}", "", ""))

    def read(self, name: str, offset: int, size: int) -> bytes:
        return self._read(name, offset, size, size)

    def read_all(self, name: str, most_bytes: int) -> bytes:
        return self._read(name, 0, None, most_bytes)

    def _read(self, name: str, offset: int, size: int | None, most_bytes: int) -> bytes:
        got = bytearray()
        failures = 0
        while True:
            before = len(got)
            try:
                if self._receive(name, offset, size, most_bytes, got):
                    return bytes(got)
                reason = "the connection breaks off"
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in _PASSING:
                    raise self._refused(name, error.code) from error
                reason = f"the server answers {error.code}"
            except (OSError, http.client.HTTPException) as error:
                reason = _in_words(error)
            except ValueError as error:  # of an address that is none, ours or one the server sends on to
                raise StorageError(self.where(name), "is not an address", "see to the address") from error
            failures = 1 if len(got) - before >= _WORTH else failures + 1
            if failures >= self.attempts:
                what = f"cannot be fetched ({reason}; tried {failures} times)"
                raise StorageError(self.where(name), what, "see to the network and the server, then try again")
            time.sleep(self.pause_seconds * 2 ** (failures - 1))

    def _receive(self, name: str, offset: int, size: int | None, most_bytes: int, got: bytearray) -> bool:
        """Adds to `got` what one connection brings; whether everything is there."""
        start, before, begun = offset + len(got), len(got), time.monotonic()
        request = self._request(name)
        if start or size is not None:
            request.add_header("Range", f"bytes={start}-{'' if size is None else offset + size - 1}")
        with urllib.request.build_opener(_NoOtherScheme).open(request, timeout=self.timeout_seconds) as answer:
            if start and answer.status != http.client.PARTIAL_CONTENT:
                what = "is sent whole where a part was asked for"
                raise StorageError(self.where(name), what, "use a server that answers Range requests")
            # A length that is not a number is None here: then the file ends where the connection does.
            wanted = answer.length if size is None else offset + size - start
            while (left := _PIECE if wanted is None else min(_PIECE, wanted)) > 0:
                piece = answer.read1(left)
                if not piece:
                    break
                got += piece
                wanted = None if wanted is None else wanted - len(piece)
                if len(got) > most_bytes:
                    raise _too_large(self.where(name), most_bytes)
                slow = time.monotonic() - begun > _SLOWEST * self.timeout_seconds
                if slow and wanted != 0 and len(got) - before < _WORTH:
                    raise TimeoutError
            return not wanted

    def _request(self, name: str) -> urllib.request.Request:
        scheme, host, path, query, _ = urlsplit(self.url)
        login, _, host = host.rpartition("@")
        address = urlunsplit((scheme, host, f"{path.rstrip('/')}/{quote(name)}", query, ""))
        request = urllib.request.Request(address, headers={"Accept-Encoding": "identity"})  # noqa: S310 (open_files)
        if login:
            secret = base64.b64encode(unquote(login).encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {secret}")
        return request

    def _refused(self, name: str, code: int) -> StorageError:
        if code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return StorageError(self.where(name), "is shorter than its index says", "upload the folder anew")
        what = _REFUSALS.get(code, "is refused")
        return StorageError(self.where(name), f"{what} (the server answers {code})", "see to the address")


def open_files(text: str | Path) -> RemoteFiles:
    """The files behind a web address or in a folder. Raises StorageError for what is neither."""
    address = str(text)
    scheme, separator, _ = address.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        return WebFiles(address)
    if separator:
        what = f"{scheme} is not a way to fetch files"
        raise StorageError(f"{scheme}://...", what, "give a folder, or an http or https address")
    if not Path(address).is_dir():
        raise StorageError(address, "is not a folder", "give a folder, or an http or https address")
    return FolderFiles(Path(address))


def _too_large(where: str, most_bytes: int) -> StorageError:
    what = f"is larger than {most_bytes >> 20} MB, which such a file never is"
    return StorageError(where, what, "see what it is; it is not of a pack")


def _in_words(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return "the server does not answer in time"
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return str(text)
