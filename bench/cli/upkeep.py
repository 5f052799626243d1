"""Commands for those who keep the bench, or bring a fuser: check | record | list | test-fuser."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from fusebench.bench.cli.app import (
    CNN,
    VGG16,
    Device,
    check_device,
    commands,
    complain,
    jobs_or_cores,
    progress_bar,
    say,
    with_weights,
)

if TYPE_CHECKING:
    from pandas import DataFrame

RECORD = Path("tests/record.csv")


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

    check_device(device)
    if ":" in fuser:
        cls = named(fuser)
        try:
            check_class(cls)
            made = cls()
        except Exception as error:
            raise ValueError(f"{fuser}: {error}") from error
    else:
        made = parse(fuser, known())
    findings = check(with_weights(made, vgg16, weights), device)
    rows = [("FAILED" if finding.problem else "ok", finding.clause, finding.problem) for finding in findings]
    say(tabulate(rows, tablefmt="plain", disable_numparse=True))
    if broken := sum(bool(finding.problem) for finding in findings):
        raise typer.Exit(complain(f"{fuser} breaks {broken} of {len(findings)} clauses", 1))


@commands.command(name="check", epilog="Example: fusebench check")
def check_(
    record: Annotated[Path, typer.Option(metavar="FILE", help="The record to compare with.")] = RECORD,
) -> None:
    """Recompute the suite smoke and compare it with the record; exit code 1 if any score moved."""
    from fusebench.bench.record import compare, read_scores

    before = read_scores(record)
    problems = compare(before, _recompute())
    for problem in problems:
        say(problem)
    if problems:
        say(f"{len(problems)} scores differ from {record}; if that is meant, `make record` and say why", err=True)
        raise typer.Exit(1)
    say(f"{len(before)} scores agree with {record}")


@commands.command(name="record", epilog="Example: fusebench record")
def record_(
    record: Annotated[Path, typer.Option(metavar="FILE", help="The record to write.")] = RECORD,
) -> None:
    """Recompute the suite smoke and write the record, and say what moved. The commit says why."""
    from fusebench.bench.record import compare, read_scores, write

    if not record.parent.is_dir():
        raise ValueError(f"{record}: there is no folder {record.parent}; run it from the project's root")
    before = read_scores(record) if record.exists() else None
    after = _recompute()
    write(record, after)
    for change in [] if before is None else compare(before, after):
        say(change)
    say(f"{record}: {len(after)} scores")


def _recompute() -> "DataFrame":
    from fusebench.bench.catalogue import SUITES
    from fusebench.bench.record import recompute

    with progress_bar() as progress:
        return recompute(SUITES["smoke"](), jobs_or_cores(None), progress)


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
