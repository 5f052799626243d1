"""The command for those who look around: list."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib import metadata
from typing import Annotated

import typer
from fusebench.bench.cli.app import commands, say


class Listing(StrEnum):
    """What `list` lists."""

    fusers = "fusers"
    metrics = "metrics"
    datasets = "datasets"
    suites = "suites"


@commands.command(name="list", epilog="Example: fusebench list fusers")
def list_(what: Annotated[Listing, typer.Argument(help="What to list.")]) -> None:
    """List what the bench knows, a line each."""
    from tabulate import tabulate

    with _without_torch():
        rows = _listing(what)
    say(tabulate(rows, tablefmt="plain", disable_numparse=True))


@contextmanager
def _without_torch() -> Iterator[None]:
    """Import what is listed with a stand-in for torch, which nothing computes with here.

    A list shows names, options and docstrings; importing torch takes four fifths of the time to get them. Modules that
    were imported so are forgotten again. Where torch is imported already, or plug-ins are installed, which may do with
    it what they like, it is torch itself.
    """
    if "torch" in sys.modules or metadata.entry_points(group="fusebench.fusers"):
        yield
        return
    from unittest.mock import MagicMock

    before = set(sys.modules)
    sys.modules |= {name: MagicMock() for name in ("torch", "torch.nn", "torch.nn.functional")}
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            if name.startswith(("torch", "fusebench.")):
                del sys.modules[name]


def _listing(what: Listing) -> list[tuple[str, ...]]:
    """Give the rows of a list; only what is listed is imported."""
    match what:
        case Listing.fusers:
            import dataclasses

            from fusebench.fusers.base import spell
            from fusebench.fusers.catalogue import known

            return [
                (
                    cls.name,
                    getattr(cls, "reference", ""),
                    _first_line(cls),
                    ", ".join(f"{f.name}={spell(f.default)}" for f in dataclasses.fields(cls)),  # type: ignore[arg-type]
                )
                for cls in known()
            ]
        case Listing.metrics:
            from fusebench.metrics import chroma
            from fusebench.metrics.catalogue import METRICS

            direction = {True: "higher is better", False: "lower is better", None: "no best value"}
            metrics = (*METRICS, *chroma.RECORDS)
            return [(m.label, m.convention, m.unit, direction[m.higher_is_better], m.source) for m in metrics]
        case Listing.datasets:
            from fusebench.datasets.catalogue import DATASETS

            modules = [(name, sys.modules[make.__module__]) for name, make in DATASETS.items()]
            return [
                *((name, _first_line(module)) for name, module in modules),
                ("DIR", "Any folder of registered pairs."),
            ]
        case Listing.suites:
            from fusebench.bench.catalogue import SUITES

            return [(name, _first_line(build)) for name, build in SUITES.items()]


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().splitlines()[0]
