"""A time limit on foreign code: first the code is interrupted; if that does not help, its process ends itself."""

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

GRACE = 2.0  # seconds in which interrupted code may come back before its process ends


class _Expired(BaseException):
    """Not an Exception: code that catches every Exception must not catch this one."""


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Let the block take so many seconds; None sets no limit.

    When they are over, an exception is raised in the block's thread. Python code gets it before its next instruction,
    code in C when it returns to Python. If the block does not end within GRACE seconds after that, the whole process
    exits, with every other thread in it: run a block that may hang in a process of its own.

    Raises
    ------
    TimeoutError
        If the block was interrupted.
    """
    if not seconds:
        yield
        return
    main = threading.current_thread() is threading.main_thread()
    try:
        with _alarm(seconds) if main else _asynchronous(seconds), _last_resort(seconds + GRACE, alone=main):
            yield
    except _Expired:
        raise TimeoutError(f"no result after {seconds:g} s") from None


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Interrupt a main thread, by a signal: it also wakes code that sleeps or waits for another program."""

    def expire(*_: object) -> None:
        raise _Expired

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _asynchronous(seconds: float) -> Iterator[None]:
    """Interrupt any other thread, as a cluster's workers use; code that sleeps gets the exception when it wakes."""
    thread = ctypes.c_ulong(threading.get_ident())
    guard, over = threading.Lock(), False

    def expire() -> None:
        with guard:
            if not over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(_Expired))

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with guard:
            over = True
        timer.cancel()


@contextmanager
def _last_resort(seconds: float, *, alone: bool) -> Iterator[None]:
    """End the process after so many seconds.

    If the block is alone in the process, faulthandler's watch ends it. That runs without the interpreter, so it works
    while code in C holds the interpreter's lock. A process has only one such watch: of several blocks each
    has a timer.
    """
    if alone:
        import faulthandler

        with open(os.devnull, "w", encoding="ascii") as nowhere:  # noqa: PTH123  a device
            faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()
        return
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
