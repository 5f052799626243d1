"""Means over the pairs of a table with their intervals, ranks with theirs, and whether a difference is significant.

The unit is the case: a case's slices are averaged first, since they are not independent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from fusebench.reports.results import Metric, Results, Table

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE  # below it a difference is called significant
RESAMPLES = 10_000  # of the bootstrap; with so many an interval's ends are the same whatever the seed


Spread = Literal["interval", "deviation", "none"]  # what follows a mean and a ±


@dataclass(frozen=True)
class Cell:
    """One method's score over the pairs of a table.

    `mean` is the mean over cases, each case's slices averaged first; `half_width` is that of its confidence
    interval and `deviation` the standard deviation over cases, None with a single case or where a score is infinite.
    `nans` counts the pairs left out because the metric
    is undefined there or raised an error, `failed` those of which the method gave no image.

    Means are compared over the same pairs only. So a cell is `complete` if no pair failed and if the score is defined
    on every pair on which that of another row without failures is; `best` is the best complete score of its column,
    `best_method` the best of those that are not trivial rows, and `second` the next best of those.
    """

    mean: float
    half_width: float | None
    nans: int
    published: float | None
    failed: int = 0
    complete: bool = True
    best: bool = False
    best_method: bool = False
    second: bool = False
    deviation: float | None = None

    def spread(self, spread: Spread) -> float | None:
        """Give what follows the mean and a ±, if there is such a thing."""
        return {"interval": self.half_width, "deviation": self.deviation, "none": None}[spread]


Cells = dict[tuple[str, str], Cell]  # by the labels of fuser and metric


def aggregate(results: Results, table: Table) -> Cells:
    """Give every (fuser, metric) of a table its cell."""
    counted, _ = units(results, table)
    real = not any(results.pairs[pair].synthetic for pair in table.pairs)
    scores = results.values(table)
    without_image = {failure[:3] for failure in results.failures if not failure.metric}
    failed = {fuser.label: sum((*pair, fuser.label) in without_image for pair in table.pairs) for fuser in table.fusers}
    cells: Cells = {}
    for metric, column_of in zip(table.metrics, np.moveaxis(scores, 2, 0), strict=True):
        values = {fuser.label: row for fuser, row in zip(table.fusers, column_of, strict=True)}
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
        second = _best({label: cell for label, cell in methods.items() if label not in best_method}, metric)
        for label, cell in column.items():
            marks = {"best": label in best, "best_method": label in best_method, "second": label in second}
            cells[label, metric.label] = replace(cell, **marks)
    return cells


def units(results: Results, table: Table) -> tuple[list[str], str]:
    """Give each pair's unit in a mean, and the word for it: its case, or the pair itself where cases are unknown."""
    cases = [(kind, pair, results.pairs[kind, pair].case) for kind, pair in table.pairs]
    if any(case is None for _, _, case in cases):
        return [f"{kind}/{pair}" for kind, pair, _ in cases], "pair"
    return [f"{kind}/{case}" for kind, _, case in cases], "case"


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
    deviation = float(by_unit.std(ddof=1))
    half_width = t.ppf((1 + CONFIDENCE) / 2, count - 1) * deviation / np.sqrt(count)
    return replace(cell, half_width=float(half_width), deviation=deviation)


def _best(column: dict[str, Cell], metric: Metric) -> set[str]:
    """Fusers whose complete score, as printed, is the best of the column; none where the metric has no direction."""
    if metric.higher_is_better is None:
        return set()
    sign = 1 if metric.higher_is_better else -1
    printed = {f: sign * round(cell.mean, metric.digits) for f, cell in column.items() if cell.complete}
    top = max((value for value in printed.values() if not np.isnan(value)), default=None)
    return {fuser for fuser, value in printed.items() if value == top}


@dataclass(frozen=True)
class Ranking:
    """The methods of a table in the order of one metric, the best first.

    Only complete rows are ranked (`Cell`), and no trivial ones. A method's rank is that of its mean rank over cases; in
    each case 1 is the best, and equal scores share the mean of their ranks.

    Attributes
    ----------
    metric
        The metric.
    mean_ranks
        Mean rank of each method over the cases, in ascending order.
    intervals
        For each method the interval of its rank: from the 2.5 to the 97.5 percentile of its ranks when cases are drawn
        anew with replacement.
    cases
        Number of cases.
    friedman
        p-value of Friedman's test that all methods are alike; None where it could not be significant.
    differs
        For each two methods, in the order of `mean_ranks`, the p-value of Wilcoxon's signed-rank test over the cases,
        corrected for the number of tests by Holm's method; empty where none could be significant.
    refused
        Why no two methods were tested; "" where they were.
    """

    metric: Metric
    mean_ranks: "pd.Series[float]"
    intervals: dict[str, tuple[int, int]]
    cases: int
    friedman: float | None
    differs: dict[tuple[str, str], float]
    refused: str

    def rank(self, fuser: str) -> int:
        """Give the rank of a method: 1 and the number of methods with a smaller mean rank."""
        return 1 + int((self.mean_ranks < self.mean_ranks[fuser] - 1e-9).sum())

    def level(self, fuser: str, other: str) -> bool:
        """Say whether the intervals of two ranks overlap."""
        (low, high), (other_low, other_high) = self.intervals[fuser], self.intervals[other]
        return low <= other_high and other_low <= high

    def groups(self) -> list[list[str]]:
        """Give the largest runs of neighbouring methods of which no two differ significantly; none of a single method.

        A run that holds two methods which differ is never given, even if neither differs from those between them.
        """
        order: list[str] = [*map(str, self.mean_ranks.index)]

        def alike(run: list[str]) -> bool:
            return all(self.differs.get(pair, 1.0) > ALPHA for pair in combinations(run, 2))

        runs = [
            order[start : max(stop for stop in range(start + 1, len(order) + 1) if alike(order[start:stop]))]
            for start in range(len(order))
        ]
        return [run for n, run in enumerate(runs) if len(run) > 1 and (n == 0 or run[-1] != runs[n - 1][-1])]


