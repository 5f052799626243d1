"""Spatial frequency."""

from fusebench.metrics.base import Metric, grey_levels
from torch import Tensor


def spatial_frequency(fused: Tensor) -> Tensor:
    """Spatial frequency: the root of the mean squared difference of neighbouring pixels, over rows and columns.

    SF = sqrt((sum (f(x, y) - f(x, y - 1))^2 + sum (f(x, y) - f(x - 1, y))^2) / (X Y)), where each sum runs over
    the pixels that have the neighbour, and both are divided by the number of all pixels.

    Parameters
    ----------
    fused
        Shape (N, H, W); uint8, or floating in [0, 1].

    Returns
    -------
    Tensor
        Shape (N,), float64, in grey levels of 0 to 255; from 0 (a constant image) to 255 sqrt(2).

    Raises
    ------
    ValueError
        See `grey_levels`.

    Notes
    -----
    The seed paper, eq. 7; A. M. Eskicioglu, P. S. Fisher, Image quality measures and their performance, IEEE
    Trans. Communications 43 (1995). Other codes divide each sum by its own count, which is slightly more.

    Examples
    --------
    A step of 10 grey levels in one of two rows: sqrt((0 + 2 * 10^2) / 4).

    >>> import torch
    >>> spatial_frequency(torch.tensor([[[0, 0], [10, 10]]], dtype=torch.uint8)).tolist()
    [7.0710678118654755]
    """
    f = grey_levels(fused)
    rows, columns = f.diff(dim=-1), f.diff(dim=-2)
    squares = rows.square().sum(dim=(-2, -1)) + columns.square().sum(dim=(-2, -1))
    return (squares / f[0].numel()).sqrt()


SF = Metric(
    name="SF",
    convention="seed",
    unit="grey levels",
    higher_is_better=True,
    digits=4,
    source="seed paper, eq. 7; Eskicioglu and Fisher 1995",
    score=lambda a, b, fused: spatial_frequency(fused),  # noqa: ARG005  a record has one signature
)

RECORDS = (SF,)
