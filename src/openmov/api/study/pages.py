"""Writes the pages of filled studies, and beside them their JSON: numbers, and all that produced them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openmov.api.facts import machine_facts, software_facts
from openmov.api.study.agenda import Plan, left_out_note
from openmov.api.study.layout import TRAINING_CODE, code_identity
from openmov.api.study.plan import seeds_of, wanted_by
from openmov.api.study.stage import Arm, Stage
from openmov.api.world_tasks import StepClock
from openmov.evaluation.content import FactGroup
from openmov.runtime.atomic import write_text
from openmov.studies.filled import FilledStudy
from openmov.studies.page import StudiesContent, as_html, as_json, as_markdown
from openmov.studies.study import Study

_NOTE = (
    "No MOV trained on Kinetics or VGGSound has been released by anyone; what stands as the paper's was read off the "
    "paper. No novel class, clip or name was loaded in training or tuning, except where a study says that it trains "
    "on all classes."
)


@dataclass(frozen=True)
class Made:
    """How what a page shows was made: what every page of one call says alike."""

    plan: Plan
    """What was asked for."""
    seconds: Sequence[float]
    """What each training took, in the call that finished it."""
    at_a_time: int
    """Trainings side by side."""
    clock: StepClock
    """The steps of this call."""
    command: str
    """What makes the same again."""

    def content(self, title: str, filled: tuple[FilledStudy, ...]) -> StudiesContent:
        """A page of some of the studies."""
        stage, studies = self.plan.stage, [one.study for one in filled]
        return StudiesContent(
            title=title,
            summary=_summary(studies, stage),
            date=time.strftime("%Y-%m-%d"),
            command=self.command,
            studies=filled,
            facts=_facts(self, studies),
            steps=tuple(self.clock.steps),
            notes=(*stage.notes_on([one.name for one in studies]), *map(left_out_note, self.plan.left_out), _NOTE),
        )


def _summary(studies: Sequence[Study], stage: Stage) -> str:
    """Seeds are those of the studies shown, fewer where all of them are dear."""
    seeds = max(len(seeds_of(study, stage)) for study in studies)
    said = f"mean and standard deviation over {seeds} training seeds" if seeds > 1 else "one training seed"
    paper = "" if all(study.own for study in studies) else "; the paper's numbers stand beside for comparison"
    return f"Accuracy in per cent, {said}, one fixed split{paper}."


def write_pages(filled: tuple[FilledStudy, ...], made: Made, out: Path) -> Path:
    """A page a study, and where several were asked for one of all, whose path is returned. Raises StorageError."""
    for one in filled:
        _write_page(out, one.study.name, made.content(one.study.title, (one,)))
    if len(filled) == 1:
        return out / f"{filled[0].study.name}.html"
    title = f"The paper's experiments on {made.plan.stage.title}"
    return _write_page(out, "report", made.content(title, filled))


def _write_page(out: Path, name: str, content: StudiesContent) -> Path:
    write_text(out / f"{name}.json", as_json(content))
    write_text(out / f"{name}.md", as_markdown(content))
    write_text(out / f"{name}.html", as_html(content))
    return out / f"{name}.html"


def _facts(made: Made, studies: Sequence[Study]) -> tuple[FactGroup, ...]:
    stage, scale = made.plan.stage, made.plan.stage.scale
    data = {"data": stage.title, "training seeds": ", ".join(map(str, range(stage.seeds)))}
    used = dict.fromkeys(one.arm for study in studies for one in wanted_by(study, stage))
    data |= {name: _arm_said(stage.arms[name], sizes=scale is not None) for name in used}
    if scale is not None:
        data["epochs"] = str(scale.epochs)
    if stage.protocol == "own":
        data["hyper-parameters of other methods"] = "their authors' own"
    beside = f", {made.at_a_time} of them at a time" if made.at_a_time > 1 else ""
    data["trainings"] = f"{len(made.seconds)}, {sum(made.seconds) / 60:.0f} minutes in all{beside}"
    data["code"] = code_identity(TRAINING_CODE)
    return (
        FactGroup("Data", tuple(data.items())),
        FactGroup("Software", tuple(software_facts().items())),
        FactGroup("Machine", tuple(machine_facts().items())),
    )


def _arm_said(arm: Arm, *, sizes: bool) -> str:
    train, val, test = arm.per_class
    of_each = f"; of each of 64 classes {train} clips to train on, {val} to validate, {test} to test" if sizes else ""
    return f"{arm.clips.title} ({arm.recipe}){of_each}"
