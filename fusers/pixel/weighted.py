"""The weighted average, with weights for whole images."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.rules.selection import entropy, share
from torch import Tensor

KINDS = ("entropy", "variance", "fixed")


@dataclass(frozen=True)
class WeightedAverage:
    """Average the sources with one weight each.

    Parameters
    ----------
    weights
        "entropy" or "variance": of the two images, so that the one that tells more weighs more; or "fixed".
    part
        The weight of the first source where they are fixed, from 0 to 1.

    Raises
    ------
    ValueError
        If the weights are unknown, or the part is not between 0 and 1.

    Examples
    --------
    A constant image has no variance, and no weight.

    >>> import torch
    >>> WeightedAverage("variance")(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.5, 0.5]]])).tolist()
    [[[0.0, 1.0]]]
    """

    name: ClassVar[str] = "weighted"
    title: ClassVar[str] = "Weighted average"
    weights: str = "entropy"
    part: float = 0.5

    def __post_init__(self) -> None:
        if self.weights not in KINDS:
            raise ValueError(f"weights {self.weights!r} are unknown; known: {', '.join(KINDS)}")
        if not 0 <= self.part <= 1:
            raise ValueError(f"part={self.part}: lies between 0 and 1")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        x, y = a.double(), b.double()
        if self.weights == "entropy":
            return entropy(x, y).clamp(0, 1).float()
        weight: Tensor | float = self.part
        if self.weights == "variance":
            weight = share(*(image.var(dim=(1, 2), correction=0, keepdim=True) for image in (x, y)))
        return (weight * x + (1 - weight) * y).clamp(0, 1).float()
