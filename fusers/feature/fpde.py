"""Fusion of bases and details that a fourth-order partial differential equation separates."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.filters.diffusion import fourth_order_diffusion
from fusebench.fusers.rules.principal import principal_weights
from torch import Tensor


@dataclass(frozen=True)
class FPDE:
    """Fourth-order diffusion fusion: bases averaged, details weighed by their first principal component.

    D. P. Bavirisetti, G. Xiao, G. Liu, Multi-sensor image fusion based on fourth order partial differential equations,
    International Conference on Information Fusion (2017). The base is the diffused source, the detail the rest; the
    weights are uniform over the image (`rules.principal.principal_weights`, magnitudes).

    The image is mirrored at its border, of which the paper does not speak.

    Parameters
    ----------
    steps, rate
        Of the diffusion (`filters.diffusion`).
    contrast
        The second derivative that counts as a feature, in grey levels of 255.
    original
        As the authors' code: one-sided differences at the border, which takes sides of 2 pixels at least; bases, and
        half of each base, rounded to 8 bits; a weight may be negative.

    Raises
    ------
    ValueError
        If the number of steps or the contrast is not positive, or the rate is not in (0, 1].

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(FPDE()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "fpde"
    reference: ClassVar[str] = "Bavirisetti, Xiao, Liu 2017"
    steps: int = 15
    rate: float = 0.9
    contrast: float = 4.0
    original: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.contrast > 0:
            raise ValueError(f"fpde: steps and contrast are positive, not {self.steps} and {self.contrast}")
        if not 0 < self.rate <= 1:
            raise ValueError(f"fpde: the rate {self.rate} is not in (0, 1], where diffusion is stable")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double()).clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in float64, before clipping."""
        base_a, base_b = self.base(a), self.base(b)
        wa, wb = principal_weights(a - base_a, b - base_b, signed=self.original)
        half_a, half_b = base_a / 2, base_b / 2
        if self.original:
            half_a, half_b = _in_8_bits(half_a), _in_8_bits(half_b)
        return wa * (a - base_a) + wb * (b - base_b) + half_a + half_b

    def base(self, image: Tensor) -> Tensor:
        """Diffuse an image."""
        contrast = self.contrast / 255
        base = fourth_order_diffusion(image, self.steps, self.rate, contrast, one_sided=self.original)
        return _in_8_bits(base) if self.original else base


def _in_8_bits(image: Tensor) -> Tensor:
    return (255 * image.clamp(0, 1) + 0.5).floor() / 255
