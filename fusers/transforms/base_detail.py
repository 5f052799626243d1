"""An image as a smooth base and what smoothing takes away, level by level; and as itself alone."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.filters.bilateral import cross_bilateral
from fusebench.fusers.filters.guided import guided
from fusebench.fusers.filters.windows import box_mean, gaussian
from fusebench.fusers.transforms.base import Pyramid, check_image
from fusebench.fusers.transforms.pyramids import check_levels
from torch import Tensor

FILTERS = ("guided", "bilateral", "gaussian", "mean")


@dataclass(frozen=True)
class BaseDetailTransform:
    """Smooth an image again and again, each time twice as widely; a level is what that took away.

    Nothing is decimated, and the sum of all is the image.

    Parameters
    ----------
    filter
        "guided" (by the image itself) or "bilateral", which keep edges; "gaussian" or "mean", which do not.
    levels
        From 1 to 16.
    radius
        Of the first level's window, in pixels, at least 1. A Gaussian has a third of it as its deviation.
    contrast
        Edges above this part of the range stay in the base, of the filters that keep edges; positive.

    Raises
    ------
    ValueError
        If there is no such filter, or a number is out of its range.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 6, 9, dtype=torch.float64)
    >>> transform = BaseDetailTransform()
    >>> torch.allclose(transform.reconstruct(transform.decompose(x)), x)
    True
    """

    reach: ClassVar[int] = 0  # every filter mirrors its borders or ends there
    grid: ClassVar[int] = 1
    filter: str = "guided"
    levels: int = 2
    radius: int = 3
    contrast: float = 0.1

    def __post_init__(self) -> None:
        check_levels(self.levels)
        if self.filter not in FILTERS:
            raise ValueError(f"filter {self.filter!r} is unknown; known: {', '.join(FILTERS)}")
        if self.radius < 1 or not self.contrast > 0:
            raise ValueError(f"radius={self.radius}, contrast={self.contrast}: both must be positive")

    def decompose(self, image: Tensor) -> Pyramid:
        """Give the base and the details of images of shape (N, H, W)."""
        check_image(image)
        low, high = image, []
        for level in range(self.levels):
            smooth = self._smoothed(low, self.radius * 2**level)
            high.append([low - smooth])
            low = smooth
        return Pyramid(low, high[::-1], (image.shape[1], image.shape[2]))

    def reconstruct(self, coefficients: Pyramid) -> Tensor:
        """Give the images with these bands: their sum."""
        return coefficients.low + sum(bands[0] for bands in coefficients.high)

    def _smoothed(self, image: Tensor, radius: int) -> Tensor:
        match self.filter:
            case "guided":
                return guided(image, image, radius, self.contrast**2)
            case "bilateral":
                return cross_bilateral(image, image, radius=radius, spatial=radius / 2, tonal=self.contrast)
            case "gaussian":
                return gaussian(image, 2 * radius + 1, radius / 3, "symmetric")
        return box_mean(image, radius, "symmetric")


@dataclass(frozen=True)
class IdentityTransform:
    """No transform: the image is its low band, and there is no other."""

    reach: ClassVar[int] = 0
    grid: ClassVar[int] = 1

    def decompose(self, image: Tensor) -> Pyramid:
        """Give images of shape (N, H, W) as they are."""
        check_image(image)
        return Pyramid(image, [], (image.shape[1], image.shape[2]))

    def reconstruct(self, coefficients: Pyramid) -> Tensor:
        """Give the low band."""
        return coefficients.low
