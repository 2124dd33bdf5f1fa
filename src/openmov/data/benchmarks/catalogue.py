"""The data sets there are, by the names they have on the command line."""

import difflib
from collections.abc import Mapping

from openmov.data.benchmarks.hmdb51 import HMDB51
from openmov.data.benchmarks.kinetics import kinetics
from openmov.data.benchmarks.listing import Benchmark
from openmov.data.benchmarks.shapesav import shapesav, shapesav_scenes
from openmov.data.benchmarks.ucf101 import UCF101
from openmov.data.benchmarks.vggsound import VGGSOUND
from openmov.data.shapesav.vocabulary import TASKS, Task
from openmov.errors import ManifestError

_SCENED: tuple[Task, ...] = ("motion", "sound")
"""Tasks of the world whose classes have scenes of their own in ShapesAV-Scenes."""
_SCENES = tuple(shapesav_scenes(task, swapped=swapped) for task in _SCENED for swapped in (False, True))
_ALL = (*map(kinetics, (400, 600, 700)), VGGSOUND, UCF101, HMDB51, *map(shapesav, TASKS), *_SCENES)
BENCHMARKS: Mapping[str, Benchmark] = {benchmark.name: benchmark for benchmark in _ALL}


def find_benchmark(name: str) -> Benchmark:
    """A data set by its name. Raises ManifestError, naming the nearest."""
    if name not in BENCHMARKS:
        close = difflib.get_close_matches(name.lower(), BENCHMARKS, n=1, cutoff=0.4)
        mend = f"did you mean {close[0]}? There are" if close else "there are"
        raise ManifestError(name, "is no data set known here", f"{mend} {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]
