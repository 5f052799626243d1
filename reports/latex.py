"""Tables for LaTeX: each stands by itself in a paper, and `tables.tex` shows them all as a document."""

import re
from collections.abc import Mapping, Sequence

from fusebench.reports.results import Metric, Table
from fusebench.reports.statistics import Cell, Cells, Spread

ROOM = 100  # characters in a line: of \footnotesize so many fit between the margins of a page
ARROWS = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}
DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{booktabs}
\usepackage[margin=2cm]{geometry}
\begin{document}
%s
\end{document}
"""


def document(tables: list[Table]) -> str:
    """Give a document that shows tables, each from its own file."""
    return DOCUMENT % "\n".join(rf"\input{{{table.name}.tex}}" for table in tables)


def latex(
    table: Table, cells: Cells, facts: Mapping[str, Sequence[str]], note: str, spread: Spread = "interval"
) -> str:
    """Lay a table out with the package booktabs, in parts that fit on a page, each with a caption of its own.

    The best of a column is bold, the best method italic where a trivial row does better, the second method underlined.
    Mean, spread and published number are columns of their own: with as many decimals in each row they are aligned.
    `facts` are columns that are no metrics, by their heads; they stand in the last part.
    """
    parts = _parts(table, cells, spread)
    floats = []
    for n, metrics in enumerate(parts, 1):
        more, of = ("", "") if len(parts) == 1 else (f"-{n}", f" Part {n} of {len(parts)}.")
        lines = [
            r"\begin{table}[p]" if len(parts) > 1 else r"\begin{table}",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{escaped(note + of)}}}",
            rf"\label{{tab:{table.name}{more}}}",
            *_tabular(table, metrics, cells, facts if n == len(parts) else {}, spread),
            r"\end{table}",
        ]
        floats.append("\n".join(lines))
    return "\n".join(floats) + "\n"


def _parts(table: Table, cells: Cells, spread: Spread) -> list[list[Metric]]:
    """Part the metrics so that a line has room for each part."""
    first = max(len(fuser.shown) for fuser in table.fusers)
    parts: list[list[Metric]] = []
    left = 0
    for metric in table.metrics:
        texts = [_cell(cells[fuser.label, metric.label], metric, spread) for fuser in table.fusers]
        width = 2 + max(_room(_head(metric)), *(sum(map(_room, text)) for text in texts))
        if not parts or width > left:
            parts.append([])
            left = ROOM - first
        parts[-1].append(metric)
        left -= width
    return parts


def _room(text: str) -> int:
    """Count the characters that are seen; a command is none, or one."""
    return len(
        re.sub(r"\\(textbf|textit|underline|,)|[{}$\\]", "", text.replace(r"\pm", "+-").replace(r"\uparrow", "^"))
    )


def _tabular(
    table: Table, metrics: list[Metric], cells: Cells, facts: Mapping[str, Sequence[str]], spread: Spread
) -> list[str]:
    counts = [len(table.pairs) - cells[fuser.label, table.metrics[0].label].failed for fuser in table.fusers]
    if min(counts) < len(table.pairs):
        facts = {**facts, "pairs": [*map(str, counts)]}
    heads = [rf"\multicolumn{{3}}{{c}}{{{_head(metric)}}}" for metric in metrics]
    columns = "l" + "r@{}r@{}r" * len(metrics) + "r" * len(facts)
    lines = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(["Method", *heads, *map(escaped, facts)]) + r" \\",
        r"\midrule",
    ]
    for index, fuser in enumerate(table.fusers):
        if index and table.fusers[index - 1].trivial and not fuser.trivial:
            lines.append(r"\midrule")
        row = [escaped(fuser.shown)]
        for metric in metrics:
            row += _cell(cells[fuser.label, metric.label], metric, spread)
        lines.append(" & ".join([*row, *(escaped(column[index]) for column in facts.values())]) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _head(metric: Metric) -> str:
    unit = f" ({escaped(metric.unit)})" if metric.unit else ""
    return f"{escaped(metric.label)}{ARROWS[metric.higher_is_better]}{unit}"


def _cell(cell: Cell, metric: Metric, spread: Spread) -> tuple[str, str, str]:
    """Give the mean, its spread and the published number."""
    if cell.failed and cell.mean != cell.mean and not cell.nans:
        return "failed", "", ""
    mean = f"{cell.mean:z.{metric.digits}f}"
    command = "textbf" if cell.best else "textit" if cell.best_method else "underline" if cell.second else ""
    width = cell.spread(spread)
    around = "" if width is None else rf"\,$\pm$\,{width:.{metric.digits}f}"
    undefined = f" ({cell.nans} NaN)" if cell.nans else ""
    printed = "" if cell.published is None else rf"\,/\,{cell.published:.{metric.digits}f}"
    return rf"\{command}{{{mean}}}" if command else mean, around + undefined, printed


def escaped(text: str) -> str:
    """Escape what LaTeX would take for a command."""
    specials = {
        **{c: f"\\{c}" for c in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "±": r"$\pm$",
    }
    return "".join(specials.get(c, c) for c in text)
