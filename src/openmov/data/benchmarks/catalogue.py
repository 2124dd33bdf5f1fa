"""The data sets there are, by the names they have on the command line."""

from openmov.data.benchmarks.hmdb51 import HMDB51
from openmov.data.benchmarks.jhmdb import JHMDB
from openmov.data.benchmarks.kinetics import kinetics
from openmov.data.benchmarks.listing import Benchmark
from openmov.data.benchmarks.shapesav import shapesav, shapesav_scenes
from openmov.data.benchmarks.ucf101 import UCF101
from openmov.data.benchmarks.vggsound import VGGSOUND
from openmov.data.shapesav.vocabulary import TASKS, Task
from openmov.errors import ManifestError
from openmov.registry import Registry

_SCENED: tuple[Task, ...] = ("motion", "sound")
"""Tasks of the world whose classes have scenes of their own in ShapesAV-Scenes."""
_SCENES = tuple(shapesav_scenes(task, swapped=swapped) for task in _SCENED for swapped in (False, True))
_ALL = (*map(kinetics, (400, 600, 700)), VGGSOUND, UCF101, HMDB51, JHMDB, *map(shapesav, TASKS), *_SCENES)
DATASETS: Registry[Benchmark] = Registry(
    "data set", "openmov.datasets", {benchmark.name: benchmark for benchmark in _ALL}, error=ManifestError
)
"""To add one: `DATASETS.register("name", Benchmark(...))`, or an entry point."""
