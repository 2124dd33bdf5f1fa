"""The other end of `runtime.guard`: a process that does what it is told, one call after the other."""

import importlib
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any


def serve(descriptor: int, module: str) -> None:
    """Imports `module`, if it names one, and answers calls that come over the socket until it is closed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # for the parent, which then ends this process
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if module:
        importlib.import_module(module)
    with Connection(descriptor) as line:
        line.send(True)  # ready
        while True:
            try:
                answer = _answer(line)
            except (EOFError, ConnectionError):
                return
            line.send(answer)


def _answer(line: Connection) -> tuple[bool, Any]:
    try:
        function, given, named = line.recv()
        return True, function(*given, **named)
    except (EOFError, ConnectionError):
        raise
    except Exception as error:  # whatever it is, it is the caller's
        return False, error


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)
