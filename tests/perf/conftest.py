"""What timings are compared with: the machine's own peak, and the memory a block of code takes at its height."""

import ctypes
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F


@pytest.fixture(scope="session")
def peak() -> float:
    """Measure float32 operations a second: the best of a matrix product and a convolution, two libraries' work."""
    side, channels = 1536, 512
    a, b = torch.rand(2, side, side)
    image = torch.rand(1, channels, 48, 48).contiguous(memory_format=torch.channels_last)
    kernel = torch.rand(channels, channels, 3, 3).contiguous(memory_format=torch.channels_last)

    def best(function: Callable[[], object], operations: float) -> float:
        seconds = []
        for _ in range(8):
            begun = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - begun)
        return operations / min(seconds)

    return max(
        best(lambda: a @ b, 2 * side**3),
        best(lambda: F.conv2d(image, kernel, padding=1), 2 * 9 * channels**2 * 48**2),
    )


@pytest.fixture
def peak_memory() -> Callable[[], float]:
    """Give a function that returns the most bytes the process had beyond those it began with, and begins anew."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("the kernel does not tell a process's peak memory here")
    begun = 0.0

    def lines() -> dict[str, str]:
        return {line.split(":")[0]: line.split()[1] for line in status.read_text().splitlines() if line[:2] == "Vm"}

    def measure() -> float:
        nonlocal begun
        kilobytes = lines()
        highest = 1024 * float(kilobytes["VmHWM"]) - begun
        ctypes.CDLL(None).malloc_trim(0)  # what was freed and kept would hide what is taken next
        Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is held now
        begun = 1024 * float(lines()["VmRSS"])
        return highest

    return measure
