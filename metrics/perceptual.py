"""Metrics with a model of the eye's contrast sensitivity: Chen and Varshney's, Chen and Blum's.

Both filter the images with the sensitivity as a function of spatial frequency, by Fourier transform: at the border an
image is continued by itself.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from fusebench.metrics.base import Metric, comparable
from fusebench.metrics.base import stretched as spread
from fusebench.metrics.maps import Local, Map, inside
from fusebench.metrics.windows import blur, gradient_magnitude
from torch import Tensor

REGION = 16  # side of Chen and Varshney's regions, in pixels
SALIENCE = 5  # the exponent of their salience
EVEN = 1 - 0.7622  # what Chen and Blum's filter passes of an even light


def regional_distortion(
    a: Tensor, b: Tensor, fused: Tensor, *, stretched: bool = False, mask: Tensor | None = None
) -> Tensor:
    """Chen and Varshney's distortion Q_CV: the visible difference to each source, where the source has edges.

    Q_CV = sum (l_a D_a + l_b D_b) / sum (l_a + l_b) over regions of 16 x 16 pixels. D is the mean square of f - a or
    f - b after the contrast sensitivity filter S(r) = 2.6 (0.0192 + 0.144 r) exp(-(0.144 r)^1.1), and the salience l
    the sum of the fifth powers of the source's Sobel magnitudes.

    Parameters
    ----------
    a, b
        The sources, shape (N, H, W), or (1, H, W) to stand for every fused image; uint8, or floating in [0, 1].
    fused
        Shape (N, H, W).
    stretched
        Whether each image is first stretched to the grey levels 0 to 255 and rounded.
    mask
        Where the score is taken, (N, H, W) or (1, H, W) bool; see `maps.inside`.

    Returns
    -------
    Tensor
        Shape (N,), float64, in squared grey levels: 0 if f equals both sources, the smaller the better. NaN where
        neither source has an edge, as two black ones.

    Raises
    ------
    ValueError
        If the shapes differ; see `grey_levels`.

    Notes
    -----
    H. Chen, P. K. Varshney, A human perception inspired quality metric for image fusion based on regional information,
    Information Fusion 8 (2007). What is open is as in the published codes, which agree. They filter the whole image,
    where the paper filters each region, so that no region has a border of its own. Of the paper's filters they take
    that of Mannos and Sakrison (whose own constant was 0.114); the sides of the image span 4 degrees, and black lies
    beyond the border for the gradient and for regions that the border cuts. They also stretch every image, which the
    paper does not and which hides a loss of contrast: that is Q_CV@vifb. Regions begin at the upper left corner, so a
    flipped or shifted image has others.

    Examples
    --------
    >>> x = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    >>> regional_distortion(x, x, x).tolist()
    [0.0]
    """
    a, b, fused = comparable(*(spread(image) if stretched else image for image in (a, b, fused)))
    seen = _filtered(fused, _mannos_sakrison)
    salience_a, salience_b = _salience(a, mask), _salience(b, mask)
    distortion_a = _region_means((_filtered(a, _mannos_sakrison) - seen).square(), mask)
    distortion_b = _region_means((_filtered(b, _mannos_sakrison) - seen).square(), mask)
    weighted = (salience_a * distortion_a + salience_b * distortion_b).sum(dim=(-2, -1))
    return weighted / (salience_a + salience_b).sum(dim=(-2, -1))


def contrast_preservation(
    a: Tensor,
    b: Tensor,
    fused: Tensor,
    *,
    light: float = 1.0,
    visible: float = 0.001,
    stretched: bool = False,
) -> Local:
    """Chen and Blum's quality Q_CB: how far the local contrast of the more contrasty source is preserved.

    Q_CB = mean over pixels of w q_a + (1 - w) q_b with q = (min(C, C_f) + v) / (max(C, C_f) + v) and
    w = (C_a^2 + v^2) / (C_a^2 + C_b^2 + 2 v^2). C is a pixel's masked contrast, C = c^3 / (c^2 + 0.0001) with
    c = |G_2 * x - G_4 * x| / max(|G_4 * x|, l), where x is the image after the contrast sensitivity filter
    S(r) = exp(-(r / 15.387)^2) - 0.7622 exp(-(r / 1.3456)^2), and G_2 and G_4 are Gaussians of sigma 2 and 4 pixels.

    Parameters
    ----------
    a, b
        The sources, shape (N, H, W), or (1, H, W) to stand for every fused image; uint8, or floating in [0, 1].
    fused
        Shape (N, H, W).
    light
        The light that a pixel is taken to have at least, in grey levels: l is what the filter passes of it, 0.2378 of
        it. 0 for the paper's bare quotient.
    visible
        v, the masked contrast that is just seen. 0 for the paper's bare quotients.
    stretched
        Whether each image is first stretched to the grey levels 0 to 255 and rounded.

    Returns
    -------
    Local
        Pools to (N,), float64, from 0 to 1; 1 for three equal images, constant ones too.

    Raises
    ------
    ValueError
        If the shapes differ; see `grey_levels`.

    Notes
    -----
    Y. Chen, R. S. Blum, A new automated quality assessment algorithm for image fusion, Image and Vision Computing 27
    (2009). What the paper leaves open is as in the published codes, which agree: the sides of the image span 15
    degrees, the exponents are 3 and 2, the Gaussians are cut at 15 pixels and see black beyond the border.

    The paper has l = v = 0. Into a black background the filter rings, ever more weakly, down to the rounding of the
    transform, and the quotients of what it leaves there count like any other: half of a medical image is scored by
    noise, by up to 1.6 % differently from processor to processor. So there is no contrast here where there is no light:
    a pixel has at least one grey level of it, and contrasts below what is seen (a c of 0.5 %, the eye's best, has a C
    of 0.001) are alike. A background that stays black counts as kept, 1. The codes have l = v = 0 and stretch every
    image, which the paper does not: that is Q_CB@vifb.

    Examples
    --------
    >>> x = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    >>> round(contrast_preservation(x, x, x).pool().item(), 6)
    1.0
    """
    levels = comparable(*(spread(image) if stretched else image for image in (a, b, fused)))
    of_a, of_b, of_fused = (_masked_contrast(x, EVEN * light) for x in levels)
    power_a, power_b = of_a.square() + visible**2, of_b.square() + visible**2
    share = (power_a / (power_a + power_b)).nan_to_num(nan=0.5)
    quality = share * _preserved(of_a, of_fused, visible) + (1 - share) * _preserved(of_b, of_fused, visible)
    return Map(quality)


def _filtered(levels: Tensor, sensitivity: Callable[[Tensor], Tensor]) -> Tensor:
    """Filter with a sensitivity that is a function of the frequency in cycles per side of the image."""
    height, width = levels.shape[-2:]
    down = height * torch.fft.fftfreq(height, dtype=levels.dtype, device=levels.device).unsqueeze(1)
    across = width * torch.fft.rfftfreq(width, dtype=levels.dtype, device=levels.device)
    filtered: Tensor = torch.fft.irfft2(
        torch.fft.rfft2(levels) * sensitivity(torch.hypot(down, across)), s=(height, width)
    )
    return filtered


def _mannos_sakrison(frequency: Tensor) -> Tensor:
    r = 0.144 * frequency / 4
    return 2.6 * (0.0192 + r) * torch.exp(-(r**1.1))


def _difference_of_gaussians(frequency: Tensor) -> Tensor:
    r = frequency / 15
    return torch.exp(-((r / 15.387) ** 2)) - 0.7622 * torch.exp(-((r / 1.3456) ** 2))


def _salience(levels: Tensor, mask: Tensor | None) -> Tensor:
    """Sum over each region of a power of the magnitude of Sobel's gradient."""
    return REGION**2 * _region_means(gradient_magnitude(levels, 2) ** SALIENCE, mask)


