"""Substitution of the lightness, in CIELAB."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.colour.space import ColourSpace
from torch import Tensor

# sRGB's primaries to the CIE's X, Y, Z (IEC 61966-2-1). Each row is divided by its sum, so that white has 1, 1, 1.
PRIMARIES = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
CUT, SLOPE, OFFSET = 216 / 24389, 24389 / 27 / 116, 16 / 116


@dataclass(frozen=True)
class Lab(ColourSpace):
    """Replace the lightness L* of the coloured source, and keep a* and b* of CIELAB.

    CIE 15, Colorimetry, the space of 1976: D65, sRGB's primaries and transfer. Equal steps of L*, a* and b* look about
    equal, so this keeps the colour that is seen, where the monitor has it: what leaves sRGB is clipped. L* of a grey
    level is that of its luminance, so a grey source keeps its grey levels.

    Examples
    --------
    >>> import torch
    >>> grey, darker = torch.full((1, 3, 1, 1), 0.5), torch.full((1, 3, 1, 1), 0.25)
    >>> [round(x, 6) for x in Lab()(grey, darker).flatten().tolist()]
    [0.5, 0.5, 0.5]
    """

    name: ClassVar[str] = "lab"
    reference: ClassVar[str] = "CIE 1976"
    space: ClassVar[str] = "CIELAB"

    def brightness(self, rgb: Tensor) -> Tensor:
        """Give L* / 100."""
        return _to_lab(rgb)[:, 0] / 100

    def with_brightness(self, rgb: Tensor, brightness: Tensor) -> Tensor:
        """Give images another lightness."""
        lab = _to_lab(rgb)
        lab[:, 0] = 100 * brightness
        return _from_lab(lab)


def _to_lab(rgb: Tensor) -> Tensor:
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = torch.einsum("ij,njhw->nihw", _to_xyz(linear), linear)
    x, y, z = torch.where(xyz > CUT, xyz.clamp(min=1e-9) ** (1 / 3), SLOPE * xyz + OFFSET).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def _from_lab(lab: Tensor) -> Tensor:
    y = (lab[:, 0] + 16) / 116
    roots = torch.stack([y + lab[:, 1] / 500, y, y - lab[:, 2] / 200], dim=1)
    xyz = torch.where(roots**3 > CUT, roots**3, (roots - OFFSET) / SLOPE)
    linear = torch.einsum("ij,njhw->nihw", torch.linalg.inv(_to_xyz(xyz)), xyz).clamp(min=0)
    return torch.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)


def _to_xyz(like: Tensor) -> Tensor:
    rows = torch.tensor(PRIMARIES, dtype=like.dtype, device=like.device)
    return rows / rows.sum(dim=1, keepdim=True)
