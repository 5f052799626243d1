"""Where in an image a metric's score comes from: maps of local values, beside the fused images of a run."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from fusebench.bench.engine import store
from fusebench.bench.engine.store import MapFile
from fusebench.bench.suite import Suite
from fusebench.datasets import image
from fusebench.datasets.cases import Progress
from fusebench.datasets.image import quantise
from fusebench.fusers.base import label
from fusebench.metrics.base import Metric, sharing
from torch import Tensor

COUNT = 3  # metrics, if none are named
MOST = 900  # maps of a run, if none are named: 20 pairs, 12 methods and 3 metrics have 720
USUAL = ("Q_ABF", "SSIM", "VIF")  # after those that a table shows


def write(
    suite: Suite, out: Path, metrics: Sequence[Metric] | None = None, progress: Progress = lambda *_: None
) -> None:
    """Write the sources and maps of a run of this suite into its folder: `sources/` and `maps/`.

    A source that is a row of the run is there already. Of a pair all methods' maps by a metric have one scale, from the
    least to the greatest value.

    Parameters
    ----------
    suite, out
        What was run, and where it was written.
    metrics
        Of which maps are wanted; None: of up to 3 that have some, those that are shown first, of as many pairs as give
        900 maps.
    progress
        Told how far it is.
    """
    wanted = usual(suite) if metrics is None else tuple(metrics)
    for name in (store.SOURCES, store.MAPS):
        store.remove(out / name)
    entries = list(dict.fromkeys(entry for table in suite.values() for entry in table.entries))
    listed: list[MapFile] = []
    for done, entry in enumerate(entries):
        progress("drawing maps", done, len(entries))
        at = (entry.kind, entry.name)
        fusers = [f for f in _fusers(suite) if (out / store.FUSED / store.image_path((*at, f))).exists()]
        full = metrics is None and len(listed) + len(fusers) * len(wanted) > MOST
        lacking = [name for name in store.SOURCE_ROWS if name not in fusers]
        if not lacking and (full or not wanted):
            continue
        pair = entry.read()
        sources = dict(zip(store.SOURCE_ROWS, (quantise(pair.a), quantise(pair.b)), strict=True))
        for name in lacking:
            path = out / store.SOURCES / store.image_path((*at, name))
            store.write_bytes(path, image.png(sources[name]))
        if fusers and not full:
            listed += _maps(out, at, fusers, [*sources.values()], wanted)
    if listed:
        text = json.dumps([one._asdict() for one in listed], separators=(",", ":"))
        store.write_text(out / store.MAPS / store.MAP_LIST, text)


def _drawn(metric: Metric) -> bool:
    """Say whether a map is drawn of a metric: of one of colour images none is, since the page lays maps over grey."""
    return metric.map is not None and not metric.of_colour


def usual(suite: Suite) -> tuple[Metric, ...]:
    """Choose the metrics whose maps are drawn where none are named."""
    tables = suite.values()
    found = dict.fromkeys(metric for table in tables for metric in table.shown if _drawn(metric))
    computed = {metric.label: metric for table in tables for metric in table.metrics if _drawn(metric)}
    found |= dict.fromkeys(computed[name] for name in USUAL if name in computed)
    return tuple(found)[:COUNT]


def _fusers(suite: Suite) -> Iterable[str]:
    return dict.fromkeys(label(fuser) for table in suite.values() for fuser in table.fusers)


def _maps(
    out: Path, pair: tuple[str, str], fusers: list[str], sources: list[Tensor], metrics: Iterable[Metric]
) -> list[MapFile]:
    files = [out / store.FUSED / store.image_path((*pair, fuser)) for fuser in fusers]
    fused = torch.stack([image.from_png(file.read_bytes()) for file in files])
    a, b = (source[None] for source in sources)
    listed = []
    with sharing():
        for metric in metrics:
            if metric.map is None or min(a.shape[1:]) < metric.least:
                continue
            values = placed(metric, a, b, fused)
            if not np.isfinite(values).any():
                continue
            low, high = float(np.nanmin(values)), float(np.nanmax(values))
            levels = 1 + np.round(254 * (values - low) / ((high - low) or 1.0))
            levels = np.where(np.isfinite(values), levels, 0).astype(np.uint8)
            for fuser, drawn in zip(fusers, levels, strict=True):
                file = Path(metric.label) / store.image_path((*pair, fuser))
                store.write_bytes(out / store.MAPS / file, image.png(torch.from_numpy(drawn)))
                listed.append(MapFile(*pair, fuser, metric.label, file.as_posix(), low, high))
    return listed


def placed(metric: Metric, a: Tensor, b: Tensor, fused: Tensor) -> npt.NDArray[np.float64]:
    """Give the local values of a metric at each pixel, (N, H, W): of the nearest value, NaN where there is none near.

    Of a metric that combines several maps of one size, such as the similarities with both sources, the values are
    combined as the scores are; else the first map stands for it, at its finest scale.
    """
    if metric.map is None:
        raise ValueError(f"{metric.label} has no map")
    local = metric.map(a, b, fused)
    first = local.maps[0]
    drawn = local.drawn.expand(len(fused), -1, -1)
    height, width = fused.shape[1:]
    rows, columns = first.places(height, width)
    near_rows, near_columns = (_nearest(at, size, first.step) for at, size in ((rows, height), (columns, width)))
    found = drawn.double().cpu().numpy()[:, near_rows.clip(0)][:, :, near_columns.clip(0)]
    there = (near_rows >= 0)[:, None] & (near_columns >= 0)
    return np.where(there & np.isfinite(found), found, np.nan)


def _nearest(places: Tensor, size: int, step: int) -> npt.NDArray[np.int64]:
    """Give for each pixel along an axis the value next to it; -1 where the next is more than half a step away."""
    apart = (torch.arange(size)[:, None] - places.cpu()[None]).abs()
    distance, nearest = apart.min(dim=1)
    return torch.where(2 * distance <= step, nearest, -1).numpy()
