"""Kills at random moments: python tests/campaigns/crash.py [VERB ...] [--kills 20] [--in-a-row 4] [--json FILE]

Each of six verbs is first run undisturbed, on a few small clips; then it is killed (kill -9) at moments drawn from a
fixed seed, several times in a row, and run to the end. What it leaves must be the undisturbed result bit for bit, and
no file more: no temporaries in its folders or in TMPDIR. Exit code 1 where one of them is not so.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tiny_world import TinyWorld, make_tiny_world

OPENMOV = "import sys\nfrom openmov.cli import main\nsys.argv[0] = 'openmov'\nmain()"
FIRST_SHARE = 0.3
"""Of the undisturbed time: before that a program imports its libraries."""


@dataclass(frozen=True)
class Verb:
    """One command, in a folder of its own."""

    command: Callable[[TinyWorld, Path], list[str]]
    """Its arguments."""
    result: Callable[[Path], dict[str, str]]
    """What must be the same: names and digests."""
    begin: Callable[[TinyWorld, Path], None] = lambda world, folder: None
    """What has to be there first."""


@dataclass
class Outcome:
    """What became of one verb."""

    verb: str
    kills: int = 0
    fell: int = 0
    """Kills that came before the command was done."""
    rounds: int = 0
    same: int = 0
    """Rounds whose result is the undisturbed one."""
    strays: list[str] = field(default_factory=list)
    seconds: float = 0.0
    """Of the undisturbed run."""


def files_of(folder: Path, *without: str) -> dict[str, str]:
    """Every file by its relative name, with a digest of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(one in str(path.relative_to(folder)) for one in without)
    }


def weights_of(folder: Path) -> dict[str, str]:
    """Tensors of best and last: their files have names of chance."""
    found = {}
    for kind in ("best", "last"):
        checkpoint = folder / "run" / "checkpoints" / kind
        for part, name in json.loads((checkpoint / "checkpoint.json").read_text())["files"].items():
            found[f"{kind} {part}"] = hashlib.sha256((checkpoint / name).read_bytes()).hexdigest()[:16]
    lines = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    found["steps"] = str([line["step"] for line in lines])
    return found


def answers_of(folder: Path) -> dict[str, str]:
    """Every video's answers, of the page and of the run: times differ from one evaluation to the next."""
    found = {}
    for path in sorted([*folder.glob("page/evaluations/*.json"), *folder.glob("run/results/evaluations/*.json")]):
        found[str(path.relative_to(folder))] = json.dumps(json.loads(path.read_text())["records"])
    assert (folder / "page" / "report.html").is_file()
    return found


def copy(world: TinyWorld, folder: Path, *names: str) -> None:
    for name in names:
        shutil.copytree(world.root / "made" / name, folder / name)


def cache_of(folder: Path) -> list[str]:
    return ["--cache", str(folder / "cache")]


def lists(world: TinyWorld) -> list[str]:
    return ["--recipe", str(world.recipe), "--manifest", str(world.manifest)]


def training(world: TinyWorld, folder: Path) -> list[str]:
    run = folder / "run"
    more = ["--resume"] if (run / "run.json").exists() else []
    return world.train(run, "--set", "training.epochs=4", *more, cache=folder / "cache")


VERBS = {
    "prepare": Verb(
        lambda world, folder: ["prepare", *lists(world), *cache_of(folder), "--features", str(folder / "features")],
        lambda folder: files_of(folder, "reports"),
    ),
    "train": Verb(training, weights_of, lambda world, folder: copy(world, folder, "cache")),
    "evaluate": Verb(
        lambda world, folder: [*world.evaluate(folder / "run", cache=folder / "cache"), "--out", str(folder / "page")],
        answers_of,
        lambda world, folder: copy(world, folder, "cache", "run"),
    ),
    "pack": Verb(
        lambda world, folder: ["pack", *lists(world), *cache_of(folder), "--out", str(folder / "pack")],
        lambda folder: files_of(folder / "pack"),
        lambda world, folder: copy(world, folder, "cache"),
    ),
    "share": Verb(
        lambda world, folder: ["share", str(folder / "run"), "--out", str(folder / "model")],
        lambda folder: files_of(folder / "model"),
        lambda world, folder: copy(world, folder, "run"),
    ),
    "cache clear": Verb(
        lambda world, folder: ["cache", "clear", *cache_of(folder)],
        lambda folder: files_of(folder, "reports"),
        lambda world, folder: copy(world, folder, "cache"),
    ),
}


