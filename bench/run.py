"""Running a suite: what is to be done, what was done before, and the files that come of it."""

import hashlib
import json
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from fusebench.bench import output, pool, provenance
from fusebench.bench.cluster import connect, workers
from fusebench.bench.external import External
from fusebench.bench.journal import Journal, Line, Name, image_path
from fusebench.bench.keys import Keys, weights
from fusebench.bench.provenance import Request
from fusebench.bench.suite import Suite, check
from fusebench.bench.work import Outcome, Row, Task, fuse, pixels_sha256, shown_in_colour
from fusebench.datasets.image import quantise
from fusebench.datasets.pair import Entry
from fusebench.fusers import foreign
from fusebench.fusers.base import Fuser, label
from fusebench.fusers.catalogue import CLASSICAL
from fusebench.metrics.base import Metric

__all__ = ["Failure", "Loss", "Progress", "Result", "Summary", "fuse", "quantise", "run", "shown_in_colour", "unique"]

T = TypeVar("T")

# On a GPU same-sized pairs go through a fuser together, so many at a time. On a CPU that gains nothing, and a score
# would depend on its neighbours.
BATCH = 16


class Result(NamedTuple):
    """One row of scores.csv; every field but the score is its key."""

    dataset: str
    pair: str
    fuser: str
    metric: str
    score: float


class Loss(NamedTuple):
    """One row of losses.csv: an evaluation of an iterative fuser."""

    dataset: str
    pair: str
    fuser: str
    round: int
    evaluation: int
    loss: float


class Failure(NamedTuple):
    """One row of failures.csv: a fuser that gave no image of a pair, or a metric that gave no score of it."""

    dataset: str
    pair: str
    fuser: str
    metric: str  # "" where there is no image
    reason: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.metric and f'{self.metric} of '}{self.fuser} on {self.dataset}/{self.pair}: {self.reason}"


class Summary(NamedTuple):
    """What a run came to: its items (fuser, pair), those an earlier run had finished, and what failed."""

    items: int
    reused: int
    failures: tuple[Failure, ...]


class Seen(NamedTuple):
    """What is kept of a pair that was read and checked: enough to group it and to say which pixels were used."""

    size: tuple[int, int]
    modalities: tuple[str, str]
    coloured: tuple[str, ...]
    synthetic: bool
    sha256: str


# Called with what is being done, how much of it is done, and of how much.
Progress = Callable[[str, int, int], None]


