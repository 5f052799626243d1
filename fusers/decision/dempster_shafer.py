"""Fusion by the theory of evidence: two measures of activity, joined by Dempster's rule."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from fusebench.fusers.rules.selection import choose, modified_spatial_frequency, share, sum_modified_laplacian
from torch import Tensor


class Evidence(NamedTuple):
    """What is believed of each pixel, (N, H, W): that the first or the second source shows it, or that nobody knows.

    The three masses add up to 1. `conflict` is the part of the two measures' masses that contradicts itself.
    """

    first: Tensor
    second: Tensor
    unknown: Tensor
    conflict: Tensor


@dataclass(frozen=True)
class DempsterShafer:
    """Take each pixel from the source for which there is more evidence.

    G. Shafer, A mathematical theory of evidence, 1976. Two measures, the sum-modified Laplacian of 7 x 7
    pixels and the modified spatial frequency of as many, tell of the sources. Each gives the mass
    (1 - u) s_a / (s_a + s_b) to the first source, the like to the second, and u to "either", with
    u = exp(-(s_a + s_b) / (`doubt` times their mean over the image)): where little is to be seen little is known.
    Dempster's rule joins both; `evidence` gives the masses and the conflict. Which measures and which masses is the
    bench's choice; independent, as the rule wants them, two measures of one image are only in part.

    Parameters
    ----------
    doubt
        Positive.
    side
        Of the window, odd.
    soft
        Weigh the sources by the masses, "either" shared equally, instead of choosing.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> x = torch.rand(1, 9, 12)
    >>> torch.allclose(DempsterShafer()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "dempster-shafer"
    reference: ClassVar[str] = "Shafer 1976"
    title: ClassVar[str] = "Dempster-Shafer"
    doubt: float = 0.1
    side: int = 7
    soft: bool = False

    def __post_init__(self) -> None:
        if not self.doubt > 0 or self.side < 1 or self.side % 2 == 0:
            raise ValueError(f"doubt={self.doubt}, side={self.side}: a positive number, and an odd one")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        x, y = a.double(), b.double()
        found = self.evidence(x, y)
        if self.soft:
            return (y + (found.first + found.unknown / 2) * (x - y)).clamp(0, 1).float()
        return choose(x, y, found.first, found.second).clamp(0, 1).float()

    def evidence(self, a: Tensor, b: Tensor) -> Evidence:
        """Give what both measures tell together, for sources in float64."""
        told = [
            self._masses(measure(a, self.side // 2), measure(b, self.side // 2))
            for measure in (sum_modified_laplacian, modified_spatial_frequency)
        ]
        return joined(*told)

    def _masses(self, activity_a: Tensor, activity_b: Tensor) -> Evidence:
        total = activity_a + activity_b
        mean = total.mean(dim=(1, 2), keepdim=True).clamp(min=1e-300)
        unknown = (-total / (self.doubt * mean)).exp()
        part = share(activity_a, activity_b)
        return Evidence((1 - unknown) * part, (1 - unknown) * (1 - part), unknown, torch.zeros_like(total))


def joined(one: Evidence, other: Evidence) -> Evidence:
    """Join two bodies of evidence by Dempster's rule.

    Examples
    --------
    One is sure by 0.8 of the first, the other by 0.5 of the second: 0.4 contradicts itself; of the rest the first has
    0.4, the second 0.1 and "either" 0.1.

    >>> def mass(first, second):
    ...     return Evidence(*(torch.tensor(x, dtype=torch.float64) for x in (first, second, 1 - first - second, 0.0)))
    >>> [round(x.item(), 4) for x in joined(mass(0.8, 0.0), mass(0.0, 0.5))]
    [0.6667, 0.1667, 0.1667, 0.4]
    """
    conflict = one.first * other.second + one.second * other.first
    kept = (1 - conflict).clamp(min=1e-300)
    first = one.first * (other.first + other.unknown) + one.unknown * other.first
    second = one.second * (other.second + other.unknown) + one.unknown * other.second
    return Evidence(first / kept, second / kept, one.unknown * other.unknown / kept, conflict)
