"""What a run is to do: every pair read and checked, and each (pair, fuser) an item with its keys, in tasks."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from fusebench.bench.engine.keys import Keys, weights
from fusebench.bench.engine.store import Name
from fusebench.bench.engine.work import Row, Task, pixels_sha256
from fusebench.bench.external import AnyFuser, part
from fusebench.bench.suite import Suite
from fusebench.datasets.cases import Progress
from fusebench.datasets.pair import Entry
from fusebench.fusers import foreign
from fusebench.fusers.base import label
from fusebench.fusers.catalogue import CLASSICAL
from fusebench.metrics.base import Metric

T = TypeVar("T")

# On a GPU so many pairs of one size are fused together, or as many as have so many pixels, for each of which VGG16 +
# L-BFGS at conv1_2 takes about 1 KB. On a CPU that gains nothing, and the rounding of a score would depend on the other
# pairs of the batch.
BATCH = 16
BATCH_PIXELS = 2**22


class Seen(NamedTuple):
    """What is kept of a pair after it was read and checked: what groups it, and the digest of its pixels."""

    size: tuple[int, int]
    modalities: tuple[str, str]
    coloured: tuple[str, ...]
    synthetic: bool
    sides: tuple[str, str] | None
    sha256: str


class Item(NamedTuple):
    """A fuser on a pair: the key of its image, the digest of the pair's pixels, and the metrics to score it by."""

    key: str | None
    pixels: str
    metrics: tuple[Metric, ...]


class Plan(NamedTuple):
    """What a run is to do: tasks in the order of the tables, and each item's keys and metrics."""

    tasks: list[Task]
    items: dict[Name, Item]
    keys: Keys
    doubts: dict[str, str]  # label of a fuser whose images cannot be reused, and the reason
    entries: list[Entry]
    seen: dict[tuple[str, str], Seen]
    weights: dict[str, str]


def read_pairs(suite: Suite, progress: Progress) -> dict[tuple[str, str], Seen]:
    """Read and check every pair, one at a time."""
    entries = unique(entry for table in suite.values() for entry in table.entries)
    seen: dict[tuple[str, str], Seen] = {}
    for done, entry in enumerate(entries):
        progress("reading the pairs", done, len(entries))
        pair = entry.read()
        seen[entry.kind, entry.name] = Seen(
            pair.size, pair.modalities, pair.coloured, pair.synthetic, pair.sides, pixels_sha256(pair)
        )
    for table in suite.values():
        for fuser, entry in product(table.fusers, table.entries):
            size, least = seen[entry.kind, entry.name].size, getattr(fuser, "least", 1)
            if min(size) < least:
                raise ValueError(
                    f"{entry.kind}/{entry.name}: {size[0]} x {size[1]} pixels; {label(fuser)} needs at least "
                    f"{least} x {least}"
                )
    return seen


def make_plan(suite: Suite, seen: dict[tuple[str, str], Seen], device: str, timeout: float | None) -> Plan:
    """Put together what is to be done, and the key of each item.

    Raises
    ------
    ValueError
        If two fusers have one label, a label holds a slash, or weights are missing or wrong.
    """
    entries = unique(entry for table in suite.values() for entry in table.entries)
    fusers = unique(fuser for table in suite.values() for fuser in table.fusers)
    labels = [label(fuser) for fuser in fusers]
    for index, name in enumerate(labels):
        if name in labels[:index]:
            raise ValueError(f"two different fusers are called {name}; a row has a name of its own")
        if Path(name).name != name or "\\" in name:
            raise ValueError(f"{name}: names a folder, so it holds no slash; an option that does is marked NEVER_SHOWN")
    tasks = [
        Task(batch, tuple(seen[entry.kind, entry.name].sha256 for entry in batch), rows, device, timeout)
        for batch, rows in _rows(suite, seen, BATCH if device.startswith("cuda") else 1)
    ]
    known = Keys(device)
    doubts = {label(fuser): doubt for fuser in fusers if (doubt := _doubt(type(fuser), known) or foreign.doubt(fuser))}
    for metric in unique(metric for table in suite.values() for metric in table.metrics):
        if doubt := _doubt(metric.function, known):
            warnings.warn(f"{metric.label}: {doubt}, so it is computed in every run", stacklevel=3)
    items: dict[Name, Item] = {}
    for task in tasks:
        for row, (index, entry) in product(task.rows, enumerate(task.entries)):
            pixels = known.pixels(task.sha256, index, seen[entry.kind, entry.name].size)
            key = known.fused(pixels, row.fuser, entry.kind, entry.name) if label(row.fuser) not in doubts else None
            items[entry.kind, entry.name, label(row.fuser)] = Item(key, pixels, row.metrics)
    named = {label(fuser): digest for fuser in fusers if (digest := weights(fuser)) is not None}
    return Plan(tasks, items, known, doubts, entries, seen, named)


