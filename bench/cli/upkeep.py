"""Commands for those who bring a fuser or report a fault: test-fuser | doctor."""

from typing import Annotated

import typer
from fusebench.bench.cli.app import (
    CNN,
    VGG16,
    Device,
    check_device,
    commands,
    complain,
    one_line,
    say,
    with_weights,
)


@commands.command(name="test-fuser", epilog="Example: fusebench test-fuser mymethods.guided:GuidedFilter")
def contract_(
    fuser: Annotated[
        str,
        typer.Argument(metavar="FUSER", help="module:NAME of a class or a function, or a name as `fuse -m` takes it."),
    ],
    device: Device = "cpu",
    vgg16: VGG16 = None,
    weights: CNN = None,
) -> None:
    """Test whether a fuser keeps the contract, a line for each clause; exit code 1 if it breaks one."""
    from fusebench.bench.contract import check
    from fusebench.fusers.catalogue import make
    from tabulate import tabulate

    check_device(device)
    made = make(fuser)
    findings = check(with_weights(made, vgg16, weights), device)
    rows = [("FAILED" if finding.problem else "ok", finding.clause, finding.problem) for finding in findings]
    say(tabulate(rows, tablefmt="plain", disable_numparse=True))
    if broken := sum(bool(finding.problem) for finding in findings):
        raise typer.Exit(complain(f"{fuser} breaks {broken} of {len(findings)} clauses", 1))


@commands.command(name="doctor", epilog="Example: fusebench doctor > doctor.txt")
def doctor_(
    record: Annotated[
        bool, typer.Option("--record", help="Then `fusebench check`, in a checkout of the project: two minutes.")
    ] = False,
) -> None:
    """Print what a report of a fault must say: versions, devices, instruction set, and which weights are found.

    Exit code 1 if a package that is needed or the weights of a network are missing, or a score differs.
    """
    from fusebench.bench.cli.gate import check_
    from fusebench.bench.doctor import findings
    from tabulate import tabulate

    found = list(findings())
    say(tabulate([(f.name, one_line(f.found)) for f in found], tablefmt="plain", disable_numparse=True))
    if ill := [f.name for f in found if not f.well]:
        raise typer.Exit(complain(f"not well: {', '.join(ill)}", 1))
    if record:
        check_()
