"""What several tests need: the shared reference data, and a small pair."""

import os
from pathlib import Path

import pytest
import torch
from fusebench.datasets import phantom
from fusebench.datasets.pair import Pair
from hypothesis import settings

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
def pair() -> Pair:
    """Give a synthetic CT/MRI pair of 64 x 64 pixels."""
    return phantom.pair("CT-MRI", 20, 64)


@pytest.fixture
def noise() -> torch.Generator:
    """Give a seeded generator."""
    return torch.Generator().manual_seed(7)
