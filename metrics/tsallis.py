"""Mutual information by Tsallis' entropy of order q, and the scores made of it.

Order 1 is Shannon's. Grey levels are counted as in `mutual_information`.
"""

import math
from functools import partial

import torch
from fusebench.metrics.base import Metric, shared, stretched
from fusebench.metrics.mutual_information import entropy, joint_probabilities, probabilities
from torch import Tensor

CVEJIC = 1.85
NAVA = 0.43137


def tsallis_entropy(image: Tensor, q: float, *, mask: Tensor | None = None) -> Tensor:
    """Tsallis' entropy of the grey levels, H^q(x) = (1 - sum p^q) / (q - 1).

    Parameters
    ----------
    image
        Shape (N, H, W); uint8, or floating in [0, 1].
    q
        The order, positive and not 1, where the limit is Shannon's entropy in nats (`entropy`).
    mask
        Where the score is taken, (N, H, W) or (1, H, W) bool; see `maps.inside`.

    Returns
    -------
    Tensor
        Shape (N,), float64, a pure number; 0 for a constant image.

    Raises
    ------
    ValueError
        If q is not such an order; see `grey_levels`.

    Notes
    -----
    C. Tsallis, Possible generalization of Boltzmann-Gibbs statistics, Journal of Statistical Physics 52 (1988).

    Examples
    --------
    Two levels, equally often, q = 2: 1 - 2 / 4.

    >>> round(tsallis_entropy(torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8), 2).item(), 9)
    0.5
    """
    _check(q)
    return (1 - probabilities(image, mask=mask).pow(q).sum(dim=-1)) / (q - 1)


def tsallis_information(
    x: Tensor, y: Tensor, q: float, *, transposed: bool = False, mask: Tensor | None = None
) -> Tensor:
    """Mutual information of order q, I^q(x, y) = (1 - sum p(x, y)^q / (p(x) p(y))^(q - 1)) / (1 - q).

    Parameters
    ----------
    x, y
        Shape (N, H, W), both; uint8, or floating in [0, 1].
    q
        The order, positive and not 1, where the limit is Shannon's mutual information in nats.
    transposed
        Emulate the codes that give each image the other's marginal. The sum then runs over pairs of levels (i, j)
        with p_y(i) p_x(j) > 0. The value says nothing about the images: it changes when a grey level is renamed.
    mask
        See `tsallis_entropy`.

    Returns
    -------
    Tensor
        Shape (N,), float64, a pure number: 0 where x and y are independent, positive elsewhere. I^q(x, x) is
        H^(2 - q)(x). For q above 1 rare levels rule: it has no bound but the number of pixels.

    Raises
    ------
    ValueError
        If q is not such an order or the shapes differ; see `grey_levels`.

    Notes
    -----
    N. Cvejic, C. N. Canagarajah, D. R. Bull, Image fusion metric based on mutual information and Tsallis entropy,
    Electronics Letters 42 (2006).

    Examples
    --------
    Two levels, q = 2: (1 - 2 (1/2)^2 / (1/4)) / (1 - 2).

    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> round(tsallis_information(x, x, 2).item(), 9), round(abs(tsallis_information(x, x.mT, 2).item()), 9)
    (1.0, 0.0)
    """
    _check(q)
    rows, columns = _inverse_power(x, q, mask), _inverse_power(y, q, mask)
    if transposed:
        rows, columns = columns, rows
    terms = _joint_power(x, y, q, mask=mask) * rows.unsqueeze(2) * columns.unsqueeze(1)
    return (1 - terms.sum(dim=(-2, -1))) / (1 - q)


def tsallis_fusion_information(
    a: Tensor, b: Tensor, fused: Tensor, q: float = CVEJIC, *, transposed: bool = False, mask: Tensor | None = None
) -> Tensor:
    """Information the fused image shares with its sources, Q_TE = I^q(f, a) + I^q(f, b).

    Shapes, range and errors as `tsallis_information`. Constant images have 0.

    Notes
    -----
    N. Cvejic, C. N. Canagarajah, D. R. Bull, Electronics Letters 42 (2006), with their q = 1.85.

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> round(tsallis_fusion_information(x, x.mT, x, q=2).item(), 9)
    1.0
    """
    of_a, of_b = (tsallis_information(x, fused, q, transposed=transposed, mask=mask) for x in (a, b))
    return of_a + of_b


