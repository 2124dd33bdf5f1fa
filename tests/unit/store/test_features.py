"""Embeddings of many videos in a few files: what comes back, and which folders are refused."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from openmov.config.schema import ViewsConfig
from openmov.data.loader import TrainLoader
from openmov.data.records import Record
from openmov.errors import FeaturesError
from openmov.store.cache import content_hash
from openmov.store.features import (
    FeatureFacts,
    Precision,
    StoredFeatures,
    embeddings_of,
    open_features,
    stored_embeddings,
    write_features,
)
from openmov.types import Modality
from tiny_media import GreyEmbedder, numbers_of, small_reader, write_numbered

V, F = Modality.VIDEO, Modality.FLOW
FACTS = FeatureFacts("grey", "grey1", 6, 4, "fp32", 0, 2, (2, 1), {"video.stride_seconds": 0.1})


def view(number: int) -> Tensor:
    return torch.full((4, 6), float(number)) + torch.arange(6) / 7


def written(folder: Path, precision: Precision = "fp32") -> Path:
    """Two training clips a and b of two seeded views, and a test clip c."""
    with write_features(folder, replace(FACTS, precision=precision)) as writer:
        for first, name, training in ((0, "a", True), (2, "b", True), (4, "c", False)):
            views = [stored_embeddings(view(first + number), precision) for number in range(2)]
            writer.add(name, f"hash of {name}", views, training=training)
    return folder


def test_rows_come_back_by_video_and_seed(tmp_path: Path) -> None:
    features = open_features(written(tmp_path / "features"), FACTS)
    found = features.training(["b", "a", "b"], 1)
    assert found is not None
    assert torch.equal(found, torch.stack([view(3), view(1), view(3)]))
    views = features.test(["c"])
    assert views is not None
    assert torch.equal(views, torch.stack([view(4), view(5)])[None])
    found += 1  # memory of its own: what is on disk stays as it was
    again = features.training(["a"], 1)
    assert again is not None
    assert torch.equal(again, view(1)[None])


def test_what_is_not_there_is_said_so(tmp_path: Path) -> None:
    features = open_features(written(tmp_path / "features"), FACTS)
    assert features.training(["a", "nobody"], 0) is None
    assert features.training(["c"], 0) is None
    assert features.test(["a"]) is None
    held = [features.holds(name, training=training) for name in "ac" for training in (True, False)]
    assert held == [True, False, False, True]


def test_bf16_takes_half_the_disk_and_is_within_one_part_in_256(tmp_path: Path) -> None:
    facts = replace(FACTS, precision="bf16")
    features = open_features(written(tmp_path / "half", "bf16"), facts)
    found = features.training(["b"], 0)
    assert found is not None
    assert found.dtype == torch.float32
    assert torch.equal(found[0], view(2).bfloat16().float())
    assert not torch.equal(found[0], view(2))
    assert ((found[0] - view(2)).abs() <= view(2).abs() / 256).all()
    folders = (tmp_path / "half", written(tmp_path / "whole"))
    sizes = [(folder / "train-0.safetensors").stat().st_size - HEADER for folder in folders]
    assert sizes == [2 * (4 * 6 * 2 + 4), 2 * (4 * 6 * 4 + 4)]


def test_the_library_of_safetensors_reads_them(tmp_path: Path) -> None:
    for precision, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        folder = written(tmp_path / precision, precision)  # type: ignore[arg-type]
        found = safetensors.torch.load_file(folder / "train-1.safetensors")
        assert found["embeddings"].dtype == kind
        assert torch.equal(found["embeddings"], torch.stack([view(1), view(3)]).to(kind))
        assert found["checksums"].shape == (2,)


def test_stored_numbers_are_what_torch_rounds_to() -> None:
    numbers = torch.tensor([0.0, 1.0, -1.00390625, 1 / 3, 1e-30, -3e38])
    half = stored_embeddings(numbers, "bf16")
    assert half.dtype == np.uint16
    assert half[:2].tolist() == [0, 0x3F80]
    assert torch.equal(embeddings_of(half), numbers.bfloat16().float())
    assert torch.equal(embeddings_of(stored_embeddings(numbers, "fp32")), numbers)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"backbone": "gray", "identity": "gray2"}, r"backbone grey \(grey1\), and the recipe names gray \(gray2\)"),
        ({"first_seed": 1}, "holds the views of seeds 0 to 1, and the recipe asks for seeds 1 to 2"),
        ({"train_seeds": 3}, "holds the views of seeds 0 to 1, and the recipe asks for seeds 0 to 2"),
        ({"first_seed": 5, "train_seeds": 1}, "seeds 0 to 1, and the recipe asks for seed 5"),
        ({"precision": "bf16"}, "precision fp32, and the recipe asks for bf16"),
        ({"test_views": (4, 3)}, "test views 2x1, and the recipe asks for 4x3"),
        ({"pictures": {"video.stride_seconds": 0.2}}, r"video.stride_seconds 0\.1, and the recipe asks for 0\.2"),
    ],
)
def test_what_was_made_for_another_recipe_is_refused_naming_both(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    folder = written(tmp_path / "features")
    with pytest.raises(FeaturesError, match=said):
        open_features(folder, replace(FACTS, **changes))


def test_a_moved_backbone_and_fewer_views_are_the_same(tmp_path: Path) -> None:
    folder = written(tmp_path / "features")
    for changes in ({"backbone": "elsewhere/grey"}, {"train_seeds": 1}, {"first_seed": 1, "train_seeds": 1}):
        assert open_features(folder, replace(FACTS, **changes)).facts == FACTS  # type: ignore[arg-type]


def cut(folder: Path) -> None:
    path = folder / "train-1.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def newer(folder: Path) -> None:
    header = json.loads((folder / "features.json").read_text())
    (folder / "features.json").write_text(json.dumps({**header, "format_version": 4}))


def shorter_list(folder: Path) -> None:
    (folder / "videos.json").write_text(json.dumps({"train": [["a", "hash"]], "test": []}))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (cut, r"train-1\.safetensors: is cut off"),
        (newer, "format version 4, and this openmov reads 3"),
        (shorter_list, r"videos\.json: is missing or damaged"),
        (lambda folder: flip(folder / "videos.json", 4), r"videos\.json: is missing or damaged"),
        (lambda folder: (folder / "test.safetensors").write_bytes(b""), r"test\.safetensors: is cut off"),
        (lambda folder: flip(folder / "train-0.safetensors", 60), r"train-0\.safetensors: is cut off, or of another"),
        (lambda folder: (folder / "test.safetensors").unlink(), r"test\.safetensors: is missing or damaged"),
        (lambda folder: (folder / "features.json").write_text("{}"), "damaged"),
        (lambda folder: (folder / "features.json").unlink(), "holds no stored embeddings; make them anew"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, harm: Callable[[Path], object], said: str) -> None:
    folder = written(tmp_path / "features")
    harm(folder)
    with pytest.raises(FeaturesError, match=said):
        open_features(folder, FACTS)


def flip(path: Path, place: int) -> None:
    """One bit of one byte."""
    content = bytearray(path.read_bytes())
    content[place] ^= 0b100
    path.write_bytes(content)


HEADER = 4096


def swap_rows(folder: Path) -> None:
    """The views of a and b change places, and nothing is damaged otherwise."""
    path = folder / "train-0.safetensors"
    content = path.read_bytes()
    header, rows, sums = content[:HEADER], content[HEADER:-8], content[-8:]
    half = len(rows) // 2
    path.write_bytes(header + rows[half:] + rows[:half] + sums[4:] + sums[:4])


ROW_BYTES = 4 * 6 * 4


@pytest.mark.parametrize("place", [0, ROW_BYTES - 1, ROW_BYTES, 2 * ROW_BYTES - 1])
def test_a_flipped_bit_is_found_when_its_row_is_read_and_named(tmp_path: Path, place: int) -> None:
    folder = written(tmp_path / "features")
    flip(folder / "train-0.safetensors", HEADER + place)
    features, harmed = open_features(folder, FACTS), "ab"[place // ROW_BYTES]
    assert features.training(["a", "b"], 1) is not None
    assert features.training([{"a": "b", "b": "a"}[harmed]], 0) is not None
    with pytest.raises(FeaturesError, match=rf"train-0.*: holds other bytes for {harmed} than were written; copy"):
        features.training(["a", "b"], 0)


@pytest.mark.parametrize(
    "harm",
    [
        swap_rows,
        lambda folder: flip(folder / "train-0.safetensors", -6),
        lambda folder: (folder / "train-0.safetensors").write_bytes((folder / "train-1.safetensors").read_bytes()),
    ],
    ids=["rows in each other's place", "a checksum", "another seed's views"],
)
def test_rows_that_are_not_those_of_their_video_and_view_are_refused(
    tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    folder = written(tmp_path / "features")
    harm(folder)
    with pytest.raises(FeaturesError, match="holds other bytes for a than were written"):
        open_features(folder, FACTS).training(["a"], 0)


def test_a_damaged_view_of_a_test_is_found(tmp_path: Path) -> None:
    folder = written(tmp_path / "features")
    flip(folder / "test.safetensors", HEADER + 2 * ROW_BYTES - 1)
    with pytest.raises(FeaturesError, match=r"test\.safetensors: holds other bytes for c"):
        open_features(folder, FACTS).test(["c"])


def test_an_interrupted_writer_leaves_the_older_folder(tmp_path: Path) -> None:
    folder = written(tmp_path / "features")

    def interrupted() -> None:
        with write_features(folder, FACTS):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert open_features(folder, FACTS).holds("a", training=True)
    assert [path.name for path in tmp_path.iterdir()] == ["features"]


class TestReading:
    @pytest.fixture
    def records(self, tmp_path: Path) -> list[Record]:
        return [Record(name, write_numbered(tmp_path / f"{name}.mp4", 8), f"label {name}") for name in "ab"]

    def features(self, folder: Path, records: Sequence[Record], views: ViewsConfig) -> StoredFeatures:
        """As they are gathered: what a reader without them embeds."""
        reader = small_reader(V, embed=GreyEmbedder(), views=views)
        facts = replace(FACTS, train_seeds=views.train_seeds, first_seed=views.first_seed)
        with write_features(folder, facts) as writer:
            for record in records:
                clips = [reader.training_clip(record, epoch, 0).frozen for epoch in range(views.train_seeds)]
                views_of = [stored_embeddings(clip[0], "fp32") for clip in clips if clip is not None]
                writer.add(record.video_id, content_hash(record.path), views_of, training=True)
        return open_features(folder, facts)

    def test_flow_shows_the_times_and_crops_of_the_stored_view(self, tmp_path: Path, records: list[Record]) -> None:
        views = ViewsConfig(train_seeds=3)
        reader = small_reader(V, F, views=views, features=self.features(tmp_path / "features", records, views))
        plain, embed = small_reader(V, F, views=views), GreyEmbedder()
        seen = set()
        for epoch in range(4):
            stored, whole = (one.training_clip(records[1], epoch, 0) for one in (reader, plain))
            assert stored.frozen is not None
            assert torch.equal(stored.frozen, embed(whole.inputs[V][0])[None])
            assert torch.equal(stored.inputs[F], whole.inputs[F])
            assert V not in stored.inputs
            seen.add(tuple(numbers_of(whole.inputs[V][0])))
        assert len(seen) > 1  # the views are different ones

    def test_another_first_seed_is_another_view(self, records: list[Record]) -> None:
        first, second = (
            small_reader(V, views=ViewsConfig(train_seeds=2, first_seed=seed)).training_clip(records[0], epoch, 0)
            for seed, epoch in ((1, 0), (0, 1))
        )
        other = small_reader(V, views=ViewsConfig(train_seeds=2)).training_clip(records[0], 0, 0)
        assert torch.equal(first.inputs[V], second.inputs[V])
        assert not torch.equal(first.inputs[V], other.inputs[V])

    def test_video_alone_needs_no_file(self, tmp_path: Path, records: list[Record]) -> None:
        views = ViewsConfig(train_seeds=2)
        reader = small_reader(V, views=views, features=self.features(tmp_path / "features", records, views))
        one_by_one = [reader.training_clip(record, 3, 0).frozen for record in records]
        for record in records:
            record.path.unlink()
        batch = TrainLoader(reader, records, seed=0).batch([1, 0], 3)
        assert batch.frozen is not None
        assert torch.equal(batch.frozen, torch.stack([one for one in reversed(one_by_one) if one is not None]))
        assert batch.labels == ("label b", "label a")
        assert batch.present[V].tolist() == [True, True]
        assert reader.store(records[0], training=True).made == {}

    def test_a_file_that_was_replaced_is_refused_where_it_is_opened(
        self, tmp_path: Path, records: list[Record]
    ) -> None:
        views = ViewsConfig(train_seeds=2)
        reader = small_reader(V, F, views=views, features=self.features(tmp_path / "features", records, views))
        reader.training_clip(records[0], 0, 0)
        write_numbered(records[0].path, 5)
        with pytest.raises(FeaturesError, match=r"holds embeddings of another file than the .*a\.mp4 there is now"):
            reader.training_clip(records[0], 0, 0)

    def test_what_they_lack_is_embedded(self, tmp_path: Path, records: list[Record]) -> None:
        views, embed = ViewsConfig(train_seeds=2), GreyEmbedder()
        features = self.features(tmp_path / "features", records[:1], views)
        reader = small_reader(V, views=views, features=features, embed=embed)
        batch = TrainLoader(reader, records, seed=0).batch([0, 1], 0)
        assert batch.frozen is not None
        assert embed.calls == [4]
        alone = small_reader(V, views=views, embed=GreyEmbedder()).training_clip(records[1], 0, 0).frozen
        assert alone is not None
        assert torch.equal(batch.frozen[1], alone)
