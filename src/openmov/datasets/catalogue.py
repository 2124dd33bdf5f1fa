"""The data sets there are, by the names they have on the command line."""

from openmov.datasets.benchmark import Benchmark
from openmov.datasets.jhmdb import JHMDB
from openmov.datasets.kinetics import kinetics
from openmov.datasets.shapesav import shapesav, shapesav_scenes
from openmov.datasets.three_splits import HMDB51, UCF101
from openmov.datasets.vggsound import VGGSOUND
from openmov.errors import ManifestError
from openmov.registry import Registry
from openmov.shapesav.vocabulary import TASKS, Task

_SCENED: tuple[Task, ...] = ("motion", "sound")
"""Tasks of the world whose classes have scenes of their own in ShapesAV-Scenes."""
_SCENES = tuple(shapesav_scenes(task, swapped=swapped) for task in _SCENED for swapped in (False, True))
_ALL = (*map(kinetics, (400, 600, 700)), VGGSOUND, UCF101, HMDB51, JHMDB, *map(shapesav, TASKS), *_SCENES)
DATASETS: Registry[Benchmark] = Registry(
    "data set", "openmov.datasets", {benchmark.name: benchmark for benchmark in _ALL}, error=ManifestError
)
"""To add one: `DATASETS.register("name", Benchmark(...))`, or an entry point."""
