"""Running tasks on the workers of a Dask scheduler, each of which is asked first whether it can do them."""

import asyncio
import logging
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future, InvalidStateError
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

import torch
from fusebench.bench.engine import keys
from fusebench.bench.engine.pool import AGAIN, LOST, Pool, Submit
from fusebench.bench.engine.work import Outcome, Row, Task, work
from fusebench.bench.external import AnyFuser, part
from fusebench.datasets.cases import Progress
from fusebench.fusers.base import label
from fusebench.fusers.pixel.trivial import SourceA
from fusebench.metrics.base import Metric

ANSWER = 10  # seconds for a scheduler's answer
WAIT = 60  # seconds for a worker, when there is none


@contextmanager
def connect(address: str) -> Iterator[Any]:
    """Give a Dask client of the scheduler at an address, HOST:PORT.

    Raises
    ------
    ValueError
        If the extra is not installed, or no scheduler answers at the address.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("--scheduler needs Dask: pip install 'fusebench[cluster]'") from None
    with _quiet("distributed", "distributed.client", "tornado.application"):
        try:
            asyncio.run(asyncio.wait_for(_greet(address), ANSWER))
            client: Any = Client(address, set_as_default=False, timeout=ANSWER)
        except Exception as error:  # another program may listen there, and answer anything
            reason = str(error) or f"no answer within {ANSWER} s"
            raise ValueError(
                f"--scheduler {address}: no Dask scheduler answers there ({reason}); expected HOST:PORT, as "
                "`dask scheduler` prints it when it starts"
            ) from error
        with client:
            yield client


async def _greet(address: str) -> None:
    """Ask who answers at an address. A client would ask for minutes, and could then not be closed."""
    from distributed.comm import connect, get_address_host_port
    from distributed.security import Security

    # Dask tries again where there is no such host or nobody listens; a plain connection says so at once.
    socket.create_connection(get_address_host_port(address), timeout=ANSWER).close()
    comm = await connect(address, timeout=ANSWER, **Security().get_connection_args("client"))
    try:
        await comm.write({"op": "identity", "reply": True})
        found = (await comm.read())["type"]
    finally:
        comm.abort()
    if found != "Scheduler":
        raise ValueError(f"it is a {found.lower()}")


@contextmanager
def _quiet(*loggers: str) -> Iterator[None]:
    """Keep Dask's own log, which has a traceback for a lost connection, off the terminal."""
    before = {name: logging.getLogger(name).level for name in loggers}
    for name in loggers:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def workers(client: Any, tasks: Sequence[Task], progress: Progress) -> Pool:
    """Give the workers of a scheduler as a place for tasks.

    Each worker, one that comes later too, is asked whether it has the same versions, code and weights as this process
    and sees the same data. One that does not is named in a warning and gets no task.

    Raises
    ------
    ValueError
        If the scheduler lacks the bench, no worker comes, or none of them can be used.
    """
    found = _Workers(client, _question(tasks))
    found.begin(progress)

    @contextmanager
    def opened() -> Iterator[Submit]:
        from distributed.protocol.pickle import dumps

        found.wait()
        executor = client.get_executor(pure=False)

        def submit(task: Task) -> "Future[list[Outcome]]":
            if not found.fit:
                raise BrokenExecutor("every worker was lost")
            theirs = executor.submit(_do, dumps(task), workers=sorted(found.fit))
            ours: Future[list[Outcome]] = Future()
            found.sent[ours] = theirs, frozenset(found.fit)
            theirs.add_done_callback(partial(_settle, ours))
            return ours

        try:
            yield submit
        finally:
            executor.shutdown(wait=False)  # cancels the tasks that have not ended
            found.sent.clear()

    def died(error: BaseException) -> str:
        from distributed import KilledWorker

        return " ".join(str(error).split()) if isinstance(error, BrokenExecutor | KilledWorker) else ""

    return Pool(opened, opened, lambda: 2 * max(1, sum(found.fit.values())), died, found.look)


