"""The curves of a training as an event file that TensorBoard reads. The only way to tensorboardX's formats.

    one step --> Event (every number by name) --> length, checksum, bytes, checksum: appended in one write

tensorboardX's own writer hands events to a thread through a queue. A disk that fills up ends that thread with nobody
told, and then the queue is full and the training waits for ever; a Ctrl-C in the queue does the same. Here what cannot
be written is raised where it is written. Knows nothing of metrics or runs.
"""

import errno
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from itertools import count
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from openmov.runtime.atomic import storage_errors

_VERSION = "brain.Event:2"


class EventFile:
    """Appends to one event file; make it with `event_file`."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self._path, self._file = path, file

    def add(self, numbers: Mapping[str, int | float], step: int) -> None:
        """One point of each curve. Raises StorageError."""
        values = [Summary.Value(tag=name, simple_value=value) for name, value in numbers.items()]
        self._write(Event(summary=Summary(value=values), step=step))

    def begin(self, first_step: int) -> None:
        """What earlier files say of `first_step` and later no longer counts. Raises StorageError."""
        self._write(Event(file_version=_VERSION))
        self._write(Event(session_log=SessionLog(status=SessionLog.START), step=first_step))

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        record = framed(event.SerializeToString())
        with storage_errors(self._path):
            if self._file.write(record) < len(record):
                raise OSError(errno.ENOSPC, "half a record written")


@contextmanager
def event_file(folder: Path, first_step: int) -> Iterator[EventFile]:
    """A new event file in `folder`, whose curves go on at `first_step`. Raises StorageError."""
    name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
    path = folder / name
    with storage_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        for number in count(1):  # in a container every process may have one number, and a clock may be set back
            try:
                file = FileIO(path, "x")
                break
            except FileExistsError:
                path = folder / f"{name}.{number}"
    with file:
        events = EventFile(path, file)
        events.begin(first_step)
        yield events


def framed(content: bytes) -> bytes:
    """A record of TensorFlow's file format: length, its checksum, the content, its checksum."""
    length = struct.pack("<Q", len(content))
    checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, content)]
    return length + checksums[0] + content + checksums[1]
