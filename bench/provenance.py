"""What `run.json` says of a run: what was asked for, what was run, with what; enough to run it again."""

import dataclasses
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from fusebench.bench.external import AnyFuser
from fusebench.bench.suite import Suite
from fusebench.datasets.reading import AS_STATED, Reading
from fusebench.fusers import foreign
from fusebench.fusers.base import label
from fusebench.fusers.catalogue import GROUP, TRIVIAL

# 1 had no number and named neither the data nor how they were read; 2 did not say which metrics are shown.
SCHEMA = 3
PACKAGES = ("fusebench", "torch", "numpy", "scipy", "PyWavelets", "pillow", "nilearn")


class Request(NamedTuple):
    """What somebody asked for, beyond the suite.

    Parameters
    ----------
    data
        Where the pairs come from: a folder, or the name of a data set. A folder of results belongs to one suite and one
        source of data.
    pairs
        How many of each kind were wanted; None: the suite's own choice.
    reading
        How files become images.
    external
        The folder of other methods' images.
    command
        The command line.
    """

    data: str | None = None
    pairs: int | None = None
    reading: Reading = AS_STATED
    external: str | None = None
    command: tuple[str, ...] = ()


def describe(name: str, suite: Suite, request: Request, device: str) -> dict[str, Any]:
    """Say what was asked for, the tables, and what they are made with: all but the pairs and the weights."""
    trivial = {cls.name for cls in TRIVIAL}
    facts = ("label", "name", "convention", "family", "unit", "higher_is_better", "digits", "source")
    tables = {
        key: {
            "title": table.title,
            "fusers": [
                {"label": label(fuser), **_shown(fuser), "trivial": fuser.name in trivial, **_made(fuser)}
                for fuser in table.fusers
            ],
            "pairs": [[entry.kind, entry.name] for entry in table.entries],
            "metrics": [{fact: getattr(metric, fact) for fact in facts} for metric in table.metrics],
            "shown": [metric.label for metric in table.shown],
            "published": {
                fuser: {metric: float(score) for metric, score in scores.items()}
                for fuser, scores in table.published.items()
            },
        }
        for key, table in suite.items()
    }
    return {
        "schema": SCHEMA,
        "suite": name,
        "request": {**request._asdict(), "reading": dataclasses.asdict(request.reading)},
        "commit": commit_of_the_bench(),
        "others": _others(name, suite),
        "versions": {"python": platform.python_version(), **_versions()},
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.processor() or "cpu",
        "tables": tables,
    }


def _versions() -> dict[str, str]:
    """Give the versions of what is installed of `PACKAGES`: some are extras."""
    found = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def items(description: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    """Name the items of a run, by its description: kind, pair and fuser's label."""
    for table in description["tables"].values():
        for (kind, pair), fuser in product(table["pairs"], table["fusers"]):
            yield kind, pair, fuser["label"]


def _shown(fuser: AnyFuser) -> dict[str, Any]:
    """Give what tables show of a fuser besides its label."""
    return {"title": str(getattr(fuser, "title", label(fuser))), "parameters": getattr(fuser, "parameters", None)}


def _made(fuser: AnyFuser) -> dict[str, Any]:
    """Give a fuser's class and every option, but for those that say where something lies."""
    fields = dataclasses.fields(fuser)  # type: ignore[arg-type]  # a Protocol cannot say "dataclass"
    options = {f.name: getattr(fuser, f.name) for f in fields if not f.metadata.get("never_shown")}
    return {"class": f"{type(fuser).__module__}:{type(fuser).__qualname__}", "options": options}


def _others(name: str, suite: Suite) -> dict[str, dict[str, str | None]]:
    """Say of each package that is not the bench's, and whose suite, fuser or metric this is, which state it is in."""
    fusers = (type(fuser) for table in suite.values() for fuser in table.fusers)
    metrics = (metric.function for table in suite.values() for metric in table.metrics)
    homes = {foreign.package(thing) for thing in (*fusers, *metrics)} - {foreign.OWN}
    if ":" in name:
        homes.add(name.partition(":")[0].partition(".")[0])
    return {home: {"commit": _commit_of(home), **_distribution(home)} for home in sorted(homes)}


def _distribution(package: str) -> dict[str, str | None]:
    """Name the distribution that a package was installed by, and its version."""
    points = (point for point in metadata.entry_points(group=GROUP) if point.module.partition(".")[0] == package)
    found = next((point.dist for point in points if point.dist), None)
    if found is None and (names := _distributions().get(package)):
        found = metadata.distribution(names[0])
    return {"distribution": found.name if found else None, "version": found.version if found else None}


# Cached, since it reads the file lists of all installed packages.
_distributions = cache(metadata.packages_distributions)


def commit_of_the_bench() -> str | None:
    """Commit of the project's own checkout; None where it runs from an installed wheel."""
    root = Path(__file__).resolve().parent.parent
    return commit(root) if (root / "pyproject.toml").is_file() else None


def _commit_of(package: str) -> str | None:
    """Commit of the checkout that a package is imported from; None where it is installed, or has no file."""
    file = getattr(sys.modules.get(package), "__file__", None)
    if file is None or foreign.INSTALLED & {*Path(file).parts}:
        return None
    return commit(Path(file).resolve().parent)


def commit(folder: Path) -> str | None:
    """Commit of the checkout that a folder lies in, with + where its code was changed; None where there is none."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  no outside input
        return done.stdout.strip()

    try:
        # Results may lie in it too, so not any file that is new counts.
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", ":(top)*.py") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
