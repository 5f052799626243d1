"""A time limit on foreign code: first it is interrupted, and where that does not help its process ends itself."""

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

GRACE = 2.0  # seconds in which interrupted code may come back before its process ends


class _Expired(BaseException):
    """No Exception, so that code which catches every Exception is interrupted too."""


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Let the block take so many seconds; None is for ever.

    The interruption is an exception in the block's thread, which Python code sees between two of its steps and code
    in C when it returns. A process whose block does not end within GRACE seconds after that exits, with every other
    thread in it: give it a process of its own.

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
    """By a signal, which also wakes what sleeps or waits for another program. Only a main thread gets signals."""

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
    """In another thread than the main one, as the workers of a cluster use."""
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
    """End the process. A process has one such watch that code in C cannot hold up; of several threads each has its own.

    The former needs no Python to run, so code that never lets go of the interpreter is ended too.
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
