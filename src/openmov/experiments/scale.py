"""How large the studies are on ShapesAV: clips, epochs, seeds, and what a training costs there. Data only.

Minutes are an estimate for the plan that is printed beforehand: seconds of a machine of two cores, which trains two
networks at a time, for 1,000 clips once through. The plan corrects them by what the first trainings took.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """One size."""

    name: str
    """As shown."""
    train_per_class: int
    """Training clips of each (shape, motion) and each (shape, sound)."""
    val_per_class: int
    """Validation clips of each."""
    test_per_class: int
    """Test clips of each."""
    other_per_class: int
    """Test clips of each in the other pool, whose names table 4 asks for."""
    epochs: int
    """Passes of every training."""
    seeds: int
    """Training seeds 0, 1, ..."""
    scenes_train_per_class: int
    """ShapesAV-Scenes: training clips of each class of a task."""
    scenes_val_per_class: int
    """The same for validation."""
    scenes_test_per_class: int
    """The same for testing; as many once more with the scenes swapped."""
    limit_minutes: int
    """What the whole is meant to fit into on two cores."""


FULL = Scale("full", 24, 4, 24, 16, 10, 3, 15, 5, 15, limit_minutes=120)
QUICK = Scale("quick", 12, 2, 8, 8, 4, 1, 10, 1, 5, limit_minutes=20)

SECONDS_PER_1000_CLIPS = {
    "mov flow": 7.0,
    "mov audio": 2.7,
    "mov flow audio": 16.0,
    "flow_only": 6.0,
    "audio_only": 2.0,
    "video_only": 0.5,
    "coop": 1.0,
    "clip_adapter": 0.4,
    "resnet50_audio": 34.0,
    "slowfast_audio": 13.0,
    "other": 7.0,
}
"""One pass in training, by method and, for the whole model, the modalities beside the video."""
LARGER_FACTOR = 2.0
"""What the larger backbone costs in their stead."""
SECONDS_PER_1000_WRITTEN = 45.0
"""Writing clips, and preparing their flow, sound and frozen embeddings."""
SECONDS_PER_MEASUREMENT = 0.5
"""One entrant, one seed, whatever it is asked."""
SECONDS_PER_1000_MEASURED = 1.6
"""And for each 1,000 of its test clips."""
