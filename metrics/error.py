"""Error and linear correlation between the fused image and its sources.

A fused image that equals both sources does not exist unless they are equal: of these scores the average of the
sources gets the best error, whatever it looks like.
"""

import math
from functools import partial

import torch
from fusebench.metrics.base import (
    Metric,
    grey_levels,
    mean_over_sources,
    same_size,
    scaled,
    shared,
)
from fusebench.metrics.maps import Local, Map, count, inside, mean, total
from torch import Tensor

# Grey levels within this are one: a constant in [0, 1] is constant to rounding after its scaling to 255.
CONSTANT = 1e-9


def mean_squared_error(a: Tensor, b: Tensor, fused: Tensor) -> Local:
    """Mean squared error, averaged over the sources, MSE = (mse(f, a) + mse(f, b)) / 2.

    Parameters
    ----------
    a, b, fused
        Shape (N, H, W); uint8, or floating in [0, 1].

    Returns
    -------
    Local
        Pools to (N,), float64, in squared grey levels of 0 to 255; 0 where all three are equal. It is at least a
        quarter of mse(a, b), which the average of the sources has. Codes that take images in [0, 1] print 1 / 255^2
        of it.

    Raises
    ------
    ValueError
        If the images differ in size; see `grey_levels`.

    Examples
    --------
    >>> a, b, f = (torch.full((1, 2, 2), level, dtype=torch.uint8) for level in (10, 20, 16))
    >>> mean_squared_error(a, b, f).pool().tolist()
    [26.0]
    """
    return mean_over_sources(a, b, fused, metric=_squared_error)


def root_mean_squared_error(a: Tensor, b: Tensor, fused: Tensor) -> Local:
    """Root mean squared error, averaged over the sources, RMSE = (rmse(f, a) + rmse(f, b)) / 2.

    Shapes and errors as `mean_squared_error`; in grey levels of 0 to 255. The mean of the roots, which is at most the
    root of the mean: it is the RMSE against either source that is averaged.

    Notes
    -----
    P. Jagalingam, A. V. Hegde, A review of quality metrics for fused image, Aquatic Procedia 4 (2015), which is about
    one reference; the average over two sources is the field's.

    Examples
    --------
    >>> a, b, f = (torch.full((1, 2, 2), level, dtype=torch.uint8) for level in (10, 20, 16))
    >>> root_mean_squared_error(a, b, f).pool().tolist()
    [5.0]
    """
    return mean_over_sources(a, b, fused, metric=_root_mean_squared_error)


def peak_signal_to_noise_ratio(a: Tensor, b: Tensor, fused: Tensor, peak: float | Tensor = 255.0) -> Local:
    """Peak signal-to-noise ratio of the averaged error, PSNR = 10 log10(peak^2 / MSE).

    Shapes and errors as `mean_squared_error`.

    Parameters
    ----------
    a, b, fused
        Shape (N, H, W); uint8, or floating in [0, 1].
    peak
        The largest value a pixel could have, on the scale from 0 to 255; a number, or one for each image, (N,).

    Returns
    -------
    Local
        Pools to (N,), float64, in dB. +inf where all three images are equal; with a peak of 0, -inf, or NaN for no
        error.

    Notes
    -----
    P. Jagalingam, A. V. Hegde, 2015. Two sources leave open what is averaged: the errors, before the logarithm, as
    nearly all codes do. The mean of the two ratios is larger, and infinite as soon as one source is returned.

    Examples
    --------
    >>> a, f = (torch.full((1, 2, 2), level, dtype=torch.uint8) for level in (0, 255))
    >>> [peak_signal_to_noise_ratio(a, a, fused).pool().item() for fused in (f, a)]
    [0.0, inf]
    """
    return mean_squared_error(a, b, fused).then(partial(_decibels, peak=peak))


