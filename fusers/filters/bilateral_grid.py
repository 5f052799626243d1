"""The bilateral filter on a coarse grid of space and grey, for windows too large to visit."""

import torch
from torch import Tensor

# Cells around what the image fills: two smoothings reach two of them.
MARGIN = 3


def bilateral_grid(image: Tensor, spatial: float, tonal: float) -> Tensor:
    """Average each pixel with those near it in space and in grey.

    S. Paris, F. Durand, A fast approximation of the bilateral filter using a signal processing approach, International
    Journal of Computer Vision 81 (2009): pixels and their number are summed in cells as large as the standard
    deviations, both are smoothed twice by [1 2 1] / 4 along the three axes, read between the cells, and divided.

    Parameters
    ----------
    image
        Shape (N, H, W), floating.
    spatial, tonal
        Standard deviations of distance, in pixels, and of difference, in the image's unit.

    Examples
    --------
    >>> step = torch.tensor([[[0.0, 0.0, 1.0, 1.0]]], dtype=torch.float64)
    >>> bilateral_grid(step, 1.0, 0.1).tolist()
    [[[0.0, 0.0, 1.0, 1.0]]]
    """
    rows, columns = (torch.arange(side, device=image.device, dtype=image.dtype) / spatial for side in image.shape[1:])
    depths = (image - image.amin((1, 2), keepdim=True)) / tonal
    place = torch.stack([rows[:, None].expand_as(image), columns.expand_as(image), depths]) + MARGIN
    sides = [int(axis.max()) + MARGIN + 1 for axis in place]
    owner = torch.arange(len(image), device=image.device).view(-1, 1, 1).expand_as(image)
    cell = (owner, *(place + 0.5).floor().long())
    grid = image.new_zeros(len(image), *sides, 2)  # the sum of the pixels in a cell, and their number
    grid.index_put_(cell, torch.stack([image, torch.ones_like(image)], -1), accumulate=True)
    for axis in (1, 2, 3, 1, 2, 3):
        # Nothing lies in the outermost cells, so that what rolls around is 0.
        grid = grid / 2 + (grid.roll(1, axis) + grid.roll(-1, axis)) / 4
    corner = place.floor()
    after = place - corner
    read = image.new_zeros(*image.shape, 2)
    for steps in torch.cartesian_prod(*3 * [torch.arange(2, device=image.device)]):
        share = torch.where(steps.view(3, 1, 1, 1) > 0, after, 1 - after).prod(0)
        read += share[..., None] * grid[(owner, *(corner.long() + steps.view(3, 1, 1, 1)))]
    return read[..., 0] / read[..., 1]
