"""torchcodec's pictures and times against PyAV's; where it is not installed there is one line that says so."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openmov.errors import RecipeError
from openmov.media.decode import PLAIN, Frames, Moment, Sizes
from openmov.media.decode.by_torchcodec import TorchcodecDecoder, demand_torchcodec
from openmov.media.encode import write_clip
from openmov.media.sampling import Crop
from tiny_media import block_over_texture

Any_ = Callable[..., Any]
LEVELS = 2
"""Between the colour conversions of two versions of FFmpeg."""


@pytest.fixture(scope="module")
def torchcodec() -> TorchcodecDecoder:
    if importlib.util.find_spec("torchcodec") is None:
        pytest.skip("torchcodec is not installed")
    try:
        return TorchcodecDecoder()
    except RecipeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path, block_over_texture(20, step_px=2), 10.0, None, crf=4, keyframe_interval=7)
    return path


def assert_alike(ours: Frames, theirs: Frames) -> None:
    np.testing.assert_allclose(ours.times_seconds, theirs.times_seconds, atol=1e-6)
    assert np.abs(ours.images.astype(int) - theirs.images).max() <= LEVELS
    assert ours.missing_seconds == theirs.missing_seconds


def test_without_it_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(error: Exception) -> Any:
        def load(name: str) -> None:
            raise error

        return load

    for error, words in ((ImportError(), "not installed"), (RuntimeError("Could not load"), "FFmpeg")):
        monkeypatch.setattr(importlib, "import_module", lacks(error))
        with pytest.raises(RecipeError, match=words) as caught:
            demand_torchcodec()
        assert "\n" not in str(caught.value)


def test_frames_and_pairs_are_pyav_s(clip: Path, torchcodec: TorchcodecDecoder) -> None:
    for times in ([0.0], [1.9, 0.0, 0.41, 0.4, 9.0, -1.0], list(np.arange(20) / 10)):
        assert_alike(torchcodec.read_frames(clip, times), PLAIN.read_frames(clip, times))
        for gap in (0.02, 0.25):
            ours, theirs = (one.read_frame_pairs(clip, times, min_gap_seconds=gap) for one in (torchcodec, PLAIN))
            assert_alike(ours.first, theirs.first)
            assert_alike(ours.second, theirs.second)


def test_repeats_are_no_successors(tmp_path: Path, torchcodec: TorchcodecDecoder) -> None:
    images = np.repeat(block_over_texture(6, step_px=3), 3, axis=0)
    write_clip(tmp_path / "a.mp4", images, 10.0, None, crf=0)
    ours, theirs = (
        one.read_frame_pairs(tmp_path / "a.mp4", [0.0, 0.4, 1.7], min_gap_seconds=0.02) for one in (torchcodec, PLAIN)
    )
    assert_alike(ours.first, theirs.first)
    assert_alike(ours.second, theirs.second)


def test_moments_are_pyav_s(clip: Path, torchcodec: TorchcodecDecoder) -> None:
    moments = [Moment((0.0, 0.5), (Crop(0.1, 0.1, 0.5, 0.5),)), Moment((1.0, 1.9), (Crop(0.0, 0.0, 1.0, 1.0),))]
    ours, theirs = (one.read_moments(clip, moments, Sizes(24, 32, 0.02)) for one in (torchcodec, PLAIN))
    for mine, other in zip(ours.pictures, theirs.pictures, strict=True):
        assert np.abs(mine.crops.astype(int) - other.crops).max() <= LEVELS
        assert mine.pairs is not None
        assert other.pairs is not None
        assert np.abs(mine.pairs.second.astype(int) - other.pairs.second).max() <= LEVELS


def test_a_turned_video_is_turned(clip: Path, tmp_path: Path, turn: Any_, torchcodec: TorchcodecDecoder) -> None:
    path = tmp_path / "turned.mp4"
    path.write_bytes(clip.read_bytes())
    turn(path, 1)
    assert_alike(torchcodec.read_frames(path, [0.3]), PLAIN.read_frames(path, [0.3]))


def test_real_clips(media_dir: Path, torchcodec: TorchcodecDecoder) -> None:
    for path in sorted(media_dir.iterdir()):
        if path.suffix in (".mp4", ".avi"):
            assert_alike(torchcodec.read_frames(path, [0.1, 3.3, 5.0]), PLAIN.read_frames(path, [0.1, 3.3, 5.0]))
