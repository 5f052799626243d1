"""Command for those who ask whether a metric measures fusion: audit."""

from pathlib import Path
from typing import Annotated

import typer
from fusebench.bench.cli.app import check_page, commands, notice, progress_bar, say


@commands.command(name="audit", epilog="Example: fusebench audit --data medical --pairs 3 --metrics SSIM,MI,Q_ABF")
def audit_(
    data: Annotated[
        str, typer.Option(metavar="DIR", help="The pairs, as for `bench`; without it the embedded synthetic head.")
    ] = "phantom",
    pairs: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Pairs of each kind; without it a slice of each case, at most 5."),
    ] = None,
    metrics: Annotated[
        str, typer.Option(metavar="NAME[,NAME]", help="Profiles and labels of metrics, as for `bench`.")
    ] = "default",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page, Markdown, besides.")] = None,
) -> None:
    """Say of each metric whether it measures fusion, from measurement: a verdict and its reasons.

    Which images that are no fusion it finds better than those of six sound methods (a source, the average, the maximum;
    a constant, noise, lost contrast, the negative, a checkerboard, a shifted source), by how much it moves when it
    should not (noise of half a level, JPEG, a mirrored or transposed image, swapped sources) or should (a shift by one
    pixel), what a black background does to it, which metric ranks the images most alike, and what it costs.
    """
    from fusebench.bench.audit import audit, page, table
    from fusebench.bench.suite import by_kind, select
    from fusebench.datasets import catalogue
    from fusebench.metrics.profiles import chosen
    from tabulate import tabulate

    asked = chosen(metrics)
    check_page(out)
    kinds = by_kind(catalogue.entries(data, say=notice))
    entries = [entry for listed in kinds.values() for entry in select(listed, pairs)]
    with progress_bar() as progress:
        verdicts = audit(entries, asked, progress)
    say(tabulate(table(verdicts), headers="keys", disable_numparse=True))
    if left := [metric.label for metric in asked if metric.higher_is_better is None]:
        say(f"without a best value, and so not judged: {', '.join(left)}", err=True)
    if out is not None:
        out.write_text(page(verdicts, entries), encoding="utf-8")
        say(f"written: {out}", err=True)
