"""A long video, window by window: known answers, whatever the chunk, the length and the state of the file."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from openmov.baselines.frozen_clip import FrozenCLIPRule
from openmov.data.segment import file_facts
from openmov.errors import DecodeError, RecipeError
from openmov.inference.answers import Segment, Window, clock
from openmov.inference.predictor import Predictor
from openmov.inference.streaming import StreamSettings
from openmov.inference.timeline import Answering, Timeline, TimelineSettings
from openmov.media.encode import write_clip
from openmov.scoring.paths import average_views
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality
from tiny_media import RATE_FPS, RATE_HZ, SMALL_SOUND, numbered, small_pictures, tone
from tiny_world import BASE, NOVEL, TinyWorld

DARK, BRIGHT = "darkness", "light"
NAMES = Vocabulary((), (DARK, BRIGHT))
CLASSES = ClassEmbeddings(NAMES.names, torch.eye(2))


class Brightness:
    """A network whose joint space has two axes, dark and bright; counts what it encodes."""

    def __init__(self) -> None:
        self.encoded = 0

    def encode_inputs(self, modality: Modality, inputs: Tensor) -> Tensor:
        self.encoded += inputs.shape[1]
        light = (inputs.mean(dim=(-3, -2, -1)) > 0.4).float()
        return torch.stack([1 - light, light], dim=-1)

    def join(self, frames: Any, present: Any) -> JointEmbeddings:
        return JointEmbeddings({}, present, frames[Modality.VIDEO].mean(dim=1))


def scenes(path: Path, *seconds_of: tuple[float, int], rate: float = RATE_FPS, sound: np.ndarray | None = None) -> Path:
    """Stretches of one grey each."""
    greys = np.concatenate([np.full(round(seconds * rate), grey, np.uint8) for seconds, grey in seconds_of])
    write_clip(path, np.broadcast_to(greys[:, None, None, None], (len(greys), 48, 64, 3)).copy(), rate, sound, RATE_HZ)
    return path


def timeline(path: Path, network: Any = None, chunk: int = 5, **settings: float) -> Timeline:
    stream = StreamSettings(frozenset({Modality.VIDEO}), small_pictures(), SMALL_SOUND, chunk)
    answering = Answering(FrozenCLIPRule(0.1), CLASSES, NAMES)
    return Timeline(path, file_facts(path), network or Brightness(), answering, stream, TimelineSettings(**settings))


def segments(found: Timeline) -> list[tuple[float, float, str]]:
    return [(s.start_seconds, s.end_seconds, s.name) for s in found if isinstance(s, Segment)]


def test_two_scenes_are_two_segments(tmp_path: Path) -> None:
    found = list(timeline(scenes(tmp_path / "a.mp4", (8.0, 20), (6.0, 220)), window_seconds=2.0))
    said = [moment for moment in found if isinstance(moment, Segment)]
    assert [(s.start_seconds, s.end_seconds, s.name) for s in said] == [(0.0, 8.0, DARK), (8.0, 14.0, BRIGHT)]
    assert str(said[0]) == "00:00-00:08 darkness 0.97"  # the window over the cut says a half
    windows = [moment for moment in found if isinstance(moment, Window)]
    assert len(windows) == 13
    assert windows[0].modalities == (Modality.VIDEO,)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_the_answer_does_not_depend_on_the_chunk(tmp_path: Path, chunk: int) -> None:
    path = scenes(tmp_path / "a.mp4", (5.0, 20), (3.0, 220), (6.0, 20))
    assert list(timeline(path, chunk=chunk, window_seconds=2.0, hop_seconds=0.7)) == list(
        timeline(path, chunk=5, window_seconds=2.0, hop_seconds=0.7)
    )


def test_a_short_scene_is_left_out_or_found_as_asked(tmp_path: Path) -> None:
    path = scenes(tmp_path / "a.mp4", (6.0, 20), (2.0, 220), (6.0, 20))
    assert len(segments(timeline(path, window_seconds=1.0, min_seconds=1.0))) == 3
    assert segments(timeline(path, window_seconds=1.0, min_seconds=4.0)) == [(0.0, 14.0, DARK)]


def test_each_frame_is_encoded_once_however_much_windows_overlap(tmp_path: Path) -> None:
    path, network = scenes(tmp_path / "a.mp4", *[(1.0, 20 + 16 * i) for i in range(10)]), Brightness()
    found = timeline(path, network, window_seconds=4.0, hop_seconds=1.0)
    assert len([m for m in found if isinstance(m, Window)]) == 7
    assert network.encoded == found.grid.num_frames == 10  # not 7 x 4


def test_segments_come_while_the_video_is_read(tmp_path: Path) -> None:
    path, network = scenes(tmp_path / "a.mp4", (4.0, 20), (36.0, 220)), Brightness()
    found = timeline(path, network, window_seconds=2.0)
    first = next(moment for moment in found if isinstance(moment, Segment))
    assert first.end_seconds == 4.0
    assert network.encoded < found.grid.num_frames / 3


class TestShortAndBroken:
    def test_one_picture(self, tmp_path: Path) -> None:
        write_clip(tmp_path / "one.mp4", numbered(1), 10.0, None)
        _, segment = timeline(tmp_path / "one.mp4")
        assert segment.name == DARK  # type: ignore[union-attr]

    def test_shorter_than_a_window_is_one_window(self, tmp_path: Path) -> None:
        _, segment = timeline(scenes(tmp_path / "a.mp4", (1.5, 220)), window_seconds=4.0)
        assert (segment.start_seconds, segment.end_seconds) == (0.0, 1.5)

    def test_a_file_that_breaks_off_is_answered_up_to_there_and_says_so(self, tmp_path: Path) -> None:
        path = scenes(tmp_path / "a.mp4", (6.0, 20), (6.0, 220), (8.0, 20), sound=tone(440, 20.0))
        found = timeline(_cut(path, tmp_path / "cut.mp4"), window_seconds=2.0)
        said = segments(found)
        assert said[0] == (0.0, 6.0, DARK)
        assert "cut off: 20.0 s are promised, its pictures end at" in found.notes[0]
        held = float(found.notes[0].split()[-2])
        assert said[-1][1] == pytest.approx(held, abs=0.06)
        assert held < 20.0

    def test_sound_alone_is_refused_where_nothing_is_heard(self, tmp_path: Path) -> None:
        write_clip(tmp_path / "sound.mp4", None, 10.0, tone(440, 2.0))
        with pytest.raises(DecodeError, match="gives no video"):
            timeline(tmp_path / "sound.mp4")

    @pytest.mark.parametrize(
        ("settings", "where"),
        [
            ({"window_seconds": 0.0}, "--window"),
            ({"window_seconds": float("nan")}, "--window"),
            ({"hop_seconds": 0.0}, "--hop"),
            ({"window_seconds": 2.0, "hop_seconds": 3.0}, "--hop: 3 s is more than the window of 2 s"),
            ({"min_seconds": -1.0}, "--min-segment"),
        ],
    )
    def test_lengths_that_are_none(self, settings: dict[str, float], where: str) -> None:
        with pytest.raises(RecipeError, match=where):
            TimelineSettings(**settings)


def _cut(path: Path, target: Path) -> Path:
    """The first half of the bytes, of a copy whose index comes first."""
    import av

    with av.open(str(path)) as old, av.open(str(target), "w", options={"movflags": "faststart"}) as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                new.mux(packet)
    data = target.read_bytes()
    target.write_bytes(data[: len(data) * 6 // 10])
    return target


def test_memory_does_not_grow_with_the_length_of_the_video(tmp_path: Path) -> None:
    peaks = []
    for seconds in (60, 300):
        path = scenes(tmp_path / f"{seconds}.mp4", (seconds / 2, 20), (seconds / 2, 220), rate=2.0)
        list(timeline(path, window_seconds=2.0))  # first imports
        found = timeline(path, window_seconds=2.0)
        tracemalloc.start()
        for _ in found:
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0], peaks  # five times, if it grew


@pytest.fixture(scope="module")
def predictor(tiny_run: Path) -> Predictor:
    return Predictor.from_run(tiny_run)


class TestTrainedRun:
    def test_a_window_over_a_whole_clip_is_answered_as_the_clip(
        self, predictor: Predictor, tiny_world: TinyWorld
    ) -> None:
        path = tiny_world.clip(BASE[0])
        vocabulary = predictor.vocabulary(BASE + NOVEL)
        # frames in the middle of 4 steps of 0.3 s; the clip's own are elsewhere, so the network is asked by hand
        window = next(iter(predictor.timeline(path, vocabulary, TimelineSettings(10.0), top=9)))
        assert isinstance(window, Window)
        assert window.modalities == (Modality.VIDEO, Modality.FLOW, Modality.AUDIO)
        expected = self.by_hand(predictor, path, vocabulary, predictor.timeline(path, vocabulary).grid.frame_times())
        found = dict(zip(window.answers.names, window.answers.probabilities, strict=True))
        assert [found[name] for name in vocabulary.names] == pytest.approx(expected.tolist(), abs=1e-4)

    def by_hand(self, predictor: Predictor, path: Path, vocabulary: Vocabulary, times: Any) -> Tensor:
        from openmov.data.loader import collate
        from openmov.data.moving import middle_crop
        from openmov.data.pictures import ViewPictures
        from openmov.data.records import Record
        from openmov.media.sampling import View
        from openmov.types import Clip

        reader, scorer, record = predictor._reader, predictor._scorer, Record(str(path), path)
        info = file_facts(path)
        assert info.video is not None
        view = View(0, tuple(times), middle_crop(info.video, reader.pictures))
        pictures = ViewPictures(record, [view], reader.pictures, None, with_flow=True)
        sound = reader.evaluation_clip(record).inputs[Modality.AUDIO]
        inputs = {Modality.VIDEO: pictures.rgb(), Modality.FLOW: pictures.flow(), Modality.AUDIO: sound}
        joined = scorer.embed(collate([Clip(str(path), inputs)], scorer.modalities))
        return average_views(scorer.rule(joined, scorer.embed_classes(vocabulary), vocabulary), 1)[0]

    def test_sound_alone_is_answered_from_sound(self, predictor: Predictor, tmp_path: Path) -> None:
        write_clip(tmp_path / "sound.mp4", None, 10.0, tone(440, 5.0))
        found = list(predictor.timeline(tmp_path / "sound.mp4", predictor.vocabulary(BASE), TimelineSettings(2.0)))
        assert {m.modalities for m in found if isinstance(m, Window)} == {(Modality.AUDIO,)}
        assert isinstance(found[-1], Segment)


def test_how_times_are_written() -> None:
    assert [clock(s) for s in (0.0, 12.0, 12.5, 59.96, 3723.0)] == ["00:00", "00:12", "00:12.5", "01:00", "1:02:03"]
