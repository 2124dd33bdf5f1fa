"""Bytes of files that lie in a folder or behind a web address, read by name and range.

    place_of("/data/pack")            a folder
    place_of("https://host/pack")     the same files behind a web server or object store

A connection that breaks off is taken up again with a Range request for what is still missing, a bounded number of
times; then one error names the file. Whatever else goes wrong (missing, forbidden, shorter than it should be) is said
at once. Knows nothing of what the files hold.
"""

import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import quote, urlsplit, urlunsplit

from openmov.errors import StorageError

_PIECE = 1 << 16
_WORTH = 1 << 20
"""An attempt that brought so many bytes does not count as a failure: long files may take many connections."""
_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers that may be others in a moment."""
_REFUSALS = {401: "needs a login", 403: "may not be read", 404: "is not there", 410: "is no longer there"}


@runtime_checkable
class Place(Protocol):
    """Where files lie. Safe to share between threads."""

    @property
    def gap_bytes(self) -> int:
        """Two ranges no further apart than this are cheaper read as one."""
        ...

    def where(self, name: str) -> str:
        """A file's path or address, for people."""
        ...

    def read(self, name: str, offset: int = 0, size: int | None = None) -> bytes:
        """`size` bytes from `offset` on, None for all of them to the end. Raises StorageError."""
        ...


@dataclass(frozen=True)
class FolderPlace:
    """A folder of this machine."""

    folder: Path
    """Where."""
    gap_bytes: int = 1 << 16
    """A disk reads on faster than it seeks."""

    def where(self, name: str) -> str:
        return str(self.folder / name)

    def read(self, name: str, offset: int = 0, size: int | None = None) -> bytes:
        path = self.folder / name
        try:
            with path.open("rb") as file:
                file.seek(offset)
                content = file.read() if size is None else file.read(size)
        except OSError as error:
            raise StorageError(path, f"cannot be read ({error.strerror})", "copy the folder anew") from error
        if size is not None and len(content) < size:
            raise StorageError(path, "is cut off", "copy the folder anew")
        return content


@dataclass(frozen=True)
class WebPlace:
    """A folder behind http or https; what follows a `?` (a signature) is sent with every request and never shown."""

    url: str
    """Address of the folder."""
    attempts: int = 6
    """How often a file is asked for without getting on."""
    pause_seconds: float = 0.5
    """Before the second attempt; doubled before each one after."""
    timeout_seconds: float = 30.0
    """Without a byte for so long, a connection counts as broken."""
    gap_bytes: int = 1 << 20
    """A request costs as long as so many bytes do."""

    def __repr__(self) -> str:
        return f"WebPlace({self.where('')!r})"

    def where(self, name: str) -> str:
        scheme, host, path, _, _ = urlsplit(self.url)
        return urlunsplit((scheme, host.rpartition("@")[2], f"{path.rstrip('/')}/{quote(name)}", "", ""))

    def read(self, name: str, offset: int = 0, size: int | None = None) -> bytes:
        got = bytearray()
        failures = 0
        while True:
            before = len(got)
            try:
                if self._receive(name, offset, size, got):
                    return bytes(got)
                reason = "the connection breaks off"
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in _PASSING:
                    raise self._refused(name, error.code) from error
                reason = f"the server answers {error.code}"
            except (OSError, http.client.HTTPException) as error:
                reason = _in_words(error)
            failures = 1 if len(got) - before >= _WORTH else failures + 1
            if failures >= self.attempts:
                what = f"cannot be fetched ({reason}; tried {failures} times)"
                raise StorageError(self.where(name), what, "see to the network and the server, then try again")
            time.sleep(self.pause_seconds * 2 ** (failures - 1))

    def _receive(self, name: str, offset: int, size: int | None, got: bytearray) -> bool:
        """Adds to `got` what one connection brings; whether everything is there."""
        start = offset + len(got)
        request = urllib.request.Request(self._address(name), headers={"Accept-Encoding": "identity"})  # noqa: S310
        if start or size is not None:
            request.add_header("Range", f"bytes={start}-{'' if size is None else offset + size - 1}")
        with urllib.request.urlopen(request, timeout=self.timeout_seconds) as answer:  # noqa: S310 (place_of looks)
            if start and answer.status != http.client.PARTIAL_CONTENT:
                what = "is sent whole where a part was asked for"
                raise StorageError(self.where(name), what, "use a server that answers Range requests")
            length = answer.headers.get("Content-Length")
            wanted = offset + size - start if size is not None else None if length is None else int(length)
            while (left := _PIECE if wanted is None else min(_PIECE, wanted)) > 0:
                piece = answer.read1(left)
                if not piece:
                    break
                got += piece
                wanted = None if wanted is None else wanted - len(piece)
            return not wanted

    def _address(self, name: str) -> str:
        scheme, host, path, query, _ = urlsplit(self.url)
        return urlunsplit((scheme, host, f"{path.rstrip('/')}/{quote(name)}", query, ""))

    def _refused(self, name: str, code: int) -> StorageError:
        if code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return StorageError(self.where(name), "is shorter than its index says", "upload the folder anew")
        what = _REFUSALS.get(code, "is refused")
        return StorageError(self.where(name), f"{what} (the server answers {code})", "see to the address")


def place_of(text: str | Path) -> Place:
    """A web address or a folder. Raises StorageError for what is neither."""
    address = str(text)
    scheme, separator, _ = address.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        return WebPlace(address)
    if separator:
        raise StorageError(address, f"{scheme} is no way to fetch files", "give a folder, or an http or https address")
    if not Path(address).is_dir():
        raise StorageError(address, "is no folder", "give a folder, or an http or https address")
    return FolderPlace(Path(address))


def _in_words(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return "the server does not answer in time"
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return str(text)
