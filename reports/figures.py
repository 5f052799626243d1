"""Figures 5 to 10 of the paper, from the files of a run, as PNG and PDF."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from fusebench.reports import tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Tables whose pictures the paper numbers; any other table's figure is named after it.
NUMBERS = {"table1": "figure7", "table2": "figure8", "table3": "figure9", "table4": "figure10"}
LOSS_LAYER = "vgg16[layer=conv2_1]"
INSET = 6  # the enlarged part is a sixth of the image's side
BLUE, ORANGE = "#0072B2", "#D55E00"  # Okabe and Ito's: told apart by colour-blind people and in grey


def write(out: Path, *, grey: bool = False) -> list[Path]:
    """Write `figures/` into the folder of a run; return the PNG files.

    Figure 5 (loss against evaluation) and 6 (features) where the run has them, and for each table its first pair as
    every fuser renders it. Coloured sources give coloured panels, unless `grey`.
    """
    description = json.loads((out / "run.json").read_text(encoding="utf-8"))
    (out / "figures").mkdir(exist_ok=True)
    written = [side_by_side(out, description, name, grey=grey) for name in description["tables"]]
    if (out / "features.npz").exists():
        written.append(features(out, description))
    losses = pd.read_csv(out / "losses.csv", dtype={"pair": str})
    if (losses.fuser == LOSS_LAYER).any():
        written.append(loss_curve(out, description, losses))
    return written


def loss_curve(out: Path, description: dict[str, Any], losses: pd.DataFrame) -> Path:
    """Figure 5: the loss at every evaluation at conv2_1, the rounds marked."""
    figure = figure_of(6, 3.6)
    ax = figure.subplots()
    rows = losses[losses.fuser == LOSS_LAYER]
    dataset, pair = rows.dataset.iloc[0], rows.pair.iloc[0]
    rows = rows[(rows.dataset == dataset) & (rows.pair == pair)]
    ax.semilogy(rows.evaluation, rows.loss, color=BLUE, linewidth=1, marker=".", markersize=4, label="each evaluation")
    ax.semilogy(
        rows.evaluation, rows.loss.cummin(), color=ORANGE, linewidth=1.5, linestyle="--", label="the least so far"
    )
    for number, start in rows.groupby("round").evaluation.min().items():
        ax.axvline(start, color="0.8", linewidth=0.8, zorder=0)
        ax.text(
            start, 1.0, f" round {number}", transform=ax.get_xaxis_transform(), va="bottom", fontsize=7, color="0.3"
        )
    ax.set_xlabel("evaluation of network and gradient")
    ax.set_ylabel("loss, sum of squares")
    ax.legend(fontsize=8, frameon=False)
    _title(figure, f"Loss at conv2_1, {_pair(description, dataset, pair)}")
    return _save(figure, out, "figure5")


def features(out: Path, description: dict[str, Any]) -> Path:
    """Figure 6: feature maps of the sources, their blend and the fused image at three layers, and the fused image."""
    arrays = np.load(out / "features.npz")
    layers = list(dict.fromkeys(key.split("/")[0] for key in arrays))
    dataset, pair = description["tables"]["table1"]["pairs"][0]
    names = dict(zip(("a", "b"), description["pairs"][dataset][pair]["modalities"], strict=True))
    figure = figure_of(10, 2.15 * len(layers) + 0.5)
    axes = figure.subplots(len(layers), 5, squeeze=False)
    for row, layer in zip(axes, layers, strict=True):
        maps = {name: arrays[f"{layer}/{name}"] for name in ("a", "b", "blend", "fused")}
        # One scale for each layer and channel, so that the columns can be compared.
        most = np.maximum(np.max([m.max(axis=(1, 2)) for m in maps.values()], axis=0), 1e-9)[:, None, None]
        for ax, (name, channels) in zip(row, maps.items(), strict=False):
            _show(ax, _mosaic(channels / most), f"{names.get(name, name)}, {layer}", most=1)
        fused = _read(out / "fused" / dataset / f"vgg16[layer={layer}]" / f"{pair}.png")
        _show(row[-1], fused, f"fused at {layer}")
    _title(figure, f"Features (16 strongest channels), {_pair(description, dataset, pair)}")
    return _save(figure, out, "figure6")


def side_by_side(out: Path, description: dict[str, Any], name: str, *, grey: bool) -> Path:
    """Figures 7 to 10: the first pair of a table as every fuser renders it, with scores and a part enlarged."""
    table = description["tables"][name]
    dataset, pair = table["pairs"][0]
    info = description["pairs"][dataset][pair]
    scores = tables.read_scores(out)
    modalities = {"source-a": info["modalities"][0], "source-b": info["modalities"][1]}
    columns = math.ceil(math.sqrt(len(table["fusers"])))
    rows = math.ceil(len(table["fusers"]) / columns)
    height, width = info["size"]
    figure = figure_of(2.4 * columns, (2.4 * height / width + 0.55) * rows + 0.4)
    _title(figure, f"{table['title']}, {_pair(description, dataset, pair)}")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    folder = out / "fused" / dataset
    sources = [_read(path) for label in modalities if (path := folder / label / f"{pair}.png").exists()]
    corner = busiest(sources) if len(sources) == 2 and min(height, width) >= 2 * INSET else None
    for ax in axes:
        ax.axis("off")
    for ax, fuser in zip(axes, table["fusers"], strict=False):
        label = fuser["label"]
        coloured = out / "colour" / dataset / label / f"{pair}.png"
        # A source shows its own colour; what is fused shows the pair's.
        own = modalities.get(label) in (None, *info["coloured"])
        path = coloured if coloured.exists() and own and not grey else folder / label / f"{pair}.png"
        if not path.exists():
            ax.set_title(f"{label} (failed)", fontsize=8, parse_math=False)
            continue
        _show(ax, _read(path), f"{label} ({modalities[label]})" if label in modalities else label)
        caption = "  ".join(
            f"{m['label']} {scores[dataset, pair, label, m['label']]:.4g}" for m in table["metrics"][:3]
        )
        ax.text(0.5, -0.03, caption, transform=ax.transAxes, ha="center", va="top", fontsize=6.5, parse_math=False)
        if corner is not None:
            _enlarge(ax, _read(path), corner)
    return _save(figure, out, NUMBERS.get(name, name))


def busiest(sources: list[npt.NDArray[np.uint8]]) -> tuple[int, int]:
    """Find the part worth enlarging: the window in which both sources have the most detail; its upper left corner."""
    from scipy.ndimage import uniform_filter

    side = min(sources[0].shape[:2]) // INSET
    detail = [uniform_filter(np.hypot(*np.gradient(image.astype(float))), side) for image in sources]
    # The filter's running sums may leave -1e-17 on flat ground.
    inner = (detail[0].clip(min=0) * detail[1].clip(min=0))[
        side // 2 : -(side - side // 2), side // 2 : -(side - side // 2)
    ]
    row, column = np.unravel_index(inner.argmax(), inner.shape)
    return int(row), int(column)


def _enlarge(ax: "Axes", image: npt.NDArray[np.uint8], corner: tuple[int, int]) -> None:
    side = min(image.shape[:2]) // INSET
    part = image[corner[0] : corner[0] + side, corner[1] : corner[1] + side]
    right = corner[1] < image.shape[1] / 2  # on the side where the part is not
    inset = ax.inset_axes((0.66 if right else 0.0, 0.0, 0.34, 0.34))
    inset.imshow(part, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    inset.set(xticks=[], yticks=[])
    inset.spines[:].set_color(ORANGE)
    frame = (corner[1] - 0.5, corner[0] - 0.5)
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle(frame, side, side, fill=False, edgecolor=ORANGE, linewidth=0.8))


def figure_of(width: float, height: float) -> "Figure":
    """Make an empty figure, sizes in inches, that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    return figure


