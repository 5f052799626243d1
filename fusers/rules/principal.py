"""The rule that weighs two bands by their first principal component."""

import torch
from torch import Tensor


def principal_weights(a: Tensor, b: Tensor, *, signed: bool = False) -> tuple[Tensor, Tensor]:
    """Give the components of the eigenvector of the larger eigenvalue of the bands' 2 x 2 covariance, summing to 1.

    The magnitudes are taken: of bands that are negatively correlated the components differ in sign, so that one weight
    is negative and the other above 1, without bound. Where the covariance has no direction each weight is 1/2.

    Parameters
    ----------
    a, b
        Two bands, shape (N, h, w).
    signed
        Take the components with their signs.

    Returns
    -------
    tuple[Tensor, Tensor]
        The weights of `a` and of `b`, each of shape (N, 1, 1).

    Examples
    --------
    >>> a = torch.tensor([[[1.0, 2.0, 3.0]]])
    >>> [w.item() for w in principal_weights(a, a)], [round(w.item(), 6) for w in principal_weights(a, 3 * a)]
    ([0.5, 0.5], [0.25, 0.75])
    """
    a, b = (band - band.mean((1, 2), keepdim=True) for band in (a, b))
    aa, bb, ab = ((x * y).sum((1, 2), keepdim=True) for x, y in ((a, a), (b, b), (a, b)))
    angle = torch.atan2(2 * ab, aa - bb) / 2
    first, second = angle.cos(), angle.sin()
    if not signed:
        first, second = first.abs(), second.abs()
    no_direction = (ab == 0) & (aa == bb)
    weight = torch.where(no_direction, 0.5, first / (first + second))
    return weight, 1 - weight
