"""What several tests need: the shared reference data, and a small pair."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fusebench.datasets import phantom
from fusebench.datasets.pair import Pair
from hypothesis import settings
from PIL import Image
from torch import Tensor

# A first call loads a library or a volume, and a shared machine stalls: time is no property of the code under test.
settings.register_profile("fusebench", deadline=None, derandomize=True)
settings.load_profile("fusebench")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of reference values and real pairs, which are not part of the project."""
    if not (folder := os.environ.get("FUSEBENCH_SHARED")):
        pytest.skip("FUSEBENCH_SHARED is not set: the folder of reference values and real pairs is not here")
    return Path(folder)


@pytest.fixture(scope="session")
def oracle(shared: Path) -> Callable[[str], tuple[list[Tensor], dict[str, dict[str, float | None]]]]:
    """Give a case's images a, b and fused, and what published codes score them: by code, by the metric's name there."""
    folder = shared / "oracles" / "metrics"
    values = json.loads((folder / "metrics_oracle.json").read_text())

    def case(name: str) -> tuple[list[Tensor], dict[str, dict[str, float | None]]]:
        files = ("a_64", "b_64", "f_avg_64") if name.startswith("crop64") else ("a", "b", name)
        images = [torch.from_numpy(np.array(Image.open(folder / f"{file}.png")))[None] for file in files]
        return images, values[name]

    return case


@pytest.fixture(scope="session")
def pair() -> Pair:
    """Give a synthetic CT/MRI pair of 64 x 64 pixels."""
    return phantom.pair("CT-MRI", 20, 64)


@pytest.fixture
def noise() -> torch.Generator:
    """Give a seeded generator."""
    return torch.Generator().manual_seed(7)
