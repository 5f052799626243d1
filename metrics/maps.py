"""Maps of local values, and how they are pooled to scores, inside a mask or not.

Only this file knows which pixel of the image a value of a map belongs to.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


class Local(ABC):
    """What is pooled to scores: a `Map`, or a `Formula` of what several maps are pooled to.

    It is written as if it were pooled already: sums, products and multiples of it are formulas of the pooled values.

    Examples
    --------
    The root of the mean, plus the mean, of the values 1 to 4; and of those in the upper row.

    >>> x = Map(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    >>> upper = torch.tensor([[[True, True], [False, False]]])
    >>> [round((x.then(torch.sqrt) + x).pool(mask).item(), 4) for mask in (None, upper)]
    [4.0811, 2.7247]
    """

    @abstractmethod
    def pool(self, mask: Tensor | None = None) -> Tensor:
        """Give the scores, (N,), inside a mask, (1, H, W) or (N, H, W) bool, where one is given; see `inside`."""

    @property
    @abstractmethod
    def maps(self) -> "tuple[Map, ...]":
        """The maps, in the order of the formula."""

    @property
    @abstractmethod
    def drawn(self) -> Tensor:
        """What a picture shows, (N, h, w): local values as they are combined to scores, NaN where there are none."""

    def then(self, formula: Callable[..., Tensor], *others: "Local") -> "Local":
        """Apply a formula to what this, and others, are pooled to."""
        return Formula(formula, (self, *others))

    def __add__(self, other: "Local") -> "Local":
        return self.then(torch.add, other)

    def __mul__(self, other: "Local") -> "Local":
        return self.then(torch.mul, other)

    def __rmul__(self, factor: float) -> "Local":
        return self.then(lambda pooled: factor * pooled)


@dataclass(frozen=True, eq=False)
class Map(Local):
    """Local values of fused images, whose mean is taken, or whose sum over a sum of weights.

    Parameters
    ----------
    values
        Shape (N, h, w), float64.
    weights
        Shape (N, h, w) or (1, h, w). The score is sum values / sum weights, so that the values hold their weights
        already. None for the mean of the values.
    step
        How many pixels of the image lie between two values. The map's middle is the image's; see `places`.
    coarser
        The same at a coarser scale, with weights: the sums run over both.
    """

    values: Tensor
    weights: Tensor | None = None
    step: int = 1
    coarser: "Map | None" = None

    def pool(self, mask: Tensor | None = None) -> Tensor:
        """Give the sum of the values over that of the weights, or over their number; NaN where there is no value."""
        values, weights = self.sums(mask)
        return values / weights

    def sums(self, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Give the sum of the values, and that of the weights or the values' number, each (N,)."""
        values, weights = total(self.values, mask, self.step), count(self.values, mask, self.step)
        if self.weights is not None:
            weights = torch.where(weights > 0, total(self.weights, mask, self.step).double(), torch.nan)
        if self.coarser is None:
            return values, weights
        more_values, more_weights = self.coarser.sums(mask)
        return values + more_values, weights + more_weights

    @property
    def maps(self) -> "tuple[Map, ...]":
        """The map itself."""
        return (self,)

    @property
    def drawn(self) -> Tensor:
        """What a picture of the map shows, (N, h, w): each value by its weight, NaN where both are 0."""
        return self.values if self.weights is None else self.values / self.weights

    def places(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Give the rows, (h,), and the columns, (w,), of the image's pixels that the values belong to."""
        h, w = self.values.shape[-2:]
        device = self.values.device
        return places(h, height, self.step, device), places(w, width, self.step, device)


@dataclass(frozen=True, eq=False)
class Formula(Local):
    """A formula of what several are pooled to."""

    formula: Callable[..., Tensor]
    parts: tuple[Local, ...]

    def pool(self, mask: Tensor | None = None) -> Tensor:
        """Pool each part, and apply the formula."""
        return self.formula(*(part.pool(mask) for part in self.parts))

    @property
    def maps(self) -> tuple[Map, ...]:
        """The maps of all parts."""
        return tuple(found for part in self.parts for found in part.maps)

    @property
    def drawn(self) -> Tensor:
        """The formula of the parts' local values where these have one size; else those of the first part."""
        parts = [part.drawn for part in self.parts]
        alike = len({part.shape[-2:] for part in parts}) == 1
        return self.formula(*parts) if alike else parts[0]


def places(length: int, size: int, step: int = 1, device: torch.device | None = None) -> Tensor:
    """Give the pixel that each of the values along one axis of a map belongs to, (length,).

    A map has its middle in the middle of the image, and its values lie `step` pixels apart. The value of a window so
    belongs to the pixel in its middle (of an even window, the later of the two).

    Examples
    --------
    Of 8 pixels: windows of 3, pairs, and cells of 4.

    >>> [places(length, 8, step).tolist() for length, step in ((6, 1), (7, 1), (2, 4))]
    [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7], [2, 6]]
    """
    # floor((size - 1) / 2 + step (i - (length - 1) / 2) + 1 / 2), of integers
    twice = (2 * torch.arange(length, device=device) - length + 1) * step + size
    return twice.div(2, rounding_mode="floor").clamp(0, size - 1)


def inside(values: Tensor, mask: Tensor | None, outside: float = 0, step: int = 1) -> Tensor:
    """Give the values of a map, (..., h, w), that lie inside a mask, and `outside` elsewhere; without a mask, all.

    A value counts where the pixel that it belongs to (`places`) is in the mask, (1, H, W) or (N, H, W) bool, whatever
    else its window sees.
    """
    if mask is None:
        return values
    sizes = zip(values.shape[-2:], mask.shape[-2:], strict=True)
    rows, columns = (places(length, size, step, values.device) for length, size in sizes)
    return torch.where(mask[:, rows.unsqueeze(1), columns], values, outside)


def total(values: Tensor, mask: Tensor | None = None, step: int = 1) -> Tensor:
    """Sum a map, or what of it lies inside a mask: (..., h, w) to (...). See `inside`.

    Examples
    --------
    >>> total(torch.ones(3, 4, 5)).tolist()
    [20.0, 20.0, 20.0]
    >>> total(torch.ones(1, 2, 2), torch.tensor([[[True, False], [False, False]]])).tolist()
    [1.0]
    """
    return inside(values, mask, 0, step).sum(dim=(-2, -1))


def count(values: Tensor, mask: Tensor | None = None, step: int = 1) -> Tensor:
    """Count a map's values, or those inside a mask: (N, h, w) to (N,) or (1,), float64. See `inside`."""
    ones = torch.ones((1, 1, 1), dtype=torch.float64, device=values.device)
    return total(ones.expand(1, *values.shape[-2:]), mask, step)


def mean(values: Tensor, mask: Tensor | None = None, step: int = 1) -> Tensor:
    """Average a map, or what of it lies inside a mask: (N, h, w) to (N,); NaN where there is nothing. See `inside`."""
    return total(values, mask, step) / count(values, mask, step)
