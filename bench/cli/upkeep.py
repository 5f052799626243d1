"""The command for those who bring a fuser: test-fuser."""

from typing import Annotated

import typer
from fusebench.bench.cli.app import CNN, VGG16, Device, check_device, commands, complain, say, with_weights


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
