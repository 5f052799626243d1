"""Two-scale fusion by visual saliency."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.filters.borders import Border
from fusebench.fusers.filters.windows import box_mean, median
from torch import Tensor


@dataclass(frozen=True)
class TIF:
    """Two-scale image fusion: bases averaged, details weighed pixel by pixel by visual saliency.

    D. P. Bavirisetti, R. Dhuli, Two-scale image fusion of visible and infrared images using saliency detection,
    Infrared Physics & Technology 76 (2016). The base is a mean over a window, the detail the rest; the saliency is the
    squared difference of the mean and the 3 x 3 median.

    The image is mirrored at its border, of which the paper does not speak. Where neither source is salient each detail
    has half the weight; to that end a millionth of the range, squared, is added to the saliency.

    Parameters
    ----------
    radius
        Of the mean's window, whose side is 2 radius + 1.
    original
        As the authors' code: the mean goes on at the opposite border and the median with zeros; the result is 0 where
        neither source is salient.

    Raises
    ------
    ValueError
        If the radius is not positive.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(TIF()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "tif"
    reference: ClassVar[str] = "Bavirisetti, Dhuli 2016"
    radius: int = 17
    original: bool = False

    def __post_init__(self) -> None:
        if self.radius < 1:
            raise ValueError(f"tif: the radius is positive, not {self.radius}")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double()).clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in float64, before clipping."""
        # Their code is in grey levels, where sums are exact and 0/0 stands where both are flat.
        unit = 255 if self.original else 1
        a, b = unit * a, unit * b
        outside: tuple[Border, Border] = ("wrap", "zero") if self.original else ("symmetric", "symmetric")
        base_a, base_b = box_mean(a, self.radius, outside[0]), box_mean(b, self.radius, outside[0])
        sa, sb = (
            (base - median(x, 1, outside[1])).square() + (0 if self.original else 1e-12)
            for x, base in ((a, base_a), (b, base_b))
        )
        fused = (sa * (a - base_a) + sb * (b - base_b)) / (sa + sb) + (base_a + base_b) / 2
        return fused.nan_to_num(0) / unit
