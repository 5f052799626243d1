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
    neurons = _Neurons(feed, _inverse_distance(side), iterations)
    feed, strength = neurons.feed, neurons.laid(torch.as_tensor(linking, dtype=feed.dtype, device=feed.device))
    kept, faded = (math.exp(-rate) for rate in fading)
    link, threshold, inner = (torch.zeros_like(feed) for _ in range(3))
    for _ in range(iterations):
        link.mul_(kept).add_(neurons.neighbours())
        threshold.mul_(faded).add_(inner.copy_(neurons.fired), alpha=20)
        torch.mul(link, strength, out=inner).add_(1).mul_(feed)
        neurons.fire(inner, threshold)
    return neurons.counted()


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
    neurons = _Neurons(feed, torch.tensor(NEIGHBOURS, dtype=torch.float64), iterations)
    feed = neurons.feed
    inner, spare, threshold = torch.zeros_like(feed), torch.zeros_like(feed), torch.ones_like(feed)
    kept, faded = (torch.exp(-torch.as_tensor(alpha, dtype=feed.dtype)) for alpha in (alpha_f, alpha_e))
    for _ in range(iterations):
        inner.mul_(kept).add_(neurons.neighbours().mul_(strength).add_(1).mul_(feed))
        neurons.fire(inner, threshold)
        threshold.mul_(faded).add_(spare.copy_(neurons.fired).mul_(step))
    return neurons.counted()


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


class _Neurons:
    """The neurons of images (N, h, w): which fire, how often each has, and what its neighbours' firings weigh.

    All stand in one row, with neurons that never fire, since nothing feeds them, behind each row and each image, so
    that a neighbour is as many places away for every neuron, and what is beyond the border is 0. Neighbours of one
    weight are counted first, in bytes, which is exact; there are few weights.
    """

    def __init__(self, feed: Tensor, weights: Tensor, iterations: int) -> None:
        """Lay out the neurons, of which none fires; `weights` are odd, symmetric, and 0 in the middle."""
        self.half = len(weights) // 2
        self.size = feed.shape[1:]
        self.feed = self.laid(feed)
        beyond = self.half * (self.feed.shape[2] + 1)
        self._row = torch.zeros(self.feed.numel() + 2 * beyond, dtype=torch.uint8, device=feed.device)
        self.fired = self._row[beyond : beyond + self.feed.numel()].view(self.feed.shape)
        self._count = torch.zeros_like(self.fired, dtype=torch.uint8 if iterations < 256 else torch.int32)
        # Memory that each step uses again, and where its neighbours are in it: to ask anew takes longer than the sums.
        length = len(self._row) - 2 * self.half
        self._near, self._spare = torch.zeros_like(self.feed), torch.zeros_like(self.feed)
        self._ring = torch.zeros_like(self.fired)
        shifted = [self._row[start:][:length] for start in range(2 * self.half + 1)]
        self._pairs = [
            (shifted[self.half - apart], shifted[self.half + apart], self._row.new_empty(length))
            for apart in range(1, self.half + 1)
        ]
        rows, right = [shifted[self.half], *(both for _, _, both in self._pairs)], weights[:, self.half :]
        count, stride = self.feed.numel(), self.feed.shape[2]
        self._rings = [
            (weight, [rows[n][row * stride :][:count].view_as(self.feed) for row, n in (right == weight).nonzero()])
            for weight in sorted({*weights.ravel().tolist()} - {0.0})
        ]

    def laid(self, values: Tensor) -> Tensor:
        """Put zeros behind each row and below each image (N, h, w); a single number stays what it is."""
        return F.pad(values, (0, self.half, 0, self.half)) if values.dim() else values

    def fire(self, inner: Tensor, threshold: Tensor) -> None:
        """Let the neurons fire that are above their thresholds."""
        torch.gt(inner, threshold, out=self.fired.view(torch.bool))
        self._count += self.fired

    def neighbours(self) -> Tensor:
        """Sum the firings around each neuron, weighed; the sum is overwritten the next time."""
        for left, right, both in self._pairs:
            torch.add(left, right, out=both)
        near = self._near.zero_()
        for weight, (first, second, *others) in self._rings:
            torch.add(first, second, out=self._ring)
            for other in others:
                self._ring += other
            near.add_(self._spare.copy_(self._ring), alpha=weight)
        return near

    def counted(self) -> Tensor:
        """Give how often each neuron has fired, (N, h, w)."""
        return self._count[:, : self.size[0], : self.size[1]].to(self.feed.dtype)


def _inverse_distance(side: int) -> Tensor:
    axis = torch.arange(side, dtype=torch.float64) - side // 2
    distance = torch.hypot(axis[:, None], axis)
    return torch.where(distance > 0, 1 / distance.clamp(min=1), 0.0)
