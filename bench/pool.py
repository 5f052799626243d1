"""Where tasks run: in this process, in processes beside it, or on a cluster; and what happens when a process dies."""

import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import Any, NamedTuple

import torch
from fusebench.bench import keys
from fusebench.bench.deadline import GRACE
from fusebench.bench.work import Outcome, Task, failed, work

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
WAIT = 60  # seconds for a cluster's first worker


Submit = Callable[[Task], "Future[list[Outcome]]"]


class Pool(NamedTuple):
    """Where tasks run: how to open it, and how many tasks it takes at a time, those that wait included.

    What `open` gives runs a task with one thread, whatever the number of workers: the order of a sum, and with it a
    score's last bit, would depend on it. `alone` opens a place for one task; `died` tells the end of a worker from an
    error in the task.
    """

    open: Callable[[], AbstractContextManager[Submit]]
    alone: Callable[[], AbstractContextManager[Submit]]
    width: Callable[[], int]
    died: Callable[[BaseException], bool]


def finished(tasks: Iterator[Task], pool: Pool) -> Generator[list[Outcome]]:
    """Run tasks and give what came of each, in the order in which they end.

    No more of them are drawn than the pool takes, so memory does not grow with their number. When a worker dies (it is
    out of memory, or ran out of time and could not be interrupted), who was guilty is not known: whatever was under way
    is run once more, each fuser alone, and one whose worker dies again has failed.
    """
    left = True
    while left:
        suspects: list[Task] = []
        with pool.open() as submit:
            running: dict[Future[list[Outcome]], Task] = {}
            while not suspects:
                more = max(0, pool.width() - len(running))  # a cluster may have lost workers
                running |= {_submit(submit, task): task for task in islice(tasks, more)}
                left = bool(running)
                if not left:
                    break
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                yield from _collect({future: running.pop(future) for future in ended}, suspects, pool)
            wait(running)
            yield from _collect(running, suspects, pool)
        yield from _one_by_one([single for task in suspects for single in task.singly()], pool)


def _submit(submit: Submit, task: Task) -> "Future[list[Outcome]]":
    try:
        return submit(task)
    except BrokenExecutor as error:  # a worker died while it had nothing to do
        future: Future[list[Outcome]] = Future()
        future.set_exception(error)
        return future


def _collect(ended: "dict[Future[list[Outcome]], Task]", suspects: list[Task], pool: Pool) -> Iterator[list[Outcome]]:
    for future, task in ended.items():
        try:
            outcomes = future.result()
        except CancelledError:
            raise OSError(
                "the connection to the scheduler is lost; the same command goes on where it stopped"
            ) from None
        except Exception as error:
            if not pool.died(error):
                raise
            suspects.append(task)
        else:
            yield outcomes


def _one_by_one(tasks: list[Task], pool: Pool) -> Iterator[list[Outcome]]:
    """Run tasks one after the other, so that when a worker dies it is known of what."""
    waiting = deque(tasks)
    while waiting:
        with pool.alone() as submit:
            died = False
            while waiting and not died:
                task, begun = waiting.popleft(), time.monotonic()
                suspects: list[Task] = []
                future = _submit(submit, task)
                wait([future])
                yield from _collect({future: task}, suspects, pool)
                if died := bool(suspects):
                    reason = " ".join(str(future.exception()).split())
                    if task.timeout and time.monotonic() - begun > task.timeout + GRACE:
                        reason = f"no result after {task.timeout:g} s, and no answer: its process was ended"
                    yield failed(task, reason)


def inline() -> Pool:
    """Run tasks here, one after the other."""

    @contextmanager
    def here() -> Iterator[Submit]:
        from threadpoolctl import threadpool_limits

        before = torch.get_num_threads()
        with threadpool_limits(1):
            torch.set_num_threads(1)
            try:
                yield _now
            finally:
                torch.set_num_threads(before)

    return Pool(here, here, lambda: 1, lambda _: False)


def processes(jobs: int) -> Pool:
    """Run tasks in processes of their own."""

    @contextmanager
    def workers(count: int) -> Iterator[Submit]:
        from joblib.externals.loky import ProcessPoolExecutor

        executor: Executor = ProcessPoolExecutor(
            count, initializer=_start, initargs=(os.getpid(),), env=dict.fromkeys(THREADS, "1")
        )
        with warnings.catch_warnings():
            # It grew and was replaced; nothing is lost.
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
            try:
                yield lambda task: executor.submit(work, task)
            finally:
                executor.shutdown(wait=True, kill_workers=True)  # type: ignore[call-arg]  # loky's own

    # Twice as many as there are workers, so that none waits for the next.
    return Pool(lambda: workers(jobs), lambda: workers(1), lambda: 2 * jobs, lambda e: isinstance(e, BrokenExecutor))


@contextmanager
def cluster(address: str) -> Iterator[Pool]:
    """Run tasks on the workers of a Dask scheduler; they read the pairs under the same paths and have the same code.

    Raises
    ------
    ValueError
        If the extra is not installed, nothing answers at the address, or the workers have other code or versions.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise ValueError("--scheduler needs Dask: pip install 'fusebench[cluster]'") from None
    try:
        client: Any = Client(address, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ValueError(f"--scheduler {address}: no Dask scheduler answers there ({error})") from None
    with client:
        _compare(client, address)

        @contextmanager
        def workers() -> Iterator[Submit]:
            executor = client.get_executor(pure=False)
            try:
                yield lambda task: executor.submit(_on_cluster, task)
            finally:
                executor.shutdown(wait=False)  # what was under way is cancelled

        # KilledWorker: the scheduler has moved the task from one dying worker to the next and given up.
        yield Pool(
            workers,
            workers,
            lambda: 2 * max(1, sum(client.nthreads().values())),
            lambda error: isinstance(error, KilledWorker),
        )


def _compare(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WAIT)
    except TimeoutError:
        raise ValueError(f"--scheduler {address}: no worker came within {WAIT} s") from None
    ours = keys.installed()
    for worker, theirs in client.run(keys.installed).items():
        if other := [f"{name} {theirs[name]}, here {ours[name]}" for name in ours if theirs[name] != ours[name]]:
            raise ValueError(f"--scheduler {address}: the worker {worker} has {'; '.join(other)}")


def _now(task: Task) -> "Future[list[Outcome]]":
    future: Future[list[Outcome]] = Future()
    future.set_result(work(task))
    return future


def _start(parent: int) -> None:
    """Prepare a worker process: it leaves interruptions and stdout to its parent, and does not survive it."""
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _on_cluster(task: Task) -> list[Outcome]:
    """Do a task in a worker that was there before: its libraries' threads are set now, and left so.

    Several tasks may run in the threads of one process, and none may give the threads back while another computes.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    torch.set_num_threads(1)
    return work(task)
