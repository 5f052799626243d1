"""Two workers against one on 200 pairs, and memory at 400 pairs against 50; on a machine with nothing else to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from joblib import cpu_count

# Noise compresses badly, so that images which are kept show in the memory.
SCRIPT = """
import json, resource, sys, time
from functools import partial
from pathlib import Path
import torch
from fusebench.bench.catalogue import classical
from fusebench.bench.engine import run
from fusebench.datasets.pair import Entry, Pair

def pixels(n, size):
    a, b = torch.rand(2, size, size, generator=torch.Generator().manual_seed(n))
    return Pair(a, b, "CT-MRI", str(n), str(n))

if __name__ == "__main__":
    out, count, size, jobs = sys.argv[1], *map(int, sys.argv[2:])
    entries = [Entry("CT-MRI", str(n), str(n), partial(pixels, n, size)) for n in range(count)]
    begun = time.monotonic()
    assert not run.run(classical(entries), Path(out), name="x", jobs=jobs).failures
    seconds = time.monotonic() - begun
    most = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"seconds": seconds, "parent": most[0] / 1024, "largest worker": most[1] / 1024}))
"""


def measure(folder: Path, count: int, size: int, jobs: int) -> dict[str, float]:
    """Run the classical fusers in a process of their own: seconds, and the most memory in MB."""
    (folder / "measured.py").write_text(SCRIPT)
    paths = [str(Path(path).resolve()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    command = [sys.executable, "-P", folder / "measured.py", folder / f"{count}-{size}-{jobs}", count, size, jobs]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    print(f"{count} pairs, {size} x {size}, {jobs} jobs: {found}")  # noqa: T201  what a timing is for
    return found


@pytest.mark.perf
@pytest.mark.skipif(cpu_count() < 2, reason="two workers need two cores")
def test_two_jobs_are_nearly_twice_as_fast(tmp_path: Path) -> None:
    one, two = (measure(tmp_path, 200, 256, jobs)["seconds"] for jobs in (1, 2))
    assert one / two >= 1.7


@pytest.mark.perf
@pytest.mark.parametrize("jobs", [1, 2])
def test_memory_does_not_grow_with_the_number_of_pairs(tmp_path: Path, jobs: int) -> None:
    few, many = (measure(tmp_path, count, 128, jobs) for count in (50, 400))
    workers = jobs if jobs > 1 else 0
    growth = many["parent"] - few["parent"] + workers * (many["largest worker"] - few["largest worker"])
    assert growth <= 100
