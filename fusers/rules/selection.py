"""Rules that take each coefficient from the source that is more active there, and what they measure activity by."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from fusebench.fusers.filters.windows import box_sum, separable
from torch import Tensor

Activity = Callable[[Tensor], Tensor]
MATCH = 0.75  # above which the sources are mixed (Burt and Kolczynski)
TINY = 2.2e-16
EQUAL = 1e-9  # relative, to which two activities are one


def choose(a: Tensor, b: Tensor, activity_a: Tensor, activity_b: Tensor) -> Tensor:
    """Take each coefficient from the more active source, and the mean where both are as active.

    Examples
    --------
    >>> bands = ([1.0, 2.0, 3.0], [5.0, 6.0, 7.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0])
    >>> choose(*(torch.tensor([[band]]) for band in bands)).tolist()
    [[[1.0, 6.0, 5.0]]]
    """
    return torch.where(activity_a > activity_b, a, torch.where(activity_b > activity_a, b, (a + b) / 2))


def told_apart(activity_a: Tensor, activity_b: Tensor) -> tuple[Tensor, Tensor]:
    """Set both activities to 0 where they differ by rounding alone, to 1e-9 of their sum, so that it decides nothing.

    Examples
    --------
    >>> [x.tolist() for x in told_apart(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 2.0]))]
    [[0.0, 1.0], [0.0, 2.0]]
    """
    apart = (activity_a - activity_b).abs() > EQUAL * (activity_a + activity_b)
    return activity_a * apart, activity_b * apart


def by(activity: Activity) -> Callable[[Tensor, Tensor], Tensor]:
    """Make a rule of an activity.

    Examples
    --------
    >>> by(torch.abs)(torch.tensor([[[-3.0, 1.0]]]), torch.tensor([[[2.0, -2.0]]])).tolist()
    [[[-3.0, -2.0]]]
    """
    return lambda a, b: choose(a, b, activity(_real(a)), activity(_real(b)))


def _real(band: Tensor) -> Tensor:
    """Give the magnitude of a complex band, since activity is measured of that."""
    return band.abs() if band.is_complex() else band


def share(first: Tensor, second: Tensor) -> Tensor:
    """Give the first one's part of both, first / (first + second), and a half where both are 0.

    Examples
    --------
    >>> share(torch.tensor([3.0, 0.0]), torch.tensor([1.0, 0.0])).tolist()
    [0.75, 0.5]
    """
    total = first + second
    return torch.where(total > 0, first / total.clamp(min=torch.finfo(total.dtype).tiny), 0.5)


def larger(a: Tensor, b: Tensor) -> Tensor:
    """Take the coefficient with the larger absolute value.

    Examples
    --------
    >>> larger(torch.tensor([[[-3.0, 1.0]]]), torch.tensor([[[2.0, -2.0]]])).tolist()
    [[[-3.0, -2.0]]]
    """
    return choose(a, b, a.abs(), b.abs())


def farther_from_one(a: Tensor, b: Tensor) -> Tensor:
    """Take the ratio that differs more from 1, as A. Toet does.

    Examples
    --------
    >>> farther_from_one(torch.tensor([[[0.5, 1.25]]]), torch.tensor([[[1.25, 1.5]]])).tolist()
    [[[0.5, 1.5]]]
    """
    return choose(a, b, (a - 1).abs(), (b - 1).abs())


def window_energy(band: Tensor, radius: int = 1) -> Tensor:
    """Sum the squares of the window around each coefficient; the border is repeated.

    Examples
    --------
    >>> window_energy(torch.tensor([[[1.0, 0.0, 2.0]]]))[0, 0].tolist()
    [6.0, 15.0, 24.0]
    """
    return box_sum(band.square(), radius, "replicate")


def sum_modified_laplacian(band: Tensor, radius: int = 1) -> Tensor:
    """Sum |2 x - left - right| + |2 x - above - below| over a window (S. K. Nayar, Y. Nakagawa, 1994).

    Examples
    --------
    >>> sum_modified_laplacian(torch.tensor([[[0.0, 1.0, 0.0]]]))[0, 0].tolist()
    [12.0, 12.0, 12.0]
    """
    wide = F.pad(band.unsqueeze(1), (1, 1, 1, 1), mode="replicate").squeeze(1)
    middle = 2 * band
    horizontal = (middle - wide[:, 1:-1, :-2] - wide[:, 1:-1, 2:]).abs()
    vertical = (middle - wide[:, :-2, 1:-1] - wide[:, 2:, 1:-1]).abs()
    return box_sum(horizontal + vertical, radius, "replicate")


def local_laplacian_energy(band: Tensor) -> Tensor:
    """Multiply the weighted local energy by the weighted sum of the eight-neighbourhood's modified Laplacian.

    M. Yin, X. Liu, Y. Liu, X. Chen, Medical image fusion with parameter-adaptive pulse coupled neural network, 2018:
    both are sums over 3 x 3 coefficients with weights [1 2 1; 2 4 2; 1 2 1] / 16, of squares, and of |2 x - left -
    right| + |2 x - above - below| and 1 / sqrt(2) times the same of either diagonal. The border is repeated.

    Examples
    --------
    An impulse: its square, 1, weighs 1/4, and the Laplacian is 4 + 2 sqrt(2) there, 1 or 1 / sqrt(2) beside it.

    >>> x = torch.zeros(1, 5, 5, dtype=torch.float64)
    >>> x[0, 2, 2] = 1
    >>> expected = ((4 + 2 * 2**0.5) / 4 + 4 * 1 / 8 + 4 * 0.5**0.5 / 16) / 4
    >>> bool(abs(local_laplacian_energy(x)[0, 2, 2] - expected) < 1e-12)
    True
    """
    wide = F.pad(band.unsqueeze(1), (1, 1, 1, 1), mode="replicate").squeeze(1)

    def apart(down: int, right: int) -> Tensor:
        height, width = band.shape[1:]
        before = wide[:, 1 - down : 1 - down + height, 1 - right : 1 - right + width]
        after = wide[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]
        return (2 * band - before - after).abs()

    laplacian = apart(0, 1) + apart(1, 0) + (apart(1, 1) + apart(1, -1)) * 0.5**0.5
    energy, detail = (separable(x, (0.25, 0.5, 0.25), "replicate") for x in (band.square(), laplacian))
    return energy * detail


def modified_spatial_frequency(band: Tensor, radius: int = 1) -> Tensor:
    """Sum the squared differences to the left, above and to both upper diagonals over a window.

    The spatial frequency with diagonals (P. Jagalingam, A. V. Hegde 2014, after X. Qu et al. 2008); of a window the
    root changes no choice and is left out.

    Examples
    --------
    >>> modified_spatial_frequency(torch.tensor([[[0.0, 2.0]]]))[0, 0].tolist()  # 4 and 8, summed over 3 x 3
    [48.0, 60.0]
    """
    wide = F.pad(band.unsqueeze(1), (1, 1, 1, 1), mode="replicate").squeeze(1)
    above, beside = wide[:, :-2, 1:-1], wide[:, 1:-1, :-2]
    diagonals = (wide[:, :-2, :-2], wide[:, :-2, 2:])
    return box_sum(sum((band - other).square() for other in (above, beside, *diagonals)), radius, "replicate")  # type: ignore[arg-type]


def consistent(a: Tensor, b: Tensor) -> Tensor:
    """Choose by the maximum of a 3 x 3 window, and let the 3 x 3 neighbours vote.

    H. Li, B. S. Manjunath, S. K. Mitra, Multisensor image fusion using the wavelet transform (1995). The source with
    more of the 9 votes is taken, and the mean where both have as many.

    Examples
    --------
    >>> x = torch.rand(1, 4, 5)
    >>> torch.equal(consistent(x, x), x)
    True
    """
    most = [F.max_pool2d(band.abs(), 3, stride=1, padding=1) for band in (a, b)]
    votes = F.avg_pool2d((most[0] > most[1]).double(), 3, stride=1, padding=1, divisor_override=1)
    votes_b = F.avg_pool2d((most[1] > most[0]).double(), 3, stride=1, padding=1, divisor_override=1)
    return choose(a, b, votes, votes_b)


def burt(a: Tensor, b: Tensor) -> Tensor:
    """Choose where the sources differ and mix them where they match (P. J. Burt, R. J. Kolczynski, ICCV 1993).

    Salience is the energy of 3 x 3 coefficients, match twice their correlation over the sum of both energies. Up to
    0.75 the more salient one is taken; above, it gets the weight 1/2 + (1 - match) / (2 (1 - 0.75)) of the two. Of
    complex bands the real part of the correlation is taken, which is 1 for equal ones whatever their phase.

    Examples
    --------
    >>> x = torch.rand(1, 4, 5)
    >>> torch.allclose(burt(x, x), x)
    True
    """
    salience = [window_energy(_real(band)) for band in (a, b)]
    product = (a * b.conj()).real if a.is_complex() else a * b
    match = 2 * box_sum(product, 1, "replicate") / (salience[0] + salience[1] + TINY)
    larger_weight = torch.where(match > MATCH, 0.5 + 0.5 * (1 - match) / (1 - MATCH), 1.0)
    weight = torch.where(salience[0] > salience[1], larger_weight, 1 - larger_weight)
    weight = torch.where(salience[0] == salience[1], 0.5, weight)
    return weight * a + (1 - weight) * b


def maximum(a: Tensor, b: Tensor) -> Tensor:
    """Take the larger value: for a low band.

    Examples
    --------
    >>> maximum(torch.tensor([[[1.0]]]), torch.tensor([[[4.0]]])).tolist()
    [[[4.0]]]
    """
    return torch.maximum(a, b)


def energy(a: Tensor, b: Tensor) -> Tensor:
    """Weigh two low bands by their energies in 3 x 3 pixels: (E_a a + E_b b) / (E_a + E_b), the mean where both are 0.

    Examples
    --------
    >>> round(energy(torch.tensor([[[2.0]]]), torch.tensor([[[1.0]]])).item(), 6)  # weights 4 : 1
    1.8
    """
    return b + share(window_energy(a), window_energy(b)) * (a - b)


def entropy(a: Tensor, b: Tensor, bins: int = 256) -> Tensor:
    """Weigh two low bands by the entropy of their values at 256 levels: of the two that tells more weighs more.

    Examples
    --------
    The second is constant and tells nothing.

    >>> entropy(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[2.0, 2.0]]])).tolist()
    [[[1.0, 3.0]]]
    """
    weight = share(_entropies(a, bins), _entropies(b, bins)).to(a)[:, None, None]
    return b + weight * (a - b)


def _entropies(band: Tensor, bins: int) -> Tensor:
    found = []
    for image in band:
        low, high = image.min(), image.max()
        levels = ((image - low) / (high - low).clamp(min=1e-12) * (bins - 1)).round().long()
        p = torch.bincount(levels.ravel(), minlength=bins).double() / levels.numel()
        found.append(-(p * p.clamp(min=1e-300).log2()).sum())
    return torch.stack(found)
