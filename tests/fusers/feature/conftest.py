"""What the authors' codes gave for two pairs of the shared reference values."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor


class Peer(NamedTuple):
    """The pairs, (1, H, W), float64 in [0, 1], and what a code made of the first, by its key."""

    a: Tensor
    b: Tensor
    a2: Tensor
    b2: Tensor
    stored: dict[str, np.ndarray]

    def off(self, key: str, image: Tensor, step: int = 1, unit: float = 1.0) -> float:
        """Give the largest difference of `image`, times `unit`, from what is stored, every `step` pixels."""
        return float(np.abs(unit * image[0, ::step, ::step].numpy() - self.stored[key]).max())

    def levels_off(self, key: str, image: Tensor) -> tuple[int, int]:
        """Give the number of pixels whose grey level differs, and the largest difference."""
        levels = np.floor(255 * image[0].numpy() + 0.5).clip(0, 255)  # half away from zero, as those codes round
        differences = np.abs(levels - self.stored[key])
        return int((differences > 0).sum()), int(differences.max())


@pytest.fixture
def peer(shared: Path) -> Callable[[str], Peer]:
    """Give the reader of a code's figures."""
    folder = shared / "oracles" / "fusers"

    def read(name: str) -> Peer:
        inputs = np.load(folder / "inputs.npz")
        images = (torch.from_numpy(inputs[key])[None].double() / 255 for key in ("A", "B", "A2", "B2"))
        return Peer(*images, stored=dict(np.load(folder / f"{name}.npz")))

    return read
