"""Fusion by the features of VGG16 as weights of details, without any training."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from fusebench.fusers.base import NEVER_SHOWN
from fusebench.fusers.filters.windows import box_mean
from fusebench.fusers.neural import vgg16_weights
from fusebench.fusers.neural.vgg16_network import Network
from fusebench.fusers.rules.selection import share
from torch import Tensor

SMOOTHNESS = 5.0  # lambda of the base's equation


@dataclass(frozen=True)
class DLF:
    """H. Li, X.-J. Wu, J. Kittler, Infrared and visible image fusion using a deep learning framework, ICPR 2018.

    An image is a base, which minimises |I - base|^2 + 5 (|dx base|^2 + |dy base|^2), and the detail that is left. Bases
    are averaged. For each layer the activity of a detail is the sum of the absolute features over the channels,
    averaged over 3 x 3 places; weights are its parts of both, each for as many pixels as the layer's place stands for.
    Of the layers' fused details the largest value is taken. The paper takes relu1_1 to relu4_1 of VGG19; here they are
    those of VGG16, whose first two are alike in shape. The base is solved with the image mirrored at its borders.

    Parameters
    ----------
    layers
        Convolutions whose features weigh, behind their ReLU.
    weights_file
        See `vgg16_weights.load`.

    Raises
    ------
    ValueError
        If a layer is not in VGG16, or none is named.
    """

    name: ClassVar[str] = "dlf"
    reference: ClassVar[str] = "Li, Wu, Kittler 2018"
    title: ClassVar[str] = "DLF (VGG16)"
    layers: tuple[str, ...] = ("conv1_1", "conv2_1", "conv3_1", "conv4_1")
    weights_file: str = field(default="", metadata=NEVER_SHOWN)

    def __post_init__(self) -> None:
        for layer in self.layers:
            vgg16_weights.check_layer(layer)
        if not self.layers:
            raise ValueError("layers=(): at least one is needed")

    @property
    def least(self) -> int:
        """Smallest height and width, which leave the last layer a pixel."""
        return int(2 ** (max(int(layer[4]) for layer in self.layers) - 1))

    @property
    def parameters(self) -> int:
        """Weights and biases of the network up to the last layer."""
        return max(map(vgg16_weights.parameters, self.layers))

    @property
    def weights_sha256(self) -> str:
        """Digest of the network, once it is found and verified."""
        return vgg16_weights.sha256(self.weights_file)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        bases = [base(image.double()) for image in (a, b)]
        details = [image.double() - smooth for image, smooth in zip((a, b), bases, strict=True)]
        network = Network(max(self.layers), a, self.weights_file)  # whose names sort as they follow each other
        fused = []
        for of_a, of_b in zip(*(self._activities(network, detail.to(a)) for detail in details), strict=True):
            weight = F.interpolate(share(of_a, of_b)[:, None], size=a.shape[1:], mode="nearest-exact")[:, 0]
            fused.append(details[1] + weight * (details[0] - details[1]))
        detail = torch.stack(fused).amax(dim=0)
        return ((bases[0] + bases[1]) / 2 + detail).clamp(0, 1).float()

    def _activities(self, network: Network, detail: Tensor) -> list[Tensor]:
        """Give the activity of details at each layer, (N, h, w): image by image, which holds less at once."""
        found = [network.features_at(255 * one[None], self.layers) for one in detail]
        sums = (torch.cat([features.abs().sum(dim=1) for features in layer]) for layer in zip(*found, strict=True))
        return [box_mean(layer.double(), 1, "symmetric") for layer in sums]


def base(image: Tensor) -> Tensor:
    """Solve (1 + 5 (dx'dx + dy'dy)) base = image for images (N, H, W) in float64, mirrored at their borders.

    Examples
    --------
    What is flat stays so, and the mean of anything.

    >>> x = torch.rand(1, 5, 6, dtype=torch.float64)
    >>> torch.allclose(base(torch.ones_like(x)), torch.ones_like(x)), bool((base(x).mean() - x.mean()).abs() < 1e-12)
    (True, True)
    """
    from scipy.fft import dctn, idctn

    spectrum = dctn(image.cpu().numpy(), axes=(1, 2), norm="ortho")
    squares = [2 - 2 * torch.cos(torch.pi * torch.arange(n, dtype=torch.float64) / n) for n in image.shape[1:]]
    smoothing = 1 + SMOOTHNESS * (squares[0][:, None] + squares[1])
    return torch.from_numpy(idctn(spectrum / smoothing.numpy(), axes=(1, 2), norm="ortho")).to(image.device)
