"""NSST-MSMG-PCNN: witnesses are the published code's stages and image, and morphology by its definition."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fusebench.fusers.filters.borders import pad
from fusebench.fusers.filters.morphology import dilated, gradient
from fusebench.fusers.pixel.nsst_msmg_pcnn import NSSTMSMGPCNN, attributed, gradient_firings, multiscale_gradient
from fusebench.fusers.transforms.shearlet import spatial_filters
from torch import Tensor

# What is stored as float32 has 7 digits.
UNIT = 1e-7


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 5])
def test_a_dilation_is_the_largest_value_of_the_disk(radius: int, noise: torch.Generator) -> None:
    image = torch.rand(2, 9, 12, generator=noise, dtype=torch.float64)
    i, j = torch.meshgrid(torch.arange(9.0), torch.arange(12.0), indexing="ij")
    near = (i.ravel()[:, None] - i.ravel()).square() + (j.ravel()[:, None] - j.ravel()).square() <= radius**2
    largest = torch.where(near, image.flatten(1)[:, None], -math.inf).amax(2).view_as(image)
    smallest = torch.where(near, image.flatten(1)[:, None], math.inf).amin(2).view_as(image)
    assert torch.equal(dilated(image, radius), largest)
    assert torch.equal(gradient(image, radius), largest - smallest)


def published(image: Tensor, filters: dict[str, np.ndarray]) -> tuple[Tensor, list[Tensor]]:
    """Decompose as the published code does: its pyramid; directions are not centred. Finest level first."""
    low, high, options = image, [], NSSTMSMGPCNN()
    for depth, (directions, size) in enumerate([*zip(options.directions, options.sizes, strict=True)][::-1]):
        detail = _filtered(low, filters["h1"], depth)
        low = _filtered(low, filters["h0"], depth)
        spectra = _spectra(directions, size, image.shape[-1])
        high.append(torch.fft.ifft2(spectra * torch.fft.fft2(detail)).real)
    return low, high


def rebuilt(low: Tensor, high: list[Tensor], filters: dict[str, np.ndarray]) -> Tensor:
    """Give the image with these bands."""
    options = NSSTMSMGPCNN()
    for depth, directions, size in zip((3, 2, 1, 0), options.directions, options.sizes, strict=True):
        spectra = _spectra(directions, size, low.shape[-1]).conj()
        detail = torch.fft.ifft2(spectra * torch.fft.fft2(high[depth])).real.sum(0, keepdim=True)
        low = _filtered(low, filters["g0"], depth) + _filtered(detail, filters["g1"], depth)
    return low


def _filtered(image: Tensor, taps: np.ndarray, depth: int) -> Tensor:
    kernel = torch.from_numpy(taps)[None, None]
    wide = pad(image, (len(taps) // 2) * 2**depth, "symmetric")
    return F.conv2d(wide[:, None], kernel, dilation=2**depth)[:, 0]


def _spectra(directions: int, size: int, side: int) -> Tensor:
    spectra = torch.fft.fft2(torch.from_numpy(spatial_filters(size, directions)), s=(side, side))
    return spectra / spectra.abs().square().sum(0).sqrt()


@pytest.fixture(scope="module")
def case(shared: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], Tensor, Tensor]:
    """Give the published filters and figures, and both sources."""
    folder = shared / "oracles" / "fusers"
    inputs = np.load(folder / "inputs.npz")
    a, b = (torch.from_numpy(inputs[name])[None].double() / 255 for name in "AB")
    return dict(np.load(folder / "nsst_mix64_f64.npz")), dict(np.load(folder / "nsst_msmg_pcnn_c01.npz")), a, b


@pytest.mark.slow
def test_by_the_published_pyramid_the_image_is_the_published_one(
    case: tuple[dict[str, np.ndarray], dict[str, np.ndarray], Tensor, Tensor],
) -> None:
    filters, known, a, b = case
    (low_a, high_a), (low_b, high_b) = (published(image, filters) for image in (a, b))
    # Where both fire as often theirs takes the first.
    high = [torch.where(gradient_firings(x) >= gradient_firings(y), x, y) for x, y in zip(high_a, high_b, strict=True)]
    found = rebuilt(attributed(low_a, low_b), high, filters)[0]
    assert np.abs(found.numpy() - known["F"]).max() < UNIT


def test_stimulus_counts_and_low_band_are_the_published_ones(
    case: tuple[dict[str, np.ndarray], dict[str, np.ndarray], Tensor, Tensor],
) -> None:
    filters, known, a, b = case
    (low_a, high_a), (low_b, _) = (published(image, filters) for image in (a, b))
    band = high_a[0][:1]  # finest, first direction
    stimulus = multiscale_gradient(band.abs())[0, ::4, ::4]
    assert np.abs(stimulus.numpy() - known["sub_4_0_msmg_s4"]).max() < UNIT
    assert np.array_equal(gradient_firings(band)[0].numpy(), known["sub_4_0_counts"])
    assert np.abs(attributed(low_a, low_b)[0, ::4, ::4].numpy() - known["low_s4"]).max() < UNIT


def test_a_flat_band_weighs_half_and_gives_way_to_one_that_stands_out() -> None:
    flat = torch.full((1, 4, 4), 0.5, dtype=torch.float64)
    assert torch.equal(attributed(flat, 1 - flat), flat)
    spot = flat.clone()
    spot[0, 0, 0] = 1.0
    # Of the second band the median is 1/2 and the mean 1/2 + 1/32: p = 1/2 + 1/64.
    common = 0.5 + 1 / 64
    weight = math.exp(4 * (1 - common)) / (1 + math.exp(4 * (1 - common)))
    assert attributed(flat, spot)[0, 0, 0].item() == pytest.approx(0.5 + weight / 2, rel=1e-12)
