"""A real Ray cluster of two nodes on this machine; one of its workers is killed in the middle.

In a process of its own: Ray leaves threads, sockets and warnings behind.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from broken_media import write_pool
from tiny_world import TinyWorld

SCRIPT = """
import json, os, signal, sys, threading, time
from dataclasses import asdict
from pathlib import Path
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster
from openmov.prepare.manifest import PrepareOptions, prepare_manifest
from openmov.config.load import change_recipe, load_recipe

recipe, manifest, cache = (Path(word) for word in sys.argv[1:4])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
os.environ["RAY_ADDRESS"] = cluster.address
killed = []

def seats():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::Worker"):
                yield int(path.parent.name)
        except OSError:
            pass

def kill_one():
    while len(list(cache.rglob("*.safetensors"))) < 8:
        time.sleep(0.01)
    pid = next(seats())
    os.kill(pid, signal.SIGKILL)
    killed.append(pid)

thread = threading.Thread(target=kill_one)
thread.start()
made = change_recipe(load_recipe(recipe), ["model.method=flow_only", "model.modalities=[flow]"])
done = prepare_manifest(made, manifest, cache_folder=cache, options=PrepareOptions(2, "ray"), shown=False)
thread.join()
nodes = sum(node["Alive"] for node in __import__("ray").nodes())
print("RESULT" + json.dumps({**done.report.to_json(), "killed": len(killed), "nodes": nodes}))
"""


@pytest.mark.slow
def test_on_two_nodes_a_worker_is_killed_and_nothing_is_done_or_counted_twice(
    tiny_world: TinyWorld, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    manifest, broken = write_pool(tmp_path / "pool", 60, 10)
    words = [sys.executable, "-c", SCRIPT, str(tiny_world.recipe), str(manifest), str(tmp_path / "cache")]
    process = subprocess.run(words, capture_output=True, text=True, check=False, timeout=280)
    (line,) = [line for line in process.stdout.splitlines() if line.startswith("RESULT")] or [process.stderr]
    report = json.loads(line.removeprefix("RESULT"))
    assert (report["nodes"], report["killed"]) == (2, 1)
    assert report["videos"] == 60
    assert {Path(one["file"]).name for one in report["failed"]} == set(broken)
    # A video whose worker died after storing everything is found there by the second try: reused, once.
    assert report["done"] + report["reused"] == 50
    assert report["reused"] <= 1
    stored = list((tmp_path / "cache").rglob("*.safetensors"))
    units = report["made"]["flow"]["units"]
    assert (
        4 * len(stored) - 8 <= units <= 4 * len(stored)
    )  # pairs: at most the killed video's two views are not told of
