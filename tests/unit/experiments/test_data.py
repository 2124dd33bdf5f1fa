"""Data sets a user names: what is taken, and what is refused in one line."""

import json
from pathlib import Path

import numpy as np
import pytest

from openmov.data.coverage import Coverage, write_coverage
from openmov.errors import ManifestError, RecipeError
from openmov.experiments.data import user_data
from openmov.experiments.run import command_of, open_data
from openmov.media.encode import write_clip
from tiny_media import RATE_FPS, RATE_HZ, tone


def listed(folder: Path, *, clip: Path | None = None, dataset: str | None = None) -> Path:
    """A data set of one base and one novel class, as `openmov dataset` leaves it; its videos are `clip`, or empty."""
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.mp4").write_bytes(b"" if clip is None else clip.read_bytes())
    (folder / "manifest.csv").write_text("path,label,split\na.mp4,waving,train\nb.mp4,hopping,test\n")
    (folder / "vocabulary.json").write_text(json.dumps({"base": ["waving"], "novel": ["hopping"]}))
    if dataset is not None:
        coverage = Coverage(dataset, dataset.title(), ".", {"train": 1}, {}, (), ())
        write_coverage(folder / "manifest.csv", coverage)
    return folder


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("loud") / "clip.mp4"
    write_clip(path, np.zeros((4, 32, 32, 3), np.uint8), RATE_FPS, tone(0.2, 400), RATE_HZ)
    return path


def stage_of(data: list[str], manifests: list[Path]) -> object:
    return user_data(data, manifests, Path("cache"), seeds=1, overrides=())


def test_each_data_set_takes_its_side(tmp_path: Path, loud: Path) -> None:
    k700, vgg, ucf = (listed(tmp_path / name, clip=loud) for name in ("k", "v", "u"))
    data = user_data(
        ["kinetics700", "vggsound", "ucf101"], [k700, vgg / "manifest.csv", ucf], tmp_path, seeds=2, overrides=()
    )
    assert {name: track.recipe for name, track in data.tracks.items()} == {"flow": "kinetics700", "audio": "vggsound"}
    assert data.targets["first"].manifest == ucf / "manifest.csv"
    assert data.seeds == 2
    assert data.scale is None


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (["imagenet"], "'imagenet' is not a data set of the studies; write shapesav, kinetics700"),
        (["kinetics700", "kinetics400"], "kinetics700 and kinetics400 stand for the same"),
        (["ucf101"], "ucf101 can only be asked, and nothing is there to train on"),
    ],
)
def test_data_that_makes_no_sense_is_refused(tmp_path: Path, data: list[str], fault: str) -> None:
    with pytest.raises(RecipeError, match=fault):
        stage_of(data, [listed(tmp_path / name) for name in data])


def test_a_data_set_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="1 data sets and 0 manifests"):
        stage_of(["kinetics700"], [])


def test_a_folder_of_videos_says_what_was_found_and_expected(tmp_path: Path) -> None:
    (tmp_path / "abseiling").mkdir()
    with pytest.raises(ManifestError, match=r"found abseiling, expected manifest.csv; write it with openmov dataset"):
        stage_of(["kinetics700"], [tmp_path])
    with pytest.raises(ManifestError, match="is not there"):
        stage_of(["kinetics700"], [tmp_path / "nothing.csv"])


def test_a_manifest_of_another_data_set_is_refused(tmp_path: Path) -> None:
    folder = listed(tmp_path / "k", dataset="ucf101")
    with pytest.raises(ManifestError, match="is of ucf101, not of kinetics700; write --data ucf101"):
        stage_of(["kinetics700"], [folder])


def test_silent_videos_cannot_stand_for_sound(tmp_path: Path, loud: Path) -> None:
    stage_of(["vggsound"], [listed(tmp_path / "loud", clip=loud)])
    with pytest.raises(ManifestError, match="none of 1 training videos looked at has sound"):
        stage_of(["vggsound"], [listed(tmp_path / "unheard")])


def test_the_world_is_named_alone(tmp_path: Path) -> None:
    data, work = open_data(["shapesav"], [], tmp_path, None, None, ["training.epochs=1"], quick=True, workers=1)
    assert command_of(["all"], data, ["training.epochs=1"]) == (
        "openmov study all --data shapesav --quick --set training.epochs=1"
    )
    assert work.scale is not None
    assert work.scale.name == "quick"
    for data, manifests in ((["shapesav", "ucf101"], []), (["shapesav"], [tmp_path])):
        with pytest.raises(RecipeError, match="is made on the spot, alone"):
            open_data(data, manifests, tmp_path, None, None, [], quick=False, workers=1)


def test_quick_is_a_size_of_the_world(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--quick: is a size of ShapesAV"):
        open_data(["kinetics700"], [tmp_path], tmp_path, None, None, [], quick=True, workers=1)
