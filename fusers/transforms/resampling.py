"""Halving an image and doubling it again with the kernel of Burt and Adelson, 1 4 6 4 1."""

from functools import lru_cache

import torch
from torch import Tensor

KERNEL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
HALF = len(KERNEL) // 2


def reduce(image: Tensor, *, bare_corners: bool = False) -> Tensor:
    """Smooth and keep every other row and column, the first among them.

    Beyond its borders the image goes on mirrored, the border itself not repeated.

    Parameters
    ----------
    image
        Shape (N, H, W), floating.
    bare_corners
        Whether the four corners beyond both borders are 0, as in the toolbox of O. Rockinger.

    Returns
    -------
    Shape (N, ceil(H / 2), ceil(W / 2)).

    Examples
    --------
    >>> reduce(torch.tensor([[[0.0, 16.0, 0.0, 0.0]]]))[0].tolist()  # 4 + 4 mirrored; 4
    [[8.0, 4.0]]
    """
    return _separable(image, [_reducing(length) for length in image.shape[1:]], bare_corners=bare_corners)


def expand(image: Tensor, size: tuple[int, int], *, bare_corners: bool = False) -> Tensor:
    """Put zeros between rows and between columns, and smooth with twice the kernel in each direction: (N, *size).

    Examples
    --------
    >>> expand(torch.ones(1, 2, 2), (3, 4))[0].tolist()
    [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
    """
    return _separable(image, [_expanding(length) for length in size], bare_corners=bare_corners)


def _separable(image: Tensor, maps: list[tuple[Tensor, Tensor]], *, bare_corners: bool) -> Tensor:
    """Apply a matrix along each axis; without corners what they would add is taken away again."""
    (down, corner_down), (right, corner_right) = ([part.to(image) for part in both] for both in maps)
    found = down @ image @ right.mT
    return found - corner_down @ image @ corner_right.mT if bare_corners else found


@lru_cache(maxsize=64)
def _reducing(length: int) -> tuple[Tensor, Tensor]:
    """Give the matrix that reduces an axis, and the part of it that reaches beyond the border."""
    return _split(_smoothing(length)[::2], length)


@lru_cache(maxsize=64)
def _expanding(length: int) -> tuple[Tensor, Tensor]:
    """Give the matrix that expands an axis to a length, and the part of it that reaches beyond the border."""
    return _split(2 * _smoothing(length), length, every=2)


def _smoothing(length: int) -> Tensor:
    """Give the kernel's matrix from the axis continued by HALF on both sides: (length, length + 2 HALF)."""
    matrix = torch.zeros(length, length + 2 * HALF, dtype=torch.float64)
    for offset, tap in enumerate(KERNEL):
        matrix.diagonal(offset).fill_(tap)
    return matrix


def _split(matrix: Tensor, length: int, every: int = 1) -> tuple[Tensor, Tensor]:
    """Fold what lies beyond the borders back; with `every` the axis holds one sample in so many, and zeros between."""
    places = torch.arange(-HALF, length + HALF)
    period = max(2 * (length - 1), 1)
    inside = (places % period).minimum(period - places % period) if length > 1 else torch.zeros_like(places)
    continued = torch.zeros(len(places), length, dtype=torch.float64)
    continued[torch.arange(len(places)), inside] = (places % every == 0).double()
    beyond = continued.clone()
    beyond[HALF:-HALF] = 0
    return (matrix @ continued)[:, ::every], (matrix @ beyond)[:, ::every]
