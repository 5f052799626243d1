"""Feature mutual information: what small windows of the fused image's features tell of the sources'.

The features are the grey levels themselves, their horizontal gradient, their edges or their cosine transform's
coefficients. The authors' code offers one more, which is left out: the wavelet coefficients of a discrete Meyer filter.
Before a black background these are the filter's ringing, far below a grey level, and every window counts by its shape
and not by its size. For one and the same triple the score is 0.52 of the coefficients as computed, 0.54 of coefficients
rounded to 1e-9 grey levels and 0.57 of those rounded to 1e-6, and a published code prints 0.49.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from fusebench.metrics.base import Metric, grey_levels, same_size
from fusebench.metrics.maps import Local, Map
from fusebench.metrics.windows import gradient_magnitude
from torch import Tensor

LEAST = 2.0**-1022
# Windows are worked on in portions; on a CPU in smaller ones, which stay in the cache.
PORTION, PORTION_CPU = 1 << 18, 1 << 13
# The eight neighbours of a pixel, clockwise from the one above it.
RING = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
# A transform's coefficients within this many grey levels of 0 are rounding: a constant image has constant features.
ROUNDING = 1e-9


def feature_mutual_information(
    a: Tensor,
    b: Tensor,
    fused: Tensor,
    feature: Callable[[Tensor], Tensor],
    counting: Literal["all", "filled"] = "all",
) -> Local:
    """Mean over 3 x 3 windows of the normalised information between features, FMI = (I(a, f) + I(b, f)) / 2.

    In a window, the nine feature values minus their minimum, divided by their sum, are taken for the probabilities of
    the places 1 to 9 (down the columns). With P and Q the cumulated p and q of two images, r Pearson's correlation of
    p and q, and R the correlation of two places that rise together as far as p and q allow, the joint probability is

        p(i, j) = t (min(P_i, Q_j) - max(P_i-1, Q_j-1))+ + (1 - t) p_i q_j,    t = r / R.

    For a negative r the places of one image are reversed, so that they fall together. From it
    I = 2 (H(p) + H(q) - H(p, q)) / (H(p) + H(q)).

    Parameters
    ----------
    a, b, fused
        Shape (N, H, W), H, W >= 3; uint8, or floating in [0, 1].
    feature
        From images to their features, (N, h, w) float64: `pixels`, `gradient`, `edges` or `cosine_transform`.
    counting
        Which windows are averaged: "all", or "filled", those that are not constant in both the source and the fused
        image.

    Returns
    -------
    Local
        Pools to (N,), float64; 1 for three equal images. Mostly from 0 to 1: t may exceed 1, and the joint then is no
        distribution (negative entries enter the entropy with the logarithm of their size, as in the authors' code).
        A window that is equal in both images, or constant in both, has I = 1: flat background that is copied, or
        shifted in level, counts as kept. One that is constant in a single image has I = 0, and so has one in which
        each image has a single value above its minimum, as no entropy is left to share. With "filled" NaN where
        there is no window to count for a source.

    Raises
    ------
    ValueError
        If the images differ in size or are smaller than a window; see `grey_levels`.

    Notes
    -----
    M. Haghighat, A. Aghagolzadeh, H. Seyedarabi, A non-reference image fusion metric based on mutual information of
    image features, Computers and Electrical Engineering 37 (2011); M. Haghighat, M. A. Razian, Fast-FMI: non-reference
    image fusion metric, AICT 2014, for the windows. The joint distribution is that of R. B. Nelsen, Discrete bivariate
    distributions with given marginals and correlation, Communications in Statistics 16 (1987).

    The order of the places enters, so the score changes when all three images are flipped or transposed: on three real
    pairs by up to 0.2 % of grey levels, 0.7 % of cosine coefficients, and 3 % of edges and of gradients, which are
    horizontal.

    Examples
    --------
    One window; the fused image is the first source, and the second is constant.

    >>> a = torch.tensor([[[1, 2, 3], [4, 5, 6], [7, 8, 9]]], dtype=torch.uint8)
    >>> feature_mutual_information(a, 0 * a, a, pixels).pool().tolist()
    [0.5]
    """
    same_size(a, b, fused)
    if min(fused.shape[1:]) < 3:
        raise ValueError(f"a window has 3 x 3 pixels, the images {fused.shape[1]} x {fused.shape[2]}")
    f = feature(fused)
    return 0.5 * (_information(feature(a), f, counting) + _information(feature(b), f, counting))


def whole_feature_mutual_information(
    a: Tensor, b: Tensor, fused: Tensor, feature: Callable[[Tensor], Tensor]
) -> Tensor:
    """Average the map of `feature_mutual_information` where its places are none of the image's, such as frequencies."""
    return feature_mutual_information(a, b, fused, feature).pool()


def pixels(image: Tensor) -> Tensor:
    """Give the grey levels themselves."""
    return grey_levels(image)


def gradient(image: Tensor) -> Tensor:
    """Give the horizontal gradient, by central differences; at the border, the difference to the one neighbour.

    Examples
    --------
    >>> gradient(torch.tensor([[[0, 2, 6], [0, 0, 0]]], dtype=torch.uint8)).tolist()
    [[[2.0, 3.0, 4.0], [0.0, 0.0, 0.0]]]
    """
    (across,) = torch.gradient(grey_levels(image), dim=-1)
    return across


def edges(image: Tensor) -> Tensor:
    """Give 1 on the thinned edges and 0 elsewhere.

    An edge is where the square of Sobel's magnitude (border replicated) exceeds four times its mean over the image, the
    threshold that MATLAB's `edge` chooses; so edges do not depend on contrast. They are thinned by the algorithm of
    T. Y. Zhang, C. Y. Suen, A fast parallel algorithm for thinning digital patterns, Communications of the ACM 27
    (1984), but for the image's outermost pixels, which stay.

    Notes
    -----
    The authors' code calls MATLAB's `edge`, which thins by leaving the maxima across the edge; no value of it is public
    that could be checked. There are values of Image-Fusion-Metric (dungdz), which is followed here. The choice changes
    little: for one pair and its average the score is 0.8412 here, 0.8435 of the maxima across the edge.

    Examples
    --------
    A step is an edge of two columns, of which the thinning keeps one.

    >>> step = torch.tensor([[0, 0, 0, 0, 0, 9, 9, 9, 9, 9]], dtype=torch.uint8).expand(1, 7, 10)
    >>> edges(step)[0, 3].int().tolist()
    [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    """
    strength = gradient_magnitude(grey_levels(image), 2, "replicate").square_()
    return _thinned(strength > 4 * strength.mean(dim=(-2, -1), keepdim=True)).double()


def _thinned(edge: Tensor) -> Tensor:
    """Take edge pixels from either side in turn until none can be taken without breaking a line."""
    width = edge.shape[2]
    inner = torch.zeros_like(edge)
    inner[:, 1:-1, 1:-1] = True  # the outermost pixels stay
    left = edge.reshape(-1).clone()
    places = (edge & inner).reshape(-1).nonzero()
    ring = torch.tensor([i * width + j for i, j in RING], device=edge.device)
    bits = 1 << torch.arange(8, device=edge.device)
    taken = _taken(edge.device)
    while len(places):
        before = len(places)
        for of_side in taken:
            out = of_side[(left[places + ring] * bits).sum(dim=1)]
            left[places[out]] = False
            places = places[~out]
        if len(places) == before:
            break
    return left.view(edge.shape)


def _taken(device: torch.device) -> Tensor:
    """Say for either side whether a pixel is taken, by its eight neighbours: bit k of 256 codes is that of RING[k]."""
    codes, bits = (torch.arange(n, device=device) for n in (256, 8))
    ring = (codes[:, None] >> bits) & 1 == 1
    neighbours = ring.sum(dim=1)
    rises = (~ring & ring.roll(-1, 1)).sum(dim=1)
    alike = (rises == 1) & (neighbours >= 2) & (neighbours <= 6)
    free = []
    for side in (0, 4):
        north, east, south, west = (ring[:, (side + i) % 8] for i in (0, 2, 4, 6))
        free.append(~(east & south & (north | west)))
    return alike & torch.stack(free)


def cosine_transform(image: Tensor) -> Tensor:
    """Give the orthonormal discrete cosine transform (type 2) of the whole image.

    Examples
    --------
    >>> cosine_transform(torch.full((1, 2, 2), 3, dtype=torch.uint8)).round(decimals=9).tolist()
    [[[6.0, 0.0], [0.0, 0.0]]]
    """
    return _without_rounding(_cosines(_cosines(grey_levels(image)).mT).mT)


def _cosines(x: Tensor) -> Tensor:
    """Transform along the last axis: by one FFT of the even places, followed by the odd ones backwards.

    J. Makhoul, A fast cosine transform in one and two dimensions, IEEE Trans. ASSP 28 (1980).
    """
    length = x.shape[-1]
    spectrum = torch.fft.fft(torch.cat([x[..., ::2], x[..., 1::2].flip(-1)], dim=-1))
    angle = torch.arange(length, dtype=x.dtype, device=x.device) * (math.pi / (2 * length))
    scale = torch.full_like(angle, math.sqrt(2 / length))
    scale[0] = 1 / math.sqrt(length)
    coefficients: Tensor = scale * (spectrum.real * angle.cos() + spectrum.imag * angle.sin())
    return coefficients


def _without_rounding(coefficients: Tensor) -> Tensor:
    return torch.where(coefficients.abs() > ROUNDING, coefficients, 0.0)


def _information(x: Tensor, y: Tensor, counting: str) -> Map:
    """Give the normalised information of two features in each window."""
    flat_x, flat_y = _flat(x), _flat(y)
    alike = _everywhere(x == y) | (flat_x & flat_y)
    score = alike.to(torch.float64)
    # Of the windows that are left, the nine places down their columns.
    height, width = x.shape[1:]
    open_ = (~alike & ~flat_x & ~flat_y).nonzero()
    steps = torch.tensor([i * width + j for j in range(3) for i in range(3)], device=x.device).unsqueeze(1)
    # Each in one row, once: the coefficients of a transform do not lie row by row. One image stands for all.
    features = [(feature.flatten(), height * width if len(feature) > 1 else 0) for feature in (x, y)]
    for portion in torch.split(open_, PORTION if x.is_cuda else PORTION_CPU):
        image, row, column = portion.unbind(1)
        places = row * width + column + steps
        windows = (values.index_select(0, (places + image * apart).view(-1)).view(9, -1) for values, apart in features)
        score[image, row, column] = _window_information(*windows)
    if counting == "all":
        return Map(score)
    filled = ~(flat_x & flat_y)
    return Map(score * filled, filled)


def _flat(feature: Tensor) -> Tensor:
    """Say which windows are constant, (N, h, w) to (N, h - 2, w - 2)."""
    right, below = feature[:, :, 1:] == feature[:, :, :-1], feature[:, 1:] == feature[:, :-1]
    rows = right[:, :, 1:] & right[:, :, :-1]
    return rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:] & (below[:, 1:] & below[:, :-1])[:, :, 1:-1]


