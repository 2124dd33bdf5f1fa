"""What is shown of a video: the frames on screen in the middle of its segment, their flow, the sound around them."""

from pathlib import Path

import numpy as np
import pytest

from openmov.config.schema import FlowConfig, VideoConfig
from openmov.data.examples import example_inputs
from openmov.data.records import Record
from openmov.media.decode import decoder, read_waveform
from openmov.media.encode import write_clip
from openmov.types import Modality
from tiny_media import RATE_FPS, block_over_texture, numbered, numbers_of, small_pictures, small_reader, tone

V, F, A = Modality.VIDEO, Modality.FLOW, Modality.AUDIO


def file(path: Path, num_frames: int | None, seconds: float | None) -> Path:
    images = None if num_frames is None else numbered(num_frames)
    write_clip(path, images, RATE_FPS, None if seconds is None else tone(440, seconds), crf=4)
    return path


def test_frames_are_the_middle_ones_as_decoded(tmp_path: Path) -> None:
    """Four frames that span 0.3 s in 1.2 s begin at 0.45 s."""
    shown = example_inputs(small_reader(V), Record("a", file(tmp_path / "a.mp4", 12, None)))
    assert shown.frames is not None
    assert shown.frames.shape == (4, 48, 64, 3)
    assert numbers_of(shown.frames) == [4, 5, 6, 7]


def test_the_last_frame_of_a_short_video_is_shown_where_it_is_on_screen(tmp_path: Path) -> None:
    """Also beside its flow, whose last pair begins one frame earlier."""
    for modalities in ((V,), (V, F)):
        shown = example_inputs(small_reader(*modalities), Record("a", file(tmp_path / "a.mp4", 3, None)))
        assert shown.frames is not None
        assert numbers_of(shown.frames) == [0, 1, 2, 2]


def test_only_the_segment_is_shown(tmp_path: Path) -> None:
    record = Record("a", file(tmp_path / "a.mp4", 12, 1.2), None, 0.7, 0.9)
    shown = example_inputs(small_reader(V, A), record)
    assert shown.frames is not None
    assert numbers_of(shown.frames) == [7, 8, 9, 9]
    assert shown.sound_seconds == pytest.approx(0.2)
    assert shown.spectrogram is not None
    assert shown.spectrogram.shape == (16, 18)  # (3200 samples - 400) / 160 + 1


def test_flow_is_in_pixels_of_the_working_size(tmp_path: Path) -> None:
    """2 px a frame in a picture 64 high are 1 px at 32."""
    write_clip(tmp_path / "a.mp4", block_over_texture(8, step_px=2), RATE_FPS, None, crf=4)
    settings = small_pictures(
        video=VideoConfig(num_frames=2, stride_seconds=0.1), flow=FlowConfig(short_side=32, max_displacement_px=5.0)
    )
    shown = example_inputs(small_reader(V, F, pictures=settings), Record("a", tmp_path / "a.mp4"))
    assert shown.flow_px is not None
    assert shown.flow_px.shape == (2, 32, 48, 2)
    # the middle clip begins at 0.35 s: frame 3 has the block at columns 30 to 53, at half size 15 to 26
    assert np.median(shown.flow_px[0, 10:18, 17:25, 0]) == pytest.approx(1.0, abs=0.15)
    assert abs(np.median(shown.flow_px[0, :, :8, 0])) < 0.1


def test_flow_is_shown_to_those_who_look_at_it(tmp_path: Path) -> None:
    path = file(tmp_path / "a.mp4", 6, None)
    assert example_inputs(small_reader(V), Record("a", path)).flow_px is None
    assert example_inputs(small_reader(V, F), Record("a", path)).flow_px is not None


def test_what_a_file_lacks_is_none(tmp_path: Path) -> None:
    silent = example_inputs(small_reader(V, F, A), Record("a", file(tmp_path / "a.mp4", 6, None)))
    assert silent.spectrogram is None
    assert silent.sound_seconds is None
    blind = example_inputs(small_reader(V, F, A), Record("a", file(tmp_path / "b.mp4", None, 1.0)))
    assert blind.frames is None
    assert blind.flow_px is None
    assert blind.spectrogram is not None


def test_less_than_a_column_of_sound_is_none(tmp_path: Path) -> None:
    path = file(tmp_path / "a.mp4", 6, 0.5)
    shown = example_inputs(small_reader(V, A), Record("a", path, None, 0.0, 0.02))
    assert shown.spectrogram is None
    assert shown.frames is not None


def test_of_a_long_sound_the_ten_seconds_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, float]] = []

    def counting(path: Path, start: float, end: float, rate_hz: int) -> object:
        asked.append((start, end))
        return read_waveform(path, start, end, rate_hz)

    monkeypatch.setattr(decoder, "read_waveform", counting)
    record = Record("a", file(tmp_path / "a.mp4", None, 14.0), None, None, 13.0)
    shown = example_inputs(small_reader(A), record)
    assert asked == [(1.5, 11.5)]
    assert shown.sound_seconds == 10.0
    assert shown.spectrogram is not None
    assert shown.spectrogram.shape == (16, 998)
