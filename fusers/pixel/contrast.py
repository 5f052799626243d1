"""Fusion in the contrast pyramid."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.activity import average
from fusebench.fusers.rules.selection import by, window_energy
from fusebench.fusers.transforms.pyramids import ContrastPyramid
from torch import Tensor


@dataclass(frozen=True)
class Contrast(ContrastPyramid):
    """A. Toet, L. J. van Ruyven, J. M. Valeton, Merging thermal and visual images by a contrast pyramid, 1989.

    The larger contrast is taken, of 3 x 3 levels by their energy (as A. Toet 1990 refines it); the top is averaged. For
    the options see the pyramid.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(Contrast()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "contrast"
    reference: ClassVar[str] = "Toet, van Ruyven, Valeton 1989"
    title: ClassVar[str] = "Contrast pyramid"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=by(window_energy), low=average)
