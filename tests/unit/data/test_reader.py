"""One video to one Clip: which views, which modalities, and nothing decoded that is stored."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
import torch
from torch import Tensor

from openmov.config.schema import FlowConfig, VideoConfig, ViewsConfig
from openmov.data.reader import ClipDataset
from openmov.data.records import Record
from openmov.errors import DecodeError
from openmov.media.decode import GuardedDecoder, MediaInfo, PlainDecoder, Waveform, decoder, probe
from openmov.media.encode import write_clip
from openmov.types import Clip, Modality
from tiny_media import (
    RATE_FPS,
    RATE_HZ,
    GreyEmbedder,
    block_over_texture,
    numbered,
    numbers_of,
    small_pictures,
    small_reader,
    tone,
    write_numbered,
)
from tricky_decoder import TrickyDecoder

V, F, A = Modality.VIDEO, Modality.FLOW, Modality.AUDIO
TEST_ONLY = 999
"""Stands for an epoch where a clip is to be read as in a test."""


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A moving block of 0.8 s, with a tone."""
    path = tmp_path_factory.mktemp("reader") / "block.mp4"
    write_clip(path, block_over_texture(8, step_px=2), RATE_FPS, tone(900, 0.8), crf=4)
    return path


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("reader") / "silent.mp4", 6)


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reader") / "blind.mp4"
    write_clip(path, None, RATE_FPS, tone(440, 1.0))
    return path


def read(reader: ClipDataset, record: Record, epoch: int, seed: int = 0) -> Clip:
    return reader.evaluation_clip(record) if epoch == TEST_ONLY else reader.training_clip(record, epoch, seed)


def tensors_of(clip: Clip) -> dict[str, Tensor]:
    stored = {} if clip.frozen is None else {"frozen": clip.frozen}
    return {str(modality): tensor for modality, tensor in clip.inputs.items()} | stored


