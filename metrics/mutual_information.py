"""Entropy and mutual information of grey levels, and the scores made of them.

All of them count: an image's 256 grey levels are a histogram, a pair's a joint histogram of 256 x 256, with no
smoothing and no other binning. Logarithms are to base 2, so the unit is the bit. Variants follow other code bases.
"""

import math
from functools import partial

import torch
from fusebench.metrics.base import (
    Metric,
    grey_codes,
    of_fused,
    same_size,
    scaled,
    shared,
    sum_over_sources,
)
from fusebench.metrics.maps import inside
from torch import Tensor

LEVELS = 256


def entropy(image: Tensor, offset: float = 0, *, mask: Tensor | None = None) -> Tensor:
    """Shannon entropy of the grey levels, H(x) = -sum p log2 p.

    Parameters
    ----------
    image
        Shape (N, H, W); uint8, or floating in [0, 1].
    offset
        Added inside the logarithm, -sum p log2(p + offset). It is no part of the definition: some codes add it to
        avoid log2(0), which lowers every entropy a little.
    mask
        Where the score is taken, (N, H, W) or (1, H, W) bool; see `maps.inside`.

    Returns
    -------
    Tensor
        Shape (N,), float64, in bits: 0 for a constant image, 8 for one with all levels equally often, such as noise.

    Raises
    ------
    ValueError
        See `grey_levels`.

    Notes
    -----
    The seed paper, eq. 11; C. E. Shannon, A mathematical theory of communication, 1948.

    Examples
    --------
    >>> round(entropy(torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)).item(), 9)
    1.0
    """
    p = probabilities(image, mask=mask)
    bits: Tensor = 0 - torch.special.xlogy(p, p + offset).sum(dim=-1) / math.log(2)  # 0 - 0, as -0 is no entropy
    return bits