def run(
    suite: Suite,
    out: Path,
    *,
    name: str,
    request: Request = Request(),  # noqa: B008  it cannot be changed
    device: str = "cpu",
    jobs: int = 1,
    scheduler: str | None = None,
    timeout: float | None = None,
    fresh: bool = False,
    replace: bool = False,
    progress: Progress = lambda *_: None,
) -> Summary:
    """Run a suite and write what it found into a folder.

    Writes `scores.csv` (`Result`), `losses.csv` (`Loss`), `run.json` (`provenance`), under `fused/DATASET/FUSER/` every
    fused image as it was scored, under `colour/` the same in colour where a source is coloured, and `failures.csv`
    (`Failure`) where something failed. They replace an earlier run's when all are written, not before. `journal.jsonl`
    has a line for each finished item.

    Every pair is read and checked before the first is fused, against the smallest size each fuser takes too, and
    weights are verified: bad input costs no work. A pair and a fuser that stand in several tables are run once. What
    an earlier run into the folder has finished, an interrupted one too, is taken over where nothing that it depends on
    has changed (`keys`): an image, and of its scores each for itself. Scores do not depend on jobs, on the scheduler or
    on where a run was interrupted.

    A fuser of another package fuses its first pair twice. One that gives two images, or reads a file without naming its
    digest, is named in a warning, and its images are made anew in every run.

    Parameters
    ----------
    suite, out, name
        What to run, the folder to write into, and what to call it in `run.json`.
    request
        What was asked for beyond the suite, for `run.json`.
    device
        "cpu" or "cuda".
    jobs
        Number of processes, each with one thread; 1 is this process. On a GPU, 1.
    scheduler
        Address of a Dask scheduler, whose workers take the place of the processes.
    timeout
        Seconds that a fuser may take for a pair.
    fresh
        Take nothing over.
    replace
        Let the results take the place of those of another suite or other data.
    progress
        Told how far it is.

    Raises
    ------
    ValueError
        If the suite is none, a pair is bad, weights are missing or wrong, another run is writing into the folder, or
        the folder holds what no run wrote, or another suite's or other data's results.
    OSError
        If the folder cannot be written. What is finished is kept for the next run.
    """
    check(name, suite)
    if device != "cpu" and (jobs > 1 or scheduler):
        raise ValueError(f"--device {device}: runs in one process; leave --jobs and --scheduler away")
    with output.locked(out), ExitStack() as stack:
        description = provenance.describe(name, suite, request, device)
        area = _begin(out, description, replace=replace)
        client = stack.enter_context(connect(scheduler)) if scheduler else None
        plan = _plan(suite, _read(suite, progress), device, timeout)
        if client:
            place = workers(client, plan.tasks, progress)
        else:
            jobs = max(1, min(jobs, len(plan.tasks)))
            # What may have to be ended for its time is not done in this process.
            place = pool.inline() if jobs == 1 and timeout is None else pool.processes(jobs)
        if fresh:
            output.remove(area)
        description |= {"weights": plan.weights, "pairs": _pairs(plan)}
        _say(area, description)
        journal = Journal(area)
        there = _take_over(plan, journal, [] if fresh else [Journal(out)], progress)
        failures = _compute(plan, journal, there, place, progress)
        failed = {failure[:3] for failure in failures if not failure.metric}
        done = [item for item in plan.items if item not in failed]
        _write(journal, done, failures, description)
        output.finish(out)
    return Summary(len(plan.items), sum(not lacking for lacking in there.values()), tuple(failures))


class Item(NamedTuple):
    """What is to be known of a fuser on a pair: its image's key, the digest of the pixels, and its metrics."""

    key: str | None
    pixels: str
    metrics: tuple[Metric, ...]


class Plan(NamedTuple):
    """What a run is to do: tasks in the order of the tables, and what is to be known of each item."""

    tasks: list[Task]
    items: dict[Name, Item]
    keys: Keys
    doubts: dict[str, str]  # by label, why what a fuser gives is not to be taken over
    entries: list[Entry]
    seen: dict[tuple[str, str], Seen]
    weights: dict[str, str]


def _begin(out: Path, description: dict[str, Any], *, replace: bool) -> Path:
    """Give the area to write into, once it is sure that nobody else's results are lost."""
    area = output.begin(out)
    for folder in (out, area):
        held = output.read_run(folder)
        if held is None:
            continue
        theirs, ours = ((run["suite"], run.get("request", {}).get("data")) for run in (held, description))
        if theirs != ours and not replace:
            what, this = (f"{suite} on {data or 'data that it does not name'}" for suite, data in (theirs, ours))
            begun = "an interrupted run" if folder == area else "a run"
            raise ValueError(
                f"{out}: holds {begun} of {what}, and this is {this}; name another folder with --out, or give it up "
                "with --replace"
            )
    spoken = {image_path(item) for item in provenance.items(output.read_run(out) or {"tables": {}})}
    for path in output.images(out):
        if Path(*path.relative_to(out).parts[1:]) not in spoken:
            raise ValueError(f"{path}: no run wrote it, and it would be erased; move it, or name another --out")
    return area


