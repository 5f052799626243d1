"""Fusion in the multi-resolution singular value decomposition."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.rules.selection import larger
from fusebench.fusers.transforms.borders import extend
from fusebench.fusers.transforms.pyramids import check_levels
from torch import Tensor


@dataclass(frozen=True)
class MSVD:
    """V. P. S. Naidu, Image fusion technique using multi-resolution singular value decomposition, 2011.

    The pixels of each 2 x 2 block are a vector, and the singular vectors of all blocks of an image are their axes. The
    coordinate along the first is averaged and decomposed again, of the others the larger is taken. Back leads the mean
    of both images' axes. The sign of a singular vector is the linear algebra library's: in the published code, where
    the two images have opposite signs, a band nearly cancels. Here an axis of the second image is turned to that of the
    first, and the inverse of the mean is taken, so that equal images come back; nothing is stretched.

    Parameters
    ----------
    levels
        From 1 to 16.

    Raises
    ------
    ValueError
        If there are no levels or too many.

    Examples
    --------
    >>> x = torch.rand(1, 7, 10)
    >>> torch.allclose(MSVD()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "msvd"
    reference: ClassVar[str] = "Naidu 2011"
    title: ClassVar[str] = "Multi-resolution SVD"
    levels: int = 1

    def __post_init__(self) -> None:
        check_levels(self.levels)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        step = 2**self.levels
        height, width = a.shape[1:]
        x, y = (extend(image.double(), [(0, -height % step), (0, -width % step)]) for image in (a, b))
        return self._fused(x, y, self.levels)[:, :height, :width].clamp(0, 1).float()

    def _fused(self, x: Tensor, y: Tensor, levels: int) -> Tensor:
        if levels == 0:
            return (x + y) / 2
        blocks_x, blocks_y = blocks(x), blocks(y)
        axes_x, axes_y = axes(blocks_x), axes(blocks_y)
        axes_y = axes_y * torch.where((axes_x * axes_y).sum(dim=1, keepdim=True) < 0, -1.0, 1.0)
        bands = [part.mT @ block for part, block in ((axes_x, blocks_x), (axes_y, blocks_y))]
        height, width = x.shape[1] // 2, x.shape[2] // 2
        first = self._fused(bands[0][:, 0].view(-1, height, width), bands[1][:, 0].view(-1, height, width), levels - 1)
        chosen = torch.cat([first.flatten(1)[:, None], larger(bands[0][:, 1:], bands[1][:, 1:])], dim=1)
        back = torch.linalg.inv((axes_x + axes_y) / 2).mT
        return image_of(back @ chosen, (height, width))


def blocks(image: Tensor) -> Tensor:
    """Give the 2 x 2 blocks of images as columns, down each block first: (N, 4, blocks).

    Examples
    --------
    >>> blocks(torch.tensor([[[1, 2], [3, 4]]])).flatten().tolist()
    [1, 3, 2, 4]
    """
    parts = [image[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
    return torch.stack([part.flatten(1) for part in parts], dim=1)


def image_of(columns: Tensor, size: tuple[int, int]) -> Tensor:
    """Give the images of such blocks: the inverse of `blocks`; `size` counts blocks down and right."""
    image = torch.empty(len(columns), 2 * size[0], 2 * size[1], dtype=columns.dtype, device=columns.device)
    for n, (j, i) in enumerate((j, i) for j in (0, 1) for i in (0, 1)):
        image[:, i::2, j::2] = columns[:, n].view(-1, *size)
    return image


def axes(columns: Tensor) -> Tensor:
    """Give the left singular vectors of columns, the strongest first, (N, 4, 4); of each the sum is not negative."""
    _, vectors = torch.linalg.eigh(columns @ columns.mT)
    vectors = vectors.flip(2)
    sums = vectors.sum(dim=1, keepdim=True)
    turned: Tensor = vectors * torch.where(sums < 0, -1.0, 1.0)
    return turned
