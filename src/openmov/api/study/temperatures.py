"""Other ways to come to beta and tau_v than the paper's by hand and those of a run's own calibration.

entropy    tau_v at which D_v is as sure as D_x on validation clips of base classes: `openmov train --calibrate
           entropy`, afterwards; no label is looked at, and beta stays the recipe's
best       the pair of the grid that answers most of the novel test clips: a bound read off the very clips it is
           measured on, which chooses nothing
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from openmov.api.calibrating import EVALUATION_BATCH
from openmov.api.runs import LoadedRun, load_trained
from openmov.api.study.stage import Clips
from openmov.api.training_data import load_base
from openmov.data.source import Unreadable, evaluation_batches
from openmov.prediction.base_novel import NovelPath
from openmov.prediction.calibration import calibrate, match_entropy
from openmov.prediction.predictor import Recording, record
from openmov.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Evidence:
    """What a choice may look at beside the run."""

    trained_on: Clips
    """The list whose validation clips of base classes the run was chosen by."""
    tested: Recording = field(repr=False)
    """The test clips."""
    names: Vocabulary
    """Theirs."""
    workers: int
    """Threads that read videos."""


def matched_path(run: LoadedRun, evidence: Evidence) -> NovelPath:
    """As sure as flow or sound on validation clips. Raises ManifestError, VocabularyError; ValueError for no clip."""
    listed = evidence.trained_on
    data = load_base(listed.manifest, listed.vocabulary, run.wiring.recipe.training.seed)
    lost: list[Unreadable] = []  # the training counted and listed them
    batches = evaluation_batches(run.wiring.reader(), data.val, EVALUATION_BATCH, lost, evidence.workers)
    recording = record(load_trained(run.wiring, run.folder.best), batches)
    return match_entropy(recording, run.wiring.class_embedder(), data.vocabulary, run.wiring.novel_path).chosen


def best_path(run: LoadedRun, evidence: Evidence) -> NovelPath:
    """The best of the grid on the novel test clips themselves. Raises ValueError where there is none."""
    embed = run.wiring.class_embedder()
    return calibrate(evidence.tested, embed, evidence.names, run.wiring.novel_path.tau_x).chosen


PATHS: Mapping[str, Callable[[LoadedRun, Evidence], NovelPath]] = {"entropy": matched_path, "best": best_path}
"""By the names that studies use."""