def _read(suite: Suite, progress: Progress) -> dict[tuple[str, str], Seen]:
    """Read and check every pair, one at a time."""
    entries = unique(entry for table in suite.values() for entry in table.entries)
    seen: dict[tuple[str, str], Seen] = {}
    for done, entry in enumerate(entries):
        progress("reading the pairs", done, len(entries))
        pair = entry.read()
        seen[entry.dataset, entry.name] = Seen(
            pair.size, pair.modalities, pair.coloured, pair.synthetic, pixels_sha256(pair)
        )
    for table in suite.values():
        for fuser, entry in product(table.fusers, table.entries):
            size, least = seen[entry.dataset, entry.name].size, getattr(fuser, "least", 1)
            if min(size) < least:
                raise ValueError(
                    f"{entry.dataset}/{entry.name}: {size[0]} x {size[1]} pixels; {label(fuser)} needs at least "
                    f"{least} x {least}"
                )
    return seen


def _plan(suite: Suite, seen: dict[tuple[str, str], Seen], device: str, timeout: float | None) -> Plan:
    entries = unique(entry for table in suite.values() for entry in table.entries)
    fusers = unique(fuser for table in suite.values() for fuser in table.fusers)
    labels = [label(fuser) for fuser in fusers]
    for index, name in enumerate(labels):
        if name in labels[:index]:
            raise ValueError(f"two different fusers are called {name}; a row has a name of its own")
        if Path(name).name != name or "\\" in name:
            raise ValueError(f"{name}: names a folder, so it holds no slash; an option that does is marked NEVER_SHOWN")
    tasks = [
        Task(batch, tuple(seen[entry.dataset, entry.name].sha256 for entry in batch), rows, device, timeout)
        for batch, rows in _rows(suite, seen, BATCH if device.startswith("cuda") else 1)
    ]
    known = Keys(device)
    doubts = {label(fuser): doubt for fuser in fusers if (doubt := _doubt(type(fuser), known) or foreign.doubt(fuser))}
    for metric in unique(metric for table in suite.values() for metric in table.metrics):
        if doubt := _doubt(metric.score, known):
            warnings.warn(f"{metric.label}: {doubt}, so it is computed in every run", stacklevel=3)
    items: dict[Name, Item] = {}
    for task in tasks:
        for row, (index, entry) in product(task.rows, enumerate(task.entries)):
            pixels = known.pixels(task.sha256, index, seen[entry.dataset, entry.name].size)
            key = known.fused(pixels, row.fuser, entry.dataset, entry.name) if label(row.fuser) not in doubts else None
            items[entry.dataset, entry.name, label(row.fuser)] = Item(key, pixels, row.metrics)
    named = dict(filter(None, (weights(fuser) for fuser in fusers)))
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

    What goes together: pairs of one kind and size, at most so many; and the classical fusers, which cost less than the
    metrics do. Any other fuser stands alone, so that work is spread evenly.
    """
    wanted = _wanted(suite)
    for table in suite.values():
        groups: dict[tuple[str, tuple[int, int]], list[Entry]] = {}
        for entry in table.entries:
            groups.setdefault((entry.dataset, seen[entry.dataset, entry.name].size), []).append(entry)
        cheap = [fuser for fuser in table.fusers if isinstance(fuser, (*CLASSICAL, External))]
        clusters = [cheap, *([fuser] for fuser in table.fusers if fuser not in cheap)]
        for group in groups.values():
            for start, cluster in product(range(0, len(group), most), clusters):
                yield from _alike(cluster, group[start : start + most], wanted)


def _wanted(suite: Suite) -> dict[Name, tuple[Metric, ...]]:
    """Say by which metrics each fuser's result on each pair is scored: by those of every table it stands in."""
    wanted: dict[Name, dict[Metric, None]] = {}
    for table in suite.values():
        for fuser, entry in product(table.fusers, table.entries):
            wanted.setdefault((entry.dataset, entry.name, label(fuser)), {}).update(dict.fromkeys(table.metrics))
    return {name: tuple(metrics) for name, metrics in wanted.items()}


