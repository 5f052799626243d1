"""Spatial frequency, and the error of a fused image's against what its sources hold."""

import math
from functools import partial

import torch
import torch.nn.functional as F
from fusebench.metrics.base import Metric, grey_levels, of_fused, same_size
from fusebench.metrics.maps import Local, Map
from torch import Tensor


def spatial_frequency(fused: Tensor, *, own_counts: bool = False) -> Local:
    """Spatial frequency: the root of the mean squared difference of neighbouring pixels, over rows and columns.

    SF = sqrt((sum (f(x, y) - f(x, y - 1))^2 + sum (f(x, y) - f(x - 1, y))^2) / (X Y)), where each sum runs over
    the pixels that have the neighbour, and both are divided by the number of all pixels.

    Parameters
    ----------
    fused
        Shape (N, H, W); uint8, or floating in [0, 1].
    own_counts
        Divide each sum by the number of its own differences, X (Y - 1) and (X - 1) Y, as some codes do. The value is
        a little higher.

    Returns
    -------
    Local
        Pools to (N,), float64, in grey levels of 0 to 255; from 0 (a constant image) to 255 sqrt(2). Codes
        that take images in [0, 1] print 1/255 of it. It does not look at the sources: noise scores highest.

    Raises
    ------
    ValueError
        See `grey_levels`.

    Notes
    -----
    The seed paper, eq. 7; A. M. Eskicioglu, P. S. Fisher, Image quality measures and their performance, IEEE
    Trans. Communications 43 (1995).

    Examples
    --------
    A step of 10 grey levels in one of two rows: sqrt((0 + 2 * 10^2) / 4).

    >>> f = torch.tensor([[[0, 0], [10, 10]]], dtype=torch.uint8)
    >>> spatial_frequency(f).pool().tolist(), spatial_frequency(f, own_counts=True).pool().tolist()
    ([7.0710678118654755], [10.0])
    """
    f = grey_levels(fused)
    rows, columns = f.diff(dim=-1).square(), f.diff(dim=-2).square()
    if own_counts:
        return (Map(rows) + Map(columns)).then(torch.sqrt)
    return Map(F.pad(rows, (1, 0)) + F.pad(columns, (0, 0, 1, 0))).then(torch.sqrt)


def spatial_frequency_error(a: Tensor, b: Tensor, fused: Tensor) -> Local:
    """Ratio of spatial frequency error: how far the fused image's activity is from the most its sources offer.

    Q_SF = (SF_f - SF_r) / SF_r. SF is the root of the sum of the mean squared differences along rows, columns and
    both diagonals, the diagonals weighted by 1 / sqrt(2) for their distance; all are divided by the number of all
    pixels. SF_r is made of the larger of the sources' absolute differences at each place.

    Parameters
    ----------
    a, b, fused
        Shape (N, H, W); uint8, or floating in [0, 1].

    Returns
    -------
    Local
        Pools to (N,), float64, a pure number, at least -1. 0 is ideal: below, activity of the sources was lost; above,
        the fused image has more than they (noise, ringing). Fusion mostly loses, so higher is taken as better. Two
        constant sources offer nothing: NaN for a constant fused image, +inf for any other.

    Raises
    ------
    ValueError
        If the images differ in size; see `grey_levels`.

    Notes
    -----
    Y. Zheng, E. A. Essock, B. C. Hansen, A. M. Haun, A new metric based on extended spatial frequency and its
    application to DWT based fusion algorithms, Information Fusion 8 (2007). As in all codes, what is compared is
    squared differences; the diagonal weight stands in front of the squares.

    Examples
    --------
    A source returned untouched beside a constant one loses nothing; a constant fused image loses all.

    >>> x, flat = torch.tensor([[[0, 0], [10, 10]]], dtype=torch.uint8), torch.zeros(1, 2, 2, dtype=torch.uint8)
    >>> [spatial_frequency_error(x, flat, f).pool().item() for f in (x, flat)]
    [0.0, -1.0]
    """
    same_size(a, b, fused)
    of_a, of_b, of_f = (_differences(image) for image in (a, b, fused))
    return _activity_error((1, 1, 0.5**0.5, 0.5**0.5), of_a, of_b, of_f)


def absolute_spatial_frequency_error(a: Tensor, b: Tensor, fused: Tensor) -> Local:
    """Emulate kien's Q_SF, |Q_SF|: whether activity was lost or invented is hidden. See `spatial_frequency_error`."""
    return spatial_frequency_error(a, b, fused).then(torch.abs)


