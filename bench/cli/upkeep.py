"""Commands for those who look around, or bring a fuser: list | test-fuser."""

import sys
from enum import StrEnum
from typing import Annotated

import typer
from fusebench.bench.cli.app import CNN, VGG16, Device, commands, complain, configure, say


class Listing(StrEnum):
    """What `list` lists."""

    fusers = "fusers"
    metrics = "metrics"
    datasets = "datasets"
    suites = "suites"


@commands.command(name="test-fuser", epilog="Example: fusebench test-fuser mymethods.guided:GuidedFilter")
def contract_(
    fuser: Annotated[str, typer.Argument(metavar="FUSER", help="module:Class, or a name as `fuse -m` takes it.")],
    device: Device = "cpu",
    vgg16: VGG16 = None,
    weights: CNN = None,
) -> None:
    """Test whether a fuser keeps the contract, a line for each clause; exit code 1 if it breaks one."""
    from fusebench.bench.contract import check
    from fusebench.fusers.base import check_class, parse
    from fusebench.fusers.catalogue import known, named
    from tabulate import tabulate

    configure(device, vgg16, weights)
    if ":" in fuser:
        cls = named(fuser)
        try:
            check_class(cls)
            made = cls()
        except Exception as error:
            raise ValueError(f"{fuser}: {error}") from error
    else:
        made = parse(fuser, known())
    findings = check(made, device)
    rows = [("FAILED" if finding.problem else "ok", finding.clause, finding.problem) for finding in findings]
    say(tabulate(rows, tablefmt="plain", disable_numparse=True))
    if broken := sum(bool(finding.problem) for finding in findings):
        raise typer.Exit(complain(f"{fuser} breaks {broken} of {len(findings)} clauses", 1))


@commands.command(name="list", epilog="Example: fusebench list fusers")
def list_(what: Annotated[Listing, typer.Argument(help="What to list.")]) -> None:
    """List what the bench knows, a line each."""
    from tabulate import tabulate

    say(tabulate(_listing(what), tablefmt="plain", disable_numparse=True))


def _listing(what: Listing) -> list[tuple[str, ...]]:
    """Give the rows of a list; only what is listed is imported."""
    match what:
        case Listing.fusers:
            import dataclasses

            from fusebench.fusers.base import spell
            from fusebench.fusers.catalogue import known

            return [
                (cls.name, _first_line(cls), ", ".join(f"{f.name}={spell(f.default)}" for f in dataclasses.fields(cls)))  # type: ignore[arg-type]
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