def _region_means(image: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over each region; one that the border cuts, or the mask's, is filled up with 0."""
    height, width = image.shape[-2:]
    return F.avg_pool2d(F.pad(inside(image, mask), (0, -width % REGION, 0, -height % REGION)), REGION)


def _masked_contrast(levels: Tensor, least: float) -> Tensor:
    padded = F.pad(_filtered(levels, _difference_of_gaussians), (15, 15, 15, 15))
    narrow, wide = blur(padded, _bell(2)), blur(padded, _bell(4))
    light = wide.abs().clamp(min=least)
    contrast = torch.where(light == 0, 0, (narrow - wide).abs() / light)
    return contrast**3 / (contrast.square() + 1e-4)


def _bell(sigma: float) -> tuple[float, ...]:
    """Give a Gaussian on 31 pixels. Its sum is not quite 1, as in the published codes: that is seen in flat regions."""
    return tuple(math.exp(-(i**2) / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma) for i in range(-15, 16))


def _preserved(x: Tensor, y: Tensor, visible: float) -> Tensor:
    return ((torch.minimum(x, y) + visible) / (torch.maximum(x, y) + visible)).nan_to_num(nan=1.0)


Q_CV = Metric(
    name="Q_CV",
    convention="chen",
    family="perception",
    unit="squared grey levels",
    higher_is_better=False,
    digits=2,
    source="Chen and Varshney 2007, Mannos and Sakrison's filter on whole images",
    formula=(
        r"Q_{CV} = \frac{\sum_W \left(\lambda_a D_a + \lambda_b D_b\right)}{\sum_W \left(\lambda_a + "
        r"\lambda_b\right)}"
    ),
    range=(0, math.inf),
    identical=0,
    constant=0,
    undefined=True,
    reach=math.inf,
    score=regional_distortion,
)

Q_CV_VIFB = Metric(
    name="Q_CV",
    convention="vifb",
    family="perception",
    unit="squared grey levels",
    higher_is_better=False,
    digits=2,
    source="VIFB, also MEFB, MFIF and zhengliu: each image stretched to 0 to 255, which hides a loss of contrast",
    range=(0, math.inf),
    identical=0,
    constant=0,
    undefined=True,
    reach=math.inf,
    score=partial(regional_distortion, stretched=True),
    variant=True,
)

Q_CB = Metric(
    name="Q_CB",
    convention="chen",
    family="perception",
    source="Chen and Blum 2009, with at least one grey level of light and contrasts that are seen",
    formula=(
        r"Q_{CB} = \overline{w \, q_a + (1 - w) \, q_b}, \quad q = \frac{\min(C, C_f) + v}{\max(C, C_f) + v}, "
        r"\quad w = \frac{C_a^2 + v^2}{C_a^2 + C_b^2 + 2 v^2}"
    ),
    reach=math.inf,
    map=contrast_preservation,
)

Q_CB_VIFB = Metric(
    name="Q_CB",
    convention="vifb",
    family="perception",
    source="VIFB, also MEFB, MFIF and zhengliu: stretched; rests on the rounding of Fourier transforms before black",
    reach=math.inf,
    map=partial(contrast_preservation, light=0, visible=0, stretched=True),
    variant=True,
    rounding=2e-2,
)

RECORDS = (Q_CV, Q_CV_VIFB, Q_CB, Q_CB_VIFB)
