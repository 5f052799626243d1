"""How an image goes on beyond its border, by the names that the field has for it."""

from typing import Literal

import torch
from fusebench.fusers.transforms.borders import mirrored
from torch import Tensor

Border = Literal["symmetric", "mirror", "replicate", "wrap", "zero"]


def pad(image: Tensor, radius: int, border: Border, axes: tuple[int, ...] = (1, 2)) -> Tensor:
    """Continue images (N, H, W) by `radius` pixels on each side.

    Parameters
    ----------
    image
        Any size: the mirror images go on for as long as they are needed.
    radius
        By how much each side grows.
    border
        "symmetric" mirrors and repeats the last pixel, "mirror" does not repeat it, "replicate" repeats it alone,
        "wrap" goes on at the opposite side, "zero" with zeros.
    axes
        Which axes grow.

    Examples
    --------
    >>> x = torch.tensor([[[1, 2, 3]]])
    >>> [pad(x, 2, border, (2,)).tolist()[0][0] for border in ("symmetric", "mirror", "wrap")]
    [[2, 1, 1, 2, 3, 3, 2], [3, 2, 1, 2, 3, 2, 1], [2, 3, 1, 2, 3, 1, 2]]
    """
    for axis in axes:
        length = image.shape[axis]
        index = torch.arange(-radius, length + radius, device=image.device)
        inside = (index >= 0) & (index < length)
        if border == "symmetric":
            index = mirrored(index, length)
        elif border == "mirror":
            index = index % max(2 * length - 2, 1)
            index = torch.minimum(index, 2 * length - 2 - index)
        elif border == "wrap":
            index = index % length
        image = image.index_select(axis, index.clamp(0, length - 1))
        if border == "zero":
            image = image * inside.to(image.dtype).view([-1 if n == axis else 1 for n in range(3)])
    return image
