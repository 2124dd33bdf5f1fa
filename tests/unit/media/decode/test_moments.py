"""Small pictures straight from the decoder are, to the bit, the small pictures of whole ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from openmov.media.decode import Moment, Sizes, read_frame_pairs, read_frames, read_moments
from openmov.media.decode.reader import VideoReader
from openmov.media.encode import write_clip
from openmov.media.sampling import Crop
from openmov.media.scaling import cut_out, working_grey
from openmov.modalities.rgb import resize_crop
from tiny_media import block_over_texture

Any_ = Callable[..., Any]
CROPS = (Crop(0.0, 0.0, 1.0, 1.0), Crop(0.25, 0.1, 0.5, 0.7), Crop(0.25, 0.1, 0.5, 0.7, flip=True))
MOMENTS = [Moment((0.0, 0.4, 0.8), CROPS), Moment((0.4, 0.5), CROPS[:1]), Moment((9.0, 0.2)), Moment((1.9,) * 2, CROPS)]
SIZES = Sizes(24, 32, 0.02)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 different pictures of 96 x 64, 10 a second."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path, block_over_texture(20, step_px=2), 10.0, None, crf=4, keyframe_interval=5)
    return path


@pytest.mark.parametrize("pairs", [False, True])
def test_crops_are_those_of_the_frames_on_screen(clip: Path, pairs: bool) -> None:
    found = read_moments(clip, MOMENTS, SIZES if pairs else Sizes(24)).pictures
    for moment, pictures in zip(MOMENTS, found, strict=True):
        frames = read_frames(clip, moment.times_seconds).images
        expected = [[cut_out(image, crop, 24) for image in frames] for crop in moment.crops]
        assert pictures.crops.shape == (len(moment.crops), len(frames), 24, 24, 3)
        if moment.crops:
            np.testing.assert_array_equal(pictures.crops, expected)
        assert (pictures.pairs is not None) == pairs


def test_grey_pairs_are_those_of_the_frame_pairs(clip: Path) -> None:
    for moment, pictures in zip(MOMENTS, read_moments(clip, MOMENTS, SIZES).pictures, strict=True):
        whole = read_frame_pairs(clip, moment.times_seconds, min_gap_seconds=0.02)
        assert pictures.pairs is not None
        for ours, theirs in ((pictures.pairs.first, whole.first), (pictures.pairs.second, whole.second)):
            np.testing.assert_array_equal(ours, [working_grey(image, 32) for image in theirs.images])
        assert (pictures.pairs.first != pictures.pairs.second).any(axis=(1, 2)).all()


def test_a_crop_is_what_the_network_sees_before_it_is_mirrored(clip: Path) -> None:
    image = read_frames(clip, [0.4]).images[0]
    plain = cut_out(image, CROPS[1], 24)
    np.testing.assert_array_equal(cut_out(image, CROPS[2], 24), plain)
    seen = resize_crop(image[None], CROPS[1], 24)[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(np.rint(seen * 255), plain)
    box = (24, 6, 24 + 48, 6 + 45)  # in pixels of 96 x 64
    expected = Image.fromarray(image).resize((24, 24), Image.Resampling.BICUBIC, box=box)
    np.testing.assert_array_equal(plain, np.asarray(expected))


def test_everything_is_decoded_once(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    leave = VideoReader.__exit__

    def counted(self: VideoReader, *given: Any) -> None:
        counts.append(self.num_decoded)
        leave(self, *given)

    monkeypatch.setattr(VideoReader, "__exit__", counted)
    read_moments(clip, [Moment((0.0, 0.1)), Moment((0.1, 0.0, 0.2))], SIZES)
    read_moments(clip, [Moment(tuple(np.arange(20) / 10)), Moment(tuple(np.arange(20) / 10))], SIZES)
    few, every_one = counts
    assert few < 10
    assert every_one == 20


def test_what_is_missing_is_said(tmp_path: Path, clip: Path, moov_first: Any_) -> None:
    moov_first(clip, tmp_path / "whole.mp4")
    data = (tmp_path / "whole.mp4").read_bytes()
    start = data.index(b"mdat")
    (tmp_path / "cut.mp4").write_bytes(data[: start + (len(data) - start) // 2])
    assert read_moments(tmp_path / "whole.mp4", [Moment((0.0, 1.9), CROPS)], SIZES).missing_seconds == 0
    cut = read_moments(tmp_path / "cut.mp4", [Moment((0.0, 1.9), CROPS)], SIZES)
    assert cut.missing_seconds == pytest.approx(1.0, abs=0.5)
    assert cut.missing_seconds == read_frames(tmp_path / "cut.mp4", [0.0, 1.9]).missing_seconds


def test_no_times_are_refused(clip: Path) -> None:
    with pytest.raises(ValueError, match="times_seconds"):
        read_moments(clip, [Moment(())], SIZES)
