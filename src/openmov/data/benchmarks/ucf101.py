"""UCF101: 13,320 clips of 101 actions, `v_ApplyEyeMakeup_g01_c01.avi`, with three official splits."""

from functools import partial

from openmov.data.benchmarks.listing import Benchmark
from openmov.data.benchmarks.published import all_novel
from openmov.data.benchmarks.three_splits import keys_of_file, list_clips

UCF101 = Benchmark(
    name="ucf101",
    title="UCF101",
    expected="class folders ('ApplyEyeMakeup') or flat, files called v_ApplyEyeMakeup_g01_c01.avi",
    vocabulary=partial(all_novel, "ucf101"),
    listing=partial(list_clips, "ucf101"),
    keys_of=keys_of_file,
)
