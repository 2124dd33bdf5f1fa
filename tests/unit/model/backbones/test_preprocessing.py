import json
from pathlib import Path

import pytest

from openmov.errors import BackboneError
from openmov.model.backbones.contents import ModelContents
from openmov.model.backbones.preprocessing import CLIP_MEAN, CLIP_STD, Preprocessing, read_preprocessing


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


@pytest.mark.parametrize(
    ("processor", "resize", "interpolation"),
    [
        ({}, "shortest", "bicubic"),
        ({"size": 224}, "shortest", "bicubic"),
        ({"size": {"shortest_edge": 224}, "do_center_crop": True, "resample": 3}, "shortest", "bicubic"),
        ({"size": {"height": 224, "width": 224}, "resample": 2}, "squash", "bilinear"),
        ({"size": {"longest_edge": 224}}, "longest", "bicubic"),
    ],
)
def test_how_an_image_processor_makes_a_square(
    tmp_path: Path, processor: dict[str, object], resize: str, interpolation: str
) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    found = read_preprocessing("clip", contents(tmp_path))
    assert (found.resize, found.interpolation) == (resize, interpolation)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, Preprocessing()),
        ({"mean": [0.1, 0.2, 0.3], "std": 0.5}, Preprocessing((0.1, 0.2, 0.3), (0.5, 0.5, 0.5))),
        (
            {"resize_mode": "squash", "interpolation": "bilinear"},
            Preprocessing(resize="squash", interpolation="bilinear"),
        ),
        ({"resize_mode": "longest", "interpolation": "random"}, Preprocessing(resize="longest")),
        ({"resize_mode": None, "mean": None}, Preprocessing()),
    ],
)
def test_open_clips_preprocessing(tmp_path: Path, config: dict[str, object], expected: Preprocessing) -> None:
    """What it leaves out is CLIP's, as in open_clip's PreprocessCfg."""
    assert read_preprocessing("it", contents(tmp_path, {"preprocess_cfg": config})) == expected


def test_what_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="asks for resize_mode 'stretch' with 'bicubic', which is not known"):
        read_preprocessing("it", contents(tmp_path, {"preprocess_cfg": {"resize_mode": "stretch"}}))
    (tmp_path / "preprocessor_config.json").write_text('{"resample": 5}')
    with pytest.raises(BackboneError, match="resamples pictures by PIL's filter 5"):
        read_preprocessing("it", contents(tmp_path))
