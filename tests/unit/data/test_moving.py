"""Inputs of windows are what the reader of clips gives for the same times."""

from pathlib import Path

import numpy as np
import pytest
import torch

from openmov.data.moving import SoundWindows, frame_chunks, grid_times, middle_crop
from openmov.data.pictures import ViewPictures
from openmov.data.records import Record
from openmov.media.decode import FrameStream, probe, read_waveform
from openmov.media.encode import write_clip
from openmov.media.sampling import Span, View, WindowGrid, window_grid
from openmov.modalities.audio import audio_image, crop_columns, spectrogram
from openmov.types import Modality
from tiny_media import RATE_FPS, RATE_HZ, SMALL_SOUND, block_over_texture, small_pictures, tone

BOTH = frozenset({Modality.VIDEO, Modality.FLOW})


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s with a block that moves, and a tone that rises from second to second."""
    path = tmp_path_factory.mktemp("moving") / "clip.mp4"
    sound = np.concatenate([tone(300.0 * (i + 1), 1.0) for i in range(4)])
    write_clip(path, block_over_texture(40, step_px=1), RATE_FPS, sound, RATE_HZ)
    return path


def grid_of(path: Path, window: float = 2.0, hop: float = 1.0) -> WindowGrid:
    video = probe(path).video
    assert video is not None
    return window_grid(Span(video.start_seconds, video.end_seconds), window, hop, 4)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_chunks_of_any_size_hold_the_inputs_of_a_view(clip: Path, size: int) -> None:
    grid, settings, video = grid_of(clip), small_pictures(), probe(clip).video
    assert video is not None
    with FrameStream(clip, grid_times(grid, video), min_gap_seconds=0.02) as stream:
        chunks = list(frame_chunks(stream, middle_crop(video, settings), settings, BOTH, size))
    view = View(0, tuple(grid.frame_times()), middle_crop(video, settings))
    expected = ViewPictures(Record("clip", clip), [view], settings, None, with_flow=True)
    assert sum(len(chunk.rows) for chunk in chunks) == grid.num_frames
    for modality, whole in ((Modality.VIDEO, expected.rgb()), (Modality.FLOW, expected.flow())):
        torch.testing.assert_close(torch.cat([chunk.images[modality] for chunk in chunks]), whole[0])


def test_a_picture_that_stands_is_there_once(tmp_path: Path) -> None:
    write_clip(tmp_path / "slow.mp4", block_over_texture(3, step_px=5), 1.0, None)
    grid, settings, video = grid_of(tmp_path / "slow.mp4"), small_pictures(), probe(tmp_path / "slow.mp4").video
    assert video is not None
    with FrameStream(tmp_path / "slow.mp4", grid_times(grid, video)) as stream:
        chunks = list(frame_chunks(stream, middle_crop(video, settings), settings, frozenset({Modality.VIDEO}), 3))
    assert [chunk.rows for chunk in chunks] == [(0, 0, 1), (-1, 0, 0)]
    assert [len(chunk.images[Modality.VIDEO]) for chunk in chunks] == [2, 1]


def test_the_sound_of_a_window_is_that_around_its_middle(clip: Path) -> None:
    audio, grid = probe(clip).audio, grid_of(clip, 1.0, 0.5)
    assert audio is not None
    sound = SoundWindows(clip, audio, SMALL_SOUND, grid)
    images = [sound(grid.window(i)) for i in range(grid.num_windows)]
    sound.close()
    longest = (SMALL_SOUND.total_columns - 1) * SMALL_SOUND.hop_seconds + SMALL_SOUND.window_seconds
    waveform = read_waveform(clip, 2.0 - longest / 2, 2.0 + longest / 2, RATE_HZ)  # window 3 is from 1.5 to 2.5 s
    assert waveform is not None
    whole = spectrogram(torch.from_numpy(waveform.samples), SMALL_SOUND)
    expected = audio_image(crop_columns(whole, 0.5, SMALL_SOUND.crop_columns))

    def share_equal(image: torch.Tensor | None) -> float:
        assert image is not None
        return ((image[0] - expected).abs() < 0.05).double().mean().item()

    # all but what is nearly silent, whose logarithm shows every rounding of the decoder
    assert share_equal(images[3]) > 0.95
    assert share_equal(images[1]) < 0.7


def test_a_window_far_longer_than_the_spectrogram_is_heard_several_times(clip: Path) -> None:
    audio, grid = probe(clip).audio, grid_of(clip, 4.0, 4.0)
    assert audio is not None
    sound = SoundWindows(clip, audio, SMALL_SOUND, grid)
    heard = sound(grid.window(0))
    sound.close()
    assert heard is not None
    assert len(heard) == 4
    assert not torch.equal(heard[0], heard[3])


def test_where_there_is_no_sound_none_is_made_up(tmp_path: Path) -> None:
    path = tmp_path / "short.mp4"
    write_clip(path, block_over_texture(40, step_px=1), RATE_FPS, tone(440, 1.0), RATE_HZ)
    audio, grid = probe(path).audio, grid_of(path)
    assert audio is not None
    sound = SoundWindows(path, audio, SMALL_SOUND, grid)
    heard = [sound(grid.window(i)) is not None for i in range(grid.num_windows)]
    sound.close()
    assert heard in ([True, False, False], [True, True, False])  # AAC may last a little longer
