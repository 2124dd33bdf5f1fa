"""Long lists of names: embedding 10,000 once and again, adding one, and scoring a video against 100,000.

    python benchmarks/labels.py [--backbone conse] [--quick]

Every step is timed in one run: the rival of a second run is the first, on the same names. The 100,000 vectors that are
scored against are random unit vectors: their values cost nothing and change nothing.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F

from openmov.baselines.frozen_clip import FrozenCLIPRule
from openmov.build import ClassNames
from openmov.config.schema import BackboneConfig
from openmov.inference.answers import ranked
from openmov.model.backbones import load_backbone
from openmov.store.class_vectors import ClassVectors
from openmov.text.label_sets import LABEL_SETS, load_label_set
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality

Result = TypeVar("Result")
_VIEWS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--backbone", default="conse")
    parser.add_argument("--prompts", default="video")
    parser.add_argument("--quick", action="store_true", help="1,000 names in place of 10,000")
    options = parser.parse_args()
    names = many_names(1_000 if options.quick else 10_000)
    backbone = load_backbone(BackboneConfig(name=options.backbone))
    print(f"{options.backbone}, prompts {options.prompts}, {torch.get_num_threads()} threads\n")
    with tempfile.TemporaryDirectory() as folder:

        def embed(listed: tuple[str, ...]) -> ClassEmbeddings:
            return ClassNames(backbone, store=ClassVectors(Path(folder)))(Vocabulary((), listed, options.prompts))

        first, _ = timed(f"{len(names):,} names, first run", lambda: embed(names))
        second, _ = timed(f"{len(names):,} names, second run", lambda: embed(names))
        timed("one name more", lambda: embed((*names, "a name that was not there")))
    score(backbone.dim)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    print(f"headline: second_run_over_first {first / second:.0f}")


def many_names(count: int) -> tuple[str, ...]:
    """Pairs of names of known data sets: no two the same."""
    known = sorted({name for label_set in LABEL_SETS for name in load_label_set(label_set).readable})
    return tuple(f"{known[i % len(known)]} and {known[(i * 7 + i // len(known)) % len(known)]}" for i in range(count))


def score(dim: int) -> None:
    """One video of 12 views against 100,000 names."""
    names = many_names(100_000)
    vocabulary, seconds = Vocabulary((), names), []
    vectors = F.normalize(torch.randn(len(names), dim), dim=1)
    frames = JointEmbeddings({}, {Modality.VIDEO: torch.ones(_VIEWS, dtype=torch.bool)}, torch.randn(_VIEWS, dim))
    rule = FrozenCLIPRule(0.01)
    for _ in range(9):
        started = time.perf_counter()
        ranked(rule(frames, ClassEmbeddings(names, vectors), vocabulary).mean(0), names, 5)
        seconds.append(time.perf_counter() - started)
    print(f"{'scoring a video against 100,000 names':44} {1000 * sorted(seconds)[4]:10.1f} ms (median of 9)")
    timed("making the vocabulary of 100,000 names", lambda: Vocabulary((), names))


def timed(what: str, work: Callable[[], Result]) -> tuple[float, Result]:
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    print(f"{what:44} {1000 * seconds:10.1f} ms")
    return seconds, result


if __name__ == "__main__":
    main()
