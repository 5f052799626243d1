"""Tables as a paper prints them, from the files of a run: Markdown, CSV and LaTeX."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from tabulate import tabulate

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Cell:
    """One method's score over the pairs of a table.

    `mean` is the mean over cases, each case's slices averaged first; `half_width` is that of its confidence
    interval, None with a single case or where a score is infinite. `nans` counts the pairs left out because the metric
    is undefined there, `failed` those of which the method gave no image.

    Means are compared over the same pairs only. So a cell is `complete` if no pair failed and if the score is defined
    on every pair on which that of another row without failures is; `best` is the best complete score of its column,
    `best_method` the best of those that are not trivial rows.
    """

    mean: float
    half_width: float | None
    nans: int
    published: float | None
    failed: int = 0
    complete: bool = True
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
    units, _ = _units(table, pairs)
    real = not any(pairs[dataset][pair]["synthetic"] for dataset, pair in table["pairs"])
    by_image = scores.unstack("metric").reindex(  # noqa: PD010  nothing is averaged
        columns=[metric["label"] for metric in table["metrics"]]
    )
    rows = {
        fuser["label"]: pd.MultiIndex.from_tuples([(*pair, fuser["label"]) for pair in table["pairs"]])
        for fuser in table["fusers"]
    }
    # A file of scores has no line of what failed.
    failed = {label: int((~images.isin(by_image.index)).sum()) for label, images in rows.items()}
    cells: dict[tuple[str, str], Cell] = {}
    for metric in table["metrics"]:
        values = {label: by_image[metric["label"]].reindex(images).to_numpy() for label, images in rows.items()}
        complete = _complete({label: row for label, row in values.items() if not failed[label]})
        column = {
            label: replace(
                _cell(row, units, failed[label]),
                published=table["published"].get(label, {}).get(metric["label"]) if real else None,
                complete=label in complete,
            )
            for label, row in values.items()
        }
        methods = {f["label"]: column[f["label"]] for f in table["fusers"] if not f["trivial"]}
        best, best_method = _best(column, metric), _best(methods, metric)
        for label, cell in column.items():
            marks = {"best": label in best, "best_method": label in best_method}
            cells[label, metric["label"]] = replace(cell, **marks)
    return cells


def _units(table: dict[str, Any], pairs: dict[str, Any]) -> tuple[list[str], str]:
    """Give what each pair counts as in a mean, and what that is: its case, or itself where a case is not known."""
    cases = [(dataset, pair, pairs[dataset][pair]["case"]) for dataset, pair in table["pairs"]]
    if any(case is None for _, _, case in cases):
        return [f"{dataset}/{pair}" for dataset, pair, _ in cases], "pair"
    return [f"{dataset}/{case}" for dataset, _, case in cases], "case"


def _complete(whole: dict[str, npt.NDArray[np.float64]]) -> set[str]:
    """Give the rows, of those without failures, that are defined wherever one of them is."""
    defined = {label: ~np.isnan(row) for label, row in whole.items()}
    wanted = np.any(list(defined.values()), axis=0)
    return {label for label, row in defined.items() if row[wanted].all()}


def _cell(values: npt.NDArray[np.float64], units: list[str], failed: int) -> Cell:
    from scipy.stats import t

    by_unit = pd.Series(values).groupby(units).mean().dropna()
    cell = Cell(float(by_unit.mean()), None, int(np.isnan(values).sum()) - failed, None, failed)
    count = len(by_unit)
    if count < 2 or not np.isfinite(by_unit).all():
        return cell
    # Student's t over cases: their means are independent, slices of one case are not.
    half_width = t.ppf((1 + CONFIDENCE) / 2, count - 1) * by_unit.std(ddof=1) / np.sqrt(count)
    return replace(cell, half_width=float(half_width))


def _best(column: dict[str, Cell], metric: dict[str, Any]) -> set[str]:
    """Fusers whose complete score, as printed, is the best of the column; none where the metric has no direction."""
    if metric["higher_is_better"] is None:
        return set()
    sign = 1 if metric["higher_is_better"] else -1
    printed = {f: sign * round(cell.mean, metric["digits"]) for f, cell in column.items() if cell.complete}
    top = max((value for value in printed.values() if not np.isnan(value)), default=None)
    return {fuser for fuser, value in printed.items() if value == top}


def caption(table: dict[str, Any], pairs: dict[str, Any], cells: dict[tuple[str, str], Cell]) -> str:
    """Say what the numbers rest on and what the marks mean."""
    infos = [(dataset, pairs[dataset][pair]) for dataset, pair in table["pairs"]]
    units, unit = _units(table, pairs)
    nature = "synthetic " if any(info["synthetic"] for _, info in infos) else ""
    one = f" ({'/'.join(table['pairs'][0])})" if len(infos) == 1 else ""
    parts = [f"{_count(len(infos), nature + 'pair')}{one}"]
    if unit == "case":
        parts[0] += f", {_count(len(set(units)), unit)}"
    if any(cell.half_width is not None for cell in cells.values()):
        parts[0] += f"; mean ± {CONFIDENCE:.0%} confidence interval over {unit}s"
    if any(cell.published is not None for cell in cells.values()):
        parts.append("Cells read ours / published")
    marks = "Bold: best of the column"
    if any(cell.best_method and not cell.best for cell in cells.values()):
        marks += "; italic: best method where a trivial row (set apart at the top) does better"
    if not all(cell.complete for cell in cells.values()):
        marks += "; a row without a score that others have is not marked"
    missing = [
        f"{fuser['label']} failed on {len(infos) - count} of {_count(len(infos), 'pair')}"
        for fuser, count in zip(table["fusers"], _counts(table, cells), strict=True)
        if count < len(infos)
    ]
    if missing:
        missing[-1] += ", which its mean leaves out (failures.csv)"
    return ". ".join([*parts, marks, *missing]) + "."


def _counts(table: dict[str, Any], cells: dict[tuple[str, str], Cell]) -> list[int]:
    """Give the number of pairs that each row has an image of: in every column the same."""
    metric = table["metrics"][0]["label"]
    return [len(table["pairs"]) - cells[fuser["label"], metric].failed for fuser in table["fusers"]]


def _pairs(table: dict[str, Any], cells: dict[tuple[str, str], Cell]) -> list[str]:
    """Give the column of these numbers, head and rows; an empty one where every row has every pair."""
    counts = _counts(table, cells)
    return ["pairs", *map(str, counts)] if min(counts) < len(table["pairs"]) else []


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
    counts = _pairs(table, cells)
    headers = [
        "method",
        *(f"{_mark_down(m['label'])}{_arrow(m)}" + (f" ({m['unit']})" if m["unit"] else "") for m in table["metrics"]),
        *counts[:1],
    ]
    rows = []
    for n, fuser in enumerate(table["fusers"], 1):
        label = _mark_down(fuser["label"])
        row = [f"({label})" if fuser["trivial"] else label]
        for metric in table["metrics"]:
            cell = cells[fuser["label"], metric["label"]]
            mark = "**" if cell.best else "_" if cell.best_method else ""
            row.append(f"{mark}{_ours(cell, metric, ' ± ')}{mark}{_others(cell, metric)}")
        rows.append([*row, *counts[n : n + 1]])
    return tabulate(
        rows,
        headers=headers,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=("left", *["right"] * (len(headers) - 1)),
    )


def latex(table: dict[str, Any], cells: dict[tuple[str, str], Cell], note: str, name: str) -> str:
    """Lay a table out for LaTeX with the package booktabs."""
    counts = _pairs(table, cells)
    arrows = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}
    heads = [
        *(
            f"{_escape(m['label'])}{arrows[m['higher_is_better']]}" + (f" ({_escape(m['unit'])})" if m["unit"] else "")
            for m in table["metrics"]
        ),
        *counts[:1],
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
        lines.append(" & ".join([*row, *counts[index + 1 : index + 2]]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def frame(table: dict[str, Any], cells: dict[tuple[str, str], Cell]) -> pd.DataFrame:
    """Lay a table out as data: one row for each fuser and metric, no rounding."""
    rows = []
    for fuser, count in zip(table["fusers"], _counts(table, cells), strict=True):
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
                    "pairs": count,
                    "complete": cell.complete,
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
    return f"{cell.mean:z.{digits}f}{spread}{undefined}"


def _others(cell: Cell, metric: dict[str, Any]) -> str:
    return "" if cell.published is None else f" / {cell.published:.{metric['digits']}f}"


def _arrow(metric: dict[str, Any]) -> str:
    return {True: " ↑", False: " ↓", None: ""}[metric["higher_is_better"]]


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
