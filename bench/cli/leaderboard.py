"""Command for a board of methods from runs of several people: leaderboard."""

from pathlib import Path
from typing import Annotated

import typer
from fusebench.bench.cli.app import commands, say, write_below


@commands.command(name="leaderboard", epilog="Example: fusebench leaderboard board submissions/* --out board")
def leaderboard_(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...", help="Folders that hold scores.csv and run.json; the first one has the pairs."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where leaderboard.md and leaderboard.csv go.")],
    by: Annotated[
        str, typer.Option("--by", metavar="NAME[,NAME]", help="Metrics that place the methods: profiles and labels.")
    ] = "sound",
) -> None:
    """Write a leaderboard: places with their intervals, level neighbours, scores, and what each metric rewards.

    No image is needed: a run's scores.csv and run.json are enough. Runs of others join the first one's tables where
    they are of the same pixels by the same definitions, which their digests and the trivial rows show.
    """
    from fusebench.bench.external import External
    from fusebench.metrics.profiles import chosen
    from fusebench.reports import leaderboard, results

    labels = [metric.label for metric in chosen(by)]
    if not out.is_dir():
        raise ValueError(f"{out}: no such folder; make it, or name one that is there")
    first, *others = (results.read(folder) for folder in folders)
    board = results.merged(first, others)
    external = f"{External.__module__}:{External.__qualname__}"
    from_images = {
        fuser["label"]: fuser["class"] == external
        for run in (first, *others)
        for table in run.provenance["tables"].values()
        for fuser in table["fusers"]
    }
    page, table = out / "leaderboard.md", out / "leaderboard.csv"
    text = leaderboard.markdown(board, labels, from_images)
    frame = leaderboard.frame(board, labels)
    frame.to_csv(table, index=False, float_format="%.6g", lineterminator="\n")
    write_below(page, "leaderboard", text, "Leaderboard")
    say(text)
    say(f"written: {page}, {table}", err=True)