def _alike(
    cluster: Sequence[Fuser], batch: Sequence[Entry], wanted: dict[Name, tuple[Metric, ...]]
) -> Iterator[tuple[tuple[Entry, ...], tuple[Row, ...]]]:
    """Put together which fusers of a cluster go through which pairs; what is given is wanted no more."""
    found: dict[tuple[Entry, ...], list[Row]] = {}
    for fuser in cluster:
        alike: dict[tuple[Metric, ...], list[Entry]] = {}
        for entry in batch:
            name = entry.dataset, entry.name, label(fuser)
            if name in wanted:
                alike.setdefault(wanted.pop(name), []).append(entry)
        for metrics, entries in alike.items():
            found.setdefault(tuple(entries), []).append(Row(fuser, metrics))
    return ((entries, tuple(rows)) for entries, rows in found.items())


def _take_over(
    plan: Plan, journal: Journal, before: Sequence[Journal], progress: Progress
) -> dict[Name, tuple[Metric, ...]]:
    """Give the items whose image is there, each with the metrics that it has no score of.

    What finished runs before this held is brought into its journal.
    """
    there: dict[Name, tuple[Metric, ...]] = {}
    taken: dict[Journal, list[Line]] = defaultdict(list)
    for done, (name, item) in enumerate(plan.items.items()):
        progress("looking for finished work", done, len(plan.items))
        for held in (journal, *before):
            if line := held.find(name, item.key):
                valid = {metric: line.scores[metric] for metric in _valid(plan, item, line)}
                there[name] = tuple(metric for metric in item.metrics if metric.label not in valid)
                if held is not journal or len(valid) < len(line.scores):
                    taken[held].append(line._replace(scores=valid))
                break
    for held, lines in taken.items():
        journal.take(held, lines)
    return there


def _valid(plan: Plan, item: Item, line: Line) -> list[str]:
    """Name the metrics whose scores are still right."""
    keys = {metric.label: plan.keys.score(item.pixels, line.images["fused"], metric) for metric in item.metrics}
    return [metric for metric, key in keys.items() if key is not None and line.scores.get(metric, (0, None))[1] == key]


def _compute(
    plan: Plan, journal: Journal, there: dict[Name, tuple[Metric, ...]], place: pool.Pool, progress: Progress
) -> list[Failure]:
    """Do what is not there, and say what failed."""
    tasks = _open_tasks(plan, there)
    # Of each fuser that is fused twice once, the item where that is done. Until it is, none of its results is kept.
    tested = {label(row.fuser): task._replace(rows=(row,)).names[0] for task in tasks for row in task.rows if row.twice}
    held: dict[str, list[Outcome]] = defaultdict(list)
    doubts = dict(plan.doubts)
    failures: list[Failure] = []
    ahead, done = sum(len(task.names) for task in tasks), 0
    text = f", {sum(not lacking for lacking in there.values())} are there" if there else ""
    progress(f"fusing{text}", done, ahead)
    with closing(pool.finished((_with_images(task, journal, there) for task in tasks), place)) as results:
        for outcomes in results:
            for outcome in outcomes:
                held[outcome.fuser].append(outcome)
                if tested.get(outcome.fuser) == outcome[:3]:
                    del tested[outcome.fuser]
                if outcome.doubt:
                    doubts[outcome.fuser] = outcome.doubt
                failures += _failures(outcome)
            ready = [outcome for fuser in [*held] if fuser not in tested for outcome in held.pop(fuser)]
            journal.put([_line(plan, journal, outcome, doubts) for outcome in ready if not outcome.failure])
            done += len(outcomes)
            progress(f"{outcomes[-1].fuser} on {outcomes[-1].dataset}{text}", done, ahead)
    for fuser, doubt in doubts.items():
        warnings.warn(f"{fuser}: {doubt}, so it is computed in every run", stacklevel=3)
    return sorted(failures)


