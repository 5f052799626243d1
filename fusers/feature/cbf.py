"""Fusion by the strength of the details that a cross bilateral filter leaves."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.filters.bilateral import cross_bilateral
from fusebench.fusers.filters.windows import windows
from torch import Tensor


@dataclass(frozen=True)
class CBF:
    """Cross bilateral filter fusion: the sources, weighed pixel by pixel by the variance of their details.

    B. K. Shreyamsha Kumar, Image fusion based on pixel significance using cross bilateral filter, Signal, Image and
    Video Processing 9 (2015), with its parameters. Each source is filtered with the other for a guide; its detail is
    what the filter removed. Its weight is the sum of the eigenvalues of two covariance matrices of a window of the
    detail: of its rows, observations of as many variables as there are columns, and of its columns. The sum is the
    matrix's trace.

    Images are mirrored at their border. Where neither source has a detail each has half the weight; to that end a
    millionth of the range, squared, is added to each weight.

    Parameters
    ----------
    radius, spatial, tonal
        Of the filter; the standard deviation of grey in levels of 255.
    window
        The side of the windows of the details, odd.
    original
        As the author's code: only a weight of 0 is replaced, by 2.2e-16 squared grey levels.

    Raises
    ------
    ValueError
        If an option is not positive, or the window's side is not odd and at least 3.

    Examples
    --------
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(CBF()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "cbf"
    reference: ClassVar[str] = "Shreyamsha Kumar 2015"
    radius: int = 5
    spatial: float = 1.8
    tonal: float = 25.0
    window: int = 5
    original: bool = False

    def __post_init__(self) -> None:
        if self.radius < 1 or not min(self.spatial, self.tonal) > 0:
            raise ValueError(f"cbf: radius, spatial and tonal are positive, not in {self}")
        if self.window < 3 or self.window % 2 == 0:
            raise ValueError(f"cbf: the window's side is odd and at least 3, not {self.window}")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double()).clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in float64, before clipping."""
        wa, wb = self.strength(a - self.smooth(a, b)), self.strength(b - self.smooth(b, a))
        return (wa * a + wb * b) / (wa + wb)

    def smooth(self, image: Tensor, guide: Tensor) -> Tensor:
        """Filter an image with the other for a guide."""
        return cross_bilateral(image, guide, radius=self.radius, spatial=self.spatial, tonal=self.tonal / 255)

    def strength(self, detail: Tensor) -> Tensor:
        """Sum the eigenvalues of both covariance matrices of the window around each pixel."""
        around = windows(detail, self.window // 2, "mirror")
        traces = around.var(dim=3).sum(dim=3) + around.var(dim=4).sum(dim=3)
        if self.original:
            return torch.where(traces == 0, 2.0**-52 / 255**2, traces)
        return traces + 1e-12
