"""Sliding windows: weighted means over them, the local moments made of such means, and gradients.

A window is the tuple of its weights along one axis; its weights in the plane are their products. Only windows that lie
wholly inside the image count, so a map of means is smaller than the image by the window's length less one, and has no
pixel at all where the image is smaller than the window: a mean over such a map is NaN.
"""

import math

import torch
import torch.nn.functional as F
from fusebench.metrics.base import shared
from torch import Tensor

Window = tuple[float, ...]

# A variance or covariance of less than this is the rounding of a 0. What one grey level makes is larger: 5e-5 in the
# corner of the largest window used.
ROUNDING = 1e-10


def gaussian(size: int, sigma: float) -> Window:
    """Give a Gaussian window of unit sum.

    Examples
    --------
    >>> [round(weight, 4) for weight in gaussian(3, 1.0)]
    [0.2741, 0.4519, 0.2741]
    """
    bell = [math.exp(-((i - (size - 1) / 2) ** 2) / (2 * sigma**2)) for i in range(size)]
    return tuple(weight / sum(bell) for weight in bell)


def box(size: int) -> Window:
    """Give the window whose mean is the plain mean.

    Examples
    --------
    >>> box(4)
    (0.25, 0.25, 0.25, 0.25)
    """
    return (1 / size,) * size


def blur(image: Tensor, window: Window) -> Tensor:
    """Weighted mean over each window inside the image, (..., H, W) to (..., H - k + 1, W - k + 1) for k weights.

    Examples
    --------
    >>> import torch
    >>> blur(torch.tensor([[[1.0, 3.0, 5.0], [1.0, 3.0, 5.0]]]), box(2)).tolist()
    [[[2.0, 4.0]]]
    """
    return _along(_along(image, window, -2), window, -1)


def _along(image: Tensor, window: Window, axis: int) -> Tensor:
    # A sum of shifted images: on a CPU ten times as fast as conv2d, which copies every window in float64.
    length = image.shape[axis] - len(window) + 1
    if length <= 0:
        return image.narrow(axis, 0, 0)
    total = image.narrow(axis, 0, length) * window[0]
    for i, weight in enumerate(window[1:], 1):
        total.add_(image.narrow(axis, i, length), alpha=weight)
    return total


@shared
def local_moments(image: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Mean and variance over each window; the variance of a flat window is exactly 0.

    Examples
    --------
    >>> import torch
    >>> mean, variance = local_moments(torch.tensor([[[1.0, 3.0], [1.0, 3.0]]]), box(2))
    >>> mean.item(), variance.item()
    (2.0, 1.0)
    """
    return _means(image, window)[1], local_covariance(image, image, window)


@shared
def local_covariance(x: Tensor, y: Tensor, window: Window) -> Tensor:
    """Covariance over each window; exactly 0 where one of the images is flat.

    It is the mean of the covariances within a window's rows, and the covariance of the rows' means. A difference of
    mean squares would lose the variance of 1e-8 that the rim of a Gaussian sees beside a flat background.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[[1.0, 3.0], [1.0, 3.0]]])
    >>> local_covariance(x, 5 - 2 * x, box(2)).item()
    -2.0
    """
    (rows_x, mean_x), (rows_y, mean_y) = _means(x, window), _means(y, window)
    within = _along(_covariance_along(x, y, rows_x, rows_y, window, axis=-1), window, -2)
    return without_rounding(within.add_(_covariance_along(rows_x, rows_y, mean_x, mean_y, window, axis=-2)))


@shared
def _means(image: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Give the mean of each row of a window, and of the whole window."""
    rows = _along(image, window, -1)
    return rows, _along(rows, window, -2)


def _covariance_along(x: Tensor, y: Tensor, mean_x: Tensor, mean_y: Tensor, window: Window, *, axis: int) -> Tensor:
    total = torch.zeros_like(max(mean_x, mean_y, key=len))  # one of the two may stand for all images of the other
    length = total.shape[axis]
    for i, weight in enumerate(window if length else ()):
        from_mean = x.narrow(axis, i, length) - mean_x
        total.addcmul_(from_mean, from_mean if x is y else y.narrow(axis, i, length) - mean_y, value=weight)
    return total


def gradient_magnitude(image: Tensor, middle: int, border: str = "constant") -> Tensor:
    """Magnitude of the gradient over 3 x 3 pixels: Prewitt's if `middle` is 1, Sobel's if it is 2.

    A component is the difference of two rows (or columns) that are two apart, summed over three pixels with the weights
    1, `middle`, 1. Beyond the image there is black, or with the border "replicate" its outermost pixels.

    Examples
    --------
    >>> import torch
    >>> gradient_magnitude(torch.tensor([[[0.0, 3.0, 0.0], [0.0, 5.0, 4.0], [0.0, 0.0, 0.0]]]), 2)[0, 1, 1].item()
    10.0
    """
    padded = F.pad(image, (1, 1, 1, 1), mode=border)
    across = padded[:, :, 2:] - padded[:, :, :-2]
    down = padded[:, 2:] - padded[:, :-2]
    across = across[:, :-2] + middle * across[:, 1:-1] + across[:, 2:]
    down = down[:, :, :-2] + middle * down[:, :, 1:-1] + down[:, :, 2:]
    square = across.square() + down.square()
    flat = square == 0  # where the derivative of the root is infinite; that of the magnitude is taken as 0
    return square.masked_fill_(flat, 1).sqrt().masked_fill(flat, 0)


def without_rounding(moment: Tensor) -> Tensor:
    """Put a moment that is nothing but the rounding of a 0 to 0, in place."""
    return moment.masked_fill_(moment.detach().abs() < ROUNDING, 0)
