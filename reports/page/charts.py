"""The charts of the page, each an SVG in a data URI: it can be saved, and its names meet no other chart's."""

import base64
import io
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from fusebench.reports import figures, ranks
from fusebench.reports.results import Metric, Results, Table
from fusebench.reports.statistics import Ranking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEW = 3  # metrics that a chart of several panels shows


class Chart(NamedTuple):
    """A chart: the name of its file, what it shows, and the data URI."""

    name: str
    title: str
    uri: str


def of_table(results: Results, table: Table, found: list[Ranking]) -> list[Chart]:
    """Draw ranks, what differs, scores by pair, and how metrics go together; `found` are the rankings to show."""
    drawn = []
    if found:
        drawn.append(chart(f"ranks-{table.name}", "Ranks and their 95 % intervals", intervals(table, found[:FEW])))
        drawn.append(
            chart(f"differences-{table.name}", "Mean ranks and what differs", ranks.diagram(table, found[:FEW]))
        )
    metrics = [metric for metric in table.shown[:FEW] if _values(results, table, metric).notna().any(axis=None)]
    if metrics:
        drawn.append(chart(f"scores-{table.name}", "Score of each pair", strips(results, table, metrics)))
    if metrics and len(results.seconds_of(table)) > 1:
        drawn.append(chart(f"time-{table.name}", "Time and quality", times(results, table, metrics)))
    together = correlations(results, table)
    if len(together) > 1:
        drawn.append(chart(f"metrics-{table.name}", "Which metrics say the same", matrix(together)))
    return drawn


