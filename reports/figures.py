"""Pictures of a run's results, as PNG and PDF: each table's first pair, losses, features."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from fusebench.reports.results import Results, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INSET = 6  # the enlarged part is a sixth of the image's side
Box = tuple[int, int, int, int]  # left, top, width and height of a part of an image, in pixels
SIDE = {"va": "center", "fontsize": 7, "color": "white", "bbox": {"color": "black", "alpha": 0.5, "pad": 1}}
BLUE, ORANGE = "#0072B2", "#D55E00"  # Okabe and Ito's: told apart by colour-blind people and in grey


def write(
    results: Results,
    names: Mapping[str, str] | None = None,
    *,
    losses_of: Sequence[str] = (),
    features_of: str = "",
    grey: bool = False,
) -> list[Path]:
    """Write `figures/` into the folder of a run; return the PNG files.

    For each table its first pair as every fuser renders it; coloured sources give coloured panels, unless `grey`. Then
    features and losses, where they are asked for and the run has them.

    Parameters
    ----------
    results
        The run.
    names
        What figures are called that are not to be called after their table, "features" or "losses".
    losses_of
        Labels of the fusers whose losses are shown against the evaluation.
    features_of
        Name of the table whose first pair the run's features belong to.
    grey
        Show coloured sources in grey.
    """
    (results.folder / "figures").mkdir(exist_ok=True)
    names = names or {}
    written = [
        save(side_by_side(results, table, grey=grey), results, names.get(table.name, table.name))
        for table in results.tables
    ]
    if features_of and results.features:
        written.append(save(features(results, results.table(features_of)), results, names.get("features", "features")))
    if shown := [fuser for fuser in losses_of if (results.losses.fuser == fuser).any()]:
        written.append(save(loss_curves(results, shown), results, names.get("losses", "losses")))
    return written


def loss_curves(results: Results, fusers: Sequence[str]) -> "Figure":
    """Draw the losses of iterative fusers at every evaluation on the first pair, and those of the images they save."""
    figure = figure_of(6, 3.6)
    ax = figure.subplots()
    losses = results.losses
    first = losses[losses.fuser == fusers[0]]
    pair = first.kind.iloc[0], first.pair.iloc[0]
    titles = {fuser.label: fuser.title for table in results.tables for fuser in table.fusers}
    for fuser, colour in zip(fusers, cycle((BLUE, ORANGE)), strict=False):
        rows = losses[(losses.fuser == fuser) & (losses.kind == pair[0]) & (losses.pair == pair[1])]
        title = titles.get(fuser, fuser)
        ax.semilogy(rows.evaluation, rows.loss, color=colour, linewidth=1, marker=".", markersize=3, label=title)
        saved = rows[rows.saved.notna()]
        ax.semilogy(
            *(saved.evaluation, saved.saved),
            color=colour,
            linestyle="",
            marker="s",
            markersize=5,
            markerfacecolor="none",
            label="the image it saves",
        )
        if rows["round"].max() > 1:
            for start in rows.groupby("round").evaluation.min():
                ax.axvline(start, color="0.85", linewidth=0.8, zorder=0)
    ax.set_xlabel("evaluation of network and gradient; lines where a round begins")
    ax.set_ylabel("loss, sum of squares")
    ax.legend(fontsize=8, frameon=False)
    _title(figure, f"Loss on {_pair(results, pair)}")
    return figure


def features(results: Results, table: Table) -> "Figure":
    """Draw feature maps of the sources, their blend and the fused image, and the fused image, a row for each layer."""
    arrays, pair = results.features, table.pairs[0]
    layers = list(dict.fromkeys(key.split("/")[0] for key in arrays))
    names = dict(zip(("a", "b"), results.pairs[pair].modalities, strict=True))
    figure = figure_of(10, 2.15 * len(layers) + 0.5)
    axes = figure.subplots(len(layers), 5, squeeze=False)
    for row, layer in zip(axes, layers, strict=True):
        maps = {name: arrays[f"{layer}/{name}"] for name in ("a", "b", "blend", "fused")}
        # One scale for each layer and channel, so that the columns can be compared.
        most = np.maximum(np.max([m.max(axis=(1, 2)) for m in maps.values()], axis=0), 1e-9)[:, None, None]
        for ax, (name, channels) in zip(row, maps.items(), strict=False):
            _show(ax, _mosaic(channels / most), f"{names.get(name, name)}, {layer}", most=1)
        _show(row[-1], read(results.image(pair, f"vgg16[layer={layer}]")), f"fused at {layer}")
    _title(figure, f"Features (16 strongest channels), {_pair(results, pair)}")
    return figure


def side_by_side(results: Results, table: Table, *, grey: bool, box: Box | None = None) -> "Figure":
    """Draw the first pair of a table as every fuser renders it, with its first three scores and a part enlarged.

    The part is the box, or where the sources have the most detail. Where it is known, letters say which side of the
    patient lies at the left and at the right edge.

    Raises
    ------
    ValueError
        If the box is not within the image.
    """
    pair = table.pairs[0]
    info = results.pairs[pair]
    if box is not None and (
        min(box) < 0 or 0 in box[2:] or box[0] + box[2] > info.size[1] or box[1] + box[3] > info.size[0]
    ):
        raise ValueError(
            f"--zoom {','.join(map(str, box))}: left,top,width,height must lie within {'/'.join(pair)}, which is "
            f"{info.size[1]} pixels wide and {info.size[0]} high"
        )
    modalities = {"source-a": info.modalities[0], "source-b": info.modalities[1]}
    panels = [(fuser.label, fuser.title) for fuser in table.fusers]
    rows_there = {label for label, _ in panels}
    panels = [(label, label) for label in modalities if label not in rows_there] + panels
    columns = math.ceil(math.sqrt(len(panels)))
    rows = math.ceil(len(panels) / columns)
    height, width = info.size
    figure = figure_of(2.4 * columns, (2.4 * height / width + 0.55) * rows + 0.4)
    _title(figure, f"{table.title}, {_pair(results, pair)}")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    sources = [read(path) for n in range(2) if (path := results.source(pair, n)).exists()]
    if box is None and len(sources) == 2 and min(height, width) >= 2 * INSET:
        box = busiest(sources)
    for ax in axes:
        ax.axis("off")
    for ax, (label, title) in zip(axes, panels, strict=False):
        coloured = results.coloured(pair, label)
        # A source is shown in its own colour, and a fused image in that of the pair's coloured source.
        own = modalities.get(label) in (None, *info.coloured)
        plain = results.source(pair, [*modalities].index(label)) if label in modalities else results.image(pair, label)
        path = coloured if coloured.exists() and own and not grey else plain
        if not path.exists():
            ax.set_title(_wrapped(f"{title} (failed)"), fontsize=8, parse_math=False)
            continue
        _show(ax, read(path), f"{title} ({modalities[label]})" if label in modalities else title)
        caption = "  ".join(
            f"{m.label} {results.scores[(*pair, label, m.label)]:.4g}"
            for m in table.shown[:3]
            if (*pair, label, m.label) in results.scores.index
        )
        ax.text(0.5, -0.03, caption, transform=ax.transAxes, ha="center", va="top", fontsize=6.5, parse_math=False)
        for x, side in zip((0.02, 0.98), info.sides or (), strict=False):
            ax.text(x, 0.5, side, transform=ax.transAxes, ha="left" if x < 0.5 else "right", **SIDE)
        if box is not None:
            _enlarge(ax, read(path), box)
    return figure


def busiest(sources: list[npt.NDArray[np.uint8]]) -> Box:
    """Find the part worth enlarging: the window in which both sources have the most detail."""
    from scipy.ndimage import uniform_filter

    side = min(sources[0].shape[:2]) // INSET
    detail = [uniform_filter(np.hypot(*np.gradient(image.astype(float))), side) for image in sources]
    # The filter's running sums may leave -1e-17 on flat ground.
    inner = (detail[0].clip(min=0) * detail[1].clip(min=0))[
        side // 2 : -(side - side // 2), side // 2 : -(side - side // 2)
    ]
    row, column = np.unravel_index(inner.argmax(), inner.shape)
    return int(column), int(row), side, side


def _enlarge(ax: "Axes", image: npt.NDArray[np.uint8], box: Box) -> None:
    left, top, width, height = box
    part = image[top : top + height, left : left + width]
    right = left + width / 2 < image.shape[1] / 2  # the enlarged part covers the other half of the image
    longest = max(width / image.shape[1], height / image.shape[0])
    size = 0.34 * width / image.shape[1] / longest, 0.34 * height / image.shape[0] / longest
    inset = ax.inset_axes((1 - size[0] if right else 0.0, 0.0, *size))
    inset.imshow(part, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    inset.set(xticks=[], yticks=[])
    inset.spines[:].set_color(ORANGE)
    frame = (left - 0.5, top - 0.5)
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle(frame, width, height, fill=False, edgecolor=ORANGE, linewidth=0.8))


def lines(results: Results, table: Table) -> "Figure":
    """Draw the score of each pair as a line for each method, a panel for each metric; the legend has the means."""
    figure = figure_of(9, 3.4 * len(table.metrics))
    values = results.values(table)
    for n, (ax, metric) in enumerate(
        zip(np.atleast_1d(figure.subplots(len(table.metrics), 1)), table.metrics, strict=True)
    ):
        for fuser, scores in zip(table.fusers, values[:, :, n], strict=True):
            text = f"{fuser.title}, {np.nanmean(scores):.4g}" if np.isfinite(scores).any() else fuser.title
            style = ":" if fuser.trivial else "-"
            ax.plot(np.arange(1, len(scores) + 1), scores, style, marker=".", linewidth=0.9, markersize=4, label=text)
        ax.set_ylabel(metric.label + (f" ({metric.unit})" if metric.unit else ""), fontsize=8, parse_math=False)
        ax.set_xlabel("pair", fontsize=8)
        ax.tick_params(labelsize=7)
        legend = ax.legend(
            fontsize=6.5, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), title="method, mean"
        )
        for entry in legend.get_texts():
            entry.set_parse_math(False)
    _title(figure, table.title)
    return figure


def figure_of(width: float, height: float) -> "Figure":
    """Make an empty figure, sizes in inches, that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    return figure


