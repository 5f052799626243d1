"""Structural similarity, and the fusion metrics that weigh it from window to window.

SSIM compares the means, variances and covariance of two images over sliding windows. A fusion metric has two sources:
SSIM and MS-SSIM take the mean of the two similarities; Piella, Cvejic and Yang take, in each window, the source that
has something to show there. An image that is too small for a metric's windows has no score: NaN.
"""

import torch
import torch.nn.functional as F
from fusebench.metrics.base import Metric, comparable, mean, shared, total
from fusebench.metrics.windows import (
    Window,
    box,
    gaussian,
    gradient_magnitude,
    local_covariance,
    local_moments,
    without_rounding,
)
from torch import Tensor

GAUSSIAN_11 = gaussian(11, 1.5)  # Wang's
GAUSSIAN_7 = gaussian(7, 1.5)  # Yang's
BOX_8 = box(8)  # Wang and Bovik's, which Piella and Cvejic use

# The factors of the range of grey levels that SSIM's two constants are the squares of.
WANG = (0.01, 0.03)
# Wang and Bovik's universal index is SSIM without constants, and 0/0 in flat windows. With constants this small it is 1
# there, for equal means, and elsewhere what it is without: their squares are far below any moment that is not 0.
UNIVERSAL = (1e-10, 1e-10)

