"""Fusion by the deep support value network of Du et al."""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from fusebench.fusers import learned
from fusebench.fusers.neural.multifocus import WINDOW, blend, focus_map
from fusebench.fusers.neural.precision import full_precision
from torch import Tensor

FILE = "support_value_cnn.safetensors"
SHA256 = "36e7e5ab9bc47e78f11f13aadc94f2ad042e5ecd21564da0c75c1e7992990625"
CHANNELS = (1, 64, 128, 128, 256)
STRIDES = (1, 1, 2, 1)


@dataclass(frozen=True)
class SupportValueCNN:
    """Fuse by a network trained as a support vector machine is, to tell which of two patches is in focus.

    C. Du, S. Gao, Y. Liu, B. Gao, Multi-focus image fusion using deep support value convolutional neural network, Optik
    176 (2019) 567-578. What differs from `cnn`: a convolution of stride 2 takes the place of the pooling, which loses
    information; and the loss is that of structural risk, the squared distance of a window's support value s from the
    right side of its margin, max(0, 1 - y s)^2, and the squared norm of the last layer's weights.

    Both sources pass through the same branch; the support value of a 16 x 16 window is one 8 x 8 kernel's product with
    the difference of what the branches give, so that swapping the sources changes its sign. Overlapping windows'
    (1 + s) / 2, clipped to [0, 1], are averaged to a focus map, which is decided at 1/2, cleaned of small regions and
    smoothed along the edges of the blend, as `cnn` does. The paper's numbers of channels and what it does behind the
    decision could not be had; the weights are trained by this project (docs/multifocus-model-card.md).

    On medical pairs "in focus" can only mean "more active".

    Raises
    ------
    ValueError
        If an image is smaller than a window, 16 x 16.
    """

    name: ClassVar[str] = "dsvcnn"
    reference: ClassVar[str] = "Du, Gao, Liu, Gao 2019"
    title: ClassVar[str] = "Deep support value CNN"
    least: ClassVar[int] = WINDOW
    weights_sha256: ClassVar[str] = SHA256

    @property
    def parameters(self) -> int:
        """Weights and biases of the network."""
        return sum(tensor.numel() for tensor in load().values())

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Find the support values, decide and blend."""
        if min(a.shape[1:]) < WINDOW:
            raise ValueError(f"dsvcnn needs images of at least {WINDOW} x {WINDOW} pixels, not {tuple(a.shape[1:])}")
        return blend(a.double(), b.double(), focus(a, b, load())).clamp(0, 1).float()


def load() -> dict[str, Tensor]:
    """Load the weights, verified."""
    return learned.load("fusebench.fusers.neural", FILE, SHA256)


def focus(a: Tensor, b: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Give the focus map, (N, H, W): the mean of the windows' (1 + s) / 2, above 1/2 where a is in focus."""
    values = support_values(a.float(), b.float(), weights).double()
    return focus_map(((1 + values) / 2).clamp(0, 1), (a.shape[1], a.shape[2]))


@full_precision()
def support_values(a: Tensor, b: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Give the support value of every 16 x 16 window, two pixels apart: (N, H, W) to (N, h, w), h = ceil(H / 2) - 7.

    Positive where the first source is in focus, and at least 1 where that is sure.
    """
    return F.conv2d(_branch(a, weights) - _branch(b, weights), weights["support.weight"].to(a.device))[:, 0]


def _branch(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    out = image[:, None]
    for index, stride in enumerate(STRIDES):
        kernel, bias = (weights[f"branch.{index}.{part}"].to(image.device) for part in ("weight", "bias"))
        out = F.conv2d(out, kernel, bias, stride=stride, padding=1).relu()
    return out
