"""A worker's job that hangs or dies on files of certain names; a module of its own, for processes import it by name."""

import os
import signal
import time

from openmov.data.records import Record
from openmov.prepare import video as prepare_work
from openmov.prepare.video import Outcome


def do_in_child(record: Record, *, training: bool, frames: bool) -> Outcome:
    """As the real one, but for files named hang*, crash* and bug*; those named once* kill the first who reads them."""
    name = record.path.name
    if name.startswith("hang"):
        time.sleep(1000)
    first = name.startswith("once") and not record.path.with_suffix(".died").exists()
    if first:
        prepare_work.do_in_child(record, training=training, frames=frames)  # dies before it can say what it has done
        record.path.with_suffix(".died").touch()
    if first or name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGKILL)
    if not name.startswith("bug"):
        return prepare_work.do_in_child(record, training=training, frames=frames)
    reader = prepare_work._BENCH.pop()  # IndexError, where nobody expects one
    try:
        return prepare_work.do_in_child(record, training=training, frames=frames)
    finally:
        prepare_work._BENCH.append(reader)
