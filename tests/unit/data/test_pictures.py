"""RGB and flow of a view show the same part of the picture; what is stored is found again, and nothing else is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from openmov.config.schema import FlowConfig, TVL1Config, VideoConfig
from openmov.data.entries import FileEntries
from openmov.data.pictures import FrameEmbedder, PictureSettings, ViewPictures
from openmov.data.records import Record
from openmov.errors import DecodeError
from openmov.media.decode import PLAIN, Decoder, PlainDecoder, decoder
from openmov.media.encode import write_clip
from openmov.media.sampling import Crop, View
from openmov.modalities import flow as flow_module
from openmov.store.cache import ArrayCache
from tiny_media import RATE_FPS, GreyEmbedder, block_over_texture, small_pictures

WHOLE = Crop(0.0, 0.0, 1.0, 1.0)
LEFT = Crop(0.0, 0.0, 0.5, 1.0)
EARLY, LATE = (0.0, 0.1), (0.3, 0.5)
VIEW = View(0, EARLY, LEFT)
SETTINGS = small_pictures()


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A block of 24 px that goes two to the right a frame, 96 x 64."""
    path = tmp_path_factory.mktemp("pictures") / "block.mp4"
    write_clip(path, block_over_texture(8, step_px=2), RATE_FPS, None, crf=4)
    return path


def seen(path: Path, views: Sequence[View], cache: ArrayCache | None = None, with_flow: bool = True) -> ViewPictures:
    return ViewPictures(Record("a", path), views, SETTINGS, cache, with_flow=with_flow)


def extent(mask: Tensor) -> tuple[int, int, int, int]:
    rows, columns = mask.nonzero(as_tuple=True)
    return int(columns.min()), int(columns.max()), int(rows.min()), int(rows.max())


@pytest.mark.parametrize("flip", [False, True])
def test_rgb_and_flow_of_a_view_share_crop_and_flip(block: Path, flip: bool) -> None:
    """64 x 64 out of 96 x 64, from column 12 on: in frame k the block stands at columns 12 + 2k to 35 + 2k of it."""
    settings = small_pictures(
        video=VideoConfig(num_frames=3, short_side=64, crop_size=64),
        flow=FlowConfig(short_side=64, max_displacement_px=5.0),
    )
    view = View(0, (0.1, 0.3, 0.5), Crop(0.125, 0.0, 2 / 3, 1.0, flip))
    both = ViewPictures(Record("a", block), [view], settings, None, with_flow=True)
    for number, image, flow in zip((1, 3, 5), both.rgb()[0], both.flow()[0], strict=True):
        bright = image.mean(dim=0) > 0.55
        first, last = 12 + 2 * number, 35 + 2 * number
        assert extent(bright) == ((63 - last, 63 - first, 16, 39) if flip else (first, last, 16, 39))
        rightwards, downwards = (2 * flow[:2] - 1) * 5
        assert rightwards[bright].median().item() == pytest.approx(-2 if flip else 2, abs=0.15)
        near = max_pool2d(bright[None].float(), 13, 1, 6)[0] > 0
        assert rightwards[bright].abs().min() > 0.7
        assert rightwards[~near].abs().max() < 0.25
        assert downwards.abs().max() < 0.7
        assert (flow[2] == 0.5).all()


def test_views_come_in_their_order(block: Path) -> None:
    views = [View(0, LATE, WHOLE), View(1, EARLY, LEFT), View(2, LATE, LEFT)]
    together = seen(block, views)
    alone = [seen(block, [view]) for view in views]
    assert torch.equal(together.flow(), torch.cat([one.flow() for one in alone]))
    assert torch.equal(together.rgb(), torch.cat([one.rgb() for one in alone]))


