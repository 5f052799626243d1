"""Fusion metrics that weigh a similarity from window to window: Piella's, Cvejic's and Yang's.

The similarity is Wang and Bovik's universal index. In each window that source counts which has something to show there.
An image that is too small for a metric's windows has no score: NaN.
"""

import math
from functools import partial

import torch
from fusebench.metrics.base import Metric, comparable, shared
from fusebench.metrics.maps import Local, Map
from fusebench.metrics.structural_similarity import GAUSSIAN_11, WANG, similarity_factors
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

GAUSSIAN_7 = gaussian(7, 1.5)  # Yang's
BOX_8 = box(8)  # Wang and Bovik's, which Piella and Cvejic use

# Wang and Bovik's universal index is SSIM without constants, and 0/0 in flat windows. With constants this small it is 1
# there, for equal means, and elsewhere what it is without: their squares are far below any moment that is not 0.
UNIVERSAL = (1e-10, 1e-10)


def fusion_quality(
    a: Tensor,
    b: Tensor,
    fused: Tensor,
    *,
    window: Window = BOX_8,
    constants: tuple[float, float] = UNIVERSAL,
) -> Local:
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
    Local
        Pools to (N,), float64, from -1 to 1; 1 for three equal images. NaN if the image is smaller than the window.

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
    >>> round(fusion_quality(a, torch.zeros_like(a), a).pool().item(), 6)
    1.0
    """
    a, b, fused = comparable(a, b, fused)
    return Map(_quality(a, b, fused, window, constants)[0])


def weighted_fusion_quality(
    a: Tensor,
    b: Tensor,
    fused: Tensor,
    *,
    window: Window = BOX_8,
    constants: tuple[float, float] = UNIVERSAL,
) -> Local:
    """Weighted fusion quality index Q_W: the mean of Q_S's windows, weighted by what the sources have there.

    Q_W = sum c q / sum c with c = max(v_a, v_b), and q, v as in `fusion_quality`.

    Parameters
    ----------
    a, b, fused, window, constants
        See `fusion_quality`.

    Returns
    -------
    Local
        Pools to (N,), float64, from -1 to 1; 1 for three equal images. NaN if the image is smaller than the window.

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
    >>> round(weighted_fusion_quality(a, torch.zeros_like(a), a).pool().item(), 6)
    1.0
    """
    a, b, fused = comparable(a, b, fused)
    return _weighted(*_quality(a, b, fused, window, constants))


def edge_fusion_quality(
    a: Tensor,
    b: Tensor,
    fused: Tensor,
    *,
    window: Window = BOX_8,
    constants: tuple[float, float] = UNIVERSAL,
    border: str = "constant",
) -> Local:
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
    Local
        Pools to (N,), float64, from -1 to 1; 1 for three equal images. NaN if the image is smaller than the window.

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
    >>> round(edge_fusion_quality(a, torch.zeros_like(a), a).pool().item(), 6)
    1.0
    """
    a, b, fused = (gradient_magnitude(levels, 1, border) for levels in comparable(a, b, fused))
    return _weighted(*_quality(a, b, fused, window, constants))


