"""Fusion in nonsubsampled shearlets."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.activity import average
from fusebench.fusers.rules.selection import by, window_energy
from fusebench.fusers.transforms.shearlet import ShearletTransform
from torch import Tensor


@dataclass(frozen=True)
class NSST(ShearletTransform):
    """The plain method that those with neurons are compared with: energy of 3 x 3 coefficients, the low band averaged.

    In the transform of G. Easley, D. Labate, W.-Q. Lim (2008); for the options see it.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(NSST()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "nsst"
    reference: ClassVar[str] = "Easley, Labate, Lim 2008"
    title: ClassVar[str] = "Nonsubsampled shearlets"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=by(window_energy), low=average)
