"""Fusion in the dual-tree complex wavelet transform."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.activity import average
from fusebench.fusers.rules.selection import larger
from fusebench.fusers.transforms.dual_tree import DualTreeTransform
from torch import Tensor


@dataclass(frozen=True)
class DTCWT(DualTreeTransform):
    """J. J. Lewis et al., Pixel- and region-based image fusion with complex wavelets, Information Fusion 8 (2007).

    Theirs at the level of pixels: the coefficient with the larger magnitude is taken; the low band is averaged. For the
    options see the transform.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(DTCWT()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "dtcwt"
    reference: ClassVar[str] = "Lewis et al. 2007"
    title: ClassVar[str] = "Dual-tree complex wavelets"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=larger, low=average)
