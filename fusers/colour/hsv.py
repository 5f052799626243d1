"""Substitution of the value, in the hexcone."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.colour.space import ColourSpace, scaled
from torch import Tensor


@dataclass(frozen=True)
class HSV(ColourSpace):
    """Replace the value of the coloured source, and keep its hue and saturation.

    V = max(R, G, B): A. R. Smith, Color gamut transform pairs, SIGGRAPH 1978. With hue and saturation kept, each
    channel becomes X V_new / V. Nothing is clipped; black becomes grey.

    Examples
    --------
    >>> import torch
    >>> grey, red = torch.full((1, 3, 1, 1), 0.25), torch.tensor([0.5, 0.25, 0.0]).view(1, 3, 1, 1)
    >>> HSV()(grey, red).flatten().tolist()
    [0.25, 0.125, 0.0]
    """

    name: ClassVar[str] = "hsv"
    reference: ClassVar[str] = "Smith 1978"
    space: ClassVar[str] = "HSV"

    def brightness(self, rgb: Tensor) -> Tensor:
        """Give the largest channel."""
        return rgb.amax(dim=1)

    def with_brightness(self, rgb: Tensor, brightness: Tensor) -> Tensor:
        """Give images another value."""
        return scaled(rgb, brightness, self.brightness)
