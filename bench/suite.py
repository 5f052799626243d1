"""Suites: which fusers run on which pairs, judged by which metrics."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from numbers import Real
from typing import cast

from fusebench.bench.external import AnyFuser, part
from fusebench.datasets.pair import Entry, check_name
from fusebench.fusers import foreign
from fusebench.fusers.base import check_class, label
from fusebench.fusers.catalogue import TRIVIAL, named
from fusebench.metrics.base import Metric
from fusebench.metrics.profiles import chosen

# Without --pairs: this many cases of each kind, a slice of each.
CASES = 5


@dataclass(frozen=True)
class Table:
    """One table: every fuser on every pair, judged by every metric, given as a record or by its label.

    `shown` are the metrics that are printed, all where none is named; the files of a run have all of them. `published`
    holds the scores a paper printed, by fuser's label and metric's label; they stand beside ours where the pairs are
    real. `tolerances` holds the largest relative change of a score that `fusebench check` lets pass, by the label or
    name of a fuser and the label of a metric, either of which may be "*"; without one it is what the two state.
    """

    title: str
    fusers: tuple[AnyFuser, ...]
    entries: tuple[Entry, ...]
    metrics: tuple[Metric, ...]
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    shown: tuple[Metric, ...] = ()
    tolerances: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", _records(self.metrics))
        object.__setattr__(self, "shown", _records(self.shown) or self.metrics)
        if missing := [metric.label for metric in self.shown if metric not in self.metrics]:
            raise ValueError(f"table {self.title!r} shows {missing[0]}, which is not among its metrics")


def _records(metrics: Iterable[Metric | str]) -> tuple[Metric, ...]:
    """Give the records of metrics that are given as records or by their labels."""
    return tuple(chain.from_iterable(chosen(m) if isinstance(m, str) else (m,) for m in metrics))


Suite = Mapping[str, Table]


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
    for called in part(table.fusers)[0]:
        check_class(type(called))
    for fuser in table.fusers:
        hash(fuser)
    for what, kind, things in (("pair", Entry, table.entries), ("metric", Metric, table.metrics)):
        for thing in things:
            if not isinstance(thing, kind):
                raise TypeError(f"{thing!r} is no {what}; expected {kind.__module__}.{kind.__name__}")
    _check_tolerances(table)
    for scores in table.published.values():
        for metric, score in scores.items():
            if not isinstance(score, Real):
                raise TypeError(f"the published score of {metric} is {score!r}; expected a number")


def _check_tolerances(table: Table) -> None:
    fusers = {"*", *(f.name for f in table.fusers), *(label(f) for f in table.fusers)}
    metrics = {"*", *(metric.label for metric in table.metrics)}
    for (fuser, metric), allowed in table.tolerances.items():
        if fuser not in fusers or metric not in metrics:
            raise ValueError(f"a tolerance for {fuser!r} by {metric!r}, of which the table lacks one")
        if not (isinstance(allowed, Real) and 0 <= allowed < float("inf")):
            raise ValueError(f"the tolerance of {fuser} by {metric} is {allowed!r}; expected a number, 0.01 for 1 %")


def narrowed(suite: Suite, metrics: str | None = None, methods: str | None = None, kinds: str | None = None) -> Suite:
    """Give the part of a suite that is asked for.

    Parameters
    ----------
    suite
        Its tables. One that has no method or no pair left is left out.
    metrics
        Profiles and labels, joined by commas (`metrics.profiles.chosen`), or labels of a table's own metrics: what is
        computed and shown instead.
    methods
        Names or labels of fusers, joined by commas. Trivial rows stay.
    kinds
        Kinds of pairs, such as "CT-MRI,PET-MRI".

    Raises
    ------
    ValueError
        If a name is unknown, or names nothing in the suite; the message has what there is.
    """
    trivial = {cls.name for cls in TRIVIAL}
    rows = {label(fuser): fuser.name for table in suite.values() for fuser in table.fusers if fuser.name not in trivial}
    wanted = _asked("--methods", methods, [*rows, *rows.values()])
    pairs = _asked("--kinds", kinds, by_kind(entry for table in suite.values() for entry in table.entries))
    found = {}
    for name, table in suite.items():
        fusers = tuple(fuser for fuser in table.fusers if {fuser.name, label(fuser)} & {*trivial, *wanted})
        entries = tuple(entry for entry in table.entries if entry.kind in pairs)
        if entries and (methods is None or any(fuser.name not in trivial for fuser in fusers)):
            columns = (table.metrics, table.shown) if metrics is None else (_columns(table, metrics),) * 2
            found[name] = replace(table, fusers=fusers, entries=entries, metrics=columns[0], shown=columns[1])
    return found


def _columns(table: Table, metrics: str) -> tuple[Metric, ...]:
    """Give the metrics that are asked for: a table's own, such as those of colour, by their labels, or any other."""
    own = {metric.label: (metric,) for metric in table.metrics}
    asked = (name.strip() for name in metrics.split(","))
    return tuple(dict.fromkeys(chain.from_iterable(own.get(name) or chosen(name) for name in asked)))


def _asked(option: str, names: str | None, there: Iterable[str]) -> list[str]:
    """Give the names that an option lists, all where it is not given; labels hold commas inside their brackets."""
    known = list(dict.fromkeys(there))
    if names is None:
        return known
    asked = [name.strip() for name in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", names)]
    for name in asked:
        if name not in known:
            raise ValueError(f"{option} {name}: there is none; there are {', '.join(known)}")
    return asked


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


def middle_slices(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Choose the pairs of every kind as `select` does without a number."""
    return tuple(entry for kind in by_kind(entries).values() for entry in select(kind, None))


def by_kind(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Give the pairs of each kind, in the order of the data."""
    kinds: dict[str, list[Entry]] = {}
    for entry in entries:
        kinds.setdefault(entry.kind, []).append(entry)
    return kinds
