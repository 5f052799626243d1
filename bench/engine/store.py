"""The folder of a run: its files, their columns, and how they take the place of an older run's.

Importing this module imports the standard library alone, so that what reads a run can use it.

A run is written beside the old results, which stay until the new ones are complete. It writes into OUT/.running, which
is there until the run is finished, however often it is interrupted. Then the folder's list of contents,
`complete.json`, says that it is whole, its contents take the place of the old run's, and it goes. A process that ends
in the middle of that leaves the list, by which the next one ends the exchange.
"""

import csv
import io
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar, get_type_hints

RUN, SCORES, LOSSES, FAILURES = "run.json", "scores.csv", "losses.csv", "failures.csv"
SECONDS = "seconds.csv"
FEATURES = "features.npz"
FUSED, COLOUR = IMAGES = ("fused", "colour")
SOURCES, MAPS, MAP_LIST = "sources", "maps", "maps.json"  # sources that are no row; maps of metrics, and their list
SOURCE_ROWS = ("source-a", "source-b")  # the fusers that give a source back
# What a run and the reports on it write; anything else in the folder is left alone.
OWNED = (
    *(RUN, SCORES, LOSSES, SECONDS, FAILURES, "journal.jsonl", FEATURES, *IMAGES, SOURCES, MAPS),
    *("tables", "figures", "report.html"),
)
AREA, COMPLETE, LOCK = ".running", "complete.json", ".lock"

Name = tuple[str, str, str]  # kind, pair, fuser's label


class Score(NamedTuple):
    """A score, and what names it: every field but the score. A record in git has these columns."""

    kind: str
    pair: str
    fuser: str
    metric: str
    score: float


class Result(NamedTuple):
    """One row of scores.csv: a `Score` and where the pair came from.

    `dataset` is a data set's name, or a folder's. `case` is "" where it is not known.
    """

    dataset: str
    kind: str
    case: str
    pair: str
    fuser: str
    metric: str
    score: float


class Loss(NamedTuple):
    """One row of losses.csv: an evaluation of an iterative fuser.

    `saved` is the loss of the 8-bit image that would be written after it: known at the end of a round, NaN elsewhere.
    """

    kind: str
    pair: str
    fuser: str
    round: int
    evaluation: int
    loss: float
    saved: float = math.nan


class Seconds(NamedTuple):
    """One row of seconds.csv: what the call of a fuser took on a pair, by the clock, and what all its scores took.

    NaN where no fuser was called, since the image was there. Of the fusers that share a task the first pays for what
    the metrics compute of the sources.
    """

    kind: str
    pair: str
    fuser: str
    fuse: float
    score: float


class Failure(NamedTuple):
    """One row of failures.csv: a fuser that gave no image of a pair, or a metric that gave no score of it."""

    kind: str
    pair: str
    fuser: str
    metric: str  # "" where there is no image
    reason: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.metric and f'{self.metric} of '}{self.fuser} on {self.kind}/{self.pair}: {self.reason}"


class MapFile(NamedTuple):
    """A map of a metric's local values: its file under `maps/`, and the values of its levels 1 and 255; 0 is none."""

    kind: str
    pair: str
    fuser: str
    metric: str
    file: str
    low: float
    high: float


Row = TypeVar("Row", Score, Result, Loss, Seconds, Failure)


