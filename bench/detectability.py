"""What a fused image keeps of lesions that one modality shows: a task, and no formula. All of it is synthetic.

Lesions of known contrast, size and place are put into white matter of the embedded head, noise is added to both
sources many times, each pair is fused, and an observer (`observer`) decides where a lesion is. What a method keeps of a
lesion is the observer's d' in its fused images, divided by that in the source that has the lesion.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from fusebench.bench.engine.pool import replacing_workers
from fusebench.bench.observer import Observed, channels, interval, observe
from fusebench.datasets import phantom
from fusebench.datasets.cases import Progress
from fusebench.datasets.image import quantise
from fusebench.datasets.pair import Pair
from fusebench.datasets.phantom import FWHM
from fusebench.fusers.base import Fuser, label
from fusebench.fusers.pixel.trivial import SourceA, SourceB
from fusebench.metrics.base import Metric, score
from torch import Tensor

SLICE = 34  # mm: white matter is widest there
SIZE, TOP, LEFT = (48, 72), 104, 92  # the part of the slice that is fused, in pixels of 1 mm
PLACES = ((12, 14), (36, 57), (12, 57), (36, 14))


class Lesion(NamedTuple):
    """A Gaussian spot: in which source of which kind of pair, its height in grey levels, its width in mm, its place."""

    name: str
    kind: str
    source: int
    levels: float
    fwhm: float
    place: tuple[int, int]


LESIONS = (
    Lesion("CT hyperdense", "CT-MRI", 0, 6, 5, PLACES[0]),
    Lesion("MRI bright", "CT-MRI", 1, 6, 5, PLACES[1]),
    Lesion("MRI dark", "CT-MRI", 1, -6, 5, PLACES[2]),
    Lesion("PET hot", "PET-MRI", 0, 15, 8, PLACES[0]),
    Lesion("PET cold", "PET-MRI", 0, -15, 8, PLACES[1]),
    Lesion("SPECT hot", "SPECT-MRI", 0, 15, 12, PLACES[0]),
    Lesion("SPECT cold", "SPECT-MRI", 0, -15, 12, PLACES[1]),
)
KINDS = tuple(dict.fromkeys(lesion.kind for lesion in LESIONS))
# Of the noise: its standard deviation in grey levels, and how wide it is, as the filter of a reconstruction makes it.
NOISE = {"CT": (5.0, 0.0), "MRI": (5.0, 0.0), "PET": (5.0, 4.0), "SPECT": (5.0, 6.0)}
# Hot spots without noise, by which the rank and the ratio of uptake are read: grey levels above their surroundings.
SPOTS = (25.0, 50.0, 75.0, 100.0)


class Found(NamedTuple):
    """What a method made of the lesions, by their names; of uptake; and its scores by metrics on pairs without noise.

    `rank` is Spearman's correlation of the spots' uptake with their contrast in the fused image, and `ratio` the mean
    error of their contrasts, relative to that of the hottest.
    """

    label: str
    lesions: dict[str, Observed]
    rank: float
    ratio: float
    scores: dict[str, float]


class Agreement(NamedTuple):
    """How alike a metric and the observer rank the methods: Kendall's tau, and its 95 % interval."""

    metric: str
    tau: float
    low: float
    high: float


def spot(levels: float, fwhm: float, place: tuple[int, int]) -> Tensor:
    """Give a Gaussian spot in [0, 1] grey: of SIZE, float32.

    Examples
    --------
    >>> round(255 * spot(51, 5, (10, 10))[10, 10].item(), 4)
    51.0
    """
    rows, columns = torch.meshgrid(*map(torch.arange, SIZE), indexing="ij")
    distance = (rows - place[0]) ** 2 + (columns - place[1]) ** 2
    return levels / 255 * torch.exp(-distance / (2 * (fwhm / FWHM) ** 2))


def sources(kind: str) -> tuple[Tensor, Tensor]:
    """Give the part of the slice that is fused, of SIZE each, as the embedded head shows it."""
    pair = _pair(kind)
    part = slice(TOP, TOP + SIZE[0]), slice(LEFT, LEFT + SIZE[1])
    return pair.a[part].clone(), pair.b[part].clone()


@cache  # it is simulated anew else, for each method
def _pair(kind: str) -> Pair:
    return phantom.pair(kind, SLICE)


def noisy(image: Tensor, modality: str, count: int, seed: int) -> Tensor:
    """Add noise to an image, (H, W), `count` times: (count, H, W), clipped to [0, 1]."""
    return (image + noise(modality, image.shape, count, seed)).clamp(0, 1)


