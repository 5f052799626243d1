"""Fusion in the ratio of low-pass pyramid."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.activity import average
from fusebench.fusers.rules.selection import farther_from_one
from fusebench.fusers.transforms.pyramids import RatioPyramid
from torch import Tensor


@dataclass(frozen=True)
class Ratio(RatioPyramid):
    """A. Toet, Image fusion by a ratio of low-pass pyramid, Pattern Recognition Letters 9 (1989).

    The ratio that differs more from 1 is taken; the top is averaged. For the options see the pyramid.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(Ratio()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "ratio"
    reference: ClassVar[str] = "Toet 1989"
    title: ClassVar[str] = "Ratio pyramid"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=farther_from_one, low=average)
