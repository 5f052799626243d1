"""Witnesses: waves, whose filtered amplitude is known; NumPy with a filter in the other order; published codes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.perceptual import _filtered, _mannos_sakrison, contrast_preservation, regional_distortion
from scipy import ndimage, signal
from torch import Tensor

# Fourier transforms of a few thousand grey levels.
CLOSED = 1e-10


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=noise).to(torch.uint8)


def wave(cycles: int) -> Tensor:
    return torch.cos(2 * math.pi * cycles * torch.arange(64, dtype=torch.float64) / 64).expand(1, 64, 64)


@pytest.mark.parametrize("cycles", [4, 8, 16])
def test_q_cv_of_a_wave_upon_both_sources(cycles: int, noise: torch.Generator) -> None:
    # Any region holds whole periods, so that every region's distortion is the same and the salience cancels.
    a = 0.3 + 0.4 * torch.rand(1, 64, 64, dtype=torch.float64, generator=noise)
    r = 0.144 * cycles / 4
    sensitivity = 2.6 * (0.0192 + r) * math.exp(-(r**1.1))
    score = regional_distortion(a, a, a + 0.2 * wave(cycles)).item()
    assert score == pytest.approx((255 * 0.2 * sensitivity) ** 2 / 2, rel=CLOSED)


@pytest.mark.parametrize("shape", [(48, 64), (41, 70)])
def test_q_cv_by_numpy(shape: tuple[int, int], noise: torch.Generator) -> None:
    images = [random(noise, 1, *shape) for _ in range(3)]
    a, b, f = (image[0].numpy().astype(float) for image in images)
    down, across = (np.fft.fftfreq(n) * n for n in shape)
    r = 0.144 * np.hypot(down[:, None], across) / 4
    weighted = total = 0.0
    for x in (a, b):
        difference = np.fft.ifft2(np.fft.fft2(x - f) * 2.6 * (0.0192 + r) * np.exp(-(r**1.1))).real
        edges = np.hypot(ndimage.sobel(x, 0, mode="constant"), ndimage.sobel(x, 1, mode="constant"))
        for i in range(0, shape[0], 16):
            for j in range(0, shape[1], 16):
                salience = (edges[i : i + 16, j : j + 16] ** 5).sum()
                weighted += salience * (difference[i : i + 16, j : j + 16] ** 2).sum() / 256
                total += salience
    assert regional_distortion(*images).item() == pytest.approx(weighted / total, rel=CLOSED)


@pytest.mark.parametrize("shape", [(48, 64), (41, 70)])
def test_q_cb_by_numpy(shape: tuple[int, int], noise: torch.Generator) -> None:
    images = [random(noise, 1, *shape) for _ in range(3)]
    down, across = (np.fft.fftfreq(n) * n for n in shape)
    r = np.hypot(down[:, None], across) / 15
    sensitivity = np.exp(-((r / 15.387) ** 2)) - 0.7622 * np.exp(-((r / 1.3456) ** 2))
    row, column = np.mgrid[-15:16, -15:16]
    masked: list[list[Any]] = [[], []]
    for image in images:
        x = np.fft.ifft2(np.fft.fft2(image[0].numpy().astype(float)) * sensitivity).real
        bells = (np.exp(-(row**2 + column**2) / (2 * s**2)) / (2 * np.pi * s**2) for s in (2, 4))
        narrow, wide = (signal.convolve2d(x, bell, mode="same") for bell in bells)
        for found, light in zip(masked, (np.maximum(np.abs(wide), 1 - 0.7622), np.abs(wide)), strict=True):
            contrast = np.abs(narrow - wide) / light
            found.append(contrast**3 / (contrast**2 + 0.0001))

    def expected(a: Any, b: Any, f: Any, v: float) -> float:
        kept_a, kept_b = ((np.minimum(x, f) + v) / (np.maximum(x, f) + v) for x in (a, b))
        weight_a, weight_b = a**2 + v**2, b**2 + v**2
        return float(((weight_a * kept_a + weight_b * kept_b) / (weight_a + weight_b)).mean())

    assert contrast_preservation(*images).pool().item() == pytest.approx(expected(*masked[0], 0.001), rel=CLOSED)
    # By the paper's bare quotients: where the wide Gaussian's mean is next to 0 its rounding is seen.
    bare = contrast_preservation(*images, light=0, visible=0).pool().item()
    assert bare == pytest.approx(expected(*masked[1], 0), rel=1e-8)


def test_equal_images_are_without_distortion(noise: torch.Generator) -> None:
    x = random(noise, 2, 40, 50)
    x[1, 20:] = 0  # a background
    assert regional_distortion(x, x, x).tolist() == [0, 0]
    assert contrast_preservation(x, x, x).pool().tolist() == pytest.approx([1, 1], rel=CLOSED)


def test_constant_images(noise: torch.Generator) -> None:
    x = random(noise, 1, 40, 50)
    for level in (0, 99):
        flat = torch.full_like(x, level)
        assert contrast_preservation(flat, flat, flat).pool().item() == pytest.approx(1, rel=CLOSED)
        assert regional_distortion(x, x, flat).item() > 0
    black = torch.zeros_like(x)
    assert regional_distortion(black, black, x).isnan().all()
    # Next to nothing: a contrast of 1 that was lost counts v / (1 + v) = 0.001.
    assert contrast_preservation(x, x, black).pool().item() < 0.1
    assert contrast_preservation(black, black, x).pool().item() < 0.1
    assert contrast_preservation(x, black, x).pool().item() > 0.99
    bare = [contrast_preservation(*images, light=0, visible=0).pool() for images in ((x, x, black), (black, black, x))]
    assert bare == [0, 0]


def test_black_background_counts_as_kept_and_rests_on_no_rounding(noise: torch.Generator) -> None:
    # A bright patch in a corner of a black image, to which noise of the size of rounding is added.
    a = torch.zeros(1, 128, 128, dtype=torch.float64)
    a[:, :32, :32] = torch.rand(32, 32, dtype=torch.float64, generator=noise)
    b, fused = a.mT.clone(), a / 2 + a.mT / 2
    jitter = [
        (x + 1e-13 * torch.rand(x.shape, dtype=torch.float64, generator=noise)).clamp(0, 1) for x in (a, b, fused)
    ]
    score = contrast_preservation(a, b, fused).pool().item()
    assert contrast_preservation(*jitter).pool().item() == pytest.approx(score, rel=1e-10)
    bare = [contrast_preservation(*images, light=0, visible=0).pool().item() for images in ((a, b, fused), jitter)]
    assert bare[1] != pytest.approx(bare[0], rel=1e-4)


def test_stretching_hides_a_loss_of_contrast(noise: torch.Generator) -> None:
    dim = random(noise, 1, 48, 48) // 2
    even = 2 * dim
    assert regional_distortion(even, even, dim, stretched=True).item() == pytest.approx(0, abs=1e-20)
    assert contrast_preservation(even, even, dim, stretched=True).pool().item() == pytest.approx(1, rel=CLOSED)
    assert regional_distortion(even, even, dim).item() > 100


def test_stretching_rounds_half_up() -> None:
    # Levels 0, 41, 246: 41 * 255 / 246 is 42.5.
    x = torch.tensor([[[0, 41], [246, 0]]], dtype=torch.uint8)
    upper, lower = (torch.tensor([[[0, level], [255, 0]]], dtype=torch.uint8) for level in (43, 42))
    assert regional_distortion(upper, upper, x, stretched=True).item() == 0
    assert regional_distortion(lower, lower, x, stretched=True).item() > 0


def test_the_filter_keeps_odd_and_even_sizes(noise: torch.Generator) -> None:
    for shape in ((1, 7, 8), (1, 8, 7)):
        x = torch.rand(shape, dtype=torch.float64, generator=noise)
        assert _filtered(x, _mannos_sakrison).shape == shape
        assert torch.allclose(_filtered(x, torch.ones_like), x, atol=1e-14)


# Octave printed 10 digits. In a black background Q_CB divides by the light that the filter leaves there, down to 1e-12
# grey levels: the rounding of Fourier transforms is seen in its seventh digit.
TOLERANCE = {"Q_CV@vifb": 1e-9, "Q_CB@vifb": 1e-6}


@pytest.mark.parametrize("case", ["f_avg", "f_max", "crop64_f_avg"])
@pytest.mark.parametrize("peer", ["vifb", "mefb", "mfif_metrics", "zhengliu"])
@pytest.mark.parametrize("label", TOLERANCE)
def test_published_codes_give_the_same(oracle: Callable[[str], Any], case: str, peer: str, label: str) -> None:
    images, values = oracle(case)
    metric = next(m for m in METRICS if m.label == label)
    assert metric(*images).item() == pytest.approx(values[peer][metric.name], rel=TOLERANCE[label])
