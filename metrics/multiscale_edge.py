"""How near the fused image's wavelet details are to those of the sources, over two scales."""

import math
from functools import partial
from typing import NamedTuple

import torch
from fusebench.metrics.base import Metric, grey_levels, same_size, shared
from fusebench.metrics.maps import Local, Map
from torch import Tensor

# Exponents of the finer and the coarser scale.
SCALES = (2 / 3, 1 / 3)


class Details(NamedTuple):
    """One scale of a Haar transform: the three detail bands, (N, 3, h, w), and their energy, (N, h, w)."""

    bands: Tensor
    energy: Tensor


def multiscale_edge(a: Tensor, b: Tensor, fused: Tensor) -> Local:
    """Multiscale edge preservation, Q_M = Q_1^(2/3) Q_2^(1/3), over the two finest scales of the Haar transform.

    Q_s = sum (E^A w^A + E^B w^B) / sum (w^A + w^B) over a scale's positions, where E^A is the sum of
    exp(-|d^A - d^F|) over the three detail bands, and w^A the sum of their squares.

    Parameters
    ----------
    a, b
        The sources, (N, H, W) or (1, H, W); uint8, or floating in [0, 1].
    fused
        The fused images, (N, H, W).

    Returns
    -------
    Local
        Pools to (N,), float64, from 0 to 3, the score of identical images. A constant image keeps every detail of 0,
        and can score better than the sources' average, which halves the details. NaN where the sources have no detail
        at one of the scales, as constant images and those smaller than 4 x 4.

    Raises
    ------
    ValueError
        If the sizes differ; see `grey_levels`.

    Notes
    -----
    P.-W. Wang, B. Liu, A novel image fusion metric based on multi-scale analysis, ICSP 2008; Z. Liu et al., Objective
    assessment of multiresolution image fusion algorithms, IEEE Trans. PAMI 34 (2012). The wavelet, the number of
    scales, their exponents and the sum over the three bands (not their mean) are those of Z. Liu's code, which others
    follow. A last odd row or column of a scale is left out. The transform's grid begins at the upper left corner: a
    shift of all images by one pixel changes the score by up to 15 % on real pairs, a flip of even sides does not. Grey
    levels are 0 to 255, so a detail that differs by a few levels counts as lost.

    Examples
    --------
    A square with an upright edge: one detail of 8 at the fine scale, three of 4 at the coarse one. An empty fused image
    keeps two bands of the first: (exp(-8) + 2)^(2/3) (3 exp(-4))^(1/3).

    >>> x = torch.zeros(1, 4, 4, dtype=torch.uint8)
    >>> x[0, :2, :2] = torch.tensor([[8, 0], [8, 0]])
    >>> [round(multiscale_edge(x, x, fused).pool().item(), 4) for fused in (x, 0 * x)]
    [3.0, 0.6036]
    """
    same_size(a, b, fused)
    details = (_details(image) for image in (a, b, fused))
    qualities = []
    for step, of_a, of_b, of_fused, exponent in zip((2, 4), *details, SCALES, strict=True):
        kept = _near(of_a, of_fused) * of_a.energy + _near(of_b, of_fused) * of_b.energy
        quality = Map(kept, of_a.energy + of_b.energy, step)
        qualities.append(quality.then(partial(torch.pow, exponent=exponent)))
    fine, coarse = qualities
    return fine * coarse


def _near(source: Details, fused: Details) -> Tensor:
    return (-(source.bands - fused.bands).abs()).exp().sum(dim=1)


@shared
def _details(image: Tensor) -> tuple[Details, ...]:
    """Give the Haar transform's details, the finest scale first."""
    low, scales = grey_levels(image), []
    for _ in SCALES:
        h, w = low.shape[1] // 2 * 2, low.shape[2] // 2 * 2
        upper, lower = low[:, 0:h:2, :w], low[:, 1:h:2, :w]
        sums, differences = upper + lower, upper - lower
        low = (sums[..., 0::2] + sums[..., 1::2]) / 2
        bands = torch.stack(
            [
                sums[..., 0::2] - sums[..., 1::2],
                differences[..., 0::2] + differences[..., 1::2],
                differences[..., 0::2] - differences[..., 1::2],
            ],
            dim=1,
        )
        scales.append(Details(bands / 2, (bands / 2).square().sum(dim=1)))
    return tuple(scales)


Q_M = Metric(
    name="Q_M",
    convention="wang",
    family="gradient",
    source="Wang and Liu 2008, as in imageFusionMetrics (Z. Liu)",
    formula=(
        r"Q_M = Q_1^{2/3} \, Q_2^{1/3}, \quad Q_s = \frac{\sum \left(E^A w^A + E^B w^B\right)}{\sum "
        r"\left(w^A + w^B\right)}, \quad E^A = \sum_{\text{bands}} e^{-|d^A - d^F|}"
    ),
    range=(0, 3),
    identical=3,
    constant=math.nan,
    least=4,
    undefined=True,
    float32=5e-5,
    map=multiscale_edge,
    rewards=("black", "grey", "white"),
)

RECORDS = (Q_M,)