def stretched_tsallis_fusion_information(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Emulate zhengliu's Q_TE: of stretched images (`stretched`), each with the other's marginal.

    Shapes and errors as `tsallis_information`.
    """
    a, b, fused = (stretched(image, mask=mask) for image in (a, b, fused))
    return tsallis_fusion_information(a, b, fused, transposed=True, mask=mask)


def normalised_tsallis_information(
    a: Tensor, b: Tensor, fused: Tensor, q: float = NAVA, *, mask: Tensor | None = None
) -> Tensor:
    """Information the fused image shares with its sources, relative to what the sources hold together.

    (I^q(f, a) + I^q(f, b)) / (H^q(a) + H^q(b) - I^q(a, b)). Shapes and errors as `tsallis_information`.

    Two constant sources hold nothing: 0 / 0 is defined as 0, nothing was carried over.

    Notes
    -----
    R. Nava, B. Escalante-Ramirez, G. Cristobal, Mutual information improves image fusion quality assessments, SPIE
    Newsroom (2007), with their q = 0.43137; Z. Liu, E. Blasch, Z. Xue, J. Zhao, R. Laganiere, W. Wu, Objective
    assessment of multiresolution image fusion algorithms for context enhancement in night vision, IEEE Trans. Pattern
    Analysis and Machine Intelligence 34 (2012).

    Examples
    --------
    With q = 2, two levels: 2 I^2 / (2 H^2 - I^2) is no number (its denominator is 0); with q = 1/2 the parts are
    H^q = 2 (sqrt 2 - 1) and I^q(x, x) = H^(3/2) = 2 - sqrt 2.

    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> score = normalised_tsallis_information(x, x, x, q=0.5).item()
    >>> round(score, 6), round(2 * (2 - 2**0.5) / (4 * (2**0.5 - 1) - (2 - 2**0.5)), 6)
    (1.093836, 1.093836)
    """
    of_a, of_b = (tsallis_entropy(x, q, mask=mask) for x in (a, b))
    held = of_a + of_b - tsallis_information(a, b, q, mask=mask)
    return _ratio(tsallis_fusion_information(a, b, fused, q, mask=mask), held, a, b, mask)


def transposed_normalised_tsallis_information(
    a: Tensor, b: Tensor, fused: Tensor, q: float = NAVA, *, mask: Tensor | None = None
) -> Tensor:
    """Emulate zhengliu's form of Nava's score: each image has the other's marginal, and the denominator is another.

    (I^q(f, a) + I^q(f, b)) / (H(a)^q + H(b)^q + I^q(a, b)) of stretched images (`stretched`): Shannon's entropies in
    bits raised to the power q, where Tsallis' of order q are meant, and a plus for the minus. Shapes, errors and the
    undefined case as `normalised_tsallis_information`.

    Examples
    --------
    Two equally frequent levels have the same marginals either way, H = 1 and, for q = 1/2, I^q = 2 - sqrt 2.

    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> score = transposed_normalised_tsallis_information(x, x, x, q=0.5).item()
    >>> round(score, 6), round(2 * (2 - 2**0.5) / (2 + (2 - 2**0.5)), 6)
    (0.453082, 0.453082)
    """
    a, b, fused = (stretched(image, mask=mask) for image in (a, b, fused))
    of_a, of_b = (entropy(x, mask=mask).pow(q) for x in (a, b))
    held = of_a + of_b + tsallis_information(a, b, q, transposed=True, mask=mask)
    return _ratio(tsallis_fusion_information(a, b, fused, q, transposed=True, mask=mask), held, a, b, mask)


def entropy_difference(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Emulate ivif_zoo's Tsallis metric: at order 1, and no mutual information, H(a) + H(b) - H(f) in bits.

    Shapes and errors as `entropy`. It rewards a fused image for holding little: a constant one scores best.

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> round(entropy_difference(x, x, torch.zeros_like(x)).item(), 9)
    2.0
    """
    return entropy(a, mask=mask) + entropy(b, mask=mask) - entropy(fused, mask=mask)


@shared
def _joint_power(x: Tensor, y: Tensor, q: float, *, mask: Tensor | None) -> Tensor:
    return joint_probabilities(x, y, mask=mask).pow(q)


def _inverse_power(image: Tensor, q: float, mask: Tensor | None) -> Tensor:
    """Give p^(1 - q), and 0 for a level that does not occur."""
    p = probabilities(image, mask=mask)
    return torch.where(p > 0, p.pow(1 - q), 0.0)


def _ratio(carried: Tensor, held: Tensor, a: Tensor, b: Tensor, mask: Tensor | None) -> Tensor:
    nothing = (entropy(a, mask=mask) == 0) & (entropy(b, mask=mask) == 0)
    return torch.where(nothing, 0.0, carried / held)


def _check(q: float) -> None:
    if q <= 0 or q == 1:
        raise ValueError(f"q={q}: the order is positive and not 1")


Q_TE = Metric(
    name="Q_TE",
    convention="cvejic",
    family="information",
    source="Cvejic, Canagarajah and Bull 2006, q = 1.85",
    formula=r"Q_{TE} = I^q(f, a) + I^q(f, b), \quad q = 1.85",
    range=(0, math.inf),
    identical=None,
    constant=0,
    reach=0,
    score=tsallis_fusion_information,
)

Q_TE_ZHENGLIU = Metric(
    name="Q_TE",
    convention="zhengliu",
    family="information",
    source="imageFusionMetrics (zhengliu): each image has the other's marginal, images stretched; so do MEFB and MFIF",
    range=(-math.inf, math.inf),
    identical=None,
    constant=0,
    reach=0,
    score=stretched_tsallis_fusion_information,
    variant=True,
)

Q_TE_CSLIB = Metric(
    name="Q_TE",
    convention="cslib",
    family="information",
    source="cslib: each image has the other's marginal, images not stretched",
    range=(-math.inf, math.inf),
    identical=None,
    constant=0,
    reach=0,
    score=partial(tsallis_fusion_information, transposed=True),
    variant=True,
)

Q_TE_IVIF_ZOO = Metric(
    name="Q_TE",
    convention="ivif_zoo",
    family="information",
    unit="bit",
    source="IVIF_ZOO, there TE: H(a) + H(b) - H(f), no mutual information and not of Tsallis' entropy",
    range=(-8, 16),
    identical=None,
    constant=0,
    reach=0,
    score=entropy_difference,
    variant=True,
)

Q_NTE = Metric(
    name="Q_NTE",
    convention="nava",
    family="information",
    source="Nava, Escalante-Ramirez and Cristobal 2007, q = 0.43137; Liu et al. 2012",
    formula=r"Q_{NTE} = \frac{I^q(f, a) + I^q(f, b)}{H^q(a) + H^q(b) - I^q(a, b)}, \quad q = 0.43137",
    range=(0, math.inf),
    identical=None,
    constant=0,
    reach=0,
    score=normalised_tsallis_information,
)

Q_NTE_ZHENGLIU = Metric(
    name="Q_NTE",
    convention="zhengliu",
    family="information",
    source="imageFusionMetrics (zhengliu): the other's marginals, H(a)^q + H(b)^q + I^q(a, b) of Shannon's H below",
    range=(-math.inf, math.inf),
    identical=None,
    constant=0,
    reach=0,
    score=transposed_normalised_tsallis_information,
    variant=True,
)

RECORDS = (
    Q_TE,
    Q_TE_ZHENGLIU,
    Q_TE_CSLIB,
    Q_TE_IVIF_ZOO,
    Q_NTE,
    Q_NTE_ZHENGLIU,
)
