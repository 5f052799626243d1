"""The Brovey transform."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.colour.space import ColourSpace, scaled
from torch import Tensor


@dataclass(frozen=True)
class Brovey(ColourSpace):
    """Multiply each channel of the coloured source by the ratio of the new intensity to its own.

    X I_new / I with I = (R + G + B) / 3: A. R. Gillespie, A. B. Kahle, R. E. Walker, Color enhancement of highly
    correlated images II: channel ratio and chromaticity transformation techniques, Remote Sensing of Environment 22
    (1987). Codes that divide by R + G + B give a third of this brightness, and nothing where the colour is black: here
    black takes the new intensity as grey.

    Examples
    --------
    >>> import torch
    >>> grey, red = torch.full((1, 3, 1, 1), 0.25), torch.tensor([0.375, 0.1875, 0.0]).view(1, 3, 1, 1)
    >>> Brovey()(grey, red).flatten().tolist()  # 0.25 / 0.1875 = 4 / 3
    [0.5, 0.25, 0.0]
    """

    name: ClassVar[str] = "brovey"
    reference: ClassVar[str] = "Gillespie, Kahle, Walker 1987"
    space: ClassVar[str] = "Brovey"

    def brightness(self, rgb: Tensor) -> Tensor:
        """Give the mean of the channels."""
        return rgb.mean(dim=1)

    def with_brightness(self, rgb: Tensor, brightness: Tensor) -> Tensor:
        """Give images another intensity."""
        return scaled(rgb, brightness, self.brightness)
