"""Entropy and mutual information of grey levels, and the scores made of them.

All of them count: an image's 256 grey levels are a histogram, a pair's a joint histogram of 256 x 256, with no
smoothing and no other binning. Logarithms are to base 2, so the unit is the bit.
"""

import math

import torch
from fusebench.metrics.base import Metric, grey_codes, same_size, shared
from torch import Tensor

LEVELS = 256


def entropy(image: Tensor) -> Tensor:
    """Shannon entropy of the grey levels, H(x) = -sum p log2 p.

    Parameters
    ----------
    image
        Shape (N, H, W); uint8, or floating in [0, 1].

    Returns
    -------
    Tensor
        Shape (N,), float64, in bits: 0 for a constant image, 8 for one with all levels equally often.

    Raises
    ------
    ValueError
        See `grey_levels`.

    Notes
    -----
    The seed paper, eq. 11; C. E. Shannon, A mathematical theory of communication, 1948.

    Examples
    --------
    >>> entropy(torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)).tolist()
    [1.0]
    """
    return _entropy(_histogram(grey_codes(image), LEVELS))


def mutual_information(x: Tensor, y: Tensor) -> Tensor:
    """Mutual information of two images' grey levels, I(x, y) = sum p(x, y) log2(p(x, y) / (p(x) p(y))).

    Parameters
    ----------
    x, y
        Shape (N, H, W), both; uint8, or floating in [0, 1].

    Returns
    -------
    Tensor
        Shape (N,), float64, in bits: 0 where they are independent, at most the smaller entropy.

    Raises
    ------
    ValueError
        If the shapes differ; see `grey_levels`.

    Notes
    -----
    The seed paper, eq. 8. On few pixels the count is biased upwards: independent images of P pixels that use K and L
    levels have about (K - 1)(L - 1) / (2 P ln 2) bits.

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> mutual_information(x, x).tolist(), mutual_information(x, x.mT).tolist()
    ([1.0], [0.0])
    """
    h_x, h_y, h_xy = _entropies(x, y)
    return (h_x + h_y - h_xy).clamp(min=0)  # rounding may leave -1e-16


def fusion_mutual_information(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """Information the fused image shares with its sources, MI = I(f, a) + I(f, b).

    Shapes and errors as `mutual_information`; in bits, from 0 to 2 H(f). What the sources share is counted twice, and
    a source returned untouched scores high: MI(x, x, x) = 2 H(x).

    Notes
    -----
    The seed paper, eq. 9; G. Qu, D. Zhang, P. Yan, Information measure for performance of image fusion, Electronics
    Letters 38 (2002).

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> fusion_mutual_information(x, x.mT, x).tolist()
    [1.0]
    """
    return mutual_information(fused, a) + mutual_information(fused, b)


def normalised_mutual_information(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """Information the fused image shares with its sources, relative to their entropies.

    M = I(f, a) / (H(f) + H(a)) + I(f, b) / (H(f) + H(b)), from 0 to 1; M(x, x, x) = 1. Shapes and errors as
    `mutual_information`.

    Where f and a source are both constant the term is 0 / 0 and is defined as 0: neither has information, so none
    was carried over. A constant f scores 0 against any sources.

    Notes
    -----
    The seed paper, eq. 10. M. Hossny, S. Nahavandi, D. Creighton, Comments on "Information measure for performance
    of image fusion", Electronics Letters 44 (2008), define twice this value (`Q_MI`).

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> normalised_mutual_information(x, x, x).tolist(), normalised_mutual_information(x, x.mT, x).tolist()
    ([1.0], [0.5])
    """
    return _share(fused, a) + _share(fused, b)


def _share(fused: Tensor, source: Tensor) -> Tensor:
    h_f, h_s, h_fs = _entropies(fused, source)
    total = h_f + h_s
    return torch.where(total > 0, (total - h_fs).clamp(min=0) / total.clamp(min=1e-300), 0.0)


@shared
def _entropies(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give H(x), H(y) and the joint H(x, y), each (N,)."""
    same_size(x, y)
    joint = _histogram(LEVELS * grey_codes(x) + grey_codes(y), LEVELS**2).view(-1, LEVELS, LEVELS)
    return _entropy(joint.sum(dim=2)), _entropy(joint.sum(dim=1)), _entropy(joint.flatten(1))


def _histogram(codes: Tensor, levels: int) -> Tensor:
    """Count each code in each image, (N, H, W) to (N, levels): one count over all images, each in its own range."""
    n = codes.shape[0]
    own = codes.flatten(1) + levels * torch.arange(n, device=codes.device).unsqueeze(1)
    return torch.bincount(own.flatten(), minlength=n * levels).view(n, levels)


def _entropy(counts: Tensor) -> Tensor:
    p = counts.double() / counts.sum(dim=-1, keepdim=True)
    bits: Tensor = -torch.special.xlogy(p, p).sum(dim=-1) / math.log(2)
    return bits


EN = Metric(
    name="EN",
    convention="seed",
    unit="bit",
    higher_is_better=True,
    digits=4,
    source="seed paper, eq. 11; Shannon 1948",
    score=lambda a, b, fused: entropy(fused),  # noqa: ARG005  a record has one signature
)

MI = Metric(
    name="MI",
    convention="seed",
    unit="bit",
    higher_is_better=True,
    digits=4,
    source="seed paper, eq. 8 and 9; Qu, Zhang and Yan 2002",
    score=fusion_mutual_information,
)

M = Metric(
    name="M",
    convention="seed",
    unit="",
    higher_is_better=True,
    digits=4,
    source="seed paper, eq. 10",
    score=normalised_mutual_information,
)

Q_MI = Metric(
    name="Q_MI",
    convention="hossny",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Hossny, Nahavandi and Creighton 2008",
    score=lambda a, b, fused: 2 * normalised_mutual_information(a, b, fused),
)

RECORDS = (EN, MI, M, Q_MI)
