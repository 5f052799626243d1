"""Write the page of a run, `report.html`: a template, the run's data and pictures, and the script that shows them."""

import base64
import io
import json
import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fusebench.reports import figures, ranks, tables
from fusebench.reports.page import charts
from fusebench.reports.ranks import Ranked
from fusebench.reports.results import Fuser, Metric, Results, Table
from fusebench.reports.statistics import Cell, Ranking, aggregate

PAGE = "report.html"
MAP_SIDE = 96  # of a map in the page
SIDE = 256  # pixels of an image in the page, where there are few
PIXELS = 256 * 256 * 150  # that the page holds in all; packed without loss they are some 8 MB


def write(results: Results, ranked: Ranked, *, inline: bool = False) -> Path:
    """Write `report.html` into the folder of a run; return its path.

    The page needs no network and nothing beside it. It holds its images at up to 256 pixels, fewer where there are more
    than 150 of them, and shows the full ones where it finds them, in `fused/` beside it.

    Parameters
    ----------
    results
        The run.
    ranked
        Its rankings, `ranks.of(results)`.
    inline
        Hold every image in full.
    """
    path = results.folder / PAGE
    path.write_text(render(results, ranked, inline=inline), encoding="utf-8")
    return path


def render(results: Results, ranked: Ranked, *, inline: bool = False) -> str:
    """Give the text of the page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    here = Path(__file__).parent
    environment = Environment(
        loader=PackageLoader("fusebench.reports.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    suite, written, command = results.made
    return environment.get_template("page.html").render(
        css=(here / "page.css").read_text(encoding="utf-8"),
        script=(here / "page.js").read_text(encoding="utf-8"),
        data=script_json(_data(results, inline=inline)),
        suite=suite,
        written=written,
        synthetic=any(pair.synthetic for pair in results.pairs.values()),
        counts=_counts(results),
        failures=results.failures,
        tables=[_table(results, table, ranked[table.name]) for table in results.tables],
        losses=charts.losses(results),
        command=shlex.join(command),
        provenance=json.dumps({k: v for k, v in results.provenance.items() if k not in {"tables", "pairs"}}, indent=2),
        metrics=sorted({m.label: m for table in results.tables for m in table.metrics}.values()),
    )


def script_json(value: object) -> str:
    r"""Give JSON that can stand inside a script element, whatever the names in it are.

    Examples
    --------
    >>> print(script_json("</script>"))
    "\u003c/script\u003e"
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _counts(results: Results) -> dict[str, int]:
    methods = {fuser.label for table in results.tables for fuser in table.fusers if not fuser.trivial}
    cases = {(kind, pair.case) for (kind, _), pair in results.pairs.items() if pair.case is not None}
    return {"pairs": len(results.pairs), "cases": len(cases), "methods": len(methods), "failed": len(results.failures)}


def _table(results: Results, table: Table, rankings: list[Ranking]) -> dict[str, Any]:
    """Give what the template shows of a table."""
    cells = aggregate(results, table)
    found = {ranking.metric.label: ranking for ranking in rankings}
    seconds = results.seconds_of(table)
    shown = {metric.label for metric in table.shown}
    families: dict[str, list[Metric]] = {}
    for metric in table.metrics:
        families.setdefault(metric.family, []).append(metric)
    ordered = [metric for family in families.values() for metric in family]
    return {
        "name": table.name,
        "title": f"{tables.numbered(table.name)}: {table.title}",
        "caption": tables.caption(results, table, cells),
        "families": [
            (name, len(listed)) for name, listed in families.items() if not shown.issuperset(m.label for m in listed)
        ],
        "metrics": [(metric, tables.arrow(metric), metric.label in shown) for metric in ordered],
        "trivial": [_row(f, ordered, cells, found, seconds.get(f.label)) for f in table.fusers if f.trivial],
        "methods": [_row(f, ordered, cells, found, seconds.get(f.label)) for f in table.fusers if not f.trivial],
        "charts": charts.of_table(results, table, [found[m.label] for m in table.shown if m.label in found]),
        "incomplete": [
            fuser.label
            for fuser in table.fusers
            if not all(cells[fuser.label, m.label].complete for m in table.metrics)
        ],
    }


