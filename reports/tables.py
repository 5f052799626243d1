"""Tables as a paper prints them, from a run's results: Markdown, CSV and, by `latex`, LaTeX."""

import math
import re

import numpy as np
import pandas as pd
from fusebench.reports import latex
from fusebench.reports.results import Metric, Results, Table
from fusebench.reports.statistics import CONFIDENCE, Cell, Cells, Spread, aggregate, units
from tabulate import tabulate

Facts = dict[str, list[str]]  # columns that are no metrics, by their heads

WIDE = 9  # columns of metrics that fit on a page
SECOND = "Underlined: second method."


def write(results: Results, spread: Spread = "interval") -> list[str]:
    """Write `tables/` into the folder of a run, each table with all its metrics as .md, .csv and .tex.

    Return the Markdown of what is to be printed: the metrics that a table shows.
    """
    folder = results.folder / "tables"
    folder.mkdir(exist_ok=True)
    for table in results.tables:
        cells = aggregate(results, table)
        note = caption(results, table, cells, spread)
        facts = facts_of(results, table, spread)
        (folder / f"{table.name}.md").write_text(_text(results, table, cells, spread), encoding="utf-8")
        text = latex.latex(table, cells, facts, f"{table.title}. {note} {SECOND}", spread)
        (folder / f"{table.name}.tex").write_text(text, encoding="utf-8")
        frame(table, cells).to_csv(folder / f"{table.name}.csv", index=False, lineterminator="\n")
    (folder / "tables.tex").write_text(latex.document([*results.tables]), encoding="utf-8")
    return printed(results, spread)


def printed(results: Results, spread: Spread = "interval", *, facts: bool = True) -> list[str]:
    """Give each table of a run as Markdown, with the metrics that it shows, and the facts (`facts_of`) or not."""
    shown = [table.printed() for table in results.tables]
    return [_text(results, table, aggregate(results, table), spread, facts=facts) for table in shown]


def _text(results: Results, table: Table, cells: Cells, spread: Spread, *, facts: bool = True) -> str:
    title = f"{numbered(table.name)}: {table.title}"
    note = caption(results, table, cells, spread)
    text = markdown(table, cells, facts_of(results, table, spread) if facts else {}, spread)
    return f"### {escaped(title)}\n\n{escaped(note)}\n\n{text}\n"


def facts_of(results: Results, table: Table, spread: Spread = "interval") -> Facts:
    """Give the columns that are no metrics: seconds for an image, parameters of networks, pairs where rows differ."""
    facts: Facts = {}
    times = results.times_of(table)
    if len(times):
        both = zip(times["mean"], times["std"], strict=True)
        seconds = {
            fuser: _seconds(float(mean), math.nan if spread == "none" else float(deviation))
            for fuser, (mean, deviation) in zip(times.index, both, strict=True)
        }
        facts["time (s)"] = [seconds.get(fuser.label, "") for fuser in table.fusers]
    if any(fuser.parameters for fuser in table.fusers):
        facts["parameters"] = [_count_of(fuser.parameters) for fuser in table.fusers]
    return facts


def _seconds(mean: float, deviation: float) -> str:
    """Give seconds with two digits that count, and their deviation as far.

    Examples
    --------
    >>> _seconds(0.01234, 0.0021), _seconds(12.34, math.nan), _seconds(2.5, 0.31)
    ('0.012 ± 0.002', '12', '2.5 ± 0.3')
    """
    digits = max(0, 1 - math.floor(math.log10(mean))) if mean > 0 else 0
    return f"{mean:.{digits}f}" + ("" if math.isnan(deviation) else f" ± {deviation:.{digits}f}")


def _count_of(parameters: int | None) -> str:
    """Give a number of parameters in thousands or millions.

    Examples
    --------
    >>> _count_of(435200), _count_of(38720), _count_of(14710464), _count_of(None)
    ('435 k', '39 k', '14.7 M', '')
    """
    if not parameters:
        return ""
    return f"{parameters / 1e6:.1f} M" if parameters >= 1e6 else f"{parameters / 1e3:.0f} k"


def caption(results: Results, table: Table, cells: Cells, spread: Spread = "interval") -> str:
    """Say what the numbers rest on and what the marks mean."""
    infos = [results.pairs[pair] for pair in table.pairs]
    counted, unit = units(results, table)
    nature = "synthetic " if any(info.synthetic for info in infos) else ""
    one = f" ({'/'.join(table.pairs[0])})" if len(infos) == 1 else ""
    parts = [f"{_count(len(infos), nature + 'pair')}{one}"]
    if unit == "case":
        parts[0] += f", {_count(len(set(counted)), unit)}"
    if any(cell.spread(spread) is not None for cell in cells.values()):
        what = f"{CONFIDENCE:.0%} confidence interval" if spread == "interval" else "standard deviation"
        parts[0] += f"; mean ± {what} over {unit}s"
    if any(cell.published is not None for cell in cells.values()):
        parts.append("Cells read ours / published")
    marks = "Bold: best of the column"
    if any(cell.best_method and not cell.best for cell in cells.values()):
        marks += "; italic: best method where a trivial row (set apart at the top) does better"
    if not all(cell.complete for cell in cells.values()):
        marks += "; a row without a score that others have is not marked"
    missing = [
        f"{fuser.label} failed on {len(infos) - count} of {_count(len(infos), 'pair')}"
        for fuser, count in zip(table.fusers, _counts(table, cells), strict=True)
        if count < len(infos)
    ]
    if missing:
        missing[-1] += ", which its mean leaves out (failures.csv)"
    return ". ".join([*parts, marks, *missing]) + "."


