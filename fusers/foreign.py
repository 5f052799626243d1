"""Code of other packages, which the bench calls without knowing it: which files it reads, and what it prints."""

import ctypes
import os
import sys
import sysconfig
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

# Of each package, the files that its code was seen to read in this process. A module that keeps what it has read reads
# it once, so this is kept as long.
READ: defaultdict[str, set[str]] = defaultdict(set)
_opened: ContextVar[set[str] | None] = ContextVar("opened", default=None)

OWN = "fusebench"
SOURCES = (".py", ".pyc")
METADATA = (".dist-info", ".egg-info")  # of packages, which importers of plug-ins look through
INSTALLED = {"site-packages", "dist-packages"}
SYSTEM = ("/proc/", "/sys/", "/dev/")


def home(thing: Any) -> str:
    """Name the module that a class or a function stands in; of arguments that are filled in, that of the function.

    Examples
    --------
    >>> home(Path), home(partial(home, Path))
    ('pathlib', 'fusebench.fusers.foreign')
    """
    while isinstance(thing, partial):
        thing = thing.func
    return str(thing.__module__)


def package(thing: Any) -> str:
    """Name the package of that module."""
    return home(thing).partition(".")[0]


def doubt(fuser: object) -> str:
    """Say why a fuser may give another image another time though nothing that is known of it has changed; "" if not.

    It is so where its package was seen to read a file and it does not say its digest: an attribute `weights_sha256`,
    None where what is read changes no image.
    """
    files = READ.get(package(type(fuser)))
    if not files or hasattr(fuser, "weights_sha256"):
        return ""
    return f"it reads {min(files)} and names no digest of it (weights_sha256)"


@contextmanager
def watching(thing: Any, name: str) -> Iterator[None]:
    """Run a class or a function of another package: `reading` and `printing`. The bench's own do neither."""
    if (origin := package(thing)) == OWN:
        yield
        return
    with reading(origin), printing(name):
        yield


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Note in READ which files the block reads, in this thread, for the package of this name.

    Neither source code, which is known otherwise, nor files of other installed packages or of the bench. What is opened
    by a library in another language (safetensors is one) is not seen.
    """
    _listen()
    opened: set[str] = set()
    token = _opened.set(opened)
    try:
        yield
    finally:
        _opened.reset(token)
        if files := {path for path in opened if _is_data(path, name)}:
            READ[name] |= files


@lru_cache(maxsize=1)
def _listen() -> None:
    """Hear of every file that Python opens. The interpreter does not let it be undone."""
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and (opened := _opened.get()) is not None:
        path, _, flags = arguments
        if isinstance(path, str | bytes | os.PathLike) and flags & os.O_ACCMODE != os.O_WRONLY:
            opened.add(os.path.realpath(os.fsdecode(path)))


def _is_data(path: str, name: str) -> bool:
    if path.endswith(SOURCES) or path.startswith(SYSTEM) or Path(path).parent.name.endswith(METADATA):
        return False
    own = getattr(sys.modules.get(name), "__path__", [])
    others = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), str(Path(__file__).parent)]

    def inside(folders: Iterable[str]) -> bool:
        return any(Path(path).is_relative_to(os.path.realpath(folder)) for folder in folders)

    return Path(path).is_file() and (inside(own) or not (inside(others) or INSTALLED & {*Path(path).parts}))


@contextmanager
def printing(name: str) -> Iterator[None]:
    """Send to stderr what the block prints, each line behind a name: stdout has the bench's own tables.

    By whatever means it prints, other programs that it starts included. There is one stdout for all threads, so in
    another than the main one nothing is done.
    """
    if sys.stdout is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = sys.stdout
    before.flush()
    with tempfile.TemporaryFile("w+", buffering=1, errors="replace") as file:
        stdout = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            with redirect_stdout(file):
                yield
        finally:
            for buffer in (file, before):  # somebody may have kept the latter
                buffer.flush()
            ctypes.CDLL(None).fflush(None)  # C has one of its own
            os.dup2(stdout, 1)
            os.close(stdout)
            file.seek(0)
            for line in file:
                sys.stderr.write(f"{name}: {line.rstrip()}\n")
