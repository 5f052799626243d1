"""Which method is best, and is the difference real? The ranks of a run's methods, their intervals and the tests."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
from fusebench.reports import figures, tables
from fusebench.reports.results import Results, Table
from fusebench.reports.statistics import CONFIDENCE, Ranking, by_case, differences, ranking, refusal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Ranked = Mapping[str, list[Ranking]]  # of each table, by its name

LONG = 34  # characters, from which on a name is shortened in a diagram


def of(results: Results) -> Ranked:
    """Rank the methods of every table (`rankings`); the bootstrap takes a second for a hundred rankings."""
    return {table.name: rankings(results, table) for table in results.tables}


def write(results: Results, ranked: Ranked, reference: str | None = None) -> list[str]:
    """Write the ranks of each table, `tables/TABLE.ranks.md` and `.csv`, and `figures/ranks-TABLE.png` and `.pdf`.

    Nothing of a table with fewer than two cases or two methods that are complete (`statistics.Cell`). The CSV has every
    metric that has a direction; the text and the figure have those that are printed.

    Parameters
    ----------
    results
        The run.
    ranked
        Its rankings, `of(results)`.
    reference
        Label of a method; each other one's p-value against it is printed.

    Returns
    -------
    list of str
        The texts, as Markdown.

    Raises
    ------
    ValueError
        If no table has a method of the reference's label.
    """
    known = [fuser.label for table in results.tables for fuser in table.fusers if not fuser.trivial]
    if reference is not None and reference not in known:
        raise ValueError(f"--reference {reference}: no method; there are {', '.join(dict.fromkeys(known))}")
    texts = []
    for table in results.tables:
        found = ranked[table.name]
        if shown := [r for r in found if r.metric in table.shown]:
            frame(found).to_csv(results.folder / "tables" / f"{table.name}.ranks.csv", index=False, lineterminator="\n")
            texts.append(markdown(results, table, shown, reference))
            path = results.folder / "tables" / f"{table.name}.ranks.md"
            path.write_text(texts[-1], encoding="utf-8")
            figures.save(diagram(table, shown[: tables.WIDE]), results, f"ranks-{table.name}")
    return texts


def rankings(results: Results, table: Table) -> list[Ranking]:
    """Rank the methods of a table by each metric that has a direction; none of fewer than two cases or methods."""
    found = []
    for metric in table.metrics:
        scores = by_case(results, table, metric)
        if metric.higher_is_better is not None and min(scores.shape) > 1:
            found.append(ranking(scores, metric))
    return found


def frame(found: list[Ranking]) -> pd.DataFrame:
    """Lay rankings out as data: a row for each method and metric."""
    rows = [
        {
            "metric": r.metric.label,
            "fuser": fuser,
            "rank": r.rank(fuser),
            "low": r.intervals[fuser][0],
            "high": r.intervals[fuser][1],
            "mean_rank": r.mean_ranks[fuser],
            "cases": r.cases,
            "friedman": r.friedman,
        }
        for r in found
        for fuser in map(str, r.mean_ranks.index)
    ]
    return pd.DataFrame(rows)


def markdown(results: Results, table: Table, found: list[Ranking], reference: str | None = None) -> str:
    """Lay the ranks of a table out, a column for each metric, and say what the tests found."""
    untested = _untested(found, reference)
    against = [] if untested else [r for r in found if reference in r.mean_ranks]
    cases = sorted({r.cases for r in found})
    note = (
        f"Ranks over {' to '.join(map(str, dict.fromkeys((cases[0], cases[-1]))))} cases; in brackets the "
        f"{CONFIDENCE:.0%} interval when cases are drawn anew. Methods whose intervals overlap are level."
    )
    if against:
        note += f" p: that a method differs from {tables.escaped(str(reference))} (Wilcoxon, Holm's correction)."
    by_metric = {r.metric: r for r in found}
    parts = [
        (f"**{family.capitalize()}**\n\n" if family else "")
        + _columns(results, part, [by_metric[metric] for metric in part.metrics], None if untested else reference)
        for family, part in tables.families(table._replace(metrics=tuple(by_metric)))
    ]
    said: dict[str, list[str]] = {}
    if friedman := [f"{tables.escaped(r.metric.label)} p = {r.friedman:.2g}" for r in found if r.friedman is not None]:
        said[", ".join(friedman)] = ["Friedman's test that all methods are alike"]
    for r in found:
        said.setdefault(_compared(table, r), []).append(tables.escaped(r.metric.label))
    if untested:
        said.setdefault(untested, []).append(f"against {tables.escaped(str(reference))}")
    sentences = "\n".join(f"- {', '.join(names)}: {sentence}." for sentence, names in said.items())
    title = tables.escaped(f"Ranks in {tables.numbered(table.name)}: {table.title}")
    return "\n\n".join([f"### {title}", note, *parts, sentences]) + "\n"


def _columns(results: Results, table: Table, found: list[Ranking], reference: str | None) -> str:
    from tabulate import tabulate

    titles = {fuser.label: fuser.title for fuser in table.fusers}
    methods = [fuser.label for fuser in table.fusers if any(fuser.label in r.mean_ranks for r in found)]
    against = [r for r in found if reference in r.mean_ranks]
    headers = ["method", *(r.metric.label for r in found), *(f"p, {r.metric.label}" for r in against)]
    columns = [{fuser: rank(r, fuser) for fuser in map(str, r.mean_ranks.index)} for r in found]
    columns += [_against(results, table, r, str(reference)) for r in against]
    return tabulate(
        [[tables.escaped(titles[fuser]), *(column.get(fuser, "") for column in columns)] for fuser in methods],
        headers=[tables.escaped(head) for head in headers],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=("left", *["right"] * (len(headers) - 1)),
    )


def rank(found: Ranking, fuser: str) -> str:
    """Give a method's rank, and its interval where that is wider."""
    low, high = found.intervals[fuser]
    return f"{found.rank(fuser)} ({low} to {high})" if low < high else f"{found.rank(fuser)}"


