"""Seconds of one decomposition and reconstruction of one 256 x 256 image; the wavelet's is the one to compare with."""

from collections.abc import Callable

import pytest
import pywt
import torch
from fusebench.fusers.transforms import contourlet, nsct
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor


def by_wavelet(x: Tensor) -> Tensor:
    coefficients = pywt.wavedec2(x.numpy(), "bior2.2", level=4)
    return torch.from_numpy(pywt.waverec2(coefficients, "bior2.2"))


def by_contourlet(x: Tensor) -> Tensor:
    return contourlet.reconstruct(contourlet.decompose(x))


def by_nsct(x: Tensor) -> Tensor:
    return nsct.reconstruct(nsct.decompose(x))


@pytest.mark.perf
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("transform", [by_wavelet, by_contourlet, by_nsct])
def test_there_and_back(
    benchmark: BenchmarkFixture, transform: Callable[[Tensor], Tensor], dtype: torch.dtype, noise: torch.Generator
) -> None:
    benchmark.group = f"transform, {dtype}"
    x = torch.rand(1, 256, 256, generator=noise, dtype=dtype)
    again = benchmark.pedantic(transform, (x,), warmup_rounds=2, rounds=10)
    assert torch.allclose(again, x, atol=1e-5)
