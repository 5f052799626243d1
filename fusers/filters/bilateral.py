"""The cross bilateral filter."""

import math

import torch
from fusebench.fusers.filters.borders import pad
from torch import Tensor


def cross_bilateral(image: Tensor, guide: Tensor, *, radius: int, spatial: float, tonal: float) -> Tensor:
    """Average each pixel with those near it whose grey in the guide is near to its own there.

    G. Petschnigg et al., Digital photography with flash and no-flash image pairs, ACM Transactions on Graphics 23
    (2004); the image as its own guide is the bilateral filter of C. Tomasi and R. Manduchi, ICCV 1998. Both are
    mirrored at the border, the last pixel not repeated.

    Parameters
    ----------
    image, guide
        Shape (N, H, W).
    radius
        Of the window, whose side is 2 radius + 1.
    spatial, tonal
        Standard deviations of the Gaussians of distance, in pixels, and of difference, in the guide's unit.

    Examples
    --------
    >>> step = torch.tensor([[[0.0, 0.0, 1.0, 1.0]]])
    >>> cross_bilateral(step, step, radius=1, spatial=1.0, tonal=0.01).tolist()
    [[[0.0, 0.0, 1.0, 1.0]]]
    """
    height, width = image.shape[1:]
    wide_image, wide_guide = pad(image, radius, "mirror"), pad(guide, radius, "mirror")
    total, weights = torch.zeros_like(image), torch.zeros_like(image)
    for i in range(2 * radius + 1):
        for j in range(2 * radius + 1):
            near = math.exp(-((i - radius) ** 2 + (j - radius) ** 2) / (2 * spatial**2))
            window = slice(None), slice(i, i + height), slice(j, j + width)
            weight = near * ((wide_guide[window] - guide).square() / (-2 * tonal**2)).exp()
            total += weight * wide_image[window]
            weights += weight
    return total / weights
