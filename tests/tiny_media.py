"""Small media files with answers known by hand, and readers for them, for any test to use."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from openmov.config.schema import AudioConfig, FlowConfig, VideoConfig, ViewsConfig
from openmov.data.pictures import FrameEmbedder, PictureSettings
from openmov.data.reader import ClipDataset
from openmov.data.sound import SoundReader
from openmov.media.decode import PLAIN, Decoder
from openmov.media.encode import write_clip
from openmov.store.cache import ArrayCache
from openmov.store.features import StoredFeatures
from openmov.types import Modality

RATE_FPS = 10.0
RATE_HZ = 16_000
AS_IT_IS = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""Mean and std that leave pictures in [0, 1]."""


def numbered(num_frames: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Frame n is of one grey, 10 + 16 n."""
    greys = (10 + 16 * np.arange(num_frames)).astype(np.uint8)
    return np.broadcast_to(greys[:, None, None, None], (num_frames, height, width, 3)).copy()


def numbers_of(images: np.ndarray | Tensor) -> list[int]:
    """Reads the numbers back, from images of 8 bits or of [0, 1], whatever the layout of their last three axes."""
    values = np.asarray(images, np.float64).reshape(len(images), -1).mean(axis=1)
    return [round(((value if value > 1 else value * 255) - 10) / 16) for value in values.tolist()]


def block_over_texture(
    num_frames: int, *, step_px: int, left: int = 24, top: int = 16, side: int = 24, height: int = 64, width: int = 96
) -> np.ndarray:
    """A bright textured block that goes `step_px` to the right from frame to frame, over a dark texture that stands."""
    random = np.random.default_rng(0)
    ground, block = (_soft_noise(random, height, width) for _ in range(2))
    images = np.empty((num_frames, height, width, 3), np.uint8)
    for number, image in enumerate(images):
        image[:] = (20 + 60 * ground)[..., None]
        x = left + step_px * number
        image[top : top + side, x : x + side] = (170 + 80 * block[:side, :side])[..., None]
    return images


def _soft_noise(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """In [0, 1], smooth over a few pixels."""
    noise = random.random((height, width))
    for axis in (0, 1, 0, 1):
        noise = (np.roll(noise, 1, axis) + noise + np.roll(noise, -1, axis)) / 3
    return (noise - noise.min()) / (noise.max() - noise.min())


def tone(hz: float, seconds: float) -> np.ndarray:
    """A sine of amplitude 0.5 at 16 kHz."""
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def write_numbered(
    path: Path, num_frames: int = 12, sound: np.ndarray | None = None, *, height: int = 48, width: int = 64
) -> Path:
    """A numbered video of 10 frames a second, perhaps with sound."""
    write_clip(path, numbered(num_frames, height, width), RATE_FPS, sound, RATE_HZ, crf=4)
    return path


@dataclass
class GreyEmbedder:
    """Stands for a frozen encoder: mean and spread of each channel. Counts its calls."""

    identity: str = "grey"
    """As a backbone's."""
    dim: int = 6
    """Three means, three spreads."""
    calls: list[int] = field(default_factory=list)
    """Frames of each call."""

    def __call__(self, images: Tensor) -> Tensor:
        self.calls.append(len(images))
        return torch.cat([images.mean(dim=(2, 3)), images.std(dim=(2, 3))], dim=1)


def small_pictures(*, video: VideoConfig | None = None, flow: FlowConfig | None = None) -> PictureSettings:
    """Four frames 0.1 s apart, 32 px of 32, flow at 32 px."""
    return PictureSettings(
        video or VideoConfig(num_frames=4, stride_seconds=0.1, short_side=32, crop_size=32, crop_area=(0.5, 1.0)),
        flow or FlowConfig(short_side=32, max_displacement_px=5.0),
        *AS_IT_IS,
    )


SMALL_SOUND = AudioConfig(mel_bins=16, total_columns=100, crop_columns=60, time_mask=10, frequency_mask=4)
"""One second of 16 bins, of which 0.6 s are looked at."""


def small_reader(
    *modalities: Modality,
    pictures: PictureSettings | None = None,
    views: ViewsConfig | None = None,
    sound: AudioConfig = SMALL_SOUND,
    cache: Path | None = None,
    embed: FrameEmbedder | None = None,
    features: StoredFeatures | None = None,
    decoder: Decoder = PLAIN,
) -> ClipDataset:
    """A reader of these modalities; two seeded views in training, two clips in a test."""
    stored = None if cache is None else ArrayCache(cache)
    return ClipDataset(
        frozenset(modalities),
        pictures or small_pictures(),
        views or ViewsConfig(train_seeds=2, num_clips=2, num_crops=1),
        SoundReader(sound, stored, decoder),
        cache=stored,
        embed_frames=embed,
        features=features,
        decoder=decoder,
    )