def _doubt(thing: object, known: Keys) -> str:
    """Say why the code of a class or a function is unknown; "" where it is known."""
    home = foreign.home(thing)
    if known.code(home) is not None:
        return ""
    return f"no file has the code that runs ({home}: a notebook, or edited since its import)"


def _rows(
    suite: Suite, seen: dict[tuple[str, str], Seen], most: int
) -> Iterator[tuple[tuple[Entry, ...], tuple[Row, ...]]]:
    """Give each (fuser, pair) once, in the order of the tables, with the metrics of every table it stands in.

    A task has pairs of one kind and size, at most `most`, and fewer where they are large. The classical fusers that are
    not `slow` share a task, and any other fuser has one of its own. The shared tasks of all pairs come first: they are
    long, and what comes last is to be short, so that no process is left alone with the end.
    """
    wanted = _wanted(suite)
    quick = {cls.name for cls in CLASSICAL if not getattr(cls, "slow", False)}
    for table in suite.values():
        groups: dict[tuple[str, tuple[int, int]], list[Entry]] = {}
        for entry in table.entries:
            groups.setdefault((entry.kind, seen[entry.kind, entry.name].size), []).append(entry)
        _, read = part(table.fusers)
        cheap = [fuser for fuser in table.fusers if fuser in read or fuser.name in quick]
        clusters = [cheap, *([fuser] for fuser in table.fusers if fuser not in cheap)]
        for cluster, ((_, (height, width)), group) in product(clusters, groups.items()):
            step = max(1, min(most, BATCH_PIXELS // (height * width)))
            for start in range(0, len(group), step):
                yield from _alike(cluster, group[start : start + step], wanted)


def _wanted(suite: Suite) -> dict[Name, tuple[Metric, ...]]:
    """Say by which metrics each fuser's result on each pair is scored: by those of every table it stands in."""
    wanted: dict[Name, dict[Metric, None]] = {}
    for table in suite.values():
        for fuser, entry in product(table.fusers, table.entries):
            wanted.setdefault((entry.kind, entry.name, label(fuser)), {}).update(dict.fromkeys(table.metrics))
    return {name: tuple(metrics) for name, metrics in wanted.items()}


def _alike(
    cluster: Sequence[AnyFuser], batch: Sequence[Entry], wanted: dict[Name, tuple[Metric, ...]]
) -> Iterator[tuple[tuple[Entry, ...], tuple[Row, ...]]]:
    """Group the fusers of a cluster by the pairs they run on.

    Each (pair, fuser) is handed out once: it is taken out of `wanted`.
    """
    found: dict[tuple[Entry, ...], list[Row]] = {}
    for fuser in cluster:
        alike: dict[tuple[Metric, ...], list[Entry]] = {}
        for entry in batch:
            name = entry.kind, entry.name, label(fuser)
            if name in wanted:
                alike.setdefault(wanted.pop(name), []).append(entry)
        for metrics, entries in alike.items():
            found.setdefault(tuple(entries), []).append(Row(fuser, metrics))
    return ((entries, tuple(rows)) for entries, rows in found.items())


def describe_pairs(plan: Plan) -> dict[str, dict[str, Any]]:
    """Give what is known of each pair, by kind and name."""
    pairs: dict[str, dict[str, Any]] = {}
    for entry in plan.entries:
        sight = plan.seen[entry.kind, entry.name]
        pairs.setdefault(entry.kind, {})[entry.name] = {"dataset": entry.dataset, "case": entry.case, **sight._asdict()}
    return pairs


def unique(items: Iterable[T]) -> list[T]:
    """Drop repetitions and keep the order."""
    return list(dict.fromkeys(items))