def _untested(found: list[Ranking], reference: str | None) -> str:
    """Say why the reference is not tested against the others of this table; "" where it is, or there is none."""
    if reference is None:
        return ""
    counts = [(r.cases, len(r.mean_ranks) - 1) for r in found if reference in r.mean_ranks]
    return refusal(*max(counts)) if counts else "it is not ranked here"


def _against(results: Results, table: Table, found: Ranking, reference: str) -> dict[str, str]:
    """Give the p-value of each method against one, corrected for these tests alone."""
    others = [fuser for fuser in map(str, found.mean_ranks.index) if fuser != reference]
    p = differences(by_case(results, table, found.metric), [(reference, other) for other in others])
    return {other: f"{value:.2g}" for (_, other), value in p.items()}


def _compared(table: Table, found: Ranking) -> str:
    """Say what the tests of each two methods found for one metric."""
    if found.refused:
        return found.refused
    titles = {fuser.label: tables.escaped(fuser.title) for fuser in table.fusers}
    groups = [" = ".join(titles[fuser] for fuser in group) for group in found.groups()]
    alike = f"no significant difference among {'; '.join(groups)}" if groups else "every two methods differ"
    return f"{alike} (Wilcoxon, Holm's correction)"


def diagram(table: Table, found: list[Ranking]) -> "Figure":
    """Draw a critical-difference diagram for each metric, one below the other (J. Demsar, 2006).

    Methods stand at their mean ranks. A bar joins neighbours of which
    no two differ significantly; there are no bars where nothing could be tested, and the panel says so.
    """
    count = max(len(r.mean_ranks) for r in found)
    figure = figures.figure_of(7, (0.9 + 0.13 * count) * len(found) + 0.4)
    axes = figure.subplots(len(found), 1, squeeze=False).ravel()
    for ax, r in zip(axes, found, strict=True):
        _diagram(ax, r, {fuser.label: fuser.title for fuser in table.fusers})
    figure.suptitle(f"Mean ranks, {table.title}", fontsize=10, parse_math=False)
    return figure


def _short(title: str) -> str:
    """Leave the middle of a long name away, so that the diagram has room beside it.

    Examples
    --------
    >>> _short("nsct"), _short("multiscale[transform=laplacian,high=maximum]")
    ('nsct', 'multiscale[tran...an,high=maximum]')
    """
    return title if len(title) <= LONG else f"{title[: LONG // 2 - 2]}...{title[1 - LONG // 2 :]}"


def _diagram(ax: "Axes", found: Ranking, titles: dict[str, str]) -> None:
    order = [*map(str, found.mean_ranks.index)]
    count = len(order)
    half = (count + 1) // 2
    ax.set(xlim=(0.2, count + 0.8), ylim=(-half - 0.9, 1.2))
    ax.axis("off")
    ax.plot([1, count], [0, 0], color="black", linewidth=1)
    for tick in range(1, count + 1):
        ax.plot([tick, tick], [0, 0.18], color="black", linewidth=1)
        ax.text(tick, 0.25, str(tick), ha="center", va="bottom", fontsize=7)
    for place, fuser in enumerate(order):
        left = place < half
        depth = -(place + 1 if left else count - place) - 0.3
        at, end = float(found.mean_ranks[fuser]), 0.6 if left else count + 0.4
        ax.plot([at, at, end], [0, depth, depth], color="0.4", linewidth=0.8)
        text = f"{_short(titles[fuser])} {at:.2f}"
        ax.text(
            end + (-0.05 if left else 0.05),
            depth,
            text,
            ha="right" if left else "left",
            va="center",
            fontsize=7,
            parse_math=False,
        )
    for n, group in enumerate(found.groups() if not found.refused else []):
        first, last = float(found.mean_ranks[group[0]]), float(found.mean_ranks[group[-1]])
        level = -0.25 - 0.22 * (n % 3)
        ax.plot([first - 0.04, last + 0.04], [level, level], color=figures.BLUE, linewidth=3, solid_capstyle="butt")
    tested = "" if found.friedman is None else f", Friedman p = {found.friedman:.2g}"
    bars = "too few to test two methods" if found.refused else "bars: no significant difference"
    ax.set_title(
        f"{found.metric.label} ({found.cases} cases{tested}; {bars})", fontsize=8, loc="left", parse_math=False
    )
