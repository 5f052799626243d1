"""Witnesses: closed forms, properties, and values of published codes. More of SF is in test_metrics.py."""

import math
from typing import Any

import pytest
import torch
from fusebench.metrics import spatial_frequency as s
from fusebench.metrics.base import Metric
from torch import Tensor

# Sums of a few hundred float64 terms.
CLOSED = 1e-12

RAMP = torch.arange(24, dtype=torch.uint8).expand(1, 16, 24)
CHECKERBOARD = 255 * (torch.arange(16).view(-1, 1) + torch.arange(24)).remainder(2).to(torch.uint8)[None]
FLAT = torch.zeros(1, 16, 24, dtype=torch.uint8)


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=noise).to(torch.uint8)


def test_sf_over_its_own_counts_by_hand() -> None:
    expected = 255 * math.sqrt(2)
    assert s.spatial_frequency(CHECKERBOARD, own_counts=True).pool().item() == pytest.approx(expected, rel=CLOSED)
    assert s.spatial_frequency(RAMP, own_counts=True).pool().item() == pytest.approx(1, rel=CLOSED)


def test_error_of_two_ramps_by_hand() -> None:
    # The reference has both: rows 16 * 23 of 1, columns 15 * 24 of 1; every diagonal 1 from either source.
    # f = ramp has the rows and the diagonals.
    down = torch.arange(16, dtype=torch.uint8).view(1, 16, 1).expand(1, 16, 24)
    diagonals = 2 * 15 * 23 * math.sqrt(1 / 2)
    expected = math.sqrt((16 * 23 + diagonals) / (16 * 23 + 15 * 24 + diagonals)) - 1
    assert s.spatial_frequency_error(RAMP, down, RAMP).pool().item() == pytest.approx(expected, rel=CLOSED)


def test_padded_error_of_a_ramp_by_hand() -> None:
    # Behind the last column nothing changes: each of the 16 rows has 23 differences of 1 along it, and 2 * 23
    # diagonal ones. f has only its upper left pixel at 1: one difference each along the row, the column and the main
    # diagonal.
    spot = FLAT.clone()
    spot[0, 0, 0] = 1
    expected = math.sqrt((1 + 1 + 0.5) / (16 * 23 * (1 + 2 * 0.5))) - 1
    assert s.padded_spatial_frequency_error(RAMP, FLAT, spot).pool().item() == pytest.approx(expected, rel=CLOSED)


@pytest.mark.parametrize("score", [s.spatial_frequency_error, s.padded_spatial_frequency_error])
def test_error_is_zero_for_a_source_at_its_best_negative_below_and_positive_above(
    score: Any, noise: torch.Generator
) -> None:
    x = random(noise, 1, 12, 12) // 2
    assert score(x, x, x).pool().item() == 0
    assert score(x, 0 * x, x).pool().item() == 0
    assert score(x, x, x // 2).pool().item() < 0
    assert score(x, x, 2 * x).pool().item() == pytest.approx(1, rel=CLOSED)
    assert score(x, x, 0 * x).pool().item() == -1


@pytest.mark.parametrize("score", [s.spatial_frequency_error, s.padded_spatial_frequency_error])
def test_constant_sources_leave_the_error_undefined(score: Any) -> None:
    assert math.isnan(score(FLAT, FLAT, FLAT).pool().item())
    assert score(FLAT, FLAT, RAMP).pool().item() == math.inf
    with pytest.raises(ValueError, match="images of one size"):
        score(RAMP, RAMP, RAMP.mT)


@pytest.mark.parametrize(
    ("metric", "peer", "name", "tolerance"),
    [
        (s.SF_TANG, "py_ref", "SF_own_counts", 1e-9),
        (s.SF_TANG, "dungdz", "SF", 1e-9),
        # Values from Octave have 10 digits.
        (s.Q_SF, "zhengliu", "Q_SF", 1e-9),
        (s.Q_SF_KIEN, "kien", "QSF", 1e-7),  # 2e-8 from zhengliu's value, which ours equals to 1e-10
        (s.Q_SF_CSLIB, "cslib", "q_sf_metric", 1e-6),  # float32
    ],
    ids=lambda x: x.label if isinstance(x, Metric) else str(x),
)
def test_published_codes_give_the_same(metric: Metric, peer: str, name: str, tolerance: float, peers: Any) -> None:
    assert metric(*peers.images).item() == pytest.approx(peers.values[peer][name], rel=tolerance)


def test_images_in_the_unit_range_have_a_255th(peers: Any) -> None:
    score = s.spatial_frequency(peers.images[2], own_counts=True).pool().item() / 255
    assert score == pytest.approx(peers.values["py_ref"]["SF_unit_range"], rel=1e-9)
