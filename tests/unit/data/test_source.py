"""Many videos: the order of the list, the last small batch, and what becomes of those that cannot be read."""

from pathlib import Path

import pytest
import torch

from openmov.data.loader import TrainLoader, Unreadable, evaluation_batches
from openmov.data.reader import ClipDataset
from openmov.data.records import Record
from openmov.errors import DecodeError
from openmov.types import Clip, Modality
from tiny_media import numbers_of, small_reader, tone, write_numbered

V, A = Modality.VIDEO, Modality.AUDIO


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Five videos of 1 to 5 frames; the last but one has sound."""
    folder = tmp_path_factory.mktemp("source")
    sounds = [None, None, None, tone(440, 1.0), None]
    return [
        Record(f"v{count}", write_numbered(folder / f"{count}.mp4", count, sound), f"label {count}")
        for count, sound in zip(range(1, 6), sounds, strict=True)
    ]


def broken(tmp_path: Path) -> Record:
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    return Record("broken", tmp_path / "broken.mp4", "label")


@pytest.mark.parametrize("workers", [1, 3])
def test_training_batches_hold_the_clips_asked_for_in_that_order(records: list[Record], workers: int) -> None:
    source = TrainLoader(small_reader(V), records, seed=0, workers=workers)
    assert len(source) == 5
    batch = source.batch([4, 0, 2, 4], epoch=0)
    assert batch.video_ids == ("v5", "v1", "v3", "v5")
    assert batch.labels == ("label 5", "label 1", "label 3", "label 5")
    assert numbers_of(batch.inputs[V][1, 0]) == [0, 0, 0, 0]
    assert numbers_of(batch.inputs[V][2, 0]) == [0, 1, 2, 2]


def test_a_training_batch_is_what_the_reader_gives_for_epoch_and_seed(records: list[Record]) -> None:
    reader = small_reader(V, A)
    for seed, epoch in ((0, 0), (0, 1), (1, 0)):
        batch = TrainLoader(reader, records, seed).batch([3], epoch)
        clip = reader.training_clip(records[3], epoch, seed)
        assert torch.equal(batch.inputs[A][0], clip.inputs[A])
        assert torch.equal(batch.inputs[V][0], clip.inputs[V])


def test_an_unreadable_video_stops_a_training(records: list[Record], tmp_path: Path) -> None:
    source = TrainLoader(small_reader(V), [*records, broken(tmp_path)], seed=0)
    assert len(source.batch([0, 1], 0)) == 2
    with pytest.raises(DecodeError, match=r"broken\.mp4"):
        source.batch([0, 5], 0)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(("batch_size", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (8, [5])])
def test_every_video_is_evaluated_once_in_order(
    records: list[Record], workers: int, batch_size: int, sizes: list[int]
) -> None:
    unreadable: list[Unreadable] = []
    batches = list(evaluation_batches(small_reader(V, A), records, batch_size, unreadable, workers))
    assert [len(batch) for batch in batches] == sizes
    assert [name for batch in batches for name in batch.video_ids] == [record.video_id for record in records]
    heard = [flag for batch in batches for flag in batch.present.get(A, torch.zeros(len(batch))).tolist()]
    assert [bool(flag) for flag in heard] == [False, False, False, True, False]
    assert unreadable == []


def test_a_test_goes_on_without_the_unreadable_and_lists_them(records: list[Record], tmp_path: Path) -> None:
    faulty = broken(tmp_path)
    listed = [records[0], faulty, Record("missing", tmp_path / "missing.mp4"), records[1], faulty]
    unreadable: list[Unreadable] = []
    batches = list(evaluation_batches(small_reader(V), listed, 2, unreadable))
    assert [batch.video_ids for batch in batches] == [("v1",), ("v2",)]
    assert [one.record.video_id for one in unreadable] == ["broken", "missing", "broken"]
    assert "no such file" in str(unreadable[1].error)


def test_other_errors_stop_a_test(records: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    reader = small_reader(V)
    monkeypatch.setattr(reader, "evaluation_clip", lambda record: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(evaluation_batches(reader, records, 2, []))


def test_no_video_gives_no_batch() -> None:
    assert list(evaluation_batches(small_reader(V), [], 2, [])) == []


def test_files_are_named_and_those_in_hand_are_told_while_they_are_read(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, told, read = TrainLoader(small_reader(V), records, seed=0), [], ClipDataset.training_clip

    def telling(self: ClipDataset, record: Record, epoch: int, seed: int) -> Clip:
        told.append(source.files_in_hand())
        return read(self, record, epoch, seed)

    monkeypatch.setattr(ClipDataset, "training_clip", telling)
    source.batch([2, 0], epoch=0)
    assert told == [(str(records[2].path),), (str(records[0].path),)]
    assert source.files_in_hand() == ()
    assert source.file_of("v3") == str(records[2].path)
