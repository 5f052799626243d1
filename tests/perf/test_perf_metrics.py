"""Seconds of all default metrics on one triple and on eight fused images of one pair; the seed's are the yardstick.

And the memory that a large triple takes, in a process of its own.
"""

import subprocess
import sys

import pytest
import torch
from fusebench.metrics.profiles import score
from pytest_benchmark.fixture import BenchmarkFixture

# Seconds on two cores, and GiB.
GOALS = {1: 0.5, 8: 1.5}
MEMORY = 3.0

LARGE = """
import resource, torch
from fusebench.metrics.profiles import score
noise = torch.Generator().manual_seed(7)
a, b, fused = (torch.randint(0, 256, (1, 2048, 2048), generator=noise).to(torch.uint8) for _ in range(3))
score(a, b, fused)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.perf
@pytest.mark.parametrize("images", [1, 8])
@pytest.mark.parametrize("profile", ["seed", "default"])
def test_scoring(benchmark: BenchmarkFixture, profile: str, images: int, noise: torch.Generator) -> None:
    benchmark.group = f"score {images} fused of one pair, 256 x 256"
    benchmark.extra_info["goal in seconds"] = GOALS[images] if profile == "default" else None
    a, b, fused = (torch.randint(0, 256, (n, 256, 256), generator=noise).to(torch.uint8) for n in (1, 1, images))
    scores = benchmark.pedantic(score, (a, b, fused, profile), warmup_rounds=1, rounds=5)
    assert all(values.shape == (images,) for values in scores.values())


@pytest.mark.perf
def test_a_large_triple_fits_into_memory() -> None:
    run = subprocess.run([sys.executable, "-c", LARGE], check=True, capture_output=True, text=True)
    assert float(run.stdout) < MEMORY
