"""Fusion in the Laplacian pyramid."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.activity import average
from fusebench.fusers.rules.selection import burt
from fusebench.fusers.transforms.pyramids import LaplacianPyramid
from torch import Tensor


@dataclass(frozen=True)
class Laplacian(LaplacianPyramid):
    """P. J. Burt, R. J. Kolczynski, Enhanced image capture through fusion, ICCV 1993, in the pyramid of 1983.

    Levels are mixed where they match and chosen by their salience where they differ; the top is averaged. For the
    options see the pyramid.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(Laplacian()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "laplacian"
    reference: ClassVar[str] = "Burt, Kolczynski 1993"
    title: ClassVar[str] = "Laplacian pyramid"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=burt, low=average)
