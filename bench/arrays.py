"""Scores of one pair and its fusion: as luma or by channel, inside a mask or not, in colour where there is some."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from fusebench.datasets import formats
from fusebench.datasets.cases import Say, silent
from fusebench.datasets.image import quantise
from fusebench.datasets.reading import AS_STATED, Reading, Window
from fusebench.metrics import base, chroma, profiles
from fusebench.metrics.base import Metric
from fusebench.metrics.foreground import foreground
from torch import Tensor

Images = tuple[Tensor, Tensor, Tensor]


class Triple(NamedTuple):
    """Two sources and their fusion as they are scored, at 256 levels, uint8.

    `grey` holds their luma, (1, H, W), and `colour` their channels, (1, 3, H, W); those of a grey image are equal.
    """

    grey: Images
    colour: Images


def read_triple(a: Path, b: Path, fused: Path, reading: Reading = AS_STATED, say: Say = silent) -> Triple:
    """Read two sources and their fusion, which is read as they are; for a window it is called "fused".

    Raises
    ------
    ValueError
        If a file cannot be read, the three are not of one size, or a place that is stated is not that of the sources;
        the message names it.
    """
    a, b, fused = (formats.numbered(path, reading) for path in (a, b, fused))
    b, fused = formats.counterpart(a, b), formats.counterpart(a, fused)
    pair = formats.read_pair(a, b, "score", reading=reading, say=say)
    grey, chroma_of_fused = formats.read_beside(a, fused, "fused", reading, say)
    if grey.shape != pair.a.shape:
        sizes = ["{} x {}".format(*shape) for shape in (grey.shape, pair.a.shape)]
        raise ValueError(f"{fused}: {sizes[0]} pixels, but its sources are {sizes[1]}")
    luma = quantise(pair.a)[None], quantise(pair.b)[None], quantise(grey)[None]
    colour = (
        _channels(a, luma[0], reading, coloured="a" in pair.coloured),
        _channels(b, luma[1], reading, coloured="b" in pair.coloured),
        _channels(fused, luma[2], reading, coloured=chroma_of_fused is not None),
    )
    return Triple(luma, colour)


def _channels(path: Path, grey: Tensor, reading: Reading, *, coloured: bool) -> Tensor:
    return formats.channels(path, reading)[None] if coloured else grey[None].expand(-1, 3, -1, -1)


def read_mask(mask: str, triple: Triple, source: Path, reading: Reading = AS_STATED, say: Say = silent) -> Tensor:
    """Read a mask for two sources, (1, H, W), or find their foreground: bool, of the same shape.

    Parameters
    ----------
    mask
        The place of an image, or of a volume that is placed on the source's grid, that is not black inside: above 0
        where it is no picture. Or the word "foreground".
    triple
        The images.
    source
        The file of the first source.
    reading, say
        How files are read; who is told what should be known.

    Raises
    ------
    ValueError
        If the file cannot be read, is not of the sources' size or place, or is all black.
    """
    a, b, _ = triple.grey
    if mask == "foreground":
        return foreground(a, b)
    # A mask's numbers are labels: every one above 0 is white, and none is between two others.
    windows = reading.windows if formats.is_picture(Path(mask)) else {**reading.windows, "mask": Window(0, 1)}
    labels = replace(reading, windows=windows, interpolation="nearest")
    inside = formats.read_beside(source, Path(mask), "mask", labels, say)[0][None] > 0
    if inside.shape != a.shape:
        sizes = ("{} x {}".format(*shape[1:]) for shape in (inside.shape, a.shape))
        raise ValueError("{}: a mask of {} pixels for images of {}".format(mask, *sizes))
    if not inside.any():
        raise ValueError(f"{mask}: all black; a mask is not black inside")
    return inside


def score(
    triple: Triple, profile: str = "default", *, mask: Tensor | None = None, per_channel: bool = False
) -> dict[Metric, Tensor]:
    """Score a fusion by every metric of a profile; where an image is coloured, by what was kept of its colour too.

    Parameters
    ----------
    triple
        The images.
    profile
        Names of profiles and metrics, see `metrics.profiles.chosen`.
    mask
        Score inside it: (1, H, W), bool.
    per_channel
        Score R, G and B each instead of the luma.

    Returns
    -------
    For each metric its scores: (1,), or (3,) for the metrics of the profile by channel.

    Raises
    ------
    ValueError
        If there is no such profile or metric.
    """
    # A channel is an image: three of each.
    a, b, fused = (channels[0] for channels in triple.colour) if per_channel else triple.grey
    scores = profiles.score(a, b, fused, profile, mask)
    metrics = profiles.chosen(profile)
    if any(chroma.coloured(channels) for channels in triple.colour):
        scores |= base.score(*triple.colour, chroma.RECORDS, mask)
        metrics += chroma.RECORDS
    return {metric: scores[metric.label] for metric in metrics}


def as_json(scores: Mapping[Metric, Tensor]) -> dict[str, object]:
    """Give scores as JSON can say them: by label, and those of three channels by R, G, B and their mean."""
    return {metric.label: _as_json(values) for metric, values in scores.items()}


def _as_json(scores: Tensor) -> object:
    if len(scores) == 1:
        return finite(scores.item())
    values = (*scores.tolist(), scores.mean().item())
    return {name: finite(value) for name, value in zip(("R", "G", "B", "mean"), values, strict=True)}


def finite(score: float) -> float | str | None:
    """Give a score as JSON can say it: null where it is undefined, "inf" where it has no end.

    Examples
    --------
    >>> finite(0.5), finite(float("nan")), finite(float("-inf"))
    (0.5, None, '-inf')
    """
    return None if math.isnan(score) else str(score) if math.isinf(score) else score