class _Question(NamedTuple):
    """What a process must have to do a run's tasks.

    `tasks` are small: for each kind of pair the first pair, whose files are read, and no metric. `versions`, `code` and
    `weights` are those of the process that asks.
    """

    versions: dict[str, str]
    tasks: tuple[Task, ...]
    metrics: tuple[Metric, ...]
    code: dict[str, object]
    weights: dict[AnyFuser, str | None]


def _question(tasks: Sequence[Task]) -> _Question:
    rows = {row: None for task in tasks for row in task.rows}
    fusers = list(dict.fromkeys(row.fuser for row in rows))
    modules = sorted({type(fuser).__module__ for fuser in fusers})
    first: dict[str, Task] = {}
    for task in tasks:
        first.setdefault(task.entries[0].kind, task)
    # The cheapest fuser stands for all that are called; of methods whose images are read, the files are read too.
    _, read = part(fusers)
    asked: list[AnyFuser] = [SourceA(), *read]
    small = [Task(task.entries[:1], task.sha256[:1], (Row(fuser, ()),)) for task in first.values() for fuser in asked]
    return _Question(
        keys.installed(),
        tuple(task for task in small if not _failure(task)),
        tuple(dict.fromkeys(metric for row in rows for metric in row.metrics)),
        {module: keys.code(module) for module in modules},
        {fuser: keys.weights(fuser) for fuser in fusers},
    )


def _failure(task: Task) -> str:
    return "; ".join(outcome.failure for outcome in work(task) if outcome.failure)


def _objection(versions: dict[str, str], question: bytes) -> str:
    """Say why this process cannot do a run's tasks, "" if it can.

    The versions come first: with another version of the bench the question could not be read.
    """
    from distributed.protocol.pickle import loads

    installed = keys.installed()
    other = [
        f"{name} {installed.get(name)}, here {ours}" for name, ours in versions.items() if installed.get(name) != ours
    ]
    if other:
        return f"has {'; '.join(other)}"
    try:
        asked: _Question = loads(question)
        for module, ours in asked.code.items():
            if keys.code(module) != ours:
                return f"has other code in the module {module}"
        for fuser, ours in asked.weights.items():
            if keys.weights(fuser) != ours:
                return f"has other weights for {label(fuser)}"
    except ModuleNotFoundError as error:
        return _lacks(error)
    except Exception as error:  # noqa: BLE001  a plug-in may fail in any way when it is imported
        return f"cannot prepare the fusers: {type(error).__name__}: {error}"
    failures = filter(None, map(_failure, asked.tasks))
    return next((f"does not see the data: {failure}" for failure in failures), "")


def _lacks(error: ModuleNotFoundError) -> str:
    return f"lacks the module {error.name}; install there what is installed here"


