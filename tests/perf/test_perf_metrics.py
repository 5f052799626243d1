"""Seconds of all default metrics on one triple, and on eight fused images of one pair; SF alone is the yardstick."""

import pytest
import torch
from fusebench.metrics.profiles import score
from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.perf
@pytest.mark.parametrize("images", [1, 8])
@pytest.mark.parametrize("profile", ["seed", "default"])
def test_scoring(benchmark: BenchmarkFixture, profile: str, images: int, noise: torch.Generator) -> None:
    benchmark.group = f"score {images} fused of one pair, 256 x 256"
    a, b, fused = (torch.randint(0, 256, (n, 256, 256), generator=noise).to(torch.uint8) for n in (1, 1, images))
    scores = benchmark.pedantic(score, (a, b, fused, profile), warmup_rounds=1, rounds=5)
    assert all(values.shape == (images,) for values in scores.values())