def _open_tasks(plan: Plan, there: dict[Name, tuple[Metric, ...]]) -> list[Task]:
    """Give what is left to do. A batch is computed as a whole, or not at all."""
    tasks = []
    tested: set[Fuser] = set()
    for task in plan.tasks:
        rows = []
        for row in task.rows:
            names = task._replace(rows=(row,)).names
            if there.keys() >= {*names}:
                lacking = unique(metric for name in names for metric in there[name])
                if lacking:
                    rows.append(row._replace(metrics=tuple(lacking)))
            else:
                stranger = foreign.package(type(row.fuser)) != foreign.OWN
                rows.append(row._replace(twice=stranger and row.fuser not in tested))
                tested.add(row.fuser)
        if rows:
            tasks.append(task._replace(rows=tuple(rows)))
    return tasks


def _with_images(task: Task, journal: Journal, there: dict[Name, tuple[Metric, ...]]) -> Task:
    """Give a task the images that are there and lack scores alone."""

    def image(name: Name) -> bytes:
        return (journal.folder / "fused" / image_path(name)).read_bytes()

    return task._replace(
        rows=tuple(
            row._replace(fused=tuple(map(image, names))) if there.keys() >= {*names} else row
            for row in task.rows
            for names in [task._replace(rows=(row,)).names]
        )
    )


def _failures(outcome: Outcome) -> list[Failure]:
    reasons = [("", outcome.failure)] if outcome.failure else outcome.failures
    return [Failure(*outcome[:3], metric, reason) for metric, reason in reasons]


def _line(plan: Plan, journal: Journal, outcome: Outcome, doubts: dict[str, str]) -> tuple[Line, dict[str, bytes]]:
    """Give what the journal is to say of an item, and the images that belong to it."""
    name = outcome[:3]
    item = plan.items[name]
    images = {folder: image for folder, image in (("fused", outcome.fused), ("colour", outcome.colour)) if image}
    if images:
        digests = {folder: hashlib.sha256(image).hexdigest() for folder, image in images.items()}
        line = Line(*name, None if outcome.fuser in doubts else item.key, digests, {}, outcome.losses)
    else:
        line = journal[name]
    scores = {
        metric.label: (outcome.scores[metric.label], plan.keys.score(item.pixels, line.images["fused"], metric))
        for metric in item.metrics
        if metric.label in outcome.scores
    }
    return line._replace(scores={**line.scores, **scores}), images


def _write(journal: Journal, done: list[Name], failures: list[Failure], description: dict[str, Any]) -> None:
    """Write the tables of numbers from the journal, a line at a time."""
    area = journal.folder
    journal.keep(done)
    results = (
        Result(*name, metric, score)
        for name in sorted(done)
        for metric, (score, _) in sorted(journal[name].scores.items())
    )
    output.write_rows(area / "scores.csv", Result._fields, results)
    losses = (Loss(*name, *loss) for name in done for loss in journal[name].losses)
    output.write_rows(area / "losses.csv", Loss._fields, losses)
    output.remove(area / "failures.csv")  # of a run that was interrupted behind this line
    if failures:
        output.write_rows(area / "failures.csv", Failure._fields, failures)
    _say(area, description)


def _say(area: Path, description: dict[str, Any]) -> None:
    """Write what is run: before the work, so that an interrupted run has a name, and when it is done."""
    written = {"written": datetime.now(UTC).isoformat(timespec="seconds"), **description}
    output.write_text(area / "run.json", json.dumps(written, indent=1, default=repr) + "\n")


def unique(items: Iterable[T]) -> list[T]:
    """Drop repetitions and keep the order."""
    return list(dict.fromkeys(items))


def _pairs(plan: Plan) -> dict[str, dict[str, Any]]:
    """Give what is known of each pair, by kind and name."""
    pairs: dict[str, dict[str, Any]] = {}
    for entry in plan.entries:
        sight = plan.seen[entry.dataset, entry.name]
        pairs.setdefault(entry.dataset, {})[entry.name] = {"case": entry.case, **sight._asdict()}
    return pairs
