"""Means over the pairs of a table, their confidence intervals, and the best of each column."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from fusebench.reports.results import Metric, Results, Table

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Cell:
    """One method's score over the pairs of a table.

    `mean` is the mean over cases, each case's slices averaged first; `half_width` is that of its confidence
    interval, None with a single case or where a score is infinite. `nans` counts the pairs left out because the metric
    is undefined there or raised an error, `failed` those of which the method gave no image.

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


Cells = dict[tuple[str, str], Cell]  # by the labels of fuser and metric


def aggregate(results: Results, table: Table) -> Cells:
    """Give every (fuser, metric) of a table its cell."""
    counted, _ = units(results, table)
    real = not any(results.pairs[pair].synthetic for pair in table.pairs)
    by_image = results.scores.unstack("metric").reindex(  # noqa: PD010  nothing is averaged
        columns=[metric.label for metric in table.metrics]
    )
    rows = {
        fuser.label: pd.MultiIndex.from_tuples([(*pair, fuser.label) for pair in table.pairs]) for fuser in table.fusers
    }
    without_image = {failure[:3] for failure in results.failures if not failure.metric}
    failed = {label: int(images.isin(without_image).sum()) for label, images in rows.items()}
    cells: Cells = {}
    for metric in table.metrics:
        values = {label: by_image[metric.label].reindex(images).to_numpy() for label, images in rows.items()}
        complete = _complete({label: row for label, row in values.items() if not failed[label]})
        column = {
            label: replace(
                _cell(row, counted, failed[label]),
                published=table.published.get(label, {}).get(metric.label) if real else None,
                complete=label in complete,
            )
            for label, row in values.items()
        }
        methods = {f.label: column[f.label] for f in table.fusers if not f.trivial}
        best, best_method = _best(column, metric), _best(methods, metric)
        for label, cell in column.items():
            marks = {"best": label in best, "best_method": label in best_method}
            cells[label, metric.label] = replace(cell, **marks)
    return cells


def units(results: Results, table: Table) -> tuple[list[str], str]:
    """Give each pair's unit in a mean, and the word for it: its case, or the pair itself where cases are unknown."""
    cases = [(dataset, pair, results.pairs[dataset, pair].case) for dataset, pair in table.pairs]
    if any(case is None for _, _, case in cases):
        return [f"{dataset}/{pair}" for dataset, pair, _ in cases], "pair"
    return [f"{dataset}/{case}" for dataset, _, case in cases], "case"


def _complete(whole: dict[str, npt.NDArray[np.float64]]) -> set[str]:
    """Give the rows that have a score on every pair on which some row has one; `whole` holds rows without failures."""
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


def _best(column: dict[str, Cell], metric: Metric) -> set[str]:
    """Fusers whose complete score, as printed, is the best of the column; none where the metric has no direction."""
    if metric.higher_is_better is None:
        return set()
    sign = 1 if metric.higher_is_better else -1
    printed = {f: sign * round(cell.mean, metric.digits) for f, cell in column.items() if cell.complete}
    top = max((value for value in printed.values() if not np.isnan(value)), default=None)
    return {fuser for fuser, value in printed.items() if value == top}
