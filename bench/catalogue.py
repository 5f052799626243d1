"""Every suite of the bench, and the rows of other people's results beside them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fusebench.bench.colour import colour
from fusebench.bench.external import AnyFuser, External
from fusebench.bench.external import rows as external_rows
from fusebench.bench.gate.record import smoke
from fusebench.bench.paper import BY_LAYER, by_method, in_order, paper
from fusebench.bench.suite import Suite, load, select
from fusebench.datasets import catalogue as datasets
from fusebench.datasets.cases import Say, silent
from fusebench.datasets.pair import Entry
from fusebench.datasets.reading import AS_STATED, Reading
from fusebench.fusers.base import Fuser, label
from fusebench.fusers.catalogue import CLASSICAL, FUSERS, TRIVIAL, make
from fusebench.fusers.neural.multifocus import MultiFocusCNN
from fusebench.fusers.neural.vgg16 import VGG16LBFGS
from fusebench.fusers.pixel.multiscale import HIGH, TRANSFORMS, Multiscale
from fusebench.fusers.pixel.pcnn import PCNN


def classical(entries: Iterable[Entry], pairs: int | None = None) -> Suite:
    """Build tables of every fuser that is neither iterative nor neural, on every pair: one for each kind.

    With a number of pairs, on so many of each kind (`select`).
    """
    return _of_each_kind("Classical methods", (cls() for cls in CLASSICAL), entries, partial(_all, pairs=pairs))


def field(entries: Iterable[Entry], pairs: int | None = None) -> Suite:
    """Build tables of every fuser of the bench, one for each kind of pair, by every default metric.

    And of those options that have names of their own in the literature (`NAMED`). On the middle slice of each case, at
    most 5, or on so many pairs of each kind (`select`).
    """
    methods = (*(cls() for cls in FUSERS), *NAMED)
    return _of_each_kind("The field", methods, entries, partial(select, pairs=pairs))


def grid(entries: Iterable[Entry], pairs: int | None = None) -> Suite:
    """Build tables of every transform with every rule for its high bands, the low band averaged, one for each kind."""
    methods = (*(cls() for cls in TRIVIAL), *(Multiscale(t, h) for t in TRANSFORMS if t != "identity" for h in GRID))
    return _of_each_kind("Transforms and rules", methods, entries, partial(select, pairs=pairs))


def _of_each_kind(
    title: str,
    methods: Iterable[Fuser],
    entries: Iterable[Entry],
    chosen: Callable[[Sequence[Entry]], tuple[Entry, ...]],
) -> Suite:
    """Build a table of methods for each kind of pair, on those of its pairs that are chosen."""
    fusers = tuple(methods)
    return by_method(title, {kind: (fusers, chosen(listed)) for kind, listed in in_order(entries).items()})


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
    kinds = in_order(entries)
    rows = external_rows(results, [entry for listed in kinds.values() for entry in listed])
    shown = {kind: [e for e in listed if any(row.has(kind, e.name) for row in rows)] for kind, listed in kinds.items()}
    left = [f"{len(kinds[k]) - len(shown[k])} of {len(kinds[k])} ({k})" for k in kinds if len(shown[k]) < len(kinds[k])]
    if not any(shown.values()):
        first = next(iter(kinds.values()))[0]
        raise ValueError(f"{results}: no image of any pair; expected METHOD/{first.kind}/{first.name}.png")
    if left:
        say(f"pairs without any method's image are left out: {', '.join(left)}")
    theirs = {row.name for row in rows}
    trivial = tuple(cls() for cls in TRIVIAL if cls.name not in theirs)
    tables: dict[str, tuple[tuple[AnyFuser, ...], tuple[Entry, ...]]] = {
        kind: ((*trivial, *_of_kinds(rows, {kind}, say)), _all(listed, pairs))
        for kind, listed in shown.items()
        if listed
    }
    return by_method("External results", tables)


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
        kinds = {entry.kind for entry in table.entries}
        theirs = _of_kinds(rows, kinds, say) if name != BY_LAYER else ()
        if clash := {row.name for row in theirs} & {label(fuser) for fuser in table.fusers}:
            raise ValueError(f"{results}: {min(clash)} is a row of the suite; give the folder another name")
        tables[name] = replace(table, fusers=(*table.fusers, *theirs))
    return tables


def _of_kinds(rows: tuple[External, ...], kinds: set[str], say: Say) -> tuple[External, ...]:
    """Give the methods that have results for one of these kinds, and say which have none."""
    there = tuple(row for row in rows if kinds & dict(row.folders).keys())
    if others := [row.name for row in rows if row not in there]:
        say(f"no results for {' or '.join(sorted(kinds))}, and so no row there: {', '.join(others)}")
    return there


def _all(entries: Sequence[Entry], pairs: int | None) -> tuple[Entry, ...]:
    return select(entries, len(entries) if pairs is None else pairs)


# Methods of the field that are an option of a fuser.
NAMED: tuple[Fuser, ...] = (
    PCNN(linking="memristor"),
    PCNN(linking="adaptive"),
    MultiFocusCNN(variant="medical"),
    VGG16LBFGS(solver="protocol"),
)

# Rules of the grid; those with neurons take minutes for each pair in a transform of many bands.
GRID = tuple(rule for rule in HIGH if "pcnn" not in rule)

SUITES: Mapping[str, Callable[..., Suite]] = {
    "paper": paper,
    "classical": classical,
    "field": field,
    "grid": grid,
    "colour": colour,
    "smoke": smoke,
}


def suite_of(
    name: str,
    data: str | None = None,
    pairs: int | None = None,
    reading: Reading = AS_STATED,
    say: Say = silent,
    *,
    published: bool = False,
    cnn_file: str | None = None,
    results: Path | None = None,
) -> Suite:
    """Give a suite of the bench, or somebody else's as "module:NAME", on the pairs of a data set or a folder.

    Parameters
    ----------
    name
        Of the suite.
    data
        Name of a data set or place of a folder; None for the phantom, in colour for the suite colour.
    pairs
        How many of each kind; None for the suite's own choice.
    reading
        How files are read.
    say
        Is told what is worth knowing of the data.
    published
        Put the paper's numbers beside the suite paper.
    cnn_file
        The published weights of the multi-focus network, of which the suite paper then has a row.
    results
        A folder of other methods' images: of a kind of which it has any, only pairs with one are taken (`shown_by`).

    Raises
    ------
    ValueError
        If there is no such suite or data, or it does not take what is asked for.
    """
    if published and name != "paper":
        raise ValueError("--published: the numbers are the paper's, and stand in the suite paper alone")
    if ":" in name:
        return load(name, lambda: datasets.entries(data or "phantom", reading, say), pairs)
    if name not in SUITES:
        raise ValueError(f"no suite is called {name!r}; known: {', '.join(SUITES)}")
    if name == "smoke":
        if data is not None or pairs is not None or reading != AS_STATED:
            raise ValueError("the suite smoke is what the record holds; it takes neither --data nor --pairs")
        return SUITES[name]()
    options: dict[str, Any] = {"published": published, "cnn_file": cnn_file} if name == "paper" else {}
    if name == "colour":
        # Its sources stay coloured, and their table is that by which uptake is read.
        options = {"table": reading.table, "say": say}
        data, reading = data or "phantom-colour", replace(reading, table=None)
    entries = datasets.entries(data or "phantom", reading, say)
    return SUITES[name](entries if results is None else shown_by(results, entries, say), pairs, **options)


def shown_by(results: Path, entries: Sequence[Entry], say: Say = silent) -> tuple[Entry, ...]:
    """Leave out the pairs of which a folder of other methods' images has none, if it has images of their kind."""
    rows = external_rows(results, entries)
    there = {(entry.kind, entry.name) for entry in entries if any(row.has(entry.kind, entry.name) for row in rows)}
    kinds = {kind for kind, _ in there}
    kept = tuple(entry for entry in entries if entry.kind not in kinds or (entry.kind, entry.name) in there)
    if left := len(entries) - len(kept):
        say(f"pairs without an image of any method in {results} are left out: {left} of {len(entries)}")
    return kept


def with_own(suite: Suite, names: Iterable[str]) -> Suite:
    """Add methods of one's own, "module:NAME" or "module:NAME[option=value]", to a suite's tables of methods.

    Raises
    ------
    ValueError
        If there is no such method, or a row of its name.
    """
    own = tuple(make(name) for name in names)
    tables = dict(suite)
    for name, table in suite.items():
        if name != BY_LAYER:
            if clash := {label(fuser) for fuser in own} & {label(fuser) for fuser in table.fusers}:
                raise ValueError(f"--own: {min(clash)} is a row of the suite; give the method another name")
            tables[name] = replace(table, fusers=(*table.fusers, *own))
    return tables
