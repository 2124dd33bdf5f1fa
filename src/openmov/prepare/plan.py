"""What filling the caches will take: which entries are missing, and from a short measured sample how long and how much.

records --headers and content hashes--> entries --looked for in the cache--> jobs, and files that cannot be read
a few jobs done, timed --> seconds and bytes for all that is missing
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from openmov.data.entries import Cost, Entry, summed
from openmov.data.reader import ClipDataset
from openmov.data.records import Record
from openmov.errors import DecodeError
from openmov.prepare.video import Job, Outcome
from openmov.store.cache import ArrayCache

SAMPLE_JOBS = 5
"""At most so many are measured; the first is not counted where there is another, for it warms everything up."""


@dataclass(frozen=True)
class PlannedStep:
    """One kind of entry."""

    needed: int = 0
    """Pairs of frames, frames or spectrograms that the views ask for."""
    missing: int = 0
    """Those that are not there."""
    missing_bytes: int = 0
    """Before packing."""
    seconds: float | None = None
    """Of one core for what is missing; None where the sample did not say."""
    disk_bytes: int | None = None
    """On disk for what is missing."""


@dataclass(frozen=True)
class PreparePlan:
    """What there is to do."""

    videos: int
    """Listed, in this part of the list."""
    complete: int
    """Of which all is there."""
    unreadable: int
    """That cannot be opened."""
    steps: Mapping[str, PlannedStep]
    """By kind of entry."""
    free_bytes: int
    """On the cache's disk."""
    workers: int
    """That will share it."""
    jobs: tuple[Job, ...] = field(default=(), repr=False)
    """The videos that lack something."""

    @property
    def seconds(self) -> float:
        """Of wall time, if the workers have a core each and nobody helps."""
        return sum(step.seconds or 0.0 for step in self.steps.values()) / self.workers

    @property
    def disk_bytes(self) -> int:
        """That will be written."""
        return sum(step.disk_bytes or 0 for step in self.steps.values())

    @property
    def unknown(self) -> tuple[str, ...]:
        """Steps of which something is missing and nothing was measured."""
        return tuple(name for name, step in self.steps.items() if step.missing and step.seconds is None)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        steps = {name: asdict(step) for name, step in self.steps.items()}
        counts = {"videos": self.videos, "complete": self.complete, "unreadable": self.unreadable}
        return {
            **counts,
            "steps": steps,
            "seconds": self.seconds,
            "disk_bytes": self.disk_bytes,
            "free_bytes": self.free_bytes,
            "workers": self.workers,
        }


@dataclass(frozen=True)
class CacheScan:
    """What is needed and what is there, before anything was measured."""

    outcomes: Mapping[int, Outcome]
    """Of the records that need no work: complete ones and unreadable ones."""
    jobs: tuple[Job, ...]
    """Of the others."""
    steps: Mapping[str, PlannedStep]
    """Counted, not estimated."""


def survey(
    reader: ClipDataset,
    cache: ArrayCache,
    records: Sequence[tuple[Record, bool]],
    *,
    frames: bool,
    verify: bool,
    threads: int,
    show: Callable[[int], None],
) -> CacheScan:
    """Opens every file, hashes it and looks for its entries; `records` come with whether they are for training.

    With `verify` every entry is read; a damaged one is removed and so is missing. Raises StorageError.
    """

    def look(record: Record, training: bool) -> tuple[list[Entry], list[Entry]] | DecodeError:
        try:
            entries = reader.entries(record, training=training, frames=frames)
        except DecodeError as error:
            return error
        return list(entries), [e for e in entries if (cache.load(e.key) is None if verify else e.key not in cache)]

    outcomes: dict[int, Outcome] = {}
    jobs: list[Job] = []
    steps: dict[str, PlannedStep] = {}
    with ThreadPoolExecutor(threads) as pool:
        for index, found in enumerate(pool.map(look, *zip(*records, strict=True))):
            show(index + 1)
            if isinstance(found, DecodeError):
                outcomes[index] = Outcome("failed", what=found.what, hint=found.hint)
                continue
            needed, missing = found
            steps = _counted(steps, needed, missing)
            if missing:
                jobs.append(_job(index, *records[index], missing))
            else:
                outcomes[index] = Outcome("reused")
    return CacheScan(outcomes, tuple(jobs), steps)


def sample(jobs: Sequence[Job], count: int = SAMPLE_JOBS) -> tuple[Job, ...]:
    """A few jobs, evenly spread."""
    step = max(len(jobs) // count, 1)
    return tuple(islice(jobs, 0, None, step))[:count]


def estimated(steps: Mapping[str, PlannedStep], measured: Iterable[tuple[Job, Outcome]]) -> dict[str, PlannedStep]:
    """The steps with what their missing entries will cost, in proportion to what was measured."""
    costs: dict[str, Cost] = {}
    raw: dict[str, int] = {}
    for job, outcome in measured:
        costs = summed(costs, outcome.made)
        for step in outcome.made:
            raw[step] = raw.get(step, 0) + job.missing_bytes.get(step, 0)
    return {name: _with_cost(step, costs.get(name), raw.get(name, 0)) for name, step in steps.items()}


def _with_cost(step: PlannedStep, cost: Cost | None, raw_bytes: int) -> PlannedStep:
    if not step.missing:
        return PlannedStep(step.needed, 0, 0, 0.0, 0)
    if cost is None or not cost.units or not raw_bytes:
        return step
    seconds = cost.seconds / cost.units * step.missing
    return PlannedStep(
        step.needed,
        step.missing,
        step.missing_bytes,
        seconds,
        round(cost.stored_bytes / raw_bytes * step.missing_bytes),
    )


def _counted(
    steps: Mapping[str, PlannedStep], needed: Sequence[Entry], missing: Sequence[Entry]
) -> dict[str, PlannedStep]:
    counted = dict(steps)
    for entries, is_missing in ((needed, 0), (missing, 1)):
        for entry in entries:
            had = counted.get(entry.step, PlannedStep())
            counted[entry.step] = PlannedStep(
                had.needed + entry.units * (1 - is_missing),
                had.missing + entry.units * is_missing,
                had.missing_bytes + entry.num_bytes * is_missing,
            )
    return counted


def _job(index: int, record: Record, training: bool, missing: Sequence[Entry]) -> Job:
    missing_bytes: dict[str, int] = {}
    for entry in missing:
        missing_bytes[entry.step] = missing_bytes.get(entry.step, 0) + entry.num_bytes
    return Job(index, record, training, missing_bytes)
