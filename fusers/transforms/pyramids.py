"""The pyramids of the eighties and nineties: Laplacian, ratio, contrast, gradient and morphological."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from fusebench.fusers.transforms.base import Pyramid, check_image
from fusebench.fusers.transforms.resampling import expand, reduce
from torch import Tensor

MOST_LEVELS = 16
GREY = 255.0
LEAST = 1e-6  # grey levels, by which a ratio's denominator is kept from 0


def check_levels(levels: int) -> None:
    """Raise ValueError unless a pyramid has from 1 to 16 levels."""
    if not 1 <= levels <= MOST_LEVELS:
        raise ValueError(f"levels={levels}: a pyramid has from 1 to {MOST_LEVELS} levels")


@dataclass(frozen=True)
class LaplacianPyramid:
    """The pyramid of P. J. Burt and E. H. Adelson (The Laplacian pyramid as a compact image code, 1983).

    A level is what `expand` does not give back of what `reduce` takes. Beyond its borders an image goes on mirrored.

    Parameters
    ----------
    levels
        From 1 to 16.
    original
        Take the corners beyond both borders as 0, as the toolbox of O. Rockinger does, whose pixels it then gives; by
        default they are mirrored as the sides are.

    Raises
    ------
    ValueError
        If there are no levels or too many.

    Examples
    --------
    >>> x = torch.rand(2, 5, 7, dtype=torch.float64)
    >>> torch.allclose(LaplacianPyramid(3).reconstruct(LaplacianPyramid(3).decompose(x)), x)
    True
    """

    reach: ClassVar[int] = 0  # every level mirrors its borders
    grid: ClassVar[int] = 1
    levels: int = 4
    original: bool = False

    def __post_init__(self) -> None:
        check_levels(self.levels)

    def decompose(self, image: Tensor) -> Pyramid:
        """Give the levels of images of shape (N, H, W), a band each."""
        check_image(image)
        low, high = image, []
        for _ in range(self.levels):
            coarse = reduce(low, bare_corners=self.original)
            high.append(self._bands(low, self._expanded(coarse, low)))
            low = coarse
        return Pyramid(low, high[::-1], (image.shape[1], image.shape[2]))

    def reconstruct(self, coefficients: Pyramid) -> Tensor:
        """Give the images with these levels."""
        image = coefficients.low
        for bands in coefficients.high:
            image = self._joined(bands, self._expanded(image, bands[0]))
        return image

    def _expanded(self, coarse: Tensor, like: Tensor) -> Tensor:
        return expand(coarse, (like.shape[1], like.shape[2]), bare_corners=self.original)

    def _bands(self, image: Tensor, smooth: Tensor) -> list[Tensor]:
        return [image - smooth]

    def _joined(self, bands: list[Tensor], smooth: Tensor) -> Tensor:
        return smooth + bands[0]


@dataclass(frozen=True)
class RatioPyramid(LaplacianPyramid):
    """The ratio of low-pass pyramid (A. Toet, Image fusion by a ratio of low-pass pyramid, 1989).

    A level is an image over its expansion. Grey levels from 0 to 255 are raised by `offset`, since a ratio over a black
    background has no meaning.

    Parameters
    ----------
    levels, original
        As of `LaplacianPyramid`.
    offset
        In grey levels, positive.
    """

    offset: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.offset > 0:
            raise ValueError(f"offset={self.offset}: must be positive")

    def decompose(self, image: Tensor) -> Pyramid:
        """Give the levels of images in [0, 1]."""
        return super().decompose(GREY * image + self.offset)

    def reconstruct(self, coefficients: Pyramid) -> Tensor:
        """Give the images with these levels."""
        return (super().reconstruct(coefficients) - self.offset) / GREY

    def _bands(self, image: Tensor, smooth: Tensor) -> list[Tensor]:
        return [image / (smooth + LEAST)]

    def _joined(self, bands: list[Tensor], smooth: Tensor) -> Tensor:
        return bands[0] * (smooth + LEAST)


@dataclass(frozen=True)
class ContrastPyramid(RatioPyramid):
    """The contrast pyramid (A. Toet, L. J. van Ruyven, J. M. Valeton, Merging thermal and visual images by a contrast
    pyramid, 1989): the ratio less 1, which is 0 where nothing stands out.
    """  # noqa: D205  a citation

    def _bands(self, image: Tensor, smooth: Tensor) -> list[Tensor]:
        return [image / (smooth + LEAST) - 1]

    def _joined(self, bands: list[Tensor], smooth: Tensor) -> Tensor:
        return (bands[0] + 1) * (smooth + LEAST)


@dataclass(frozen=True)
class GradientPyramid(LaplacianPyramid):
    """The gradient pyramid (P. J. Burt, R. J. Kolczynski, Enhanced image capture through fusion, ICCV 1993).

    A level has the second differences of the smoothed image in four directions, whose sum, over -8, is nearly the
    Laplacian level. What that sum lacks is a fifth band, so that equal images come back.

    Parameters
    ----------
    levels, original
        As of `LaplacianPyramid`; the original lacks the fifth band too.
    """

    def _bands(self, image: Tensor, smooth: Tensor) -> list[Tensor]:
        wide = _wide(image, original=self.original)
        smoothed = (wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]) / 4
        smoothed = (smoothed[:, :, :-2] + 2 * smoothed[:, :, 1:-1] + smoothed[:, :, 2:]) / 4
        wide = _wide(image + smoothed, original=self.original)
        middle = wide[:, 1:-1, 1:-1]
        half = (0.5**0.5) ** 2
        bands = [
            wide[:, 1:-1, :-2] - 2 * middle + wide[:, 1:-1, 2:],
            half * wide[:, 2:, :-2] - 2 * half * middle + half * wide[:, :-2, 2:],
            wide[:, :-2, 1:-1] - 2 * middle + wide[:, 2:, 1:-1],
            half * wide[:, :-2, :-2] - 2 * half * middle + half * wide[:, 2:, 2:],
        ]
        rest = image - smooth + sum(bands) / 8
        return bands if self.original else [*bands, rest]

    def _joined(self, bands: list[Tensor], smooth: Tensor) -> Tensor:
        detail = -sum(bands[:4], torch.zeros_like(smooth)) / 8
        return smooth + detail + sum(bands[4:], torch.zeros_like(smooth))


@dataclass(frozen=True)
class MorphologicalPyramid(LaplacianPyramid):
    """A morphological pyramid (G. K. Matsopoulos, S. Marshall, J. N. H. Brunt, 1994).

    An image is opened and closed with 3 x 3 pixels, and every other row and column is kept; it is expanded by repeating
    them. A level is what that does not give back.

    Parameters
    ----------
    levels
        From 1 to 16.
    """

    original: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.original:
            raise ValueError("original=True: of a morphological pyramid no original code is followed")

    def decompose(self, image: Tensor) -> Pyramid:
        """Give the levels of images of shape (N, H, W), a band each."""
        check_image(image)
        low, high = image, []
        for _ in range(self.levels):
            opened = _dilated(-_dilated(-low))
            coarse = -_dilated(-_dilated(opened))[:, ::2, ::2]
            high.append([low - self._expanded(coarse, low)])
            low = coarse
        return Pyramid(low, high[::-1], (image.shape[1], image.shape[2]))

    def _expanded(self, coarse: Tensor, like: Tensor) -> Tensor:
        repeated = coarse.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
        return repeated[:, : like.shape[1], : like.shape[2]]


def _dilated(image: Tensor) -> Tensor:
    """Give the largest of the 3 x 3 pixels around each; there are none beyond the border."""
    return F.max_pool2d(image, 3, stride=1, padding=1)


def _wide(image: Tensor, *, original: bool) -> Tensor:
    """Continue images by a pixel, mirrored about the border; the original's corners are 0."""
    rows, columns = (
        torch.tensor([min(1, length - 1), *range(length), max(0, length - 2)], device=image.device)
        for length in image.shape[1:]
    )
    wide = image.index_select(1, rows).index_select(2, columns)
    if original:
        wide = wide.clone()
        wide[:, :: wide.shape[1] - 1, :: wide.shape[2] - 1] = 0
    return wide