def start(command: list[str], temporary: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", OPENMOV, *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(command: list[str], temporary: Path) -> None:
    process = start(command, temporary)
    _, said = process.communicate(timeout=1200)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}\n{said}")


def strays_of(folder: Path) -> list[str]:
    """Hidden files, and what openmov calls its own in TMPDIR."""
    hidden = [path for path in folder.rglob(".*") if path.name != ".lock"]
    return sorted(str(path.relative_to(folder)) for path in (*hidden, *folder.glob("tmp/openmov*")))


def made_folder(world: TinyWorld, verb: Verb, root: Path, name: str) -> Path:
    folder = root / name
    (folder / "tmp").mkdir(parents=True)
    verb.begin(world, folder)
    return folder


def campaign(name: str, world: TinyWorld, root: Path, kills: int, in_a_row: int, random_: random.Random) -> Outcome:
    verb, outcome = VERBS[name], Outcome(name)
    calm = made_folder(world, verb, root, "calm")
    begun = time.monotonic()
    finish(verb.command(world, calm), calm / "tmp")
    outcome.seconds = round(time.monotonic() - begun, 1)
    expected = verb.result(calm)
    while outcome.kills < kills:
        folder = made_folder(world, verb, root, f"round{outcome.rounds}")
        for _ in range(min(in_a_row, kills - outcome.kills)):
            process = start(verb.command(world, folder), folder / "tmp")
            try:
                process.wait(random_.uniform(FIRST_SHARE, 1.0) * outcome.seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                outcome.fell += 1
            process.communicate()
            outcome.kills += 1
            if name == "share" and (folder / "model").exists():
                shutil.rmtree(folder / "model")  # it never writes over a model that is whole
        finish(verb.command(world, folder), folder / "tmp")
        outcome.same += verb.result(folder) == expected
        outcome.strays += strays_of(folder)
        outcome.rounds += 1
        shutil.rmtree(folder)
    shutil.rmtree(calm)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("verbs", nargs="*", default=list(VERBS))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--in-a-row", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="crash-") as temporary:
        world = make_tiny_world(Path(temporary) / "world")
        made = world.root / "made"
        (made / "tmp").mkdir(parents=True)
        finish(["prepare", *lists(world), *cache_of(made)], made / "tmp")
        finish(world.train(made / "run", cache=made / "cache"), made / "tmp")
        print(f"{'verb':12} {'kills':>5} {'before the end':>14} {'rounds':>6} {'same':>5} {'strays':>6} {'calm':>7}")
        for name in given.verbs:
            random_ = random.Random(f"{given.seed} {name}")
            one = campaign(name, world, Path(temporary) / "work", given.kills, given.in_a_row, random_)
            outcomes.append(one)
            counts = f"{one.kills:5} {one.fell:14} {one.rounds:6} {one.same:5} {len(one.strays):6}"
            print(f"{name:12} {counts} {one.seconds:6.1f}s  {' '.join(one.strays[:3])}", flush=True)
            if given.json is not None:
                said = {"date": time.strftime("%Y-%m-%d"), "seed": given.seed, "cores": os.cpu_count()}
                facts = {**said, "verbs": [asdict(outcome) for outcome in outcomes]}
                given.json.write_text(json.dumps(facts, indent=1) + "\n")
    return int(any(one.same < one.rounds or one.strays for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
