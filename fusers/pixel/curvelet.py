"""Fusion in the curvelet transform."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.activity import average
from fusebench.fusers.rules.selection import larger
from fusebench.fusers.transforms.curvelet import CurveletTransform
from torch import Tensor


@dataclass(frozen=True)
class Curvelet(CurveletTransform):
    """F. Nencini, A. Garzelli, S. Baronti, L. Alparone, Remote sensing image fusion using the curvelet transform, 2007.

    They inject one image's curvelets into the other; between images of equal rights, as in the multi-scale toolboxes,
    the coefficient with the larger magnitude is taken, and the low band is averaged. For the options see the transform.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(Curvelet()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "curvelet"
    reference: ClassVar[str] = "Nencini et al. 2007"
    title: ClassVar[str] = "Curvelets"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=larger, low=average)
