"""HMDB51: 6,766 clips of 51 actions with three official splits of 3,570 training and 1,530 test clips each.

Names hold odd letters (`#`, `&`, `;` ...), which unpacking tools replace; they are found nevertheless.
"""

from functools import partial

from openmov.data.benchmarks.listing import Benchmark
from openmov.data.benchmarks.published import all_novel
from openmov.data.benchmarks.three_splits import keys_of_file, list_clips

HMDB51 = Benchmark(
    name="hmdb51",
    title="HMDB51",
    expected="class folders ('brush_hair') or flat, files called April_09_brush_hair_u_nm_np1_ba_goo_0.avi",
    vocabulary=partial(all_novel, "hmdb51"),
    listing=partial(list_clips, "hmdb51"),
    keys_of=keys_of_file,
)
