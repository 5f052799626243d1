"""Commands that look at data, and align them: data check | register."""

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
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the summary and the pictures of what is suspicious.")
    ] = Path("check"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, and write nothing.")] = False,
) -> None:
    """Read every pair and say what is wrong or suspicious; exit code 1 if anything is.

    A line for each pair: case, size, bits or type, range and white fraction of both images, where the first lies
    relative to the second when their mutual information is greatest (pixels down and right), and that information in
    bits, as they are and there. A line for each case that is two volumes: where the second lies relative to the first
    in space, in mm and degrees, by SimpleITK (fusebench[itk]). Then all problems: missing partners, damaged files,
    duplicates, constant or dark images, shifts. Into --out goes summary.md, and for each pair or case that does not
    look registered a checkerboard of both images.
    """
    import dataclasses

    from fusebench.datasets import findings
    from fusebench.datasets.cases import understood
    from fusebench.datasets.inspection import check
    from tabulate import tabulate

    reading = reading_of(
        window, axis, interpolation, pseudo_colour, case, volume, nan_background=nan_background, orientation=orientation
    )
    if not as_json:
        findings.check_folder(out)
    with progress_bar() as progress:
        found = check(folder, reading, progress, notice)
    if as_json:
        pairs = [{**dataclasses.asdict(row), "shift": row.shift and row.shift._asdict()} for row in found.rows]
        cases = [
            {"kind": c.kind, "name": c.name, "pose": c.pose and c.pose._asdict(), "not_looked_at": c.unseen}
            for c in found.cases
        ]
        say(json.dumps({"pairs": pairs, "cases": cases, "problems": found.problems}, indent=1))
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
            for row in found.rows
        ]
        headers = ("pair", "case", "size", "depth", "range", "white", "shift", "MI at 0", "MI at shift")
        say(tabulate(lines, headers=headers, disable_numparse=True))
        for c in (c for c in found.cases if c.pose):
            say(f"{c.kind}/{c.name}: {c.modalities[1]} lies {c.pose} off {c.modalities[0]}")
        for problem in found.problems:
            say(one_line(problem))
        findings.write(found, folder, out, reading)
    for line in (*understood((row.kind, row.case) for row in found.rows), *findings.looked_at(found)):
        say(line, err=True)
    written = "" if as_json else f"; {out}/{findings.SUMMARY} shows them" if found.problems else f"; {out}/ says so"
    say(f"{len(found.rows)} pairs read, {len(found.problems)} problems{written}", err=True)
    if found.problems:
        raise typer.Exit(1)


@data.command(name="register", epilog="Example: fusebench data register scans --out registered")
def data_register_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of pairs, as `bench --data` takes it.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder to write into.")],
    motion: Annotated[str, typer.Option(help="rigid, turned and shifted, or translation, shifted alone.")] = "rigid",
    window: Windows = None,
    volume: Volume = None,
    case: Case = None,
) -> None:
    """Bring the second image of every pair onto the first, by SimpleITK (fusebench[itk]).

    Looked for is the motion at which the mutual information of the two is greatest. Into --out go the first images as
    they are, the second ones on their grid, and beside each NAME.tfm, its motion. Nothing is overwritten. Exit code 1
    if a pair could not be aligned.
    """
    from fusebench.datasets import layouts
    from fusebench.datasets.aligning import align
    from tabulate import tabulate

    reading = reading_of(window, "axial", "linear", None, case, volume)
    entries = layouts.entries(folder, reading, notice)
    with progress_bar() as progress:
        done, problems = align(entries, out, motion, reading, progress)
    lines = [(f"{one.kind}/{one.name}", f"{one.before:.3f}", f"{one.after:.3f}", one.transform) for one in done]
    say(tabulate(lines, headers=("pair", "MI before", "MI after", "motion"), disable_numparse=True))
    for problem in problems:
        say(one_line(problem))
    say(f"{len(done)} of {len(done) + len(problems)} aligned; look at them with `fusebench data check {out}`", err=True)
    if problems:
        raise typer.Exit(1)
