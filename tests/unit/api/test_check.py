"""What is said of files: also of one that hangs whoever opens it."""

from pathlib import Path

from openmov.data.check import check_files
from openmov.media.decode import limited_decoder
from tiny_media import write_numbered
from tricky_decoder import TrickyDecoder


def test_a_file_that_hangs_is_a_fault_and_the_next_one_is_looked_at(tmp_path: Path) -> None:
    files = [write_numbered(tmp_path / name) for name in ("hang.mp4", "fine.mp4")]
    with limited_decoder(2, TrickyDecoder()) as decoder:
        found = check_files(files, None, None, shown=False, decoder=decoder)
    (fault,) = found.faults
    assert str(fault) == f"{files[0]}: reading it takes longer than 2 s"
    assert tuple(map(str, found.notes)) == (f"{files[1]}: no sound",)
    assert found.num_checked == 2