class _Workers:
    """The workers of a scheduler: those that may take tasks, with their threads, and why the others may not.

    `sent` has Dask's future of each task under way, and to which workers it was sent. When some of them are lost, Dask
    runs the task on the others. When all are lost it would wait for ever, and so may the future of a result that was
    lost on its way: Dask's future cannot be relied on then.
    """

    def __init__(self, client: Any, question: _Question) -> None:
        from distributed.protocol.pickle import dumps

        self._client = client
        self._question = question.versions, dumps(question)
        self._name = f"--scheduler {client.scheduler.address}"
        self.fit: dict[str, int] = {}
        self.unfit: dict[str, str] = {}
        self.sent: dict[Future[list[Outcome]], tuple[Future[list[Outcome]], frozenset[str]]] = {}

    def begin(self, progress: Progress) -> None:
        """Wait for the first workers, and ask all that are there."""
        try:
            self._client.run_on_scheduler(keys.installed)
        except ModuleNotFoundError as error:  # unpacking the function imports its module
            raise ValueError(f"{self._name}: the scheduler {_lacks(error)}") from None
        if not self._there():
            progress("waiting for workers (0)", 0, 1)
            self._wait(self._there, ValueError(f"{self._name}: no worker came within {WAIT} s"))
        left_out = self._ask(self._there())
        if left_out and not self.fit:
            worker, reason = next(iter(left_out.items()))
            raise ValueError(f"{self._name}: no worker can be used: the worker {worker} {reason}")
        _say_left_out(left_out)

    def wait(self) -> None:
        """Wait for a worker that may take tasks, where all were lost."""
        self._wait(self._any, OSError(f"{self._name}: no worker came back within {WAIT} s; {AGAIN}"))

    def look(self) -> None:
        """Say which workers were lost, ask those that are new, and give up the tasks that no worker will take."""
        there = self._there()
        lost = [worker for worker in self.fit if worker not in there]
        self.fit = {worker: threads for worker, threads in self.fit.items() if worker in there}
        self.unfit = {worker: reason for worker, reason in self.unfit.items() if worker in there}
        new = {worker: threads for worker, threads in there.items() if worker not in self.fit | self.unfit}
        for worker in lost:
            warnings.warn(f"worker {worker} lost, its tasks run again", stacklevel=2)
        _say_left_out(self._ask(new))
        if lost and not self.fit:
            warnings.warn(f"all workers are lost; waiting {WAIT} s for others", stacklevel=2)
        for ours, (theirs, workers) in [*self.sent.items()]:
            if ours.done() or workers.isdisjoint(there):
                del self.sent[ours]
                with suppress(InvalidStateError):
                    ours.set_exception(BrokenExecutor("every worker that it was sent to was lost"))
                theirs.cancel()

    def _any(self) -> bool:
        self.look()
        return bool(self.fit)

    def _there(self) -> dict[str, int]:
        """Give the workers that are there, and the threads of each."""
        try:
            if self._client.status == "running":
                return dict(self._client.nthreads())
        except OSError:
            pass
        raise OSError(LOST)

    def _ask(self, workers: dict[str, int]) -> dict[str, str]:
        """Ask workers whether they can do the run's tasks, and give those that are left out, with the reason."""
        found = self._client.run(_objection, *self._question, workers=[*workers], on_error="return") if workers else {}
        # One that could not be reached is asked again at the next look, if it is still there.
        answers = {worker: answer for worker, answer in found.items() if not isinstance(answer, OSError)}
        left_out = {
            worker: _lacks(answer) if isinstance(answer, ModuleNotFoundError) else str(answer)
            for worker, answer in answers.items()
            if answer != ""
        }
        self.unfit |= left_out
        self.fit |= {worker: workers[worker] for worker in answers.keys() - left_out.keys()}
        return left_out

    @staticmethod
    def _wait(until: Callable[[], object], error: Exception) -> None:
        end = time.monotonic() + WAIT
        while not until():
            if time.monotonic() > end:
                raise error
            time.sleep(0.1)


def _say_left_out(workers: dict[str, str]) -> None:
    for worker, reason in workers.items():
        warnings.warn(f"worker {worker} is left out: it {reason}", stacklevel=3)


def _settle(ours: "Future[list[Outcome]]", theirs: "Future[list[Outcome]]") -> None:
    """Hand on what came of a task, unless it was given up."""
    with suppress(InvalidStateError):
        if theirs.cancelled():
            ours.set_exception(CancelledError())
        elif error := theirs.exception():
            ours.set_exception(error)
        else:
            ours.set_result(theirs.result())


def _do(task: bytes) -> list[Outcome]:
    """Do a task in a worker that was there before: its libraries' threads are set now, and left so.

    Several tasks may run in the threads of one process, and none may give the threads back while another computes. The
    task comes as bytes, so that the scheduler needs no plug-in.
    """
    from distributed.protocol.pickle import loads
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    torch.set_num_threads(1)
    return work(loads(task))
