"""What a report of a fault must say of the machine: versions, devices, instruction sets, weights."""

import os
import platform
import re
from collections.abc import Callable, Iterator
from importlib import metadata

import torch
from fusebench.bench.provenance import commit_of_the_bench
from fusebench.fusers.neural import multifocus_weights, vgg16_weights

OWN = "fusebench"


def findings() -> Iterator[tuple[str, str]]:
    """Give what is found, a name and a line each; nothing is fetched.

    Examples
    --------
    >>> dict(findings())["python"] == platform.python_version()
    True
    """
    yield OWN, " ".join(filter(None, (metadata.version(OWN), commit_of_the_bench())))
    yield "python", platform.python_version()
    yield "system", f"{platform.platform()}, {os.cpu_count()} processors, {torch.get_num_threads()} threads"
    yield "instruction set", f"{torch.backends.cpu.get_cpu_capability()} (PyTorch's choice)"
    cuda = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    yield "cuda", ", ".join(cuda) or "no GPU that PyTorch sees"
    for name, extra in requirements():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = f"is not installed: pip install '{OWN}[{extra}]'" if extra else "is not installed, and is needed"
        yield name, found
    yield "weights of vgg16", _weights(vgg16_weights.VARIABLE, vgg16_weights.load)
    yield "weights of cnn", _weights("", lambda: multifocus_weights.load("own"))
    if os.environ.get(multifocus_weights.VARIABLE):
        yield (
            "published weights of cnn",
            _weights(multifocus_weights.VARIABLE, lambda: multifocus_weights.load("published")),
        )


def requirements() -> list[tuple[str, str]]:
    """List the packages that this one asks for, and the extra that asks for each or ""; those of its tests are not."""
    found = []
    for line in metadata.requires(OWN) or ():
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if name and not (extra and extra.group(1) == "test"):
            found.append((name.group(), extra.group(1) if extra else ""))
    return found


def _weights(variable: str, load: Callable[[], object]) -> str:
    """Say whether weights are there and the right ones."""
    where = f" (from {variable})" if variable and os.environ.get(variable) else ""
    try:
        load()
    except (ValueError, OSError) as error:
        return f"missing or wrong{where}: {error}"
    return f"there, digest verified{where}"
