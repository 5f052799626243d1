"""Fusion of the luma, with the colour differences of the coloured source."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.colour.space import ColourSpace, added, luma
from torch import Tensor


@dataclass(frozen=True)
class Luma(ColourSpace):
    """Put the fused luma of BT.601 under the colour differences Cb and Cr of the coloured source.

    Y = 0.299 R + 0.587 G + 0.114 B; each channel becomes X + (Y_new - Y). It is what the bench does with the image of
    every grey fuser, but for the rounding of luma to 8 bits on the way.

    Examples
    --------
    >>> import torch
    >>> grey, red = torch.full((1, 3, 1, 1), 0.25), torch.tensor([0.5, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> [round(x, 4) for x in Luma("substitute")(grey, red).flatten().tolist()]  # 0.25 - 0.299 / 2 is added
    [0.6005, 0.1005, 0.1005]
    """

    name: ClassVar[str] = "luma"
    space: ClassVar[str] = "Luma"
    intensity: str = "laplacian"

    def brightness(self, rgb: Tensor) -> Tensor:
        """Give the luma of BT.601."""
        return luma(rgb)

    def with_brightness(self, rgb: Tensor, brightness: Tensor) -> Tensor:
        """Give images another luma."""
        return added(rgb, brightness, self.brightness)
