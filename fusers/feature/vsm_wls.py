"""Fusion by visual saliency and least squares."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.filters.borders import Border
from fusebench.fusers.filters.guided import rolling_guidance
from fusebench.fusers.filters.histogram import histogram_contrast
from fusebench.fusers.filters.windows import box_mean, gaussian
from torch import Tensor


@dataclass(frozen=True)
class VSMWLS:
    """Visual saliency map and weighted least squares: bases by saliency, details close to the visible image's.

    J. Ma, Z. Zhou, B. Wang, H. Zong, Infrared and visible image fusion based on visual saliency map and weighted least
    square optimization, Infrared Physics & Technology 82 (2017), with its parameters. Rolling guidance of 2, 4 and 8
    pixels and a last Gaussian give the bases; a detail is what a step removed.

    The finest detail is the larger of the two. Of the coarser ones M takes the larger, smoothed, and the fused detail d
    minimises (d - M)^2 + weight (d - visible)^2 / |mean of the infrared detail|: it follows the visible image where the
    other has little but noise. No pixel depends on its neighbours, so that the solution is a quotient.

    The images are mirrored at their border. Of a flat image every pixel is equally salient.

    Parameters
    ----------
    weight
        Of the second term; 0 leaves M.
    visible
        Which source stands for the visible image, 1 or 2.
    original
        As the authors' code: the last pixel is repeated at the border.

    Raises
    ------
    ValueError
        If the weight is negative, or the visible source neither 1 nor 2.

    Examples
    --------
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(VSMWLS()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "vsm-wls"
    reference: ClassVar[str] = "Ma et al. 2017"
    weight: float = 0.01
    visible: int = 2
    original: bool = False

    def __post_init__(self) -> None:
        if not self.weight >= 0:
            raise ValueError(f"vsm-wls: the weight is not negative, unlike {self.weight}")
        if self.visible not in (1, 2):
            raise ValueError(f"vsm-wls: the visible source is 1 or 2, not {self.visible}")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double()).clamp(0, 1).float()

    @property
    def border(self) -> Border:
        """How images go on."""
        return "replicate" if self.original else "symmetric"

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in float64, before clipping."""
        levels_a, levels_b = self.levels(a), self.levels(b)
        wa = 0.5 + (histogram_contrast(a) - histogram_contrast(b)) / 2
        fused = wa * levels_a[-1] + (1 - wa) * levels_b[-1]
        for level in range(4):
            da, db = (x[level] - x[level + 1] for x in (levels_a, levels_b))
            smaller = (da.abs() + 1e-9 < db.abs()).to(a.dtype)  # where both are flat, rounding may not decide
            if level == 0:
                fused = fused + torch.where(smaller > 0, db, da)
                continue
            share = gaussian(smaller, 13, 2, "symmetric")
            larger = share * db + (1 - share) * da
            infrared, visible = (db, da) if self.visible == 1 else (da, db)
            pull = self.weight / (box_mean(infrared, 3, self.border).abs() + 1e-6)
            fused = fused + (larger + pull * visible) / (1 + pull)
        return fused

    def levels(self, image: Tensor) -> list[Tensor]:
        """Give the image and its four bases, fine to coarse."""
        levels = [image]
        for sigma in (2, 4, 8):
            levels.append(rolling_guidance(levels[-1], sigma, 0.05**2, 4, self.border))
        return [*levels, gaussian(levels[-1], 13, 2, self.border)]
