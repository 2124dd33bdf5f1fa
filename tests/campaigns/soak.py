"""Many short clips through one process: python tests/campaigns/soak.py [VERB ...] [--clips 10000] [--json FILE]

`openmov predict -` answers a list of clips on standard input, and `openmov prepare` fills a cache for as many. Memory
and open files of the process and its children are looked at all the while, and how many clips are done. Between the
first third and the last, memory may grow by 64 MB, open files by 8, and a clip may take half as long again: exit code
1 where it is more. The clips are few, each with bytes of its own at its end, so that none is found stored.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tiny_world import BASE, NOVEL, TinyWorld, make_tiny_world

OPENMOV = "import sys\nfrom openmov.cli import main\nsys.argv[0] = 'openmov'\nmain()"
MOST_MB, MOST_FILES, MOST_SLOWER = 64.0, 8, 1.5
EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Sample:
    """One look at the processes."""

    seconds: float
    done: int
    megabytes: float
    """Resident, of the process and all below it."""
    files: int


@dataclass(frozen=True)
class Outcome:
    """First third beside last third."""

    verb: str
    clips: int
    seconds: float
    clips_per_second: tuple[float, float]
    megabytes: tuple[float, float]
    files: tuple[int, int]

    @property
    def flat(self) -> bool:
        """Within the bounds."""
        (fast, slow), (small, large), (few, many) = self.clips_per_second, self.megabytes, self.files
        return large - small <= MOST_MB and many - few <= MOST_FILES and slow * MOST_SLOWER >= fast


def write_clips(world: TinyWorld, folder: Path, count: int) -> list[Path]:
    """Clips of the world, each with an empty box (`free`) of its own behind it, which no player looks at."""
    folder.mkdir()
    sources = [path.read_bytes() for path in world.clips((*BASE, *NOVEL))]
    paths = [folder / f"{number:06d}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(sources[number % len(sources)] + b"\0\0\0\x10free" + number.to_bytes(8, "big"))
    return paths


def family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children = ""
        with suppress(OSError):  # a thread that ended this moment
            children = task.read_text()
        for child in children.split():
            yield from family(int(child))


def look(pid: int) -> tuple[float, int]:
    pages = files = 0
    for one in family(pid):
        try:
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
            files += len(list(Path(f"/proc/{one}/fd").iterdir()))
        except OSError:  # it ended this moment
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, files


def watched(command: list[str], count: int, done: Callable[[], int], **how: object) -> list[Sample]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    begun, samples = time.monotonic(), []
    with subprocess.Popen([sys.executable, "-c", OPENMOV, *command], env=environment, **how) as process:  # type: ignore[call-overload]
        while process.poll() is None:
            megabytes, files = look(process.pid)
            samples.append(Sample(time.monotonic() - begun, done(), megabytes, files))
            time.sleep(EVERY_SECONDS)
    if process.returncode:
        raise SystemExit(f"{command[0]}: exit code {process.returncode}")
    if done() < count:
        raise SystemExit(f"{command[0]}: {done()} of {count} clips are done")
    return samples


def outcome(verb: str, samples: list[Sample], count: int) -> Outcome:
    """Of the samples while clips are being done: from the tenth part on, when all is loaded."""
    worked = [one for one in samples if count / 10 <= one.done < count]
    if len(worked) < 6:
        raise SystemExit(f"{verb}: too few clips to say anything; give more with --clips")
    third = len(worked) // 3
    parts = worked[:third], worked[-third:]
    rates = [(part[-1].done - part[0].done) / max(part[-1].seconds - part[0].seconds, 1e-9) for part in parts]
    memory = [statistics.median(one.megabytes for one in part) for part in parts]
    files = [round(statistics.median(one.files for one in part)) for part in parts]
    return Outcome(
        verb,
        count,
        round(samples[-1].seconds, 1),
        (round(rates[0], 1), round(rates[1], 1)),
        (round(memory[0], 1), round(memory[1], 1)),
        (files[0], files[1]),
    )


def predict(world: TinyWorld, paths: list[Path], folder: Path) -> Outcome:
    answers, listed = folder / "answers.csv", folder / "listed.txt"
    listed.write_text("\n".join(map(str, paths)) + "\n")
    asked = ["--labels", ",".join((*BASE, *NOVEL)), "--backbone", str(world.backbone), "--views", "1x1", "--top", "1"]
    command = ["predict", "-", *asked, "--csv", "--cache", str(folder / "labels")]
    with listed.open() as names, answers.open("w") as out:
        how = {"stdin": names, "stdout": out, "stderr": subprocess.DEVNULL}
        samples = watched(command, len(paths), lambda: answers.read_bytes().count(b"\n") - 1, **how)
    return outcome("predict", samples, len(paths))


def prepare(world: TinyWorld, paths: list[Path], folder: Path) -> Outcome:
    manifest, cache = folder / "manifest.csv", folder / "cache"
    rows = [f"clips/{path.name},,test" for path in paths]
    manifest.write_text("\n".join(["path,label,split", *rows]) + "\n")
    command = ["prepare", "--recipe", str(world.recipe), "--manifest", str(manifest), "--cache", str(cache)]
    more = ["--set", "model.method=video_only", "--set", "model.modalities=[video]"]

    def done() -> int:
        return sum(not path.name.startswith(".") for path in cache.glob("[0-9a-f][0-9a-f]/*"))

    how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    samples = watched([*command, *more], len(paths), done, **how)
    return outcome("prepare", samples, len(paths))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("verbs", nargs="*", default=["predict", "prepare"])
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    outcomes = []
    print(f"{'verb':8} {'clips':>6} {'seconds':>8} {'clips/s':>15} {'MB':>17} {'open files':>11}   (first third, last)")
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        folder = Path(temporary)
        world = make_tiny_world(folder / "world")
        paths = write_clips(world, folder / "clips", given.clips)
        for verb in given.verbs:
            one = {"predict": predict, "prepare": prepare}[verb](world, paths, folder)
            outcomes.append(one)
            rates, memory = (f"{first:.1f} {last:.1f}" for first, last in (one.clips_per_second, one.megabytes))
            counts = f"{one.files[0]} {one.files[1]}"
            word = "flat" if one.flat else "NOT FLAT"
            print(
                f"{verb:8} {one.clips:6} {one.seconds:8.1f} {rates:>15} {memory:>17} {counts:>11}   {word}", flush=True
            )
            if given.json is not None:
                facts = {"date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count()}
                given.json.write_text(
                    json.dumps({**facts, "verbs": [asdict(one) for one in outcomes]}, indent=1) + "\n"
                )
    return int(not all(one.flat for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