def image_path(name: Name) -> Path:
    """Say where an item's image lies, under `fused` or `colour`."""
    kind, pair, fuser = name
    return Path(kind, fuser, f"{pair}.png")


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Make a folder this process's own to write into; the system gives it back however the process ends.

    Raises
    ------
    ValueError
        If `out` is a file, or another run is on in it.
    OSError
        If it cannot be written.
    """
    from filelock import FileLock, Timeout

    if out.exists() and not out.is_dir():
        raise ValueError(f"{out}: is a file; --out names a folder")
    out.mkdir(parents=True, exist_ok=True)
    # A singleton: a process that holds the lock may acquire it again.
    lock = FileLock(out / LOCK, timeout=0, is_singleton=True)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(f"{out}: another run is writing there; wait for it, or name another folder") from None
    try:
        yield
    finally:
        lock.release()


def begin(out: Path) -> Path:
    """Give the area a run writes into; what an interrupted run left in it is still there.

    An exchange that was cut short is ended first.

    Raises
    ------
    ValueError
        If `out` holds a name of ours that no run wrote.
    """
    area = out / AREA
    if (area / COMPLETE).exists():
        _exchange(out)
    old = [out / name for name in OWNED if (out / name).exists()]
    if old and read_run(out) is None:
        raise ValueError(f"{old[0]}: would be replaced, but no run wrote it; name another folder with --out")
    return area


def read_run(folder: Path) -> dict[str, Any] | None:
    """Read what `run.json` says of the run that a folder holds; None where there is none."""
    try:
        read = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) and "suite" in read and isinstance(read.get("tables"), dict) else None


def images(folder: Path) -> list[Path]:
    """List the files among the images of a run, whoever wrote them."""
    return sorted(path for name in IMAGES for path in (folder / name).rglob("*") if not path.is_dir())


def finish(out: Path) -> None:
    """Put what the area holds into the place of the old results."""
    area = out / AREA
    write_text(area / COMPLETE, json.dumps([name for name in OWNED if (area / name).exists()]))
    _exchange(out)


def _exchange(out: Path) -> None:
    """Move the new results to their places, one after the other.

    After an interruption this goes on: what was moved already is no longer in the area.
    """
    area = out / AREA
    new = json.loads((area / COMPLETE).read_text(encoding="utf-8"))
    for name in OWNED:
        if name not in new or (area / name).exists():
            remove(out / name)
        if (area / name).exists():
            (area / name).rename(out / name)
    # The list is removed last: without it the area would look like that of an interrupted run.
    for path in area.iterdir():
        if path.name != COMPLETE:
            remove(path)
    (area / COMPLETE).unlink()
    area.rmdir()


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_empty(folder: Path) -> None:
    """Remove the empty folders in a folder, and itself if it is left empty."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            with suppress(OSError):
                path.rmdir()
    with suppress(OSError):
        folder.rmdir()


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; when this returns it is on disk."""
    write_bytes(path, text.encode(), synced=True)


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows as CSV, every digit kept, one at a time."""
    with _part(path, synced=True) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        text.detach()


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Read what `write_rows` wrote: text as it is, numbers as numbers. A last column with a default may be missing.

    Raises
    ------
    ValueError
        If the file lacks a column, or a cell is no number where one belongs.
    OSError
        If it cannot be read.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise ValueError(f"{path}: not a table of {', '.join(kind._fields)} (no regular file)")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a table of {', '.join(kind._fields)} ({error})") from error
    return parse_rows(text, kind, str(path))


def parse_rows(text: str, kind: type[Row], name: str) -> list[Row]:
    """Read the text of such a file, which errors call by a name."""
    types = get_type_hints(kind)
    try:
        lines = csv.reader(io.StringIO(text, newline=""))
        header = next(lines, [])
        asked = (name for name in types if name in header or name not in kind._field_defaults)
        columns = [(types[name], header.index(name)) for name in asked]
        return [kind(*(make(line[place]) for make, place in columns)) for line in lines]
    except (ValueError, IndexError, csv.Error) as error:
        raise ValueError(f"{name}: not a table of {', '.join(types)} ({error})") from error


def write_bytes(path: Path, content: bytes, *, synced: bool = False) -> None:
    """Write a file, and its folders, whole or not at all; `synced`, it survives a failure of the power too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _part(path, synced=synced) as file:
        file.write(content)


@contextmanager
def _part(path: Path, *, synced: bool) -> Iterator[BinaryIO]:
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
            if synced:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def link(path: Path, other: Path) -> None:
    """Give a file a second name, or a copy where the file system cannot.

    That is safe because files of a run are replaced, never changed.
    """
    other.parent.mkdir(parents=True, exist_ok=True)
    other.unlink(missing_ok=True)
    try:
        other.hardlink_to(path)
    except OSError:
        write_bytes(other, path.read_bytes())
