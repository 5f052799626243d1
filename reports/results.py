"""A finished run, read from its folder. Nothing else in `reports` reads what a run wrote."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from fusebench.bench.engine import store

SOURCES = store.SOURCE_ROWS


class Fuser(NamedTuple):
    """A row of a table; what is trivial is set apart.

    `title` is what people read, and `parameters` how many a network has, None where it is none.
    """

    label: str
    trivial: bool
    title: str
    parameters: int | None = None

    @property
    def shown(self) -> str:
        """Its title, in brackets where it is trivial."""
        return f"({self.title})" if self.trivial else self.title


class Metric(NamedTuple):
    """A column of a table."""

    label: str
    family: str
    unit: str
    higher_is_better: bool | None  # None: no value is the best
    digits: int
    source: str


class Table(NamedTuple):
    """Which fusers on which pairs, (kind, name), by which metrics; and what a paper printed, by both labels.

    `shown` are the metrics that are printed.
    """

    name: str
    title: str
    fusers: tuple[Fuser, ...]
    pairs: tuple[tuple[str, str], ...]
    metrics: tuple[Metric, ...]
    published: Mapping[str, Mapping[str, float]]
    shown: tuple[Metric, ...]

    def printed(self) -> "Table":
        """Give the table with the metrics that are printed."""
        return self._replace(metrics=self.shown)


class Pair(NamedTuple):
    """What a run says of a pair: its data set, its case, None where it is not known, and what its images are.

    `sides` says what lies at the left and the right edge of its images, such as R and L; None where it is not known.
    """

    dataset: str
    case: str | None
    size: tuple[int, int]
    modalities: tuple[str, str]
    coloured: tuple[str, ...]
    synthetic: bool
    sides: tuple[str, str] | None


@dataclass(frozen=True)
class Results:
    """A run: its folder, its tables, its pairs by kind and name, and all that `run.json` says of it.

    `more` are the folders of other runs whose rows stand in its tables too (`merged`).
    """

    folder: Path
    tables: tuple[Table, ...]
    pairs: Mapping[tuple[str, str], Pair]
    provenance: Mapping[str, Any]
    more: tuple[Path, ...] = ()

    @property
    def made(self) -> tuple[str, str, tuple[str, ...]]:
        """The suite, when it was run, and the command. Raises ValueError if `run.json` does not say so."""
        said = self.provenance
        try:
            return said["suite"], said["written"], tuple(said["request"]["command"])
        except (KeyError, TypeError) as error:
            raise _foreign(self.folder, error) from error

    @cached_property
    def scores(self) -> "pd.Series[float]":
        """The scores, by kind, pair, fuser and metric."""
        folders = (self.folder, *self.more)
        rows = [row for folder in folders for row in store.read_rows(folder / store.SCORES, store.Score)]
        read = pd.DataFrame(rows, columns=store.Score._fields).set_index([*store.Score._fields[:-1]]).score
        return read[~read.index.duplicated()]

    @cached_property
    def _by_image(self) -> pd.DataFrame:
        return self.scores.unstack("metric")  # noqa: PD010  nothing is averaged

    def values(self, table: Table) -> npt.NDArray[np.float64]:
        """Give the scores of a table, shape (fusers, pairs, metrics), NaN where there is none."""
        images = pd.MultiIndex.from_tuples([(*pair, fuser.label) for fuser in table.fusers for pair in table.pairs])
        found = self._by_image.reindex(index=images, columns=[metric.label for metric in table.metrics])
        return found.to_numpy(dtype=float).reshape(len(table.fusers), len(table.pairs), len(table.metrics))

    @cached_property
    def losses(self) -> pd.DataFrame:
        """The losses of iterative fusers, with the columns of `store.Loss`."""
        return pd.DataFrame(store.read_rows(self.folder / store.LOSSES, store.Loss), columns=store.Loss._fields)

    @cached_property
    def seconds(self) -> pd.DataFrame:
        """Seconds of fusing and of scoring, with the columns of `store.Seconds`; no row where a run has none."""
        path = self.folder / store.SECONDS
        rows = store.read_rows(path, store.Seconds) if path.exists() else []
        return pd.DataFrame(rows, columns=store.Seconds._fields)

    @cached_property
    def failures(self) -> list[store.Failure]:
        """What gave no image or no score."""
        paths = (folder / store.FAILURES for folder in (self.folder, *self.more))
        return [row for path in paths if path.exists() for row in store.read_rows(path, store.Failure)]

    @cached_property
    def features(self) -> dict[str, npt.NDArray[np.float32]]:
        """Feature maps of the first pair of the table of layers, by "LAYER/NAME"; empty where a run has none."""
        path = self.folder / store.FEATURES
        if not path.exists():
            return {}
        with np.load(path) as arrays:
            return dict(arrays)

    def seconds_of(self, table: Table) -> "pd.Series[float]":
        """Give the mean seconds that each fuser of a table took for an image; of one that was not called, none."""
        return self.times_of(table)["mean"]

    def times_of(self, table: Table) -> pd.DataFrame:
        """Give the mean and the standard deviation of the same, NaN of a single image; a row for each fuser called."""
        wanted = pd.MultiIndex.from_tuples(table.pairs)
        rows = self.seconds[pd.MultiIndex.from_frame(self.seconds[["kind", "pair"]]).isin(wanted)]
        found = rows.groupby("fuser").fuse.agg(["mean", "std"])
        return found.reindex([fuser.label for fuser in table.fusers]).dropna(subset="mean")

    @cached_property
    def maps(self) -> dict[tuple[str, str, str, str], store.MapFile]:
        """The maps of metrics, by kind, pair, fuser and metric; empty where a run has none."""
        path = self.folder / store.MAPS / store.MAP_LIST
        if not path.exists():
            return {}
        try:
            listed = [store.MapFile(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
        except (ValueError, TypeError) as error:
            raise _foreign(self.folder, error) from error
        return {(one.kind, one.pair, one.fuser, one.metric): one for one in listed}

    def source(self, pair: tuple[str, str], number: int) -> Path:
        """Say where source 0 or 1 of a pair lies: a row of the run, or kept beside them."""
        row = self.image(pair, SOURCES[number])
        return row if row.exists() else self.folder / store.SOURCES / store.image_path((*pair, SOURCES[number]))

    def table(self, name: str) -> Table:
        """Give a table by its name."""
        return next(table for table in self.tables if table.name == name)

    def image(self, pair: tuple[str, str], fuser: str) -> Path:
        """Say where the fused image of a pair lies, if the fuser gave one."""
        return self.folder / store.FUSED / store.image_path((*pair, fuser))

    def coloured(self, pair: tuple[str, str], fuser: str) -> Path:
        """Say where the same lies in colour, if there is one."""
        return self.folder / store.COLOUR / store.image_path((*pair, fuser))


def narrowed(results: Results, table: str | None, pair: str | None, methods: str | None, metrics: str | None) -> Table:
    """Give a table with one of its pairs first, some of its methods and some of its metrics; None leaves all.

    Rows that hold a source stay. The metrics that are chosen are shown.

    Parameters
    ----------
    results
        The run.
    table
        Its name; None stands for the first that has the pair and the methods.
    pair
        KIND/NAME or NAME.
    methods, metrics
        Labels, joined by commas; a method's name stands for all its variants.

    Raises
    ------
    ValueError
        If there is no such table, pair, method or metric; the message lists what there is.
    """
    tables = [found for found in results.tables if table in (None, found.name)]
    if not tables:
        raise ValueError(f"--table {table}: there are {', '.join(found.name for found in results.tables)}")
    having = [t for t in tables if pair is None or any(pair in (name, f"{kind}/{name}") for kind, name in t.pairs)]
    if not having:
        raise ValueError(f"--pair {pair}: there are {', '.join('/'.join(p) for t in tables for p in t.pairs[:5])}, ...")
    wanted = [] if methods is None else split(methods)

    def called(t: Table, name: str) -> list[Fuser]:
        return [fuser for fuser in t.fusers if name in (fuser.label, fuser.label.partition("[")[0])]

    chosen = next((t for t in having if all(called(t, name) for name in wanted)), having[0])
    pairs = sorted(chosen.pairs, key=lambda p: pair not in (None, p[1], "/".join(p)))
    columns = {metric.label: metric for metric in chosen.metrics}
    shown = [metric.label for metric in chosen.shown] if metrics is None else split(metrics)
    if missing := [name for name in wanted if not called(chosen, name)]:
        raise ValueError(f"--methods {missing[0]}: there are {', '.join(fuser.label for fuser in chosen.fusers)}")
    if missing := [name for name in shown if name not in columns]:
        raise ValueError(f"--metrics {missing[0]}: there are {', '.join(columns)}")
    rows = [fuser for name in wanted for fuser in called(chosen, name)] or list(chosen.fusers)
    sources = [fuser for fuser in chosen.fusers if fuser.label in SOURCES and fuser not in rows]
    printed = tuple(columns[label] for label in shown)
    return chosen._replace(pairs=tuple(pairs), fusers=(*sources, *rows), metrics=printed, shown=printed)


def split(labels: str) -> list[str]:
    """Split labels at the commas between them, not at those within brackets.

    Examples
    --------
    >>> split("nsct,vgg16[layer=conv1_2,rounds=2]")
    ['nsct', 'vgg16[layer=conv1_2,rounds=2]']
    """
    return [label.strip() for label in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", labels)]


def read(folder: Path) -> Results:
    """Read what `run.json` says of the run in a folder; its scores, losses and images are read when they are asked for.

    Raises
    ------
    ValueError
        If the folder holds no finished run.
    """
    said = store.read_run(folder)
    if said is None:
        raise ValueError(f"{folder}: holds no finished run; expected what `fusebench bench --out` wrote")
    try:
        tables = tuple(
            Table(
                name,
                table["title"],
                _rows(table["fusers"]),
                tuple((kind, pair) for kind, pair in table["pairs"]),
                metrics,
                table["published"],
                tuple({metric.label: metric for metric in metrics}[label] for label in table["shown"]),
            )
            for name, table in said["tables"].items()
            for metrics in [tuple(Metric(*(metric[fact] for fact in Metric._fields)) for metric in table["metrics"])]
        )
        pairs = {
            (kind, name): Pair(
                pair["dataset"],
                pair["case"],
                (pair["size"][0], pair["size"][1]),
                (pair["modalities"][0], pair["modalities"][1]),
                tuple(pair["coloured"]),
                pair["synthetic"],
                (pair["sides"][0], pair["sides"][1]) if pair.get("sides") else None,
            )
            for kind, listed in said["pairs"].items()
            for name, pair in listed.items()
        }
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise _foreign(folder, error) from error
    return Results(folder, tables, pairs, said)


def merged(first: Results, others: Sequence[Results]) -> Results:
    """Put the rows of other runs on the same pairs into the tables of a run.

    A row goes into the table of the same pairs' kinds. What both have, such as the trivial rows, must have the same
    scores, to 1e-6: that shows that both were made of the same pixels by the same definitions.

    Raises
    ------
    ValueError
        If `scores.csv` is not the one that `run.json` names, pixels or definitions differ, or a row has the name and
        not the scores of another.
    """
    tables = {frozenset(kind for kind, _ in table.pairs): table for table in first.tables}
    scores = first.scores
    _check_digest(first)
    for other in others:
        _check_digest(other)
        _check_alike(first, other)
        shared = scores.index.intersection(other.scores.index)
        here, there = scores[shared].to_numpy(), other.scores[shared].to_numpy()
        if (differs := ~np.isclose(here, there, rtol=1e-6, atol=1e-9, equal_nan=True)).any():
            kind, pair, fuser, metric = shared[differs][0]
            raise ValueError(f"{other.folder}: its {metric} of {fuser} on {kind}/{pair} is not that of {first.folder}")
        for table in other.tables:
            kinds = frozenset(kind for kind, _ in table.pairs)
            if kinds not in tables:
                raise ValueError(f"{other.folder}: {first.folder} has no table of {', '.join(sorted(kinds))}")
            known = {fuser.label for fuser in tables[kinds].fusers}
            new = tuple(fuser for fuser in table.fusers if fuser.label not in known)
            tables[kinds] = tables[kinds]._replace(fusers=(*tables[kinds].fusers, *new))
        scores = pd.concat([scores, other.scores.drop(shared)])
    return replace(first, tables=tuple(tables.values()), more=tuple(other.folder for other in others))


def _check_digest(results: Results) -> None:
    """Raise ValueError unless `scores.csv` is the one that was written with `run.json`."""
    path = results.folder / store.SCORES
    if hashlib.sha256(path.read_bytes()).hexdigest() != results.provenance.get("scores_sha256"):
        raise ValueError(f"{path}: is not the file that {store.RUN} beside it names by its digest; run it again")


def _check_alike(first: Results, other: Results) -> None:
    """Raise ValueError unless two runs mean the same by their pairs and metrics."""
    for kind, listed in other.provenance["pairs"].items():
        ours = first.provenance["pairs"].get(kind, {})
        for pair in ours.keys() & listed.keys():
            if ours[pair]["sha256"] != listed[pair]["sha256"]:
                raise ValueError(f"{other.folder}: the pixels of {kind}/{pair} are not those of {first.folder}")
    defined = {metric.label: metric for table in first.tables for metric in table.metrics}
    for metric in (metric for table in other.tables for metric in table.metrics):
        if metric.label in defined and defined[metric.label] != metric:
            raise ValueError(f"{other.folder}: {metric.label} is not defined there as in {first.folder}")


def _rows(fusers: Sequence[Mapping[str, Any]]) -> tuple[Fuser, ...]:
    """Give the rows of a table; two that would have one title have their labels."""
    titles = [fuser.get("title", fuser["label"]) for fuser in fusers]
    return tuple(
        Fuser(
            fuser["label"],
            fuser["trivial"],
            title if titles.count(title) == 1 else fuser["label"],
            fuser.get("parameters"),
        )
        for fuser, title in zip(fusers, titles, strict=True)
    )


def _foreign(folder: Path, error: Exception) -> ValueError:
    return ValueError(f"{folder / store.RUN}: was not written by this version ({error!r}); run it again")