def same(one: Clip, other: Clip) -> bool:
    mine, theirs = tensors_of(one), tensors_of(other)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Called, it makes everything that decodes fail."""

    def refuse(*given: object, **named: object) -> None:
        raise AssertionError("decoded")

    def forbid() -> None:
        for module, name in (
            (decoder, "read_frames"),
            (decoder, "read_frame_pairs"),
            (decoder, "read_moments"),
            (decoder, "read_waveform"),
            (decoder, "probe"),
        ):
            monkeypatch.setattr(module, name, refuse)

    return forbid


class TestCache:
    @pytest.mark.parametrize("epoch", [0, 1, TEST_ONLY])
    def test_cached_and_uncached_clips_are_bit_identical(
        self, block: Path, tmp_path: Path, epoch: int, no_decoding: Callable[[], None]
    ) -> None:
        record, embed = Record("a", block, "juggling"), GreyEmbedder()
        uncached = read(small_reader(V, F, A, embed=embed), record, epoch)
        assert set(tensors_of(uncached)) == {"frozen", "flow", "audio"}
        filling = read(small_reader(V, F, A, cache=tmp_path, embed=embed), record, epoch)
        no_decoding()
        stored = read(small_reader(V, F, A, cache=tmp_path, embed=embed), record, epoch)
        assert same(uncached, filling)
        assert same(uncached, stored)
        assert stored.label == "juggling"

    def test_decoding_would_have_been_noticed(
        self, block: Path, tmp_path: Path, no_decoding: Callable[[], None]
    ) -> None:
        no_decoding()
        for modality in Modality:
            with pytest.raises(AssertionError, match="decoded"):
                small_reader(modality, cache=tmp_path).training_clip(Record("a", block), 0, 0)

    def test_after_storing_no_view_of_training_or_test_is_decoded(
        self, block: Path, tmp_path: Path, no_decoding: Callable[[], None]
    ) -> None:
        record, embed = Record("a", block), GreyEmbedder()
        reader = small_reader(V, F, A, cache=tmp_path, embed=embed)
        reader.store(record, training=True)
        reader.store(record, training=False)
        calls = len(embed.calls)
        assert calls == 2 + 2  # two seeded views, two clips of a test
        no_decoding()
        for epoch in range(5):
            for seed in range(3):
                assert reader.training_clip(record, epoch, seed).present == {V, F, A}
        reader.evaluation_clip(record)
        reader.store(record, training=True)
        assert len(embed.calls) == calls

    def test_a_changed_file_is_read_anew(self, tmp_path: Path) -> None:
        path, reader = tmp_path / "a.mp4", small_reader(V, cache=tmp_path / "cache", embed=GreyEmbedder())
        write_numbered(path, 4)
        before = reader.evaluation_clip(Record("a", path)).frozen
        write_clip(path, block_over_texture(4, step_px=2), RATE_FPS, None)
        after = reader.evaluation_clip(Record("a", path)).frozen
        assert before is not None
        assert after is not None
        assert not torch.equal(before, after)

    def test_threads_give_what_one_gives(self, block: Path, tmp_path: Path) -> None:
        records = [Record(name, block) for name in ("a", "b")]
        alone = [small_reader(V, F, A, embed=GreyEmbedder()).training_clip(record, 0, 0) for record in records]
        together = small_reader(V, F, A, cache=tmp_path, embed=GreyEmbedder())
        start = Barrier(8)

        def at_once(place: int) -> Clip:
            start.wait()
            return together.training_clip(records[place % 2], 0, 0)

        with ThreadPoolExecutor(8) as pool:
            for place, clip in enumerate(pool.map(at_once, range(8))):
                assert same(clip, alone[place % 2])


class TestTrainingViews:
    def test_pictures_follow_from_video_and_epoch_modulo_the_seeded_views(self, block: Path) -> None:
        reader = small_reader(V, F)
        one = reader.training_clip(Record("a", block), 0, 0)
        assert same(one, reader.training_clip(Record("a", block), 2, 0))
        assert same(one, reader.training_clip(Record("a", block), 4, 7))
        assert not same(one, reader.training_clip(Record("a", block), 1, 0))
        assert not same(one, reader.training_clip(Record("b", block), 0, 0))

    def test_sound_and_its_masks_follow_from_video_epoch_and_seed(self, block: Path) -> None:
        reader = small_reader(V, A)
        record = Record("a", block)
        one = reader.training_clip(record, 0, 0)
        assert same(one, reader.training_clip(record, 0, 0))
        for epoch, seed in ((2, 0), (0, 1)):
            other = reader.training_clip(record, epoch, seed)
            assert torch.equal(one.inputs[V], other.inputs[V])
            assert not torch.equal(one.inputs[A], other.inputs[A])

    def test_a_long_sound_is_heard_where_the_pictures_are(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_decoding: Callable[[], None]
    ) -> None:
        """Frame n of two a second stands from n / 2 s on; and what training hears is what was stored."""
        path, heard, numbers = tmp_path / "long.mp4", [], []
        write_clip(path, numbered(15), 2.0, tone(900, 7.5), RATE_HZ, crf=4)
        plain = decoder.read_waveform

        def listen(path: Path, start: float, end: float, rate_hz: int) -> Waveform | None:
            heard.append((start, end))
            return plain(path, start, end, rate_hz)

        monkeypatch.setattr(decoder, "read_waveform", listen)
        record, views = Record("a", path), ViewsConfig(train_seeds=8)
        clips = [small_reader(V, A, views=views, embed=GreyEmbedder()).training_clip(record, n, 0) for n in range(8)]
        for clip, (start, end) in zip(clips, heard, strict=True):
            frozen = clip.frozen
            assert frozen is not None
            seen = numbers_of(frozen[0, :, :1])
            assert start - 0.1 <= (seen[-1] + 1) / 2
            assert seen[0] / 2 <= end + 0.1
            numbers.append(seen[0])
        assert len(set(numbers)) > 4

        stored = small_reader(V, A, views=views, embed=GreyEmbedder(), cache=tmp_path / "cache")
        stored.store(record, training=True)
        no_decoding()
        assert all(same(clip, stored.training_clip(record, epoch, 0)) for epoch, clip in enumerate(clips))

    def test_neither_asks_for_the_global_generator(self, block: Path) -> None:
        before = torch.random.get_rng_state()
        small_reader(V, F, A).training_clip(Record("a", block), 0, 0)
        assert torch.equal(before, torch.random.get_rng_state())

    def test_one_view_of_every_modality(self, block: Path) -> None:
        clip = small_reader(V, F, A).training_clip(Record("a", block), 0, 0)
        assert clip.inputs[V].shape == clip.inputs[F].shape == (1, 4, 3, 32, 32)
        assert clip.inputs[A].shape == (1, 3, 16, 60)

    @pytest.mark.parametrize("flip", [0.0, 1.0])
    def test_flow_moves_where_the_block_is_and_the_way_it_goes(self, block: Path, flip: float) -> None:
        """Random crops and flips included: the bright block goes right, mirrored it goes left."""
        video = VideoConfig(num_frames=2, short_side=64, crop_size=64, crop_area=(0.8, 1.0), flip_probability=flip)
        settings = small_pictures(video=video, flow=FlowConfig(short_side=64, max_displacement_px=5.0))
        reader = small_reader(V, F, pictures=settings, views=ViewsConfig(train_seeds=4))
        for epoch in range(4):
            clip = reader.training_clip(Record("a", block), epoch, 0)
            for image, flow in zip(clip.inputs[V][0], clip.inputs[F][0], strict=True):
                bright, rightwards = image.mean(dim=0) > 0.55, (2 * flow[0] - 1) * 5
                assert rightwards[bright].median().item() == pytest.approx(-2 if flip else 2, abs=0.25)
                assert rightwards[~bright].median().abs() < 0.1

    def test_frozen_embeddings_are_those_of_the_very_view(self, block: Path) -> None:
        embed, record = GreyEmbedder(), Record("a", block)
        for epoch in (0, 1, TEST_ONLY):
            frames = read(small_reader(V), record, epoch).inputs[V]
            frozen = read(small_reader(V, embed=embed), record, epoch).frozen
            assert frozen is not None
            assert torch.equal(frozen, torch.stack([embed(view) for view in frames]))


class TestEvaluationViews:
    def test_clips_times_crops_and_as_many_windows_of_sound(self, block: Path) -> None:
        reader = small_reader(V, F, A, views=ViewsConfig(num_clips=2, num_crops=3))
        clip = reader.evaluation_clip(Record("a", block))
        assert {len(tensor) for tensor in clip.inputs.values()} == {6}
        first, centre, last = clip.inputs[V][:3]
        assert not torch.equal(first, centre)
        assert not torch.equal(centre, last)

    def test_they_go_from_the_beginning_to_the_end(self, tmp_path: Path) -> None:
        clip = small_reader(V).evaluation_clip(Record("a", write_numbered(tmp_path / "a.mp4", 12)))
        assert [numbers_of(view) for view in clip.inputs[V]] == [[0, 1, 2, 3], [9, 10, 11, 11]]

    def test_the_name_of_the_video_does_not_matter(self, block: Path) -> None:
        reader = small_reader(V, F, A)
        assert same(reader.evaluation_clip(Record("a", block)), reader.evaluation_clip(Record("b", block)))


class TestShortAndPartial:
    def test_a_clip_shorter_than_asked_repeats_its_last_frame(self, tmp_path: Path) -> None:
        path = write_numbered(tmp_path / "a.mp4", 2)
        for epoch in (0, 1, TEST_ONLY):
            for view in read(small_reader(V, F), Record("a", path), epoch).inputs[V]:
                assert numbers_of(view) == [0, 1, 1, 1]

    def test_a_segment_bounds_the_frames(self, tmp_path: Path) -> None:
        """The frame of 0.75 s is number 7; a test's clips go from the beginning of the segment to its end."""
        record = Record("a", write_numbered(tmp_path / "a.mp4", 12), None, 0.3, 0.75)
        clip = small_reader(V).evaluation_clip(record)
        assert [numbers_of(view) for view in clip.inputs[V]] == [[3, 4, 5, 6], [4, 5, 6, 7]]
        for epoch in range(2):
            numbers = numbers_of(small_reader(V).training_clip(record, epoch, 0).inputs[V][0])
            assert set(numbers) <= {3, 4, 5, 6, 7}

    def test_a_segment_bounds_the_sound(self, block: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[float, float]] = []
        real = decoder.read_waveform

        def counting(path: Path, start: float, end: float, rate_hz: int) -> object:
            asked.append((start, end))
            return real(path, start, end, rate_hz)

        monkeypatch.setattr(decoder, "read_waveform", counting)
        small_reader(A).evaluation_clip(Record("a", block, None, 0.2, 0.5))
        assert asked == [(0.2, 0.5)]

    def test_a_segment_of_which_only_sound_is_left_has_no_video(self, tmp_path: Path) -> None:
        path = write_numbered(tmp_path / "a.mp4", 4, tone(440, 2.0))
        record = Record("a", path, None, 1.0, 1.5)
        assert small_reader(V, F, A).evaluation_clip(record).present == {A}
        assert small_reader(A).evaluation_clip(record).present == {A}
        with pytest.raises(DecodeError, match=r"no video or flow from 1 s to 1\.5 s; fix start and end"):
            small_reader(V, F).evaluation_clip(record)


