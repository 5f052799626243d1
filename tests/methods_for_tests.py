"""Fusers, suites and processes that misbehave, which other processes import: `tests` must be on their path."""

import ctypes
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from fusebench.bench.suite import Suite, Table
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.base import NEVER_SHOWN, Fuser
from fusebench.fusers.pixel.trivial import Average
from fusebench.metrics.spatial_frequency import SF
from torch import Tensor


@dataclass(frozen=True)
class Sleeps:
    """Sleeps as long as it is told."""

    name: ClassVar[str] = "sleeps"
    seconds: float = 60.0

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Sleep."""
        time.sleep(self.seconds)
        return (a + b) / 2


@dataclass(frozen=True)
class Waits:
    """Says in a folder that it is under way, "begun", and returns when it finds "go" there."""

    name: ClassVar[str] = "waits"
    folder: str = field(default="", metadata=NEVER_SHOWN)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Wait, however long it takes."""
        Path(self.folder, "begun").touch()
        while not Path(self.folder, "go").exists():
            time.sleep(0.01)
        return (a + b) / 2


@dataclass(frozen=True)
class Deaf:
    """Hangs in C, where no Python exception reaches it; holding the interpreter or not."""

    name: ClassVar[str] = "deaf"
    holding: bool = False

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Hang on the brighter pairs."""
        if a.mean() > 0.5:
            library = ctypes.PyDLL(None) if self.holding else ctypes.CDLL(None)
            # What interrupts a system call is blocked, so that it sleeps on.
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
            library.sleep(60)
        return (a + b) / 2


@dataclass(frozen=True)
class Dies:
    """Takes its process with it: on the brighter pairs; given a folder, only the first time."""

    name: ClassVar[str] = "dies"
    folder: str = field(default="", metadata=NEVER_SHOWN)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Die, as a process does that the system ends for its memory."""
        if a.mean() > 0.5:
            mark = Path(self.folder, "died")
            if not self.folder or not mark.exists():
                if self.folder:
                    mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return (a + b) / 2


@dataclass(frozen=True)
class Raises:
    """Raises, whatever it is given."""

    name: ClassVar[str] = "raises"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Raise."""
        del a, b
        raise ZeroDivisionError("no reason")


def pixels(name: str, size: int = 16) -> Pair:
    """Make a pair; of p0, p1, ... every third is bright."""
    number = int(name[1:])
    noise = torch.Generator().manual_seed(number)
    a, b = torch.rand(2, size, size, generator=noise)
    a = 0.4 * a + (0.6 if number % 3 == 0 else 0)
    return Pair(a, b, "CT-MRI", name, name)


def mounted(name: str, size: int = 16) -> Pair:
    """Make a pair where the folder is there that the environment names: not every machine sees it."""
    os.stat(os.environ["FUSEBENCH_MOUNT"])  # noqa: PTH116  an error that names the folder
    return pixels(name, size)


def suite(*fusers: Fuser, count: int = 6, size: int = 16, read: Callable[[str, int], Pair] = pixels) -> Suite:
    """Make a table of these."""
    entries = tuple(Entry("CT-MRI", f"p{n}", f"p{n}", partial(read, f"p{n}", size)) for n in range(count))
    return {"table": Table("x", fusers, entries, (SF,))}


STEPS = ("mkdir", "write", "fsync", "replace", "rename", "link", "unlink", "rmdir")


def steps(last: int = 0, patch: Callable[[object, str, Callable[..., Any]], None] = setattr) -> list[str]:
    """Note each step that this process takes on the disk from now on, and have it killed at the last.

    It dies before that step; if it is a write, when half is written.
    """
    taken: list[str] = []

    def noted(name: str, do: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        taken.append(name)
        if len(taken) == last:
            if name == "write":
                file, content = arguments
                do(file, content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return do(*arguments, **options)

    for name in STEPS:
        patch(os, name, partial(noted, name, getattr(os, name)))
    return taken


MINE = suite(Average(), Sleeps(0.0), count=2)
UNTIDY = suite(len, count=2)  # type: ignore[arg-type]
FAILING = suite(Average(), Raises(), count=2)


def mine() -> Suite:
    """Make a suite without being given anything."""
    return MINE


def of_data(entries: tuple[Entry, ...], pairs: int | None) -> Suite:
    """Make a suite of the pairs that the command line names."""
    return {"table9": Table("Mine", (Average(), Sleeps(0.0)), tuple(entries)[:pairs], (SF,))}