def _everywhere(condition: Tensor) -> Tensor:
    """Say in which windows a condition holds at all places, (N, h, w) to (N, h - 2, w - 2)."""
    rows = condition[:, :, :-2] & condition[:, :, 1:-1] & condition[:, :, 2:]
    return rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]


def _window_information(x: Tensor, y: Tensor) -> Tensor:
    """Normalised information of pairs of windows, none constant: (9, n) and (9, n) to (n,).

    All arrays hold both images, (2, 9, n), and most steps are the same for either.
    """
    both = torch.stack([x, y])
    both -= both.amin(dim=1, keepdim=True)
    both /= both.sum(dim=1, keepdim=True)
    p, q = both
    # Pearson's r of nine numbers that sum up to 1. None of the differences is small, but for that of p q: where r is.
    r = ((p * q).sum(0) - 1 / 9) / (both.square().sum(1) - 1 / 9).prod(0).sqrt()
    torch.where(r < 0, q.flip(0), q, out=q)
    entropies = _log(both).mul_(both)  # p ln p
    h = -entropies.sum((0, 1))  # H(p) + H(q)

    # Where places rise together, the intervals of P and of Q that overlap are a staircase of at most 17 pairs (i, j).
    # One begins with each interval of P, and one with each further interval of Q; `begin` has the other image's place
    # there, for the intervals 1 to 8. That of the intervals 0 is 0.
    cumulated = both.cumsum(1)
    q_is_first = (cumulated[1, :8] <= cumulated[0, :8].unsqueeze(1)).view(torch.uint8)
    begin = torch.stack([q_is_first.sum(1, dtype=torch.uint8), 8 - q_is_first.sum(0, dtype=torch.uint8)]).int()
    # The covariance of places that rise together: E(i j) is the sum of 1 - max(P_i, Q_j) over all i and j below 8.
    (mean_p, deviation_p), (mean_q, deviation_q) = map(_moments, both)
    largest = 64 - (cumulated[:, :8] * begin).sum((0, 1)) - mean_p * mean_q
    t = torch.where(largest > 0, r.abs() * deviation_p * deviation_q / largest, 0.0)

    # The other image's values at these places: of a flat (2, 9, n) array, the second half for the first image.
    windows = x.shape[1]
    first = torch.tensor([9 * windows, 0], dtype=torch.int32, device=x.device).view(2, 1, 1)
    flat = (begin * windows + first + torch.arange(windows, dtype=torch.int32, device=x.device)).view(-1)

    def other(values: Tensor) -> Tensor:
        return torch.cat([values.flip(0)[:, :1], values.view(-1).index_select(0, flat).view(2, 8, windows)], dim=1)

    other_p, other_cumulated = other(both), other(cumulated)
    together = torch.minimum(cumulated, other_cumulated)
    together[:, 1:] -= cumulated[:, :8]
    together.clamp_(min=0)
    # What the other image's intervals that overlap with each of these sum up to.
    row = other_p - other_cumulated
    row[:, :8] += other_cumulated[:, 1:]
    row[:, 8] += 1

    # The entropy of the product (1 - t) p q is that of its factors; only the staircase is different from it.
    apart, log_apart = 1 - t, _log((1 - t).abs())
    product = apart * (entropies.mul_(row).sum((0, 1)) + log_apart * (p * row[0]).sum(0))
    joint = other_p.mul_(both).mul_(apart).addcmul_(t, together)
    joint[1, 0] = 0  # the pair (0, 0), which is there already
    # |joint|: see `feature_mutual_information` on t above 1.
    h_joint = apart * (h - log_apart) + product - _log(joint.abs()).mul_(joint).sum((0, 1))
    return torch.where(h > 0, 2 * (h - h_joint) / h, 0.0)