def padded_spatial_frequency_error(a: Tensor, b: Tensor, fused: Tensor) -> Local:
    """Emulate cslib's Q_SF: the last row and column repeat, and the diagonals' squares are halved.

    Shapes, errors and undefined cases as `spatial_frequency_error`. At the border a diagonal difference becomes a
    straight one. The weight 1 / sqrt(2) stands inside the squares, so that diagonals count half.

    Examples
    --------
    >>> x, flat = torch.tensor([[[0, 0], [10, 10]]], dtype=torch.uint8), torch.zeros(1, 2, 2, dtype=torch.uint8)
    >>> padded_spatial_frequency_error(x, flat, flat).pool().tolist()
    [-1.0]
    """
    same_size(a, b, fused)
    of_a, of_b, of_f = (_padded_differences(image) for image in (a, b, fused))
    return _activity_error((1, 1, 0.5, 0.5), of_a, of_b, of_f)


def _activity_error(weights: tuple[float, ...], of_a: list[Tensor], of_b: list[Tensor], of_f: list[Tensor]) -> Local:
    """Give (SF_f - SF_r) / SF_r = sqrt(SF_f^2 / SF_r^2) - 1, where the ratio is that of two sums."""
    of_r = [torch.maximum(x.abs(), y.abs()) for x, y in zip(of_a, of_b, strict=True)]
    of_fused, of_reference = (
        torch.stack([w * d.square() for w, d in zip(weights, ds, strict=True)]).sum(dim=0) for ds in (of_f, of_r)
    )
    return Map(of_fused, of_reference).then(lambda ratio: ratio.sqrt() - 1)


def _differences(image: Tensor) -> list[Tensor]:
    """Differences of neighbours along rows, columns, the main and the other diagonal, each (N, H, W).

    A difference stands at the later of its pixels, as `maps.places` has it; where there is none stands 0.
    """
    x = grey_levels(image)
    main, other = x[:, 1:, 1:] - x[:, :-1, :-1], x[:, 1:, :-1] - x[:, :-1, 1:]
    return [
        F.pad(x.diff(dim=-1), (1, 0)),
        F.pad(x.diff(dim=-2), (0, 0, 1, 0)),
        F.pad(main, (1, 0, 1, 0)),
        F.pad(other, (1, 0, 1, 0)),
    ]


def _padded_differences(image: Tensor) -> list[Tensor]:
    x = F.pad(grey_levels(image).unsqueeze(1), (0, 1, 0, 1), mode="replicate").squeeze(1)
    here, right, below, across = x[:, :-1, :-1], x[:, :-1, 1:], x[:, 1:, :-1], x[:, 1:, 1:]
    return [right - here, below - here, across - here, below - right]


SF = Metric(
    name="SF",
    convention="seed",
    family="gradient",
    unit="grey levels",
    source="seed paper, eq. 7; Eskicioglu and Fisher 1995",
    formula=(
        r"\mathrm{SF} = \sqrt{\frac{\sum_{x,y} \left(f(x, y) - f(x, y-1)\right)^2 + \sum_{x,y} \left(f(x, "
        r"y) - f(x-1, y)\right)^2}{X Y}}"
    ),
    range=(0, 255 * math.sqrt(2)),
    identical=None,
    constant=0,
    map=partial(of_fused, metric=spatial_frequency),
    rewards=("noise",),
)

SF_TANG = Metric(
    name="SF",
    convention="tang",
    family="gradient",
    unit="grey levels",
    source="Tang: each direction over its own count; so do CDDFuse, IVIF_ZOO, cslib and dungdz",
    range=(0, 255 * math.sqrt(2)),
    identical=None,
    constant=0,
    map=partial(of_fused, metric=spatial_frequency, own_counts=True),
    variant=True,
)

Q_SF = Metric(
    name="Q_SF",
    convention="zheng",
    family="gradient",
    source="Zheng, Essock, Hansen and Haun 2007",
    formula=r"Q_{SF} = \frac{\mathrm{SF}_f - \mathrm{SF}_r}{\mathrm{SF}_r}",
    range=(-1, math.inf),
    identical=0,
    constant=math.nan,
    undefined=True,
    infinite=True,
    map=spatial_frequency_error,
    rewards=("noise",),
)

Q_SF_KIEN = Metric(
    name="Q_SF",
    convention="kien",
    family="gradient",
    higher_is_better=False,
    source="MMIF-CDDFuse-AG (kien): the absolute value, which hides whether activity was lost or invented",
    range=(0, math.inf),
    identical=0,
    constant=math.nan,
    undefined=True,
    infinite=True,
    map=absolute_spatial_frequency_error,
    variant=True,
)

Q_SF_CSLIB = Metric(
    name="Q_SF",
    convention="cslib",
    family="gradient",
    source="cslib: repeats the last row and column, and weights the diagonals by 1/2",
    range=(-1, math.inf),
    identical=0,
    constant=math.nan,
    undefined=True,
    infinite=True,
    map=padded_spatial_frequency_error,
    variant=True,
)

RECORDS = (
    SF,
    SF_TANG,
    Q_SF,
    Q_SF_KIEN,
    Q_SF_CSLIB,
)
