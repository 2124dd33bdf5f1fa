"""JHMDB: class folders are the list, official splits are files of the user's."""

from pathlib import Path

import pytest

from openmov.data.manifest import load_manifest
from openmov.datasets.builder import write_dataset
from openmov.errors import ManifestError


def folder_of(root: Path) -> Path:
    for name in ("brush_hair/a.avi", "brush_hair/b.avi", "wave/c.avi", "others/d.avi"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_with_its_official_splits(tmp_path: Path) -> None:
    splits = tmp_path / "splits"
    splits.mkdir()
    (splits / "brush_hair_test_split1.txt").write_text("a.avi 1\nb.avi 2\n")
    (splits / "wave_test_split2.txt").write_text("c.avi 1\n")
    videos, out = folder_of(tmp_path / "Rec_JHMDB"), tmp_path / "out"
    built = write_dataset("jhmdb", videos, out, [splits], opened=False, shown=False)
    assert (built.num_records, len(built.vocabulary.novel)) == (3, 21)
    parts = {
        number: {one.path.name: one.split for one in load_manifest(out / f"manifest-split{number}.csv").records}
        for number in (1, 2)
    }
    assert parts == {1: {"a.avi": "train", "b.avi": "test"}, 2: {"c.avi": "train"}}


def test_without_them_every_clip_is_a_test_clip(tmp_path: Path) -> None:
    built = write_dataset("jhmdb", folder_of(tmp_path / "v"), tmp_path / "out", opened=False, shown=False)
    assert built.coverage.listed == {"test": 3}
    assert built.strangers == ("others/d.avi",)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("ucf101_testlist01.txt", "a 1\n", "is not a split of JHMDB"),
        ("wave_test_split1.txt", "c.avi\n", "line 1 is not a clip"),
    ],
)
def test_a_file_of_another_data_set(tmp_path: Path, name: str, text: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ManifestError, match=says):
        write_dataset("jhmdb", folder_of(tmp_path / "v"), tmp_path / "out", [path], opened=False, shown=False)
