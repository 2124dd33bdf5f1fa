"""Who is at work on what, for processes and machines that share a folder.

A claim is a hard link, `key.0`, to a file of the process that holds it: the file system lets one process make it,
whatever machine it runs on. The process touches its file every quarter of the lease, and that renews all its claims
at once, for they are the same file. A claim not renewed for the lease, or whose process on this machine is gone, is
stale: then `key.1` may be made, again by one process. All times are the file system's, so clocks need not agree.

What is done under a claim must be harmless to do twice: a process that sleeps longer than its lease goes on when it
wakes. Which file systems keep these promises is in docs/decisions/0019. Knows nothing of the work.
"""

import errno
import json
import logging
import os
import re
import socket
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from openmov.runtime.atomic import storage_errors, write_text

LEASE_SECONDS = 60.0
_KEY = re.compile(r"[0-9a-f]{8,64}")
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
_log = logging.getLogger(__name__)


class Claims:
    """The claims of this process in a folder; a context manager. Safe to use from several threads.

    Where the file system makes no hard links every claim is granted: work is then done twice rather than not at all.
    """

    def __init__(self, folder: Path, lease_seconds: float = LEASE_SECONDS) -> None:
        self._folder, self._lease_seconds = folder, lease_seconds
        self._own = folder / f"{uuid.uuid4().hex}.process"
        self._held: dict[str, int] = {}
        self._lock, self._over = threading.Lock(), threading.Event()
        self._shares = True

    def __enter__(self) -> "Claims":
        """Raises StorageError where the folder cannot be written."""
        write_text(self._own, json.dumps({"machine": _machine(), "pid": os.getpid(), "born": _born(os.getpid())}))
        self._renew()
        self._heart = threading.Thread(target=self._beat, name="openmov-claims", daemon=True)
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._heart.join()
        for key in tuple(self._held):
            self.release(key)
        with suppress(OSError):
            self._own.unlink()
        with suppress(OSError):  # another process has claims there
            self._folder.rmdir()

    def take(self, key: str) -> bool:
        """Whether the work `key` (hex digits) is now this caller's. Raises StorageError."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of hex digits")
        with self._lock:
            if key in self._held:
                return False
            generation = self._generations(key)
            if generation and self._is_held(self._place(key, generation - 1)):
                return False
            taken = not self._shares or self._link(self._place(key, generation))
            if taken:
                self._held[key] = generation
            return taken

    def release(self, key: str) -> None:
        """The work is done, or given up."""
        with self._lock:
            for generation in range(self._held.pop(key), -1, -1):  # downwards, for a gap would hide a claim above it
                with suppress(OSError):
                    self._place(key, generation).unlink()

    def _place(self, key: str, generation: int) -> Path:
        return self._folder / f"{key}.{generation}"

    def _generations(self, key: str) -> int:
        count = 0
        while self._place(key, count).exists():
            count += 1
        return count

    def _link(self, place: Path) -> bool:
        try:
            os.link(self._own, place)
        except FileExistsError:
            # NFS may repeat a request whose answer was lost, and then refuses what it has done itself.
            with suppress(OSError):
                return place.samefile(self._own)
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                with storage_errors(place):
                    raise
            _log.warning("%s: no hard links there; work is not shared with other processes", self._folder)
            self._shares = False
        return True

    def _is_held(self, place: Path) -> bool:
        try:
            renewed, holder = place.stat().st_mtime, json.loads(place.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # released this moment: ask again later
            return True
        if holder["machine"] == _machine() and _born(holder["pid"]) != holder["born"]:
            return False
        return self._now() - renewed <= self._lease_seconds

    def _beat(self) -> None:
        while not self._over.wait(self._lease_seconds / 4):
            with suppress(OSError):  # others may now take over: harmless
                self._renew()

    def _renew(self) -> None:
        os.utime(self._own)
        self._renewed = self._own.stat().st_mtime, time.monotonic()

    def _now(self) -> float:
        """The file system's clock."""
        there, here = self._renewed
        return there + time.monotonic() - here


def _machine() -> str:
    """Tells machines apart whose process numbers mean different processes; containers too."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 (not a path)
    return socket.gethostname()


def _born(pid: int) -> str:
    """When a process began, in a form that only tells it from a later one of the same number; empty if it is gone."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    if Path("/proc/self").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "alive"
