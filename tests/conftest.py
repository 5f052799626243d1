"""What several tests need: the shared reference data, and a small pair."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

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


class Peers(NamedTuple):
    """Two sources and a fused image, (1, H, W) uint8, and what each published code printed for them, by its names."""

    images: tuple[Tensor, Tensor, Tensor]
    values: dict[str, dict[str, float]]


def case(name: str) -> Peers:
    """Read a case on which published codes were run: "f_avg", "f_max" or "crop64_f_avg"."""
    folder = Path(os.environ["FUSEBENCH_SHARED"]) / "oracles" / "metrics"
    files = ("a_64", "b_64", "f_avg_64") if name == "crop64_f_avg" else ("a", "b", name)
    a, b, fused = (torch.from_numpy(np.array(Image.open(folder / f"{file}.png")))[None] for file in files)
    return Peers((a, b, fused), json.loads((folder / "metrics_oracle.json").read_text())[name])


@pytest.fixture(scope="session")
def oracle(shared: Path) -> Callable[[str], Peers]:
    """Give the reader of such cases."""
    del shared  # skips where they are not here
    return case


@pytest.fixture(params=["f_avg", "f_max", "crop64_f_avg"])
def peers(request: pytest.FixtureRequest, oracle: Callable[[str], Peers]) -> Peers:
    """Give each case in turn."""
    return oracle(request.param)


@pytest.fixture(scope="session")
def pair() -> Pair:
    """Give a synthetic CT/MRI pair of 64 x 64 pixels."""
    return phantom.pair("CT-MRI", 20, 64)


@pytest.fixture(scope="session")
def phantom_pairs() -> list[Pair]:
    """Give three synthetic CT/MRI pairs of 64 x 64 pixels."""
    return [phantom.pair("CT-MRI", z, 64) for z in (-30, 0, 20)]


@pytest.fixture
def noise() -> torch.Generator:
    """Give a seeded generator."""
    return torch.Generator().manual_seed(7)
