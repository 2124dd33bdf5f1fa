"""How long the README's first command takes, in a process of its own, in each of the situations of a machine.

PYTHONPATH=tests python -m hub.timings      prints a table
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hub.repositories import Repositories
from hub.server import Behaviour, serving
from tiny_world import NOVEL, make_tiny_world


def main() -> None:
    with tempfile.TemporaryDirectory() as text:
        root = Path(text)
        clip = make_tiny_world(root / "world").clip(NOVEL[0])
        clip.rename(root / "holiday.mp4")
        published = Repositories(root / "published")
        published["openai/clip-vit-base-patch16"]
        print(f"{'situation':58} {'seconds':>8} {'of CPU':>8}  backbone")
        with serving(published) as hub:
            show("hub with the real layouts, nothing cached", root, hub.environment(root / "hf"))
            show("the same again, from the cache", root, hub.environment(root / "hf"))
            show("HF_HUB_OFFLINE=1, from the cache", root, {**hub.environment(root / "hf"), "HF_HUB_OFFLINE": "1"})
        with serving(published, Behaviour(hangs=lambda path: True)) as hub:
            show("hub that hangs, nothing cached", root, hub.environment(root / "hanging"))
            show("hub that hangs, from the cache", root, hub.environment(root / "hf"))
            show("no network (connection refused)", root, {**hub.environment(root / "none"), **nobody()})
        with serving(published, Behaviour(drops=lambda path, number: 300_000)) as hub:
            show("connection drops every 300 kB", root, hub.environment(root / "dropping"))
        with serving(published, Behaviour(limits=lambda path, number: 2.0 if number == 0 else None)) as hub:
            show("a rate limit of 2 s", root, hub.environment(root / "limited"))


def nobody() -> dict[str, str]:
    return {"HF_ENDPOINT": "http://127.0.0.1:9"}


def show(situation: str, root: Path, environment: dict[str, str]) -> None:
    labels = "riding a bike, playing guitar, a dog barking"
    arguments = [str(Path(sys.executable).with_name("openmov")), "predict", "holiday.mp4", "--labels", labels, "--json"]
    cache = {"OPENMOV_CACHE": str(root / "cache" / situation)}
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    variables = {**os.environ, **environment, **cache}
    done = subprocess.run(arguments, cwd=root, env=variables, capture_output=True, text=True, check=False)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    name = json.loads(done.stdout)["backbone"]["name"] if done.returncode == 0 else f"exit code {done.returncode}"
    print(f"{situation:58} {seconds:8.1f} {busy:8.1f}  {name}", flush=True)


if __name__ == "__main__":
    main()