def _counts(table: Table, cells: Cells) -> list[int]:
    """Give the number of pairs of which each row has an image; it is the same in every column."""
    metric = table.metrics[0].label
    return [len(table.pairs) - cells[fuser.label, metric].failed for fuser in table.fusers]


def _pairs(table: Table, cells: Cells) -> Facts:
    """Give these numbers as a column; nothing where every row has every pair."""
    counts = _counts(table, cells)
    return {"pairs": [*map(str, counts)]} if min(counts) < len(table.pairs) else {}


def numbered(name: str) -> str:
    """Give a table's name as people say it.

    Examples
    --------
    >>> numbered("table2"), numbered("smoke")
    ('Table 2', 'Smoke')
    """
    return f"Table {name.removeprefix('table')}" if name.startswith("table") else name.capitalize()


def families(table: Table) -> list[tuple[str, Table]]:
    """Give a table in parts that fit on a page.

    More than WIDE metrics are parted by family; fewer are one part, which is named "".
    """
    if len(table.metrics) <= WIDE:
        return [("", table)]
    found: dict[str, list[Metric]] = {}
    for metric in table.metrics:
        found.setdefault(metric.family, []).append(metric)
    return [
        (name, table._replace(metrics=tuple(metrics[start : start + width])))
        for name, metrics in found.items()
        for width in [math.ceil(len(metrics) / math.ceil(len(metrics) / WIDE))]  # as equal as can be
        for start in range(0, len(metrics), width)
    ]


def markdown(table: Table, cells: Cells, facts: Facts, spread: Spread = "interval") -> str:
    """Lay a table out as Markdown, readable as plain text; a wide one family by family, the facts with the last."""
    parts = [(f"**{family.capitalize()}**\n\n" if family else "", part) for family, part in families(table)]
    told: list[Facts] = [{}] * (len(parts) - 1) + [facts]
    return "\n\n".join(
        head + _markdown(part, cells, of_part, spread) for (head, part), of_part in zip(parts, told, strict=True)
    )


def _markdown(table: Table, cells: Cells, facts: Facts, spread: Spread) -> str:
    facts = {**facts, **_pairs(table, cells)}
    headers = [
        "method",
        *(f"{escaped(m.label)}{arrow(m)}" + (f" ({m.unit})" if m.unit else "") for m in table.metrics),
        *facts,
    ]
    rows = []
    for n, fuser in enumerate(table.fusers):
        row = [escaped(fuser.shown)]
        for metric in table.metrics:
            cell = cells[fuser.label, metric.label]
            mark = "**" if cell.best else "_" if cell.best_method else ""
            row.append(f"{mark}{ours(cell, metric, spread)}{mark}{others(cell, metric)}")
        rows.append([*row, *(column[n] for column in facts.values())])
    return tabulate(
        rows,
        headers=headers,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=("left", *["right"] * (len(headers) - 1)),
    )


def frame(table: Table, cells: Cells) -> pd.DataFrame:
    """Lay a table out as data: one row for each fuser and metric, no rounding."""
    rows = []
    for fuser, count in zip(table.fusers, _counts(table, cells), strict=True):
        for metric in table.metrics:
            cell = cells[fuser.label, metric.label]
            low, high = (
                (None, None) if cell.half_width is None else (cell.mean - cell.half_width, cell.mean + cell.half_width)
            )
            rows.append(
                {
                    "fuser": fuser.label,
                    "trivial": fuser.trivial,
                    "metric": metric.label,
                    "mean": cell.mean,
                    "deviation": cell.deviation,
                    "low": low,
                    "high": high,
                    "nans": cell.nans,
                    "failed": cell.failed,
                    "pairs": count,
                    "complete": cell.complete,
                    "best": cell.best,
                    "published": cell.published,
                }
            )
    return pd.DataFrame(rows)


def ours(cell: Cell, metric: Metric, spread: Spread = "interval") -> str:
    """Give the text of a cell: the mean, its spread, and how often the metric is undefined."""
    digits = metric.digits
    if cell.failed and np.isnan(cell.mean) and not cell.nans:
        return "failed"
    width = cell.spread(spread)
    around = "" if width is None else f" ± {width:.{digits}f}"
    undefined = f" ({cell.nans} NaN)" if cell.nans else ""
    return f"{cell.mean:z.{digits}f}{around}{undefined}"


def others(cell: Cell, metric: Metric) -> str:
    """Give what a paper printed, as it follows ours in a cell; "" where it printed nothing."""
    return "" if cell.published is None else f" / {cell.published:.{metric.digits}f}"


def arrow(metric: Metric) -> str:
    """Give the direction in which a metric is better, as it follows the label."""
    return {True: " ↑", False: " ↓", None: ""}[metric.higher_is_better]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")


def escaped(text: str) -> str:
    """Escape the characters that Markdown or HTML would interpret, and no others, so that names stay readable."""
    escaped = re.sub(r"([\\`*<>|])|&(?=#?\w+;)|(?<=\])\(|(?<![^\W_])_|_(?![^\W_])", lambda m: f"\\{m[0]}", text)
    return escaped.replace("\n", " ")
