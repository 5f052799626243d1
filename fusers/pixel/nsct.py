"""Fusion in the nonsubsampled contourlet transform."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.activity import average, choose_by_region
from fusebench.fusers.transforms.nsct import NonsubsampledContourletTransform
from torch import Tensor


@dataclass(frozen=True)
class NSCT(NonsubsampledContourletTransform):
    """Fusion in the nonsubsampled contourlet transform: high bands by 2 x 2 region activity, the low band averaged.

    The rule, the filters and the directions of `Contourlet`, in a transform without samplings, so that a choice between
    coefficients does not depend on where the image lies on their grid. The default has 25 bands of the image's size.

    The image is continued by its mirror image as far as the filters reach, 102 pixels on each side for the default: the
    directional filters close on the opposite border, and a choice between mirrored coefficients is not a mirrored one.

    Parameters
    ----------
    directions
        For each level, coarse to fine, log2 of the number of its directions; 0 leaves the level's detail whole.
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
    >>> torch.allclose(NSCT()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "nsct"
    reference: ClassVar[str] = "da Cunha, Zhou, Do 2006"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=choose_by_region, low=average)