def _title(figure: "Figure", text: str) -> None:
    # A name may hold $, which Matplotlib would read as mathematics.
    figure.suptitle(text, fontsize=10, parse_math=False)


def save(figure: "Figure", results: Results, name: str) -> Path:
    """Write a figure into `figures/` as PNG and PDF; return the PNG."""
    path = results.folder / "figures" / f"{name}.png"
    # Without a date the same run gives the same bytes.
    figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
    figure.savefig(path)
    return path


def _wrapped(title: str) -> str:
    """Break a title that is wider than an image."""
    return textwrap.fill(title, 34)


def _show(ax: "Axes", image: npt.NDArray[Any], title: str, most: float = 255) -> None:
    # Grey levels as they are, no stretching: 0 is black and 255 white in every panel.
    ax.imshow(image, cmap="gray", vmin=0, vmax=most, interpolation="nearest")
    ax.set_title(_wrapped(title), fontsize=8, parse_math=False)
    ax.axis("off")


def read(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image of a run. Raises ValueError, naming the file, if it is damaged."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{path}: is damaged ({error}); run it again") from error


def _mosaic(channels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    side = math.isqrt(len(channels))
    rows = channels[: side * side].reshape(side, side, *channels.shape[1:])
    return rows.transpose(0, 2, 1, 3).reshape(side * channels.shape[1], side * channels.shape[2])


def _pair(results: Results, pair: tuple[str, str]) -> str:
    nature = "synthetic" if results.pairs[pair].synthetic else "real"
    return f"{nature} {pair[0]} pair {pair[1]}"
