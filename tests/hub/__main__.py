"""The double, run alone for a try by hand, until it is interrupted; every request is printed."""

import argparse
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from hub.repositories import Repositories
from hub.server import Behaviour, serving


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m hub", description=__doc__)
    parser.add_argument("--hangs", action="store_true", help="never answer")
    parser.add_argument("--drops", type=int, metavar="BYTES", help="break off each large file after so many bytes")
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="tell every second request to wait")
    parser.add_argument("--speed", type=float, metavar="BYTES", help="of large files, a second")
    told = parser.parse_args()
    behaviour = Behaviour(
        hangs=lambda path: told.hangs,
        drops=lambda path, number: told.drops,
        limits=lambda path, number: told.limit if number % 2 else None,
        bytes_a_second=told.speed,
    )
    with tempfile.TemporaryDirectory() as root, serving(Repositories(Path(root) / "hub"), behaviour) as hub:
        home = Path(root) / "home"
        for name, value in hub.environment(home).items():
            print(f"export {name}={value!r}")
        sys.stdout.flush()
        seen = 0
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(0.2)
                for one in hub.asked[seen:]:
                    print(f"# {one.host} {one.method} {one.path}", file=sys.stderr)
                seen = len(hub.asked)


if __name__ == "__main__":
    main()
