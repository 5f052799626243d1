"""Commands for those who guard scores: check | record | compare | history."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from fusebench.bench.cli.app import commands, complain, jobs_or_cores, notice, progress_bar, say

if TYPE_CHECKING:
    from fusebench.bench.engine.store import Failure
    from fusebench.bench.gate.changes import Change
    from fusebench.bench.gate.history import Step
    from fusebench.bench.suite import Suite
    from pandas import DataFrame

RECORD = Path("tests/record.csv")

SuiteName = Annotated[
    str, typer.Option("--suite", metavar="NAME", help="smoke, paper, classical, or a suite of your own, MODULE:NAME.")
]
Data = Annotated[str | None, typer.Option(metavar="DIR", help="The pairs, as for `bench`; not for smoke.")]
Pairs = Annotated[int | None, typer.Option(metavar="N", help="Pairs of each kind, as for `bench`.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the differences as a Markdown table.")]


@commands.command(name="check", epilog="Example: fusebench check --suite mine:SUITE --data pairs --record scores.csv")
def check_(
    record: Annotated[Path, typer.Option(metavar="FILE", help="The record to compare with.")] = RECORD,
    suite: SuiteName = "smoke",
    data: Data = None,
    pairs: Pairs = None,
    markdown: Markdown = False,
) -> None:
    """Recompute a suite and compare it with its record; exit code 1 if any score moved or failed.

    A score may move by what its fuser and metric state, 1e-9 for most. Where git knows the record, the steps that each
    were within that are added up since the last release (tag), and must stay within it too.
    """
    from fusebench.bench.gate.changes import read_scores
    from fusebench.bench.gate.record import moved

    before = read_scores(record)
    if before.empty:
        raise ValueError(f"{record}: holds no score, so nothing could be checked")
    chosen, after, failures = _recomputed(suite, data, pairs)
    found = moved(before, after, chosen, failures)
    for failure in failures:
        say(f"failed: {failure}")
    _print(found, markdown=markdown)
    drifted = _drifted(record)
    if found or failures or drifted:
        parts = [f"{len(found)} scores differ from {record}: if that is meant, `fusebench record` and say why"]
        parts = parts if found else []
        parts += [f"{len(failures)} failed"] if failures else []
        parts += [f"{drifted} drifted little by little: if that is meant, tag the commit"] if drifted else []
        say("; ".join(parts), err=True)
        raise typer.Exit(1)
    say(f"{len(before)} scores agree with {record}")


@commands.command(name="record", epilog="Example: fusebench record --suite mine:SUITE --data pairs --record scores.csv")
def record_(
    record: Annotated[Path, typer.Option(metavar="FILE", help="The record to write.")] = RECORD,
    suite: SuiteName = "smoke",
    data: Data = None,
    pairs: Pairs = None,
    markdown: Markdown = False,
) -> None:
    """Recompute a suite and write its record, and say what moved. The commit says why.

    A score that moved by less than its fuser and metric state stays as it was recorded.
    """
    from fusebench.bench.gate.changes import kept, read_scores
    from fusebench.bench.gate.record import moved, write

    if not record.parent.is_dir():
        raise ValueError(f"{record}: there is no folder {record.parent}; run it from the project's root")
    before = read_scores(record) if record.exists() else None
    chosen, after, failures = _recomputed(suite, data, pairs)
    if failures:
        raise ValueError(f"failed: {failures[0]}; nothing was recorded")
    if before is not None:
        found = moved(before, after, chosen)
        _print(found, markdown=markdown)
        after = kept(before, after, found)
    write(record, after)
    say(f"{record}: {len(after)} scores")


@commands.command(name="compare", epilog="Example: fusebench compare v1:tests/record.csv tests/record.csv")
def compare_(
    before: Annotated[str, typer.Argument(help="A file of scores, the folder of a run, or REVISION:FILE of git.")],
    after: Annotated[str, typer.Argument(help="The same.")],
    tolerance: Annotated[
        float | None,
        typer.Option(metavar="X", min=0, help="Largest relative change that is none. Without it what each states."),
    ] = None,
    markdown: Markdown = False,
) -> None:
    """Say which scores moved, appeared or disappeared between two runs or records; exit code 1 if any did."""
    from fusebench.bench.gate.changes import changes, read_place, stated

    sides = read_place(before), read_place(after)
    found = changes(*sides, stated() if tolerance is None else lambda *_: tolerance)
    _print(found, markdown=markdown)
    if found:
        raise typer.Exit(complain(f"{len(found)} scores differ between {before} and {after}", 1))
    say(f"{len(sides[0])} scores agree")


@commands.command(name="history", epilog="Example: fusebench history tests/record.csv")
def history_(
    file: Annotated[Path, typer.Argument(help="A file of scores that git tracks.")],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it too, as a page that any browser opens.")
    ] = None,
) -> None:
    """Say which commit moved which scores of a file, and what drifted; exit code 1 if anything did.

    A score drifts if it moves by steps which are each within its tolerance, and leaves it in the sum since the last
    release (tag) or, without one, since the first commit.
    """
    from fusebench.bench.gate.changes import grouped, stated
    from fusebench.bench.gate.history import drifts, history

    steps = history(file)
    for step in steps:
        if step.changes:
            groups = grouped(step.changes)
            say(f"{step}: {len(step.changes)} scores; {groups[0]}")
    if not any(step.changes for step in steps):
        say(f"{file}: no score moved in {len(steps)} versions")
    found = drifts(steps, stated())
    for drift in found:
        say(f"drift: {drift}")
    if html is not None:
        html.write_text(_drawn(file, steps, [str(drift) for drift in found]), encoding="utf-8")
        say(f"written: {html}", err=True)
    if found:
        raise typer.Exit(complain(f"{len(found)} scores drifted", 1))


def _drawn(file: Path, steps: "list[Step]", drifts: list[str]) -> str:
    """Give the page of a history."""
    from fusebench.bench.gate.changes import grouped
    from fusebench.bench.gate.history import series
    from fusebench.reports.page import history

    versions = [
        history.Version(
            *(step.commit, step.date, step.subject, step.anchor), [str(group) for group in grouped(step.changes)]
        )
        for step in steps
    ]
    return history.page(str(file), versions, series(steps), drifts)


def _print(found: "list[Change]", *, markdown: bool) -> None:
    from fusebench.bench.gate import changes

    if found and markdown:
        say(changes.markdown(found))
    else:
        for group in changes.grouped(found):
            say(str(group))


def _recomputed(name: str, data: str | None, pairs: int | None) -> "tuple[Suite, DataFrame, tuple[Failure, ...]]":
    from fusebench.bench.catalogue import suite_of
    from fusebench.bench.gate.record import recompute

    suite = suite_of(name, data, pairs, say=notice)
    with progress_bar() as progress:
        return suite, *recompute(suite, jobs_or_cores(None), progress)


def _drifted(record: Path) -> int:
    """Say what drifted in the history of a record, and give the number of such scores; 0 where git does not know it."""
    from fusebench.bench.gate.changes import stated
    from fusebench.bench.gate.history import drifts, history

    try:
        found = drifts(history(record), stated())
    except ValueError:  # an installation without git, or a record that was never committed
        return 0
    for drift in found:
        say(f"drift: {drift}")
    return len(found)
