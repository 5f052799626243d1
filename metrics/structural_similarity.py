"""Structural similarity: the means, variances and covariance of two images over sliding windows, compared.

A fusion metric has two sources: the mean of the two similarities is taken. An image that is too small for a metric's
windows has no score: NaN.
"""

from functools import partial, reduce
from operator import mul

import torch.nn.functional as F
from fusebench.metrics.base import Metric, comparable, mean_over_sources, shared, sum_over_sources
from fusebench.metrics.maps import Local, Map
from fusebench.metrics.windows import Window, gaussian, local_covariance, local_moments
from torch import Tensor

GAUSSIAN_11 = gaussian(11, 1.5)  # Wang's

# The factors of the range of grey levels that SSIM's two constants are the squares of.
WANG = (0.01, 0.03)

# Wang 2003: the exponent of each scale, finest first.
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def structural_similarity(source: Tensor, fused: Tensor, *, peak: float = 255.0, border: str | None = None) -> Local:
    """Structural similarity SSIM of two images, the mean over all windows.

    SSIM = (2 m_s m_f + C1) (2 c + C2) / ((m_s^2 + m_f^2 + C1) (v_s + v_f + C2)) with the means m, variances v and
    covariance c over a Gaussian window of 11 x 11 pixels, sigma 1.5; C1 = (0.01 L)^2, C2 = (0.03 L)^2.

    Parameters
    ----------
    source, fused
        Shape (N, H, W), or (1, H, W) to stand for every image of the other; uint8, or floating in [0, 1].
    peak
        L, the range of grey levels. Any other than 255 is a slip that some published codes have.
    border
        None: the windows that lie inside the image, as Wang has it. "reflect", "replicate": every pixel has a window,
        and the image is continued by its mirror image or by its outermost pixels.

    Returns
    -------
    Local
        Pools to (N,), float64, from -1 to 1; 1 for equal images, constant ones too. NaN if H or W < 11.

    Raises
    ------
    ValueError
        If the shapes differ; see `grey_levels`.

    Notes
    -----
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, Image quality assessment: from error visibility to structural
    similarity, IEEE Trans. Image Processing 13 (2004), eq. 13 to 17.

    Examples
    --------
    Constant images have no structure to compare: (2 * 100 * 50 + C1) / (100^2 + 50^2 + C1).

    >>> import torch
    >>> x = torch.full((1, 12, 12), 100, dtype=torch.uint8)
    >>> round(structural_similarity(x, x // 2).pool().item(), 6)
    0.800104
    """
    x, y = (_bordered(levels, len(GAUSSIAN_11), border) for levels in comparable(source, fused))
    luminance, structure = similarity_factors(x, y, GAUSSIAN_11, WANG, peak)
    return Map(luminance * structure)


def multiscale_structural_similarity(source: Tensor, fused: Tensor, *, peak: float = 255.0) -> Local:
    """Structural similarity over five scales, MS-SSIM.

    The product over the scales of the mean of the second factor of SSIM (contrast and structure), at the coarsest
    scale the mean of the whole SSIM, each raised to the scale's exponent. From scale to scale the image is halved by
    averaging 2 x 2 pixels.

    Parameters
    ----------
    source, fused
        Shape (N, H, W), or (1, H, W) to stand for every image of the other; uint8, or floating in [0, 1].
    peak
        See `structural_similarity`.

    Returns
    -------
    Local
        Pools to (N,), float64, from 0 to 1; 1 for equal images. NaN if H or W < 161: 11 pixels must be left of it.

    Raises
    ------
    ValueError
        If the shapes differ; see `grey_levels`.

    Notes
    -----
    Z. Wang, E. P. Simoncelli, A. C. Bovik, Multi-scale structural similarity for image quality assessment, Asilomar
    Conference on Signals, Systems and Computers, 2003, eq. 7. A negative mean has no real power; it counts as 0, as it
    does in the codes of the field. A row or column too many is averaged with itself.

    Examples
    --------
    >>> import torch
    >>> x = torch.arange(170, dtype=torch.uint8).expand(1, 170, 170)
    >>> round(multiscale_structural_similarity(x, x).pool().item(), 6)
    1.0
    """
    x, y = comparable(source, fused)
    scales: list[Local] = []
    for scale, exponent in enumerate(SCALES):
        luminance, structure = similarity_factors(x, y, GAUSSIAN_11, WANG, peak)
        coarsest = scale == len(SCALES) - 1
        similarity = Map(luminance * structure if coarsest else structure, step=2**scale)
        scales.append(similarity.then(partial(_power, exponent=exponent)))
        x, y = _halved(x), _halved(y)
    return reduce(mul, scales)


