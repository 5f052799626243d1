"""Fusion in a transform: a transform, a rule for the high bands and a rule for the low band make a fuser."""

import math
from collections.abc import Callable

import torch
from fusebench.fusers.rules.activity import average
from fusebench.fusers.rules.selection import larger
from fusebench.fusers.transforms.base import Pyramid, Transform
from fusebench.fusers.transforms.borders import extend
from torch import Tensor

# The bands of both sources, each of shape (N, h, w), to the fused band, of the same shape.
Rule = Callable[[Tensor, Tensor], Tensor]


GUARD = 16  # pixels around an image in which a costly rule decides too
LARGEST = 2**26  # pixels to which an image is continued at most, unless it has a quarter of them itself


def fuse(a: Tensor, b: Tensor, transform: Transform, *, high: Rule, low: Rule, costly: bool = False) -> Tensor:
    """Fuse images in a transform: decompose both, fuse band by band, reconstruct.

    The images are continued by their mirror images as far as the transform reaches. So a border does not see the
    opposite one, with which a periodic transform joins it, and a mirrored image is fused to the mirrored result.
    All is computed in float64: rounding in float32 differs between processors, and with it a grey level here and there.

    Parameters
    ----------
    a, b
        Registered images, shape (N, H, W), in [0, 1].
    transform
        Any of `fusers.transforms`, with its options.
    high
        The rule for each band of every level.
    low
        The rule for the low band.
    costly
        Whether the rules take so long that they are to decide within the image and 16 pixels around it only, where the
        bands are as large as the continued image. Beyond, the larger coefficient is taken, and the low band averaged.

    Returns
    -------
    Tensor
        Shape (N, H, W), float32, clipped to [0, 1].

    Raises
    ------
    ValueError
        If the transform has so many levels that images of this size would be continued beyond all measure.

    Examples
    --------
    The contourlet transform, with the larger coefficient of the two for a rule:

    >>> from fusebench.fusers.rules.activity import average
    >>> from fusebench.fusers.transforms.contourlet import ContourletTransform
    >>> x = torch.rand(2, 5, 7)
    >>> def larger(a, b):
    ...     return torch.where(a.abs() > b.abs(), a, b)
    >>> torch.allclose(fuse(x, x, ContourletTransform(directions=(1, 2)), high=larger, low=average), x, atol=1e-6)
    True
    """
    # Whole steps of the coarsest grid come before the image, so that it lies on the grid as it does without a margin.
    margin = math.ceil(transform.reach / transform.grid) * transform.grid
    height, width = a.shape[1:]
    margins = [(margin, margin + -length % transform.grid) for length in (height, width)]
    whole = [length + sum(added) for length, added in zip((height, width), margins, strict=True)]
    if math.prod(whole) > max(LARGEST, 4 * height * width):
        sizes = ["{} x {}".format(*size) for size in ((height, width), whole)]
        raise ValueError("images of {} would be continued to {} pixels: take fewer levels".format(*sizes))
    if costly:
        high, low = (
            _within(rule, margin, (height, width), margins, beyond) for rule, beyond in ((high, larger), (low, average))
        )
    bands = transform.decompose(extend(torch.cat([a, b]).double(), margins))
    chosen = [_of_level(high, level) for level in bands.high]
    fused = transform.reconstruct(Pyramid(low(*bands.low.chunk(2)), chosen, bands.size))
    return fused[:, margin : margin + height, margin : margin + width].clamp(0, 1).float()


def _of_level(rule: Rule, level: list[Tensor]) -> list[Tensor]:
    """Fuse the bands of a level, those of one size at once: to a rule they are more images."""
    if len({band.shape for band in level}) > 1:
        return [rule(*band.chunk(2)) for band in level]
    a, b = (torch.cat(parts) for parts in zip(*(band.chunk(2) for band in level), strict=True))
    return list(rule(a, b).chunk(len(level)))


def _within(rule: Rule, margin: int, size: tuple[int, int], margins: list[tuple[int, int]], beyond: Rule) -> Rule:
    """Make a rule that decides within the image and near it, and leaves what is beyond to another one."""
    whole = tuple(length + sum(added) for length, added in zip(size, margins, strict=True))
    near = tuple(slice(max(margin - GUARD, 0), margin + length + GUARD) for length in size)

    def decide(a: Tensor, b: Tensor) -> Tensor:
        if a.shape[1:] != whole:
            return rule(a, b)
        fused = beyond(a, b)
        fused[:, near[0], near[1]] = rule(a[:, near[0], near[1]], b[:, near[0], near[1]])
        return fused

    return decide
