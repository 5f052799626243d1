"""A leaderboard that is a file: methods by metrics, with the intervals of their ranks, from runs of anybody."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from fusebench.reports import ranks
from fusebench.reports.results import Fuser, Metric, Results, Table
from fusebench.reports.statistics import CONFIDENCE, Cells, Ranking, aggregate, by_case, ranking, units
from fusebench.reports.tables import arrow, escaped, ours
from tabulate import tabulate

RANK = ("rank", "low", "high")
# What methods are placed by: the mean of their ranks, of which the least is the best.
PLACE = Metric("mean rank", "", "", False, 2, "mean over metrics of the rank in each case")


def places(results: Results, table: Table, by: Sequence[str]) -> Ranking | None:
    """Place the methods of a table by the mean of their ranks by several metrics.

    In each case methods are ranked by each metric; a method's score in the case is the mean of its ranks. Those scores
    are ranked as any metric's (`statistics.ranking`). A method without a complete score by each metric has no place.

    Returns
    -------
    Ranking or None
        None where there are fewer than two cases or two methods.

    Raises
    ------
    ValueError
        If the table lacks one of the metrics, or it has no direction.
    """
    columns = {metric.label: metric for metric in table.metrics}
    if unknown := [label for label in by if label not in columns or columns[label].higher_is_better is None]:
        raise ValueError(f"{results.folder}: {table.name} has no score by {unknown[0]} that could be ranked")
    scores = {label: by_case(results, table, columns[label]) for label in by}
    methods = [f.label for f in table.fusers if all(f.label in found for found in scores.values())]
    by_metric = [
        found[methods].rank(axis=1, ascending=not columns[label].higher_is_better) for label, found in scores.items()
    ]
    mean = pd.concat(by_metric).groupby(level=0, sort=False).mean()
    return ranking(mean, PLACE) if min(mean.shape) > 1 else None


def frame(results: Results, by: Sequence[str]) -> pd.DataFrame:
    """Lay the board out as data: a row for each kind, method and metric, with its mean and its rank."""
    parts = []
    for table in results.tables:
        cells = aggregate(results, table)
        placed = places(results, table, by)
        rows = [
            {
                "kind": _kind(table),
                "fuser": fuser.label,
                "metric": metric.label,
                "mean": cells[fuser.label, metric.label].mean,
                "place": placed.rank(fuser.label) if placed and fuser.label in placed.intervals else None,
                "pairs": len(table.pairs) - cells[fuser.label, metric.label].nans,
            }
            for metric in table.metrics
            for fuser in table.fusers
        ]
        ranked = ranks.frame(ranks.rankings(results, table)).reindex(columns=["metric", "fuser", *RANK])
        parts.append(pd.DataFrame(rows).merge(ranked, on=["metric", "fuser"], how="left"))
    board = pd.concat(parts, ignore_index=True)
    columns = ["kind", "fuser", "metric", "mean", *RANK, "place", "pairs"]
    return board[columns].astype(dict.fromkeys((*RANK, "place"), "Int64"))


def markdown(results: Results, by: Sequence[str], from_images: Mapping[str, bool]) -> str:
    """Write the board as a page: of each kind the places and the scores, and what the metrics say of the methods.

    Parameters
    ----------
    results
        The runs (`results.merged`).
    by
        Labels of the metrics that place the methods.
    from_images
        By the label of a method, whether it is known by its images alone.
    """
    parts = []
    for table in results.tables:
        cells = aggregate(results, table)
        parts += [f"## {_kind(table)}", _caption(results, table, by), _board(results, table, cells, by, from_images)]
        parts += [f"### What each metric says, {_kind(table)}", _verdicts(table, cells, from_images)]
    return "\n\n".join(parts) + "\n"


def _kind(table: Table) -> str:
    return ", ".join(dict.fromkeys(kind for kind, _ in table.pairs))


def _caption(results: Results, table: Table, by: Sequence[str]) -> str:
    counted, unit = units(results, table)
    synthetic = any(results.pairs[pair].synthetic for pair in table.pairs)
    return (
        f"{len(table.pairs)} {'synthetic ' if synthetic else ''}pairs, {len(set(counted))} {unit}s. A place is that of "
        f"the mean of a method's ranks by {', '.join(by)} in each of them; in brackets the {CONFIDENCE:.0%} interval "
        "when they are drawn anew. It is level with the methods whose intervals overlap its own: these places. Scores "
        "are means; trivial rows, in brackets, have no place."
    )


def _board(results: Results, table: Table, cells: Cells, by: Sequence[str], from_images: Mapping[str, bool]) -> str:
    placed = places(results, table, by)
    columns = {metric.label: metric for metric in table.metrics}
    order = [] if placed is None else [*map(str, placed.mean_ranks.index)]
    rest = [f for f in table.fusers if f.label not in order]
    fusers = [*sorted((f for f in table.fusers if f.label in order), key=lambda f: order.index(f.label)), *rest]
    rows = [
        [
            *_place(placed, fuser.label),
            escaped(fuser.shown),
            "" if fuser.trivial else "images" if from_images.get(fuser.label) else "run",
            *(ours(cells[fuser.label, label], columns[label], "none") for label in by),
        ]
        for fuser in fusers
    ]
    heads = [escaped(f"{label}{arrow(columns[label])}") for label in by]
    return tabulate(
        rows,
        headers=["place", "level with", "method", "from", *heads],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=("right", "right", "left", "left", *["right"] * len(by)),
    )


def _place(placed: Ranking | None, label: str) -> tuple[str, str]:
    if placed is None or label not in placed.intervals:
        return "", ""
    level = [placed.rank(str(other)) for other in placed.mean_ranks.index if placed.level(label, str(other))]
    return ranks.rank(placed, label), f"{min(level)} to {max(level)}" if max(level) > min(level) else ""


def _verdicts(table: Table, cells: Cells, from_images: Mapping[str, bool]) -> str:
    """Say of each metric who is best by it, and how many methods a trivial image beats."""
    trivial = [fuser.label for fuser in table.fusers if fuser.trivial]
    rows = []
    for metric in table.metrics:
        if metric.higher_is_better is None:
            continue
        sign = 1 if metric.higher_is_better else -1
        found = {f.label: cells[f.label, metric.label] for f in table.fusers}
        means = {
            label: sign * cell.mean for label, cell in found.items() if cell.complete and not math.isnan(cell.mean)
        }
        methods = [f for f in table.fusers if not f.trivial and f.label in means]
        if not methods:
            continue
        best = max(methods, key=lambda f: means[f.label])
        winner = max((label for label in trivial if label in means), key=means.__getitem__, default="")
        rows.append(
            [
                escaped(metric.label),
                escaped(best.title),
                *(_losing(methods, means, "maximum", from_images, images=images) for images in (True, False)),
                f"{sum(means[f.label] < means[winner] for f in methods)} of {len(methods)}" if winner else "",
                escaped(winner),
                escaped(metric.source),
            ]
        )
    headers = ["metric", "best method", "images below the maximum", "methods run below it"]
    headers += ["below the best trivial row", "which is", "definition"]
    return tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True)


def _losing(
    methods: Sequence[Fuser], means: Mapping[str, float], trivial: str, from_images: Mapping[str, bool], *, images: bool
) -> str:
    labels = [fuser.label for fuser in methods if from_images.get(fuser.label, False) is images]
    if trivial not in means or not labels:
        return ""
    return f"{sum(means[label] < means[trivial] for label in labels)} of {len(labels)}"
