"""Entropy, divergence and mutual information of grey levels, and the scores made of them.

All of them count: an image's 256 grey levels are a histogram, a pair's a joint histogram of 256 x 256, with no
smoothing and no other binning. Logarithms are to base 2, so the unit is the bit. Two cases differ and say so: the
divergence needs probabilities above 0, and the variants follow other code bases.
"""

import math

import torch
from fusebench.metrics.base import Metric, count, grey_codes, grey_levels, inside, mean, same_size, shared
from torch import Tensor

LEVELS = 256


def entropy(image: Tensor, offset: float = 0) -> Tensor:
    """Shannon entropy of the grey levels, H(x) = -sum p log2 p.

    Parameters
    ----------
    image
        Shape (N, H, W); uint8, or floating in [0, 1].
    offset
        Added inside the logarithm, -sum p log2(p + offset). It is no part of the definition: some codes add it to
        avoid log2(0), which lowers every entropy a little.

    Returns
    -------
    Tensor
        Shape (N,), float64, in bits: 0 for a constant image, 8 for one with all levels equally often.

    Raises
    ------
    ValueError
        See `grey_levels`.

    Notes
    -----
    The seed paper, eq. 11; C. E. Shannon, A mathematical theory of communication, 1948.

    Examples
    --------
    >>> entropy(torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)).tolist()
    [1.0]
    """
    p = probabilities(image)
    bits: Tensor = 0 - torch.special.xlogy(p, p + offset).sum(dim=-1) / math.log(2)  # 0 - 0, as -0 is no entropy
    return bits


def mutual_information(x: Tensor, y: Tensor) -> Tensor:
    """Mutual information of two images' grey levels, I(x, y) = sum p(x, y) log2(p(x, y) / (p(x) p(y))).

    Parameters
    ----------
    x, y
        Shape (N, H, W), both; uint8, or floating in [0, 1].

    Returns
    -------
    Tensor
        Shape (N,), float64, in bits: 0 where they are independent, at most the smaller entropy.

    Raises
    ------
    ValueError
        If the shapes differ; see `grey_levels`.

    Notes
    -----
    The seed paper, eq. 8. On few pixels the count is biased upwards: independent images of P pixels that use K and L
    levels have about (K - 1)(L - 1) / (2 P ln 2) bits.

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> mutual_information(x, x).tolist(), mutual_information(x, x.mT).tolist()
    ([1.0], [0.0])
    """
    h_x, h_y, h_xy = _entropies(x, y)
    return (h_x + h_y - h_xy).clamp(min=0)  # rounding may leave -1e-16