def covariance_fusion_quality(a: Tensor, b: Tensor, fused: Tensor) -> Local:
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
    Local
        Pools to (N,), float64, from -1 to 1; 1 for three equal images. NaN if H or W < 8.

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
    >>> round(covariance_fusion_quality(a, 255 - a // 2, a).pool().item(), 6)
    1.0
    """
    a, b, fused = comparable(a, b, fused)
    share = _covariance_share(a, b, fused, BOX_8).nan_to_num(nan=0.5).clamp(0, 1)
    quality = share * _index(a, fused, BOX_8, UNIVERSAL) + (1 - share) * _index(b, fused, BOX_8, UNIVERSAL)
    return Map(quality)


def similarity_fusion_quality(a: Tensor, b: Tensor, fused: Tensor, *, flat: bool = True) -> Local:
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
    Local
        Pools to (N,), float64, from -1 to 1; 1 for three equal images. NaN if H or W < 7, or if no window counts.

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
    >>> round(similarity_fusion_quality(a, a.mT, a).pool().item(), 6)
    1.0
    """
    a, b, fused = comparable(a, b, fused)
    of_a, of_b = _index(a, fused, GAUSSIAN_7, UNIVERSAL), _index(b, fused, GAUSSIAN_7, UNIVERSAL)
    share, lively = _variance_share(a, b, GAUSSIAN_7)
    agree = _index(a, b, GAUSSIAN_7, UNIVERSAL) >= 0.75
    quality = torch.where(agree, share * of_a + (1 - share) * of_b, torch.maximum(of_a, of_b))
    return _mean_where(quality, lively | flat)


def _index(x: Tensor, y: Tensor, window: Window, constants: tuple[float, float]) -> Tensor:
    luminance, structure = similarity_factors(x, y, window, constants)
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


def _weighted(quality: Tensor, weight: Tensor) -> Map:
    return Map(weight * quality, weight)


def _variance_share(a: Tensor, b: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Give v_a / (v_a + v_b), 1/2 where both are 0, and where they are not."""
    variance_a, variance_b = local_moments(a, window)[1], local_moments(b, window)[1]
    total = variance_a + variance_b
    return (variance_a / total).nan_to_num(nan=0.5), total > 0


def _covariance_share(a: Tensor, b: Tensor, fused: Tensor, window: Window) -> Tensor:
    """Give c_af / (c_af + c_bf): any number, infinite with the sign of c_af where they cancel, NaN where both are 0."""
    with_a, with_b = local_covariance(a, fused, window), local_covariance(b, fused, window)
    return with_a / without_rounding(with_a + with_b)


def _mean_where(quality: Tensor, counts: Tensor) -> Map:
    return Map(torch.where(counts, quality, 0), counts)


def _covariance_fusion_quality_mefb(a: Tensor, b: Tensor, fused: Tensor) -> Local:
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


def _edge_dependent_fusion_quality(a: Tensor, b: Tensor, fused: Tensor) -> Local:
    return weighted_fusion_quality(a, b, fused) * edge_fusion_quality(a, b, fused)


def _squared_edge_quality(a: Tensor, b: Tensor, fused: Tensor) -> Local:
    return edge_fusion_quality(a, b, fused, window=GAUSSIAN_11, constants=WANG, border="replicate").then(torch.square)


Q_S = Metric(
    name="Q_S",
    convention="piella",
    family="structure",
    source="Piella and Heijmans 2003, the index Q",
    formula=r"Q_S = \overline{w \, Q(a, f) + (1 - w) \, Q(b, f)}, \quad w = \frac{\sigma_a^2}{\sigma_a^2 + \sigma_b^2}",
    range=(-1, 1),
    least=8,
    map=fusion_quality,
)

Q_S_ZHENGLIU = Metric(
    name="Q_S",
    convention="zhengliu",
    family="structure",
    source="imageFusionMetrics: SSIM with its 11 x 11 windows and constants in place of the universal index",
    range=(-1, 1),
    least=11,
    map=partial(fusion_quality, window=GAUSSIAN_11, constants=WANG),
    variant=True,
)

Q_W = Metric(
    name="Q_W",
    convention="piella",
    family="structure",
    source="Piella and Heijmans 2003, the index Q_W",
    formula=(
        r"Q_W = \frac{\sum c \left(w \, Q(a, f) + (1 - w) \, Q(b, f)\right)}{\sum c}, \quad c = "
        r"\max(\sigma_a^2, \sigma_b^2)"
    ),
    range=(-1, 1),
    least=8,
    map=weighted_fusion_quality,
)

Q_W_ZHENGLIU = Metric(
    name="Q_W",
    convention="zhengliu",
    family="structure",
    source="imageFusionMetrics: SSIM with its 11 x 11 windows and constants in place of the universal index",
    range=(-1, 1),
    least=11,
    map=partial(weighted_fusion_quality, window=GAUSSIAN_11, constants=WANG),
    variant=True,
)

Q_W_MEFB = Metric(
    name="Q_W",
    convention="mefb",
    family="structure",
    source="MEFB: wrongly the quality of the edge images alone, which is a factor of Q_E; SSIM as zhengliu",
    range=(-1, 1),
    least=11,
    map=partial(edge_fusion_quality, window=GAUSSIAN_11, constants=WANG),
    variant=True,
)

Q_E = Metric(
    name="Q_E",
    convention="piella",
    family="structure",
    source="Piella and Heijmans 2003, the index Q_E; exponent 1",
    formula=r"Q_E = Q_W(a, b, f) \cdot Q_W(a', b', f')",
    range=(-1, 1),
    least=8,
    map=_edge_dependent_fusion_quality,
)

Q_E_DUNGDZ = Metric(
    name="Q_E",
    convention="dungdz",
    family="structure",
    source="Image-Fusion-Metric: wrongly the square of the edge images' quality; SSIM as zhengliu; borders repeated",
    least=11,
    map=_squared_edge_quality,
    variant=True,
)

Q_C = Metric(
    name="Q_C",
    convention="cvejic",
    family="structure",
    source="Cvejic, Loza, Bull and Canagarajah 2005",
    formula=(
        r"Q_C = \overline{w \, Q(a, f) + (1 - w) \, Q(b, f)}, \quad w = \frac{\sigma_{af}}{\sigma_{af} + "
        r"\sigma_{bf}} \in [0, 1]"
    ),
    range=(-1, 1),
    least=8,
    map=covariance_fusion_quality,
)

Q_C_MEFB = Metric(
    name="Q_C",
    convention="mefb",
    family="structure",
    source="MEFB: wrongly bounds the quality where the weight is out of bounds; drops flat windows; Gaussian of 7 x 7",
    range=(-1, 1),
    constant=math.nan,
    least=7,
    undefined=True,
    ordered="a weight out of bounds counts as quality 0 if a's covariance with f has the other sign, 1 if b's has",
    map=_covariance_fusion_quality_mefb,
    variant=True,
)

Q_Y = Metric(
    name="Q_Y",
    convention="yang",
    family="structure",
    source="Yang, Zhang, Wang and Liu 2008",
    formula=(
        r"Q_Y = \overline{q}, \quad q = \begin{cases} w \, Q(a, f) + (1 - w) \, Q(b, f) & Q(a, b) \ge 3/4 "
        r"\\ \max(Q(a, f), Q(b, f)) & \text{elsewhere} \end{cases}"
    ),
    range=(-1, 1),
    least=7,
    map=similarity_fusion_quality,
)

Q_Y_MEFB = Metric(
    name="Q_Y",
    convention="mefb",
    family="structure",
    source="MEFB: drops the windows in which both sources are flat",
    range=(-1, 1),
    constant=math.nan,
    least=7,
    undefined=True,
    map=partial(similarity_fusion_quality, flat=False),
    variant=True,
)

RECORDS = (
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
