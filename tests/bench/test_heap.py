"""What becomes of freed memory in a worker. Witness: the page faults that the system counts."""

import subprocess
import sys

import pytest

COUNTED = """
import resource, torch
from fusebench.bench.engine.heap import keep_freed_memory
{keep}
def work():
    for _ in range(10):
        tensors = [torch.ones(1_000_000, dtype=torch.float64) for _ in range(5)]
        tensors = [2 * tensor for tensor in tensors]
        del tensors
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(keep: str) -> int:
    run = subprocess.run([sys.executable, "-c", COUNTED.format(keep=keep)], check=True, capture_output=True, text=True)
    return int(run.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="an option of glibc")
def test_tensors_lie_where_freed_ones_lay() -> None:
    # 100 tensors of 8 MB; by default 12,000 of their pages are new.
    assert _faults("keep_freed_memory()") < 1000
