"""What the paper's numbers measure: SF, MI and M of VGG16 + L-BFGS against evaluations, `make reproduction DATA=DIR`.

For each pair and layer the image is optimised by the paper's protocol, which knows no bounds, and by the bounded
solver, and scored where a run of so many rounds of ten iterations stops. The page says which of the paper's claims hold
at the paper's stopping point only.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import chain, product
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import torch
from fusebench.bench.paper import METHODS, TABLE_1
from fusebench.bench.suite import by_kind, select
from fusebench.datasets import catalogue, image
from fusebench.datasets.pair import Pair
from fusebench.fusers.base import Fuser, Trace, label
from fusebench.fusers.neural.vgg16 import VGG16LBFGS
from fusebench.fusers.neural.vgg16_weights import LAYERS
from fusebench.fusers.pixel.contourlet import Contourlet
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.profiles import score
from fusebench.reports.figures import figure_of
from scipy.stats import kendalltau
from tabulate import tabulate

ROUNDS = (1, 2, 5, 15)
PAPER = 5  # rounds
METRICS = ("SF", "MI", "M")
SOLVERS = {"protocol": "without bounds", "bounded": "bounded"}
# Neither ends by itself where what it gains is small.
RUN_ON = 1e-12
RIVALS: tuple[Fuser, ...] = (Wavelet(), Contourlet())
SMOOTH = (0.01, 0.1, 1.0)
DRAWN = ("conv1_1", "conv1_2", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
PAGE = """# What the paper's numbers measure

Written by `make reproduction` from {of_what}.
Every run begins at the mean of the sources. A round is ten iterations
of L-BFGS, about 13 evaluations without bounds; the paper stops after five rounds and says nothing of bounds. Bounded,
a round is ten evaluations at the layer, behind those at shallower layers on the way to it. Scores are means over the
pairs, of the images as they are saved, in 8 bits.

![SF, MI and M against evaluations](reproduction.png)

## The claims

Order: Kendall's rank correlation of the means of the 13 layers with what table 1 prints. Best: the layer with the
highest mean. The transforms: on how many pairs conv1_2 scores above wavelet, and above contourlet.

{claims}

## What is minimised, and what is saved

Losses relative to that of the image which the bounded solver saves after 15 rounds on the same pair, the median over
the pairs. `found` is the loss of the image the optimiser ends with, `saved` that of the 8-bit image that is written.

{losses}

## By layer

{layers}

## What the features cannot see

A checkerboard at the highest frequency changes the features of conv1_2 least, so it grows while the loss hardly
falls. The
option `smooth` adds a term for it. Bounded, 15 rounds:

