"""The recursive edge-preserving filter of the domain transform."""

import math

import torch
from torch import Tensor


def recursive_filter(image: Tensor, guide: Tensor, spatial: float, tonal: float) -> Tensor:
    """Smooth an image along its rows and then its columns, forth and back, as far as the guide is even.

    E. S. L. Gastal, M. M. Oliveira, Domain transform for edge-aware image and video processing, ACM Transactions on
    Graphics 30 (2011), in one iteration.

    Parameters
    ----------
    image, guide
        Shape (N, H, W).
    spatial, tonal
        Standard deviations of distance, in pixels, and of difference, in the guide's unit.

    Examples
    --------
    >>> recursive_filter(torch.ones(1, 2, 3), torch.rand(1, 2, 3), 10, 0.2).tolist()
    [[[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]]
    """
    feedback = math.exp(-math.sqrt(2) / spatial)
    for axis in (2, 1):
        distance = 1 + spatial / tonal * guide.diff(dim=axis).abs()
        weights = (feedback**distance).unbind(axis)
        lines = list(image.unbind(axis))
        for k in range(1, len(lines)):
            lines[k] = lines[k] + weights[k - 1] * (lines[k - 1] - lines[k])
        for k in range(len(lines) - 2, -1, -1):
            lines[k] = lines[k] + weights[k] * (lines[k + 1] - lines[k])
        image = torch.stack(lines, axis)
    return image
