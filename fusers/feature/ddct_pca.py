"""Fusion in directional cosine transforms, whose results are merged by their first principal component."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.transforms.borders import extend
from fusebench.fusers.transforms.cosine_harmonic import cosine_basis
from torch import Tensor

SIDE = 4

# For each direction, the line that a pixel (row, column) lies on, and whether lines run along the rows.
LINES: tuple[tuple[Callable[[int, int], int], bool], ...] = (
    (lambda i, j: i + j, False),  # down to the left
    (lambda i, j: j - i, False),  # down to the right
    (lambda i, j: j - i // 2, False),  # steeply down to the right
    (lambda i, j: j + i // 2, False),  # steeply down to the left
    (lambda i, j: i - j // 2, True),  # along, slightly down
    (lambda i, j: i + j // 2, True),  # along, slightly up
)


@dataclass(frozen=True)
class DDCTPCA:
    """Directional cosine transforms of blocks: in each direction the larger coefficients; then principal components.

    V. P. S. Naidu, Hybrid DDCT-PCA based multi sensor image fusion, Journal of Optics 43 (2014), with blocks of 4 x 4.
    A directional transform (B. Zeng, J. Fu, Directional discrete cosine transforms: a new framework for image coding,
    IEEE Transactions on Circuits and Systems for Video Technology 18 (2008)) takes the DCT of each line of a direction,
    and then that of coefficients of one index across the lines. There are eight modes: the ordinary transform twice,
    since its lines may run down or along, and six directions. In each the larger of two coefficients is taken; the
    fused images are weighed by the first principal component over all pixels.

    A directional transform spreads the mean of a block over several coefficients. As Zeng and Fu do, the mean is kept
    apart: it is averaged. The image is continued by its mirror image to whole blocks. Of coefficients of equal
    magnitude, to 1e-12, the mean is taken. The weights are magnitudes (`rules.principal` says why).

    Parameters
    ----------
    original
        As the author's code: the first two modes take the DCT of the columns, or of the rows, twice and the other not
        at all; the first coefficient stands for the mean, and of equal ones that of the first source is taken.

    Examples
    --------
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(DDCTPCA()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "ddct-pca"
    reference: ClassVar[str] = "Naidu 2014"
    original: bool = False

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double()).clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in float64, before clipping."""
        modes = self.modes(a, b).flatten(2)
        centred = modes - modes.mean(2, keepdim=True)
        weights: Tensor = torch.linalg.eigh(centred @ centred.mT).eigenvectors[:, :, -1]
        weights = weights if self.original else weights.abs()
        weights = weights / weights.sum(1, keepdim=True)
        return (weights[:, None] @ modes).view(a.shape)

    def modes(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in each of the eight modes, shape (N, 8, H, W)."""
        height, width = a.shape[1:]
        margins = [(0, -side % SIDE) for side in (height, width)]
        blocks_a, blocks_b = (
            extend(x, margins).unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE).flatten(3)[:, None] for x in (a, b)
        )
        level = (blocks_a + blocks_b).mean(4, keepdim=True) / 2
        if not self.original:
            blocks_a, blocks_b = (x - x.mean(4, keepdim=True) for x in (blocks_a, blocks_b))
        bases = self.bases().to(a.device)[:, None]
        ca, cb = blocks_a @ bases.mT, blocks_b @ bases.mT
        excess = ca.abs() - cb.abs()
        equal = ca if self.original else (ca + cb) / 2
        chosen = torch.where(excess.abs() <= 1e-12, equal, torch.where(excess > 0, ca, cb))
        if self.original:
            chosen[..., 0] = (ca[..., 0] + cb[..., 0]) / 2
        fused = chosen @ bases
        if not self.original:
            fused = fused - fused.mean(4, keepdim=True) + level
        squares = fused.view(*fused.shape[:4], SIDE, SIDE).transpose(3, 4)
        return squares.flatten(2, 3).flatten(3, 4)[:, :, :height, :width]

    def bases(self) -> Tensor:
        """Give the eight orthonormal transforms of a block, shape (8, 16, 16), pixels along the rows."""
        line, unit = cosine_basis(SIDE, torch.zeros(0, dtype=torch.float64)), torch.eye(SIDE, dtype=torch.float64)
        if self.original:
            first = [torch.kron(line @ line, unit), torch.kron(unit, line @ line)]
        else:
            first = 2 * [torch.kron(line, line)]
        return torch.stack([*first, *(directional(line_of, along=along) for line_of, along in LINES)])


def directional(line_of: Callable[[int, int], int], *, along: bool) -> Tensor:
    """Give the directional transform of a block, shape (16, 16), whose lines are told by a number for each pixel."""
    lines: dict[int, list[int]] = {}
    for step in range(SIDE**2):
        i, j = (step % SIDE, step // SIDE) if along else (step // SIDE, step % SIDE)
        lines.setdefault(line_of(i, j), []).append(SIDE * i + j)
    like = torch.zeros(0, dtype=torch.float64)
    pixels = torch.eye(SIDE**2, dtype=torch.float64)
    spectra = [cosine_basis(len(line), like) @ pixels[line] for _, line in sorted(lines.items())]
    across = [torch.stack([s[index] for s in spectra if len(s) > index]) for index in range(SIDE)]
    return torch.cat([cosine_basis(len(rows), like) @ rows for rows in across])
