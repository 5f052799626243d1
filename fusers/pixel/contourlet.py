"""Fusion in the contourlet transform."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.activity import average, choose_by_region
from fusebench.fusers.transforms.contourlet import ContourletTransform
from torch import Tensor


@dataclass(frozen=True)
class Contourlet(ContourletTransform):
    """Fusion in the contourlet transform: high bands by 2 x 2 region activity, the low band averaged.

    The seed paper's contourlet baseline, with the rule it states. It does not name the filters or the directions:
    "9-7" and "pkva" are taken, which Do and Vetterli 2005 use, and four levels as in the wavelet baseline, with 4, 4, 8
    and 8 directions, more at the finer levels as there.

    Images of any size are fused. They are continued by their mirror images as far as the filters reach, so that the
    opposite border, on which the periodic transform closes, does not shine through: by 256 pixels on each side for the
    default, twice as many with each further level.

    Parameters
    ----------
    directions
        For each level, coarse to fine, log2 of the number of its directions; 0 is a wavelet step.
    pyramid
        "9-7", "5-3" or "burt".
    directional
        "pkva" (which is "pkva12"), "pkva8" or "pkva6".

    Raises
    ------
    ValueError
        See `fusers.transforms.contourlet.check_options`.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(Contourlet()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "contourlet"
    reference: ClassVar[str] = "Do, Vetterli 2005"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=choose_by_region, low=average)
