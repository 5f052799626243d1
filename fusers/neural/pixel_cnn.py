"""Fusion by the pixel-wise network of Tang et al., which tells focused, defocused and unknown pixels apart."""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from fusebench.fusers import learned
from fusebench.fusers.neural.multifocus import blend
from fusebench.fusers.neural.precision import full_precision
from fusebench.fusers.transforms.borders import extend
from torch import Tensor

FILE = "pixel_cnn.safetensors"
SHA256 = "a632e16f8e0cae39a4098a1a158e46682892d532c3997aac9fbf326048e56041"
CHANNELS = (1, 16, 16, 32, 32, 64, 64)
CLASSES = ("focused", "defocused", "unknown")
SIDE, CENTRE = 32, 15  # pixels a score looks at, and which of them it speaks of


@dataclass(frozen=True)
class PixelCNN:
    """Fuse by a network that tells of each pixel of one source whether it is in focus.

    H. Tang, B. Xiao, W. Li, G. Wang, Pixel convolutional neural network for multi-focus image fusion, Information
    Sciences 433-434 (2018) 125-141. The network looks at the 32 x 32 pixels around a pixel and gives probabilities:
    focused, defocused, or unknown, where there is nothing to tell by. Of a pair one source is in focus, so that of a
    pixel the first is with probability f_a d_b / (f_a d_b + d_a f_b). That map is decided at 1/2, cleaned of small
    regions and smoothed along the edges of the blend, as `cnn` does. Borders are mirrored.

    The paper's layers and masks could not be had. Here: three pairs of 3 x 3 convolutions with 16, 32 and 64 channels,
    a 2 x 2 maximum pooling between them, weights trained by this project (docs/multifocus-model-card.md). What the
    paper calls a pixel-wise network by an image-wise one is done here by dilation: each pixel's score is that of its
    own 32 x 32 patch, computed once for all of them.

    On medical pairs "in focus" can only mean "more active".
    """

    name: ClassVar[str] = "p-cnn"
    reference: ClassVar[str] = "Tang, Xiao, Li, Wang 2018"
    title: ClassVar[str] = "p-CNN"
    weights_sha256: ClassVar[str] = SHA256

    @property
    def parameters(self) -> int:
        """Weights and biases of the network."""
        return sum(tensor.numel() for tensor in load().values())

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Tell the classes of both sources, decide and blend."""
        return blend(a.double(), b.double(), focus(a, b, load())).clamp(0, 1).float()


def load() -> dict[str, Tensor]:
    """Load the weights, verified."""
    return learned.load("fusebench.fusers.neural", FILE, SHA256)


def focus(a: Tensor, b: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Give the probability that a is in focus at each pixel, (N, H, W)."""
    return in_focus(classes(a, weights), classes(b, weights))


def classes(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Give the logarithms of each pixel's probabilities: (N, H, W) to (N, 3, H, W), in the order of `CLASSES`."""
    wide = extend(image.float(), [(CENTRE, SIDE - 1 - CENTRE)] * 2)
    return scores(wide, weights).double().log_softmax(dim=1)


def in_focus(a: Tensor, b: Tensor) -> Tensor:
    """Give the probability that the first source is in focus, from both sources' logarithms, where one of them is.

    Examples
    --------
    Where one source says nothing, the other decides.

    >>> import torch
    >>> a, b = (torch.tensor([[[[f]], [[d]], [[u]]]]).log() for f, d, u in ((0.8, 0.2, 0.0), (0.1, 0.1, 0.8)))
    >>> round(in_focus(a, b).item(), 6)
    0.8
    """
    return ((a[:, 0] + b[:, 1]) - (a[:, 1] + b[:, 0])).sigmoid()


@full_precision()
def scores(image: Tensor, weights: dict[str, Tensor], *, every_fourth: bool = False) -> Tensor:
    """Score the classes of each 32 x 32 patch: (N, H, W) to (N, 3, H - 31, W - 31).

    With `every_fourth` the poolings halve the image, as in training: the scores of every fourth patch alone, in a
    fraction of the time. Otherwise they keep all places, and what follows them is dilated.
    """
    out, apart = image[:, None], 1
    for index in range(len(CHANNELS) - 1):
        if index and index % 2 == 0:
            out = F.max_pool2d(out, 2) if every_fourth else F.max_pool2d(out, 2, stride=1, dilation=apart)
            apart *= 1 if every_fourth else 2
        kernel, bias = (weights[f"layer.{index}.{part}"].to(image.device) for part in ("weight", "bias"))
        out = F.conv2d(out, kernel, bias, dilation=apart).relu()
    return F.conv2d(out, weights["classes.weight"].to(image.device), weights["classes.bias"].to(image.device))
