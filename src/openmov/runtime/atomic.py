"""Files and folders that exist if and only if they are complete.

Everything is written under a temporary name beside its target and then renamed, which POSIX promises to be atomic
on a local file system. A full disk, a missing permission or an interrupt leaves the target as it was.

    .names.openmov-0.tmp.json     a file being written; locked for as long as its writer lives
    .model.openmov-0.tmp/         a folder being written, likewise

The system lets go of the lock when a process dies, however it dies. So whoever next writes the same target knows what
was left behind, and removes it; what another process is writing at this moment is left alone, and a next number taken.
A link is never written through: renaming replaces the link, and the file behind it, or under another hard link, stays.
"""

import ctypes
import errno
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from openmov.errors import StorageError
from openmov.runtime.interrupts import interrupts_deferred

_SAID = {
    errno.ENOSPC: ("no space left on the device", "free some space, or choose another folder"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or choose another folder"),
    errno.EFBIG: ("the file is larger than the system allows", "raise the limit (ulimit -f), or choose another disk"),
    errno.EACCES: ("no permission to write there", "choose another folder"),
    errno.EPERM: ("no permission to write there", "choose another folder"),
    errno.EROFS: ("the file system is read-only", "choose another folder"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "choose another folder"),
    errno.EEXIST: ("a part of the path is a file, not a folder", "choose another folder"),
    errno.EISDIR: ("a folder is in its place", "choose another name"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n), or lower --workers"),
    errno.ENFILE: ("too many files are open on this machine", "end other programs, or lower --workers"),
    errno.EBUSY: ("the system uses it, for a disk that is mounted there, say", "name a folder inside it, or another"),
    errno.ENOENT: ("the folder has gone meanwhile", "see what removed it, and run the command again"),
}
_NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL, errno.EBADF}
_ABANDONED_SECONDS = 24 * 3600.0
"""Where the file system knows no locks: what nobody has written to for so long is left behind."""
_MOST_WRITERS = 100
"""Of one target at the same moment."""
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


def storage_error(path: Path | str, error: OSError) -> StorageError:
    """What the system said about writing or reading `path`, in one line with what to do."""
    code = error.errno or errno.EIO
    other = "see to the disk or the network folder it lies on, and run the command again"
    what, hint = _SAID.get(code, (f"the system refuses: {os.strerror(code)}", other))
    return StorageError(path, what, hint)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns whatever the operating system refuses at `path` into StorageError.

    A file that is missing while the folder of `path` is there is somebody else's error, and passes; so does a reader
    that has gone (a broken pipe, a connection that was cut).
    """
    try:
        yield
    except (ConnectionError, BlockingIOError):
        raise
    except OSError as error:
        elsewhere = error.errno == errno.ENOENT and path.parent.is_dir()
        if error.errno is None or elsewhere:
            raise
        raise storage_error(path, error) from error


@contextmanager
def atomic_file(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yields a temporary path in `path`'s folder (made if missing); renames it to `path` if the block succeeds.

    The temporary name keeps the suffix, for writers that choose a format by it. `durable` waits until the bytes are on
    the disk before the file gets its name, so that a power cut leaves no empty one: for what cannot be made again.
    Raises StorageError, also where `path` is not a file but a folder or a device.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_what_is_no_file(path)
        with _temporary(path, _make_file) as temporary:
            yield temporary
            if durable:
                _flush(temporary)
            temporary.replace(path)


@contextmanager
def atomic_folder(path: Path, *, replaces: Callable[[Path], bool] | None = None) -> Iterator[Path]:
    """Yields a temporary folder beside `path`; renames it to `path` if the block succeeds.

    An empty folder may be there already. Any other is replaced only where `replaces(folder)` says that openmov made it
    and everything in it; without `replaces`, never. Old and new change places in one step where the system can do that
    (Linux, local disks); elsewhere the old one is first moved aside, and moved back by the next writer if a kill comes
    just then. Raises StorageError, also where `path` is a file or the folder this process works in.
    """
    with storage_errors(path):
        place = Path(os.path.realpath(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        _bring_back(place)
        refuse_foreign_folder(path, replaces)
        with _temporary(place, _make_folder) as temporary:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _flush(file)
            refuse_foreign_folder(path, replaces)
            _swap_in(temporary, place, path, replaces)


def refuse_foreign_folder(path: Path, replaces: Callable[[Path], bool] | None = None) -> None:
    """Raises StorageError where `atomic_folder` would not replace what is there: to ask before hours of work."""
    place = Path(os.path.realpath(path))
    require_writable(place.parent)
    if not place.exists():
        return
    if not place.is_dir():
        raise StorageError(path, "a file is in its place", "choose another folder, or delete the file")
    if Path.cwd().is_relative_to(place):
        raise StorageError(path, "is the folder this command runs in, which cannot be replaced", "name another folder")
    found = sorted(entry.name for entry in place.iterdir())
    if found and not (replaces is not None and replaces(place)):
        shown = ", ".join(found[:3]) + (" ..." if len(found) > 3 else "")
        what = f"holds files that would be lost ({shown})"
        raise StorageError(path, what, "choose another folder, or an empty one")


def linked_copy(folder: Path, target: Path) -> None:
    """Copies a folder of files, atomically, in place of an older copy; the copies share their bytes where the file
    system has hard links.

    For files that are replaced and never changed in place. Raises StorageError.
    """
    with atomic_folder(target, replaces=lambda older: True) as temporary:
        for path in folder.iterdir():
            if path.name.startswith("."):
                continue
            try:
                os.link(path, temporary / path.name)
            except OSError:  # a file system without them, or between two
                shutil.copy2(path, temporary / path.name)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically and durably; names of files that are not UTF-8 survive. Raises StorageError."""
    with atomic_file(path, durable=True) as temporary:
        temporary.write_bytes(_encoded(text, path))


