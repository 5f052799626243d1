"""Tables as a paper prints them, from the files of a run: Markdown, CSV and LaTeX."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tabulate import tabulate

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Cell:
    """One method's score over the pairs of a table.

    `mean` is the mean over cases, each case's slices averaged first; `half_width` is that of its confidence
    interval, None with a single case; `nans` counts the pairs left out because the metric is undefined there, `failed`
    those of which the method gave no image.
    `best` is the best score of its column, `best_method` the best of those that are not trivial rows.
    """

    mean: float
    half_width: float | None
    nans: int
    published: float | None
    failed: int = 0
    best: bool = False
    best_method: bool = False


def write(out: Path) -> list[str]:
    """Write `tables/` into the folder of a run, each table as .md, .csv and .tex; return the Markdown texts."""
    scores = read_scores(out)
    description = json.loads((out / "run.json").read_text(encoding="utf-8"))
    folder = out / "tables"
    folder.mkdir(exist_ok=True)
    texts = []
    for name, table in description["tables"].items():
        cells = aggregate(table, description["pairs"], scores)
        title = f"{numbered(name)}: {table['title']}"
        note = caption(table, description["pairs"], cells)
        texts.append(f"### {_mark_down(title)}\n\n{_mark_down(note)}\n\n{markdown(table, cells)}\n")
        (folder / f"{name}.md").write_text(texts[-1], encoding="utf-8")
        (folder / f"{name}.tex").write_text(latex(table, cells, f"{table['title']}. {note}", name), encoding="utf-8")
        frame(table, cells).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    return texts


def read_scores(out: Path) -> "pd.Series[float]":
    """Read the scores of a run: by dataset, pair, fuser and metric."""
    key = ["dataset", "pair", "fuser", "metric"]
    # A pair may be called "NA" or "007", and is not a missing value or a number.
    table = pd.read_csv(
        out / "scores.csv", dtype=dict.fromkeys(key, str), keep_default_na=False, na_values={"score": ["nan"]}
    )
    return table.set_index(key).score


def aggregate(table: dict[str, Any], pairs: dict[str, Any], scores: "pd.Series[float]") -> dict[tuple[str, str], Cell]:
    """Give every (fuser, metric) of a table its cell."""
    keys = [tuple(key) for key in table["pairs"]]
    cases = [f"{dataset}/{pairs[dataset][pair]['case']}" for dataset, pair in keys]
    real = not any(pairs[dataset][pair]["synthetic"] for dataset, pair in keys)
    cells: dict[tuple[str, str], Cell] = {}
    for metric in table["metrics"]:
        column = {}
        for fuser in table["fusers"]:
            values = [scores.get((*key, fuser["label"], metric["label"])) for key in keys]
            published = table["published"].get(fuser["label"], {}).get(metric["label"]) if real else None
            column[fuser["label"]] = _cell(values, cases, published)
        methods = {f["label"]: column[f["label"]] for f in table["fusers"] if not f["trivial"]}
        best, best_method = _best(column, metric), _best(methods, metric)
        for fuser_label, cell in column.items():
            marks = {"best": fuser_label in best, "best_method": fuser_label in best_method}
            cells[fuser_label, metric["label"]] = replace(cell, **marks)
    return cells


def _cell(values: list[float | None], cases: list[str], published: float | None) -> Cell:
    from scipy.stats import t

    failed = values.count(None)  # a file of scores has no line of what failed
    by_case = pd.Series(values, dtype=float).groupby(cases).mean().dropna()
    count, nans = len(by_case), sum(value is not None and np.isnan(value) for value in values)
    if count < 2:
        return Cell(float(by_case.mean()), None, nans, published, failed)
    # Student's t over cases: their means are independent, slices of one case are not.
    half_width = t.ppf((1 + CONFIDENCE) / 2, count - 1) * by_case.std(ddof=1) / np.sqrt(count)
    return Cell(float(by_case.mean()), float(half_width), nans, published, failed)


def _best(column: dict[str, Cell], metric: dict[str, Any]) -> set[str]:
    """Fusers whose score, as printed, is the best of the column."""
    sign = 1 if metric["higher_is_better"] else -1
    printed = {fuser: sign * round(cell.mean, metric["digits"]) for fuser, cell in column.items()}
    top = max((value for value in printed.values() if not np.isnan(value)), default=None)
    return {fuser for fuser, value in printed.items() if value == top}


def caption(table: dict[str, Any], pairs: dict[str, Any], cells: dict[tuple[str, str], Cell]) -> str:
    """Say what the numbers rest on and what the marks mean."""
    infos = [(dataset, pairs[dataset][pair]) for dataset, pair in table["pairs"]]
    cases = len({(dataset, info["case"]) for dataset, info in infos})
    nature = "synthetic " if any(info["synthetic"] for _, info in infos) else ""
    one = f" ({'/'.join(table['pairs'][0])})" if len(infos) == 1 else ""
    parts = [f"{_count(len(infos), nature + 'pair')}{one}, {_count(cases, 'case')}"]
    if any(cell.half_width is not None for cell in cells.values()):
        parts[0] += f"; mean ± {CONFIDENCE:.0%} confidence interval over cases"
    if any(cell.published is not None for cell in cells.values()):
        parts.append("Cells read ours / published")
    marks = "Bold: best of the column"
    if any(cell.best_method and not cell.best for cell in cells.values()):
        marks += "; italic: best method where a trivial row (set apart at the top) does better"
    # A row has failed on the same pairs in every column.
    failed = {fuser: cell.failed for (fuser, _), cell in cells.items() if cell.failed}
    missing = [f"{fuser} failed on {count} of {_count(len(infos), 'pair')}" for fuser, count in failed.items()]
    if missing:
        missing[-1] += ", which its mean leaves out (failures.csv)"
    return ". ".join([*parts, marks, *missing]) + "."


def numbered(name: str) -> str:
    """Give a table's name as people say it.

    Examples
    --------
    >>> numbered("table2"), numbered("smoke")
    ('Table 2', 'Smoke')
    """
    return f"Table {name.removeprefix('table')}" if name.startswith("table") else name.capitalize()


def markdown(table: dict[str, Any], cells: dict[tuple[str, str], Cell]) -> str:
    """Lay a table out as Markdown, readable as plain text."""
    headers = [
        "method",
        *(f"{_mark_down(m['label'])} {_arrow(m)}" + (f" ({m['unit']})" if m["unit"] else "") for m in table["metrics"]),
    ]
    rows = []
    for fuser in table["fusers"]:
        label = _mark_down(fuser["label"])
        row = [f"({label})" if fuser["trivial"] else label]
        for metric in table["metrics"]:
            cell = cells[fuser["label"], metric["label"]]
            mark = "**" if cell.best else "_" if cell.best_method else ""
            row.append(f"{mark}{_ours(cell, metric, ' ± ')}{mark}{_others(cell, metric)}")
        rows.append(row)
    return tabulate(
        rows,
        headers=headers,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=("left", *["right"] * (len(headers) - 1)),
    )


def latex(table: dict[str, Any], cells: dict[tuple[str, str], Cell], note: str, name: str) -> str:
    """Lay a table out for LaTeX with the package booktabs."""
    arrows = {True: r"$\uparrow$", False: r"$\downarrow$"}
    heads = [
        f"{_escape(m['label'])} {arrows[m['higher_is_better']]}" + (f" ({_escape(m['unit'])})" if m["unit"] else "")
        for m in table["metrics"]
    ]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escape(note)}}}",
        rf"\label{{tab:{name}}}",
        rf"\begin{{tabular}}{{l{'r' * len(heads)}}}",
        r"\toprule",
        " & ".join(["Method", *heads]) + r" \\",
        r"\midrule",
    ]
    for index, fuser in enumerate(table["fusers"]):
        if index and table["fusers"][index - 1]["trivial"] and not fuser["trivial"]:
            lines.append(r"\midrule")
        row = [_escape(fuser["label"])]
        for metric in table["metrics"]:
            cell = cells[fuser["label"], metric["label"]]
            text = _ours(cell, metric, r" $\pm$ ")
            text = rf"\textbf{{{text}}}" if cell.best else rf"\textit{{{text}}}" if cell.best_method else text
            row.append(text + _others(cell, metric))
        lines.append(" & ".join(row) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def frame(table: dict[str, Any], cells: dict[tuple[str, str], Cell]) -> pd.DataFrame:
    """Lay a table out as data: one row for each fuser and metric, no rounding."""
    rows = []
    for fuser in table["fusers"]:
        for metric in table["metrics"]:
            cell = cells[fuser["label"], metric["label"]]
            low, high = (
                (None, None) if cell.half_width is None else (cell.mean - cell.half_width, cell.mean + cell.half_width)
            )
            rows.append(
                {
                    "fuser": fuser["label"],
                    "trivial": fuser["trivial"],
                    "metric": metric["label"],
                    "mean": cell.mean,
                    "low": low,
                    "high": high,
                    "nans": cell.nans,
                    "failed": cell.failed,
                    "pairs": len(table["pairs"]),
                    "best": cell.best,
                    "published": cell.published,
                }
            )
    return pd.DataFrame(rows)


def _ours(cell: Cell, metric: dict[str, Any], plus_minus: str) -> str:
    digits = metric["digits"]
    if cell.failed and np.isnan(cell.mean) and not cell.nans:
        return "failed"
    spread = "" if cell.half_width is None else f"{plus_minus}{cell.half_width:.{digits}f}"
    undefined = f" ({cell.nans} NaN)" if cell.nans else ""
    return f"{cell.mean:.{digits}f}{spread}{undefined}"


def _others(cell: Cell, metric: dict[str, Any]) -> str:
    return "" if cell.published is None else f" / {cell.published:.{metric['digits']}f}"


def _arrow(metric: dict[str, Any]) -> str:
    return "↑" if metric["higher_is_better"] else "↓"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")


def _mark_down(text: str) -> str:
    """Escape what Markdown or HTML would take for more than a name; what they leave alone stays readable."""
    escaped = re.sub(r"([\\`*<>|])|&(?=#?\w+;)|(?<=\])\(|(?<![^\W_])_|_(?![^\W_])", lambda m: f"\\{m[0]}", text)
    return escaped.replace("\n", " ")


def _escape(text: str) -> str:
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
