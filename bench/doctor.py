"""What a report of a fault must say of the machine: versions, devices, instruction sets, weights."""

import os
import platform
import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from typing import NamedTuple

import torch
from fusebench.bench.provenance import commit_of_the_bench
from fusebench.fusers.neural import multifocus_weights, vgg16_weights

OWN = "fusebench"


class Finding(NamedTuple):
    """What was found of a thing, and whether the bench can do its work with that."""

    name: str
    found: str
    well: bool = True


def findings() -> Iterator[Finding]:
    """Give what is found; nothing is fetched.

    Examples
    --------
    >>> {finding.name: finding.found for finding in findings()}["python"] == platform.python_version()
    True
    """
    yield Finding(OWN, " ".join(filter(None, (metadata.version(OWN), commit_of_the_bench()))))
    yield Finding("python", platform.python_version())
    yield Finding("system", f"{platform.platform()}, {os.cpu_count()} processors, {torch.get_num_threads()} threads")
    yield Finding("instruction set", f"{torch.backends.cpu.get_cpu_capability()} (PyTorch's choice)")
    cuda = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    yield Finding("cuda", ", ".join(cuda) or "no GPU that PyTorch sees")
    for name, extra in requirements():
        try:
            yield Finding(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            cure = f"pip install '{OWN}[{extra}]'" if extra else "and is needed"
            yield Finding(name, f"is not installed{': ' if extra else ', '}{cure}", well=bool(extra))
    yield _weights("weights of vgg16", vgg16_weights.VARIABLE, vgg16_weights.load)
    yield _weights("weights of cnn", "", partial(multifocus_weights.load, "own"))
    if os.environ.get(multifocus_weights.VARIABLE):
        yield _weights(
            "published weights of cnn", multifocus_weights.VARIABLE, partial(multifocus_weights.load, "published")
        )


def requirements() -> list[tuple[str, str]]:
    """List the packages that this one asks for, and the first extra that asks for each or ""; none of its own work."""
    found: dict[str, str] = {}
    for line in metadata.requires(OWN) or ():
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if name and not (extra and extra.group(1) in {"all", "docs", "test"}):
            found.setdefault(name.group(), extra.group(1) if extra else "")
    return [*found.items()]


def _weights(name: str, variable: str, load: Callable[[], object]) -> Finding:
    """Say whether weights are there and the right ones."""
    where = f" (from {variable})" if os.environ.get(variable) else ""
    try:
        load()
    except (ValueError, OSError) as error:
        return Finding(name, f"missing or wrong{where}: {error}", well=False)
    return Finding(name, f"there, digest verified{where}")
