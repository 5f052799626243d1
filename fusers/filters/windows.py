"""Filters that move a window over an image: means, Gaussians, the median, and what a window holds."""

import math
from collections.abc import Sequence

import torch
from fusebench.fusers.filters.borders import Border, pad
from torch import Tensor


def box_mean(image: Tensor, radius: int, border: Border | None = None) -> Tensor:
    """Average over windows of side 2 `radius` + 1; without a border over the part of the window inside the image.

    Each window is summed anew, and not from the sums of its neighbours, and divided once: sums of float32 pixels are
    exact in float64, so what is flat stays so to the last digit.

    Examples
    --------
    >>> x = torch.tensor([[[0.0, 3.0, 6.0]]])
    >>> box_mean(x, 1).tolist(), box_mean(x, 1, "symmetric").tolist()
    ([[[1.5, 3.0, 4.5]]], [[[1.0, 3.0, 5.0]]])
    """
    total = box_sum(image, radius, border or "zero")
    if border:
        return total / (2 * radius + 1) ** 2
    height, width = (_overlap(length, radius, image) for length in image.shape[1:])
    return total / (height[:, None] * width)


def box_sum(image: Tensor, radius: int, border: Border) -> Tensor:
    """Sum over windows of side 2 `radius` + 1, each anew and not from the sums of its neighbours.

    Examples
    --------
    >>> box_sum(torch.tensor([[[1.0, 2.0]]]), 1, "zero").tolist()
    [[[3.0, 3.0]]]
    """
    total = pad(image, radius, border)
    for axis in (1, 2):
        total = _window_sum(total, 2 * radius + 1, axis)
    return total


def _window_sum(image: Tensor, side: int, axis: int) -> Tensor:
    """Sum `side` neighbours along an axis, of sums of 1, 2, 4, ... neighbours."""
    length = image.shape[axis] - side + 1
    total, start, width = torch.zeros(()), 0, 1
    while True:
        if side & width:
            part = image.narrow(axis, start, length)
            total, start = part if start == 0 else total + part, start + width
        if 2 * width > side:
            return total
        rest = image.shape[axis] - width
        image = image.narrow(axis, 0, rest) + image.narrow(axis, width, rest)
        width *= 2


def _overlap(length: int, radius: int, like: Tensor) -> Tensor:
    """Count the pixels of an axis that lie in the window around each of them."""
    place = torch.arange(length, device=like.device)
    return ((place + radius).clamp(max=length - 1) - (place - radius).clamp(min=0) + 1).to(like.dtype)


def separable(image: Tensor, taps: Sequence[float], border: Border) -> Tensor:
    """Correlate an image with odd `taps` down its columns and along its rows.

    Examples
    --------
    >>> separable(torch.tensor([[[0.0, 4.0, 0.0]]]), (0.25, 0.5, 0.25), "replicate").tolist()
    [[[1.0, 2.0, 1.0]]]
    """
    for axis in (1, 2):
        wide, length = pad(image, len(taps) // 2, border, (axis,)), image.shape[axis]
        image = torch.zeros_like(image)
        for start, tap in enumerate(taps):
            image += tap * wide.narrow(axis, start, length)
    return image


def gaussian(image: Tensor, size: int, sigma: float, border: Border) -> Tensor:
    """Smooth by a sampled Gaussian of `size` x `size` taps, whose sum is 1.

    Examples
    --------
    >>> gaussian(torch.ones(1, 3, 3, dtype=torch.float64), 5, 1.0, "symmetric").mean().item()
    1.0
    """
    taps = [math.exp(-((k - size // 2) ** 2) / (2 * sigma**2)) for k in range(size)]
    return separable(image, [tap / math.fsum(taps) for tap in taps], border)


def laplacian(image: Tensor, border: Border) -> Tensor:
    """Sum the four neighbours of each pixel less four times itself.

    Examples
    --------
    >>> laplacian(torch.tensor([[[0.0, 1.0, 0.0]]]), "replicate").tolist()
    [[[1.0, -2.0, 1.0]]]
    """
    wide = pad(image, 1, border)
    return wide[:, :-2, 1:-1] + wide[:, 2:, 1:-1] + wide[:, 1:-1, :-2] + wide[:, 1:-1, 2:] - 4 * image


def windows(image: Tensor, radius: int, border: Border) -> Tensor:
    """Give the window around each pixel, shape (N, H, W, 2 radius + 1, 2 radius + 1): a view that copies nothing.

    Examples
    --------
    >>> windows(torch.tensor([[[1, 2], [3, 4]]]), 1, "zero")[0, 0, 0].tolist()
    [[0, 0, 0], [0, 1, 2], [0, 3, 4]]
    """
    side = 2 * radius + 1
    return pad(image, radius, border).unfold(1, side, 1).unfold(2, side, 1)


def median(image: Tensor, radius: int, border: Border) -> Tensor:
    """Give the median of the window around each pixel.

    Examples
    --------
    >>> median(torch.tensor([[[1.0, 9.0, 2.0]]]), 1, "replicate").tolist()
    [[[1.0, 2.0, 2.0]]]
    """
    return windows(image, radius, border).flatten(3).median(dim=3).values