def noise(modality: str, size: Sequence[int], count: int, seed: int) -> Tensor:
    """Give Gaussian noise of a modality, (count, H, W), in [0, 1] grey: white, or as wide as `NOISE` says."""
    deviation, width = NOISE[modality]
    drawn = torch.randn(count, *size, generator=torch.Generator().manual_seed(seed))
    if width:
        offsets = torch.arange(-int(2 * width), int(2 * width) + 1)
        kernel = torch.exp(-(offsets**2) / (2 * (width / FWHM) ** 2))
        kernel = torch.outer(kernel, kernel)
        kernel = kernel / kernel.square().sum().sqrt()  # so that the deviation stays 1
        padded = F.pad(drawn[:, None], [len(offsets) // 2] * 4, mode="circular")
        drawn = F.conv2d(padded, kernel[None, None])[:, 0]
    return deviation / 255 * drawn


def measure(fuser: Fuser, realisations: int, metrics: Sequence[Metric] = ()) -> Found:
    """Measure what a method keeps of the lesions.

    Parameters
    ----------
    fuser
        The method. Both sources' noise and their lesions are the same for every method.
    realisations
        Of the noise; even, at least 16. Each is fused twice, with all lesions of the kind and without.
    metrics
        Those by which the fusions of the pairs with lesions and without noise are scored too, the mean over the kinds.
    """
    found: dict[str, Observed] = {}
    scores: dict[str, list[float]] = {metric.label: [] for metric in metrics}
    for kind in KINDS:
        absent, present = (_fused(fuser, kind, realisations, with_lesions=there) for there in (False, True))
        for lesion in LESIONS:
            if lesion.kind == kind:
                sign = math.copysign(1, lesion.levels)
                seen = channels(*SIZE, *lesion.place)
                found[lesion.name] = observe(sign * absent, sign * present, seen)
        a, b = (image[None] for image in _with_lesions(kind))
        levels = quantise(fuser(a, b))
        for name, values in score(quantise(a), quantise(b), levels, metrics).items():
            scores[name].append(values.item())
    rank, ratio = _uptake(fuser)
    return Found(label(fuser), found, rank, ratio, {name: float(np.mean(values)) for name, values in scores.items()})


def _fused(fuser: Fuser, kind: str, count: int, *, with_lesions: bool) -> Tensor:
    """Fuse realisations of a kind: grey levels (count, H, W), as a file holds them."""
    clean = _with_lesions(kind) if with_lesions else sources(kind)
    a, b = (noisy(x, m, count, seed) for x, m, seed in zip(clean, kind.split("-"), (1, 2), strict=True))
    # In portions: a batch of all would take much memory for some methods.
    fused = [fuser(a[n : n + 8], b[n : n + 8]) for n in range(0, count, 8)]
    return quantise(torch.cat(fused)).double()


def _with_lesions(kind: str) -> tuple[Tensor, Tensor]:
    both = [*sources(kind)]
    for lesion in LESIONS:
        if lesion.kind == kind:
            both[lesion.source] = (both[lesion.source] + spot(lesion.levels, lesion.fwhm, lesion.place)).clamp(0, 1)
    return both[0], both[1]


def _uptake(fuser: Fuser) -> tuple[float, float]:
    """Say how the ranks and the ratios of hot spots of known uptake come through."""
    pet, mri = sources("PET-MRI")
    hot = pet + sum(spot(levels, 8, place) for levels, place in zip(SPOTS, PLACES, strict=True))
    before, after = (fuser(x[None].clamp(0, 1), mri[None])[0].double() for x in (pet, hot))
    contrasts = np.array([float((after - before)[r - 1 : r + 2, c - 1 : c + 2].mean()) for r, c in PLACES])
    uptake = np.array(SPOTS)
    if np.ptp(contrasts) < 1 / 255:  # none is seen, so nothing can be ranked
        return math.nan, math.nan
    rank = float(pd.Series(uptake).corr(pd.Series(contrasts), method="spearman"))
    ratios = contrasts / contrasts[-1] if contrasts[-1] > 0 else np.full_like(contrasts, np.nan)
    return rank, float(np.abs(ratios - uptake / uptake[-1])[:-1].mean())


def study(
    fusers: Sequence[Fuser], realisations: int, metrics: Sequence[Metric], jobs: int, progress: Progress
) -> list[Found]:
    """Measure methods in so many processes, each with one thread; the sources are measured before them.

    Raises
    ------
    ValueError
        If there are fewer than 16 realisations, or an odd number.
    """
    if realisations < 16 or realisations % 2:
        raise ValueError(f"--realisations {realisations}: an even number from 16 on is needed")
    asked: list[Fuser] = list(dict.fromkeys((SourceA(), SourceB(), *fusers)))
    found: dict[str, Found] = {}
    for done, one in enumerate(_measured(asked, realisations, metrics, jobs)):
        found[one.label] = one
        progress(one.label, done + 1, len(asked))
    return [found[label(fuser)] for fuser in asked]


def _measured(fusers: list[Fuser], realisations: int, metrics: Sequence[Metric], jobs: int) -> Iterator[Found]:
    from joblib import Parallel, delayed

    one = delayed(partial(measure, realisations=realisations, metrics=metrics))
    if jobs == 1:
        yield from (measure(fuser, realisations, metrics) for fuser in fusers)
        return
    with replacing_workers():
        yield from Parallel(jobs, return_as="generator_unordered", inner_max_num_threads=1)(map(one, fusers))


def kept(found: Found, both: Sequence[Found]) -> dict[str, tuple[float, float, float]]:
    """Give the part of each lesion's d' that a method keeps of the source that has the lesion, and its interval.

    The first one, "mean", is of all lesions; of those of two kinds different realisations are drawn.
    """
    seen = [(name, found.lesions[name], both[source].lesions[name]) for name, _, source, *_ in LESIONS]
    parts = {name: ours.kept(source) for name, ours, source in seen}
    drawn = torch.stack([ours.drawn / source.drawn for _, ours, source in seen]).mean(dim=0)
    return {"mean": (float(np.mean([part for part, _, _ in parts.values()])), *interval(drawn)), **parts}


def agreement(found: Sequence[Found], metrics: Sequence[Metric], draws: int = 1000) -> list[Agreement]:
    """Say which metric ranks the methods as the observer does: Kendall's tau with the mean part kept, and its interval.

    The sources are the first two of `found`, and no methods: a source keeps one modality whole. The interval is that of
    methods drawn anew. A row for each metric that has a direction and a score of each method, the largest tau first.
    """
    methods = found[2:]
    keeps = np.array([kept(method, found[:2])["mean"][0] for method in methods])
    generator = np.random.default_rng(0)
    rows = []
    for metric in metrics:
        if metric.higher_is_better is None:
            continue
        scores = np.array([f.scores[metric.label] for f in methods]) * (1 if metric.higher_is_better else -1)
        if math.isnan(tau := _tau(keeps, scores)):
            continue
        drawn = [_tau(keeps[i], scores[i]) for i in generator.integers(len(methods), size=(draws, len(methods)))]
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        rows.append(Agreement(metric.label, tau, float(low), float(high)))
    return sorted(rows, key=lambda row: -row.tau)


def _tau(x: "np.ndarray[tuple[int], np.dtype[np.float64]]", y: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    """Give Kendall's tau-b, NaN where one is constant or undefined."""
    from scipy.stats import kendalltau

    return float(kendalltau(x, y, method="asymptotic").statistic) if np.isfinite(y).all() else math.nan


def table(found: Sequence[Found]) -> list[dict[str, str]]:
    """Give the rows of the printed table, after the sources' the methods in the order of what they keep."""
    both = found[:2]
    parts = {one.label: kept(one, both) for one in found}
    methods = sorted(found[2:], key=lambda one: -parts[one.label]["mean"][0])
    return [
        {
            "method": one.label,
            **{name: _percent(*part) for name, part in parts[one.label].items()},
            "uptake's rank": "" if math.isnan(one.rank) else f"{one.rank:.2f}",
            "uptake's error": "" if math.isnan(one.ratio) else f"{100 * one.ratio:.0f} %",
        }
        for one in (*both, *methods)
    ]


def _percent(part: float, low: float, high: float) -> str:
    return f"{100 * part:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def page(found: Sequence[Found], agreed: Sequence[Agreement], realisations: int) -> str:
    """Write the page of a study, in Markdown."""
    both = found[:2]
    observed = [(lesion, both[lesion.source].lesions[lesion.name]) for lesion in LESIONS]
    in_sources = [
        {
            "lesion": lesion.name,
            "in": lesion.kind,
            "contrast (grey levels)": f"{lesion.levels:+.0f}",
            "width (mm)": f"{lesion.fwhm:.0f}",
            "noise (grey levels)": f"{NOISE[lesion.kind.split('-')[lesion.source]][0]:.0f}",
            "d'": f"{seen.d:.2f} ({seen.interval[0]:.2f} to {seen.interval[1]:.2f})",
            "AUC": f"{seen.auc:.3f}",
        }
        for lesion, seen in observed
    ]
    above = [
        f"{one.label} ({name}, {_percent(*part)})"
        for one in found[2:]
        for name, part in kept(one, both).items()
        if name != "mean" and part[1] > 1
    ]
    parts = [
        f"{len(found) - 2} methods, {realisations} realisations, synthetic parts of {SIZE[0]} x {SIZE[1]} mm.",
        "## The lesions, and the observer's d' in the source that has them",
        _markdown(in_sources),
        "## What is kept of d', and of uptake",
        _markdown(table(found)),
        "Above the source by more than chance: " + (", ".join(above) or "none") + ".",
    ]
    if agreed:
        rows = [
            {"metric": name, "Kendall's tau": f"{tau:+.2f} ({low:+.2f} to {high:+.2f})"}
            for name, tau, low, high in agreed
        ]
        parts += ["## Which metric ranks the methods as the observer does", _markdown(rows)]
    return "\n\n".join(parts) + "\n"


def _markdown(rows: Sequence[dict[str, str]]) -> str:
    from tabulate import tabulate

    return tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True)
