"""Fusion by approaching the maximum of two colour images' VGG16 features: luma and chroma together."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from fusebench.fusers.base import ALWAYS_SHOWN, NEVER_SHOWN
from fusebench.fusers.neural import vgg16_weights
from fusebench.fusers.neural.curvature import Curvature
from fusebench.fusers.neural.lbfgs import minimise
from fusebench.fusers.neural.vgg16 import INITIAL, WHITE, Objective, image_of, least, target_of
from fusebench.fusers.neural.vgg16_network import Network
from torch import Tensor


@dataclass(frozen=True)
class VGG16Colour:
    """Find the colour image whose VGG16 features are nearest to the maximum of the two sources'.

    The seed paper's loss, sum (max(F(a), F(b)) - F(x))^2, over images x with three channels from 0 to 255: the network
    was made for colour, and gets each source as it is. The paper fuses luma alone and names colour as future work. By
    the bounded solver of `vgg16`, from the mean of the sources; the curvature is estimated for the mean of the
    channels.

    Parameters
    ----------
    layer
        One of the 13 convolutions, conv1_1 to conv5_3.
    evaluations
        Of the loss, at most; positive.
    tolerance
        The solver ends where its steps lower the loss by less than this part of it, on average of five; positive.
    weights_file
        The file that holds the network, or the word "torchvision" (`vgg16_weights.load`).

    Raises
    ------
    ValueError
        If there is no such layer, a number is not positive, or the weights are missing or wrong.

    Examples
    --------
    Two equal sources are their own fusion: the loss is 0 at the start.

    >>> x = torch.rand(1, 3, 8, 8)
    >>> torch.allclose(VGG16Colour()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "vgg16-colour"
    colour: ClassVar[bool] = True
    drift: ClassVar[float] = 2e-2  # as that of `vgg16` in float32
    layer: str = field(default="conv1_2", metadata=ALWAYS_SHOWN)
    evaluations: int = 50
    tolerance: float = 2e-4
    weights_file: str = field(default="", metadata=NEVER_SHOWN)

    def __post_init__(self) -> None:
        vgg16_weights.check_layer(self.layer)
        if self.evaluations < 1 or not self.tolerance > 0:
            raise ValueError(f"evaluations={self.evaluations}, tolerance={self.tolerance}: both must be positive")

    @property
    def least(self) -> int:
        """Smallest height and width, which leave the layer a pixel."""
        return least(self.layer)

    @property
    def title(self) -> str:
        """What it is called beside the grey method."""
        return f"VGG16 + L-BFGS in colour, {self.layer}"

    @property
    def parameters(self) -> int:
        """Weights and biases of the network up to the layer."""
        return vgg16_weights.parameters(self.layer)

    @property
    def weights_sha256(self) -> str:
        """Digest of the network, once it is found and verified."""
        return vgg16_weights.sha256(self.weights_file)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n]), (N, 3, H, W)."""
        network = Network(self.layer, a, self.weights_file, colour=True)
        objective = Objective(network, target_of(network, a, b))
        start = WHITE * INITIAL["blend"](a, b)
        grey = start.mean(dim=1)
        curvature = Curvature(Network(self.layer, grey, self.weights_file), grey)

        def evaluate(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
            loss, gradient = objective(x.view(-1, *a.shape[1:]), rows)
            return loss, gradient.flatten(1, 2)

        def inverse(vector: Tensor, rows: Tensor) -> Tensor:
            channels = vector.view(-1, *a.shape[1:]).unbind(1)
            return torch.cat([curvature.inverse(channel, rows) for channel in channels], dim=1)

        x, _ = minimise(
            evaluate,
            start.flatten(1, 2),  # the channels of an image below each other
            inverse,
            tolerance=self.tolerance,
            most=self.evaluations,
            low=0,
            high=WHITE,
            rounded=True,
        )
        return image_of(x.view(a.shape))
