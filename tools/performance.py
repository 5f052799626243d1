"""What `make perf` measured: a table of ratios, the losses against seconds, and how seconds and memory grow."""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from fusebench.reports.figures import figure_of
from tabulate import tabulate

# A row's ratio is taken against the row of its group with this variant.
REFERENCE = "reference"
# A loss within 0.2 % of the reference's last counts as reached.
NEAR = 1.002
COLOURS = {REFERENCE: "#999999", "bounded": "#D55E00"}


def write(measured: Path, out: Path) -> list[Path]:
    """Write the table and the figures of a run of pytest-benchmark into a folder, which is made; return the files.

    `performance.md` holds a row for every benchmark that says its method, size and batch: its least seconds, the ratio
    to the reference of its group, the share of the machine's float32 peak, and the most memory beyond what the process
    had before. Below it, for solvers, when they reached the loss the reference ended with.

    Raises
    ------
    ValueError
        If the file is not pytest-benchmark's.
    """
    try:
        benchmarks = json.loads(measured.read_text(encoding="utf-8"))["benchmarks"]
        said = [b for b in benchmarks if b["extra_info"]]
        rows = [{"group": b["group"], "seconds": b["stats"]["min"], **b["extra_info"]} for b in said]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{measured}: holds no timings of pytest-benchmark ({error})") from error
    if not rows:
        raise ValueError(f"{measured}: holds no timings that say what they are of")
    timings = pd.DataFrame(rows).reindex(columns=COLUMNS)
    out.mkdir(parents=True, exist_ok=True)
    (out / "performance.md").write_text("\n\n".join([_table(timings), *_reached(timings)]) + "\n", encoding="utf-8")
    return [out / "performance.md", *_curves(timings, out), *_growth(timings, out)]


COLUMNS = [
    *("group", "seconds", "method", "what", "variant", "size", "batch"),
    *("share_of_peak", "peak_memory", "curves"),
]


def _table(timings: pd.DataFrame) -> str:
    of_reference = timings[timings.variant == REFERENCE].set_index("group").seconds
    lines = [
        (
            row.method,
            row.what,
            row.variant,
            row.size,
            row.batch,
            f"{row.seconds:.3g}",
            f"{of_reference[row.group] / row.seconds:.2f}" if row.group in of_reference else "",
            "" if pd.isna(row.share_of_peak) else f"{row.share_of_peak:.0%}",
            "" if pd.isna(row.peak_memory) else f"{row.peak_memory / 1e6:.0f}",
        )
        for row in _rows(timings)
    ]
    headers = ("method", "what", "variant", "size", "batch", "seconds", "times as fast", "of peak", "memory, MB")
    return tabulate(lines, headers=headers, tablefmt="pipe", disable_numparse=True)


def _reached(timings: pd.DataFrame) -> list[str]:
    """Say when each solver reached the reference's last loss: over all layers of a row, one after another."""
    lines = []
    for _, group in timings[timings.curves.notna()].groupby("group", sort=False):
        (reference,) = group[group.variant == REFERENCE].curves
        goals = [NEAR * min(losses) for _, losses in reference]
        ends = sum(seconds[-1] for seconds, _ in reference)
        there = sum(map(_first, reference, goals))
        for row in _rows(group):
            reached = sum(map(_first, row.curves, goals))
            last = " ".join(f"{NEAR * min(c[1]) / goal:.3f}" for c, goal in zip(row.curves, goals, strict=True))
            lines.append(
                (row.method, row.variant, f"{reached:.3g}", f"{ends / reached:.2f}", f"{there / reached:.2f}", last)
            )
    if not lines:
        return []
    headers = (
        *("method", "variant", "seconds to the loss", "times as soon as the reference ends"),
        *("as the reference gets there", "last loss, relative"),
    )
    return [tabulate(lines, headers=headers, tablefmt="pipe", disable_numparse=True)]


def _first(curve: list[list[float]], goal: float) -> float:
    """Give the seconds at which a curve, (seconds, losses), comes to a loss; infinity if it does not."""
    return next((second for second, loss in zip(*curve, strict=True) if loss <= goal), float("inf"))


def _curves(timings: pd.DataFrame, out: Path) -> list[Path]:
    """Draw the loss against seconds, a panel for each layer."""
    single = timings[timings.curves.map(lambda curves: isinstance(curves, list) and len(curves) == 1)]
    groups = list(single.groupby("group", sort=False))
    if not groups:
        return []
    figure = figure_of(3.2 * len(groups), 3)
    for ax, (_, group) in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
        least = min(group[group.variant == REFERENCE].curves.iloc[0][0][1])
        for row in _rows(group):
            seconds, losses = row.curves[0]
            lowest = pd.Series(losses).cummin() / least
            ax.plot(seconds, lowest, color=COLOURS[row.variant], label=row.variant, linewidth=1.5)
        ax.axhline(1, color="0.8", linewidth=0.8, zorder=0)
        ax.set(title=group.method.iloc[0], xlabel="seconds", xscale="log", yscale="log")
    figure.axes[0].set_ylabel("least loss, relative to the reference's last")
    figure.axes[0].legend(fontsize=8, frameon=False)
    figure.savefig(out / "loss-against-seconds.png")
    return [out / "loss-against-seconds.png"]


def _growth(timings: pd.DataFrame, out: Path) -> list[Path]:
    """Draw seconds and memory against the number of pixels, size and batch together."""
    grown = timings[timings.what.str.startswith("growth") & (timings.variant != REFERENCE)]
    if grown.empty:
        return []
    grown = grown.assign(pixels=grown["size"] ** 2 * grown.batch, megabytes=grown.peak_memory / 1e6)
    figure = figure_of(9, 4)
    for ax, (column, label) in zip(
        figure.subplots(1, 2), {"seconds": "seconds", "megabytes": "memory, MB"}.items(), strict=True
    ):
        for method, rows in grown.sort_values("pixels").groupby("method", sort=False):
            (line,) = ax.plot(rows.pixels, rows[column], ".", label=method)
            proportional = rows[column].iloc[-1] * rows.pixels / rows.pixels.iloc[-1]
            ax.plot(rows.pixels, proportional, ":", color=line.get_color())
        ax.set(xlabel="pixels: size x size x batch; dotted: proportional", ylabel=label, xscale="log", yscale="log")
    figure.axes[0].legend(fontsize=8, frameon=False)
    figure.savefig(out / "growth.png")
    return [out / "growth.png"]


def _rows(timings: pd.DataFrame) -> Any:
    return timings.itertuples(index=False)


if __name__ == "__main__":
    written = write(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write(written[0].read_text(encoding="utf-8") + "\n".join(map(str, written)) + "\n")