def _power(mean: Tensor, exponent: float) -> Tensor:
    return mean.clamp(min=0) ** exponent


def similarity_factors(
    x: Tensor, y: Tensor, window: Window, constants: tuple[float, float], peak: float = 255.0
) -> tuple[Tensor, Tensor]:
    """Give SSIM's two factors in each window: that of the means, and that of contrast and structure."""
    (mean_x, variance_x), (mean_y, variance_y) = local_moments(x, window), local_moments(y, window)
    c1, c2 = ((k * peak) ** 2 for k in constants)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    structure = (2 * local_covariance(x, y, window) + c2) / (variance_x + variance_y + c2)
    return luminance, structure


def _bordered(image: Tensor, size: int, border: str | None) -> Tensor:
    """Continue the image, so that every pixel is the centre of a window; one smaller than the window stays as it is."""
    if border is None or min(image.shape[1:]) < size:
        return image
    return F.pad(image, (size // 2,) * 4, mode=border)


@shared
def _halved(image: Tensor) -> Tensor:
    odd = [length % 2 for length in image.shape[1:]]
    return F.avg_pool2d(F.pad(image, (0, odd[1], 0, odd[0]), mode="replicate"), 2)


SSIM = Metric(
    name="SSIM",
    convention="wang",
    family="structure",
    source="Wang, Bovik, Sheikh and Simoncelli 2004, eq. 13 to 17; mean over the two sources",
    formula=(
        r"\mathrm{SSIM}(s, f) = \overline{\frac{(2 \mu_s \mu_f + C_1)(2 \sigma_{sf} + C_2)}{(\mu_s^2 + "
        r"\mu_f^2 + C_1)(\sigma_s^2 + \sigma_f^2 + C_2)}}, \quad \mathrm{SSIM} = \frac{\mathrm{SSIM}(a, "
        r"f) + \mathrm{SSIM}(b, f)}{2}"
    ),
    range=(-1, 1),
    least=11,
    map=partial(mean_over_sources, metric=structural_similarity),
)

SSIM_VIFB = Metric(
    name="SSIM",
    convention="vifb",
    family="structure",
    source="VIFB: the sum over the two sources, so up to 2",
    range=(-2, 2),
    identical=2,
    constant=2,
    least=11,
    map=partial(sum_over_sources, metric=structural_similarity),
    variant=True,
)

SSIM_CSLIB = Metric(
    name="SSIM",
    convention="cslib",
    family="structure",
    source="cslib, like torchmetrics: images are mirrored at their border, so that every pixel has a window",
    range=(-1, 1),
    least=11,
    map=partial(mean_over_sources, metric=structural_similarity, border="reflect"),
    variant=True,
)

SSIM_DUNGDZ = Metric(
    name="SSIM",
    convention="dungdz",
    family="structure",
    source="Image-Fusion-Metric: wrongly L = 1 for levels of 0 to 255, as MATLAB's ssim takes it; borders repeated",
    range=(-1, 1),
    least=11,
    map=partial(mean_over_sources, metric=structural_similarity, peak=1, border="replicate"),
    variant=True,
)

SSIM_IVIF_ZOO = Metric(
    name="SSIM",
    convention="ivif_zoo",
    family="structure",
    source="IVIF_ZOO: wrongly L = 255 for levels of 0 to 255^2, which is L = 1; the sum over the two sources",
    range=(-2, 2),
    identical=2,
    constant=2,
    least=11,
    map=partial(sum_over_sources, metric=structural_similarity, peak=1),
    variant=True,
)

MS_SSIM = Metric(
    name="MS_SSIM",
    convention="wang",
    family="structure",
    source="Wang, Simoncelli and Bovik 2003, eq. 7; mean over the two sources",
    formula=r"\mathrm{MS\text{-}SSIM}(s, f) = l_5^{\alpha_5} \prod_{k=1}^{5} \left(c_k s_k\right)^{\alpha_k}",
    least=161,
    reach=80,
    map=partial(mean_over_sources, metric=multiscale_structural_similarity),
)

MS_SSIM_IVIF_ZOO = Metric(
    name="MS_SSIM",
    convention="ivif_zoo",
    family="structure",
    source="IVIF_ZOO: wrongly L = 255 for levels of 0 to 255^2, which is L = 1; the sum over the two sources",
    range=(0, 2),
    identical=2,
    constant=2,
    least=161,
    reach=80,
    map=partial(sum_over_sources, metric=multiscale_structural_similarity, peak=1),
    variant=True,
)

RECORDS = (
    SSIM,
    SSIM_VIFB,
    SSIM_CSLIB,
    SSIM_DUNGDZ,
    SSIM_IVIF_ZOO,
    MS_SSIM,
    MS_SSIM_IVIF_ZOO,
)
