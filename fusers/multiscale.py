"""Fusion in a transform: a transform, a rule for the high bands and a rule for the low band make a fuser."""

import math
from collections.abc import Callable

import torch
from fusebench.fusers.transforms.base import Pyramid, Transform
from fusebench.fusers.transforms.borders import extend
from torch import Tensor

# The bands of both sources, each of shape (N, h, w), to the fused band, of the same shape.
Rule = Callable[[Tensor, Tensor], Tensor]


def fuse(a: Tensor, b: Tensor, transform: Transform, *, high: Rule, low: Rule) -> Tensor:
    """Fuse images in a transform: decompose both, fuse band by band, reconstruct.

    The images are continued by their mirror images as far as the transform reaches. So a border does not see the
    opposite one, with which a periodic transform joins it, and a mirrored image is fused to the mirrored result.
    All is computed in float64: rounding in float32 differs between processors, and with it a grey level here and there.

    Parameters
    ----------
    a, b
        Registered images, shape (N, H, W), in [0, 1].
    transform
        Any of `fusers.transforms`, with its options.
    high
        The rule for each band of every level.
    low
        The rule for the low band.

    Returns
    -------
    Tensor
        Shape (N, H, W), float32, clipped to [0, 1].

    Examples
    --------
    The contourlet transform, with the larger coefficient of the two for a rule:

    >>> from fusebench.fusers.rules.activity import average
    >>> from fusebench.fusers.transforms.contourlet import ContourletTransform
    >>> x = torch.rand(2, 5, 7)
    >>> def larger(a, b):
    ...     return torch.where(a.abs() > b.abs(), a, b)
    >>> torch.allclose(fuse(x, x, ContourletTransform(directions=(1, 2)), high=larger, low=average), x, atol=1e-6)
    True
    """
    # Whole steps of the coarsest grid come before the image, so that it lies on the grid as it does without a margin.
    margin = math.ceil(transform.reach / transform.grid) * transform.grid
    height, width = a.shape[1:]
    margins = [(margin, margin + -length % transform.grid) for length in (height, width)]
    bands = transform.decompose(extend(torch.cat([a, b]).double(), margins))
    chosen = [[high(*band.chunk(2)) for band in level] for level in bands.high]
    fused = transform.reconstruct(Pyramid(low(*bands.low.chunk(2)), chosen, bands.size))
    return fused[:, margin : margin + height, margin : margin + width].clamp(0, 1).float()
