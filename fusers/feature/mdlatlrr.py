"""Fusion by a projection that takes the salient part out of an image, level by level."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from fusebench.fusers.feature import latlrr_projection
from fusebench.fusers.feature.latlrr_projection import SIDE
from fusebench.fusers.filters.borders import pad
from torch import Tensor

# Matrices whose eigenvalues are asked for at once: of many more the library of a GPU gives an internal error.
PORTION = 2**14


@dataclass(frozen=True)
class MDLatLRR:
    """Multilevel latent low-rank fusion: salient patches weighed by their nuclear norm, bases averaged.

    H. Li, X.-J. Wu, J. Kittler, MDLatLRR: a novel decomposition method for infrared and visible image fusion, IEEE
    Transactions on Image Processing 29 (2020). A learned projection of patches of 8 x 8 pixels, one for each pixel,
    gives the salient part of an image, the mean of what the patches say; the next level parts what remains.

    The projection is this project's own, learned on photographs (`tools/train_latlrr.py`). The paper tries one to four
    levels, which take about a second each for 256 x 256 pixels; two are the default. The image is mirrored at its
    border, so that every pixel is in as many patches. Patches of no weight, to a millionth, are averaged.

    Parameters
    ----------
    levels
        How often the base is parted again.
    original
        As the authors' code: no patch reaches over the border, so that a side has at least 8 pixels, and a level's
        detail contains those of all levels before it.

    Raises
    ------
    ValueError
        If the number of levels is not positive, or an image is too small for the original.

    Examples
    --------
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(MDLatLRR()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "mdlatlrr"
    reference: ClassVar[str] = "Li, Wu, Kittler 2020"
    levels: int = 2
    original: bool = False

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise ValueError(f"mdlatlrr: the number of levels is positive, not {self.levels}")

    @property
    def weights_sha256(self) -> str:
        """Digest of the file that holds the projection."""
        return latlrr_projection.SHA256

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double(), latlrr_projection.load().to(a.device)).clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor, projection: Tensor) -> Tensor:
        """Fuse in float64, before clipping, with any projection of patches."""
        if self.original and min(a.shape[1:]) < SIDE:
            raise ValueError(f"mdlatlrr: the original needs sides of at least {SIDE}, not {tuple(a.shape[1:])}")
        details = torch.zeros_like(a)
        for level in range(self.levels):
            salient_a, salient_b = self.salient(a, projection), self.salient(b, projection)
            wa, wb = (nuclear_norms(patches) + (0 if self.original else 1e-6) for patches in (salient_a, salient_b))
            fused = ((wa * salient_a + wb * salient_b) / (wa + wb)).nan_to_num(0)
            details = details + (self.levels - level if self.original else 1) * self.joined(fused, a)
            a, b = a - self.joined(salient_a, a), b - self.joined(salient_b, b)
        return details + (a + b) / 2

    def salient(self, image: Tensor, projection: Tensor) -> Tensor:
        """Project every patch: shape (N, 64, number of patches), pixels along the rows of a patch."""
        by_rows = projection.view(4 * (SIDE,)).permute(1, 0, 3, 2).reshape(SIDE**2, SIDE**2)
        return by_rows @ F.unfold(pad(image, self._margin, "symmetric")[:, None], SIDE)

    def joined(self, patches: Tensor, like: Tensor) -> Tensor:
        """Average what the patches say of each pixel."""
        margin = self._margin
        height, width = (side + 2 * margin for side in like.shape[1:])
        total = F.fold(patches, (height, width), SIDE)[:, 0]
        rows, columns = (_patches_over(side).to(total) for side in (height, width))
        return (total / (rows[:, None] * columns))[:, margin : height - margin, margin : width - margin]

    @property
    def _margin(self) -> int:
        return 0 if self.original else SIDE - 1


def nuclear_norms(patches: Tensor) -> Tensor:
    """Sum the singular values of each patch: (N, 64, n) to (N, 1, n).

    They are the roots of the eigenvalues of the patch times its transpose, which takes two thirds of the time.

    Examples
    --------
    >>> nuclear_norms(torch.eye(8).reshape(1, 64, 1)).item()
    8.0
    """
    square = patches.mT.reshape(len(patches), -1, SIDE, SIDE)
    squares = torch.cat(
        [torch.linalg.eigvalsh(part) for part in torch.split(square @ square.mT, PORTION, dim=1)], dim=1
    )
    return squares.clamp(min=0).sqrt().sum(2)[:, None]


def _patches_over(side: int) -> Tensor:
    """Count the patches along an axis that hold each pixel."""
    place = torch.arange(1, side + 1)
    return torch.minimum(place, place.flip(0)).clamp(max=min(SIDE, side - SIDE + 1))
