"""Suites: which fusers run on which pairs, judged by which metrics."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from fusebench.bench import published
from fusebench.datasets import phantom
from fusebench.datasets.pair import Entry
from fusebench.fusers import multifocus_weights
from fusebench.fusers.base import Fuser
from fusebench.fusers.catalogue import FUSERS, TRIVIAL
from fusebench.fusers.multifocus import MultiFocusCNN
from fusebench.fusers.trivial import Average, SourceA, SourceB
from fusebench.fusers.vgg16 import VGG16LBFGS
from fusebench.fusers.vgg16_weights import LAYERS
from fusebench.fusers.wavelet import Wavelet
from fusebench.metrics.base import Metric
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.mutual_information import MI, M
from fusebench.metrics.profiles import PROFILES
from fusebench.metrics.spatial_frequency import SF

# Without --pairs: this many cases of each kind, a slice of each.
CASES = 5


@dataclass(frozen=True)
class Table:
    """One table: every fuser on every pair, judged by every metric.

    `published` holds the scores a paper printed, by fuser's label and metric's label; they stand beside ours where
    the pairs are real.
    """

    title: str
    fusers: tuple[Fuser, ...]
    entries: tuple[Entry, ...]
    metrics: tuple[Metric, ...]
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


Suite = Mapping[str, Table]


def paper(entries: Iterable[Entry], pairs: int | None = None) -> Suite:
    """Build the seed paper's tables: 1 = the 13 layers on CT/MRI; 2, 3, 4 = methods on CT/MRI, CT/PET, SPECT/MRI.

    Any other kind of pair in the data gets a table of methods of its own behind them; a kind that is missing leaves
    its table out. Table 1 runs on one pair; where there is no CT/MRI, on the first kind there is.
    """
    kinds = _by_kind(entries)
    if not kinds:
        raise ValueError("there are no pairs to fuse")
    same: dict[str, str] = {}
    for kind in kinds:
        if (other := same.setdefault(_canonical(kind), kind)) != kind:
            raise ValueError(f"{kind} and {other} are one kind of pair; put their pairs into one folder")
    order = sorted(kinds, key=lambda kind: published.KINDS.get(_canonical(kind), len(kinds) + 5))
    first = select(kinds[order[0]], pairs)[:1]
    trivial = tuple(cls() for cls in TRIVIAL)
    layers = tuple(VGG16LBFGS(layer=layer) for layer in LAYERS)
    methods = tuple(cls() for cls in FUSERS)
    if os.environ.get(multifocus_weights.VARIABLE):
        methods = (*methods, MultiFocusCNN(weights="published"))
    columns = (SF, MI, M)
    claimed = published.TABLE_1 if published.KINDS.get(_canonical(order[0])) == 2 else {}
    tables = {"table1": Table(f"VGG16 + L-BFGS by layer, {order[0]}", (*trivial, *layers), first, columns, claimed)}
    number = max(published.KINDS.values())
    for kind in order:
        known = published.KINDS.get(_canonical(kind))
        number += known is None
        tables[f"table{known or number}"] = Table(
            f"Methods, {kind}", methods, select(kinds[kind], pairs), columns, published.METHODS.get(known or 0, {})
        )
    return tables


def smoke() -> Suite:
    """Build what the record holds: every fuser, layer and metric on small synthetic pairs, in under a minute.

    The layers run in float64 and shorter than the protocol: in float32 the protocol's scores differ by percents
    between processors, some metrics' by tens of percents, and a gate that wide would let anything through. So the
    protocol itself is judged by the paper's metrics alone. MS_SSIM needs more than 64 x 64 pixels, so
    three fusers run on a whole slice too.
    """
    middle = _middle_slices(phantom.entries(size=64))
    small = tuple(metric for metric in METRICS if metric.name != "MS_SSIM")
    # Undefined for a source returned untouched: 0/0, and the logarithm of no error.
    of_sources = tuple(metric for metric in small if metric.name not in {"SCD", "PSNR"})
    defaults = tuple(metric for metric in small if not metric.variant)
    # Another kind than those above: a pair's name says nothing of its size.
    whole = _middle_slices(phantom.entries(["PET-MRI"]))
    # On pairs this small the multi-focus network finds one source in focus everywhere.
    sources = (SourceA(), SourceB(), MultiFocusCNN())
    methods = tuple(cls() for cls in FUSERS if cls() not in {*sources, VGG16LBFGS()})
    layers = tuple(VGG16LBFGS(layer=layer, rounds=2, iterations=4, precision="float64") for layer in LAYERS)
    return {
        "smoke": Table("Every method, small synthetic pairs", methods, middle, small),
        "smoke-sources": Table("A source returned untouched", sources, middle, of_sources),
        "smoke-protocol": Table("The paper's protocol", (VGG16LBFGS(),), middle, PROFILES["seed"]),
        "smoke-layers": Table("Every layer in float64, a small synthetic pair", layers, middle[:1], defaults),
        "smoke-whole": Table(
            "Every metric, a synthetic slice", (Average(), Wavelet(), MultiFocusCNN(variant="medical")), whole, METRICS
        ),
    }


SUITES: Mapping[str, Callable[..., Suite]] = {"paper": paper, "smoke": smoke}


def select(entries: Iterable[Entry], pairs: int | None) -> tuple[Entry, ...]:
    """Choose the pairs of one kind: without a number the middle slice of each case, at most 5 cases.

    With a number, as many pairs, spread over the cases: first every case's middle slice, then the slices next to
    it, outwards. The order of the data is kept.

    Raises
    ------
    ValueError
        If the number is not positive.
    """
    if pairs is not None and pairs < 1:
        raise ValueError(f"--pairs {pairs}: at least 1 pair of each kind is needed")
    listed = list(entries)
    cases: dict[str, list[int]] = {}
    for index, entry in enumerate(listed):
        cases.setdefault(entry.case, []).append(index)
    # (distance from the middle of its case, index): sorting takes all middles first.
    ranks = sorted(
        (abs(place - len(slices) // 2), index) for slices in cases.values() for place, index in enumerate(slices)
    )
    count = min(CASES, len(cases)) if pairs is None else pairs
    return tuple(listed[index] for index in sorted(index for _, index in ranks[:count]))


def _middle_slices(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(entry for kind in _by_kind(entries).values() for entry in select(kind, None))


def _by_kind(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    kinds: dict[str, list[Entry]] = {}
    for entry in entries:
        kinds.setdefault(entry.dataset, []).append(entry)
    return kinds


def _canonical(kind: str) -> str:
    """CT-MRI and MRI-CT are one kind of pair."""
    return "-".join(sorted(kind.upper().split("-")))
