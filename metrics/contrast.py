"""Contrast of the fused image: deviation of its grey levels, its average gradient and its edges' intensity.

None of them looks at the sources: noise scores high in all three.
"""

import math
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from fusebench.metrics.base import Metric, grey_levels, of_fused
from fusebench.metrics.maps import Local, Map, mean
from fusebench.metrics.windows import gradient_magnitude
from torch import Tensor


def mean_level(fused: Tensor) -> Local:
    """Mean grey level, MLI = sum f / (H W), from 0 to 255. Shapes and errors as `average_gradient`.

    No value of it is the best: it says how bright an image is, not how well it was fused.

    Examples
    --------
    >>> mean_level(torch.tensor([[[0, 0], [10, 10]]], dtype=torch.uint8)).pool().tolist()
    [5.0]
    """
    return Map(grey_levels(fused))


def standard_deviation(fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Deviation of the grey levels from their mean, SD = sqrt(sum (f - mean f)^2 / (H W)).

    Parameters
    ----------
    fused
        Shape (N, H, W); uint8, or floating in [0, 1].
    mask
        Where the score is taken, (N, H, W) or (1, H, W) bool; see `maps.inside`.

    Returns
    -------
    Tensor
        Shape (N,), float64, in grey levels of 0 to 255; from 0 (a constant image) to 127.5.

    Raises
    ------
    ValueError
        See `grey_levels`.

    Notes
    -----
    Y.-J. Rao, In-fibre Bragg grating sensors, Measurement Science and Technology 8 (1997), is what the field cites.
    The pixels are all there is, no sample: the sum is divided by their number, as all codes but one do.

    Examples
    --------
    >>> standard_deviation(torch.tensor([[[0, 0], [10, 10]]], dtype=torch.uint8)).tolist()
    [5.0]
    """
    f = grey_levels(fused)
    return mean((f - mean(f, mask).view(-1, 1, 1)).square(), mask).sqrt()


def mean_column_deviation(fused: Tensor) -> Tensor:
    """Emulate MFIF-Metrics' deviation: each column's sample deviation (H - 1 in the denominator), averaged.

    Shapes, unit and errors as `standard_deviation`. What differs between columns does not enter.

    Examples
    --------
    >>> mean_column_deviation(torch.tensor([[[0, 9], [0, 9]]], dtype=torch.uint8)).tolist()
    [0.0]
    """
    return grey_levels(fused).std(dim=-2).mean(dim=-1)


def average_gradient(fused: Tensor, differences: Literal["central", "forward"] = "central") -> Local:
    """Average gradient, AG = mean of sqrt((f_x^2 + f_y^2) / 2).

    Parameters
    ----------
    fused
        Shape (N, H, W); uint8, or floating in [0, 1].
    differences
        "central": half the difference of a pixel's two neighbours, at the border the difference to the one there is.
        "forward": the difference to the next pixel, 0 behind the last.

    Returns
    -------
    Local
        Pools to (N,), float64, in grey levels of 0 to 255 per pixel; 0 for a constant image.

    Raises
    ------
    ValueError
        See `grey_levels`.

    Notes
    -----
    G. Cui, H. Feng, Z. Xu, Q. Li, Y. Chen, Detail preserved fusion of visible and infrared images using regional
    saliency extraction and multi-scale image decomposition, Optics Communications 341 (2015), is what the field cites.
    Which differences are meant is open. Nearly every code takes central ones of all H W pixels; so does the default,
    and averages over as many as it sums. Some divide that sum by (H - 1)(W - 1), which is no mean.

    Examples
    --------
    A ramp of 2 grey levels per column: sqrt(2^2 / 2) everywhere, but for the column behind which nothing comes.

    >>> ramp = torch.tensor([[[0, 2, 4, 6], [0, 2, 4, 6]]], dtype=torch.uint8)
    >>> [round(average_gradient(ramp, which).pool().item(), 6) for which in ("central", "forward")]
    [1.414214, 1.06066]
    """
    f = grey_levels(fused)
    if differences == "central":
        f_y, f_x = torch.gradient(f, dim=(-2, -1))
    else:
        f_y, f_x = F.pad(f.diff(dim=-2), (0, 0, 0, 1)), F.pad(f.diff(dim=-1), (0, 1))
    return Map(((f_x.square() + f_y.square()) / 2).sqrt())


def edge_intensity(fused: Tensor, border: Literal["replicate", "zero"] = "replicate") -> Local:
    """Edge intensity, EI = mean of sqrt(s_x^2 + s_y^2) with Sobel's s_x, s_y.

    Parameters
    ----------
    fused
        Shape (N, H, W); uint8, or floating in [0, 1].
    border
        What lies around the image: "replicate", its outermost pixels again; "zero", black, which makes an edge of the
        border of every image that is not black there.

    Returns
    -------
    Local
        Pools to (N,), float64, in grey levels of 0 to 255, times 8: Sobel's weights are 1, 2, 1 and not divided by 8. 0
        for a constant image, if the border is replicated.

    Raises
    ------
    ValueError
        See `grey_levels`.

    Notes
    -----
    B. Rajalingam, R. Priya, Hybrid multimodality medical image fusion technique for feature enhancement in medical
    diagnosis, International Journal of Engineering Science Invention (2018). The paper leaves the border open;
    replicating adds no edge, and is what most codes do.

    Examples
    --------
    A ramp of 2 grey levels per column: 4 (2 + 2) inside, half of it in the two outer columns.

    >>> ramp = torch.tensor([[[0, 2, 4, 6], [0, 2, 4, 6]]], dtype=torch.uint8)
    >>> edge_intensity(ramp).pool().tolist()
    [12.0]
    """
    mode = "replicate" if border == "replicate" else "constant"
    return Map(gradient_magnitude(grey_levels(fused), 2, mode))


def _average_gradient_over_fewer(fused: Tensor) -> Tensor:
    mean_of_all = average_gradient(fused).pool()
    height, width = fused.shape[1:]
    return mean_of_all * (height * width / ((height - 1) * (width - 1)))


SD = Metric(
    name="SD",
    convention="rao",
    family="gradient",
    unit="grey levels",
    source="population standard deviation; Rao 1997",
    formula=r"\mathrm{SD} = \sqrt{\frac{1}{HW} \sum_{x,y} \left(f(x, y) - \bar f\right)^2}",
    range=(0, 127.5),
    identical=None,
    constant=0,
    reach=0,
    score=partial(of_fused, metric=standard_deviation),
    rewards=("noise",),
)

SD_MFIF = Metric(
    name="SD",
    convention="mfif",
    family="gradient",
    unit="grey levels",
    source="MFIF-Metrics: mean of the columns' sample deviations, blind to what differs between columns",
    range=(0, 127.5 * math.sqrt(2)),
    identical=None,
    constant=0,
    score=partial(of_fused, metric=mean_column_deviation),
    variant=True,
)

AG = Metric(
    name="AG",
    convention="cui",
    family="gradient",
    unit="grey levels",
    source="Cui et al. 2015, with central differences, mean over all pixels",
    formula=r"\mathrm{AG} = \frac{1}{HW} \sum_{x,y} \sqrt{\frac{f_x^2 + f_y^2}{2}}",
    range=(0, 255),
    identical=None,
    constant=0,
    map=partial(of_fused, metric=average_gradient),
    rewards=("noise",),
)

AG_VIFB = Metric(
    name="AG",
    convention="vifb",
    family="gradient",
    unit="grey levels",
    source="VIFB: a sum over H W pixels divided by (H - 1)(W - 1); so do MEFB, Tang, dungdz and kien",
    range=(0, 4 * 255),
    identical=None,
    constant=0,
    score=partial(of_fused, metric=_average_gradient_over_fewer),
    variant=True,
)

AG_MFIF = Metric(
    name="AG",
    convention="mfif",
    family="gradient",
    unit="grey levels",
    source="MFIF-Metrics: forward differences, 0 behind the last row and column, mean over all pixels",
    range=(0, 255),
    identical=None,
    constant=0,
    map=partial(of_fused, metric=average_gradient, differences="forward"),
    variant=True,
)

EI = Metric(
    name="EI",
    convention="rajalingam",
    family="gradient",
    unit="8 grey levels",
    source="Rajalingam and Priya 2018, border replicated",
    formula=r"\mathrm{EI} = \frac{1}{HW} \sum_{x,y} \sqrt{s_x^2 + s_y^2}",
    range=(0, 4 * 255 * math.sqrt(2)),
    identical=None,
    constant=0,
    map=partial(of_fused, metric=edge_intensity),
    rewards=("noise",),
)

EI_IVIF_ZOO = Metric(
    name="EI",
    convention="ivif_zoo",
    family="gradient",
    unit="8 grey levels",
    source="IVIF_ZOO: black around the image, which counts as an edge",
    range=(0, 4 * 255 * math.sqrt(2)),
    identical=None,
    constant=None,
    map=partial(of_fused, metric=edge_intensity, border="zero"),
    variant=True,
)

MLI = Metric(
    name="MLI",
    convention="dungdz",
    family="gradient",
    unit="grey levels",
    higher_is_better=None,
    source="Image-Fusion-Metric (dungdz): mean grey level, of which none is the best",
    range=(0, 255),
    identical=None,
    constant=None,
    reach=0,
    map=partial(of_fused, metric=mean_level),
    variant=True,
)

RECORDS = (
    MLI,
    SD,
    SD_MFIF,
    AG,
    AG_VIFB,
    AG_MFIF,
    EI,
    EI_IVIF_ZOO,
)