def _title(figure: "Figure", text: str) -> None:
    # A file's name is no mathematics.
    figure.suptitle(text, fontsize=10, parse_math=False)


def _save(figure: "Figure", out: Path, name: str) -> Path:
    # Without a date the same run gives the same bytes.
    figure.savefig(out / "figures" / f"{name}.pdf", metadata={"CreationDate": None})
    figure.savefig(out / "figures" / f"{name}.png")
    return out / "figures" / f"{name}.png"


def _show(ax: "Axes", image: npt.NDArray[Any], title: str, most: float = 255) -> None:
    # Grey levels as they are, no stretching: 0 is black and 255 white in every panel.
    ax.imshow(image, cmap="gray", vmin=0, vmax=most, interpolation="nearest")
    ax.set_title(title, fontsize=8, parse_math=False)
    ax.axis("off")


def _read(path: Path) -> npt.NDArray[np.uint8]:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image)


def _mosaic(channels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    side = math.isqrt(len(channels))
    rows = channels[: side * side].reshape(side, side, *channels.shape[1:])
    return rows.transpose(0, 2, 1, 3).reshape(side * channels.shape[1], side * channels.shape[2])


def _pair(description: dict[str, Any], dataset: str, pair: str) -> str:
    nature = "synthetic" if description["pairs"][dataset][pair]["synthetic"] else "real"
    return f"{nature} {dataset} pair {pair}"
