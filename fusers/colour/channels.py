"""Fusion of each colour channel by itself."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.colour.space import WithGreyFuser, grey_fuser
from torch import Tensor


@dataclass(frozen=True)
class Channels(WithGreyFuser):
    """Fuse R, G and B each by a grey fuser, as many codes do.

    Where the grey source wins it wins in the channels in which it is larger or more detailed, and takes colour with it.

    Parameters
    ----------
    intensity
        The name of the grey fuser.

    Raises
    ------
    ValueError
        If no grey fuser has that name.

    Examples
    --------
    >>> grey, red = torch.full((1, 3, 1, 1), 0.25), torch.tensor([0.5, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> Channels("maximum")(grey, red).flatten().tolist()
    [0.5, 0.25, 0.25]
    """

    name: ClassVar[str] = "channels"
    space: ClassVar[str] = "Each channel"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n]), (N, 3, H, W)."""
        fused = grey_fuser(self.intensity)
        return torch.stack([fused(x, y) for x, y in zip(a.unbind(1), b.unbind(1), strict=True)], dim=1)
