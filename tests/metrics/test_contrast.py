"""Witnesses: closed forms, NumPy and SciPy, and values of published codes."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from fusebench.metrics import contrast as c
from fusebench.metrics.base import Metric
from scipy import ndimage
from torch import Tensor

# Sums of a few hundred float64 terms.
CLOSED = 1e-12

RAMP = torch.arange(24, dtype=torch.uint8).expand(1, 16, 24)
CHECKERBOARD = 255 * (torch.arange(16).view(-1, 1) + torch.arange(24)).remainder(2).to(torch.uint8)[None]


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=noise).to(torch.uint8)


def test_scores_of_a_ramp_by_hand() -> None:
    assert c.average_gradient(RAMP).pool().item() == pytest.approx(math.sqrt(1 / 2), rel=CLOSED)
    assert c.AG_VIFB(RAMP, RAMP, RAMP).item() == pytest.approx(math.sqrt(1 / 2) * 16 * 24 / 15 / 23, rel=CLOSED)
    assert c.average_gradient(RAMP, "forward").pool().item() == pytest.approx(math.sqrt(1 / 2) * 23 / 24, rel=CLOSED)
    # Sobel: 8 inside, 4 in the outer columns.
    assert c.edge_intensity(RAMP).pool().item() == pytest.approx(8 * 23 / 24, rel=CLOSED)
    assert c.standard_deviation(RAMP).item() == pytest.approx(math.sqrt((24**2 - 1) / 12), rel=CLOSED)
    assert c.mean_column_deviation(RAMP).item() == 0


def test_deviation_of_a_checkerboard_is_half_its_range() -> None:
    assert c.standard_deviation(CHECKERBOARD).item() == pytest.approx(127.5, rel=CLOSED)
    # Eight of each in a column of 16: the sample deviation.
    assert c.mean_column_deviation(CHECKERBOARD).item() == pytest.approx(127.5 * math.sqrt(16 / 15), rel=CLOSED)


def test_constant_images_have_0_but_for_an_edge_at_a_black_border() -> None:
    flat = torch.full((1, 5, 7), 10, dtype=torch.uint8)
    for metric in (c.SD, c.SD_MFIF, c.AG, c.AG_VIFB, c.AG_MFIF, c.EI):
        assert metric(flat, flat, flat).item() == 0
    # 16 sides of 40, 4 corners of sqrt(30^2 + 30^2), over 35 pixels.
    expected = (16 * 40 + 4 * 30 * math.sqrt(2)) / 35
    assert c.edge_intensity(flat, "zero").pool().item() == pytest.approx(expected, rel=CLOSED)


def test_scores_are_numpys_and_scipys(noise: torch.Generator) -> None:
    x = random(noise, 1, 13, 17)
    f = x[0].double().numpy()
    f_y, f_x = np.gradient(f)
    assert c.average_gradient(x).pool().item() == pytest.approx(np.hypot(f_x, f_y).mean() / math.sqrt(2), rel=CLOSED)
    assert c.standard_deviation(x).item() == pytest.approx(f.std(), rel=CLOSED)
    for border, mode in (("replicate", "nearest"), ("zero", "constant")):
        magnitude = np.hypot(ndimage.sobel(f, 0, mode=mode), ndimage.sobel(f, 1, mode=mode))
        assert c.edge_intensity(x, border).pool().item() == pytest.approx(magnitude.mean(), rel=CLOSED)  # type: ignore[arg-type]


def test_scores_do_not_depend_on_the_images_orientation(noise: torch.Generator) -> None:
    x = random(noise, 2, 13, 13)
    for metric in (c.SD, c.AG, c.EI):
        for other in (x.mT, x.flip(-1), 255 - x):
            assert torch.allclose(metric(x, x, x), metric(x, x, other), rtol=CLOSED)


@pytest.mark.parametrize(
    ("metric", "peer", "name", "tolerance"),
    [
        (c.SD, "py_ref", "SD", 1e-9),
        # Values from Octave have 10 digits.
        (c.SD_MFIF, "mfif_metrics", "SD_mean_of_column_std", 1e-9),
        (c.AG, "py_ref", "AG_mean", 1e-9),
        (c.AG_VIFB, "dungdz", "AG", 1e-9),
        (c.AG_MFIF, "mfif_metrics", "AG", 1e-9),
        (c.EI, "vifb", "EI", 1e-9),
        (c.EI, "kien", "edge_intensity", 1e-9),
        (c.EI_IVIF_ZOO, "ivif_zoo", "EI", 1e-6),  # float32
    ],
    ids=lambda x: x.label if isinstance(x, Metric) else str(x),
)
def test_published_codes_give_the_same(metric: Metric, peer: str, name: str, tolerance: float, peers: Any) -> None:
    assert metric(*peers.images).item() == pytest.approx(peers.values[peer][name], rel=tolerance)