def _moments(p: Tensor) -> tuple[Tensor, Tensor]:
    """Give mean and standard deviation of the place, 0 to 8, under p."""
    place = torch.arange(9, dtype=p.dtype, device=p.device)
    mean, square = torch.stack([place, place.square()]) @ p
    return mean, (square - mean.square()).clamp_(min=0).sqrt_()


def _log(p: Tensor) -> Tensor:
    """Logarithm; of 0 a finite one, which is multiplied by 0: four times as fast as xlogy."""
    return p.clamp(min=LEAST).log_()


# That of all four; they differ in their features.
FORMULA = (
    r"\mathrm{FMI} = \frac{1}{|W|} \sum_{w \in W} \frac{I_w(a, f) + I_w(b, f)}{2}, \quad I = 2 \, "
    r"\frac{H(p) + H(q) - H(p, q)}{H(p) + H(q)}"
)

FMI_PIXEL = Metric(
    name="FMI_pixel",
    convention="haghighat",
    family="information",
    source="Haghighat, Aghagolzadeh and Seyedarabi 2011; Haghighat and Razian 2014, of grey levels",
    formula=FORMULA,
    range=(-math.inf, math.inf),
    map=partial(feature_mutual_information, feature=pixels),
)

FMI_GRADIENT = Metric(
    name="FMI_gradient",
    convention="haghighat",
    family="information",
    source="Haghighat, Aghagolzadeh and Seyedarabi 2011; Haghighat and Razian 2014, of horizontal gradients",
    formula=FORMULA,
    range=(-math.inf, math.inf),
    map=partial(feature_mutual_information, feature=gradient),
)

