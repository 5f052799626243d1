"""Does a run rank the methods as the paper did? From the results of a run on real pairs."""

import math

import pandas as pd
from fusebench.reports.results import Metric, Results
from fusebench.reports.statistics import aggregate
from fusebench.reports.tables import numbered

SHOWN = 6  # a longer order is given by its correlation alone


def write(results: Results) -> str:
    """Write `tables/rankings.md` into the folder of a run and return it; nothing, "", without published scores.

    For each table and metric the order of the methods as published and as measured, best first, with the scores, and
    Kendall's rank correlation: 1 where the orders agree, -1 where one is the other reversed. A method whose score is
    not complete (`statistics.Cell`) has no rank.
    """
    from scipy.stats import kendalltau
    from tabulate import tabulate

    rows = []
    for table in results.tables:
        cells = aggregate(results, table)
        for metric in table.metrics:
            both = {
                fuser.label: (cell.published, cell.mean)
                for fuser in table.fusers
                if (cell := cells[fuser.label, metric.label]).published is not None
                and cell.complete
                and not math.isnan(cell.mean)
            }
            if len(both) > 1:
                tau = kendalltau(*zip(*both.values(), strict=True)).statistic
                orders = [_order(pd.Series({k: v[side] for k, v in both.items()}), metric) for side in (0, 1)]
                rows.append([numbered(table.name), metric.label, *orders, f"{tau:+.2f}"])
    if not rows:
        return ""
    headers = ["table", "metric", "published", "measured", "Kendall's tau"]
    aligned = ["left"] * (len(headers) - 1) + ["right"]
    ranked = tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True, colalign=aligned)
    text = f"### Rankings, published and measured\n\n{ranked}\n"
    (results.folder / "tables" / "rankings.md").write_text(text, encoding="utf-8")
    return text


def _order(scores: "pd.Series[float]", metric: Metric) -> str:
    ranked = scores.sort_values(ascending=not metric.higher_is_better)
    if len(ranked) > SHOWN:
        return f"{ranked.index[0]} first, {ranked.index[-1]} last"
    return ", ".join(f"{label} {score:.{metric.digits}f}" for label, score in ranked.items())