{smoothed}
"""
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")


def row(pair: Pair, fuser: VGG16LBFGS, trace: Trace, rounds: int) -> dict[str, object]:
    """Give the row of a run that stopped after so many rounds."""
    return {
        "pair": pair.name,
        "layer": fuser.layer,
        "solver": fuser.solver,
        "smooth": fuser.smooth,
        "rounds": rounds,
        "evaluations": trace.evaluations,
        "loss": min(trace.losses),
        "saved": trace.saved[-1],
        **scored(pair, trace.image.cpu()),
    }


def scored(pair: Pair, fused: torch.Tensor) -> dict[str, float]:
    """Score an image in 8 bits."""
    a, b, levels = (image.quantise(x)[None] for x in (pair.a, pair.b, fused))
    scores = score(a, b, levels, "seed")
    return {metric: scores[metric].item() for metric in METRICS}


def by_protocol(pair: Pair, layer: str, device: str, threads: int) -> list[dict[str, object]]:
    """Run the protocol on at one layer on one pair, and give a row for every stop."""
    torch.set_num_threads(threads)
    fuser = VGG16LBFGS(layer=layer, solver="protocol", rounds=ROUNDS[-1])
    traces = enumerate(fuser.by_round(pair.a.to(device), pair.b.to(device)), 1)
    return [row(pair, fuser, trace, rounds) for rounds, trace in traces if rounds in ROUNDS]


def bounded(pairs: list[Pair], layer: str, device: str) -> Iterator[dict[str, object]]:
    """Run the bounded solver at one layer, on a GPU for all pairs together; at conv1_2 with the damping too."""
    fusers = [VGG16LBFGS(layer=layer, rounds=rounds, tolerance=RUN_ON) for rounds in ROUNDS]
    if layer == "conv1_2":
        fusers += [replace(fusers[-1], smooth=smooth) for smooth in SMOOTH]
    step = 1 if device == "cpu" else len(pairs)
    for fuser, start in product(fusers, range(0, len(pairs), step)):
        batch = pairs[start : start + step]
        a, b = (torch.stack(images).to(device) for images in zip(*((p.a, p.b) for p in batch), strict=True))
        for pair, trace in zip(batch, fuser.traces(a, b), strict=True):
            yield row(pair, fuser, trace, fuser.rounds)


def measure(pairs: list[Pair], device: str, jobs: int) -> Iterator[list[dict[str, object]]]:
    """Measure every layer on every pair."""
    tasks = list(product(pairs, LAYERS))
    threads = max(1, torch.get_num_threads() // jobs)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        runs = [pool.submit(by_protocol, pair, layer, device, threads) for pair, layer in tasks]
        for layer in LAYERS:
            print(f"bounded, {layer}", flush=True)
            yield list(bounded(pairs, layer, device))
        for number, run in enumerate(runs, 1):
            print(f"without bounds, {number} of {len(runs)}", flush=True)
            yield run.result()


def page(rows: pd.DataFrame, transforms: pd.DataFrame, of_what: str) -> str:
    """Write the page."""
    plain = rows[rows.smooth == 0]
    tables = {
        "claims": _claims(plain, transforms),
        "losses": _losses(plain),
        "layers": _by_layer(plain),
        "smoothed": _smoothed(rows),
    }
    texts = {
        name: tabulate(list(lines), headers="keys", tablefmt="pipe", disable_numparse=True)
        for name, lines in tables.items()
    }
    return PAGE.format(of_what=of_what, **texts)


def _stops() -> Iterator[tuple[str, str, int]]:
    for solver, rounds in (("protocol", PAPER), ("protocol", ROUNDS[-1]), ("bounded", PAPER), ("bounded", ROUNDS[-1])):
        yield f"{SOLVERS[solver]}, {rounds} rounds", solver, rounds


def _at(rows: pd.DataFrame, solver: str, rounds: int) -> pd.DataFrame:
    return rows[(rows.solver == solver) & (rows.rounds == rounds)]


def _claims(rows: pd.DataFrame, transforms: pd.DataFrame) -> Iterator[dict[str, str]]:
    printed = pd.DataFrame(list(TABLE_1.values()))
    names = [label(rival) for rival in RIVALS]
    for metric in METRICS:
        best = LAYERS[int(printed[metric].to_numpy().argmax())]
        above = [METHODS[2][label(VGG16LBFGS(solver="protocol"))][metric] > METHODS[2][m][metric] for m in names]
        order: dict[str, str] = {"claim": f"{metric}: order of the layers", "printed": "+1.00"}
        first = {"claim": f"{metric}: best layer", "printed": best}
        wins = {"claim": f"{metric}: conv1_2 above {' / '.join(names)}"}
        wins["printed"] = " / ".join(f"{int(n)} of 1" for n in above)
        for stop, solver, rounds in _stops():
            found = _at(rows, solver, rounds)
            means = found.groupby("layer", sort=False)[metric].mean().reindex(LAYERS)
            order[stop] = f"{kendalltau(means, printed[metric]).statistic:+.2f}"
            first[stop] = str(means.idxmax())
            ours = found[found.layer == "conv1_2"][metric].to_numpy()
            theirs = [transforms[transforms.method == rival][metric].to_numpy() for rival in names]
            wins[stop] = " / ".join(f"{(ours > other).sum()} of {len(other)}" for other in theirs)
        yield from (order, first, wins)


def _losses(rows: pd.DataFrame) -> Iterator[dict[str, str]]:
    last = _at(rows, "bounded", ROUNDS[-1]).set_index(["pair", "layer"]).saved
    for layer in LAYERS:
        line = {"layer": layer}
        for stop, solver, rounds in _stops():
            found = _at(rows, solver, rounds)
            found = found[found.layer == layer].set_index(["pair", "layer"])
            line[f"{stop}: found"] = f"{(found.loss / last).median():.3f}"
            line[f"{stop}: saved"] = f"{(found.saved / last).median():.3f}"
        yield line


def _by_layer(rows: pd.DataFrame) -> Iterator[dict[str, str]]:
    for layer in LAYERS:
        line = {"layer": layer}
        for metric, (stop, solver, rounds) in product(METRICS, _stops()):
            found = _at(rows, solver, rounds)
            line[f"{metric}, {stop}"] = f"{found[found.layer == layer][metric].mean():.4g}"
        yield line


def _smoothed(rows: pd.DataFrame) -> Iterator[dict[str, str]]:
    found = rows[(rows.layer == "conv1_2") & (rows.solver == "bounded") & (rows.rounds == ROUNDS[-1])]
    plain = found[found.smooth == 0].set_index("pair").saved
    for smooth, group in found.groupby("smooth"):
        relative = (group.set_index("pair").saved / plain).median()
        scores = {metric: f"{group[metric].mean():.4g}" for metric in METRICS}
        yield {"smooth": f"{smooth:g}", "loss of the saved image, relative": f"{relative:.4f}", **scores}


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw the means of the scores against evaluations, without bounds dashed, bounded solid."""
    figure = figure_of(11, 3.6)
    plain = rows[(rows.smooth == 0) & rows.layer.isin(DRAWN)]
    for ax, metric in zip(figure.subplots(1, len(METRICS)), METRICS, strict=True):
        for layer, colour in zip(DRAWN, COLOURS, strict=True):
            for solver, style in (("protocol", "--"), ("bounded", "-")):
                found = plain[(plain.layer == layer) & (plain.solver == solver)].groupby("rounds")
                means = found[["evaluations", metric]].mean()
                name = layer if solver == "bounded" else None
                ax.plot(means.evaluations, means[metric], style, color=colour, marker=".", linewidth=1, label=name)
        ax.set(title=metric, xlabel="evaluations at the layer", xscale="log")
    names, labels = figure.axes[0].get_legend_handles_labels()
    title = "solid: bounded\ndashed: without bounds"
    figure.legend(names, labels, loc="outside right center", fontsize=7, frameon=False, title=title, title_fontsize=7)
    figure.savefig(path)


