"""A web server on the loopback interface that serves a folder, and breaks connections off when it is told to."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


@dataclass
class Behaviour:
    """What the server does, and what it was asked."""

    drops: Callable[[int], bool] = lambda number: False
    """Whether the answer to the request of this number (from 0) ends in the middle."""
    status: Callable[[int], int | None] = lambda number: None
    """An error to answer with in place of the file."""
    ranges: bool = True
    """Whether it answers Range requests."""
    length: Callable[[int], str | None] = str
    """What it says of the length of an answer of so many bytes; None says nothing."""
    redirect: str = ""
    """An address to send on to, with the name of the file."""
    logins: list[str] = field(default_factory=list)
    """Authorization header of each request."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range header of each request."""
    sent_bytes: int = 0
    """Of files."""


@contextmanager
def serving(folder: Path, behaviour: Behaviour | None = None) -> Iterator[str]:
    """Yields the address of the folder."""
    how, lock = behaviour or Behaviour(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                number = len(how.asked)
                how.asked.append((self.path, self.headers.get("Range", "")))
                how.logins.append(self.headers.get("Authorization", ""))
            if how.redirect:
                self.send_response(302)
                self.send_header("Location", how.redirect + self.path.rpartition("/")[2])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            path = folder / unquote(self.path.partition("?")[0]).lstrip("/")
            code = how.status(number) or (200 if path.is_file() else 404)
            if code >= 400:
                self.send_error(code)
                return
            content = path.read_bytes()
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if how.ranges else None
            if wanted:
                start, end = int(wanted[1]), min(int(wanted[2] or len(content) - 1), len(content) - 1)
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
                content = content[start : end + 1]
            else:
                self.send_response(200)
            length = how.length(len(content))
            if length is not None:
                self.send_header("Content-Length", length)
            self.end_headers()
            sent = content[: len(content) // 2] if how.drops(number) else content
            self.wfile.write(sent)
            how.sent_bytes += len(sent)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