def _row(
    fuser: Fuser,
    metrics: list[Metric],
    cells: dict[tuple[str, str], Cell],
    found: dict[str, Ranking],
    seconds: float | None,
) -> dict[str, Any]:
    return {
        "label": fuser.label,
        "shown": fuser.shown,
        "parameters": fuser.parameters,
        "seconds": seconds,
        "cells": [
            {
                "text": tables.ours(cell, metric),
                "published": tables.others(cell, metric),
                "value": cell.mean if math.isfinite(cell.mean) else "",
                "mark": "best" if cell.best else "best-method" if cell.best_method else "",
                "rank": _rank(found.get(metric.label), fuser.label),
            }
            for metric in metrics
            for cell in [cells[fuser.label, metric.label]]
        ],
    }


def _rank(found: Ranking | None, fuser: str) -> str:
    return ranks.rank(found, fuser) if found is not None and fuser in found.mean_ranks else ""


def _data(results: Results, *, inline: bool) -> dict[str, Any]:
    """Give what the script shows: every score, and every image."""
    titles = {fuser.label: fuser.title for table in results.tables for fuser in table.fusers}
    fusers = [*titles]
    metrics = {m.label: m for table in results.tables for m in table.metrics}
    scores = {name: float(score) for name, score in zip(results.scores.index, results.scores, strict=True)}
    images = {(pair, fuser): results.image(pair, fuser) for pair in results.pairs for fuser in fusers}
    images = {item: path for item, path in images.items() if path.exists()}
    coloured = {item: path for item in images if (path := results.coloured(*item)).exists()}
    side = None if inline else _side(len(images) + len(coloured))
    return {
        "fusers": fusers,
        "titles": [*titles.values()],
        "viridis": _colours(),
        "metrics": [[metric.label, metric.digits] for metric in metrics.values()],
        "shown": list(dict.fromkeys(m.label for table in results.tables for m in table.shown)),
        "pairs": [
            {
                "kind": pair[0],
                "name": pair[1],
                "dataset": info.dataset,
                "case": info.case,
                "modalities": info.modalities,
                "synthetic": info.synthetic,
                "size": info.size,
                "sides": info.sides,
                "images": {
                    fusers.index(fuser): [
                        _picture(images[pair, fuser], side),
                        _picture(coloured[pair, fuser], side) if (pair, fuser) in coloured else None,
                        None if inline else images[pair, fuser].relative_to(results.folder).as_posix(),
                    ]
                    for fuser in fusers
                    if (pair, fuser) in images
                },
                "maps": _maps(results, pair, fusers),
                "scores": {
                    fusers.index(fuser): [_number(scores.get((*pair, fuser, metric))) for metric in metrics]
                    for fuser in fusers
                    if (pair, fuser) in images
                },
            }
            for pair, info in results.pairs.items()
        ],
    }


def _maps(results: Results, pair: tuple[str, str], fusers: list[str]) -> dict[str, dict[int, list[Any]]]:
    """Give the maps of a pair: by metric and fuser the picture of its levels, and the values of levels 1 and 255."""
    found: dict[str, dict[int, list[Any]]] = {}
    for (*of_pair, fuser, metric), one in results.maps.items():
        if tuple(of_pair) == pair and fuser in fusers:
            path = results.folder / "maps" / one.file
            found.setdefault(metric, {})[fusers.index(fuser)] = [_levels(path), one.low, one.high]
    return found


def _levels(path: Path) -> str:
    """Give a map's levels as a data URI; each that is left is one of the map, since level 0 is none."""
    levels = figures.read(path)
    step = -(-max(levels.shape) // MAP_SIDE)
    return packed(levels[step // 2 :: step, step // 2 :: step])


def _colours() -> list[list[int]]:
    """Give the 256 colours of the table viridis, which are told apart by colour-blind people and in grey."""
    from matplotlib import colormaps

    colours: list[list[int]] = (colormaps["viridis"](range(256))[:, :3] * 255).round().astype(int).tolist()
    return colours


def _number(score: float | None) -> float | str | None:
    # JSON has neither infinity nor NaN.
    return score if score is None or math.isfinite(score) else str(score)


def _side(count: int) -> int:
    return min(SIDE, math.isqrt(PIXELS // max(count, 1)))


def _picture(path: Path, side: int | None) -> str:
    """Give an image as a data URI, losslessly packed, no side longer than `side`."""
    from PIL import Image

    image = Image.fromarray(figures.read(path))
    if side is not None and max(image.size) > side:
        image.thumbnail((side, side), Image.Resampling.BOX)
    return packed(np.asarray(image))


def packed(image: npt.NDArray[np.uint8]) -> str:
    """Give pixels, (H, W) or (H, W, 3), as a data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", lossless=True, quality=50, method=3)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