def main() -> None:
    """Measure, or read what was measured, and write the page and its figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with pairs of CT and MRI")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--measured", type=Path, default=Path("build/reproduction"), help="where the measurements are")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    kinds = by_kind(catalogue.entries(str(asked.data)))
    (listed,) = (kinds[kind] for kind in kinds if "-".join(sorted(kind.split("-"))) == "CT-MRI")
    entries = select(listed, asked.pairs)
    files = asked.measured / "rows.csv", asked.measured / "transforms.csv"
    pairs = [entry.read() for entry in entries]
    if not files[1].exists():
        asked.measured.mkdir(parents=True, exist_ok=True)
        rows = list(chain.from_iterable(measure(pairs, asked.device, asked.jobs)))
        pd.DataFrame(rows).to_csv(files[0], index=False)
        transforms = [
            {"method": label(rival), **scored(pair, rival(pair.a[None], pair.b[None])[0])}
            for pair, rival in product(pairs, RIVALS)
        ]
        pd.DataFrame(transforms).to_csv(files[1], index=False)
    found, others = (pd.read_csv(file) for file in files)
    height, width = pairs[0].a.shape
    of_what = f"{len(pairs)} pairs of CT and MRI of {width} x {height} pixels"
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "reproduction.md").write_text(page(found, others, of_what), encoding="utf-8")
    draw(found, asked.out / "reproduction.png")


if __name__ == "__main__":
    main()