def mutual_information(x: Tensor, y: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Mutual information of two images' grey levels, I(x, y) = sum p(x, y) log2(p(x, y) / (p(x) p(y))).

    Parameters
    ----------
    x, y
        Shape (N, H, W), both; uint8, or floating in [0, 1].
    mask
        See `entropy`.

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
    >>> round(mutual_information(x, x).item(), 9), round(mutual_information(x, x.mT).item(), 9)
    (1.0, 0.0)
    """
    h_x, h_y, h_xy = _entropies(x, y, mask=mask)
    return (h_x + h_y - h_xy).clamp(min=0)  # rounding may leave -1e-16


def fusion_mutual_information(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
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
    >>> round(fusion_mutual_information(x, x.mT, x).item(), 9)
    1.0
    """
    return sum_over_sources(a, b, fused, metric=mutual_information, mask=mask)


def normalised_mutual_information(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Information the fused image shares with its sources, relative to their entropies.

    M = I(f, a) / (H(f) + H(a)) + I(f, b) / (H(f) + H(b)), from 0 to 1; M(x, x, x) = 1. Shapes and errors as
    `mutual_information`.

    Where f and a source are both constant the term is 0 / 0 and is defined as 0: neither has information, so none
    was carried over. A constant f scores 0 against any sources. An f that has lost contrast has few grey levels and a
    small entropy: it can score better than the average of the sources.

    Notes
    -----
    The seed paper, eq. 10. M. Hossny, S. Nahavandi, D. Creighton, Comments on "Information measure for performance
    of image fusion", Electronics Letters 44 (2008), define twice this value (`Q_MI`).

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> [round(normalised_mutual_information(x, y, x).item(), 9) for y in (x, x.mT)]
    [1.0, 0.5]
    """
    return sum_over_sources(a, b, fused, metric=_share, mask=mask)


def mutual_information_per_source_entropy(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Give 2 (I(f, a) + I(f, b)) / (H(a) + H(b)), what ivif_zoo calls NMI.

    Shapes and errors as `mutual_information`; from 0 to 4. It is not bounded by its value for three equal images,
    MI(x, x, x) = 2, since H(f) does not enter. Two constant sources have nothing to carry over: 0 / 0 is defined as 0.

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> round(mutual_information_per_source_entropy(x, x, x).item(), 9)
    2.0
    """
    total = entropy(a, mask=mask) + entropy(b, mask=mask)
    both = fusion_mutual_information(a, b, fused, mask=mask)
    return torch.where(total > 0, 2 * both / total.clamp(min=1e-300), 0.0)


def saturated_mutual_information(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Emulate a mutual information whose joint histogram saturates: levels 254 and 255 fall together in it.

    Shapes, unit and errors as `fusion_mutual_information`. The marginal entropies keep all 256 levels, so the value
    is too high wherever an image uses both levels, and independent images no longer score 0.

    Examples
    --------
    The lost bit of the joint entropy is counted as shared; the true value is 2.

    >>> x = torch.tensor([[[254, 254], [255, 255]]], dtype=torch.uint8)
    >>> round(saturated_mutual_information(x, x, x).item(), 9)
    4.0
    """
    return sum_over_sources(a, b, fused, metric=_saturated, mask=mask)


def _share(source: Tensor, fused: Tensor, *, mask: Tensor | None) -> Tensor:
    h_s, h_f, h_sf = _entropies(source, fused, mask=mask)
    total = h_f + h_s
    return torch.where(total > 0, (total - h_sf).clamp(min=0) / total.clamp(min=1e-300), 0.0)


def _saturated(source: Tensor, fused: Tensor, *, mask: Tensor | None) -> Tensor:
    h_s, h_f, _ = _entropies(source, fused, mask=mask)
    joint = joint_probabilities(source, fused, mask=mask)
    rows = torch.cat([joint[:, :-2], joint[:, -2:].sum(dim=1, keepdim=True)], dim=1)
    return h_f + h_s - _bits(torch.cat([rows[:, :, :-2], rows[:, :, -2:].sum(dim=2, keepdim=True)], dim=2))


@shared
def joint_probabilities(x: Tensor, y: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """How often each pair of grey levels occurs: (N, 256, 256), the level of x first; each image's sum is 1.

    Raises
    ------
    ValueError
        If the shapes differ; see `grey_levels`.

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> joint_probabilities(x, x.mT)[0, 0, 9].item()
    0.25
    """
    same_size(x, y)
    return _frequencies(LEVELS * grey_codes(x) + grey_codes(y), LEVELS**2, mask).view(-1, LEVELS, LEVELS)


@shared
def probabilities(image: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """How often each grey level occurs: (N, 256), each image's sum is 1. Errors as `grey_levels`."""
    return _frequencies(grey_codes(image), LEVELS, mask)


@shared
def _entropies(x: Tensor, y: Tensor, *, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Give H(x), H(y) and the joint H(x, y), each (N,), or (1,) for the entropy of one image."""
    h_x, h_y, h_xy = entropy(x, mask=mask), entropy(y, mask=mask), _bits(joint_probabilities(x, y, mask=mask))
    # Beside a constant image the joint entropy is the other's, to the bit: no information is no rounding.
    return h_x, h_y, torch.where(h_x == 0, h_y, torch.where(h_y == 0, h_x, h_xy))


def _frequencies(codes: Tensor, levels: int, mask: Tensor | None) -> Tensor:
    """Count each code in each image, (N, H, W) to (N, levels): one count over all images, each in its own range."""
    codes = inside(codes, mask, levels)  # one more code, which is not counted, for what lies outside
    n = codes.shape[0]
    own = codes.flatten(1) + (levels + 1) * torch.arange(n, device=codes.device).unsqueeze(1)
    counts = torch.bincount(own.flatten(), minlength=n * (levels + 1)).view(n, levels + 1)[:, :-1].double()
    return counts / counts.sum(dim=1, keepdim=True)


def _bits(joint: Tensor) -> Tensor:
    bits: Tensor = -torch.special.xlogy(joint, joint).sum(dim=(-2, -1)) / math.log(2)
    return bits


EN = Metric(
    name="EN",
    convention="seed",
    family="information",
    unit="bit",
    source="seed paper, eq. 11; Shannon 1948",
    formula=r"H(f) = -\sum_{i=0}^{255} p_i \log_2 p_i",
    range=(0, 8),
    identical=None,
    constant=0,
    reach=0,
    score=partial(of_fused, metric=entropy),
    rewards=("noise",),
)

EN_IVIF_ZOO = Metric(
    name="EN",
    convention="ivif_zoo",
    family="information",
    unit="bit",
    source="IVIF_ZOO: adds 1e-7 inside the logarithm",
    range=(-1e-6, 8),
    identical=None,
    constant=-1e-7 / math.log(2),
    reach=0,
    score=partial(of_fused, metric=entropy, offset=1e-7),
    variant=True,
)

MI = Metric(
    name="MI",
    convention="seed",
    family="information",
    unit="bit",
    source="seed paper, eq. 8 and 9; Qu, Zhang and Yan 2002",
    formula=r"\mathrm{MI} = I(f, a) + I(f, b), \quad I(x, y) = H(x) + H(y) - H(x, y)",
    range=(0, 16),
    identical=None,
    constant=0,
    reach=0,
    score=fusion_mutual_information,
)

MI_VIFB = Metric(
    name="MI",
    convention="vifb",
    family="information",
    unit="nat",
    source="VIFB: natural logarithm; so do CDDFuse, cslib and MMIF-CDDFuse-AG (kien)",
    range=(0, 16 * math.log(2)),
    identical=None,
    constant=0,
    reach=0,
    score=partial(scaled, metric=fusion_mutual_information, factor=math.log(2)),
    variant=True,
)

MI_TANG = Metric(
    name="MI",
    convention="tang",
    family="information",
    unit="bit",
    source="Tang: 8-bit indices saturate and merge levels 254 and 255 in the joint histogram only",
    range=(0, 32),
    identical=None,
    constant=0,
    reach=0,
    score=saturated_mutual_information,
    variant=True,
)

M = Metric(
    name="M",
    convention="seed",
    family="information",
    source="seed paper, eq. 10",
    formula=r"M = \frac{I(f, a)}{H(f) + H(a)} + \frac{I(f, b)}{H(f) + H(b)}",
    constant=0,
    reach=0,
    score=normalised_mutual_information,
    rewards=("contrast / 8",),
)

Q_MI = Metric(
    name="Q_MI",
    convention="hossny",
    family="information",
    source="Hossny, Nahavandi and Creighton 2008",
    formula=r"Q_{MI} = 2 \left( \frac{I(f, a)}{H(f) + H(a)} + \frac{I(f, b)}{H(f) + H(b)} \right)",
    range=(0, 2),
    identical=2,
    constant=0,
    reach=0,
    score=partial(scaled, metric=normalised_mutual_information, factor=2),
    rewards=("contrast / 8",),
)

Q_MI_IVIF_ZOO = Metric(
    name="Q_MI",
    convention="ivif_zoo",
    family="information",
    source="IVIF_ZOO, there NMI: 2 MI / (H(a) + H(b)), the fused image's entropy does not enter",
    range=(0, 4),
    identical=2,
    constant=0,
    reach=0,
    score=mutual_information_per_source_entropy,
    variant=True,
)

RECORDS = (
    EN,
    EN_IVIF_ZOO,
    MI,
    MI_VIFB,
    MI_TANG,
    M,
    Q_MI,
    Q_MI_IVIF_ZOO,
)
