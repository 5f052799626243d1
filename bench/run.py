"""Running a suite: what is to be done, what was done before, and the files that come of it."""

import json
import platform
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from fusebench.bench import keys, output, pool
from fusebench.bench.cluster import connect, workers
from fusebench.bench.external import External
from fusebench.bench.journal import Journal, Name
from fusebench.bench.suite import Suite
from fusebench.bench.work import Row, Task, fuse, pixels_sha256, quantise, shown_in_colour
from fusebench.datasets.pair import Entry
from fusebench.fusers.base import Fuser, label
from fusebench.fusers.catalogue import CLASSICAL, TRIVIAL
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
    """One row of failures.csv: a fuser that gave no image of a pair."""

    dataset: str
    pair: str
    fuser: str
    reason: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.fuser} on {self.dataset}/{self.pair}: {self.reason}"


class Summary(NamedTuple):
    """What a run came to: its items (fuser, pair), those an earlier run had finished, and those that failed."""

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
    device: str = "cpu",
    jobs: int = 1,
    scheduler: str | None = None,
    timeout: float | None = None,
    fresh: bool = False,
    progress: Progress = lambda *_: None,
) -> Summary:
    """Run a suite and write what it found into a folder.

    Writes `scores.csv` (`Result`), `losses.csv` (`Loss`), `run.json` (what was run, on which pixels, with which
    versions), under `fused/DATASET/FUSER/` every fused image as it was scored, under `colour/` the same in colour
    where a source is coloured, and `failures.csv` (`Failure`) where something failed. They replace an earlier run's
    when all are written, not before. `journal.jsonl` has a line for each finished item.

    Every pair is read and checked before the first is fused, against the smallest size each fuser takes too, and
    weights are verified: bad input costs no work. A pair and a fuser that stand in several tables are run once. What
    an earlier run into the folder has finished, an interrupted one too, is taken over where nothing that it depends on
    has changed (`keys.item`). Scores do not depend on jobs, on the scheduler or on where a run was interrupted.

    Parameters
    ----------
    suite, out, name
        What to run, the folder to write into, and what to call it in `run.json`.
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
    progress
        Told how far it is.

    Raises
    ------
    ValueError
        If a pair is bad, weights are missing or wrong, another run is writing into the folder, or the folder holds
        what no run wrote.
    OSError
        If the folder cannot be written. What is finished is kept for the next run.
    """
    if device != "cpu" and (jobs > 1 or scheduler):
        raise ValueError(f"--device {device}: runs in one process; leave --jobs and --scheduler away")
    with output.locked(out), ExitStack() as stack:
        area = output.begin(out)
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
        journal = Journal(area)
        there = _take_over(plan, journal, None if fresh else Journal(out), progress)
        failures = _compute(plan, journal, there, place, progress)
        failed = {failure[:3] for failure in failures}
        done = [item for item in plan.keys if item not in failed]
        facts = {"suite": name, **_provenance(device), "weights": plan.weights, **_describe(suite, plan)}
        _write(journal, done, failures, facts)
        output.finish(out)
    return Summary(len(plan.keys), len(there), tuple(failures))


class Plan(NamedTuple):
    """What a run is to do: tasks in the order of the tables, and each item's key."""

    tasks: list[Task]
    keys: dict[Name, str]
    entries: list[Entry]
    seen: dict[tuple[str, str], Seen]
    weights: dict[str, str]


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
    weights = dict(filter(None, (keys.weights(fuser) for fuser in fusers)))
    tasks = [
        Task(batch, tuple(seen[entry.dataset, entry.name].sha256 for entry in batch), rows, device, timeout)
        for batch, rows in _rows(suite, seen, BATCH if device.startswith("cuda") else 1)
    ]
    found: dict[Name, str] = {}
    for task in tasks:
        batch = [(entry.dataset, entry.name, sha256) for entry, sha256 in zip(task.entries, task.sha256, strict=True)]
        size = seen[batch[0][:2]].size
        items = product(task.rows, range(len(batch)))
        found |= dict(
            zip(task.names, (keys.item(batch, index, row, size, device) for row, index in items), strict=True)
        )
    return Plan(tasks, found, entries, seen, weights)


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