def chart(name: str, title: str, figure: "Figure") -> Chart:
    """Make a chart of a figure. The same figure gives the same bytes."""
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "fusebench"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return Chart(name, title, "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode())


def intervals(table: Table, found: list[Ranking]) -> "Figure":
    """Draw the rank of each method with its interval, a panel for each metric, the best on top."""
    titles = {fuser.label: fuser.title for fuser in table.fusers}
    count = max(len(ranking.mean_ranks) for ranking in found)
    figure = figures.figure_of(4.2 * len(found), 0.6 + 0.24 * count)
    for ax, ranking in zip(figure.subplots(1, len(found), squeeze=False).ravel(), found, strict=True):
        methods = [*map(str, ranking.mean_ranks.index)]
        places = np.arange(len(methods))
        low, high = np.array([ranking.intervals[method] for method in methods]).T
        ax.hlines(places, low, high, color=figures.BLUE, linewidth=2)
        ax.plot([ranking.rank(method) for method in methods], places, "o", color=figures.ORANGE, markersize=5)
        ax.set_yticks(places, [titles[method] for method in methods], fontsize=7, parse_math=False)
        ax.set(ylim=(len(methods) - 0.5, -0.5), xlim=(0.5, len(methods) + 0.5))
        ax.set_title(f"{ranking.metric.label}, {ranking.cases} cases", fontsize=9, parse_math=False)
        ax.set_xlabel("rank", fontsize=8)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.tick_params(axis="x", labelsize=7)
        ax.grid(axis="x", color="0.9")
    return figure


def strips(results: Results, table: Table, metrics: list[Metric]) -> "Figure":
    """Draw the score of every pair as a point and their mean as a line, a panel for each metric."""
    figure = figures.figure_of(4.2 * len(metrics), 0.6 + 0.24 * len(table.fusers))
    for ax, metric in zip(figure.subplots(1, len(metrics), squeeze=False).ravel(), metrics, strict=True):
        values = _values(results, table, metric).replace([math.inf, -math.inf], math.nan)
        for place, fuser in enumerate(table.fusers):
            scores = values[fuser.label].dropna().to_numpy()
            # Pairs lie side by side in the order of the table, so that none hides another.
            spread = np.linspace(-0.25, 0.25, len(scores)) if len(scores) > 1 else np.zeros(len(scores))
            colour = "0.5" if fuser.trivial else figures.BLUE
            ax.plot(scores, place + spread, "o", color=colour, markersize=2.5, alpha=0.7, markeredgewidth=0)
            if len(scores):
                ax.plot([scores.mean()] * 2, [place - 0.35, place + 0.35], color=figures.ORANGE, linewidth=1.5)
        ax.set_yticks(range(len(table.fusers)), [f.title for f in table.fusers], fontsize=7, parse_math=False)
        ax.set_ylim(len(table.fusers) - 0.5, -0.5)
        ax.set_title(metric.label + (f" ({metric.unit})" if metric.unit else ""), fontsize=9, parse_math=False)
        ax.tick_params(axis="x", labelsize=7)
        ax.grid(axis="x", color="0.9")
    return figure


def times(results: Results, table: Table, metrics: list[Metric]) -> "Figure":
    """Draw the mean score of each method against its seconds for an image, a panel for each metric."""
    figure = figures.figure_of(4.2 * len(metrics), 3.4)
    seconds = results.seconds_of(table)
    for ax, metric in zip(figure.subplots(1, len(metrics), squeeze=False).ravel(), metrics, strict=True):
        scores = _values(results, table, metric).replace([math.inf, -math.inf], math.nan).mean()
        for fuser in table.fusers:
            if fuser.label in seconds and not fuser.trivial and not math.isnan(scores[fuser.label]):
                place = seconds[fuser.label], scores[fuser.label]
                ax.plot(*place, "o", color=figures.BLUE, markersize=4)
                ax.annotate(fuser.title, place, (4, 3), textcoords="offset points", fontsize=6.5, parse_math=False)
        ax.set_xscale("log")
        ax.set_xlabel("seconds per image", fontsize=8)
        ax.set_title(metric.label + (f" ({metric.unit})" if metric.unit else ""), fontsize=9, parse_math=False)
        ax.tick_params(labelsize=7)
        ax.grid(color="0.9")
    return figure


def correlations(results: Results, table: Table) -> pd.DataFrame:
    """Give Spearman's correlation of each two metrics over the methods, within a pair, averaged over the pairs.

    Each metric's sign is such that more is better; metrics without a direction, and those that are constant, are left
    out. Within a pair, since an easy pair raises most scores of every method.
    """
    methods = [fuser for fuser in table.fusers if not fuser.trivial]
    if len(methods) < FEW:
        return pd.DataFrame()
    directed = tuple(metric for metric in table.metrics if metric.higher_is_better is not None)
    labels, signs = [m.label for m in directed], np.array([1 if m.higher_is_better else -1 for m in directed])
    scores = signs * results.values(table._replace(fusers=tuple(methods), metrics=directed))
    total, count = None, None
    for of_pair in np.moveaxis(scores, 1, 0):
        found = pd.DataFrame(of_pair, columns=labels).corr(method="spearman")
        total = found.fillna(0) if total is None else total + found.fillna(0)
        count = found.notna().astype(int) if count is None else count + found.notna().astype(int)
    if total is None or count is None:
        return pd.DataFrame()
    mean = total / count.where(count > 0)
    kept = mean.columns[np.isfinite(np.diag(mean))]
    together: pd.DataFrame = mean.loc[kept, kept]
    return together


def matrix(found: pd.DataFrame) -> "Figure":
    """Draw correlations as squares, -1 orange, 0 white, 1 blue."""
    from matplotlib.colors import LinearSegmentedColormap

    side = 1.6 + 0.22 * len(found)
    figure = figures.figure_of(side + 0.8, side)
    ax = figure.subplots()
    colours = LinearSegmentedColormap.from_list("orange-blue", [figures.ORANGE, "white", figures.BLUE])
    shown = ax.imshow(found.to_numpy(), vmin=-1, vmax=1, cmap=colours)
    ax.set_xticks(range(len(found)), [*map(str, found)], rotation=90, fontsize=6.5, parse_math=False)
    ax.set_yticks(range(len(found)), [*map(str, found)], fontsize=6.5, parse_math=False)
    bar = figure.colorbar(shown, shrink=0.7)
    bar.set_label("Spearman's correlation over methods", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return figure


def losses(results: Results) -> list[Chart]:
    """Draw the least loss so far of each iterative fuser on its first pair; nothing where there is none."""
    if results.losses.empty:
        return []
    figure = figures.figure_of(6.5, 4)
    ax = figure.subplots()
    for fuser, rows in results.losses.groupby("fuser", sort=False):
        first = rows[(rows.kind == rows.kind.iloc[0]) & (rows.pair == rows.pair.iloc[0])]
        ax.semilogy(first.evaluation, first.loss.cummin() / first.loss.iloc[0], linewidth=1, label=str(fuser))
    ax.set_xlabel("evaluation of network and gradient", fontsize=8)
    ax.set_ylabel("least loss so far, relative to the first", fontsize=8)
    ax.tick_params(labelsize=7)
    legend = ax.legend(fontsize=6, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    for text in legend.get_texts():
        text.set_parse_math(False)
    return [chart("losses", "Losses of iterative methods, each on its first pair", figure)]


def _values(results: Results, table: Table, metric: Metric) -> pd.DataFrame:
    """Give scores by one metric, a row for each pair, a column for each fuser."""
    scores = results.values(table._replace(metrics=(metric,)))[:, :, 0]
    return pd.DataFrame(scores.T, columns=[fuser.label for fuser in table.fusers])
