"""Zero-learning fusion: details by the features of VGG16, bases by what stands out."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from fusebench.fusers.base import NEVER_SHOWN
from fusebench.fusers.filters.guided import guided
from fusebench.fusers.filters.histogram import histogram_contrast
from fusebench.fusers.filters.windows import box_mean
from fusebench.fusers.neural import vgg16_weights
from fusebench.fusers.neural.vgg16_network import Network
from fusebench.fusers.rules.selection import share
from torch import Tensor

BASE = 17  # radius of the mean: 35 x 35 pixels
GUIDE_RADIUS, GUIDE_EPS = 15, 0.01
LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")


@dataclass(frozen=True)
class ZeroLearning:
    """F. Lahoud, S. Susstrunk, Fast and efficient zero-learning image fusion, 2019.

    The base is the mean of 35 x 35 pixels, the detail the rest. Bases are weighted by how much a grey level stands out:
    the mean distance of a pixel's level to those of all others (Zhai and Shah 2006), brought to [0, 1]. Details are
    weighted for each of four layers by the softmax over both sources of the features' sum over the channels; the
    layers' weights are averaged. All weights are smoothed by a guided filter, whose guide is the source, and brought
    to a sum of 1. The paper takes a network of the user's; here it is VGG16, behind the last convolution before each of
    the first four poolings. The sums are divided by their mean before the softmax, which the paper leaves to the scale
    of the network.

    Parameters
    ----------
    weights_file
        See `vgg16_weights.load`.
    """

    name: ClassVar[str] = "zero-learning"
    reference: ClassVar[str] = "Lahoud, Susstrunk 2019"
    title: ClassVar[str] = "Zero-learning (VGG16)"
    least: ClassVar[int] = 8
    weights_file: str = field(default="", metadata=NEVER_SHOWN)

    @property
    def parameters(self) -> int:
        """Weights and biases of the network up to the last layer."""
        return vgg16_weights.parameters(LAYERS[-1])

    @property
    def weights_sha256(self) -> str:
        """Digest of the network, once it is found and verified."""
        return vgg16_weights.sha256(self.weights_file)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        x, y = a.double(), b.double()
        bases = [box_mean(image, BASE, "symmetric") for image in (x, y)]
        weight_base = _shared(x, y, histogram_contrast(x), histogram_contrast(y))
        detail_a, detail_b = x - bases[0], y - bases[1]
        weight = self._weight(a, b)
        weight_detail = _shared(x, y, weight, 1 - weight)
        base = bases[1] + weight_base * (bases[0] - bases[1])
        return (base + detail_b + weight_detail * (detail_a - detail_b)).clamp(0, 1).float()

    def _weight(self, a: Tensor, b: Tensor) -> Tensor:
        """Give the first source's weight, averaged over the layers."""
        network = Network(LAYERS[-1], a, self.weights_file)
        weights = []
        for of_a, of_b in zip(*(_sums(network, image) for image in (a, b)), strict=True):
            mean = ((of_a + of_b) / 2).mean(dim=(1, 2), keepdim=True).clamp(min=1e-12)
            weight = ((of_a - of_b) / mean).sigmoid()  # the softmax of two
            weights.append(F.interpolate(weight[:, None], size=a.shape[1:], mode="bilinear", align_corners=False)[:, 0])
        return torch.stack(weights).mean(dim=0)


def _sums(network: Network, image: Tensor) -> list[Tensor]:
    """Sum the features of images over the channels at each layer: image by image, which holds less at once."""
    found = [network.features_at(255 * one[None], LAYERS) for one in image]
    return [torch.cat([features.sum(dim=1) for features in layer]).double() for layer in zip(*found, strict=True)]


def _shared(a: Tensor, b: Tensor, weight_a: Tensor, weight_b: Tensor) -> Tensor:
    """Smooth two weights by their sources, and give the first one's part of both."""
    first, second = (
        guided(source, weight, GUIDE_RADIUS, GUIDE_EPS).clamp(min=0)
        for source, weight in ((a, weight_a), (b, weight_b))
    )
    return share(first, second)
