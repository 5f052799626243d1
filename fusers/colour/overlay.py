"""The coloured source laid over the other, as viewers show it."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.colour.space import roles
from torch import Tensor


@dataclass(frozen=True)
class Overlay:
    """Mix the coloured source with the other where it is not black: what a clinical viewer calls fusion.

    Each channel is (1 - opacity) other + opacity colour there, and the other source elsewhere.

    Parameters
    ----------
    opacity
        From 0 to 1.

    Raises
    ------
    ValueError
        If the opacity is not in [0, 1].

    Examples
    --------
    >>> grey, red = torch.full((1, 3, 1, 1), 0.25), torch.tensor([0.5, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> Overlay()(grey, red).flatten().tolist()
    [0.375, 0.125, 0.125]
    """

    name: ClassVar[str] = "overlay"
    title: ClassVar[str] = "Overlay"
    colour: ClassVar[bool] = True
    opacity: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.opacity <= 1:
            raise ValueError(f"opacity={self.opacity}: lies between 0 and 1")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n]), (N, 3, H, W)."""
        coloured, other = roles(a, b)
        opacity = torch.where(coloured.amax(dim=1, keepdim=True) > 0, self.opacity, 0.0).to(a)
        return (1 - opacity) * other + opacity * coloured
