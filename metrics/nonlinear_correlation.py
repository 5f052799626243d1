"""Nonlinear correlation information entropy of the sources and the fused image."""

import math

import torch
from fusebench.metrics.base import Metric
from fusebench.metrics.error import correlation
from fusebench.metrics.mutual_information import LEVELS, mutual_information
from torch import Tensor


def nonlinear_correlation_entropy(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Nonlinear correlation information entropy, Q_NCIE = 1 + sum (e / 3) log256(e / 3).

    e are the three eigenvalues of the matrix R of the images' nonlinear correlations: 1 on its diagonal, and
    NCC(x, y) = I(x, y) / 8 bits beside it, the mutual information of 256 grey levels in units of the largest there
    is.

    Parameters
    ----------
    a, b, fused
        Shape (N, H, W); uint8, or floating in [0, 1].
    mask
        Where the score is taken, (N, H, W) or (1, H, W) bool; see `maps.inside`.

    Returns
    -------
    Tensor
        Shape (N,), float64, a pure number from 1 - log256(3) = 0.80188 (no two images tell of each other, also
        where one is constant) to 1 (three equal images with all grey levels equally often). Three equal images with
        less entropy have less, since NCC(x, x) = H(x) / 8.

    Raises
    ------
    ValueError
        If the images differ in size; see `grey_levels`.

    Notes
    -----
    Q. Wang, Y. Shen, J. Q. Zhang, A nonlinear correlation measure for multivariable data set, Physica D 200 (2005).
    There the values are ranked into b bins of equal counts; for images Q. Wang, Y. Shen, J. Jin, Performance
    evaluation of image fusion techniques, in T. Stathaki (ed.), Image Fusion, 2008, take the 256 grey levels. The
    mutual information among the sources enters too: redundant sources raise the score of every fused image.

    Examples
    --------
    Three equal images of 1 bit, so every NCC is 1/8: e = 1 + 2 / 8, 1 - 1 / 8, 1 - 1 / 8.

    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> expected = 1 + sum(e / 3 * math.log(e / 3, 256) for e in (1.25, 0.875, 0.875))
    >>> math.isclose(nonlinear_correlation_entropy(x, x, x).item(), expected)
    True
    """
    bits = math.log2(LEVELS)
    pairs = ((a, b), (a, fused), (b, fused))
    return _entropy_of_correlations(*(mutual_information(x, y, mask=mask) / bits for x, y in pairs))


def linear_correlation_entropy(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Emulate ivif_zoo's Q_NCIE: the same of Pearson's correlations, which are linear.

    Shapes and errors as `nonlinear_correlation_entropy`. NaN where an image is constant.

    Examples
    --------
    Three equal images: e = 3, 0, 0.

    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> round(linear_correlation_entropy(x, x, x).item(), 12)
    1.0
    """
    return _entropy_of_correlations(*(correlation(x, y, mask=mask) for x, y in ((a, b), (a, fused), (b, fused))))


def _entropy_of_correlations(ab: Tensor, af: Tensor, bf: Tensor) -> Tensor:
    one = torch.ones_like(ab + af + bf)
    entries = (one, ab, af, ab, one, bf, af, bf, one)
    matrix = torch.stack([entry.expand_as(one) for entry in entries], dim=-1).view(-1, 3, 3)
    # NaN would stop the solver; and equal images have eigenvalues of 0, which rounding may leave below it.
    defined = matrix.isfinite().all(dim=(-2, -1))
    shares = torch.linalg.eigvalsh(torch.where(defined.view(-1, 1, 1), matrix, 0.0)).clamp(min=0) / 3
    score = 1 + torch.special.xlogy(shares, shares).sum(dim=-1) / math.log(LEVELS)
    return torch.where(defined, score, torch.nan)


Q_NCIE = Metric(
    name="Q_NCIE",
    convention="wang",
    family="information",
    source="Wang, Shen and Zhang 2005; Wang, Shen and Jin 2008",
    formula=r"Q_{NCIE} = 1 + \sum_{k=1}^{3} \frac{\lambda_k}{3} \log_{256} \frac{\lambda_k}{3}",
    range=(1 - math.log(3, 256), 1),
    identical=None,
    constant=1 - math.log(3, 256),
    reach=0,
    score=nonlinear_correlation_entropy,
)

Q_NCIE_IVIF_ZOO = Metric(
    name="Q_NCIE",
    convention="ivif_zoo",
    family="information",
    source="IVIF_ZOO: of Pearson's correlations, which are linear",
    range=(1 - math.log(3, 256), 1),
    constant=math.nan,
    undefined=True,
    reach=0,
    score=linear_correlation_entropy,
    variant=True,
)

RECORDS = (
    Q_NCIE,
    Q_NCIE_IVIF_ZOO,
)
