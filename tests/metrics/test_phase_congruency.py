"""Witnesses: closed forms, other libraries' filters and medians, properties, and values of published codes."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from fusebench.metrics.phase_congruency import (
    EPSILON,
    ORIENTATIONS,
    THRESHOLD,
    _blur,
    _filters,
    _median,
    phase_congruency,
    phase_congruency_quality,
)
from scipy import ndimage
from torch import Tensor

# Fourier transforms of a few thousand float64 terms.
CLOSED = 1e-12

CPU = torch.device("cpu")


def random(noise: torch.Generator, *shape: int, levels: int = 256) -> Tensor:
    return torch.randint(0, levels, shape, generator=noise).to(torch.uint8)


def smooth(noise: torch.Generator, *shape: int) -> Tensor:
    """Give images with structure: noise that is blurred, from 0 to 200."""
    x = _blur(torch.rand(shape, generator=noise, dtype=torch.float64))
    low, high = x.amin(dim=(1, 2), keepdim=True), x.amax(dim=(1, 2), keepdim=True)
    return (200 * (x - low) / (high - low)).to(torch.uint8)


def square(size: int = 32) -> Tensor:
    x = torch.zeros(1, size, size, dtype=torch.uint8)
    x[:, size // 4 : -size // 4, size // 4 : -size // 4] = 200
    return x


def log_gabor(f: float, scale: int) -> float:
    """Radial factor by the definition: centre frequencies 1/3, 1/6.3, 1/13.23, 1/27.783."""
    low_pass = 1 / (1 + (f / 0.45) ** 30)
    return low_pass * math.exp(-(math.log(f * 3 * 2.1**scale) ** 2) / (2 * math.log(0.55) ** 2))


def test_filters_by_the_definition() -> None:
    radial, angular, _ = _filters(24, 40, CPU)
    assert radial.shape == (4, 24, 40)
    assert radial[:, 0, 0].tolist() == [0, 0, 0, 0]
    # Row 3, column 5: 1/8 cycle per pixel downwards and 1/8 rightwards, so at -45 degrees.
    for scale in range(4):
        assert radial[scale, 3, 5].item() == pytest.approx(log_gabor(math.sqrt(2) / 8, scale), rel=CLOSED)
    for n in range(ORIENTATIONS):
        apart = min(abs(-45 - 30 * n), 360 - abs(-45 - 30 * n))
        assert angular[n, 3, 5].item() == pytest.approx(math.exp(-((apart / 25) ** 2) / 2), rel=CLOSED)


def test_the_noise_threshold_in_the_spatial_domain() -> None:
    # Kovesi's estimate, from the filters' impulse responses, where the code has Parseval's theorem; odd and even sides.
    for size in ((16, 24), (15, 18)):
        radial, angular, noise = (x.numpy() for x in _filters(*size, CPU))
        for n in range(ORIENTATIONS):
            impulses = np.fft.ifft2(radial * angular[n]).real * math.sqrt(size[0] * size[1])
            power = 1 / math.log(2) / (radial[0] * angular[n]).__pow__(2).sum()
            pairs = sum((impulses[i] * impulses[j]).sum() for i in range(4) for j in range(i + 1, 4))
            energy = 2 * power * (impulses**2).sum() + 4 * power * pairs
            tau = math.sqrt(energy / 2)
            expected = (tau * math.sqrt(math.pi / 2) + 2 * math.sqrt((2 - math.pi / 2) * tau**2)) / 1.7
            assert noise[n] == pytest.approx(expected, rel=CLOSED)


def test_a_grating_by_hand() -> None:
    # A cosine of one frequency on the grid: the responses of all scales are in phase, and each is known.
    side, cycles, contrast = 32, 5, 100.0
    phase = 2 * math.pi * cycles * np.arange(side) / side
    image = torch.from_numpy((127.5 + contrast * np.cos(phase)) / 255).expand(1, side, side)
    noise = _filters(side, side, CPU)[2].numpy()
    radial = [log_gabor(cycles / side, scale) for scale in range(4)]
    energies, amplitudes, moments = np.zeros(side), np.zeros(side), np.zeros((3, side))
    for n in range(6):
        # The frequency is at angle 0, its negative at 180 degrees.
        there, back = (math.exp(-((apart / 25) ** 2) / 2) for apart in (30 * n, 180 - 30 * n))
        length = contrast / 2 * abs(there * np.exp(1j * phase) + back * np.exp(-1j * phase))
        total = sum(radial) * length
        along = total**2 / (total + 1e-4)
        threshold = noise[n] * radial[0] * math.sqrt(np.median(length**2))
        width = total / (max(radial) * length + 1e-4) / 4
        energy = np.maximum(along - threshold, 0) / (1 + np.exp(10 * (0.5 - width)))
        energies, amplitudes = energies + energy, amplitudes + total
        x, y = math.cos(math.radians(30 * n)), math.sin(math.radians(30 * n))
        moments += (energy / total) ** 2 * np.array([[x * x], [y * y], [x * y]])
    xx, yy, xy = moments / np.array([[3], [3], [6]])
    spread = np.sqrt(xy**2 + (xx - yy) ** 2) + 1e-4
    expected = energies / (amplitudes + 1e-4), (xx + yy + spread) / 2, (xx + yy - spread) / 2
    for found, known in zip(phase_congruency(image), expected, strict=True):
        # The grating is rounded to float64 in [0, 1], and a phase of rounding errors is multiplied by 1 / EPSILON.
        assert np.allclose(found.numpy(), known, rtol=1e-9, atol=1e-9)


def test_congruency_is_high_at_a_step_only(noise: torch.Generator) -> None:
    x = torch.zeros(1, 64, 64, dtype=torch.uint8)
    x[:, :, 32:] = 50
    row = phase_congruency(x).congruency[0, 20]
    # Periodic, so that there is a step at the border, too.
    assert set(torch.nonzero(row > 0.9 * row.max()).flatten().tolist()) == {0, 31, 32, 63}
    assert (row[8:24] < THRESHOLD).all()
    # With a little noise, without which every orientation is congruent there, a step is an edge and not a corner.
    _, greatest, least = phase_congruency(x + random(noise, 1, 64, 64, levels=4))
    assert greatest[0, 8:-8, 31].mean() > 1.5 * least[0, 8:-8, 31].mean()


def test_contrast_and_brightness_do_not_count(noise: torch.Generator) -> None:
    x = smooth(noise, 2, 24, 31) // 2
    for one, other in zip(phase_congruency(x), phase_congruency(x + 90), strict=True):
        assert torch.allclose(one, other, atol=1e-9)
    # Contrast up to EPSILON, against responses of about 1 grey level.
    for one, other in zip(phase_congruency(x), phase_congruency(2 * x), strict=True):
        assert torch.allclose(one, other, atol=10 * EPSILON)


def test_congruency_and_moments_are_in_their_ranges(noise: torch.Generator) -> None:
    congruency, greatest, least = phase_congruency(random(noise, 2, 17, 20))
    assert (congruency >= 0).all()
    assert (congruency <= 1).all()
    assert (greatest - least >= EPSILON).all()


def test_a_constant_image_has_no_congruency() -> None:
    for level in (0, 77):
        congruency, greatest, least = phase_congruency(torch.full((1, 12, 15), level, dtype=torch.uint8))
        # What rounding leaves of 77 is far below EPSILON.
        assert congruency.abs().max() < 1e-6
        # The spread of the moments, EPSILON, is all that is left.
        assert torch.allclose(greatest, torch.full_like(greatest, EPSILON / 2), atol=1e-9)
        assert torch.allclose(least, torch.full_like(least, -EPSILON / 2), atol=1e-9)


@pytest.mark.parametrize("count", [1, 2, 9, 10])
def test_medians_are_those_of_numpy(noise: torch.Generator, count: int) -> None:
    values = torch.randint(0, 4, (50, count), generator=noise).double()  # few values: many ties
    assert _median(values).tolist() == np.median(values.numpy(), axis=1).tolist()


def test_the_window_is_a_gaussian_with_nothing_beyond_the_border(noise: torch.Generator) -> None:
    x = torch.rand((2, 3, 9, 20), generator=noise, dtype=torch.float64)
    g = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    window = np.outer(g, g) / np.outer(g, g).sum()
    expected = ndimage.correlate(x.numpy(), window[None, None], mode="constant")
    assert np.allclose(_blur(x).numpy(), expected, rtol=CLOSED)


def test_identical_images_have_nearly_one(noise: torch.Generator) -> None:
    x = smooth(noise, 2, 48, 48)
    scores = phase_congruency_quality(x, x, x).pool()
    assert (scores > 0.9).all()
    assert (scores < 1).all()
    # And anything else has less.
    assert (phase_congruency_quality(x, x, random(noise, 2, 48, 48)).pool() < 0.5).all()


def test_a_negative_and_a_fainter_image_score_the_same(noise: torch.Generator) -> None:
    a, b = 2 * (smooth(noise, 1, 48, 48) // 2), smooth(noise, 1, 48, 48)
    whole = phase_congruency_quality(a, b, a).pool().item()
    assert phase_congruency_quality(a, b, 200 - a).pool().item() == pytest.approx(whole, rel=1e-9)
    # Up to EPSILON in the maps.
    assert phase_congruency_quality(a, b, a // 2).pool().item() == pytest.approx(whole, rel=1e-2)


def test_sources_without_features_have_no_score() -> None:
    flat = torch.full((1, 32, 32), 7, dtype=torch.uint8)
    assert phase_congruency_quality(flat, flat, square()).pool().isnan().item()
    # One source's features are enough.
    assert phase_congruency_quality(flat, square(), square()).pool().item() == pytest.approx(
        phase_congruency_quality(square(), square(), square()).pool().item(), rel=1e-9
    )


def test_a_constant_fused_image_has_kept_nothing() -> None:
    assert phase_congruency_quality(square(), square(), 0 * square()).pool().item() == pytest.approx(0, abs=1e-9)
    # By the paper's formula it is nearly perfect: (0 + 0.0001) / (0 + 0.0001).
    stabilised = phase_congruency_quality(square(), square(), 0 * square(), stabilised=True).pool()
    assert stabilised.item() == pytest.approx(1, abs=5e-3)


def test_images_of_two_sizes_are_refused() -> None:
    x = torch.zeros(1, 4, 4)
    with pytest.raises(ValueError, match=r"\(1, 4, 4\) and \(1, 4, 4\) and \(1, 4, 5\)"):
        phase_congruency_quality(x, x, torch.zeros(1, 4, 5)).pool()


# Octave prints 10 digits. dungdz adds 1e-4 to one more denominator.
@pytest.mark.parametrize(
    ("peer", "name", "tolerance"),
    [("mefb", "Q_P", 1e-9), ("mfif_metrics", "Q_P", 1e-9), ("zhengliu", "Q_P", 1e-9), ("dungdz", "Qp", 1e-5)],
)
def test_published_codes_give_the_same(peers: Any, peer: str, name: str, tolerance: float) -> None:
    score = phase_congruency_quality(*peers.images, stabilised=True).pool().item()
    assert score == pytest.approx(peers.values[peer][name], rel=tolerance)
