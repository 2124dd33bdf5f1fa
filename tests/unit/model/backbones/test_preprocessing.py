import json
from pathlib import Path

import pytest

from openmov.model.backbones.contents import ModelContents
from openmov.model.backbones.preprocessing import CLIP_MEAN, CLIP_STD, read_preprocessing


def contents(folder: Path, config: dict[str, object] | None = None) -> ModelContents:
    """Of an open_clip model with this config, or of one in transformers' format."""
    kind = "transformers" if config is None else "open_clip"
    return ModelContents(folder, kind, "clip", config or {}, (folder / "model.safetensors",), "safetensors", ())


@pytest.mark.parametrize(
    ("file", "content", "mean", "std"),
    [
        ("preprocessor_config.json", {"image_mean": [0, 1, 2], "image_std": [3, 4, 5]}, (0, 1, 2), (3, 4, 5)),
        ("processor_config.json", {"image_processor": {"image_mean": [0, 1, 2]}}, (0, 1, 2), CLIP_STD),
        ("preprocessor_config.json", {"do_normalize": False}, (0, 0, 0), (1, 1, 1)),
        ("other.json", {}, CLIP_MEAN, CLIP_STD),
    ],
)
def test_preprocessing_is_read_from_either_file(
    tmp_path: Path, file: str, content: dict[str, object], mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    (tmp_path / file).write_text(json.dumps(content))
    found = read_preprocessing("clip", contents(tmp_path))
    assert found.mean == mean
    assert found.std == std
