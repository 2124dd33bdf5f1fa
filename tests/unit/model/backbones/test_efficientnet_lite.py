"""Padding by TensorFlow's rule, and pictures that do not touch each other."""

import pytest
import torch

from openmov.model.backbones.efficientnet_lite import ConvNorm, same_padding


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (5, 1, 1, (0, 0)),
        (5, 3, 1, (1, 1)),
        (4, 3, 2, (0, 1)),  # even sides: the odd pixel comes after
        (5, 3, 2, (1, 1)),
        (4, 5, 2, (1, 2)),
        (1, 3, 2, (1, 1)),
    ],
)
def test_same_padding(size: int, kernel: int, stride: int, expected: tuple[int, int]) -> None:
    before, after = same_padding(size, kernel, stride)
    assert (before, after) == expected
    assert (size + before + after - kernel) // stride + 1 == -(-size // stride)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 12), (5, 7)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_a_convolution_is_padded_convolved_and_normalised(height: int, width: int, kernel: int) -> None:
    """Against BatchNorm and convolution of torch, one after the other."""
    torch.manual_seed(0)
    layer = ConvNorm(4, 4, kernel, stride=2, groups=4)
    norm = torch.nn.BatchNorm2d(4, eps=1e-3).eval()
    for tensor in (layer.weight, layer.scale, layer.shift, layer.mean):
        torch.nn.init.normal_(tensor)
    torch.nn.init.uniform_(layer.variance, 0.5, 2.0)
    norm.load_state_dict(
        {"weight": layer.scale, "bias": layer.shift, "running_mean": layer.mean, "running_var": layer.variance},
        strict=False,
    )
    x = torch.randn(2, 4, height, width)
    top, bottom = same_padding(height, kernel, 2)
    left, right = same_padding(width, kernel, 2)
    padded = torch.zeros(2, 4, height + top + bottom, width + left + right)
    padded[:, :, top : top + height, left : left + width] = x
    expected = norm(torch.nn.functional.conv2d(padded, layer.weight, stride=2, groups=4))
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer.train()(x), expected)
    torch.testing.assert_close(layer(x)[:1], layer(x[:1]))