def _take_over(plan: Plan, journal: Journal, before: Journal | None, progress: Progress) -> set[Name]:
    """Say what the journal holds already, and bring in what the finished run before it held."""
    there: set[Name] = set()
    inherited: set[Name] = set()
    for done, (name, key) in enumerate(plan.keys.items()):
        progress("looking for finished work", done, len(plan.keys))
        if journal.holds(name, key):
            there.add(name)
        elif before and before.holds(name, key):
            inherited.add(name)
    if before:
        journal.take(before, inherited)
    return there | inherited


def _compute(plan: Plan, journal: Journal, there: set[Name], place: pool.Pool, progress: Progress) -> list[Failure]:
    """Do what is not there, and say what failed."""
    tasks = list(_open_tasks(plan, there))
    ahead = sum(len(task.names) for task in tasks)
    text = f", {len(there)} are there" if there else ""
    failures: list[Failure] = []
    done = 0
    progress(f"fusing{text}", done, ahead)
    with closing(pool.finished(iter(tasks), place)) as results:
        for outcomes in results:
            journal.put([(plan.keys[outcome[:3]], outcome) for outcome in outcomes if not outcome.failure])
            failures += [Failure(*outcome[:3], outcome.failure) for outcome in outcomes if outcome.failure]
            done += len(outcomes)
            progress(f"{outcomes[-1].fuser} on {outcomes[-1].dataset}{text}", done, ahead)
    return sorted(failures)


def _open_tasks(plan: Plan, there: set[Name]) -> Iterator[Task]:
    for task in plan.tasks:
        # A batch is computed as a whole, or not at all.
        rows = tuple(row for row in task.rows if not there.issuperset(task._replace(rows=(row,)).names))
        if rows:
            yield task._replace(rows=rows)


def _write(journal: Journal, done: list[Name], failures: list[Failure], description: dict[str, Any]) -> None:
    """Write the tables of numbers from the journal, a line at a time."""
    area = journal.folder
    area.mkdir(exist_ok=True)
    journal.keep(done)
    results = (
        Result(*name, metric, score) for name in sorted(done) for metric, score in sorted(journal[name].scores.items())
    )
    output.write_rows(area / "scores.csv", Result._fields, results)
    losses = (Loss(*name, *loss) for name in done for loss in journal[name].losses)
    output.write_rows(area / "losses.csv", Loss._fields, losses)
    output.remove(area / "failures.csv")  # of a run that was interrupted behind this line
    if failures:
        output.write_rows(area / "failures.csv", Failure._fields, failures)
    output.write_text(area / "run.json", json.dumps(description, indent=1) + "\n")


def unique(items: Iterable[T]) -> list[T]:
    """Drop repetitions and keep the order."""
    return list(dict.fromkeys(items))


def _describe(suite: Suite, plan: Plan) -> dict[str, Any]:
    """Give tables and pairs, what the reports need besides the scores."""
    pairs: dict[str, dict[str, Any]] = {}
    for entry in plan.entries:
        sight = plan.seen[entry.dataset, entry.name]
        pairs.setdefault(entry.dataset, {})[entry.name] = {"case": entry.case, **sight._asdict()}
    trivial = {cls.name for cls in TRIVIAL}
    facts = ("label", "unit", "higher_is_better", "digits", "source")
    tables = {
        key: {
            "title": table.title,
            "fusers": [{"label": label(fuser), "trivial": fuser.name in trivial} for fuser in table.fusers],
            "pairs": [[entry.dataset, entry.name] for entry in table.entries],
            "metrics": [{fact: getattr(metric, fact) for fact in facts} for metric in table.metrics],
            "published": table.published,
        }
        for key, table in suite.items()
    }
    return {"tables": tables, "pairs": pairs}


def _provenance(device: str) -> dict[str, Any]:
    """Say when this ran, from which commit, with which versions, on what."""
    packages = ("fusebench", "torch", "numpy", "scipy", "PyWavelets", "pillow", "nilearn")
    return {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}},
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.processor() or "cpu",
    }


def _commit() -> str | None:
    """Commit of the project's own checkout, with + where it was changed; None where it runs from an installed wheel."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "pyproject.toml").is_file():
        return None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  no outside input
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
