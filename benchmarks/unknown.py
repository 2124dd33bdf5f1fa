"""How often "none of these" is wrong on ShapesAV: known clips refused, and clips whose name is not asked for accepted.

    python benchmarks/unknown.py --runs RUN ... --clips POOL [--cache FOLDER] [--json FILE]
    python benchmarks/unknown.py --quick

Each RUN is a MOV trained with --calibrate on the pool (`openmov shapesav write`, `openmov train`); --quick writes a
small pool and trains a short run of its own, to show that it works: its figures mean little. Thresholds come from the
rehearsal inside the run: base classes alone, a fifth of them playing novel; no novel label, name or clip is looked at.
What is measured, on test clips, for every run:

    novel path    labels: every other novel name; background: the base names the run knows
    base path     labels: every other base name; background: the other base names
    frozen        the novel path's labels and background, the frozen backbone alone, threshold 0

*known* clips show one of the labels: refusing them is an error. *Outside* clips show a class that is neither label nor
background: accepting them is an error. *Background* clips show a background name.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from openmov.baselines.frozen_clip import FrozenCLIPRule
from openmov.build import Components
from openmov.data.loader import evaluation_batches
from openmov.data.manifest import load_manifest
from openmov.data.records import Record
from openmov.data.split import pseudo_novel_split
from openmov.evaluation.metrics import proportion
from openmov.model import JointModel
from openmov.runtime.run_folder import RunFolder
from openmov.scoring.embeddings import AnswerRule, BaseNovelRule, Embeddings, record
from openmov.scoring.unknown import BackgroundTest, Thresholds, calibrate_unknown
from openmov.text.vocabulary import Vocabulary, load_vocabulary
from openmov.training.calibrate import REHEARSAL_FOLDER
from openmov.training.runs import load_calibration, load_run, load_trained


@dataclass(frozen=True)
class Row:
    """One run on one path."""

    run: str
    path: str
    threshold: float
    known_refused: tuple[int, int]
    outside_accepted: tuple[int, int]
    background_accepted: tuple[int, int]


def recorded(components: Components, network: JointModel, records: Sequence[Record]) -> Embeddings:
    """One pass of a network over clips, with the views of a test."""
    lost: list[object] = []
    clips = [replace(one, split="test") for one in records]
    found = record(network, evaluation_batches(components.dataset(), clips, 32, lost, 2))
    assert not lost, lost
    return found


def measured(folder: Path, pool: Path, cache: Path | None, share: int) -> list[Row]:
    """All rows of one run; one in `share` of the test clips is looked at."""
    run, task = (
        load_run(folder, cache),
        "sound" if "audio" in load_run(folder, None).components.recipe.model.modalities else "motion",
    )
    components, vocabulary = run.components, load_vocabulary(pool / f"vocabulary-{task}.json")
    records = load_manifest(pool / f"manifest-{task}.csv", vocabulary=vocabulary).records
    pseudo = pseudo_novel_split(vocabulary.for_protocol("base"), seed=components.recipe.training.seed)
    rehearsed = load_trained(components, RunFolder.open(folder / REHEARSAL_FOLDER).best)
    unseen = [one for one in records if one.split in ("train", "val") and one.label in pseudo.novel]
    seen = [one for one in records if one.split == "val" and one.label in pseudo.base]
    path = load_calibration(folder) or run.rule.novel
    rule, embed = BaseNovelRule(components.tau, path), components.class_embedder()
    clips = [recorded(components, rehearsed, part) for part in (unseen, seen)]
    thresholds = calibrate_unknown(*clips, pseudo, embed, rule)
    test = recorded(
        components, load_trained(components, run.folder.best), [one for one in records if one.split == "test"][::share]
    )
    name = f"{task}, {folder.parent.name}/{folder.name}"
    frozen = FrozenCLIPRule(components.backbone.temperature)
    return [
        row(name, "novel", vocabulary.novel, vocabulary.base, False, test, embed, rule, thresholds, vocabulary),
        row(name, "base", vocabulary.base, vocabulary.base, True, test, embed, rule, thresholds, vocabulary),
        row(name, "frozen", vocabulary.novel, vocabulary.base, False, test, embed, frozen, Thresholds(), vocabulary),
    ]


def row(
    run: str,
    path: str,
    names: tuple[str, ...],
    known_to_run: tuple[str, ...],
    base: bool,
    test: Embeddings,
    embed: object,
    rule: AnswerRule,
    thresholds: Thresholds,
    vocabulary: Vocabulary,
) -> Row:
    """Every other of `names` is a label."""
    labels = names[::2]
    asked = Vocabulary(labels, ()) if base else Vocabulary((), labels)
    background = tuple(name for name in known_to_run if name not in labels)
    compared = BackgroundTest(asked, background, embed, rule, thresholds)
    outside = tuple(name for name in vocabulary.names if name not in labels and name not in background)

    def below(of: tuple[str, ...]) -> tuple[int, int]:
        clips = test.where(of)
        ratios, _ = compared.log_ratios(clips.embeddings, clips.views)
        return int((ratios < compared.threshold).sum()), len(ratios)

    (refused, known), (outside_refused, outside_count), (back_refused, back_count) = map(
        below, (labels, outside, background)
    )
    return Row(
        run,
        path,
        compared.threshold,
        (refused, known),
        (outside_count - outside_refused, outside_count),
        (back_count - back_refused, back_count),
    )


def small_run(folder: Path) -> tuple[Path, Path, Path]:
    """A pool and a run of two epochs on one in a few clips: run, pool and cache."""
    from openmov.config.load import load_recipe
    from openmov.shapesav.pool import plan_pool, write_pool
    from openmov.training.train import run_training

    pool, run, cache = folder / "clips", folder / "runs" / "mov", folder / "cache"
    write_pool(pool, plan_pool(4, 4, 1, 2026), workers=2)
    run_training(
        load_recipe("shapesav-sound", ["training.epochs=2", "views.train_seeds=1", "training.keep_epochs=false"]),
        pool / "manifest-sound.csv",
        pool / "vocabulary-sound.json",
        run,
        cache_folder=cache,
        with_calibration=True,
        workers=2,
        shown=False,
    )
    return run, pool, cache


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small pool and run of its own, within a minute")
    parser.add_argument("--runs", type=Path, nargs="*", default=[], help="MOV runs trained with --calibrate")
    parser.add_argument("--clips", type=Path, help="the pool they were trained on")
    parser.add_argument("--cache", type=Path, help="cache folder")
    parser.add_argument("--share", type=int, default=1, help="look at one in so many test clips")
    parser.add_argument("--json", type=Path, help="file for the figures")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        if asked.quick:
            run, pool, cache = small_run(Path(folder))
            rows = measured(run, pool, cache, 1)
        else:
            rows = [one for run in asked.runs for one in measured(run, asked.clips, asked.cache, asked.share)]
    table = Table("run", "path", "threshold", "known refused", "outside accepted", "background accepted")
    for one in rows:
        shares = (one.known_refused, one.outside_accepted, one.background_accepted)
        table.add_row(one.run, one.path, f"{one.threshold:.2f}", *map(written, shares))
    Console(width=130).print(table)
    for path in ("novel", "base", "frozen"):
        pooled = [one for one in rows if one.path == path]
        sums = [
            tuple(map(sum, zip(*(getattr(one, kind) for one in pooled), strict=True)))
            for kind in ("known_refused", "outside_accepted", "background_accepted")
        ]
        print(
            f"{path}: known refused {written(sums[0])}, outside accepted {written(sums[1])}, "
            f"background accepted {written(sums[2])}"
        )
    if asked.json is not None:
        asked.json.write_text(json.dumps([asdict(one) for one in rows], indent=1))
    novel = [one for one in rows if one.path == "novel"]
    caught = 1 - sum(one.outside_accepted[0] for one in novel) / sum(one.outside_accepted[1] for one in novel)
    refused = sum(one.known_refused[0] for one in novel) / sum(one.known_refused[1] for one in novel)
    print(f"headline: outside_refused_over_known_refused {caught / max(refused, 1e-9):.2f}")


def written(share: tuple[int, int]) -> str:
    """`26 of 163, 16.0 % [11.1, 22.4]`: the interval is Wilson's, 95 %."""
    found = proportion(*share)
    return f"{share[0]} of {share[1]}, {100 * found.value:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
