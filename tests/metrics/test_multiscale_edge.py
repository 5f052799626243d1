"""Witnesses: closed forms, the wavelet transform of another library, properties, and values of published codes."""

import math
from typing import Any

import numpy as np
import pytest
import pywt
import torch
from fusebench.metrics.multiscale_edge import multiscale_edge
from torch import Tensor

# Sums of a few thousand float64 terms.
CLOSED = 1e-12


def random(noise: torch.Generator, *shape: int, levels: int = 256) -> Tensor:
    return torch.randint(0, levels, shape, generator=noise).to(torch.uint8)


def test_identical_images_have_three(noise: torch.Generator) -> None:
    x = random(noise, 2, 12, 20)
    assert torch.allclose(multiscale_edge(x, x, x).pool(), torch.full((2,), 3.0, dtype=torch.float64), rtol=CLOSED)


@pytest.mark.parametrize("kept", [0, 2, 6])
def test_an_edge_at_less_contrast_by_hand(kept: int) -> None:
    # An upright edge of 8 in a square of 2 x 2: one fine detail of 8, three coarse ones of 4, in proportion.
    a = torch.zeros(1, 4, 4, dtype=torch.uint8)
    fused = a.clone()
    a[0, :2, 0], fused[0, :2, 0] = 8, kept
    expected = (2 + math.exp(kept - 8)) ** (2 / 3) * (3 * math.exp((kept - 8) / 2)) ** (1 / 3)
    assert multiscale_edge(a, torch.zeros_like(a), fused).pool().item() == pytest.approx(expected, rel=CLOSED)


def test_the_formula_with_another_wavelet_transform(noise: torch.Generator) -> None:
    a, b, fused = (random(noise, 1, 16, 24, levels=9) for _ in range(3))
    transforms = [pywt.wavedec2(x[0].double().numpy(), "haar", level=2) for x in (a, b, fused)]
    scales = [[np.stack(bands) for bands in transform[:0:-1]] for transform in transforms]
    expected = 1.0
    for d_a, d_b, d_f, exponent in zip(*scales, (2 / 3, 1 / 3), strict=True):
        w_a, w_b = (d_a**2).sum(axis=0), (d_b**2).sum(axis=0)
        kept = np.exp(-abs(d_a - d_f)).sum(axis=0) * w_a + np.exp(-abs(d_b - d_f)).sum(axis=0) * w_b
        expected *= (kept.sum() / (w_a + w_b).sum()) ** exponent
    assert multiscale_edge(a, b, fused).pool().item() == pytest.approx(expected, rel=CLOSED)


def test_brightness_does_not_count(noise: torch.Generator) -> None:
    a, b, fused = (random(noise, 2, 12, 20, levels=99) for _ in range(3))
    assert torch.allclose(multiscale_edge(a, b, fused).pool(), multiscale_edge(a, b, fused + 50).pool(), rtol=CLOSED)


def test_an_odd_row_and_column_are_left_out(noise: torch.Generator) -> None:
    a, b, fused = (random(noise, 2, 11, 15, levels=9) for _ in range(3))
    even = [x[:, :10, :14] for x in (a, b, fused)]
    assert torch.allclose(multiscale_edge(a, b, fused).pool(), multiscale_edge(*even).pool(), rtol=CLOSED)


def test_without_detail_it_is_nan(noise: torch.Generator) -> None:
    flat, x = torch.full((1, 8, 8), 7, dtype=torch.uint8), random(noise, 1, 8, 8)
    assert multiscale_edge(flat, flat, x).pool().isnan().item()
    assert multiscale_edge(x[:, :3, :3], x[:, :3, :3], x[:, :3, :3]).pool().isnan().item()
    # One source's detail is enough.
    assert multiscale_edge(flat, x, x).pool().item() == pytest.approx(3, rel=CLOSED)


def test_images_of_two_sizes_are_refused() -> None:
    x = torch.zeros(1, 4, 4)
    with pytest.raises(ValueError, match=r"\(1, 4, 4\) and \(1, 4, 4\) and \(1, 4, 5\)"):
        multiscale_edge(x, x, torch.zeros(1, 4, 5)).pool()


# Octave prints 10 digits. cslib counts in float32, grey levels in the exponent: 1e-7 of 255 levels.
@pytest.mark.parametrize(("peer", "name", "tolerance"), [("zhengliu", "Q_M", 1e-9), ("cslib", "pww_metric", 2e-5)])
def test_published_codes_give_the_same(peers: Any, peer: str, name: str, tolerance: float) -> None:
    assert multiscale_edge(*peers.images).pool().item() == pytest.approx(peers.values[peer][name], rel=tolerance)
