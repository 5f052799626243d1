"""Fusion in nonsubsampled shearlets by a pulse-coupled network that multi-scale morphological gradients drive."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.filters.morphology import gradient
from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.pulse_coupled import by_firings, firings
from fusebench.fusers.rules.selection import share
from fusebench.fusers.transforms.shearlet import ShearletTransform
from torch import Tensor

SCALES = (1, 2, 3)
ATTENTION = 4.0


@dataclass(frozen=True)
class NSSTMSMGPCNN(ShearletTransform):
    """W. Tan, P. Tiwari, H. M. Pandey, C. Moreira, A. K. Jaiswal, NSST-MSMG-PCNN, 2020.

    Multimodal medical image fusion algorithm in the era of big data, Neural Computing and Applications. The high band's
    coefficient whose neuron fires more often is taken (`gradient_firings`), the mean where both fire as often; the low
    bands are weighed by how far they are from what is common in them (`attributed`). The published code takes the first
    source where both fire as often, and has other pyramid filters. Its directions and sizes are the default; for these
    options see the transform.

    Examples
    --------
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(NSSTMSMGPCNN(directions=(2,), sizes=(8,))(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "nsst-msmg-pcnn"
    reference: ClassVar[str] = "Tan et al. 2020"
    title: ClassVar[str] = "NSST-MSMG-PCNN"
    slow: ClassVar[bool] = True
    directions: tuple[int, ...] = (4, 4, 3, 3)
    sizes: tuple[int, ...] = (32, 32, 16, 16)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=by_firings(gradient_firings), low=attributed, costly=True)


def gradient_firings(band: Tensor) -> Tensor:
    """Count firings of neurons whose stimulus is the multi-scale morphological gradient of a band (N, h, w).

    The network is `firings` with 7 x 7 neighbours; its stimulus is taken as it is, L falls by e^-0.02 and T by e^-3.
    """
    stimulus = torch.cat([multiscale_gradient(image.abs()) for image in torch.split(band, 1)])
    return firings(stimulus, side=7, adapt=False, fading=(0.02, 3.0))


def multiscale_gradient(image: Tensor) -> Tensor:
    """Sum the morphological gradients of disks of radius 2 t + 1, each over 2 t + 1, for t = 1, 2, 3.

    Examples
    --------
    >>> round(multiscale_gradient(torch.tensor([[[0.0, 1.0]]], dtype=torch.float64))[0, 0, 0].item(), 6)
    0.67619
    """
    radii = [2 * t + 1 for t in SCALES]
    return sum((gradient(image, radius) / radius for radius in radii), torch.zeros_like(image))


def attributed(a: Tensor, b: Tensor) -> Tensor:
    """Weigh two low bands by exp(4 |x - p|), where p is the mean of an image's mean and its median.

    Examples
    --------
    The first band is flat and weighs 1; of the second, p is 1/2 and both weights e^2.

    >>> found = attributed(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]]))[0, 0]
    >>> round(found[1].item(), 6)  # e^2 / (1 + e^2)
    0.880797
    """
    return b + share(_attribute(a), _attribute(b)) * (a - b)


def _attribute(band: Tensor) -> Tensor:
    values = band.flatten(1).sort(dim=1).values
    count = values.shape[1]
    middle = (values[:, (count - 1) // 2] + values[:, count // 2]) / 2
    common = ((values.mean(dim=1) + middle) / 2)[:, None, None]
    return (ATTENTION * (band - common).abs()).exp()