def _encoded(text: str, path: Path) -> bytes:
    """UTF-8; a byte of a file's name that is none is itself, or in JSON an escape that gives the same name back."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        if path.suffix in (".json", ".jsonl"):
            text = "".join(f"\\u{ord(one):04x}" if "\ud800" <= one <= "\udfff" else one for one in text)
        return text.encode("utf-8", "surrogateescape")


def write_together(texts: Mapping[Path, str]) -> None:
    """Writes several files that belong together: whatever stops it, all of them are new or all are what they were.

    All are written out before the first gets its name, and a disk that fails between two names gives the older files
    back. What is left is a kill between two names, a fraction of a millisecond: so put first what people open first.
    Raises StorageError naming the file.
    """
    with ExitStack() as stack:
        written: dict[Path, Path] = {}
        for path, text in texts.items():
            with storage_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                _refuse_what_is_no_file(path)
                written[path] = stack.enter_context(_temporary(path, _make_file))
                written[path].write_bytes(_encoded(text, path))
                _flush(written[path])
        _rename_all(written)


@contextmanager
def atomic_files(path: Path) -> Iterator[Path]:
    """Yields a temporary folder beside `path`; what the block leaves in it goes into the folder of `path`, all or none.

    For writers that make several files, whose names they choose. `path` itself goes first: it is what people open.
    Raises StorageError.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(path, _make_folder) as folder:
            yield folder
            made = sorted(folder.iterdir(), key=lambda file: (file.name != path.name, file.name))
            for file in made:
                _refuse_what_is_no_file(path.with_name(file.name))
                _flush(file)
            _rename_all({path.with_name(file.name): file for file in made})
            _remove(folder)


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """A temporary folder of the system that goes with the block; those that killed processes left go, too."""
    place = Path(tempfile.gettempdir()) / name
    with storage_errors(place), _temporary(place, _make_folder) as folder:
        folder.chmod(0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def require_writable(folder: Path) -> None:
    """Raises StorageError where nothing could be written into a folder that may have to be made: to ask before hours of
    work. Looks, and writes nothing."""
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    code = errno.ENOTDIR if not there.is_dir() else 0 if os.access(there, os.W_OK | os.X_OK) else errno.EACCES
    if code:
        raise storage_error(there, OSError(code, os.strerror(code)))


def free_bytes(folder: Path) -> int:
    """Space left where `folder` lies, or will lie. Raises StorageError."""
    while not folder.exists():
        folder = folder.absolute().parent
    with storage_errors(folder):
        return shutil.disk_usage(folder).free


def _refuse_what_is_no_file(path: Path) -> None:
    """A rename would put a plain file in the place of a device, /dev/null say."""
    try:
        mode = path.stat().st_mode
    except OSError:  # nothing there, or a link to nothing
        return
    if stat.S_ISDIR(mode):
        raise StorageError(path, "a folder is in its place", "choose another name")
    if not stat.S_ISREG(mode):
        raise StorageError(path, "is a device or a pipe, not a file", "choose another name")


@contextmanager
def _temporary(path: Path, make: Callable[[Path], int]) -> Iterator[Path]:
    """A new file or folder beside `path`, locked by this process; removed if the block fails."""
    temporary, handle = _claimed(path, make)
    try:
        yield temporary
    except BaseException:
        _remove(temporary)
        raise
    finally:
        os.close(handle)


def _claimed(path: Path, make: Callable[[Path], int]) -> tuple[Path, int]:
    """The first free temporary name, and a handle on it that holds its lock."""
    for number in range(_MOST_WRITERS):
        temporary = _temporary_name(path, number, make)
        handle = _take(temporary, make)
        if handle is not None:
            _is_free(_temporary_name(path, number + 1, make))  # left by a writer that was killed beside another one
            return temporary, handle
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)