def by_case(results: Results, table: Table, metric: Metric) -> pd.DataFrame:
    """Give the scores of the complete methods of a table, a row for each case, a column for each method.

    A case on which the metric is undefined for every method is left out.
    """
    counted, _ = units(results, table)
    column = table._replace(metrics=(metric,))
    cells = aggregate(results, column)
    scores = pd.DataFrame(results.values(column)[:, :, 0].T, columns=[fuser.label for fuser in table.fusers])
    kept = [f.label for f in table.fusers if not f.trivial and cells[f.label, metric.label].complete]
    return scores[kept].groupby(counted, sort=False).mean().dropna()


def ranking(scores: pd.DataFrame, metric: Metric) -> Ranking:
    """Rank methods by one metric, and test whether they differ.

    Parameters
    ----------
    scores
        A row for each case, a column for each method (`by_case`).
    metric
        One whose scores have a direction.

    Raises
    ------
    ValueError
        If the metric has none.

    Notes
    -----
    M. Friedman, 1937; F. Wilcoxon, 1945, two-sided; S. Holm, 1979; all as J. Demsar, Statistical comparisons of
    classifiers over multiple data sets, J. Machine Learning Research 7 (2006), advises. With n cases the p-value of
    Wilcoxon's test is at least 2^(1 - n), and Holm's method multiplies the smallest by the number of tests; Friedman's
    statistic of k methods is at most n (k - 1). Where a p-value could not fall to 0.05 nothing is tested.
    """
    if metric.higher_is_better is None:
        raise ValueError(f"{metric.label}: no value is better than another, so nothing can be ranked by it")
    ranks = scores.rank(axis=1, ascending=not metric.higher_is_better)
    mean = ranks.mean().sort_values(kind="stable")
    refused = refusal(len(scores), math.comb(len(mean), 2))
    return Ranking(
        metric,
        mean,
        _intervals(ranks[mean.index]),
        len(scores),
        _friedman(scores),
        {} if refused else differences(scores[mean.index], [*combinations(mean.index, 2)]),
        refused,
    )


def differences(scores: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """Give for each two methods the p-value that they differ: Wilcoxon's two-sided test, corrected by Holm's method."""
    from scipy.stats import wilcoxon

    def p(one: str, other: str) -> float:
        difference = (scores[one] - scores[other]).to_numpy()
        return float(wilcoxon(difference).pvalue) if np.any(difference) else 1.0

    found = {pair: p(*pair) for pair in pairs}
    corrected, least = {}, 0.0
    for n, pair in enumerate(sorted(found, key=lambda pair: found[pair])):
        least = max(least, min(1.0, (len(found) - n) * found[pair]))
        corrected[pair] = least
    return corrected


def critical_difference(methods: int, cases: int) -> float:
    """Give the difference of mean ranks that is significant by Nemenyi's test (P. Nemenyi, 1963) at 5 %.

    Examples
    --------
    >>> round(critical_difference(4, 14), 2)  # Demsar 2006, section 3.2.4
    1.25
    """
    from scipy.stats import studentized_range

    q = studentized_range.ppf(CONFIDENCE, methods, math.inf) / math.sqrt(2)
    return float(q * math.sqrt(methods * (methods + 1) / (6 * cases)))


def _friedman(scores: pd.DataFrame) -> float | None:
    from scipy.stats import chi2, friedmanchisquare

    cases, methods = scores.shape
    if methods < 3 or chi2.sf(cases * (methods - 1), methods - 1) > ALPHA:
        return None
    if scores.nunique(axis=1).max() == 1:  # every case is a tie
        return 1.0
    return float(friedmanchisquare(*(scores[fuser] for fuser in scores)).pvalue)


def refusal(cases: int, tests: int) -> str:
    """Say why so many of Wilcoxon's tests over so many cases could not be significant; "" where one could.

    Examples
    --------
    >>> refusal(5, 1)
    "over 5 independent cases Wilcoxon's test cannot give a p-value below 0.062, so no two methods are tested"
    >>> refusal(6, 1)
    ''
    """
    least = tests * 2.0 ** (1 - cases)
    if least <= ALPHA:
        return ""
    corrected = "" if tests == 1 else f", corrected for {tests} tests,"
    return (
        f"over {cases} independent cases Wilcoxon's test{corrected} cannot give a p-value below {min(1.0, least):.2g}, "
        "so no two methods are tested"
    )


def _intervals(ranks: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Give the interval of each method's rank over bootstrap samples of the cases, the same for every method."""
    from scipy.stats import rankdata

    if ranks.empty:
        return {}
    cases = len(ranks)
    times_drawn = np.random.default_rng(0).multinomial(cases, np.full(cases, 1 / cases), size=RESAMPLES)
    means = (times_drawn @ ranks.to_numpy() / cases).round(9)  # equal means are equal, whatever their rounding
    places = rankdata(means, method="min", axis=1)
    low, high = np.quantile(places, [ALPHA / 2, 1 - ALPHA / 2], axis=0, method="nearest")
    return {str(fuser): (int(a), int(b)) for fuser, a, b in zip(ranks, low, high, strict=True)}