def fusion_mutual_information(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """Information the fused image shares with its sources, MI = I(f, a) + I(f, b).

    Shapes and errors as `mutual_information`; in bits, from 0 to 2 H(f). What the sources share is counted twice, and
    a source returned untouched scores high: MI(x, x, x) = 2 H(x).

    Notes
    -----
    The seed paper, eq. 9; G. Qu, D. Zhang, P. Yan, Information measure for performance of image fusion, Electronics
    Letters 38 (2002).

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> fusion_mutual_information(x, x.mT, x).tolist()
    [1.0]
    """
    return mutual_information(fused, a) + mutual_information(fused, b)


def normalised_mutual_information(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """Information the fused image shares with its sources, relative to their entropies.

    M = I(f, a) / (H(f) + H(a)) + I(f, b) / (H(f) + H(b)), from 0 to 1; M(x, x, x) = 1. Shapes and errors as
    `mutual_information`.

    Where f and a source are both constant the term is 0 / 0 and is defined as 0: neither has information, so none
    was carried over. A constant f scores 0 against any sources.

    Notes
    -----
    The seed paper, eq. 10. M. Hossny, S. Nahavandi, D. Creighton, Comments on "Information measure for performance
    of image fusion", Electronics Letters 44 (2008), define twice this value (`Q_MI`).

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> normalised_mutual_information(x, x, x).tolist(), normalised_mutual_information(x, x.mT, x).tolist()
    ([1.0], [0.5])
    """
    return _share(fused, a) + _share(fused, b)


def mutual_information_per_source_entropy(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """Give 2 (I(f, a) + I(f, b)) / (H(a) + H(b)), what ivif_zoo calls NMI.

    Shapes and errors as `mutual_information`; from 0 to 4. It is not bounded by its value for three equal images,
    MI(x, x, x) = 2, since H(f) does not enter. Two constant sources have nothing to carry over: 0 / 0 is defined as 0.

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> mutual_information_per_source_entropy(x, x, x).tolist(), fusion_mutual_information(x, x, x).tolist()
    ([2.0], [2.0])
    """
    total = entropy(a) + entropy(b)
    return torch.where(total > 0, 2 * fusion_mutual_information(a, b, fused) / total.clamp(min=1e-300), 0.0)


def saturated_mutual_information(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """Emulate a mutual information whose joint histogram saturates: levels 254 and 255 fall together in it.

    Shapes, unit and errors as `fusion_mutual_information`. The marginal entropies keep all 256 levels, so the value
    is too high wherever an image uses both levels, and independent images no longer score 0.

    Examples
    --------
    The lost bit of the joint entropy is counted as shared; the true value is 2.

    >>> x = torch.tensor([[[254, 254], [255, 255]]], dtype=torch.uint8)
    >>> saturated_mutual_information(x, x, x).tolist()
    [4.0]
    """
    return _saturated(fused, a) + _saturated(fused, b)


def cross_entropy(a: Tensor, b: Tensor, fused: Tensor, prior: float = 0.5) -> Tensor:
    """Divergence of the fused image's grey levels from the sources', CE = (D(a || f) + D(b || f)) / 2.

    D(x || f) = sum p_x log2(p_x / p_f) over the 256 grey levels.

    Parameters
    ----------
    a, b, fused
        Shape (N, H, W); uint8, or floating in [0, 1].
    prior
        Added to the count of each level before the counts of an image become probabilities, not negative.

    Returns
    -------
    Tensor
        Shape (N,), float64, in bits: 0 where all histograms are equal, positive elsewhere. Where images lie does not
        matter: a shuffled image has the same histogram. Finite for every image if the prior is positive; with
        prior 0 it is +inf as soon as a source has a level that the fused image lacks.

    Raises
    ------
    ValueError
        If the prior is negative or the images differ in size; see `grey_levels`.

    Notes
    -----
    The field calls the divergence of S. Kullback, R. A. Leibler, On information and sufficiency, 1951, "cross
    entropy", after D. M. Bulanon, T. F. Burks, V. Alchanatis, Image fusion of visible and thermal images for fruit
    detection, Biosystems Engineering 103 (2009), and does not say what a level means that only one image has. Nearly
    every fused image lacks some level of a source, so that the plain divergence is +inf on nearly every image. The
    codes drop these levels, and what is left can be negative. Here the counts are estimates instead: half a count
    for each level, the estimator of R. E. Krichevsky, V. K. Trofimov, The performance of universal encoding, IEEE
    Trans. Information Theory 27 (1981), keeps both what a divergence promises and a finite value.

    Examples
    --------
    Two levels, equally often and 3 : 1, without a prior: D = log2(2 / 3) / 2 + log2(2) / 2.

    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> f = torch.tensor([[[0, 0], [0, 9]]], dtype=torch.uint8)
    >>> round(cross_entropy(x, x, f, prior=0).item(), 6), cross_entropy(f, f, f).item()
    (0.207519, 0.0)
    """
    if prior < 0:
        raise ValueError(f"prior={prior}: a count cannot be negative")
    same_size(a, b, fused)
    p_a, p_b, p_f = (_with_prior(image, prior) for image in (a, b, fused))
    return (_divergence(p_a, p_f) + _divergence(p_b, p_f)) / 2


def truncated_cross_entropy(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """Emulate the field's cross entropy: the divergences' sums run over the levels that both images have.

    Shapes and errors as `cross_entropy`; in bits. No divergence: it is negative where the fused image has the shared
    levels more often than a source, and 0 where it has no level of the sources at all.

    Examples
    --------
    The source's level 9 is dropped; what is left is log2(1 / 2) / 2.

    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> truncated_cross_entropy(x, x, torch.zeros_like(x)).tolist()
    [-0.5]
    """
    same_size(a, b, fused)
    p_f = probabilities(fused)
    p_a, p_b = (torch.where(p_f > 0, probabilities(source), 0.0) for source in (a, b))
    return (_divergence(p_a, p_f) + _divergence(p_b, p_f)) / 2


def sigmoid_cross_entropy(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    """Emulate ivif_zoo's cross entropy: a binary one between sigmoids of grey levels, averaged over the pixels.

    Shapes and errors as `cross_entropy`; the result is in nats. The target is the mean of the sources' sigmoids, the
    prediction the fused image's. A sigmoid of a grey level above 16 is 1 in float32, so the score knows black from
    not black and little else. It is computed in float32, as there: the clamp at 1 - 1e-7 is a step of float32.

    Examples
    --------
    Black everywhere: every sigmoid is 1/2, and the score ln 2.

    >>> x = torch.zeros(1, 2, 2)
    >>> round(sigmoid_cross_entropy(x, x, x).item(), 6)
    0.693147
    """
    same_size(a, b, fused)
    s_a, s_b, s_f = (grey_levels(image).float().sigmoid() for image in (a, b, fused))
    target, predicted = ((s_a + s_b) / 2).clamp(1e-7, 1 - 1e-7), s_f.clamp(1e-7, 1 - 1e-7)
    losses = target * predicted.log() + (1 - target) * (1 - predicted).log()
    return -mean(losses.double())


def _share(fused: Tensor, source: Tensor) -> Tensor:
    h_f, h_s, h_fs = _entropies(fused, source)
    total = h_f + h_s
    return torch.where(total > 0, (total - h_fs).clamp(min=0) / total.clamp(min=1e-300), 0.0)


def _saturated(fused: Tensor, source: Tensor) -> Tensor:
    h_f, h_s, _ = _entropies(fused, source)
    joint = joint_probabilities(fused, source)
    rows = torch.cat([joint[:, :-2], joint[:, -2:].sum(dim=1, keepdim=True)], dim=1)
    return h_f + h_s - _bits(torch.cat([rows[:, :, :-2], rows[:, :, -2:].sum(dim=2, keepdim=True)], dim=2))


def _with_prior(image: Tensor, prior: float) -> Tensor:
    pixels = count(image).unsqueeze(1)
    return (probabilities(image) * pixels + prior) / (pixels + LEVELS * prior)


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """Give sum p log2(p / q): p = 0 adds nothing, q = 0 under p > 0 makes it +inf."""
    bits: Tensor = (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum(dim=-1) / math.log(2)
    return bits


@shared
def joint_probabilities(x: Tensor, y: Tensor) -> Tensor:
    """How often each pair of grey levels occurs: (N, 256, 256), the level of x first; each image's sum is 1.

    Raises
    ------
    ValueError
        If the shapes differ; see `grey_levels`.

    Examples
    --------
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> joint_probabilities(x, x.mT)[0, 0, 9].item()
    0.25
    """
    same_size(x, y)
    return _frequencies(LEVELS * grey_codes(x) + grey_codes(y), LEVELS**2).view(-1, LEVELS, LEVELS)


@shared
def probabilities(image: Tensor) -> Tensor:
    """How often each grey level occurs: (N, 256), each image's sum is 1. Errors as `grey_levels`."""
    return _frequencies(grey_codes(image), LEVELS)


@shared
def _entropies(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give H(x), H(y) and the joint H(x, y), each (N,), or (1,) for the entropy of one image."""
    joint = joint_probabilities(x, y)
    return entropy(x), entropy(y), _bits(joint)


def _frequencies(codes: Tensor, levels: int) -> Tensor:
    """Count each code in each image, (N, H, W) to (N, levels): one count over all images, each in its own range."""
    codes = inside(codes, levels)  # one more code, which is not counted, for what lies outside
    n = codes.shape[0]
    own = codes.flatten(1) + (levels + 1) * torch.arange(n, device=codes.device).unsqueeze(1)
    counts = torch.bincount(own.flatten(), minlength=n * (levels + 1)).view(n, levels + 1)[:, :-1].double()
    return counts / counts.sum(dim=1, keepdim=True)


def _bits(joint: Tensor) -> Tensor:
    bits: Tensor = -torch.special.xlogy(joint, joint).sum(dim=(-2, -1)) / math.log(2)
    return bits


EN = Metric(
    name="EN",
    convention="seed",
    unit="bit",
    higher_is_better=True,
    digits=4,
    source="seed paper, eq. 11; Shannon 1948",
    score=lambda a, b, fused: entropy(fused),  # noqa: ARG005  a record has one signature
)

EN_IVIF_ZOO = Metric(
    name="EN",
    convention="ivif_zoo",
    unit="bit",
    higher_is_better=True,
    digits=4,
    source="IVIF_ZOO: adds 1e-7 inside the logarithm",
    score=lambda a, b, fused: entropy(fused, offset=1e-7),  # noqa: ARG005
    variant=True,
)

MI = Metric(
    name="MI",
    convention="seed",
    unit="bit",
    higher_is_better=True,
    digits=4,
    source="seed paper, eq. 8 and 9; Qu, Zhang and Yan 2002",
    score=fusion_mutual_information,
)

MI_VIFB = Metric(
    name="MI",
    convention="vifb",
    unit="nat",
    higher_is_better=True,
    digits=4,
    source="VIFB: natural logarithm; so do CDDFuse, cslib and MMIF-CDDFuse-AG (kien)",
    score=lambda a, b, fused: math.log(2) * fusion_mutual_information(a, b, fused),
    variant=True,
)

MI_TANG = Metric(
    name="MI",
    convention="tang",
    unit="bit",
    higher_is_better=True,
    digits=4,
    source="Tang: 8-bit indices saturate and merge levels 254 and 255 in the joint histogram only",
    score=saturated_mutual_information,
    variant=True,
)

M = Metric(
    name="M",
    convention="seed",
    unit="",
    higher_is_better=True,
    digits=4,
    source="seed paper, eq. 10",
    score=normalised_mutual_information,
)

Q_MI = Metric(
    name="Q_MI",
    convention="hossny",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Hossny, Nahavandi and Creighton 2008",
    score=lambda a, b, fused: 2 * normalised_mutual_information(a, b, fused),
)

Q_MI_IVIF_ZOO = Metric(
    name="Q_MI",
    convention="ivif_zoo",
    unit="",
    higher_is_better=True,
    digits=4,
    source="IVIF_ZOO, there NMI: 2 MI / (H(a) + H(b)), the fused image's entropy does not enter",
    score=mutual_information_per_source_entropy,
    variant=True,
)

CE = Metric(
    name="CE",
    convention="kullback",
    unit="bit",
    higher_is_better=False,
    digits=4,
    source="Kullback and Leibler 1951, with half a count more per level; Bulanon, Burks and Alchanatis 2009",
    score=cross_entropy,
)

CE_VIFB = Metric(
    name="CE",
    convention="vifb",
    unit="bit",
    higher_is_better=False,
    digits=4,
    source="VIFB: drops the grey levels that either image lacks, can be negative; so do MEFB, cslib and kien",
    score=truncated_cross_entropy,
    variant=True,
)

CE_IVIF_ZOO = Metric(
    name="CE",
    convention="ivif_zoo",
    unit="nat",
    higher_is_better=False,
    digits=4,
    source="IVIF_ZOO: a binary cross entropy of sigmoids of grey levels, no statement about histograms",
    score=sigmoid_cross_entropy,
    variant=True,
)

RECORDS = (
    EN,
    EN_IVIF_ZOO,
    MI,
    MI_VIFB,
    MI_TANG,
    M,
    Q_MI,
    Q_MI_IVIF_ZOO,
    CE,
    CE_VIFB,
    CE_IVIF_ZOO,
)
