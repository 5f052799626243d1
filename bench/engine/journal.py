"""The journal of a run: a line for each finished item, on disk before the next, so that nothing is computed twice."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fusebench.bench.engine import store
from fusebench.bench.engine.store import Name, image_path
from fusebench.bench.engine.work import Losses


class Line(NamedTuple):
    """What is known of an item: its images by their digests, and its scores to the last bit, each with its key.

    A key that is None cannot be known again: what it belongs to is computed in every run.
    """

    kind: str
    pair: str
    fuser: str
    key: str | None  # of the image
    images: Mapping[str, str]  # folder, "fused" or "colour", to SHA-256
    scores: Mapping[str, tuple[float, str | None]]  # metric to score and key
    losses: Losses
    seconds: tuple[float | None, float] = (None, 0.0)  # of the fuser's call, where there was one, and of all scoring

    @property
    def name(self) -> Name:
        """What the item is called."""
        return self.kind, self.pair, self.fuser


class Journal:
    """The journal in a folder, `journal.jsonl`, beside the images it speaks of.

    Its lines are kept on disk and read when they are asked for; in memory is where each begins, so that it does not
    grow with the number of scores. Of two lines for one item the later counts. A line that was cut short by the end
    of a process or of the power is no line.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "journal.jsonl"
        self._places: dict[Name, tuple[str | None, int]] = {}  # key, and where the line begins
        self._read()

    def _read(self) -> None:
        self._end = 0
        self._places = {line.name: (line.key, place) for place, line in self._lines()}

    def _lines(self) -> Iterator[tuple[int, Line]]:
        try:
            with self._path.open("rb") as file:
                for content in file:
                    place, self._end = self._end, self._end + len(content)
                    if not content.endswith(b"\n"):
                        self._end = place
                    elif line := _parse(content):
                        yield place, line
        except FileNotFoundError:
            return

    def find(self, name: Name, key: str | None) -> Line | None:
        """Give the line of an item whose image has this key and is there, undamaged."""
        if key is None or self._places.get(name, (None, 0))[0] != key:
            return None
        line = self[name]
        whole = all(_sha256(self.folder / folder / image_path(name)) == sha for folder, sha in line.images.items())
        return line if whole else None

    def __getitem__(self, name: Name) -> Line:
        with self._path.open("rb") as file:
            file.seek(self._places[name][1])
            line = _parse(file.readline())
        if line is None:
            raise OSError(f"{self._path}: was changed while the run was on")
        return line

    def put(self, finished: Iterable[tuple[Line, Mapping[str, bytes]]]) -> None:
        """Write images, by their folders, then the lines they belong to; when it returns the lines are on disk.

        Should the power fail in between, an image may be damaged whose line is not there, or, as a file system
        pleases, one whose line is: its digest tells.
        """
        lines = []
        for line, images in finished:
            for folder, content in images.items():
                store.write_bytes(self.folder / folder / image_path(line.name), content)
            lines.append(line)
        self._append(lines)

    def take(self, other: "Journal", lines: Iterable[Line]) -> None:
        """Take lines over from another journal, their images too, which then lie in both places at the cost of one.

        From itself, lines that have changed.
        """
        taken = list(lines)
        for line in taken if other is not self else ():
            for folder in line.images:
                store.link(other.folder / folder / image_path(line.name), self.folder / folder / image_path(line.name))
        self._append(taken)

    def keep(self, names: Iterable[Name]) -> None:
        """Drop every other line, and every image that no line speaks of."""
        kept = list(names)
        store.write_bytes(self._path, b"".join(_spell(self[name]) for name in kept), synced=True)
        self._read()
        wanted = {self.folder / folder / image_path(name) for name in kept for folder in self[name].images}
        for path in store.images(self.folder):
            if path not in wanted:
                path.unlink()
        for folder in store.IMAGES:
            store.remove_empty(self.folder / folder)

    def _append(self, lines: list[Line]) -> None:
        if not lines:
            return
        self.folder.mkdir(exist_ok=True)
        file = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o666)
        try:
            os.ftruncate(file, self._end)  # cuts off the half line of a process that was killed
            os.lseek(file, self._end, os.SEEK_SET)
            contents = [_spell(line) for line in lines]
            _write(file, b"".join(contents), self._path)
            os.fsync(file)
        finally:
            os.close(file)
        for line, content in zip(lines, contents, strict=True):
            self._places[line.name] = line.key, self._end
            self._end += len(content)


def _write(file: int, content: bytes, path: Path) -> None:
    """Write all or raise: a full disk may take a part."""
    view = memoryview(content)
    try:
        while view:
            view = view[os.write(file, view) :]
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _spell(line: Line) -> bytes:
    # Python writes the shortest decimal that reads back as the same float64, and NaN and Infinity by name. Sorted:
    # metrics may have come one after the other.
    return (json.dumps(line._asdict(), sort_keys=True) + "\n").encode()


def _parse(content: bytes) -> Line | None:
    try:
        read: dict[str, Any] = json.loads(content)
        line = Line(**read)
    except (ValueError, TypeError):
        return None
    return line if all(isinstance(part, str) for part in line.name) else None


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
