"""The trivial fusers: either source, their average and their maximum.

They stand in every table. A metric that one of them wins does not measure fusion on those pairs.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True)
class SourceA:
    """The first source, untouched."""

    name: ClassVar[str] = "source-a"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Return a copy of `a`."""
        del b
        return a.clone()


@dataclass(frozen=True)
class SourceB:
    """The second source, untouched."""

    name: ClassVar[str] = "source-b"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Return a copy of `b`."""
        del a
        return b.clone()


@dataclass(frozen=True)
class Average:
    """The mean of the sources, (a + b) / 2.

    Examples
    --------
    >>> Average()(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.5, 1.0]]])).tolist()
    [[[0.25, 1.0]]]
    """

    name: ClassVar[str] = "average"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Average pixel by pixel."""
        return (a + b) / 2


@dataclass(frozen=True)
class Maximum:
    """The brighter of the sources, max(a, b)."""

    name: ClassVar[str] = "maximum"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Take the brighter pixel."""
        return torch.maximum(a, b)