# Wang 2003: the exponent of each scale, finest first.
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def structural_similarity(source: Tensor, fused: Tensor, *, peak: float = 255.0, border: str | None = None) -> Tensor:
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
    Tensor
        Shape (N,), float64, from -1 to 1; 1 for equal images, constant ones too. NaN if H or W < 11.

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

    >>> x = torch.full((1, 12, 12), 100, dtype=torch.uint8)
    >>> round(structural_similarity(x, x // 2).item(), 6)
    0.800104
    """
    x, y = (_bordered(levels, len(GAUSSIAN_11), border) for levels in comparable(source, fused))
    luminance, structure = _similarity(x, y, GAUSSIAN_11, WANG, peak)
    return mean(luminance * structure)


def multiscale_structural_similarity(source: Tensor, fused: Tensor, *, peak: float = 255.0) -> Tensor:
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
    Tensor
        Shape (N,), float64, from 0 to 1; 1 for equal images. NaN if H or W < 161: 11 pixels must be left of it.

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
    >>> x = torch.arange(170, dtype=torch.uint8).expand(1, 170, 170)
    >>> round(multiscale_structural_similarity(x, x).item(), 6)
    1.0
    """
    x, y = comparable(source, fused)
    factors = []
    for scale in range(len(SCALES)):
        luminance, structure = _similarity(x, y, GAUSSIAN_11, WANG, peak)
        coarsest = scale == len(SCALES) - 1
        factors.append(mean(luminance * structure if coarsest else structure, 2**scale))
        x, y = _halved(x), _halved(y)
    means = torch.stack(factors, dim=-1).clamp(min=0)
    return (means ** torch.tensor(SCALES, dtype=means.dtype, device=means.device)).prod(dim=-1)


def fusion_quality(
    a: Tensor, b: Tensor, fused: Tensor, *, window: Window = BOX_8, constants: tuple[float, float] = UNIVERSAL
) -> Tensor:
    """Fusion quality index Q_S: similarity to each source, weighted in each window by the source's variance.

    Q_S = mean over windows of q with q = w Q(a, f) + (1 - w) Q(b, f) and w = v_a / (v_a + v_b), where v is the variance
    in the window and Q the universal quality index, SSIM without its constants.

    Parameters
    ----------
    a, b
        The sources, shape (N, H, W), or (1, H, W) to stand for every fused image; uint8, or floating in [0, 1].
    fused
        Shape (N, H, W).
    window
        The window; 8 x 8 pixels of equal weight, as in the paper.
    constants
        The factors of SSIM's constants. The index has none; the default is next to nothing, for the flat windows.

    Returns
    -------
    Tensor
        Shape (N,), float64, from -1 to 1; 1 for three equal images. NaN if the image is smaller than the window.

    Raises
    ------
    ValueError
        If the shapes differ; see `grey_levels`.

    Notes
    -----
    G. Piella, H. Heijmans, A new quality metric for image fusion, ICIP 2003; the index of a window: Z. Wang, A. C.
    Bovik, A universal image quality index, IEEE Signal Processing Letters 9 (2002). The paper's 8 x 8 windows are
    taken, not the 11 x 11 ones of the later SSIM that some codes put in their place.

    Flat windows, half of a medical image, are 0/0 in the paper. Here Q of two flat windows is the comparison of their
    means, 2 m n / (m^2 + n^2), and 1 where both are black; Q of a flat and a lively window is 0; w is 1/2 where both
    sources are flat.

    Examples
    --------
    A window in which one source is flat is judged by the other source.

    >>> a = torch.arange(64, dtype=torch.uint8).view(1, 8, 8)
    >>> round(fusion_quality(a, torch.zeros_like(a), a).item(), 6)
    1.0
    """
    a, b, fused = comparable(a, b, fused)
    return mean(_quality(a, b, fused, window, constants)[0])


def weighted_fusion_quality(
    a: Tensor, b: Tensor, fused: Tensor, *, window: Window = BOX_8, constants: tuple[float, float] = UNIVERSAL
) -> Tensor:
    """Weighted fusion quality index Q_W: the mean of Q_S's windows, weighted by what the sources have there.

    Q_W = sum c q / sum c with c = max(v_a, v_b), and q, v as in `fusion_quality`.

    Parameters
    ----------
    a, b, fused, window, constants
        See `fusion_quality`.

    Returns
    -------
    Tensor
        Shape (N,), float64, from -1 to 1; 1 for three equal images. NaN if the image is smaller than the window.

    Raises
    ------
    ValueError
        If the shapes differ; see `grey_levels`.

    Notes
    -----
    Piella and Heijmans 2003, the index Q_W. A window in which both sources are flat has c = 1/2 squared grey level, not
    0, as in all published codes: next to nothing beside any structure, but where there is none at all a mean remains.

    Examples
    --------
    >>> a = torch.arange(64, dtype=torch.uint8).view(1, 8, 8)
    >>> round(weighted_fusion_quality(a, torch.zeros_like(a), a).item(), 6)
    1.0
    """
    a, b, fused = comparable(a, b, fused)
    return _weighted(a, b, fused, window, constants)


def edge_fusion_quality(
    a: Tensor,
    b: Tensor,
    fused: Tensor,
    *,
    window: Window = BOX_8,
    constants: tuple[float, float] = UNIVERSAL,
    border: str = "constant",
) -> Tensor:
    """Weighted fusion quality of the edge images, the second factor of Q_E.

    Q_E = Q_W(a, b, f) Q_W(a', b', f'), where the edge image x' is the magnitude of Prewitt's gradient.

    Parameters
    ----------
    a, b, fused, window, constants
        See `fusion_quality`.
    border
        What lies beyond the image for the gradient: "constant" for black, "replicate" for its outermost pixels.

    Returns
    -------
    Tensor
        Shape (N,), float64, from -1 to 1; 1 for three equal images. NaN if the image is smaller than the window.

    Raises
    ------
    ValueError
        If the shapes differ; see `grey_levels`.

    Notes
    -----
    Piella and Heijmans 2003, the index Q_E, with the exponent 1 for the edges. Prewitt's gradient with a black border
    is that of the published codes. Several of them take this factor alone for Q_E, or square it.

    Examples
    --------
    >>> a = torch.arange(64, dtype=torch.uint8).view(1, 8, 8)
    >>> round(edge_fusion_quality(a, torch.zeros_like(a), a).item(), 6)
    1.0
    """
    a, b, fused = (gradient_magnitude(levels, 1, border) for levels in comparable(a, b, fused))
    return _weighted(a, b, fused, window, constants)


def covariance_fusion_quality(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """Cvejic's fusion quality Q_C: similarity to each source, weighted in each window by its covariance with f.

    Q_C = mean over windows of w Q(a, f) + (1 - w) Q(b, f), w = c_af / (c_af + c_bf) put into [0, 1], where c is the
    covariance in the window and Q the universal quality index; windows of 8 x 8 pixels.

    Parameters
    ----------
    a, b
        The sources, shape (N, H, W), or (1, H, W) to stand for every fused image; uint8, or floating in [0, 1].
    fused
        Shape (N, H, W).

    Returns
    -------
    Tensor
        Shape (N,), float64, from -1 to 1; 1 for three equal images. NaN if H or W < 8.

    Raises
    ------
    ValueError
        If the shapes differ; see `grey_levels`.

    Notes
    -----
    N. Cvejic, A. Loza, D. Bull, N. Canagarajah, A similarity metric for assessment of image fusion algorithms, Int.
    J. Signal Processing 2 (2005). Where both covariances are 0, as in a flat window, w is 0/0 in the paper and 1/2
    here; Q of flat windows as in `fusion_quality`. So a background that stays black counts as kept: 1.

    Examples
    --------
    The fused image has the structure of one source; the other is its negative and does not count.

    >>> a = torch.arange(64, dtype=torch.uint8).view(1, 8, 8)
    >>> round(covariance_fusion_quality(a, 255 - a // 2, a).item(), 6)
    1.0
    """
    a, b, fused = comparable(a, b, fused)
    share = _covariance_share(a, b, fused, BOX_8).nan_to_num(nan=0.5).clamp(0, 1)
    quality = share * _index(a, fused, BOX_8, UNIVERSAL) + (1 - share) * _index(b, fused, BOX_8, UNIVERSAL)
    return mean(quality)


def similarity_fusion_quality(a: Tensor, b: Tensor, fused: Tensor, *, flat: bool = True) -> Tensor:
    """Yang's fusion quality Q_Y: where the sources agree f must be like both, elsewhere like one of them.

    Q_Y = mean over windows of w Q(a, f) + (1 - w) Q(b, f) with w = v_a / (v_a + v_b) where Q(a, b) >= 3/4, and of
    max(Q(a, f), Q(b, f)) elsewhere; v is the variance in the window, Q the universal quality index; Gaussian windows of
    7 x 7 pixels, sigma 1.5.

    Parameters
    ----------
    a, b
        The sources, shape (N, H, W), or (1, H, W) to stand for every fused image; uint8, or floating in [0, 1].
    fused
        Shape (N, H, W).
    flat
        Whether windows count in which both sources are flat.

    Returns
    -------
    Tensor
        Shape (N,), float64, from -1 to 1; 1 for three equal images. NaN if H or W < 7, or if no window counts.

    Raises
    ------
    ValueError
        If the shapes differ; see `grey_levels`.

    Notes
    -----
    C. Yang, J.-Q. Zhang, X.-R. Wang, X. Liu, A novel similarity based quality metric for image fusion, Information
    Fusion 9 (2008), with the window of the published codes. Where both sources are flat w is 0/0 in the paper and 1/2
    here; Q of flat windows as in `fusion_quality`. So a background that stays black counts as kept: 1.

    The published codes do not know flat windows that are lit, such as saturated ones: the rounding of their moments,
    1e-11, is more than their constants, 2e-16, and Q there a ratio of rounding errors (1e-5 where 255 became 128, not
    0.80). With much white their score is smaller, by up to 2 % on CT/MRI and PET/MRI pairs.

    Examples
    --------
    >>> a = torch.arange(64, dtype=torch.uint8).view(1, 8, 8)
    >>> round(similarity_fusion_quality(a, a.mT, a).item(), 6)
    1.0
    """
    a, b, fused = comparable(a, b, fused)
    of_a, of_b = _index(a, fused, GAUSSIAN_7, UNIVERSAL), _index(b, fused, GAUSSIAN_7, UNIVERSAL)
    share, lively = _variance_share(a, b, GAUSSIAN_7)
    agree = _index(a, b, GAUSSIAN_7, UNIVERSAL) >= 0.75
    quality = torch.where(agree, share * of_a + (1 - share) * of_b, torch.maximum(of_a, of_b))
    return _mean_where(quality, lively | flat)


def _similarity(
    x: Tensor, y: Tensor, window: Window, constants: tuple[float, float], peak: float = 255.0
) -> tuple[Tensor, Tensor]:
    """Give SSIM's two factors in each window: that of the means, and that of contrast and structure."""
    (mean_x, variance_x), (mean_y, variance_y) = local_moments(x, window), local_moments(y, window)
    c1, c2 = ((k * peak) ** 2 for k in constants)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    structure = (2 * local_covariance(x, y, window) + c2) / (variance_x + variance_y + c2)
    return luminance, structure


def _index(x: Tensor, y: Tensor, window: Window, constants: tuple[float, float]) -> Tensor:
    luminance, structure = _similarity(x, y, window, constants)
    return luminance * structure


@shared
def _quality(
    a: Tensor, b: Tensor, fused: Tensor, window: Window, constants: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Give Piella's quality in each window, and the window's weight."""
    share, lively = _variance_share(a, b, window)
    quality = share * _index(a, fused, window, constants) + (1 - share) * _index(b, fused, window, constants)
    larger = torch.maximum(local_moments(a, window)[1], local_moments(b, window)[1])
    return quality, torch.where(lively, larger, 0.5)


def _weighted(a: Tensor, b: Tensor, fused: Tensor, window: Window, constants: tuple[float, float]) -> Tensor:
    quality, weight = _quality(a, b, fused, window, constants)
    return total(weight * quality) / total(weight)


def _variance_share(a: Tensor, b: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Give v_a / (v_a + v_b), 1/2 where both are 0, and where they are not."""
    variance_a, variance_b = local_moments(a, window)[1], local_moments(b, window)[1]
    total = variance_a + variance_b
    return (variance_a / total).nan_to_num(nan=0.5), total > 0


def _covariance_share(a: Tensor, b: Tensor, fused: Tensor, window: Window) -> Tensor:
    """Give c_af / (c_af + c_bf): any number, infinite with the sign of c_af where they cancel, NaN where both are 0."""
    with_a, with_b = local_covariance(a, fused, window), local_covariance(b, fused, window)
    return with_a / without_rounding(with_a + with_b)


def _mean_where(values: Tensor, counts: Tensor) -> Tensor:
    return total(torch.where(counts, values, 0)) / total(counts)


def _bordered(image: Tensor, size: int, border: str | None) -> Tensor:
    """Continue the image, so that every pixel is the centre of a window; one smaller than the window stays as it is."""
    if border is None or min(image.shape[1:]) < size:
        return image
    return F.pad(image, (size // 2,) * 4, mode=border)


@shared
def _halved(image: Tensor) -> Tensor:
    odd = [length % 2 for length in image.shape[1:]]
    return F.avg_pool2d(F.pad(image, (0, odd[1], 0, odd[0]), mode="replicate"), 2)


def _covariance_fusion_quality_mefb(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """MEFB's Q_C: where the weight leaves [0, 1] it puts the quality at that bound, and drops the undefined windows.

    Where one source is flat the weight is a bound itself, 0 or 1, and the quality is that of the other source. In their
    code it lies beyond the bound by a rounding error in half of these windows, unless the flat level is black: summing
    the window's 49 products in three orders, fused or not, gives values that are 0.5 % apart on a CT/MRI pair.
    """
    a, b, fused = comparable(a, b, fused)
    share = _covariance_share(a, b, fused, GAUSSIAN_7)
    within = share.nan_to_num(nan=0.5).clamp(0, 1)
    quality = within * _index(a, fused, GAUSSIAN_7, UNIVERSAL) + (1 - within) * _index(b, fused, GAUSSIAN_7, UNIVERSAL)
    quality = torch.where(share < 0, 0.0, torch.where(share > 1, 1.0, quality))
    return _mean_where(quality, ~share.isnan())


SSIM = Metric(
    name="SSIM",
    convention="wang",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Wang, Bovik, Sheikh and Simoncelli 2004, eq. 13 to 17; mean over the two sources",
    score=lambda a, b, fused: (structural_similarity(a, fused) + structural_similarity(b, fused)) / 2,
)

SSIM_VIFB = Metric(
    name="SSIM",
    convention="vifb",
    unit="",
    higher_is_better=True,
    digits=4,
    source="VIFB: the sum over the two sources, so up to 2",
    score=lambda a, b, fused: structural_similarity(a, fused) + structural_similarity(b, fused),
    variant=True,
)

SSIM_CSLIB = Metric(
    name="SSIM",
    convention="cslib",
    unit="",
    higher_is_better=True,
    digits=4,
    source="cslib, like torchmetrics: images are mirrored at their border, so that every pixel has a window",
    score=lambda a, b, fused: (
        (structural_similarity(a, fused, border="reflect") + structural_similarity(b, fused, border="reflect")) / 2
    ),
    variant=True,
)

SSIM_DUNGDZ = Metric(
    name="SSIM",
    convention="dungdz",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Image-Fusion-Metric: wrongly L = 1 for levels of 0 to 255, as MATLAB's ssim takes it; borders repeated",
    score=lambda a, b, fused: (
        (
            structural_similarity(a, fused, peak=1, border="replicate")
            + structural_similarity(b, fused, peak=1, border="replicate")
        )
        / 2
    ),
    variant=True,
)

SSIM_IVIF_ZOO = Metric(
    name="SSIM",
    convention="ivif_zoo",
    unit="",
    higher_is_better=True,
    digits=4,
    source="IVIF_ZOO: wrongly L = 255 for levels of 0 to 255^2, which is L = 1; the sum over the two sources",
    score=lambda a, b, fused: structural_similarity(a, fused, peak=1) + structural_similarity(b, fused, peak=1),
    variant=True,
)

MS_SSIM = Metric(
    name="MS_SSIM",
    convention="wang",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Wang, Simoncelli and Bovik 2003, eq. 7; mean over the two sources",
    score=lambda a, b, fused: (
        (multiscale_structural_similarity(a, fused) + multiscale_structural_similarity(b, fused)) / 2
    ),
)

MS_SSIM_IVIF_ZOO = Metric(
    name="MS_SSIM",
    convention="ivif_zoo",
    unit="",
    higher_is_better=True,
    digits=4,
    source="IVIF_ZOO: wrongly L = 255 for levels of 0 to 255^2, which is L = 1; the sum over the two sources",
    score=lambda a, b, fused: (
        multiscale_structural_similarity(a, fused, peak=1) + multiscale_structural_similarity(b, fused, peak=1)
    ),
    variant=True,
)

Q_S = Metric(
    name="Q_S",
    convention="piella",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Piella and Heijmans 2003, the index Q",
    score=fusion_quality,
)

Q_S_ZHENGLIU = Metric(
    name="Q_S",
    convention="zhengliu",
    unit="",
    higher_is_better=True,
    digits=4,
    source="imageFusionMetrics: SSIM with its 11 x 11 windows and constants in place of the universal index",
    score=lambda a, b, fused: fusion_quality(a, b, fused, window=GAUSSIAN_11, constants=WANG),
    variant=True,
)

Q_W = Metric(
    name="Q_W",
    convention="piella",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Piella and Heijmans 2003, the index Q_W",
    score=weighted_fusion_quality,
)

Q_W_ZHENGLIU = Metric(
    name="Q_W",
    convention="zhengliu",
    unit="",
    higher_is_better=True,
    digits=4,
    source="imageFusionMetrics: SSIM with its 11 x 11 windows and constants in place of the universal index",
    score=lambda a, b, fused: weighted_fusion_quality(a, b, fused, window=GAUSSIAN_11, constants=WANG),
    variant=True,
)

Q_W_MEFB = Metric(
    name="Q_W",
    convention="mefb",
    unit="",
    higher_is_better=True,
    digits=4,
    source="MEFB: wrongly the quality of the edge images alone, which is a factor of Q_E; SSIM as zhengliu",
    score=lambda a, b, fused: edge_fusion_quality(a, b, fused, window=GAUSSIAN_11, constants=WANG),
    variant=True,
)

Q_E = Metric(
    name="Q_E",
    convention="piella",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Piella and Heijmans 2003, the index Q_E; exponent 1",
    score=lambda a, b, fused: weighted_fusion_quality(a, b, fused) * edge_fusion_quality(a, b, fused),
)

Q_E_DUNGDZ = Metric(
    name="Q_E",
    convention="dungdz",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Image-Fusion-Metric: wrongly the square of the edge images' quality; SSIM as zhengliu; borders repeated",
    score=lambda a, b, fused: edge_fusion_quality(
        a, b, fused, window=GAUSSIAN_11, constants=WANG, border="replicate"
    ).square(),
    variant=True,
)

Q_C = Metric(
    name="Q_C",
    convention="cvejic",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Cvejic, Loza, Bull and Canagarajah 2005",
    score=covariance_fusion_quality,
)

Q_C_MEFB = Metric(
    name="Q_C",
    convention="mefb",
    unit="",
    higher_is_better=True,
    digits=4,
    source="MEFB: wrongly bounds the quality where the weight is out of bounds; drops flat windows; Gaussian of 7 x 7",
    score=_covariance_fusion_quality_mefb,
    variant=True,
)

Q_Y = Metric(
    name="Q_Y",
    convention="yang",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Yang, Zhang, Wang and Liu 2008",
    score=similarity_fusion_quality,
)

Q_Y_MEFB = Metric(
    name="Q_Y",
    convention="mefb",
    unit="",
    higher_is_better=True,
    digits=4,
    source="MEFB: drops the windows in which both sources are flat",
    score=lambda a, b, fused: similarity_fusion_quality(a, b, fused, flat=False),
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
    Q_S,
    Q_S_ZHENGLIU,
    Q_W,
    Q_W_ZHENGLIU,
    Q_W_MEFB,
    Q_E,
    Q_E_DUNGDZ,
    Q_C,
    Q_C_MEFB,
    Q_Y,
    Q_Y_MEFB,
)
