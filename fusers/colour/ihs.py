"""Substitution of the intensity, in its fast form."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.colour.space import ColourSpace, added
from torch import Tensor


@dataclass(frozen=True)
class IHS(ColourSpace):
    """Replace the intensity of the coloured source, in the linear intensity-hue-saturation transform.

    I = (R + G + B) / 3. The transform, the substitution and the way back come to X + (I_new - I) for each channel X,
    which is how it is computed: T.-M. Tu, S.-C. Su, H.-C. Shyu, P. S. Huang, A new look at IHS-like image fusion
    methods, Information Fusion 2 (2001), eq. 6. The new intensity is not matched to the old one's histogram, as
    panchromatic images are: grey levels of MRI and uptake have no common scale.

    Examples
    --------
    >>> import torch
    >>> grey, red = torch.full((1, 3, 1, 1), 0.25), torch.tensor([0.375, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> IHS()(grey, red).flatten().tolist()  # 0.25 - 0.375 / 3 is added
    [0.5, 0.125, 0.125]
    """

    name: ClassVar[str] = "ihs"
    reference: ClassVar[str] = "Tu, Su, Shyu, Huang 2001"
    space: ClassVar[str] = "IHS"

    def brightness(self, rgb: Tensor) -> Tensor:
        """Give the mean of the channels."""
        return rgb.mean(dim=1)

    def with_brightness(self, rgb: Tensor, brightness: Tensor) -> Tensor:
        """Give images another intensity."""
        return added(rgb, brightness, self.brightness)
