"""Witnesses: perfect reconstruction, PyWavelets' own coefficients, and the rule written out pixel by pixel."""

import numpy as np
import pytest
import pywt
import torch
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.fusers.transforms.base import Pyramid
from fusebench.fusers.transforms.wavelet import decompose, reconstruct
from hypothesis import given
from hypothesis import strategies as st

WAVELETS = pywt.wavelist(kind="discrete")
sizes = st.integers(1, 40)


@given(sizes, sizes, st.integers(1, 6), st.sampled_from(WAVELETS), st.sampled_from([torch.float32, torch.float64]))
def test_any_image_comes_back(height: int, width: int, levels: int, wavelet: str, dtype: torch.dtype) -> None:
    noise = torch.Generator().manual_seed(height + 100 * width)
    x = torch.rand(2, height, width, generator=noise, dtype=dtype)
    again = reconstruct(decompose(x, wavelet, levels), wavelet)
    assert again.dtype == dtype
    # PyWavelets' tables have 10 digits or so, float32 has 7. dmey itself reconstructs to 6e-3 or so.
    tolerance = 2e-2 if wavelet == "dmey" else 1e-4 if dtype == torch.float32 else 1e-8
    assert torch.allclose(again, x, rtol=0, atol=tolerance)


def test_the_coefficients_are_those_of_pywavelets(noise: torch.Generator) -> None:
    x = torch.rand(3, 41, 64, generator=noise, dtype=torch.float64)
    low, high, size = decompose(x, "db4", 2)
    expected = pywt.wavedec2(x.numpy(), "db4", mode="symmetric", level=2)
    assert size == (41, 64)
    assert np.array_equal(low.numpy(), expected[0])
    assert all(
        np.array_equal(a.numpy(), b)
        for ours, theirs in zip(high, expected[1:], strict=True)
        for a, b in zip(ours, theirs, strict=True)
    )


def test_what_is_no_image_or_no_coefficients_is_refused() -> None:
    with pytest.raises(ValueError, match="floating images of shape"):
        decompose(torch.zeros(8, 8))
    low, high, size = decompose(torch.zeros(1, 8, 8), levels=2)
    with pytest.raises(ValueError, match=r"have \[3, 2\] bands; each has 3"):
        reconstruct(Pyramid(low, [high[0], high[1][:2]], size))


@given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 6), st.sampled_from(pywt.wavelist(kind="discrete")))
def test_wavelet_reconstructs_any_size(height: int, width: int, levels: int, wavelet: str) -> None:
    noise = torch.Generator().manual_seed(height + 100 * width)
    x = torch.rand(2, height, width, generator=noise)
    # PyWavelets' tables have 12 digits or so; the result is float32. dmey itself reconstructs to 6e-3 or so.
    tolerance = 2e-2 if wavelet == "dmey" else 1e-6
    assert torch.allclose(Wavelet(wavelet, levels)(x, x), x, atol=tolerance)


def test_one_wavelet_level_by_another_route(noise: torch.Generator) -> None:
    # The rule written out pixel by pixel on PyWavelets' own coefficients.
    a, b = torch.rand(2, 12, 10, generator=noise).double().numpy()
    low, high = zip(*(pywt.dwt2(x, "haar", mode="symmetric") for x in (a, b)), strict=True)
    bands = []
    for band_a, band_b in zip(*high, strict=True):
        chosen = np.empty_like(band_a)
        for i, j in np.ndindex(*band_a.shape):
            rows, columns = [i, min(i + 1, 5)], [j, min(j + 1, 4)]
            active_a, active_b = ((band[np.ix_(rows, columns)] ** 2).sum() for band in (band_a, band_b))
            chosen[i, j] = band_a[i, j] if active_a > active_b else band_b[i, j]
        bands.append(chosen)
    expected = pywt.idwt2(((low[0] + low[1]) / 2, tuple(bands)), "haar", mode="symmetric").clip(0, 1)
    fused = Wavelet("haar", 1)(*(torch.from_numpy(x).float()[None] for x in (a, b)))
    # The result alone is rounded to float32: by 2^-25 at most, and what float64 adds.
    assert np.allclose(fused[0].numpy(), expected, rtol=0, atol=2**-25 + 1e-12)