def mean_peak_signal_to_noise_ratio(a: Tensor, b: Tensor, fused: Tensor) -> Local:
    """Mean of the two sources' peak signal-to-noise ratios, peak 255, in dB.

    Shapes and errors as `mean_squared_error`. +inf where the fused image equals either source.

    Examples
    --------
    Against a 20 dB, against b 40 dB.

    >>> a, b, f = (torch.full((1, 1, 2), level).expand(1, 2, 2) for level in (0.4, 0.49, 0.5))
    >>> round(mean_peak_signal_to_noise_ratio(a, b, f).pool().item(), 4)
    30.0
    """
    of_a, of_b = (_squared_error(source, fused).then(partial(_decibels, peak=255.0)) for source in (a, b))
    return 0.5 * (of_a + of_b)


def norm_over_pixels(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Emulate VIFB's "RMSE": sqrt(sum (f - x)^2) / (H W), averaged over the sources.

    Shapes and errors as `mean_squared_error`. The root is taken before the division: the value is RMSE / sqrt(H W),
    and falls with the size of the images. VIFB also takes it for the mean squared error in its PSNR.

    Examples
    --------
    >>> a, b, f = (torch.full((1, 2, 2), level, dtype=torch.uint8) for level in (10, 20, 16))
    >>> norm_over_pixels(a, b, f).tolist()
    [2.5]
    """
    return root_mean_squared_error(a, b, fused).pool(mask) / count(fused, mask).sqrt()


def decibels_of_norm(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Emulate VIFB's PSNR, 10 log10(255^2 / x) with x of `norm_over_pixels` in the place of the MSE.

    Examples
    --------
    10 log10(255^2 / 2.5):

    >>> a, b, f = (torch.full((1, 2, 2), level, dtype=torch.uint8) for level in (10, 20, 16))
    >>> round(decibels_of_norm(a, b, f).item(), 4)
    44.1514
    """
    return _decibels(norm_over_pixels(a, b, fused, mask=mask), 255.0)


def ratio_to_own_peak(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Emulate CDDFuse's PSNR: the fused image's maximum is the peak, so that a darker image has a lower score.

    Examples
    --------
    >>> a, f = (torch.full((1, 2, 2), level, dtype=torch.uint8) for level in (90, 100))
    >>> round(ratio_to_own_peak(a, a, f).item(), 4)
    20.0
    """
    peak = inside(grey_levels(fused), mask).amax(dim=(-2, -1))
    return peak_signal_to_noise_ratio(a, b, fused, peak).pool(mask)


def correlation_coefficient(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Correlation coefficient, averaged over the sources, CC = (r(f, a) + r(f, b)) / 2, with Pearson's r.

    Parameters
    ----------
    a, b, fused
        Shape (N, H, W); uint8, or floating in [0, 1].

    Returns
    -------
    Tensor
        Shape (N,), float64, from -1 to 1. NaN where any of the three is constant: r is 0 / 0.

    Raises
    ------
    ValueError
        If the images differ in size; see `grey_levels`.

    Examples
    --------
    The negative of one source beside the other.

    >>> a = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> correlation_coefficient(a, 9 - a, a).tolist(), correlation_coefficient(a, 0 * a, a).tolist()
    ([0.0], [nan])
    """
    return mean_over_sources(a, b, fused, metric=correlation, mask=mask)


def sum_of_correlations_of_differences(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Sum of the correlations of differences, SCD = r(f - b, a) + r(f - a, b), with Pearson's r.

    What the fused image has beyond one source should be the other.

    Parameters
    ----------
    a, b, fused
        Shape (N, H, W); uint8, or floating in [0, 1].

    Returns
    -------
    Tensor
        Shape (N,), float64, from -2 to 2, which f = a + b has. NaN where a source or a difference is constant, so
        also where a source is returned untouched: nothing was added to it that could be compared.

    Raises
    ------
    ValueError
        If the images differ in size; see `grey_levels`.

    Notes
    -----
    V. Aslantas, E. Bendes, A new image quality metric for image fusion: the sum of the correlations of differences,
    AEU International Journal of Electronics and Communications 69 (2015).

    Examples
    --------
    >>> a = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> sum_of_correlations_of_differences(a, a.mT, a + a.mT).item()
    2.0
    """
    same_size(a, b, fused)
    x, y, f = grey_levels(a), grey_levels(b), grey_levels(fused)
    return pearson(f - y, x, mask) + pearson(f - x, y, mask)


@shared
def correlation(x: Tensor, y: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Pearson's correlation of two images' grey levels, r(x, y), from -1 to 1.

    Shapes and errors as `mean_squared_error`. NaN where an image is constant.

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> correlation(x, 9 - x).tolist(), correlation(x, 0 * x).tolist()
    ([-1.0], [nan])
    """
    same_size(x, y)
    return pearson(grey_levels(x), grey_levels(y), mask)


def pearson(x: Tensor, y: Tensor, mask: Tensor | None = None) -> Tensor:
    """Pearson's correlation of maps, (N, H, W) float64 to (N,); NaN where one is constant."""
    (x_deviation, x_norm), (y_deviation, y_norm) = _deviation(x, mask), _deviation(y, mask)
    return total(x_deviation * y_deviation, mask) / (x_norm * y_norm)


def _deviation(x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Give x - mean x, and its norm; NaN for that of a constant."""
    deviation = x - mean(x, mask).view(-1, 1, 1)
    highest, lowest = inside(x, mask, -math.inf).amax(dim=(-2, -1)), inside(x, mask, math.inf).amin(dim=(-2, -1))
    return deviation, torch.where(highest - lowest <= CONSTANT, torch.nan, total(deviation.square(), mask).sqrt())


def _squared_error(source: Tensor, fused: Tensor) -> Local:
    return Map(_squares(source, fused))


def _root_mean_squared_error(source: Tensor, fused: Tensor) -> Local:
    return _squared_error(source, fused).then(torch.sqrt)


@shared
def _squares(source: Tensor, fused: Tensor) -> Tensor:
    same_size(source, fused)
    return (grey_levels(source) - grey_levels(fused)).square()


def _decibels(squared_error: Tensor, peak: float | Tensor) -> Tensor:
    ratio: Tensor = peak * peak / squared_error
    return 10 * ratio.log10()


MSE = Metric(
    name="MSE",
    convention="two sources",
    family="error",
    unit="grey levels^2",
    higher_is_better=False,
    digits=2,
    source="mean over the two sources, grey levels 0 to 255",
    formula=r"\mathrm{MSE} = \frac{1}{2} \left( \overline{(f - a)^2} + \overline{(f - b)^2} \right)",
    range=(0, 255**2),
    identical=0,
    constant=0,
    reach=0,
    map=mean_squared_error,
)

MSE_TANG = Metric(
    name="MSE",
    convention="tang",
    family="error",
    higher_is_better=False,
    digits=5,
    source="Tang: of images in [0, 1]; so do IVIF_ZOO, cslib and dungdz",
    identical=0,
    constant=0,
    reach=0,
    map=partial(scaled, metric=mean_squared_error, factor=1 / 255**2),
    variant=True,
)

RMSE = Metric(
    name="RMSE",
    convention="two sources",
    family="error",
    unit="grey levels",
    higher_is_better=False,
    source="Jagalingam and Hegde 2015; mean over the two sources, grey levels 0 to 255",
    formula=r"\mathrm{RMSE} = \frac{1}{2} \left( \sqrt{\overline{(f - a)^2}} + \sqrt{\overline{(f - b)^2}} \right)",
    range=(0, 255),
    identical=0,
    constant=0,
    reach=0,
    map=root_mean_squared_error,
)

RMSE_VIFB = Metric(
    name="RMSE",
    convention="vifb",
    family="error",
    higher_is_better=False,
    digits=5,
    source="VIFB: the root taken before the division by H W, so that it depends on the images' size; so does kien",
    range=(0, 255 / 3),
    identical=0,
    constant=0,
    reach=0,
    score=norm_over_pixels,
    variant=True,
)

RMSE_CSLIB = Metric(
    name="RMSE",
    convention="cslib",
    family="error",
    higher_is_better=False,
    digits=5,
    source="cslib: of images in [0, 1]",
    identical=0,
    constant=0,
    reach=0,
    map=partial(scaled, metric=root_mean_squared_error, factor=1 / 255),
    variant=True,
)

PSNR = Metric(
    name="PSNR",
    convention="two sources",
    family="error",
    unit="dB",
    source="Jagalingam and Hegde 2015; of the mean of the two sources' MSE, peak 255",
    formula=r"\mathrm{PSNR} = 10 \log_{10} \frac{255^2}{\mathrm{MSE}}",
    range=(0, math.inf),
    identical=math.inf,
    constant=math.inf,
    infinite=True,
    reach=0,
    map=peak_signal_to_noise_ratio,
)

PSNR_TANG = Metric(
    name="PSNR",
    convention="tang",
    family="error",
    unit="dB",
    source="Tang: errors of images in [0, 1] against a peak of 255, 48.13 dB too high; so does IVIF_ZOO",
    # On one scale: a peak of 255 * 255 against errors of 0 to 255.
    range=(20 * math.log10(255), math.inf),
    identical=math.inf,
    constant=math.inf,
    infinite=True,
    reach=0,
    map=partial(peak_signal_to_noise_ratio, peak=255.0**2),
    variant=True,
)

PSNR_VIFB = Metric(
    name="PSNR",
    convention="vifb",
    family="error",
    unit="dB",
    source="VIFB: sqrt(sum d^2) / (H W) taken for the MSE, so that it depends on the images' size; so do MEFB and kien",
    range=(10 * math.log10(3 * 255), math.inf),
    identical=math.inf,
    constant=math.inf,
    infinite=True,
    reach=0,
    score=decibels_of_norm,
    variant=True,
)

PSNR_CDDFUSE = Metric(
    name="PSNR",
    convention="cddfuse",
    family="error",
    unit="dB",
    source="CDDFuse: the fused image's maximum as peak, so that a darker image has a lower score; -inf for a black one",
    range=(-math.inf, math.inf),
    identical=math.inf,
    constant=math.inf,
    undefined=True,
    infinite=True,
    reach=0,
    score=ratio_to_own_peak,
    variant=True,
)

PSNR_DUNGDZ = Metric(
    name="PSNR",
    convention="dungdz",
    family="error",
    unit="dB",
    source="Image-Fusion-Metric (dungdz): mean of the two sources' PSNR, +inf as soon as one source is returned",
    range=(0, math.inf),
    identical=math.inf,
    constant=math.inf,
    infinite=True,
    reach=0,
    map=mean_peak_signal_to_noise_ratio,
    variant=True,
)

CC = Metric(
    name="CC",
    convention="pearson",
    family="error",
    source="Pearson's correlation, mean over the two sources",
    formula=r"\mathrm{CC} = \frac{r(f, a) + r(f, b)}{2}",
    range=(-1, 1),
    constant=math.nan,
    undefined=True,
    reach=0,
    score=correlation_coefficient,
)

SCD = Metric(
    name="SCD",
    convention="aslantas",
    family="error",
    source="Aslantas and Bendes 2015",
    formula=r"\mathrm{SCD} = r(f - b, a) + r(f - a, b)",
    range=(-2, 2),
    identical=math.nan,
    constant=math.nan,
    undefined=True,
    reach=0,
    score=sum_of_correlations_of_differences,
)

RECORDS = (
    MSE,
    MSE_TANG,
    RMSE,
    RMSE_VIFB,
    RMSE_CSLIB,
    PSNR,
    PSNR_TANG,
    PSNR_VIFB,
    PSNR_CDDFUSE,
    PSNR_DUNGDZ,
    CC,
    SCD,
)
