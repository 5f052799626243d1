"""The instruction sets and numbers of threads that the libraries can be told to use, and a process that uses them.

What is the same on every processor is the same under each of them. A library ignores an instruction set that the
processor lacks (MKL those named here but COMPATIBLE on processors that are not Intel's) and then takes its best.
"""

import os
import subprocess
import sys
from collections.abc import Mapping

import torch

# Those that this processor has: PyTorch obeys any, and dies at the first instruction that it lacks; MKL does not.
ALL_LEVELS = ("default", "avx2", "avx512")
LEVELS = ALL_LEVELS[: ALL_LEVELS.index(torch.backends.cpu.get_cpu_capability().lower()) + 1]
PATHS: dict[str, dict[str, str]] = {
    "one thread": {"OMP_NUM_THREADS": "1"},
    "two threads": {"OMP_NUM_THREADS": "2"},
    **{f"ATen {level}": {"ATEN_CPU_CAPABILITY": level} for level in LEVELS},
    **{f"MKL {level}": {"MKL_CBWR": level} for level in ("COMPATIBLE", "AVX", "AVX2", "AVX512")},
    **{f"oneDNN {level}": {"ONEDNN_MAX_CPU_ISA": level} for level in ("SSE41", "AVX2", "AVX512_CORE")},
    # What an old processor does, whichever library is asked.
    "oldest": {
        "OMP_NUM_THREADS": "1",
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    },
}


def run(code: str, path: Mapping[str, str]) -> str:
    """Run Python code in a process of its own under one of `PATHS`, and give what it prints.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails; what it said stands in the test's output.
    """
    others = {name for variables in PATHS.values() for name in variables}
    environment = {**{name: value for name, value in os.environ.items() if name not in others}, **path}
    # Beside other work threads that spin while they wait cost minutes.
    environment["OMP_WAIT_POLICY"] = "passive"
    # -P: the folder it runs in may hold modules with the names of packages.
    command = [sys.executable, "-P", "-c", code]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
