"""The methods that are not iterative: a batch in one call against its pairs one by one, and how they grow."""

from collections.abc import Callable

import pytest
import torch
from fusebench.fusers.base import Fuser, label
from fusebench.fusers.neural.multifocus import MultiFocusCNN
from fusebench.fusers.pixel.contourlet import Contourlet
from fusebench.fusers.pixel.nsct import NSCT
from fusebench.fusers.pixel.wavelet import Wavelet
from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.perf

METHODS = (Wavelet(), Contourlet(), NSCT(), MultiFocusCNN())


@pytest.mark.parametrize("batch", [4, 16])
@pytest.mark.parametrize("variant", ["reference", "fusebench"])
@pytest.mark.parametrize("fuser", METHODS, ids=label)
def test_a_batch(benchmark: BenchmarkFixture, fuser: Fuser, variant: str, batch: int, noise: torch.Generator) -> None:
    a, b = torch.rand(2, batch, 128, 128, generator=noise)
    benchmark.group = f"{label(fuser)}, {batch} pairs"
    if variant == "reference":
        run = lambda: [fuser(x[None], y[None]) for x, y in zip(a, b, strict=True)]  # noqa: E731
    else:
        run = lambda: fuser(a, b)  # noqa: E731
    benchmark.pedantic(run, warmup_rounds=1, rounds=5)
    benchmark.extra_info |= {"method": label(fuser), "what": "a batch", "variant": variant, "size": 128, "batch": batch}


@pytest.mark.parametrize(("size", "batch"), [(128, 1), (256, 1), (512, 1), (1024, 1), (256, 4), (256, 16), (128, 64)])
@pytest.mark.parametrize("fuser", METHODS, ids=label)
def test_growth(
    benchmark: BenchmarkFixture,
    fuser: Fuser,
    size: int,
    batch: int,
    noise: torch.Generator,
    peak_memory: Callable[[], float],
) -> None:
    a, b = torch.rand(2, batch, size, size, generator=noise)
    benchmark.group = f"{label(fuser)} grows"
    fuser(a[:, :64, :64], b[:, :64, :64])
    peak_memory()
    benchmark.pedantic(fuser, (a, b), rounds=3)
    benchmark.extra_info |= {
        "method": label(fuser),
        "what": "growth, a call",
        "variant": "fusebench",
        "size": size,
        "batch": batch,
        "peak_memory": peak_memory(),
    }