FMI_EDGE = Metric(
    name="FMI_edge",
    convention="haghighat",
    family="information",
    source="Haghighat, Aghagolzadeh and Seyedarabi 2011; Haghighat and Razian 2014, of windows that hold an edge",
    formula=FORMULA,
    range=(-math.inf, math.inf),
    constant=math.nan,
    undefined=True,
    reach=math.inf,
    map=partial(feature_mutual_information, feature=edges, counting="filled"),
    rewards=("contrast / 8",),
)

FMI_EDGE_DUNGDZ = Metric(
    name="FMI_edge",
    convention="dungdz",
    family="information",
    source="dungdz: windows without an edge count as kept, so that an image without edges scores best of all",
    range=(-math.inf, math.inf),
    reach=math.inf,
    map=partial(feature_mutual_information, feature=edges),
    variant=True,
)

FMI_DCT = Metric(
    name="FMI_dct",
    convention="haghighat",
    family="information",
    source="Haghighat, Aghagolzadeh and Seyedarabi 2011; Haghighat and Razian 2014, of cosine coefficients",
    formula=FORMULA,
    range=(-math.inf, math.inf),
    score=partial(whole_feature_mutual_information, feature=cosine_transform),
)

RECORDS = (
    FMI_PIXEL,
    FMI_GRADIENT,
    FMI_EDGE,
    FMI_EDGE_DUNGDZ,
    FMI_DCT,
)
