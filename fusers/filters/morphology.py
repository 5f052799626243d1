"""Dilation and erosion by a disk, and the gradient that they make."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def dilated(image: Tensor, radius: int) -> Tensor:
    """Give the largest value of the disk x^2 + y^2 <= radius^2 around each pixel; there are none beyond the border.

    Parameters
    ----------
    image
        Shape (N, H, W), floating.
    radius
        In pixels, not negative.

    Examples
    --------
    A disk of radius 1 is a cross.

    >>> x = torch.zeros(1, 3, 3)
    >>> x[0, 0, 0] = 1
    >>> dilated(x, 1)[0].tolist()
    [[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    height, width = image.shape[1:]
    wide = F.pad(image, (radius,) * 4, value=-math.inf)
    along, half = wide[:, :, radius : radius + width], 0  # the largest of 2 half + 1 pixels of a row
    most = torch.full_like(image, -math.inf)
    for row in range(radius, -1, -1):
        while half < math.isqrt(radius**2 - row**2):
            half += 1
            left, right = (wide[:, :, radius + by : radius + by + width] for by in (-half, half))
            along = torch.maximum(along, torch.maximum(left, right))
        for by in {row, -row}:
            most = torch.maximum(most, along[:, radius + by : radius + by + height])
    return most


def gradient(image: Tensor, radius: int) -> Tensor:
    """Give the morphological gradient, dilation less erosion, of a disk: the range of values within it.

    Examples
    --------
    >>> gradient(torch.tensor([[[1.0, 4.0, 9.0]]]), 1).tolist()
    [[[3.0, 8.0, 5.0]]]
    """
    return dilated(image, radius) + dilated(-image, radius)
