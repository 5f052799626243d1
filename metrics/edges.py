"""What an edge is, and how well a fused image keeps it.

An edge is the Sobel gradient of a pixel: its strength and the orientation of its line. What a fused image keeps of a
source's edge is a number from 0 to 1, made of the ratio of the strengths and the difference of the orientations, each
through a sigmoid.

The codes of the field agree on this and differ in constants, borders and the treatment of flat pixels. An `EdgeModel`
holds all of these choices, so that a convention is a value and not another function.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from fusebench.metrics.base import grey_levels, same_size, shared
from torch import Tensor

RIGHT_ANGLE = torch.pi / 2

# Grey levels are rounded to this part of a level before they are differentiated. Two edges are equally strong, or a
# line is vertical, by an equation, and 8-bit levels that were held as floats in [0, 1] fulfil it only up to rounding.
PARTS = 1024


class Sigmoid(NamedTuple):
    """The curve gain / (1 + exp(-slope (x - centre)))."""

    gain: float
    slope: float
    centre: float

    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate the curve."""
        return self.gain * torch.sigmoid(self.slope * (x - self.centre))


@dataclass(frozen=True)
class EdgeModel:
    """What counts as an edge, and as a kept one. The conventions default to those of Xydeas and Petrovic.

    Parameters
    ----------
    strength
        From the ratio of the weaker to the stronger edge, 0 to 1, to how well the strength is kept.
    orientation
        From the relative orientation, 1 for parallel lines, to how well the orientation is kept.
    power
        Exponent of the product of these two: 1, or 1/2 for their geometric mean.
    folded
        Whether the relative orientation is | |x - y| - pi/2 | / (pi/2), which knows that lines at -89 and 89 degrees
        are nearly parallel, or 1 - |x - y| / (pi/2), which does not.
    directed
        Whether the gradient's direction in (-pi, pi] is put where the formula means the orientation of a line.
    mirrored
        Whether the image is mirrored at its border (without repeating the last pixel) or surrounded by 0.
    divisor
        By what Sobel's sums are divided: 1, or 8, which makes a ramp's strength its slope.
    exponent, threshold, floor
        An edge of strength g has the weight g ** exponent from the threshold on, and the floor below.
    flat
        What replaces a strength of 0, and a horizontal gradient of 0 in the orientation. 0: nothing does; the ratio
        to a strength of 0 is then 0, and a line without horizontal gradient is at pi/2.
    tie
        Where two strengths are equal, their ratio is said to be the strength times this; None: it is 1.
    """

    strength: Sigmoid
    orientation: Sigmoid
    power: float = 1
    folded: bool = True
    directed: bool = False
    mirrored: bool = False
    divisor: float = 1
    exponent: float = 1
    threshold: float = 0
    floor: float = 0
    flat: float = 0
    tie: float | None = None


XYDEAS = EdgeModel(strength=Sigmoid(0.9994, 15, 0.5), orientation=Sigmoid(0.9879, 22, 0.8))

PETROVIC = EdgeModel(
    strength=Sigmoid(0.9999, 19, 0.5),
    orientation=Sigmoid(0.9995, 22, 0.5),
    power=0.5,
    mirrored=True,
    divisor=8,
    exponent=1.5,
    threshold=2,
    floor=0.001,
)


class Edges(NamedTuple):
    """The edges of images, each (N, H, W): strength, orientation (or direction) in radians, and weight."""

    strength: Tensor
    angle: Tensor
    weight: Tensor


class Judged(NamedTuple):
    """Each pixel of fused images, (N, H, W): how well the sources' edges are kept, and whether its own is strongest.

    The weights are those of the sources' edges; their number of images may be 1.
    """

    kept_a: Tensor
    kept_b: Tensor
    weight_a: Tensor
    weight_b: Tensor
    invented: Tensor


@shared
def judged(a: Tensor, b: Tensor, fused: Tensor, model: EdgeModel) -> Judged:
    """Judge each pixel of fused images by the edges of their sources.

    Raises
    ------
    ValueError
        If the sizes differ; see `grey_levels`.
    """
    same_size(a, b, fused)
    of_a, of_b, of_fused = _edges(a, model), _edges(b, model), _edges(fused, model)
    return Judged(
        kept_a=_kept(of_a, of_fused, model),
        kept_b=_kept(of_b, of_fused, model),
        weight_a=of_a.weight,
        weight_b=of_b.weight,
        invented=of_fused.strength > torch.maximum(of_a.strength, of_b.strength),
    )


def _kept(source: Edges, fused: Edges, model: EdgeModel) -> Tensor:
    """Say how well each edge of a source is kept, Q^AF, (N, H, W)."""
    stronger = torch.maximum(source.strength, fused.strength)
    ratio = torch.where(stronger > 0, torch.minimum(source.strength, fused.strength) / stronger, 0.0)
    if model.tie is not None:
        ratio = torch.where(source.strength == fused.strength, model.tie * source.strength, ratio)
    turned = (source.angle - fused.angle).abs() / RIGHT_ANGLE
    parallel = (turned - 1).abs() if model.folded else 1 - turned
    return (model.strength(ratio) * model.orientation(parallel)) ** model.power


def _edges(image: Tensor, model: EdgeModel) -> Edges:
    """Find the edges of an image, (N, H, W)."""
    sx, sy = sobel(image, mirrored=model.mirrored)
    strength = (sx.square() + sy.square()).sqrt() / model.divisor
    strength = torch.where(strength > 0, strength, model.flat)
    if model.directed:
        # Measured from the vertical axis. 0 - sx is +0 where sx is 0: the sign of a zero decides between -pi and pi.
        angle = torch.atan2(0 - sx, sy)
    elif model.flat:
        angle = torch.atan(sy / torch.where(sx == 0, model.flat, sx))
    else:
        angle = torch.where(sx == 0, RIGHT_ANGLE, torch.atan(sy / sx))
    weight = torch.where(strength >= model.threshold, strength**model.exponent, model.floor)
    return Edges(strength, angle, weight)


@shared
def sobel(image: Tensor, *, mirrored: bool = False) -> tuple[Tensor, Tensor]:
    """Sobel's gradient, rightwards and upwards, each (N, H, W) in grey levels; a ramp of slope 1 has 8.

    Parameters
    ----------
    image
        Shape (N, H, W); uint8, or floating in [0, 1]. Rounded to 1/1024 of a grey level.
    mirrored
        Whether the image is mirrored at its border, without repeating the last pixel, or surrounded by 0.

    Examples
    --------
    >>> x = torch.tensor([[[0, 1, 2], [0, 1, 2], [0, 1, 2]]], dtype=torch.uint8)
    >>> sx, sy = sobel(x, mirrored=True)
    >>> sx.tolist(), sy.abs().max().item()
    ([[[0.0, 8.0, 0.0], [0.0, 8.0, 0.0], [0.0, 8.0, 0.0]]], 0.0)
    """
    levels = (PARTS * grey_levels(image)).round() / PARTS
    x = F.pad(levels, (1, 1, 1, 1), mode="reflect" if mirrored else "constant")
    columns = x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]
    rows = x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]
    return columns[:, :, 2:] - columns[:, :, :-2], rows[:, :-2] - rows[:, 2:]
