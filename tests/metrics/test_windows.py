"""Witnesses: a direct convolution, closed forms on ramps, and exact zeros."""

import pytest
import torch
import torch.nn.functional as F
from fusebench.metrics.base import sharing
from fusebench.metrics.fusion_quality import BOX_8, GAUSSIAN_7
from fusebench.metrics.structural_similarity import GAUSSIAN_11
from fusebench.metrics.visual_information_fidelity import WINDOWS
from fusebench.metrics.windows import Window, blur, box, gaussian, local_covariance, local_moments

USED = (BOX_8, GAUSSIAN_7, GAUSSIAN_11, *WINDOWS)


@pytest.mark.parametrize("window", USED, ids=len)
def test_a_blur_is_the_convolution_with_the_product_of_the_weights(window: Window, noise: torch.Generator) -> None:
    x = torch.rand(2, 21, 30, dtype=torch.float64, generator=noise)
    weights = torch.tensor(window, dtype=torch.float64)
    direct = F.conv2d(x[:, None], torch.outer(weights, weights)[None, None])[:, 0]
    # Sums of up to 289 numbers below 1, in another order.
    assert torch.allclose(blur(x, window), direct, rtol=0, atol=1e-13)


@pytest.mark.parametrize("window", USED, ids=len)
def test_weights_sum_to_one(window: Window) -> None:
    assert sum(window) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("window", USED, ids=len)
def test_moments_of_ramps_are_those_of_the_window(window: Window) -> None:
    along = torch.arange(30, dtype=torch.float64).expand(1, 20, 30).contiguous()
    centre = (len(window) - 1) / 2
    spread = sum(weight * (i - centre) ** 2 for i, weight in enumerate(window))
    mean, variance = local_moments(along, window)
    # Differences of squares up to 128^2.
    assert torch.allclose(mean[0, 0], centre + torch.arange(mean.shape[-1], dtype=torch.float64), rtol=1e-13)
    assert torch.allclose(variance, torch.full_like(variance, spread), rtol=1e-9)
    assert torch.allclose(local_covariance(along, 7 - 3 * along, window), -3 * variance, rtol=1e-9)


@pytest.mark.parametrize("window", USED, ids=len)
def test_flat_windows_of_every_level_are_exactly_flat(window: Window, noise: torch.Generator) -> None:
    levels = torch.cat([torch.arange(256), 255 * torch.rand(256, dtype=torch.float64, generator=noise)])
    flat = levels.view(-1, 1, 1).expand(-1, 18, 18).contiguous()
    x = 255 * torch.rand(1, 18, 18, dtype=torch.float64, generator=noise)
    assert not local_moments(flat, window)[1].any()
    assert not local_covariance(x, flat, window).any()


def test_the_least_structure_of_an_8_bit_image_is_no_rounding() -> None:
    # One pixel that differs by one level, in the corner of the largest window used, where weights are least.
    x = torch.full((1, 17, 17), 255, dtype=torch.float64)
    x[0, 0, 0] = 254
    weight = WINDOWS[0][0] ** 2
    # The mean is held to 3e-14, one level's share in it is 7e-3.
    assert local_moments(x, WINDOWS[0])[1].item() == pytest.approx(weight * (1 - weight), rel=1e-9)


@pytest.mark.parametrize("level", [0, 128, 250])
@pytest.mark.parametrize("window", USED, ids=len)
def test_a_small_variance_is_as_exact_beside_any_level(window: Window, level: int, noise: torch.Generator) -> None:
    # Multiples of 2^-17 are added to the level without rounding. The deviation is 2e-3, and 250 is held to 3e-14.
    x, y = (torch.randint(-512, 513, (1, 20, 21), generator=noise).double() for _ in range(2))
    small = [level + image * 2**-17 for image in (x, y)]
    (mean, variance), covariance = local_moments(small[0], window), local_covariance(*small, window)
    assert torch.allclose(mean, level + local_moments(x, window)[0] * 2**-17, rtol=1e-13)
    assert torch.allclose(variance, local_moments(x, window)[1] * 2**-34, rtol=1e-9)
    assert torch.allclose(covariance, local_covariance(x, y, window) * 2**-34, rtol=1e-9, atol=1e-9 * 5e-6)


def test_no_window_fits_a_smaller_image() -> None:
    assert blur(torch.zeros(3, 7, 20), box(8)).shape == (3, 0, 13)
    assert blur(torch.zeros(3, 20, 7), box(8)).shape == (3, 13, 0)


def test_moments_are_shared_and_go_with_the_image() -> None:
    with sharing():
        x = torch.ones(1, 9, 9, dtype=torch.float64)
        kept = local_moments(x, BOX_8)
        assert local_moments(x, BOX_8) is kept
        assert local_moments(x, gaussian(3, 1.0)) is not kept
