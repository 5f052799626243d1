"""A fuser that reads a file and names its digest, in a module of its own: what is read counts for a whole package."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from fusebench.fusers.base import NEVER_SHOWN
from torch import Tensor


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
