"""Feature mutual information: what small windows of the fused image's features tell of the sources'.

The features are the grey levels themselves, their horizontal gradient or their cosine transform's coefficients. The
authors' code offers two more, which are left out: edges, after the thinning of MATLAB's `edge`, and a wavelet whose
filter is MATLAB's own.
"""

import math
from collections.abc import Callable

import torch
from fusebench.metrics.base import Metric, grey_levels, same_size
from torch import Tensor

# A window has 81 joint probabilities, so windows are worked on in portions; on a CPU their joint distributions in
# smaller ones, which stay in the cache and are not spread over threads (that costs more than it gains).
LEAST = 2.0**-1022
PORTION, PORTION_CPU = 1 << 14, 1 << 8
# A transform's coefficients within this many grey levels of 0 are rounding: a constant image has constant features.
ROUNDING = 1e-9


def feature_mutual_information(a: Tensor, b: Tensor, fused: Tensor, feature: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean over all 3 x 3 windows of the normalised information between features, FMI = (I(a, f) + I(b, f)) / 2.

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
        From images to their features, (N, h, w) float64: `pixels`, `gradient` or `cosine_transform`.

    Returns
    -------
    Tensor
        Shape (N,), float64; 1 for three equal images. Mostly from 0 to 1: t may exceed 1, and the joint then is no
        distribution (negative entries enter the entropy with the logarithm of their size, as in the authors' code).
        A window that is equal in both images, or constant in both, has I = 1: flat background that is copied, or
        shifted in level, counts as kept. One that is constant in a single image has I = 0, and so has one in which
        each image has a single value above its minimum, as no entropy is left to share.

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

    Examples
    --------
    One window; the fused image is the first source, and the second is constant.

    >>> a = torch.tensor([[[1, 2, 3], [4, 5, 6], [7, 8, 9]]], dtype=torch.uint8)
    >>> feature_mutual_information(a, 0 * a, a, pixels).tolist()
    [0.5]
    """
    same_size(a, b, fused)
    if min(fused.shape[1:]) < 3:
        raise ValueError(f"a window has 3 x 3 pixels, the images {fused.shape[1]} x {fused.shape[2]}")
    f = feature(fused)
    return (_information(feature(a), f) + _information(feature(b), f)) / 2


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


def cosine_transform(image: Tensor) -> Tensor:
    """Give the orthonormal discrete cosine transform (type 2) of the whole image.

    Examples
    --------
    >>> cosine_transform(torch.full((1, 2, 2), 3, dtype=torch.uint8)).round(decimals=9).tolist()
    [[[6.0, 0.0], [0.0, 0.0]]]
    """
    x = grey_levels(image)
    rows, columns = (_cosines(length, x) for length in x.shape[1:])
    return _without_rounding(rows @ x @ columns.T)


def _cosines(length: int, like: Tensor) -> Tensor:
    """Give the orthonormal cosine basis, a row for each frequency."""
    k = torch.arange(length, dtype=like.dtype, device=like.device)
    basis = (math.pi / length * k.unsqueeze(1) * (k + 0.5)).cos() * math.sqrt(2 / length)
    basis[0] = 1 / math.sqrt(length)
    return basis


def _without_rounding(coefficients: Tensor) -> Tensor:
    return torch.where(coefficients.abs() > ROUNDING, coefficients, 0.0)


def _information(x: Tensor, y: Tensor) -> Tensor:
    """Mean over the windows of two features of their normalised information, (N,)."""
    n = max(x.shape[0], y.shape[0])
    x, y = (_windows(feature.expand(n, -1, -1)) for feature in (x, y))
    flat_x, flat_y = (x == x[0]).all(dim=0), (y == y[0]).all(dim=0)
    alike = (x == y).all(dim=0) | (flat_x & flat_y)
    score = alike.to(torch.float64)
    open_ = (~alike & ~flat_x & ~flat_y).flatten().nonzero().squeeze(1)
    x, y = x.flatten(1), y.flatten(1)
    for portion in torch.split(open_, PORTION):
        score.view(-1)[portion] = _window_information(x[:, portion], y[:, portion])
    return score.mean(dim=1)


def _windows(feature: Tensor) -> Tensor:
    """Lay the nine places of each 3 x 3 window, down its columns, along a first axis: (N, h, w) to (9, N, places)."""
    height, width = feature.shape[1] - 2, feature.shape[2] - 2
    return torch.stack([feature[:, i : i + height, j : j + width].flatten(1) for j in range(3) for i in range(3)])


def _window_information(x: Tensor, y: Tensor) -> Tensor:
    """Normalised information of pairs of windows, none constant: (9, n) and (9, n) to (n,)."""
    p, q = _distribution(x), _distribution(y)
    p_deviation, q_deviation = p - 1 / 9, q - 1 / 9
    r = (p_deviation * q_deviation).sum(0) / (p_deviation.square().sum(0) * q_deviation.square().sum(0)).sqrt()
    q = torch.where(r < 0, q.flip(0), q)
    wanted = r.abs() * _place_deviation(p) * _place_deviation(q)
    size = PORTION if p.is_cuda else PORTION_CPU
    parts = zip(*(torch.split(value, size, dim=-1) for value in (p, q, wanted)), strict=True)
    joint = torch.cat([_joint_entropy(*part) for part in parts])
    marginals = _entropy(p) + _entropy(q)
    return torch.where(marginals > 0, 2 * (marginals - joint) / marginals, 0.0)


def _joint_entropy(p: Tensor, q: Tensor, wanted: Tensor) -> Tensor:
    """Entropy of the joint distribution whose places have the wanted covariance: (9, n), (9, n), (n,) to (n,)."""
    cumulated_p, cumulated_q = p.cumsum(0).unsqueeze(1), q.cumsum(0).unsqueeze(0)
    p, q = p.unsqueeze(1), q.unsqueeze(0)
    least = torch.minimum(cumulated_p, cumulated_q)
    largest = least.sum((0, 1)) - cumulated_p.sum((0, 1)) * cumulated_q.sum((0, 1))
    t = torch.where(largest > 0, wanted / largest, 0.0)
    # What the i-th interval of P and the j-th of Q have in common: places that rise together as far as they can.
    together = least.sub_(torch.maximum(cumulated_p - p, cumulated_q - q)).clamp_(min=0)
    return _entropy((p * q).mul_(1 - t).addcmul_(t, together).flatten(0, 1))


def _distribution(window: Tensor) -> Tensor:
    above = window - window.amin(dim=0)
    return above / above.sum(dim=0)


def _place_deviation(p: Tensor) -> Tensor:
    """Give the standard deviation of the place 1 to 9 under p."""
    place = torch.arange(1, 10, dtype=p.dtype, device=p.device).unsqueeze(1)
    return ((place.square() * p).sum(0) - (place * p).sum(0).square()).clamp(min=0).sqrt()


def _entropy(p: Tensor) -> Tensor:
    # |p|: see `feature_mutual_information` on t above 1.
    # A logarithm of the least number, times 0, in the place of xlogy: four times as fast, and this is most of the time.
    return p.abs().clamp_(min=LEAST).log_().mul_(p).sum(0) / -math.log(2)


FMI_PIXEL = Metric(
    name="FMI_pixel",
    convention="haghighat",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Haghighat, Aghagolzadeh and Seyedarabi 2011; Haghighat and Razian 2014, of grey levels",
    score=lambda a, b, fused: feature_mutual_information(a, b, fused, pixels),
)

FMI_GRADIENT = Metric(
    name="FMI_gradient",
    convention="haghighat",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Haghighat, Aghagolzadeh and Seyedarabi 2011; Haghighat and Razian 2014, of horizontal gradients",
    score=lambda a, b, fused: feature_mutual_information(a, b, fused, gradient),
)

FMI_DCT = Metric(
    name="FMI_dct",
    convention="haghighat",
    unit="",
    higher_is_better=True,
    digits=4,
    source="Haghighat, Aghagolzadeh and Seyedarabi 2011; Haghighat and Razian 2014, of cosine coefficients",
    score=lambda a, b, fused: feature_mutual_information(a, b, fused, cosine_transform),
)

RECORDS = (
    FMI_PIXEL,
    FMI_GRADIENT,
    FMI_DCT,
)
