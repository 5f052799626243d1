"""Suites: which fusers run on which pairs, judged by which metrics."""

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path
from typing import cast

from fusebench.bench import published
from fusebench.bench.external import External
from fusebench.bench.external import rows as external_rows
from fusebench.datasets import phantom
from fusebench.datasets.cases import Say, silent
from fusebench.datasets.pair import Entry, check_name
from fusebench.fusers import foreign, multifocus_weights
from fusebench.fusers.base import Fuser, check_class, label
from fusebench.fusers.catalogue import CLASSICAL, FUSERS, TRIVIAL, known, named
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

COLUMNS = (SF, MI, M)
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
    its table out. Table 1 runs on one pair; where there is no CT/MRI, on the first kind there is. Methods of installed
    plug-ins stand behind the bench's own.
    """
    kinds = _in_order(entries)
    kind, listed = next(iter(kinds.items()))
    layers = (*(cls() for cls in TRIVIAL), *(VGG16LBFGS(layer=layer) for layer in LAYERS))
    methods: tuple[Fuser, ...] = tuple(cls() for cls in known())
    if os.environ.get(multifocus_weights.VARIABLE):
        methods = (*methods, MultiFocusCNN(weights="published"))
    claimed = published.TABLE_1 if published.KINDS.get(_canonical(kind)) == 2 else {}
    first = select(listed, pairs)[:1]
    return {
        "table1": Table(f"VGG16 + L-BFGS by layer, {kind}", layers, first, COLUMNS, claimed),
        **_by_method("Methods", {kind: (methods, select(listed, pairs)) for kind, listed in kinds.items()}),
    }


def classical(entries: Iterable[Entry], pairs: int | None = None) -> Suite:
    """Build tables of every fuser that is neither iterative nor neural, on every pair: one for each kind.

    With a number of pairs, on so many of each kind (`select`).
    """
    methods = tuple(cls() for cls in CLASSICAL)
    kinds = {kind: (methods, _all(listed, pairs)) for kind, listed in _in_order(entries).items()}
    return _by_method("Classical methods", kinds)


def external(entries: Iterable[Entry], results: Path, pairs: int | None = None, say: Say = silent) -> Suite:
    """Build tables of the methods whose images a folder holds, beside the trivial rows: one for each kind it has.

    On every pair of which some method has an image, or on so many of each kind. A method stands in the tables of the
    kinds it has a folder for. `say` is told, in a line each, what is left out by either. Where the folder has a row of
    a trivial one's name, that one is shown.

    Raises
    ------
    ValueError
        If the folder has no image of any pair; see `bench.external.rows` too.
    """
    kinds = _in_order(entries)
    rows = external_rows(results, [entry for listed in kinds.values() for entry in listed])
    shown = {kind: [e for e in listed if any(row.has(kind, e.name) for row in rows)] for kind, listed in kinds.items()}
    left = [f"{len(kinds[k]) - len(shown[k])} of {len(kinds[k])} ({k})" for k in kinds if len(shown[k]) < len(kinds[k])]
    if not any(shown.values()):
        first = next(iter(kinds.values()))[0]
        raise ValueError(f"{results}: no image of any pair; expected METHOD/{first.dataset}/{first.name}.png")
    if left:
        say(f"pairs without any method's image are left out: {', '.join(left)}")
    theirs = {row.name for row in rows}
    trivial = tuple(cls() for cls in TRIVIAL if cls.name not in theirs)
    tables = {
        kind: ((*trivial, *_of_kinds(rows, {kind}, say)), _all(listed, pairs))
        for kind, listed in shown.items()
        if listed
    }
    return _by_method("External results", tables)


def beside(suite: Suite, results: Path, say: Say = silent) -> Suite:
    """Add the methods whose images a folder holds to a suite's tables of methods: to all but that of the layers.

    To the tables of the kinds that a method has a folder for; `say` is told which methods a table is without.

    Raises
    ------
    ValueError
        If there is a row of that name.
    """
    rows = external_rows(results, [entry for table in suite.values() for entry in table.entries])
    tables = dict(suite)
    for name, table in suite.items():
        kinds = {entry.dataset for entry in table.entries}
        theirs = _of_kinds(rows, kinds, say) if name != "table1" else ()
        if clash := {row.name for row in theirs} & {label(fuser) for fuser in table.fusers}:
            raise ValueError(f"{results}: {min(clash)} is a row of the suite; give the folder another name")
        tables[name] = replace(table, fusers=(*table.fusers, *theirs))
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


SUITES: Mapping[str, Callable[..., Suite]] = {"paper": paper, "classical": classical, "smoke": smoke}


def load(name: str, entries: Callable[[], Iterable[Entry]], pairs: int | None = None) -> Suite:
    """Load somebody else's suite, "module:NAME": a mapping as `Suite` is, or a callable that returns one.

    A callable with parameters gets the entries and the number of pairs, as `paper` does.

    Raises
    ------
    ValueError
        If there is no such module or name, or what it names is no suite.
    """
    found = named(name)
    if callable(found):
        with foreign.printing(name):
            try:
                found = found(entries(), pairs) if inspect.signature(found).parameters else found()
            except (ValueError, OSError):
                raise
            except Exception as error:
                raise ValueError(f"{name}: {type(error).__name__}: {error}") from error
    return check(name, found)


def check(name: str, suite: object) -> Suite:
    """Give a suite back, or say why it is none.

    Raises
    ------
    ValueError
        If it is not a mapping from names that files can have to tables of fusers, pairs and metrics, or two metrics
        have one label.
    """
    tables = suite if isinstance(suite, Mapping) else {}
    if not tables or not all(isinstance(table, Table) for table in tables.values()):
        raise ValueError(f"{name}: not a suite; expected a mapping from names to fusebench.bench.suite.Table")
    for key, table in tables.items():
        try:
            _check_table(key, table)
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{name}: table {key!r}: {error}") from error
    labels: dict[str, Metric] = {}
    for metric in (metric for table in tables.values() for metric in table.metrics):
        if labels.setdefault(metric.label, metric) != metric:
            raise ValueError(f"{name}: two different metrics are called {metric.label}; a column has a name of its own")
    return cast("Suite", suite)


def _check_table(key: object, table: Table) -> None:
    """Raise one of three errors unless a table can be run and written under its name."""
    check_name(cast("str", key), "a table")
    for fuser in table.fusers:
        if not isinstance(fuser, External):  # which is not called
            check_class(type(fuser))
        hash(fuser)
    for what, kind, things in (("pair", Entry, table.entries), ("metric", Metric, table.metrics)):
        for thing in things:
            if not isinstance(thing, kind):
                raise TypeError(f"{thing!r} is no {what}; expected {kind.__module__}.{kind.__name__}")
    for scores in table.published.values():
        for metric, score in scores.items():
            if not isinstance(score, Real):
                raise TypeError(f"the published score of {metric} is {score!r}; expected a number")


def select(entries: Iterable[Entry], pairs: int | None) -> tuple[Entry, ...]:
    """Choose the pairs of one kind: without a number the middle slice of each case, at most 5 cases.

    With a number, as many pairs, spread over the cases: first every case's middle slice, then the slices next to it,
    outwards. A pair whose case is not known counts as a case. The order of the data is kept.

    Raises
    ------
    ValueError
        If the number is not positive.
    """
    if pairs is not None and pairs < 1:
        raise ValueError(f"--pairs {pairs}: at least 1 pair of each kind is needed")
    listed = list(entries)
    cases: dict[str | Entry, list[int]] = {}
    for index, entry in enumerate(listed):
        cases.setdefault(entry.case or entry, []).append(index)
    # (distance from the middle of its case, index): sorting takes all middles first.
    ranks = sorted(
        (abs(place - len(slices) // 2), index) for slices in cases.values() for place, index in enumerate(slices)
    )
    count = min(CASES, len(cases)) if pairs is None else pairs
    return tuple(listed[index] for index in sorted(index for _, index in ranks[:count]))


def _of_kinds(rows: tuple[External, ...], kinds: set[str], say: Say) -> tuple[Fuser, ...]:
    """Give the methods that have results for one of these kinds, and say which have none.

    They stand in a table: they have a name and options, and `work` knows that they are read, not called.
    """
    there = [row for row in rows if kinds & dict(row.folders).keys()]
    if others := [row.name for row in rows if row not in there]:
        say(f"no results for {' or '.join(sorted(kinds))}, and so no row there: {', '.join(others)}")
    return cast("tuple[Fuser, ...]", tuple(there))


def _all(entries: Sequence[Entry], pairs: int | None) -> tuple[Entry, ...]:
    return select(entries, len(entries) if pairs is None else pairs)


def _in_order(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Give the pairs of each kind, the paper's kinds first."""
    kinds = _by_kind(entries)
    if not kinds:
        raise ValueError("there are no pairs to fuse")
    same: dict[str, str] = {}
    for kind in kinds:
        if (other := same.setdefault(_canonical(kind), kind)) != kind:
            raise ValueError(f"{kind} and {other} are one kind of pair; put their pairs into one folder")
    return {
        kind: kinds[kind]
        for kind in sorted(kinds, key=lambda kind: published.KINDS.get(_canonical(kind), len(kinds) + 5))
    }


def _by_method(title: str, kinds: Mapping[str, tuple[tuple[Fuser, ...], tuple[Entry, ...]]]) -> Suite:
    """Give each kind its table of methods, numbered as the paper does and beyond."""
    number = max(published.KINDS.values())
    tables = {}
    for kind, (methods, entries) in kinds.items():
        printed = published.KINDS.get(_canonical(kind))
        number += printed is None
        claimed = published.METHODS.get(printed or 0, {})
        tables[f"table{printed or number}"] = Table(f"{title}, {kind}", methods, entries, COLUMNS, claimed)
    return tables


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
