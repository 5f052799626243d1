"""Fusion in a morphological pyramid."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.activity import average
from fusebench.fusers.rules.selection import larger
from fusebench.fusers.transforms.pyramids import MorphologicalPyramid
from torch import Tensor


@dataclass(frozen=True)
class Morphological(MorphologicalPyramid):
    """G. K. Matsopoulos, S. Marshall, J. N. H. Brunt, Multiresolution morphological fusion of MR and CT images, 1994.

    The larger difference is taken; the top is averaged. For the options see the pyramid.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(Morphological()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "morphological"
    reference: ClassVar[str] = "Matsopoulos, Marshall, Brunt 1994"
    title: ClassVar[str] = "Morphological pyramid"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=larger, low=average)
