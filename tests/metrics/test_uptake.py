"""Witnesses: SciPy's rank correlation, and spots whose uptake is known."""

import numpy as np
import pytest
import torch
from fusebench.datasets import colour
from fusebench.metrics.uptake import records, uptake_error, uptake_rank
from scipy.stats import spearmanr
from torch import Tensor

TABLE = "atlas-pet"


def painted(uptake: Tensor) -> Tensor:
    shown = torch.stack([colour.painted(x, TABLE) for x in uptake])
    return (255 * shown).round().to(torch.uint8)


def test_rank_is_scipys_where_there_is_uptake(noise: torch.Generator) -> None:
    # Few different values, so that many are equal.
    uptake, shown = torch.randint(0, 9, (2, 2, 8, 9), generator=noise) / 8
    source, fused = painted(uptake), painted(shown)
    grey = torch.zeros_like(source)
    expected = [spearmanr(u[u > 0].numpy(), f[u > 0].numpy()).statistic for u, f in zip(uptake, shown, strict=True)]
    assert uptake_rank(grey, source, fused, table=TABLE).tolist() == pytest.approx(expected, rel=1e-9)
    assert uptake_rank(source, grey, fused, table=TABLE).tolist() == pytest.approx(expected, rel=1e-9)


def test_the_error_counts_hot_spots_alone() -> None:
    uptake = torch.tensor([[[0.4, 0.8, 1.0]]])
    shown = torch.tensor([[[1.0, 0.4, 0.9]]])  # 0.4 is no hot spot
    source = painted(uptake)
    expected = np.mean([0.5, 0.1])
    found = uptake_error(torch.zeros_like(source), source, painted(shown), table=TABLE).item()
    assert found == pytest.approx(expected, abs=2 / 255)  # places are entries of 256


def test_what_is_undefined() -> None:
    grey = torch.full((1, 3, 4, 4), 90, dtype=torch.uint8)
    source = painted(torch.linspace(0, 1, 16).view(1, 4, 4))
    rank, error = records(TABLE)
    assert rank(grey, grey, grey).isnan().all()
    assert error(grey, grey, grey).isnan().all()
    assert rank(grey, source, grey).isnan().all()  # one uptake everywhere
    assert error(grey, source, source).item() == 0
    assert [metric.label for metric in (rank, error)] == ["uptake_rank@atlas-pet", "uptake_error@atlas-pet"]


def test_uptake_is_read_from_levels() -> None:
    source = painted(torch.rand(1, 4, 4))
    with pytest.raises(ValueError, match="uint8"):
        uptake_rank(source, source, source.double() / 255, table=TABLE)
