"""Running a suite: what was done before is taken over, the rest is computed, and the files are written."""

import hashlib
import json
import math
import warnings
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from fusebench.bench import provenance
from fusebench.bench.engine import pool, store
from fusebench.bench.engine.cluster import connect, workers
from fusebench.bench.engine.journal import Journal, Line
from fusebench.bench.engine.plan import Item, Plan, describe_pairs, make_plan, read_pairs, unique
from fusebench.bench.engine.store import Failure, Loss, Name, Result, Seconds, image_path
from fusebench.bench.engine.work import Outcome, Task
from fusebench.bench.external import AnyFuser
from fusebench.bench.provenance import Request
from fusebench.bench.suite import Suite, check
from fusebench.datasets.cases import Progress
from fusebench.fusers import foreign
from fusebench.fusers.base import label
from fusebench.metrics.base import Metric


class Summary(NamedTuple):
    """What a run came to: its items (fuser, pair), those an earlier run had finished, and what failed."""

    items: int
    reused: int
    failures: tuple[Failure, ...]


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

    Writes `scores.csv` (`Result`), `losses.csv` (`Loss`), `run.json` (`provenance`), under `fused/KIND/FUSER/` every
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
    with store.locked(out), ExitStack() as stack:
        description = provenance.describe(name, suite, request, device)
        area = _begin(out, description, replace=replace)
        client = stack.enter_context(connect(scheduler)) if scheduler else None
        plan = make_plan(suite, read_pairs(suite, progress), device, timeout)
        if client:
            place = workers(client, plan.tasks, progress)
        else:
            jobs = max(1, min(jobs, len(plan.tasks)))
            # A fuser that exceeds its time may end its process, so it does not run in this one.
            place = pool.inline() if jobs == 1 and timeout is None else pool.processes(jobs)
        if fresh:
            store.remove(area)
        description |= {"weights": plan.weights, "pairs": describe_pairs(plan)}
        _say(area, description)
        journal = Journal(area)
        there = _take_over(plan, journal, [] if fresh else [Journal(out)], progress)
        failures = _compute(plan, journal, there, place, progress)
        failed = {failure[:3] for failure in failures if not failure.metric}
        done = [item for item in plan.items if item not in failed]
        _write(journal, plan, done, failures, description)
        store.finish(out)
    return Summary(len(plan.items), sum(not lacking for lacking in there.values()), tuple(failures))


def _begin(out: Path, description: dict[str, Any], *, replace: bool) -> Path:
    """Give the area to write into, after making sure that no other run's results would be lost."""
    area = store.begin(out)
    for folder in (out, area):
        held = store.read_run(folder)
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
    spoken = {image_path(item) for item in provenance.items(store.read_run(out) or {"tables": {}})}
    for path in store.images(out):
        if Path(*path.relative_to(out).parts[1:]) not in spoken:
            raise ValueError(f"{path}: no run wrote it, and it would be erased; move it, or name another --out")
    return area


def _take_over(
    plan: Plan, journal: Journal, before: Sequence[Journal], progress: Progress
) -> dict[Name, tuple[Metric, ...]]:
    """Give the items whose image is there, each with the metrics whose score is missing.

    What earlier runs have finished, and is still right, is copied into the journal of this one.
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
    keys = {metric.label: plan.keys.score(item.pixels, line.images, metric) for metric in item.metrics}
    return [metric for metric, key in keys.items() if key is not None and line.scores.get(metric, (0, None))[1] == key]


def _compute(
    plan: Plan, journal: Journal, there: dict[Name, tuple[Metric, ...]], place: pool.Pool, progress: Progress
) -> list[Failure]:
    """Compute what is missing, and give what failed."""
    tasks = _open_tasks(plan, there)
    # A fuser of another package fuses its first pair twice. `tested` has that item for each such fuser; until it is
    # done, the fuser's other results are held back.
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
            progress(f"{outcomes[-1].fuser} on {outcomes[-1].kind}{text}", done, ahead)
    for fuser, doubt in doubts.items():
        warnings.warn(f"{fuser}: {doubt}, so it is computed in every run", stacklevel=3)
    return sorted(failures)


def _open_tasks(plan: Plan, there: dict[Name, tuple[Metric, ...]]) -> list[Task]:
    """Give the tasks that are left. A batch is computed whole, even where only one of its images is missing."""
    tasks = []
    tested: set[AnyFuser] = set()
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
    """Add to a task the images that exist already and only lack scores."""

    def image(name: Name) -> bytes:
        return (journal.folder / store.FUSED / image_path(name)).read_bytes()

    def coloured(name: Name) -> bytes | None:
        path = journal.folder / store.COLOUR / image_path(name)
        return path.read_bytes() if path.exists() else None

    return task._replace(
        rows=tuple(
            row._replace(fused=tuple(map(image, names)), coloured=tuple(map(coloured, names)))
            if there.keys() >= {*names}
            else row
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
        key = None if outcome.fuser in doubts else item.key
        line = Line(*name, key, digests, {}, outcome.losses, (outcome.fuse_seconds, 0.0))
    else:
        line = journal[name]
    scores = {
        metric.label: (outcome.scores[metric.label], plan.keys.score(item.pixels, line.images, metric))
        for metric in item.metrics
        if metric.label in outcome.scores
    }
    fused, scored = line.seconds
    return line._replace(scores={**line.scores, **scores}, seconds=(fused, scored + outcome.score_seconds)), images


def _write(
    journal: Journal, plan: Plan, done: list[Name], failures: list[Failure], description: dict[str, Any]
) -> None:
    """Write the tables of numbers from the journal, a line at a time."""
    area = journal.folder
    sources = {(entry.kind, entry.name): entry for entry in plan.entries}
    journal.keep(done)
    results = (
        Result(dataset, kind, case or "", pair, fuser, metric, score)
        for name in sorted(done)
        for kind, pair, fuser in [name]
        for case, dataset in [(sources[kind, pair].case, sources[kind, pair].dataset)]
        for metric, (score, _) in sorted(journal[name].scores.items())
    )
    store.write_rows(area / store.SCORES, Result._fields, results)
    losses = (
        Loss(*name, number, evaluation, loss, saved)
        for name in done
        for number, evaluation, loss, saved in journal[name].losses
    )
    store.write_rows(area / store.LOSSES, Loss._fields, losses)
    seconds = (Seconds(*name, *(math.nan if s is None else s for s in journal[name].seconds)) for name in sorted(done))
    store.write_rows(area / store.SECONDS, Seconds._fields, seconds)
    store.remove(area / store.FAILURES)  # an interrupted run may have left it
    if failures:
        store.write_rows(area / store.FAILURES, Failure._fields, failures)
    digest = hashlib.sha256((area / store.SCORES).read_bytes()).hexdigest()
    _say(area, description | {"scores_sha256": digest})


def _say(area: Path, description: dict[str, Any]) -> None:
    """Write run.json: before the work, so that an interrupted run can be told, and again when it is done."""
    written = {"written": datetime.now(UTC).isoformat(timespec="seconds"), **description}
    store.write_text(area / store.RUN, json.dumps(written, indent=1, default=repr) + "\n")
