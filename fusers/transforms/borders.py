"""How an image goes on beyond its borders."""

from collections.abc import Sequence

import torch
from torch import Tensor


def mirrored(index: Tensor, length: int) -> Tensor:
    """Give the sample that stands at `index` when a signal is mirrored at both ends, ends repeated, again and again.

    Examples
    --------
    >>> mirrored(torch.arange(-4, 7), 3).tolist()
    [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]
    """
    index = index % (2 * length)
    return torch.minimum(index, 2 * length - 1 - index)


def extend(image: Tensor, margins: Sequence[tuple[int, int]]) -> Tensor:
    """Continue images (N, H, W) by their mirror images: for height and width, by how much before and after.

    Examples
    --------
    >>> extend(torch.tensor([[[1, 2, 3]]]), [(0, 0), (1, 4)]).tolist()
    [[[1, 1, 2, 3, 3, 2, 1, 1]]]
    """
    for axis, (before, after) in enumerate(margins, start=1):
        if before or after:
            length = image.shape[axis]
            image = image.index_select(
                axis, mirrored(torch.arange(-before, length + after, device=image.device), length)
            )
    return image
