"""Cross entropy: how far the histogram of the fused image is from those of the sources, in bit.

A divergence needs probabilities above 0; the definitions differ in how they come by them.
"""

import math
from functools import partial

import torch
from fusebench.metrics.base import Metric, grey_levels, same_size
from fusebench.metrics.maps import Local, Map, count
from fusebench.metrics.mutual_information import LEVELS, probabilities
from torch import Tensor


def cross_entropy(a: Tensor, b: Tensor, fused: Tensor, prior: float = 0, *, mask: Tensor | None = None) -> Tensor:
    """Divergence of the fused image's grey levels from the sources', CE = (D(a || f) + D(b || f)) / 2.

    D(x || f) = sum p_x log2(p_x / p_f) over the 256 grey levels.

    Parameters
    ----------
    a, b, fused
        Shape (N, H, W); uint8, or floating in [0, 1].
    prior
        Added to the count of each level before the counts of an image become probabilities, not negative.
    mask
        See `entropy`.

    Returns
    -------
    Tensor
        Shape (N,), float64, in bits: 0 where all histograms are equal, positive elsewhere. Where grey levels lie does
        not matter: a shuffled image has the same histogram. +inf as soon as a source has a level that the fused image
        lacks, which nearly every fused image does; finite for every image if the prior is positive. Noise, which has
        every level, so scores better than most fused images.

    Raises
    ------
    ValueError
        If the prior is negative or the images differ in size; see `grey_levels`.

    Notes
    -----
    The field calls the divergence of S. Kullback, R. A. Leibler, On information and sufficiency, 1951, "cross
    entropy", after D. M. Bulanon, T. F. Burks, V. Alchanatis, Image fusion of visible and thermal images for fruit
    detection, Biosystems Engineering 103 (2009), and does not say what a level means that only one image has. By the
    formula it is +inf. The codes drop such levels, and what is left can be negative (`truncated_cross_entropy`). A
    prior of 1/2, the estimator of R. E. Krichevsky, V. K. Trofimov, The performance of universal encoding, IEEE
    Trans. Information Theory 27 (1981), keeps both what a divergence promises and a finite value.

    Examples
    --------
    Two levels, equally often and 3 : 1: D = log2(2 / 3) / 2 + log2(2) / 2. And a level that is lacking.

    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> f = torch.tensor([[[0, 0], [0, 9]]], dtype=torch.uint8)
    >>> round(cross_entropy(x, x, f).item(), 6), cross_entropy(f, f, f).item(), cross_entropy(x, x, 0 * x).item()
    (0.207519, 0.0, inf)
    """
    if prior < 0:
        raise ValueError(f"prior={prior}: a count cannot be negative")
    same_size(a, b, fused)
    p_a, p_b, p_f = (_with_prior(image, prior, mask) for image in (a, b, fused))
    return (_divergence(p_a, p_f) + _divergence(p_b, p_f)) / 2


def truncated_cross_entropy(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Emulate the field's cross entropy: the divergences' sums run over the levels that both images have.

    Shapes and errors as `cross_entropy`; in bits. No divergence: it is negative where the fused image has the shared
    levels more often than a source, and 0 where it has no level of the sources at all.

    Examples
    --------
    The source's level 9 is dropped; what is left is log2(1 / 2) / 2.

    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> round(truncated_cross_entropy(x, x, torch.zeros_like(x)).item(), 9)
    -0.5
    """
    same_size(a, b, fused)
    p_f = probabilities(fused, mask=mask)
    p_a, p_b = (torch.where(p_f > 0, probabilities(source, mask=mask), 0.0) for source in (a, b))
    return (_divergence(p_a, p_f) + _divergence(p_b, p_f)) / 2


def sigmoid_cross_entropy(a: Tensor, b: Tensor, fused: Tensor) -> Local:
    """Emulate ivif_zoo's cross entropy: a binary one between sigmoids of grey levels, averaged over the pixels.

    Shapes and errors as `cross_entropy`; the result is in nats. The target is the mean of the sources' sigmoids, the
    prediction the fused image's. A sigmoid of a grey level above 16 is 1 in float32, so the score knows black from
    not black and little else. It is computed in float32, as there: the clamp at 1 - 1e-7 is a step of float32.

    Examples
    --------
    Black everywhere: every sigmoid is 1/2, and the score ln 2.

    >>> x = torch.zeros(1, 2, 2)
    >>> round(sigmoid_cross_entropy(x, x, x).pool().item(), 6)
    0.693147
    """
    same_size(a, b, fused)
    s_a, s_b, s_f = (grey_levels(image).float().sigmoid() for image in (a, b, fused))
    target, predicted = ((s_a + s_b) / 2).clamp(1e-7, 1 - 1e-7), s_f.clamp(1e-7, 1 - 1e-7)
    losses = target * predicted.log() + (1 - target) * (1 - predicted).log()
    return Map(-losses.double())


def _with_prior(image: Tensor, prior: float, mask: Tensor | None) -> Tensor:
    pixels = count(image, mask).unsqueeze(1)
    return (probabilities(image, mask=mask) * pixels + prior) / (pixels + LEVELS * prior)


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """Give sum p log2(p / q): p = 0 adds nothing, q = 0 under p > 0 makes it +inf."""
    bits: Tensor = (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum(dim=-1) / math.log(2)
    return bits


CE = Metric(
    name="CE",
    convention="kullback",
    family="information",
    unit="bit",
    higher_is_better=False,
    source="Kullback and Leibler 1951; Bulanon, Burks and Alchanatis 2009; +inf where a source's level is lacking",
    formula=(
        r"\mathrm{CE} = \frac{D(a \| f) + D(b \| f)}{2}, \quad D(x \| f) = \sum_i p_x(i) \log_2 "
        r"\frac{p_x(i)}{p_f(i)}"
    ),
    range=(0, math.inf),
    identical=0,
    constant=0,
    infinite=True,
    reach=0,
    score=cross_entropy,
    rewards=("noise",),
)

CE_KRICHEVSKY = Metric(
    name="CE",
    convention="krichevsky",
    family="information",
    unit="bit",
    higher_is_better=False,
    source="Kullback and Leibler 1951, half a count more for each level (Krichevsky and Trofimov 1981): finite",
    range=(0, math.inf),
    identical=0,
    constant=0,
    reach=0,
    score=partial(cross_entropy, prior=0.5),
    variant=True,
)

CE_VIFB = Metric(
    name="CE",
    convention="vifb",
    family="information",
    unit="bit",
    higher_is_better=False,
    source="VIFB: drops the grey levels that either image lacks, can be negative; so do MEFB, cslib and kien",
    range=(-math.inf, math.inf),
    identical=0,
    constant=0,
    reach=0,
    score=truncated_cross_entropy,
    variant=True,
)

CE_IVIF_ZOO = Metric(
    name="CE",
    convention="ivif_zoo",
    family="information",
    unit="nat",
    higher_is_better=False,
    source="IVIF_ZOO: a binary cross entropy of sigmoids of grey levels, no statement about histograms",
    range=(0, math.inf),
    identical=None,
    constant=None,
    reach=0,
    map=sigmoid_cross_entropy,
    variant=True,
)

RECORDS = (CE, CE_KRICHEVSKY, CE_VIFB, CE_IVIF_ZOO)
