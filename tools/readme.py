"""What the pages of docs/ print, from the files of runs: `make readme`, `field`, `grid` and `colour`."""

import re
import shutil
import sys
from pathlib import Path

from fusebench.bench.paper import FIGURES
from fusebench.reports import results, tables
from fusebench.reports.statistics import aggregate
from tabulate import tabulate

TABLES = "tables of `make bench`"
RANKINGS = "rankings on real pairs"
PICTURE = "methods-ct-mri.png"
REAL = "real-pairs.md"


def write(out: Path, page: Path) -> None:
    """Put the tables of a run between the marks of docs/tables.md, and the picture of its table 2 beside it.

    Raises
    ------
    ValueError
        If the page has no such marks.
    """
    _insert(page, TABLES, tables.printed(results.read(out), facts=False))
    shutil.copyfile(out / "figures" / f"{FIGURES['table2']}.png", page.parent / PICTURE)


def write_real(out: Path, page: Path) -> None:
    """Put a run's rankings into docs/tables.md and its tables into docs/real-pairs.md; numbers only, no image.

    Raises
    ------
    ValueError
        If the page has no such marks, or the run has no published scores beside it.
    """
    rankings = out / "tables" / "rankings.md"
    if not rankings.is_file():
        raise ValueError(f"{out}: its tables have no published scores beside them; run on real CT-MRI pairs")
    _insert(page, RANKINGS, [rankings.read_text(encoding="utf-8").split("\n", 2)[2]])
    head = (
        "# The paper's tables on real pairs\n\n"
        "Written by `make readme REAL=DIR` from pairs of the Whole Brain Atlas (K. A. Johnson, J. A. Becker, Harvard\n"
        "Medical School) and one FDG PET/CT pair. The images may not be redistributed; only their scores are here.\n\n"
        "## Rankings and tables\n"
    )
    (page.parent / REAL).write_text(
        "\n".join([head, rankings.read_text(encoding="utf-8"), *tables.printed(results.read(out), facts=False)]),
        encoding="utf-8",
    )


def write_field(out: Path, docs: Path) -> None:
    """Put the ranks of a run of the suite field, and what its methods took, into docs/field.md."""
    run = results.read(out)
    head = (
        "# The field\n\n"
        "Written by `make field DATA=DIR` from CT/MRI pairs of the Whole Brain Atlas (K. A. Johnson, J. A. Becker,\n"
        "Harvard Medical School): every method of the bench, ranked by four metrics that [the audit](audit.md) finds\n"
        "sound and four that are printed most. Seconds are of a pair of 256 x 256 pixels, in one of two processes\n"
        "on two cores.\n\n"
        "## Twenty pairs of CT and MRI\n"
    )
    ranks = [(out / "tables" / f"{table.name}.ranks.md").read_text(encoding="utf-8") for table in run.tables]
    seconds = [
        tabulate(
            [(fuser.title, f"{run.times_of(table)['mean'][fuser.label]:.3g}") for fuser in table.fusers],
            headers=("method", "seconds"),
            tablefmt="pipe",
            disable_numparse=True,
        )
        for table in run.tables
    ]
    docs.write_text("\n".join([head, *ranks, "### What they take\n", *seconds]) + "\n", encoding="utf-8")


def write_colour(out: Path, page: Path) -> None:
    """Put the tables of a run of the suite colour between the page's marks, and what they trade into a picture."""
    run = results.read(out)
    _insert(page, "tables of the suite colour", tables.printed(run, facts=False), by="colour")
    _draw_colour(run, page.with_suffix(".png"))


def write_grid(out: Path, page: Path) -> None:
    """Put a grid for each metric of a run of the suite grid between the page's marks: transforms by rules."""
    run = results.read(out)
    grids = [
        f"### {metric.label}{tables.arrow(metric)}, {table.title}\n\n{_grid(run, table, metric)}\n"
        for table in run.tables
        for metric in table.shown
    ]
    _insert(page, "grids", grids, by="grid")


def _grid(run: results.Results, table: results.Table, metric: results.Metric) -> str:
    cells = {label: cell.mean for (label, name), cell in aggregate(run, table).items() if name == metric.label}
    parts = {
        (m[1], m[2]): mean
        for label, mean in cells.items()
        if (m := re.search(r"transform=([^,]*),high=([^,]*),", label))
    }
    transforms, rules = (list(dict.fromkeys(place[side] for place in parts)) for side in (0, 1))
    best = (max if metric.higher_is_better else min)(parts.values())
    rows = [[name, *(_marked(parts.get((name, rule)), best, metric) for rule in rules)] for name in transforms]
    trivial = ", ".join(f"{f.title} {cells[f.label]:.{metric.digits}f}" for f in table.fusers if f.trivial)
    text = tabulate(rows, headers=["transform", *rules], tablefmt="pipe", disable_numparse=True)
    return f"{text}\n\nTrivial: {trivial}."


def _marked(mean: float | None, best: float, metric: results.Metric) -> str:
    if mean is None:
        return ""
    text = f"{mean:.{metric.digits}f}"
    return f"**{text}**" if mean == best else text


def _draw_colour(run: results.Results, path: Path) -> None:
    """Draw for each table what its methods keep of the edges against what they lose of the colour."""
    import matplotlib.pyplot as plt

    count = len(run.tables)
    figure, axes = plt.subplots(1, count, figsize=(5 * count + 3, 4.5), layout="constrained", squeeze=False)
    titles = dict.fromkeys(fuser.title for table in run.tables for fuser in table.fusers)
    numbers = {title: n for n, title in enumerate(titles, start=1)}
    for ax, table in zip(axes[0], run.tables, strict=True):
        labels = [metric.label for metric in table.metrics]
        means = run.values(table).mean(axis=1)[:, [labels.index(name) for name in ("D_ab", "Q_ABF")]]
        for fuser, (x, y) in zip(table.fusers, means, strict=True):
            ax.plot(x, y, "o", color="0.75" if fuser.trivial else "#9ecae1", markersize=13)
            ax.text(x, y, str(numbers[fuser.title]), ha="center", va="center", fontsize=8)
        ax.set(title=table.title, xlabel="colour lost: D_ab (CIELAB units)", ylabel="edges kept: Q_ABF")
        ax.set_xscale("symlog", linthresh=1)
        ax.set_xticks(ticks := [0, 0.5, 1, 2, 5, 10, 20, 40], [f"{tick:g}" for tick in ticks])
    listed = "\n".join(f"{n}  {title}" for title, n in numbers.items())
    axes[0, -1].text(1.03, 1, listed, transform=axes[0, -1].transAxes, va="top", fontsize=8, linespacing=1.5)
    figure.savefig(path, dpi=110)


def _insert(page: Path, what: str, texts: list[str], by: str = "readme") -> None:
    begin, end = f"<!-- {what}: written by `make {by}` -->", f"<!-- end of {what} -->"
    text = page.read_text(encoding="utf-8")
    marked, count = re.subn(
        f"{re.escape(begin)}.*{re.escape(end)}", lambda _: "\n".join([begin, "", *texts, end]), text, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"{page}: expected once: {begin} ... {end}")
    page.write_text(marked, encoding="utf-8")


PAGES = {"field": write_field, "grid": write_grid, "colour": write_colour}

if __name__ == "__main__" and sys.argv[1] in PAGES:
    PAGES[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
elif __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
    for folder in sys.argv[3:]:
        write_real(Path(folder), Path(sys.argv[2]))
