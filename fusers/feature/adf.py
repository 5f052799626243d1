"""Fusion of bases and details that anisotropic diffusion separates."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.filters.borders import Border
from fusebench.fusers.filters.diffusion import anisotropic_diffusion
from fusebench.fusers.rules.principal import principal_weights
from torch import Tensor


@dataclass(frozen=True)
class ADF:
    """Anisotropic diffusion fusion: bases averaged, details weighed by their first principal component.

    D. P. Bavirisetti, R. Dhuli, Fusion of infrared and visible sensor images based on anisotropic diffusion and
    Karhunen-Loeve transform, IEEE Sensors Journal 16 (2016). The base is the diffused source, the detail the rest; the
    weights are uniform over the image (`rules.principal.principal_weights`, magnitudes).

    Nothing flows through the border, which the paper does not speak of.

    Parameters
    ----------
    steps, rate
        Of the diffusion, in which each of the eight neighbours takes part (`filters.diffusion`).
    contrast
        The difference that counts as an edge, in grey levels of 255.
    original
        As the authors' code: what lies outside the image is black, so that grey flows out; a weight may be negative.

    Raises
    ------
    ValueError
        If the number of steps or the contrast is not positive, or the rate is not in (0, 1/6].

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(ADF()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "adf"
    reference: ClassVar[str] = "Bavirisetti, Dhuli 2016"
    steps: int = 10
    rate: float = 0.15
    contrast: float = 30.0
    original: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.contrast > 0:
            raise ValueError(f"adf: steps and contrast are positive, not {self.steps} and {self.contrast}")
        if not 0 < self.rate <= 1 / 6:
            raise ValueError(f"adf: the rate {self.rate} is not in (0, 1/6], where diffusion is stable")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double()).clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in float64, before clipping."""
        base_a, base_b = self.base(a), self.base(b)
        wa, wb = principal_weights(a - base_a, b - base_b, signed=self.original)
        return wa * (a - base_a) + wb * (b - base_b) + (base_a + base_b) / 2

    def base(self, image: Tensor) -> Tensor:
        """Diffuse an image."""
        border: Border = "zero" if self.original else "replicate"
        return anisotropic_diffusion(image, self.steps, self.rate, self.contrast / 255, border)
