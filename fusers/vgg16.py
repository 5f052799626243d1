"""Fusion by approaching the maximum of two images' VGG16 features with L-BFGS."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from fusebench.fusers import vgg16_weights
from fusebench.fusers.base import ALWAYS_SHOWN
from fusebench.fusers.vgg16_weights import LAYERS
from torch import Tensor

# Means of the training images, in the network's order: blue, green, red; subtracted, nothing is scaled.
BGR_MEANS = (103.939, 116.779, 123.68)

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}

# The images from which the optimisation may start. Noise is the same for every pair of one size.
INITIAL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "blend": lambda a, b: (a + b) / 2,
    "a": lambda a, b: a,  # noqa: ARG005  a start is a function of both sources
    "b": lambda a, b: b,  # noqa: ARG005
    "maximum": torch.maximum,
    "grey": lambda a, b: torch.full_like(a, 0.5),  # noqa: ARG005
    "noise": lambda a, b: torch.rand(a.shape, generator=torch.Generator().manual_seed(0)).to(a),  # noqa: ARG005
}


class Trace(NamedTuple):
    """How one pair was fused.

    Attributes
    ----------
    image
        The fused image, shape (H, W), float32, clipped to [0, 1].
    losses
        The loss at every evaluation of network and gradient, in their order; the line search may try a step that is
        worse and take it back.
    rounds
        For each round the number of evaluations made by its end; `losses[rounds[k - 1]:rounds[k]]` is round k.
    """

    image: Tensor
    losses: tuple[float, ...]
    rounds: tuple[int, ...]

    @property
    def evaluations(self) -> int:
        """Number of evaluations of network and gradient."""
        return len(self.losses)

    @property
    def round_losses(self) -> tuple[float, ...]:
        """The least loss of each round, which is the loss of the image it ended with."""
        starts = (0, *self.rounds[:-1])
        return tuple(min(self.losses[start:end]) for start, end in zip(starts, self.rounds, strict=True))


@dataclass(frozen=True)
class VGG16LBFGS:
    """The seed paper's method: find the image whose VGG16 features are nearest to the maximum of the sources'.

    With F(x) = relu(conv_n(...)) the features of x at one convolution layer (eq. 2), the target is the elementwise
    maximum F_AB = max(F(a), F(b)) (eq. 3), the loss sum (F_AB - F(x))^2 (eq. 4), and the result
    argmin_x loss by L-BFGS (eq. 6). x runs over grey levels 0 to 255, unbounded while it is optimised and clipped at
    the end; the grey image feeds all three input channels.

    The paper's protocol is 5 rounds of 10 L-BFGS iterations, the history dropped between rounds. L-BFGS-B of SciPy
    is used, without bounds, with a history of 10 and its More-Thuente line search, one pair at a time.

    Parameters
    ----------
    layer
        One of the 13 convolutions, conv1_1 to conv5_3. The network is cut behind it.
    initial
        The image to start from: "blend" (the mean of the sources, the paper's), "a", "b", "maximum", "grey", "noise".
    rounds, iterations
        Outer rounds and iterations in each, positive.
    precision
        "float32", or "float64": slower, and the same to the bit of the written image on every processor, where
        float32 runs drift apart by a percent or so of a score, because L-BFGS amplifies rounding.

    Raises
    ------
    ValueError
        If an option is not one of those above, if an image is too small for the layer (the network halves it before
        every block), or if the weights are missing or wrong.

    Notes
    -----
    L. A. Gatys, A. S. Ecker, M. Bethge, Image style transfer using convolutional neural networks, CVPR 2016, is
    where the paper takes its optimisation from.
    """

    name: ClassVar[str] = "vgg16"
    layer: str = field(default="conv1_2", metadata=ALWAYS_SHOWN)
    initial: str = "blend"
    rounds: int = 5
    iterations: int = 10
    precision: str = "float32"

    def __post_init__(self) -> None:
        if self.layer not in LAYERS:
            raise ValueError(f"layer {self.layer!r} is not in VGG16; its convolutions are {', '.join(LAYERS)}")
        if self.initial not in INITIAL:
            raise ValueError(f"initial image {self.initial!r} is unknown; known: {', '.join(INITIAL)}")
        if self.rounds < 1 or self.iterations < 1:
            raise ValueError(f"rounds={self.rounds}, iterations={self.iterations}: both must be positive")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision {self.precision!r} is unknown; known: {', '.join(PRECISIONS)}")

    @property
    def least(self) -> int:
        """Smallest height and width, which leave the layer a pixel."""
        return least(self.layer)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair on its own: L-BFGS keeps one history for one image."""
        return torch.stack([self.trace(x, y).image for x, y in zip(a, b, strict=True)])

    def trace(self, a: Tensor, b: Tensor) -> Trace:
        """Fuse one pair, a and b of shape (H, W), and keep the loss of every evaluation."""
        from scipy.optimize import minimize

        a, b = a.to(PRECISIONS[self.precision]), b.to(PRECISIONS[self.precision])
        network = Network(self.layer, a)
        with torch.no_grad():
            target = torch.maximum(network.features(255 * a), network.features(255 * b))
        losses: list[float] = []
        rounds: list[int] = []

        def loss_and_gradient(pixels: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
            x = torch.from_numpy(pixels).to(a).view(a.shape).requires_grad_()
            loss = (target - network.features(x)).square().sum()
            (gradient,) = torch.autograd.grad(loss, x)
            losses.append(loss.item())
            return losses[-1], gradient.cpu().double().numpy().ravel()

        pixels = (255 * INITIAL[self.initial](a, b)).double().cpu().numpy().ravel()
        for _ in range(self.rounds):
            pixels = minimize(
                loss_and_gradient, pixels, method="L-BFGS-B", jac=True, options={"maxiter": self.iterations}
            ).x
            rounds.append(len(losses))
        image = (torch.from_numpy(pixels).view(a.shape) / 255).clamp(0, 1).to(a.device, torch.float32)
        return Trace(image, tuple(losses), tuple(rounds))


def least(layer: str) -> int:
    """Give the smallest height and width for a layer: the network halves them before every block but the first.

    Examples
    --------
    >>> least("conv1_2"), least("conv5_1")
    (1, 16)
    """
    return int(2 ** (int(layer[4]) - 1))


class Network:
    """VGG16 up to one convolution, for grey images of one size.

    The three input channels carry the same image, so they are folded into one: the kernels are summed over them, and
    what the subtracted means contribute, which differs at the border where the padding is zero, is a constant image.

    Parameters
    ----------
    layer
        The last convolution.
    like
        An image of the size, type and device to work in, shape (H, W).
    """

    def __init__(self, layer: str, like: Tensor) -> None:
        if min(like.shape) < (side := least(layer)):
            raise ValueError(
                f"{layer} needs images of at least {side} x {side} pixels, not {like.shape[0]} x {like.shape[1]}"
            )
        weights = vgg16_weights.load()
        kept = LAYERS[: LAYERS.index(layer) + 1]
        layers = [(name, weights[name][0].to(like), weights[name][1].to(like)) for name in kept]
        _, kernel, bias = layers[0]
        means = torch.tensor(BGR_MEANS).to(like).view(1, 3, 1, 1)
        self._kernel = kernel.sum(dim=1, keepdim=True)
        self._offset = F.conv2d(-means.expand(1, 3, *like.shape), kernel, bias, padding=1)
        self._rest = layers[1:]

    def features(self, x: Tensor) -> Tensor:
        """Give the layer's output after its ReLU, shape (channels, h, w), for grey levels of shape (H, W)."""
        out = (F.conv2d(x.expand(1, 1, *x.shape), self._kernel, padding=1) + self._offset).relu()
        for name, kernel, bias in self._rest:
            if name.endswith("_1"):
                out = F.max_pool2d(out, 2)
            out = F.conv2d(out, kernel, bias, padding=1).relu()
        return out.squeeze(0)