class TestMissingStreams:
    @pytest.mark.parametrize("epoch", [0, TEST_ONLY])
    def test_what_a_file_lacks_is_absent(self, silent: Path, blind: Path, epoch: int) -> None:
        reader = small_reader(V, F, A)
        assert read(reader, Record("a", silent), epoch).present == {V, F}
        assert read(reader, Record("a", blind), epoch).present == {A}
        assert read(small_reader(V, F, A, embed=GreyEmbedder()), Record("a", blind), epoch).present == {A}

    def test_what_is_not_asked_for_is_not_read(self, block: Path) -> None:
        for modality in Modality:
            assert small_reader(modality).training_clip(Record("a", block), 0, 0).present == {modality}

    def test_nothing_of_use_is_a_decode_error(self, silent: Path, blind: Path, tmp_path: Path) -> None:
        only_sound = "video or flow: it holds sound alone; answer from a run"
        for path, modalities, lacking in ((silent, (A,), "audio; drop it"), (blind, (V, F), only_sound)):
            reader, record = small_reader(*modalities, cache=tmp_path), Record("a", path)
            for attempt in (
                lambda reader=reader, record=record: reader.training_clip(record, 0, 0),
                lambda reader=reader, record=record: reader.evaluation_clip(record),
                lambda reader=reader, record=record: reader.store(record, training=True),
                lambda reader=reader, record=record: reader.store(record, training=False),
            ):
                with pytest.raises(DecodeError, match=f"gives no {lacking}"):
                    attempt()

    @pytest.mark.parametrize("content", [None, b"", b"no media file at all"])
    def test_what_is_no_media_file_is_a_decode_error(self, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "a.mp4"
        if content is not None:
            path.write_bytes(content)
        for epoch in (0, TEST_ONLY):
            with pytest.raises(DecodeError):
                read(small_reader(V), Record("a", path), epoch)


def test_what_is_odd_in_a_file_goes_with_its_clip(block: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert small_reader(V).evaluation_clip(Record("a", block)).notes == ()
    real = decoder.read_moments
    monkeypatch.setattr(decoder, "read_moments", lambda *given: replace(real(*given), missing_seconds=2.5))
    (note,) = small_reader(V).evaluation_clip(Record("a", block)).notes
    assert "2.5 s" in note


def test_what_is_odd_in_a_sound_goes_with_its_clip(block: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert small_reader(A).evaluation_clip(Record("a", block)).notes == ()
    real = decoder.read_waveform
    odd = {"missing_seconds": 2.5, "num_damaged_packets": 3}
    monkeypatch.setattr(decoder, "read_waveform", lambda *given: replace(real(*given), **odd))
    cut, damaged = small_reader(V, A).evaluation_clip(Record("a", block)).notes
    assert "sound cut off: 2.5 s" in cut
    assert "sound: 3" in damaged


def test_what_is_odd_in_the_pictures_goes_with_their_clip(block: Path, tmp_path: Path) -> None:
    """Pictures that a model may misread; only where pictures are looked at."""
    path = tmp_path / "a.mp4"
    path.write_bytes(block.read_bytes())
    info = probe(path)
    assert info.video is not None
    odd = replace(info, video=replace(info.video, interlaced=True, hdr="PQ"))
    reader = small_reader(V, A, decoder=OddProbe(odd))
    interlaced, hdr = reader.evaluation_clip(Record("a", path)).notes
    assert "interlaced" in interlaced
    assert "HDR (PQ)" in hdr
    assert small_reader(A, decoder=OddProbe(odd)).evaluation_clip(Record("a", path)).notes == ()


class OddProbe(PlainDecoder):
    """Says the same of every file."""

    def __init__(self, info: MediaInfo) -> None:
        self.info = info

    def probe(self, path: Path) -> MediaInfo:
        return self.info


@pytest.mark.parametrize("name", ["hang.mp4", "crash.mp4"])
def test_a_file_that_hangs_or_crashes_its_decoder_is_one_that_cannot_be_read(
    block: Path, tmp_path: Path, name: str
) -> None:
    bad = tmp_path / name
    bad.write_bytes(block.read_bytes())
    guarded = GuardedDecoder(2.0, TrickyDecoder())
    try:
        reader = small_reader(V, F, A, decoder=guarded)
        with pytest.raises(DecodeError, match=name):
            reader.evaluation_clip(Record("bad", bad))
        clip, plain = (one.evaluation_clip(Record("a", block)) for one in (reader, small_reader(V, F, A)))
        assert clip.present == plain.present
        assert all(torch.equal(clip.inputs[modality], plain.inputs[modality]) for modality in plain.present)
    finally:
        guarded.close()
