"""Fusion by a guided filter in several scales, each source the guide of the other."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.filters.guided import guided
from torch import Tensor


@dataclass(frozen=True)
class MGFF:
    """Multiscale guided filtering fusion: details of several scales weighed by their magnitude, bases averaged.

    D. P. Bavirisetti, G. Xiao, J. Zhao, R. Dhuli, G. Liu, Multi-scale guided image and video fusion: a fast and
    efficient approach, Circuits, Systems, and Signal Processing 38 (2019). In each scale each source, as the scale
    before left it, is smoothed with the other for a guide; a detail is what a scale removed.

    Where neither source has a detail each has half the weight; to that end a millionth of the range is added to each
    magnitude.

    Parameters
    ----------
    levels
        The number of scales.
    radius, eps
        Of the guided filter; eps in squared grey levels of 255.
    original
        As the authors' code, which smooths each source's partner with the source for a guide, and calls the source less
        that its detail. Nothing is added, so rounding decides where both are flat, and the result is 0 where it leaves
        nothing.

    Raises
    ------
    ValueError
        If an option is not positive.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(MGFF()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "mgff"
    reference: ClassVar[str] = "Bavirisetti et al. 2019"
    levels: int = 4
    radius: int = 9
    eps: float = 1e3
    original: bool = False

    def __post_init__(self) -> None:
        if not min(self.levels, self.radius) >= 1 or not self.eps > 0:
            raise ValueError(f"mgff: levels, radius and eps are positive, not in {self}")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double()).clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in float64, before clipping."""
        eps, least = self.eps / 255**2, 0 if self.original else 1e-6
        details = a.new_zeros(())
        for _ in range(self.levels):
            smooth_a, smooth_b = guided(b, a, self.radius, eps), guided(a, b, self.radius, eps)
            if self.original:
                smooth_a, smooth_b = smooth_b, smooth_a
            da, db = a - smooth_a, b - smooth_b
            wa, wb = da.abs() + least, db.abs() + least
            details = details + (wa * da + wb * db) / (wa + wb)
            a, b = smooth_a, smooth_b
        return (details + (a + b) / 2).nan_to_num(0)