def _temporary_name(path: Path, number: int, make: Callable[[Path], int]) -> Path:
    stem, suffix = (path.name, "") if make is _make_folder else (path.stem, path.suffix)
    return path.with_name(f".{stem[:100]}.openmov-{number}.tmp{suffix}")


def _make_file(temporary: Path) -> int:
    return os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def _make_folder(temporary: Path) -> int:
    temporary.mkdir()
    return os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _take(temporary: Path, make: Callable[[Path], int]) -> int | None:
    """Makes it and locks it; None where another process is writing there at this moment."""
    if not _is_free(temporary):
        return None
    try:
        handle = make(temporary)
    except FileExistsError:
        return None
    # Between making and locking another process may have taken it for left behind: it removes it under the lock.
    if _lock(handle) is False or not os.fstat(handle).st_nlink:
        os.close(handle)
        return None
    return handle


def _is_free(temporary: Path) -> bool:
    """Whether nothing is there, or no longer: what a dead process left is removed."""
    try:
        handle = _opened(temporary)
    except FileNotFoundError:
        return True
    except OSError:  # a link, or somebody else's
        return False
    try:
        locked = _lock(handle)
        if locked is False or (locked is None and time.time() - os.fstat(handle).st_mtime < _ABANDONED_SECONDS):
            return False
        return _remove(temporary)
    finally:
        os.close(handle)


def _opened(temporary: Path) -> int:
    how = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(temporary, how | os.O_RDWR)  # a network file system locks only what may be written
    except IsADirectoryError:
        return os.open(temporary, how | os.O_RDONLY)


def _lock(handle: int) -> bool | None:
    """Whether it is locked now; None where the file system has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS_HERE:
            return None
        raise
    return True


def _remove(temporary: Path) -> bool:
    """Whether it is gone."""
    if temporary.is_dir() and not temporary.is_symlink():
        shutil.rmtree(temporary, ignore_errors=True)
    else:
        with suppress(OSError):
            temporary.unlink()
    return not os.path.lexists(temporary)


def _flush(path: Path) -> None:
    """Until the bytes are on the disk."""
    with path.open("rb") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # it cannot be asked for here
                raise


def _rename_all(written: Mapping[Path, Path]) -> None:
    """Each temporary file to its place, or none: what was there comes back where one of them cannot go."""
    older: dict[Path, Path | None] = {}
    with interrupts_deferred():
        try:
            for path, temporary in written.items():
                with storage_errors(path):
                    older[path] = _kept(path)
                    temporary.replace(path)
        except BaseException:
            for path, before in reversed(older.items()):
                with suppress(OSError):
                    path.unlink(missing_ok=True) if before is None else before.replace(path)
            raise
        finally:
            for before in older.values():
                if before is not None:
                    before.unlink(missing_ok=True)


def _kept(path: Path) -> Path | None:
    """A second name of the file that is there, to bring it back by; None where there is none."""
    if not os.path.lexists(path):
        return None
    before = path.with_name(f".{path.stem[:100]}.openmov-old{path.suffix}")
    before.unlink(missing_ok=True)
    try:
        os.link(path, before, follow_symlinks=False)
    except OSError:  # a file system without hard links
        shutil.copy2(path, before, follow_symlinks=False)
    return before


def _swap_in(temporary: Path, place: Path, path: Path, replaces: Callable[[Path], bool] | None) -> None:
    """Renames `temporary` to `place`; what was there goes only when the new one is in its place."""
    with interrupts_deferred():
        if not place.exists() or not any(place.iterdir()):
            temporary.rename(place)  # POSIX lets an empty folder be replaced, and no other
        elif _exchanged(temporary, place):
            if any(temporary.iterdir()) and not (replaces is not None and replaces(temporary)):
                _exchanged(temporary, place)  # somebody put something there at this very moment
                raise StorageError(path, "holds files that would be lost", "choose another folder, or an empty one")
        else:
            _swap_by_aside(temporary, place)
            return
    shutil.rmtree(temporary, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Two names change places in one step; False where this system or this file system cannot do that."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), other)


def _swap_by_aside(temporary: Path, place: Path) -> None:
    aside = _aside(place)
    place.rename(aside)
    try:
        temporary.rename(place)
    except BaseException:
        aside.rename(place)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _bring_back(place: Path) -> None:
    """What a writer that was killed had moved aside: back to its place if that is empty, else gone."""
    aside = _aside(place)
    if aside.is_dir() and not place.exists():
        aside.rename(place)
    elif aside.is_dir():
        shutil.rmtree(aside, ignore_errors=True)


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name[:100]}.openmov-old")
