"""A fuser that reads a file and names its digest, and a pair, in a module that workers can import.

No other fuser is here, since what one of them reads counts for all fusers of its module.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from fusebench.datasets.pair import Pair
from fusebench.fusers.base import NEVER_SHOWN
from torch import Tensor


def read_one(name: str = "p") -> Pair:
    """Make a pair of noise."""
    a, b = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(0))
    return Pair(a, b, "CT-MRI", name, None)


@dataclass(frozen=True)
class Weighted:
    """Weighs the sources by the number that a file holds."""

    name: ClassVar[str] = "weighted-by-file"
    weights_file: str = field(default="", metadata=NEVER_SHOWN)

    @property
    def weights_sha256(self) -> str:
        """Digest of the file."""
        return hashlib.sha256(Path(self.weights_file).read_bytes()).hexdigest()

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Read the weight of the first source."""
        weight = float(Path(self.weights_file).read_text())
        return weight * a + (1 - weight) * b
