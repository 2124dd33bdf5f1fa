"""A packed video is its line in the list: what it says, and how little is held beside it."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openmov.data.entries import StoredInput
from openmov.data.shards import PackedEntries, PackedVideo
from openmov.errors import StorageError
from openmov.store.entry import ARRAY, to_bytes

VIDEO = {"width": 340, "height": 256, "rate_fps": 25.0, "start_seconds": 0.0, "end_seconds": 10.0}
MEDIA = {"duration_seconds": 10.0, "video": {**VIDEO, "rotation_degrees": 0, "codec": "h264"}, "audio": None}


def line(number: int = 3, **changes: Any) -> str:
    facts = {"shard": 7, "id": f"clip{number}.mp4", "label": "yawning", "split": "train", "start": None, "end": 2.5}
    return json.dumps({**facts, "content": f"{number:032x}", "bytes": 123, "media": MEDIA, **changes})


def test_it_says_what_the_line_says() -> None:
    video = PackedVideo.of_line(line())
    assert (video.shard, video.video_id, video.content, video.num_bytes) == (7, "clip3.mp4", f"{3:032x}", 123)
    record = video.record
    assert (record.label, record.split, record.path) == ("yawning", "train", Path("clip3.mp4"))
    assert (record.start_seconds, record.end_seconds) == (None, 2.5)
    assert video.with_label("juggling").record.label == "juggling"
    info = video.info()
    assert info.video is not None
    assert (info.video.width, info.video.codec, info.audio, info.duration_seconds) == (340, "h264", None, 10.0)


@pytest.mark.parametrize("missing", ["shard", "id", "label", "split", "start", "end", "content", "bytes", "media"])
def test_a_line_that_lacks_something_is_found_when_the_list_is_read(missing: str) -> None:
    facts = json.loads(line())
    del facts[missing]
    with pytest.raises(ValueError, match=missing):
        PackedVideo.of_line(json.dumps(facts))


@pytest.mark.parametrize(
    "changes",
    [
        {"shard": -1},
        {"shard": "0"},
        {"id": 7},
        {"split": "holdout"},
        {"start": "soon"},
        {"end": float("nan")},
        {"bytes": -1},
        {"media": {**MEDIA, "video": {**VIDEO, "width": "wide", "rotation_degrees": 0, "codec": "h264"}}},
        {"media": {**MEDIA, "video": VIDEO}},
        {"media": {"duration_seconds": [[]], "video": None, "audio": None}},
    ],
)
def test_a_line_of_a_stranger_is_not_believed(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        PackedVideo.of_line(line(**changes))


def test_little_is_held_beside_the_line() -> None:
    """2,300 bytes a video, were what it says held in its parts: two gigabytes for a million of them."""
    lines = [line(number) for number in range(1000)]
    PackedVideo.of_line(lines[0])
    tracemalloc.start()
    try:
        videos = [PackedVideo.of_line(one) for one in lines]
        held = tracemalloc.get_traced_memory()[0] / len(videos)
    finally:
        tracemalloc.stop()
    assert held < 120


def test_an_entry_of_another_shape_than_is_wanted_is_refused_naming_the_video() -> None:
    """A stranger may pack anything under a key, with every digest right."""
    video = PackedVideo.of_line(line())
    wanted = StoredInput("flow", 2, {}, 4, (4, None, None, 2), "|u1", lambda: pytest.fail("computed"))
    key = PackedEntries(video).key(wanted)

    def held(array: np.ndarray) -> PackedEntries:
        return PackedEntries(video, {key: to_bytes(key, {ARRAY: array})})

    assert held(np.zeros((4, 6, 7, 2), np.uint8)).get(wanted).shape == (4, 6, 7, 2)
    for other in (np.zeros((3, 6, 7, 2), np.uint8), np.zeros((4, 6, 7, 2), np.float32), np.zeros(8, np.uint8)):
        with pytest.raises(StorageError, match=r"clip3\.mp4: the shards hold .* for its flow"):
            held(other).get(wanted)
    with pytest.raises(StorageError, match="hold a damaged flow"):
        PackedEntries(video, {key: b"\x93NUMPY"}).get(wanted)
