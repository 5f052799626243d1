"""Witnesses: closed forms, the cubic's roots, properties, and values of published codes."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from fusebench.metrics import nonlinear_correlation as n
from fusebench.metrics.base import Metric
from fusebench.metrics.mutual_information import entropy, mutual_information
from torch import Tensor

# A few eigenvalues of 3 x 3 matrices in float64.
CLOSED = 1e-12
LOWEST = 1 - math.log(3, 256)


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=noise).to(torch.uint8)


def of_eigenvalues(*values: float) -> float:
    return 1 + sum(e / 3 * math.log(e / 3, 256) for e in values if e > 0)


def test_three_equal_images_depend_on_their_entropy(noise: torch.Generator) -> None:
    x = random(noise, 1, 30, 30)
    c = entropy(x).item() / 8
    expected = of_eigenvalues(1 + 2 * c, 1 - c, 1 - c)
    assert n.nonlinear_correlation_entropy(x, x, x).item() == pytest.approx(expected, rel=CLOSED)


def test_three_equal_images_with_every_level_equally_often_have_1() -> None:
    every = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    assert n.nonlinear_correlation_entropy(every, every, every).item() == pytest.approx(1, rel=CLOSED)


def test_images_that_tell_nothing_of_each_other_have_the_lowest_score(noise: torch.Generator) -> None:
    flat, x = torch.full((1, 8, 8), 77, dtype=torch.uint8), random(noise, 1, 8, 8)
    for a, b, fused in ((flat, flat, flat), (x, flat, flat), (flat, flat, x)):
        assert n.nonlinear_correlation_entropy(a, b, fused).item() == pytest.approx(LOWEST, rel=CLOSED)
    assert pytest.approx(0.80188, abs=5e-6) == LOWEST


def test_eigenvalues_are_the_roots_of_the_characteristic_polynomial(noise: torch.Generator) -> None:
    a, b, fused = (random(noise, 1, 30, 30) for _ in range(3))
    x, y, z = (mutual_information(*pair).item() / 8 for pair in ((a, b), (a, fused), (b, fused)))
    determinant = 1 + 2 * x * y * z - x * x - y * y - z * z
    roots = np.roots([1, -3, 3 - x * x - y * y - z * z, -determinant]).real
    # A cubic's roots are good to the root of the rounding where two are close.
    score = n.nonlinear_correlation_entropy(a, b, fused).item()
    assert score == pytest.approx(of_eigenvalues(*roots), rel=1e-7)


def test_the_linear_one_is_undefined_on_a_constant_image_alone(noise: torch.Generator) -> None:
    x = random(noise, 2, 8, 8)
    x[1] = 9
    score = n.linear_correlation_entropy(x[:1], x[:1], x)
    assert score.isnan().tolist() == [False, True]
    assert score[0].item() == pytest.approx(1, rel=CLOSED)


@pytest.mark.parametrize(
    ("metric", "peer", "name", "tolerance"),
    [
        (n.Q_NCIE, "dungdz", "NCIE", 1e-9),
        (n.Q_NCIE, "kien", "ncie", 1e-9),
        (n.Q_NCIE, "zhengliu", "Q_NCIE", 1e-9),
        (n.Q_NCIE_IVIF_ZOO, "ivif_zoo", "QNCIE", 1e-6),  # float32
    ],
    ids=lambda x: x.label if isinstance(x, Metric) else str(x),
)
def test_published_codes_give_the_same(metric: Metric, peer: str, name: str, tolerance: float, peers: Any) -> None:
    assert metric(*peers.images).item() == pytest.approx(peers.values[peer][name], rel=tolerance)
