"""What a fused image keeps of the uptake that a pseudo-coloured source shows: how it is read with the colour table.

PET and SPECT come in pseudo-colour, whose places in the table are the uptake. A reader looks a colour of the fused
image up in the same table; these metrics do. They take colour images, (N, 3, H, W), uint8.
"""

import math
from functools import cache, partial

import torch
from fusebench.datasets import colour
from fusebench.metrics.base import Metric, shared
from fusebench.metrics.chroma import mean_of_coloured
from fusebench.metrics.error import pearson
from fusebench.metrics.maps import mean
from torch import Tensor

# A hot spot is what shows at least this part of the source's highest uptake.
HOT = 0.75


def uptake_rank(a: Tensor, b: Tensor, fused: Tensor, *, table: str) -> Tensor:
    """Rank correlation of the uptake that the fused image shows with the source's.

    Spearman's rho over the pixels where the coloured source shows uptake, of the places in the table that are nearest
    to the colours (Euclidean, in RGB); equal places share their mean rank. Where both sources are coloured the mean of
    both.

    Parameters
    ----------
    a, b, fused
        Colour images (N, 3, H, W), uint8. The sources may be (1, 3, H, W).
    table
        The colour table (`datasets.colour.invert`).

    Returns
    -------
    Tensor
        Shape (N,), float64, from -1 to 1. NaN where no source is coloured, or one of the two shows one uptake only.

    Raises
    ------
    ValueError
        If an image is not uint8, or there is no such table.

    Notes
    -----
    C. Spearman, The proof and measurement of association between two things, American Journal of Psychology 15 (1904).

    Examples
    --------
    Colours of the table in another order of uptake: the two hotter of three spots have changed places.

    >>> shown = colour.painted(torch.tensor([[0.2, 0.5, 0.8]]), "atlas-pet").mul(255).round().to(torch.uint8)[None]
    >>> swapped = shown[..., [0, 2, 1]]
    >>> grey = torch.zeros_like(shown)
    >>> [round(uptake_rank(grey, shown, f, table="atlas-pet").item(), 6) for f in (shown, swapped)]
    [1.0, 0.5]
    """
    shown = _entries(fused, table)
    of_a, of_b = (_rank_correlation(_entries(source, table).expand_as(shown), shown) for source in (a, b))
    return mean_of_coloured(a, b, of_a, of_b)


def uptake_error(a: Tensor, b: Tensor, fused: Tensor, *, table: str) -> Tensor:
    """Mean relative error of the uptake that the fused image shows in the source's hot spots.

    The mean of |u_f - u_s| / u_s over the pixels whose uptake u_s is at least 3/4 of the source's highest, with the
    uptake read as in `uptake_rank`. Shapes and errors as there.

    Returns
    -------
    Tensor
        Shape (N,), float64, 0 or more: 0.1 is 10 %. NaN where no source is coloured.

    Examples
    --------
    A spot of 0.8 that is shown as 0.6 has lost a quarter.

    >>> spots = torch.tensor([[0.2, 0.8]]), torch.tensor([[0.2, 0.6]])
    >>> shown, faded = (colour.painted(x, "atlas-pet").mul(255).round().to(torch.uint8)[None] for x in spots)
    >>> round(uptake_error(torch.zeros_like(shown), shown, faded, table="atlas-pet").item(), 2)
    0.25
    """
    shown = _entries(fused, table)
    of_a, of_b = (_error_of_hot_spots(_entries(source, table), shown) for source in (a, b))
    return mean_of_coloured(a, b, of_a, of_b)


@cache  # so that there is one record of a name
def records(table: str) -> tuple[Metric, Metric]:
    """Give both metrics for sources of one colour table, which their labels name: "uptake_rank@atlas-pet"."""
    return (
        Metric(
            name="uptake_rank",
            convention=table,
            variant=True,
            family="colour",
            source="Spearman's rho of the uptake that is read with the colour table",
            score=partial(uptake_rank, table=table),
            range=(-1, 1),
            constant=None,
            undefined=True,
        ),
        Metric(
            name="uptake_error",
            convention=table,
            variant=True,
            family="colour",
            higher_is_better=False,
            source="mean relative error of the uptake that is read in hot spots",
            score=partial(uptake_error, table=table),
            range=(0, math.inf),
            identical=0,
            constant=None,
            undefined=True,
        ),
    )


def _rank_correlation(source: Tensor, shown: Tensor) -> Tensor:
    inside = source > 0
    return pearson(_ranks(source, inside), _ranks(shown, inside), inside)


def _ranks(entries: Tensor, inside: Tensor) -> Tensor:
    """Give the rank of each entry among those inside a mask, the mean one where several are equal."""
    counts = torch.stack([x[m].bincount(minlength=colour.ENTRIES) for x, m in zip(entries, inside, strict=True)])
    ranks = counts.cumsum(dim=1) - (counts - 1) / 2
    return ranks.double().gather(1, entries.flatten(1)).view(entries.shape)


def _error_of_hot_spots(source: Tensor, shown: Tensor) -> Tensor:
    hot = (source >= HOT * source.amax(dim=(1, 2), keepdim=True)) & (source > 0)
    return mean(((shown - source) / source.clamp(min=1)).abs().double(), hot)


@shared
def _entries(image: Tensor, table: str) -> Tensor:
    """Give the entry of the table that is nearest to each pixel's colour, from 0 to 255: (N, H, W)."""
    if image.dtype != torch.uint8:
        raise ValueError(f"uptake is read from images of uint8, not {image.dtype}")
    read = [colour.places(x.movedim(0, -1).cpu().numpy(), table) for x in image]
    return (torch.stack(read) * (colour.ENTRIES - 1)).round().long().to(image.device)
