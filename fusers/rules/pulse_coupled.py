"""Pulse-coupled neural networks as measures of activity: how often the neuron of each coefficient fires."""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from fusebench.fusers.rules.selection import choose
from torch import Tensor

Number = float | Tensor

ITERATIONS, ADAPTIVE_ITERATIONS = 200, 110
TINY = 2.2e-16
PIXELS = 2**15
NEIGHBOURS = ((0.5, 1.0, 0.5), (1.0, 0.0, 1.0), (0.5, 1.0, 0.5))


def firings(
    stimulus: Tensor,
    *,
    side: int = 3,
    iterations: int = ITERATIONS,
    linking: Tensor | float = 3.0,
    adapt: bool = True,
    fading: tuple[float, float] = (1.0, 0.2),
) -> Tensor:
    """Count how often each neuron fires in the simplified network of X. Qu et al. (2008).

    With the stimulus F, brought to [0, 1] for each image, and the firings Y of the step before: L = e^-1 L + W * Y,
    T = e^-0.2 T + 20 Y, U = F (1 + 3 L), and a neuron fires where U > T. W is the inverse of the distance.

    Parameters
    ----------
    stimulus
        Shape (N, h, w).
    side
        Of the neighbourhood W, odd.
    iterations
        Steps.
    linking
        The strength of linking, 3; or one for each neuron (Y. Dong et al. 2015 take it from a memristor).
    adapt
        Whether the stimulus is brought to [0, 1].
    fading
        How fast L and T fall, 1 and 0.2.

    Examples
    --------
    Where the stimulus is greatest a neuron fires most; at the least, never.

    >>> firings(torch.tensor([[[0.0, 1.0, 4.0]]], dtype=torch.float64), iterations=50)[0, 0].tolist()
    [0.0, 3.0, 3.0]
    """
    if (portion := _portion(stimulus)) < len(stimulus):
        strengths = torch.as_tensor(linking, dtype=stimulus.dtype, device=stimulus.device).expand_as(stimulus)
        parts = zip(torch.split(stimulus, portion), torch.split(strengths, portion), strict=True)
        same = partial(firings, side=side, iterations=iterations, adapt=adapt, fading=fading)
        return torch.cat([same(x, linking=k) for x, k in parts])
    feed = stimulus.abs()
    if adapt:
        low, high = feed.amin(dim=(1, 2), keepdim=True), feed.amax(dim=(1, 2), keepdim=True)
        feed = (feed - low) / (high - low + TINY)
    rings = _rings(_inverse_distance(side))
    kept, faded = (math.exp(-rate) for rate in fading)
    link, threshold, fired, count = (torch.zeros_like(feed) for _ in range(4))
    for _ in range(iterations):
        link.mul_(kept).add_(_neighbours(fired, rings))
        threshold.mul_(faded).add_(fired, alpha=20)
        torch.gt(feed * (1 + linking * link), threshold, out=fired)
        count += fired
    return count


def adaptive_firings(band: Tensor) -> Tensor:
    """Count how often each neuron fires where the network's parameters follow from the band (M. Yin et al. 2018).

    Of |c| with its standard deviation s, maximum m and Otsu's threshold S: alpha_f = log10(1/s),
    lambda = (m/S - 1)/6, V = exp(-alpha_f) + m/S, and alpha_e = ln(V / (S M)) with
    M = (1 - exp(-3 alpha_f))/(1 - exp(-alpha_f)) + (m/S - 1) exp(-alpha_f) (Y. Chen et al. 2011). Grey levels are in
    [0, 1]. Where S is 0, as in the faint bands of the finest level, the published code divides by it and no neuron
    fires; here the least value above 0 of 256 levels takes its place.

    Examples
    --------
    >>> adaptive_firings(torch.zeros(1, 2, 2, dtype=torch.float64)).sum().item()
    0.0
    """
    feed = band.abs()
    parameters = [_parameters(image) for image in feed]
    live = [n for n, found in enumerate(parameters) if found is not None]
    count = torch.zeros_like(feed)
    if live:
        columns = torch.tensor([parameters[n] for n in live], dtype=feed.dtype, device=feed.device)[..., None, None]
        parts = zip(torch.split(feed[live], _portion(feed)), torch.split(columns, _portion(feed)), strict=True)
        count[live] = torch.cat([fixed_firings(x, ADAPTIVE_ITERATIONS, *one.unbind(1)) for x, one in parts])
    return count


