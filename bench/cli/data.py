"""Commands that look at data: data check."""

import json
from pathlib import Path
from typing import Annotated

import typer
from fusebench.bench.cli.app import (
    Axis,
    Case,
    Interpolation,
    NanBackground,
    Orientation,
    PseudoColour,
    Volume,
    Windows,
    commands,
    notice,
    one_line,
    progress_bar,
    reading_of,
    say,
)

data = typer.Typer(help="Look at data before they are fused.", rich_markup_mode=None)
commands.add_typer(data, name="data")


@data.command(name="check", epilog="Example: fusebench data check medical --window CT=40,80")
def data_check_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of pairs, as `bench --data` takes it.")],
    window: Windows = None,
    axis: Axis = "axial",
    interpolation: Interpolation = "linear",
    volume: Volume = None,
    nan_background: NanBackground = False,
    orientation: Orientation = "radiological",
    pseudo_colour: PseudoColour = None,
    case: Case = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read every pair and say what is wrong or suspicious; exit code 1 if anything is.

    A line for each pair: case, size, bits or type, range and white fraction of both images, where the first lies
    relative to the second when their mutual information is greatest (pixels down and right), and that information in
    bits, as they are and there. Then all problems: missing partners, damaged files, duplicates, constant or dark
    images, shifts.
    """
    import dataclasses

    from fusebench.datasets.cases import understood
    from fusebench.datasets.inspection import check
    from tabulate import tabulate

    reading = reading_of(
        window, axis, interpolation, pseudo_colour, case, volume, nan_background=nan_background, orientation=orientation
    )
    with progress_bar() as progress:
        rows, problems = check(folder, reading, progress, notice)
    if as_json:
        pairs = [{**dataclasses.asdict(row), "shift": row.shift and row.shift._asdict()} for row in rows]
        say(json.dumps({"pairs": pairs, "problems": problems}, indent=1))
    else:
        lines = [
            (
                f"{row.kind}/{row.name}",
                row.case or "",
                " x ".join(map(str, row.size)),
                " ".join(row.depths),
                " ".join(f"{low:.2g}-{high:.2g}" for low, high in row.ranges),
                " ".join(f"{white:.0%}" for white in row.white),
                "" if row.shift is None else f"{row.shift.dy:+d} {row.shift.dx:+d}",
                "" if row.shift is None else f"{row.shift.at_zero:.3f}",
                "" if row.shift is None else f"{row.shift.best:.3f}",
            )
            for row in rows
        ]
        headers = ("pair", "case", "size", "depth", "range", "white", "shift", "MI at 0", "MI at shift")
        say(tabulate(lines, headers=headers, disable_numparse=True))
        for problem in problems:
            say(one_line(problem))
    for line in understood((row.kind, row.case) for row in rows):
        say(line, err=True)
    say(f"{len(rows)} pairs read, {len(problems)} problems", err=True)
    if problems:
        raise typer.Exit(1)