def test_all_crops_of_a_moment_share_its_flow(block: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []
    compute = flow_module.compute_flow
    monkeypatch.setattr(flow_module, "compute_flow", lambda *given: computed.append(1) or compute(*given))
    views = [
        View(i, times, crop) for i, (times, crop) in enumerate((t, c) for t in (EARLY, LATE) for c in (WHOLE, LEFT))
    ]
    assert len(seen(block, views).flow()) == 4
    assert len(computed) == 2


def test_pictures_are_normalised_for_the_backbone(block: Path) -> None:
    """(0.5 - 0.25) / 0.5 for the third channel of flow, which is 0.5 before."""
    settings = replace(SETTINGS, mean=(0.1, 0.2, 0.25), std=(0.2, 0.4, 0.5))
    view = [View(0, EARLY, WHOLE)]
    plain, scaled = (ViewPictures(Record("a", block), view, s, None, with_flow=True) for s in (SETTINGS, settings))
    assert (scaled.flow()[0, :, 2] == 0.5).all()
    expected = (plain.rgb() - torch.tensor([0.1, 0.2, 0.25])[:, None, None]) / torch.tensor([0.2, 0.4, 0.5])[
        :, None, None
    ]
    torch.testing.assert_close(scaled.rgb(), expected)


def test_embeddings_are_those_of_the_rgb_view(block: Path, tmp_path: Path) -> None:
    views, embed = [View(0, EARLY, LEFT), View(1, LATE, WHOLE)], GreyEmbedder()
    plain = seen(block, views)
    expected = torch.stack([embed(images) for images in plain.rgb()])
    assert torch.equal(plain.embeddings(embed), expected)
    for _ in range(2):
        assert torch.equal(seen(block, views, ArrayCache(tmp_path)).embeddings(embed), expected)


def test_what_was_stored_is_neither_decoded_nor_computed_again(
    block: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views, embed = [View(0, EARLY, LEFT), View(1, LATE, WHOLE)], GreyEmbedder()
    uncached = seen(block, views)
    flow, embeddings = uncached.flow(), uncached.embeddings(embed)
    fill(seen(block, views, ArrayCache(tmp_path)), embed)
    calls = len(embed.calls)
    monkeypatch.setattr(decoder, "read_moments", None)
    stored = seen(block, views, ArrayCache(tmp_path))
    fill(stored, embed)
    assert torch.equal(stored.flow(), flow)
    assert torch.equal(stored.embeddings(embed), embeddings)
    assert len(embed.calls) == calls


def fill(pictures: ViewPictures, embed: FrameEmbedder | None) -> None:
    """Stores what is wanted, as preparing does."""
    for wanted in pictures.wanted(embed):
        pictures._entries.fill(wanted)


def num_made(
    path: Path,
    cache: Path,
    *,
    settings: PictureSettings = SETTINGS,
    view: View = VIEW,
    embed: FrameEmbedder | None = None,
    decoder: Decoder = PLAIN,
) -> tuple[int, int]:
    """How many flow fields and how many embeddings had to be made and stored anew."""
    found = []
    for with_flow, embedder in ((True, None), (False, embed or GreyEmbedder())):
        entries = FileEntries(ArrayCache(cache), path)
        pictures = ViewPictures(
            Record("a", path), [view], settings, None, with_flow=with_flow, decoder=decoder, entries=entries
        )
        fill(pictures, embedder)
        found.append(len(entries.made))
    return found[0], found[1]


class OtherDecoder(PlainDecoder):
    """Says that its pictures are its own."""

    @property
    def identity(self) -> str:
        return "other"


class TestKeys:
    @pytest.fixture
    def cache(self, block: Path, tmp_path: Path) -> Path:
        assert num_made(block, tmp_path / "cache") == (1, 1)
        assert num_made(block, tmp_path / "cache") == (0, 0)
        return tmp_path / "cache"

    def test_another_backbone_has_other_embeddings(self, block: Path, cache: Path) -> None:
        assert num_made(block, cache, embed=GreyEmbedder("another")) == (0, 1)

    def test_another_crop_size_has_other_embeddings(self, block: Path, cache: Path) -> None:
        settings = replace(SETTINGS, video=SETTINGS.video.model_copy(update={"crop_size": 16}))
        assert num_made(block, cache, settings=settings) == (0, 1)

    @pytest.mark.parametrize(
        "flow",
        [
            {"short_side": 48},
            {"max_displacement_px": 4.0},
            {"min_gap_seconds": 0.15},
            {"tvl1": TVL1Config(num_warps=2)},
        ],
        ids=lambda flow: next(iter(flow)),
    )
    def test_other_flow_parameters_give_other_flow(self, block: Path, cache: Path, flow: dict[str, object]) -> None:
        settings = replace(SETTINGS, flow=SETTINGS.flow.model_copy(update=flow))
        assert num_made(block, cache, settings=settings) == (1, 0)

    def test_how_flow_is_shown_is_not_stored(self, block: Path, cache: Path) -> None:
        flow = SETTINGS.flow.model_copy(update={"flip": "image"})
        settings = replace(SETTINGS, flow=flow, flow_threads=2)
        assert num_made(block, cache, settings=settings) == (0, 0)

    def test_another_decoder_has_other_pictures_and_flow(self, block: Path, cache: Path) -> None:
        assert num_made(block, cache, decoder=PlainDecoder()) == (0, 0)
        assert num_made(block, cache, decoder=OtherDecoder()) == (1, 1)

    @pytest.mark.parametrize(
        ("view", "made"),
        [
            (View(0, LATE, LEFT), (1, 1)),
            (View(0, EARLY, WHOLE), (0, 1)),
            (View(0, EARLY, replace(LEFT, flip=True)), (0, 1)),
            (View(5, EARLY, LEFT), (0, 0)),
        ],
        ids=["times", "crop", "flip", "place"],
    )
    def test_other_views(self, block: Path, cache: Path, view: View, made: tuple[int, int]) -> None:
        assert num_made(block, cache, view=view) == made

    def test_another_content_has_other_entries_whatever_its_name(
        self, block: Path, cache: Path, tmp_path: Path
    ) -> None:
        copy = tmp_path / "copy.mp4"
        copy.write_bytes(block.read_bytes())
        assert num_made(copy, cache) == (0, 0)
        write_clip(copy, block_over_texture(8, step_px=1), RATE_FPS, None, crf=4)
        assert num_made(copy, cache) == (1, 1)


def test_a_missing_file_is_a_decode_error(tmp_path: Path) -> None:
    for cache in (None, ArrayCache(tmp_path)):
        with pytest.raises(DecodeError):
            seen(tmp_path / "missing.mp4", [View(0, EARLY, WHOLE)], cache).flow()


def test_flow_that_was_not_planned_is_refused(block: Path) -> None:
    with pytest.raises(KeyError, match="flow"):
        seen(block, [View(0, EARLY, WHOLE)], with_flow=False).flow()
