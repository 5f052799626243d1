"""Pictures of a run, from its files."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def write(out: Path) -> list[Path]:
    """Write `figures/` into the folder of a run: for each table of methods, its first pair fused by every method."""
    description = json.loads((out / "run.json").read_text(encoding="utf-8"))
    folder = out / "figures"
    folder.mkdir(exist_ok=True)
    return [side_by_side(out, description, name, folder / f"{name}.png") for name in description["tables"]]


def side_by_side(out: Path, description: dict[str, Any], name: str, path: Path) -> Path:
    """Show the first pair of a table as every fuser of the table renders it, with the scores below each image."""
    import pandas as pd
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    table = description["tables"][name]
    dataset, pair = table["pairs"][0]
    info = description["pairs"][dataset][pair]
    scores = (
        pd.read_csv(out / "scores.csv", dtype={"pair": str}).set_index(["dataset", "pair", "fuser", "metric"]).score
    )
    modalities = {"source-a": info["modalities"][0], "source-b": info["modalities"][1]}
    columns = math.ceil(math.sqrt(len(table["fusers"])))
    rows = math.ceil(len(table["fusers"]) / columns)
    height, width = info["size"]
    figure = Figure(figsize=(2.4 * columns, (2.4 * height / width + 0.55) * rows + 0.4), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    nature = "synthetic" if info["synthetic"] else "real"
    figure.suptitle(f"{table['title']}: {nature} pair {pair}", fontsize=10)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.axis("off")
    for ax, fuser in zip(axes, table["fusers"], strict=False):
        label = fuser["label"]
        title = f"{label} ({modalities[label]})" if label in modalities else label
        caption = "  ".join(f"{m['label']} {scores[dataset, pair, label, m['label']]:.4g}" for m in table["metrics"])
        _show(ax, out / "fused" / dataset / label / f"{pair}.png", title, caption)
    figure.savefig(path)
    return path


def _show(ax: "Axes", path: Path, title: str, caption: str) -> None:
    from PIL import Image

    with Image.open(path) as image:
        # Grey levels as they are, no stretching: 0 is black and 255 white in every panel.
        ax.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_title(title, fontsize=8)
    ax.text(0.5, -0.03, caption, transform=ax.transAxes, ha="center", va="top", fontsize=6.5)
