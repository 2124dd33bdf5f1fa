"""Windows of sound: where they lie, what is decoded for them, and what counts as no sound."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from openmov.config.schema import AudioConfig
from openmov.data.entries import FileEntries
from openmov.data.records import Record
from openmov.data.segment import file_facts
from openmov.data.sound import SoundReader
from openmov.media.decode import AudioStream, MediaInfo, Waveform, decoder, read_waveform
from openmov.media.encode import write_clip
from openmov.media.sampling import Crop, View
from openmov.modalities.audio import audio_image, crop_columns, spectrogram
from openmov.store.cache import ArrayCache
from tiny_media import RATE_FPS, RATE_HZ, SMALL_SOUND, numbered, tone

LONGEST = 1.015
"""Seconds that give the 100 columns of SMALL_SOUND: 99 hops of 10 ms and a window of 25 ms."""
WINDOW = 0.615
"""Seconds that give its 60."""
PLAIN = SMALL_SOUND.model_copy(update={"time_mask": 0, "frequency_mask": 0})

Asked = list[tuple[float, float]]


def stored(reader: SoundReader, record: Record, info: MediaInfo, num_windows: int, **more: Any) -> bool:
    """Stores what is wanted, as preparing does; whether there is any sound."""
    entries = FileEntries(reader.cache, record.path)
    return sum(entries.get(wanted).size for wanted in reader.wanted(record, info, num_windows, **more)) > 0


@pytest.fixture(scope="module")
def glide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second that rises from 300 to 6000 Hz, so that every column differs from the others."""
    path = tmp_path_factory.mktemp("sound") / "glide.mp4"
    hz = np.geomspace(300, 6000, RATE_HZ)
    samples = (0.5 * np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ)).astype(np.float32)
    write_clip(path, numbered(4), RATE_FPS, samples, RATE_HZ)
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Spans that were decoded, in place of decoding: the sample at second t is noise of its own loudness."""
    spans: Asked = []

    def read(path: Path, start: float, end: float, rate_hz: int) -> Waveform:
        spans.append((start, end))
        places = np.arange(round(start * rate_hz), round(start * rate_hz) + round((end - start) * rate_hz))
        return Waveform(np.sin(places.astype(np.float32) ** 2 % 77), rate_hz, start)

    monkeypatch.setattr(decoder, "read_waveform", read)
    return spans


def info_of(seconds: float, start: float = 0.0) -> MediaInfo:
    return MediaInfo(Path("a.mp4"), start + seconds, None, AudioStream(RATE_HZ, 1, start, start + seconds, "aac"))


def record_of(path: Path, video_id: str = "a", start: float | None = None, end: float | None = None) -> Record:
    return Record(video_id, path, None, start, end)


A_RECORD = record_of(Path("a.mp4"))


class TestTrainingWindows:
    def window(
        self, path: Path, *, video_id: str = "a", epoch: int = 0, seed: int = 0, config: AudioConfig = PLAIN
    ) -> Tensor:
        found = SoundReader(config).training_window(record_of(path, video_id), file_facts(path), epoch, seed)
        assert found is not None
        assert found.shape == (1, 3, 16, 60)
        return found

    def test_it_follows_from_video_epoch_and_seed_alone(self, glide: Path) -> None:
        one = self.window(glide, epoch=3, seed=1)
        torch.manual_seed(5)
        np.random.seed(5)  # noqa: NPY002 (a global state that must not matter)
        assert torch.equal(one, self.window(glide, epoch=3, seed=1))
        others = [
            self.window(glide, epoch=4, seed=1),
            self.window(glide, epoch=3, seed=2),
            self.window(glide, epoch=3, seed=1, video_id="b"),
        ]
        assert not any(torch.equal(one, other) for other in others)

    def test_it_is_a_stretch_of_the_spectrogram_of_the_whole_sound(self, glide: Path) -> None:
        span = file_facts(glide).audio
        assert span is not None
        waveform = read_waveform(glide, span.start_seconds, span.end_seconds)
        assert waveform is not None
        whole = spectrogram(torch.from_numpy(waveform.samples), PLAIN)
        stretches = [audio_image(whole[:, i : i + 60])[None] for i in range(whole.shape[1] - 59)]
        places = set()
        for epoch in range(30):
            window = self.window(glide, epoch=epoch)
            (place,) = (i for i, stretch in enumerate(stretches) if torch.equal(window, stretch))
            places.add(place)
        assert len(places) > 15
        assert min(places) < 5
        assert max(places) > len(stretches) - 6

    def test_masks_change_from_epoch_to_epoch_and_with_the_seed(self, glide: Path) -> None:
        """The same place for the same draw, then masks: without them the windows are equal where nothing is masked."""
        keys = [(0, 0), (1, 0), (0, 1)]
        masks = []
        for epoch, seed in keys:
            plain = self.window(glide, epoch=epoch, seed=seed)
            masked = self.window(glide, epoch=epoch, seed=seed, config=SMALL_SOUND)
            hidden = (masked != plain)[0, 0]
            assert not masked[0, 0][hidden].any()
            assert 0 < hidden.float().mean() < 0.6
            masks.append(hidden)
        assert not torch.equal(masks[0], masks[1])
        assert not torch.equal(masks[0], masks[2])

    def test_of_a_long_sound_one_span_is_decoded(self, asked: Asked) -> None:
        reader = SoundReader(PLAIN)
        for epoch in range(40):
            assert reader.training_window(A_RECORD, info_of(600.0), epoch, 0) is not None
        assert len(asked) == 40
        assert all(end - start == pytest.approx(LONGEST) for start, end in asked)
        free = 600 - LONGEST
        assert sorted({start for start, _ in asked}) == pytest.approx([0, free / 3, 2 * free / 3, free])

    @pytest.mark.parametrize(
        ("first", "last", "start"),
        [
            (300.0, 302.0, 301.0 - LONGEST / 2),
            (0.0, 0.2, 0.0),
            (599.0, 600.0, 600 - LONGEST),
            (640.0, 641.0, 600 - LONGEST),
        ],
    )
    def test_of_a_long_sound_the_part_around_the_pictures_is_heard(
        self, asked: Asked, first: float, last: float, start: float
    ) -> None:
        """Whatever is drawn; at both ends as near as there is sound, and its end where pictures go on beyond it."""
        view = View(0, (first, last), Crop(0.0, 0.0, 1.0, 1.0))
        for epoch in range(5):
            assert SoundReader(PLAIN).training_window(A_RECORD, info_of(600.0), epoch, 0, view=view) is not None
        assert asked == [(pytest.approx(start), pytest.approx(start + LONGEST))] * 5

    def test_of_a_short_sound_all_is_heard_whatever_the_pictures(self, glide: Path) -> None:
        view = View(0, (0.9, 1.0), Crop(0.0, 0.0, 1.0, 1.0))
        found = SoundReader(PLAIN).training_window(record_of(glide), file_facts(glide), 3, 1, view=view)
        assert found is not None
        assert torch.equal(found, self.window(glide, epoch=3, seed=1))


class TestEvaluationWindows:
    def test_a_sound_of_one_spectrogram_is_decoded_once(self, asked: Asked) -> None:
        windows = SoundReader(PLAIN).evaluation_windows(A_RECORD, info_of(1.0, start=0.5), 12)
        assert windows is not None
        assert windows.shape == (12, 3, 16, 60)
        assert asked == [(0.5, 1.5)]

    def test_they_are_evenly_spaced_over_it(self, glide: Path) -> None:
        info = file_facts(glide)
        assert info.audio is not None
        waveform = read_waveform(glide, info.audio.start_seconds, info.audio.end_seconds)
        assert waveform is not None
        whole = spectrogram(torch.from_numpy(waveform.samples), PLAIN)
        windows = SoundReader(PLAIN).evaluation_windows(record_of(glide), info, 5)
        assert windows is not None
        expected = [audio_image(crop_columns(whole, position, 60)) for position in (0.0, 0.25, 0.5, 0.75, 1.0)]
        assert torch.equal(windows, torch.stack(expected))
        middle = SoundReader(PLAIN).evaluation_windows(record_of(glide), info, 1)
        assert middle is not None
        assert torch.equal(middle, expected[2][None])

    @pytest.mark.parametrize(("seconds", "num_windows"), [(1.2, 12), (30.0, 12), (7200.0, 12), (7200.0, 4)])
    def test_of_a_long_sound_each_window_has_a_span_of_its_own(
        self, asked: Asked, seconds: float, num_windows: int
    ) -> None:
        """What is decoded is bounded by the number of windows, whatever the length."""
        windows = SoundReader(PLAIN).evaluation_windows(A_RECORD, info_of(seconds), num_windows)
        assert windows is not None
        assert len(windows) == len(asked) == num_windows
        assert sum(end - start for start, end in asked) == pytest.approx(num_windows * LONGEST)
        assert min(start for start, _ in asked) == 0
        assert max(end for _, end in asked) == pytest.approx(seconds)

    def test_a_window_lies_where_it_would_in_a_spectrogram_of_the_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of 30 s only those from 14.7 to 15.3 s sound; window 2 of 5 alone hears them: 14.69 to 15.31 s."""

        def read(path: Path, start: float, end: float, rate_hz: int) -> Waveform:
            seconds = start + np.arange(round((end - start) * rate_hz)) / rate_hz
            loud = (seconds > 14.7) & (seconds < 15.3)
            return Waveform(np.where(loud, np.sin(6000 * seconds), 0).astype(np.float32), rate_hz, start)

        monkeypatch.setattr(decoder, "read_waveform", read)
        windows = SoundReader(PLAIN).evaluation_windows(A_RECORD, info_of(30.0), 5)
        assert windows is not None
        assert [bool(window.any()) for window in windows] == [False, False, True, False, False]
        loud = windows[2, 0].mean(dim=0) > 0
        assert loud[1:-1].all()

    def test_a_nominal_length_may_be_a_little_longer(self, asked: Asked) -> None:
        for seconds, decoded in ((1.0, 1), (1.06, 1), (1.08, 12)):
            asked.clear()
            SoundReader(PLAIN).evaluation_windows(A_RECORD, info_of(seconds), 12)
            assert len(asked) == decoded

    def test_no_decoding_of_what_is_stored(self, glide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        record, info = record_of(glide), file_facts(glide)
        uncached = [read(SoundReader(SMALL_SOUND), record, info) for read in _ALL]
        first = [read(SoundReader(SMALL_SOUND, ArrayCache(tmp_path)), record, info) for read in _ALL]
        monkeypatch.setattr(decoder, "read_waveform", None)
        second = [read(SoundReader(SMALL_SOUND, ArrayCache(tmp_path)), record, info) for read in _ALL]
        for one, other, third in zip(uncached, first, second, strict=True):
            assert torch.equal(one, other)
            assert torch.equal(one, third)


def _training(reader: SoundReader, record: Record, info: MediaInfo) -> Tensor:
    window = reader.training_window(record, info, 2, 1)
    assert window is not None
    return window


def _evaluation(reader: SoundReader, record: Record, info: MediaInfo) -> Tensor:
    windows = reader.evaluation_windows(record, info, 3)
    assert windows is not None
    return windows


_ALL: tuple[Callable[[SoundReader, Record, MediaInfo], Tensor], ...] = (_training, _evaluation)


class TestSegments:
    def test_only_the_segment_is_heard(self, asked: Asked) -> None:
        record = record_of(Path("a.mp4"), start=20.0, end=20.8)
        assert SoundReader(PLAIN).evaluation_windows(record, info_of(60.0), 12) is not None
        assert asked == [(20.0, 20.8)]

    def test_a_segment_beyond_the_sound_is_no_silence(self, asked: Asked) -> None:
        """Silence would shift the spectrogram's statistics: the segment 0-9 s of 0.8 s of sound is that sound."""
        record = record_of(Path("a.mp4"), start=0.0, end=9.0)
        SoundReader(PLAIN).evaluation_windows(record, info_of(0.8), 12)
        assert asked == [(0.0, 0.8)]
        after = record_of(Path("a.mp4"), start=5.0, end=9.0)
        assert SoundReader(PLAIN).evaluation_windows(after, info_of(0.8), 12) is None

    def test_segments_of_one_file_are_stored_apart(self, glide: Path, tmp_path: Path) -> None:
        reader = SoundReader(PLAIN, ArrayCache(tmp_path))
        segments = [record_of(glide, start=start, end=end) for start, end in ((0.0, 0.5), (0.5, 1.0), (0.0, 1.0))]
        found = [_evaluation(reader, segment, file_facts(glide)) for segment in segments]
        assert not torch.equal(found[0], found[1])
        assert not torch.equal(found[0], found[2])
        assert not torch.equal(found[1], found[2])


class TestNoSound:
    def check(self, reader: SoundReader, record: Record, info: MediaInfo) -> None:
        assert reader.training_window(record, info, 0, 0) is None
        assert reader.evaluation_windows(record, info, 12) is None
        assert not stored(reader, record, info, 12, training=True)
        assert not stored(reader, record, info, 12, training=False)

    def test_a_file_without_a_sound_stream(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mp4"
        write_clip(path, numbered(4), RATE_FPS, None)
        self.check(SoundReader(PLAIN), record_of(path), file_facts(path))

    @pytest.mark.parametrize("seconds", [0.0, 0.024])
    def test_less_than_one_column(self, asked: Asked, seconds: float) -> None:
        self.check(SoundReader(PLAIN), A_RECORD, info_of(seconds))
        assert asked == []

    def test_one_column_is_some(self, asked: Asked) -> None:
        windows = SoundReader(PLAIN).evaluation_windows(A_RECORD, info_of(0.025), 2)
        assert windows is not None
        assert windows[:, :, :, 0].any()
        assert not windows[:, :, :, 1:].any()

    def test_a_stream_that_yields_no_sample_is_asked_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.mp4"
        write_clip(path, numbered(4), RATE_FPS, tone(440, 0.5))
        calls: list[int] = []
        monkeypatch.setattr(decoder, "read_waveform", lambda *asked: calls.append(1))
        for _ in range(2):
            self.check(SoundReader(PLAIN, ArrayCache(tmp_path / "cache")), record_of(path), info_of(0.5))
        assert len(calls) == 1


class TestKeys:
    @pytest.mark.parametrize(
        ("change", "made"),
        [
            ({"mel_bins": 24}, 1),
            ({"total_columns": 120}, 1),
            ({"hop_seconds": 0.02}, 1),
            ({"crop_columns": 50}, 0),
            ({"time_mask": 0, "frequency_mask": 0}, 0),
        ],
    )
    def test_what_is_cut_and_masked_later_is_not_in_them(
        self, glide: Path, tmp_path: Path, change: dict[str, object], made: int
    ) -> None:
        record, info = record_of(glide), file_facts(glide)
        assert stored(SoundReader(SMALL_SOUND, ArrayCache(tmp_path)), record, info, 4, training=True)
        cache = ArrayCache(tmp_path)
        stored(SoundReader(SMALL_SOUND.model_copy(update=change), cache), record, info, 4, training=True)
        assert cache.misses == made

    def test_training_and_a_test_share_the_spectrogram_of_a_short_sound(self, glide: Path, tmp_path: Path) -> None:
        record, info, cache = record_of(glide), file_facts(glide), ArrayCache(tmp_path)
        stored(SoundReader(SMALL_SOUND, cache), record, info, 4, training=True)
        stored(SoundReader(SMALL_SOUND, cache), record, info, 12, training=False)
        assert (cache.misses, cache.hits) == (1, 1)

    def test_of_a_long_sound_all_spans_are_stored(self, asked: Asked, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        path.write_bytes(b"long")
        reader = SoundReader(PLAIN, ArrayCache(tmp_path / "cache"))
        assert stored(reader, record_of(path), info_of(60.0), 6, training=False)
        assert len(asked) == 6
        assert stored(reader, record_of(path), info_of(60.0), 6, training=True)
        assert len(asked) == 8  # the first and the last of the four for training are there already
        asked.clear()
        views = [View(0, (second, second + 1), Crop(0.0, 0.0, 1.0, 1.0)) for second in (3.0, 40.0, 3.0)]
        assert stored(reader, record_of(path), info_of(60.0), 6, training=True, views=views)
        assert len(asked) == 2
        asked.clear()
        for view in views:
            assert reader.training_window(record_of(path), info_of(60.0), 7, 0, view=view) is not None
        assert reader.evaluation_windows(record_of(path), info_of(60.0), 6) is not None
        assert all(reader.training_window(record_of(path), info_of(60.0), e, 0) is not None for e in range(20))
        assert asked == []
