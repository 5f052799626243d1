"""Where tasks run: in this process or in processes beside it (`cluster`: elsewhere), and what is done when one dies."""

import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import NamedTuple

import torch
from fusebench.bench.engine.deadline import GRACE
from fusebench.bench.engine.work import Outcome, Task, failed, work

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
AGAIN = "the same command goes on where it stopped"
LOST = f"the connection to the scheduler is lost; {AGAIN}"
LOOK = 1  # seconds between two looks at the workers of a cluster


Submit = Callable[[Task], "Future[list[Outcome]]"]


class Pool(NamedTuple):
    """Where tasks run, and how many of them it takes at a time, those that wait there included.

    What `open` gives runs each task with one thread, whatever the number of workers: the order of a sum, and with it a
    score's last bit, would depend on that number. `alone` opens a place for one task at a time. `died` gives the reason
    if an error means that a task's worker ended, and "" if the error came from the task. `look` looks at the workers:
    it is called whenever a task ends, and every second.
    """

    open: Callable[[], AbstractContextManager[Submit]]
    alone: Callable[[], AbstractContextManager[Submit]]
    width: Callable[[], int]
    died: Callable[[BaseException], str]
    look: Callable[[], None] = lambda: None


def finished(tasks: Iterator[Task], pool: Pool) -> Generator[list[Outcome]]:
    """Run tasks and give what came of each, in the order in which they end.

    No more of them are drawn than the pool takes, so memory does not grow with their number. When a worker dies (it is
    out of memory, or its task ran out of time and could not be interrupted), we cannot tell which task killed it. So
    every task under way is run once more, each fuser alone; a task whose worker dies again has failed.
    """
    left = True
    while left:
        suspects: list[tuple[Task, str]] = []
        with pool.open() as submit:
            running: dict[Future[list[Outcome]], Task] = {}
            while not suspects:
                more = max(0, pool.width() - len(running))  # a cluster may have lost workers
                running |= {_submit(submit, task): task for task in islice(tasks, more)}
                left = bool(running)
                if not left:
                    break
                ended = _wait(running, pool, FIRST_COMPLETED)
                yield from _collect({future: running.pop(future) for future in ended}, suspects, pool)
            _wait(running, pool, ALL_COMPLETED)
            yield from _collect(running, suspects, pool)
        yield from _one_by_one([single for task, _ in suspects for single in task.singly()], pool)


def _submit(submit: Submit, task: Task) -> "Future[list[Outcome]]":
    try:
        return submit(task)
    except BrokenExecutor as error:  # a worker died while it had nothing to do
        future: Future[list[Outcome]] = Future()
        future.set_exception(error)
        return future


def _wait(running: "Iterable[Future[list[Outcome]]]", pool: Pool, until: str) -> "set[Future[list[Outcome]]]":
    """Wait for the first task or for all of them, while the pool looks at its workers."""
    while True:
        pool.look()
        ended, waiting = wait(running, timeout=LOOK, return_when=until)
        if not waiting or (ended and until == FIRST_COMPLETED):
            return ended


def _collect(
    ended: "dict[Future[list[Outcome]], Task]", suspects: list[tuple[Task, str]], pool: Pool
) -> Iterator[list[Outcome]]:
    for future, task in ended.items():
        try:
            outcomes = future.result()
        except Exception as error:
            if reason := pool.died(error):
                suspects.append((task, reason))
                continue
            if isinstance(error, CancelledError):
                raise OSError(LOST) from None
            raise
        yield outcomes


def _one_by_one(tasks: list[Task], pool: Pool) -> Iterator[list[Outcome]]:
    """Run tasks one after the other, so that we can tell which task killed its worker."""
    waiting = deque(tasks)
    while waiting:
        with pool.alone() as submit:
            suspects: list[tuple[Task, str]] = []
            while waiting and not suspects:
                task, begun = waiting.popleft(), time.monotonic()
                future = _submit(submit, task)
                _wait([future], pool, ALL_COMPLETED)
                yield from _collect({future: task}, suspects, pool)
            for task, reason in suspects:
                if task.timeout and time.monotonic() - begun > task.timeout + GRACE:
                    yield failed(task, f"no result after {task.timeout:g} s, and no answer: its process was ended")
                else:
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

    return Pool(here, here, lambda: 1, lambda _: "")


def processes(jobs: int) -> Pool:
    """Run tasks in processes of their own."""

    @contextmanager
    def workers(count: int) -> Iterator[Submit]:
        from joblib.externals.loky import ProcessPoolExecutor

        executor: Executor = ProcessPoolExecutor(
            count, initializer=_start, initargs=(os.getpid(),), env=dict.fromkeys(THREADS, "1")
        )
        with replacing_workers():
            try:
                yield lambda task: executor.submit(work, task)
            finally:
                executor.shutdown(wait=True, kill_workers=True)  # type: ignore[call-arg]  # loky's own

    def died(error: BaseException) -> str:
        return " ".join(str(error).split()) if isinstance(error, BrokenExecutor) else ""

    # Twice as many tasks as there are workers, so that no worker waits for its next task.
    return Pool(lambda: workers(jobs), lambda: workers(1), lambda: 2 * jobs, died)


@contextmanager
def replacing_workers() -> Iterator[None]:
    """Say nothing where loky replaces a worker whose memory has grown; no task is lost."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        yield


def _now(task: Task) -> "Future[list[Outcome]]":
    future: Future[list[Outcome]] = Future()
    future.set_result(work(task))
    return future


def _start(parent: int) -> None:
    """Prepare a worker process: Ctrl-C and stdout are its parent's, and when its parent ends, it ends too."""
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
