"""Fusion in the stationary wavelet transform."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.activity import average
from fusebench.fusers.rules.selection import larger
from fusebench.fusers.transforms.stationary import StationaryTransform
from torch import Tensor


@dataclass(frozen=True)
class SWT(StationaryTransform):
    """O. Rockinger, Image sequence fusion using a shift-invariant wavelet transform, ICIP 1997.

    The larger coefficient is taken; the low band is averaged. For the options see the transform.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(SWT()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "swt"
    reference: ClassVar[str] = "Rockinger 1997"
    title: ClassVar[str] = "Stationary wavelets"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=larger, low=average)
