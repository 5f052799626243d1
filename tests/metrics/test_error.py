"""Witnesses: closed forms, NumPy, undefined cases, and values of published codes."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from fusebench.metrics import error as e
from fusebench.metrics.base import Metric
from torch import Tensor

# Sums of a few hundred float64 terms.
CLOSED = 1e-12


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 128, shape, generator=noise).to(torch.uint8)


def test_errors_of_an_offset_by_hand(noise: torch.Generator) -> None:
    x = random(noise, 1, 16, 24)
    fused = x + 10
    scores = {m.label: m(x, x, fused).item() for m in (e.MSE, e.RMSE, e.PSNR, e.PSNR_TANG, e.RMSE_VIFB)}
    assert scores == pytest.approx(
        {
            "MSE": 100,
            "RMSE": 10,
            "PSNR": 28.130803608679106,
            "PSNR@tang": 76.2616072173582,
            "RMSE@vifb": 10 / math.sqrt(16 * 24),
        },
        rel=CLOSED,
    )


def test_two_sources_are_averaged_before_or_after_the_logarithm() -> None:
    a, b, fused = (torch.full((1, 4, 4), level, dtype=torch.uint8) for level in (0, 90, 30))
    # Errors 30 and 60.
    assert e.mean_squared_error(a, b, fused).pool().item() == pytest.approx((900 + 3600) / 2, rel=CLOSED)
    assert e.root_mean_squared_error(a, b, fused).pool().item() == pytest.approx(45, rel=CLOSED)
    before = 10 * math.log10(255**2 / 2250)
    after = (10 * math.log10(255**2 / 900) + 10 * math.log10(255**2 / 3600)) / 2
    assert e.peak_signal_to_noise_ratio(a, b, fused).pool().item() == pytest.approx(before, rel=CLOSED)
    assert e.mean_peak_signal_to_noise_ratio(a, b, fused).pool().item() == pytest.approx(after, rel=CLOSED)
    # The fused image's maximum as peak.
    expected = 10 * math.log10(30**2 / 2250)
    assert e.PSNR_CDDFUSE(a, b, fused).item() == pytest.approx(expected, rel=CLOSED)


def test_equal_images_have_no_error_and_an_infinite_ratio(noise: torch.Generator) -> None:
    x, y = random(noise, 1, 9, 9), random(noise, 1, 9, 9)
    assert e.mean_squared_error(x, x, x).pool().item() == 0
    for metric in (e.PSNR, e.PSNR_TANG, e.PSNR_VIFB, e.PSNR_CDDFUSE, e.PSNR_DUNGDZ):
        assert metric(x, x, x).item() == math.inf
    # One source returned: only the mean of the ratios is infinite.
    assert e.PSNR(x, y, x).item() < math.inf
    assert e.PSNR_DUNGDZ(x, y, x).item() == math.inf


def test_a_black_image_as_its_own_peak(noise: torch.Generator) -> None:
    x, black = random(noise, 1, 9, 9), torch.zeros(1, 9, 9, dtype=torch.uint8)
    assert e.PSNR_CDDFUSE(x, x, black).item() == -math.inf
    assert math.isnan(e.PSNR_CDDFUSE(black, black, black).item())


def test_the_average_of_the_sources_has_the_least_error(noise: torch.Generator) -> None:
    a, b = 2 * random(noise, 3, 9, 9), 2 * random(noise, 3, 9, 9)
    least = e.mean_squared_error(a, b, ((a.long() + b.long()) // 2).to(torch.uint8)).pool()
    assert torch.allclose(4 * least, (a.double() - b.double()).square().mean(dim=(1, 2)), rtol=CLOSED)
    assert (e.mean_squared_error(a, b, random(noise, 3, 9, 9)).pool() > least).all()


def test_correlations_are_numpys(noise: torch.Generator) -> None:
    a, b, fused = (random(noise, 1, 9, 11) for _ in range(3))
    x, y, f = (image.double().numpy().ravel() for image in (a, b, fused))
    r = np.corrcoef
    assert e.correlation_coefficient(a, b, fused).item() == pytest.approx(
        (r(x, f)[0, 1] + r(y, f)[0, 1]) / 2, rel=CLOSED
    )
    expected = r(f - y, x)[0, 1] + r(f - x, y)[0, 1]
    assert e.sum_of_correlations_of_differences(a, b, fused).item() == pytest.approx(expected, rel=CLOSED)


def test_correlations_of_sums_and_copies(noise: torch.Generator) -> None:
    a, b = random(noise, 1, 9, 9), random(noise, 1, 9, 9)
    assert e.sum_of_correlations_of_differences(a, b, a + b).item() == pytest.approx(2, rel=CLOSED)
    assert e.correlation_coefficient(a, a, a).item() == pytest.approx(1, rel=CLOSED)


@pytest.mark.parametrize("unit", [False, True])
def test_correlations_of_constants_are_undefined_on_either_scale(unit: bool, noise: torch.Generator) -> None:  # noqa: FBT001
    x, y, flat = random(noise, 1, 9, 9), random(noise, 1, 9, 9), torch.full((1, 9, 9), 77, dtype=torch.uint8)
    # The last one is shifted by 10: f - a is constant, on the unit scale up to rounding.
    x, y, flat, shifted = (image.double() / 255 if unit else image for image in (x, y, flat, x + 10))
    for a, b, fused in ((x, y, flat), (x, flat, y), (flat, x, y), (flat, flat, flat)):
        assert math.isnan(e.correlation_coefficient(a, b, fused).item())
    for fused in (x, shifted):
        assert math.isnan(e.sum_of_correlations_of_differences(x, y, fused).item())


@pytest.mark.parametrize("metric", [e.MSE, e.RMSE, e.PSNR, e.CC, e.SCD], ids=lambda m: m.label)
def test_images_of_two_sizes_are_refused(metric: Metric) -> None:
    with pytest.raises(ValueError, match=r"images of one size"):
        metric(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4), torch.zeros(1, 4, 5))


@pytest.mark.parametrize(
    ("metric", "peer", "name", "tolerance"),
    [
        (e.MSE, "cddfuse", "MSE_255", 1e-6),  # float32
        (e.MSE_TANG, "linfeng_tang", "MSE_unit", 1e-9),  # 10 digits
        (e.RMSE, "py_ref", "RMSE", 1e-9),
        (e.RMSE_VIFB, "py_ref", "RMSE_vifb", 1e-9),
        (e.RMSE_CSLIB, "cslib", "rmse_metric", 1e-6),  # float32
        (e.PSNR, "py_ref", "PSNR_peak255", 1e-9),
        (e.PSNR_TANG, "py_ref", "PSNR_tang", 1e-9),
        (e.PSNR_VIFB, "py_ref", "PSNR_vifb", 1e-9),
        (e.PSNR_CDDFUSE, "py_ref", "PSNR_peak_maxF", 1e-9),
        (e.PSNR_DUNGDZ, "dungdz", "PSNR", 1e-6),  # scales its images in float32
        (e.CC, "dungdz", "CC", 1e-9),
        (e.SCD, "dungdz", "SCD", 1e-9),
    ],
    ids=lambda x: x.label if isinstance(x, Metric) else str(x),
)
def test_published_codes_give_the_same(metric: Metric, peer: str, name: str, tolerance: float, peers: Any) -> None:
    assert metric(*peers.images).item() == pytest.approx(peers.values[peer][name], rel=tolerance)
