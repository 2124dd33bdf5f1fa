"""Files and folders that exist if and only if they are complete.

Everything is written under a temporary name beside its target and then renamed, which POSIX promises to be atomic
on a local file system. A full disk, a missing permission or an interrupt leaves the target as it was.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from openmov.errors import StorageError

_MEND = {
    errno.ENOSPC: ("no space left on the device", "free some space, or choose another folder"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or choose another folder"),
    errno.EACCES: ("no permission to write there", "choose another folder"),
    errno.EPERM: ("no permission to write there", "choose another folder"),
    errno.EROFS: ("the file system is read-only", "choose another folder"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "choose another folder"),
    errno.EEXIST: ("a part of the path is a file, not a folder", "choose another folder"),
    errno.EISDIR: ("a folder is in its place", "choose another name"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns the operating system's refusals to write at `path` into StorageError; lets every other error through."""
    try:
        yield
    except OSError as error:
        if error.errno not in _MEND:
            raise
        what, mend = _MEND[error.errno]
        raise StorageError(path, what, mend) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path in `path`'s folder (made if missing); renames it to `path` if the block succeeds.

    The temporary name keeps the suffix, for writers that choose a format by it. Raises StorageError.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=f".tmp{path.suffix}", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder beside `path`; renames it to `path` if the block succeeds, replacing an older one.

    Replacing moves the old folder aside first, so for an instant neither is there; a reader sees the old folder,
    none, or the new one, never a mixture. Raises StorageError, also where `path` is a file.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o755)
            _swap_in(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def linked_copy(folder: Path, target: Path) -> None:
    """Copies a folder of files, atomically; the copies share their bytes where the file system has hard links.

    For files that are replaced and never changed in place. Raises StorageError.
    """
    with atomic_folder(target) as temporary:
        for path in folder.iterdir():
            try:
                os.link(path, temporary / path.name)
            except OSError:  # a file system without them, or between two
                shutil.copy2(path, temporary / path.name)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically. Raises StorageError."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def free_bytes(folder: Path) -> int:
    """Space left where `folder` lies, or will lie."""
    while not folder.exists():
        folder = folder.absolute().parent
    return shutil.disk_usage(folder).free


def _swap_in(temporary: Path, path: Path) -> None:
    """Renames `temporary` to `path`; what was there goes only when the new one is in its place."""
    if not path.exists():
        temporary.rename(path)
        return
    if not path.is_dir():
        raise StorageError(path, "a file is in its place", "choose another folder, or delete the file")
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
    try:
        path.rename(aside)  # POSIX lets an empty folder be replaced
        temporary.rename(path)
    except BaseException:
        with suppress(OSError):  # back to where it was, unless it never left or the new one is there
            aside.rename(path)
        with suppress(OSError):  # only if empty: an old folder that cannot go back is kept
            aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)
