"""Fusion by a map of the sharper source, made to follow the structure of the image."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.filters.borders import Border, pad
from fusebench.fusers.filters.domain_transform import recursive_filter
from fusebench.fusers.filters.windows import box_mean
from torch import Tensor


@dataclass(frozen=True)
class StructureAware:
    """Structure-aware fusion: the source with the larger gradients, by a map smoothed along the first one's edges.

    W. Li, Y. Xie, H. Zhou, Y. Han, K. Zhan, Structure-aware image fusion, Optik 172 (2018), with its parameters.
    Gradients are those of the sources after smoothing that keeps edges (`smooth`); their difference is averaged over
    7 x 7 pixels. Three times the map is cut at 1/2 and smoothed by the domain transform, of 10 pixels and 0.2.

    Differences that leave the image are 0. Where neither source is sharper, to 1e-9 of the range, the mean is taken.

    Parameters
    ----------
    original
        As the authors' code: the image goes on with zeros, and the second source is taken where neither is sharper.

    Examples
    --------
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(StructureAware()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "structure-aware"
    reference: ClassVar[str] = "Li et al. 2018"
    original: bool = False

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double()).clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in float64, before clipping."""
        share = self.sharper(a, b)
        undecided = 0 if self.original else 1e-6  # the far tail of a decision is none
        for _ in range(3):
            share = torch.where((share - 0.5).abs() <= undecided, 0.5, (share > 0.5).double())
            share = recursive_filter(share, a, 10, 0.2)
        return share * a + (1 - share) * b

    def sharper(self, a: Tensor, b: Tensor) -> Tensor:
        """Give 1 where the first source is sharper, 0 where the second is, and else 1/2."""
        outside: Border = "zero" if self.original else "symmetric"
        gradients = []
        for image in (a, b):
            wide = pad(smooth(image), 1, outside)[:, 1:, 1:]
            gradients.append(wide.diff(dim=1)[:, :, :-1].abs() + wide.diff(dim=2)[:, :-1].abs())
        excess = box_mean(gradients[0] - gradients[1], 3, outside)
        least = 0 if self.original else 1e-9
        first = (excess > least).double()
        return first if self.original else torch.where(excess.abs() <= least, 0.5, first)


def smooth(image: Tensor, radius: int = 3, least: float = 0.01) -> Tensor:
    """Move each pixel towards the mean of its window, the less the larger the variance is beside `least`.

    Examples
    --------
    >>> smooth(torch.tensor([[[0.0, 0.0, 1.0]]]), 1, 1e9).tolist()
    [[[0.0, 0.3333333432674408, 0.5]]]
    """
    mean = box_mean(image, radius)
    variance = box_mean(image * image, radius) - mean * mean
    return mean + variance / (variance + least) * (image - mean)