def _parameters(feed: Tensor) -> tuple[float, float, float, float] | None:
    """Give alpha_f, alpha_e, lambda and V of an image; None where it is constant."""
    deviation, most = feed.std().item(), feed.max().item()
    if not deviation > 0:
        return None
    threshold = max(_otsu(feed), most / 255)
    ratio, alpha_f = most / threshold, -math.log10(deviation)
    faded = math.exp(-alpha_f)
    height = (1 - faded**3) / (1 - faded) if abs(1 - faded) > TINY else 3.0
    step = faded + ratio
    alpha_e = math.log(step / (threshold * (height + (ratio - 1) * faded)))
    return alpha_f, alpha_e, (ratio - 1) / 6, step


def fixed_firings(  # noqa: PLR0917  the model's parameters, in the paper's order
    feed: Tensor, iterations: int, alpha_f: Number, alpha_e: Number, strength: Number, step: Number
) -> Tensor:
    """Count firings of the parameter-adaptive network for given parameters, numbers or one for each image (N, 1, 1).

    U = e^-alpha_f U + F (1 + lambda W * Y), a neuron fires where U > E, and then E = e^-alpha_e E + V Y.

    Examples
    --------
    Two steps of one neuron: U = 2 > 1, then U = 2 e^-1 + 2 < e^-1 + 4.

    >>> fixed_firings(torch.full((1, 1, 1), 2.0), 2, 1.0, 1.0, 0.5, 4.0).item()
    1.0
    """
    rings = _rings(torch.tensor(NEIGHBOURS))
    inner, fired, count = (torch.zeros_like(feed) for _ in range(3))
    threshold = torch.ones_like(feed)
    kept, faded = (torch.exp(-torch.as_tensor(alpha, dtype=feed.dtype)) for alpha in (alpha_f, alpha_e))
    for _ in range(iterations):
        inner.mul_(kept).add_(feed * (1 + strength * _neighbours(fired, rings)))
        torch.gt(inner, threshold, out=fired)
        threshold.mul_(faded).add_(step * fired)
        count += fired
    return count


def by_firings(count: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Make a rule that takes the coefficient whose neuron fires more often, and the mean where both do as often.

    Examples
    --------
    >>> by_firings(torch.abs)(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[3.0, -1.0]]])).tolist()
    [[[3.0, 2.0]]]
    """
    return lambda a, b: choose(a, b, count(a), count(b))


def _otsu(feed: Tensor) -> float:
    """Give Otsu's threshold of values in [0, 1] at 256 levels: the mean of those that part the variance best."""
    levels = (255 * feed).round().clamp(0, 255).long().ravel()
    p = torch.bincount(levels, minlength=256).double() / levels.numel()
    below, mean = p.cumsum(0), (p * torch.arange(256, device=p.device)).cumsum(0)
    apart = (mean[-1] * below - mean).square() / (below * (1 - below))
    apart = torch.where(apart.isfinite(), apart, -1.0)
    if apart.max() < 0:
        return 0.0
    return (apart >= apart.max() * (1 - 1e-12)).nonzero().double().mean().item() / 255


def _portion(feed: Tensor) -> int:
    """Say of how many images the network is computed at once: of as many as stay in a processor's cache."""
    return max(1, PIXELS // (feed.shape[1] * feed.shape[2]))


def _rings(weights: Tensor) -> list[tuple[float, list[tuple[int, int]]]]:
    """Give each weight of a neighbourhood and its places: the row, and how far left and right of the middle."""
    right, levels = weights[:, len(weights) // 2 :], sorted({*weights.ravel().tolist()} - {0.0})
    return [(weight, [(row, beside) for row, beside in (right == weight).nonzero().tolist()]) for weight in levels]


def _neighbours(fired: Tensor, rings: list[tuple[float, list[tuple[int, int]]]]) -> Tensor:
    """Sum the neighbours' firings with their weights, which are symmetric; beyond the border none fires.

    Those of one weight are counted first, in bytes, which is exact; there are few of them.
    """
    half, (height, width) = max(beside for _, places in rings for _, beside in places), fired.shape[1:]
    wide = F.pad(fired.to(torch.uint8), (half, half, half, half))
    middle, *sides = (wide.narrow(2, half + k, width) for k in range(half + 1))
    rows = [middle.contiguous(), *(wide.narrow(2, half - k, width) + right for k, right in enumerate(sides, 1))]
    total = torch.zeros_like(fired)
    for weight, places in rings:
        first, *others = (rows[beside].narrow(1, row, height) for row, beside in places)
        total.add_(sum(others, first), alpha=weight)
    return total


def _inverse_distance(side: int) -> Tensor:
    axis = torch.arange(side, dtype=torch.float64) - side // 2
    distance = torch.hypot(axis[:, None], axis)
    return torch.where(distance > 0, 1 / distance.clamp(min=1), 0.0)
