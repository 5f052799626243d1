"""The history of a record as a page: which commit moved which scores, drawn over the commits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fusebench.reports import figures
from fusebench.reports.page import charts

MOST = 40  # scores that are drawn, those that moved most
PER_CHART = 8


class Version(NamedTuple):
    """A version of the record: its commit, the tag on it ("" where there is none), and what moved, a line each."""

    commit: str
    date: str
    subject: str
    tag: str
    moved: Sequence[str]


def page(
    name: str, versions: Sequence[Version], scores: Mapping[str, Sequence[float | None]], drifts: Sequence[str]
) -> str:
    """Give the page as text; it needs nothing beside it.

    Parameters
    ----------
    name
        The record.
    versions
        The oldest first.
    scores
        By its name each score that moved, those that moved most first: its value in each version, None where that
        version lacks it. The first 40 are drawn.
    drifts
        What drifted in small steps, a line each.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fusebench.reports.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = [*scores.items()][:MOST]
    parts = [drawn[start : start + PER_CHART] for start in range(0, len(drawn), PER_CHART)]
    return environment.get_template("history.html").render(
        css=(Path(__file__).parent / "page.css").read_text(encoding="utf-8"),
        name=name,
        versions=[*versions][::-1],
        charts=[_chart(n, versions, dict(part)) for n, part in enumerate(parts, 1)],
        left=len(scores) - len(drawn),
        drifts=drifts,
    )


def _chart(number: int, versions: Sequence[Version], scores: Mapping[str, Sequence[float | None]]) -> charts.Chart:
    """Draw scores over the versions, each relative to its first value."""
    figure = figures.figure_of(11, 4.2)
    ax = figure.subplots()
    for name, values in scores.items():
        first = next((value for value in values if value is not None), 0.0)
        moved = {n: 100 * (value - first) / (abs(first) or 1.0) for n, value in enumerate(values) if value is not None}
        ax.plot([*moved], [*moved.values()], drawstyle="steps-post", marker=".", label=name)
    for n, version in enumerate(versions):
        if version.tag:
            ax.axvline(n, color="0.8", zorder=0)
            ax.text(
                n, 1.0, f" {version.tag}", transform=ax.get_xaxis_transform(), va="bottom", fontsize=7, parse_math=False
            )
    ax.set_xticks(range(len(versions)), [version.commit for version in versions], rotation=90, fontsize=6)
    ax.set_ylabel("change since the first version, %", fontsize=8)
    ax.tick_params(axis="y", labelsize=7)
    ax.grid(axis="y", color="0.9")
    legend = ax.legend(fontsize=6.5, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    for text in legend.get_texts():
        text.set_parse_math(False)
    return charts.chart(f"history-{number}", f"Scores over the versions, part {number}", figure)
