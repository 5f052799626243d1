"""Fusion of what a pseudo-coloured image shows, in the colours of its table."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.datasets import colour
from fusebench.fusers.colour.space import WithGreyFuser, first_is_coloured, grey_fuser, luma, roles
from torch import Tensor


@dataclass(frozen=True)
class Uptake(WithGreyFuser):
    """Take the coloured source back to the uptake it shows, fuse that with the other's luma, and colour it again.

    Each pixel's uptake is its place in the table, the nearest colour's. The result is on the table everywhere, so its
    colours can be read; what they show is no longer uptake alone.

    Parameters
    ----------
    intensity
        The name of the grey fuser.
    table
        The colour table of the source: "atlas-pet", "atlas-spect" or a colour map of matplotlib that shows no colour
        twice.

    Raises
    ------
    ValueError
        If there is no such fuser or table, or the table shows a colour in two places.

    Examples
    --------
    With the maximum and a black other source nothing changes: the brightest entry of "hot" is white.

    >>> black, white = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    >>> Uptake("maximum", table="hot")(black, white).flatten().tolist()
    [1.0, 1.0, 1.0]
    """

    name: ClassVar[str] = "uptake"
    space: ClassVar[str] = "Uptake coloured again"
    table: str = "atlas-pet"

    def __post_init__(self) -> None:
        super().__post_init__()
        colour.check_table(self.table)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n]), (N, 3, H, W)."""
        coloured, other = roles(a, b)
        levels = (255 * coloured).round().to(torch.uint8).movedim(1, -1).cpu().numpy()
        uptake = torch.stack([colour.places(image, self.table) for image in levels]).to(a)
        shade = luma(other).clamp(0, 1)
        # The sources keep their order: a fuser need not treat both alike.
        first = first_is_coloured(a, b)[:, 0]
        fused = grey_fuser(self.intensity)(torch.where(first, uptake, shade), torch.where(first, shade, uptake))
        return torch.stack([colour.painted(image, self.table) for image in fused]).to(a)
