"""The journal of a run: a line for each finished item, on disk before the next, so that nothing is computed twice."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fusebench.bench import output
from fusebench.bench.work import Losses, Outcome

Name = tuple[str, str, str]  # dataset, pair, fuser's label


class Line(NamedTuple):
    """What is known of a finished item: its key, its scores to the last bit, and the digests of its images."""

    dataset: str
    pair: str
    fuser: str
    key: str
    images: Mapping[str, str]  # folder, "fused" or "colour", to SHA-256
    scores: Mapping[str, float]
    losses: Losses

    @property
    def name(self) -> Name:
        """What the item is called."""
        return self.dataset, self.pair, self.fuser


class Journal:
    """The journal in a folder, `journal.jsonl`, beside the images it speaks of.

    Its lines are kept on disk and read when they are asked for; in memory is where each begins, so that it does not
    grow with the number of scores. Of two lines for one item the later counts. A line that was cut short by the end
    of a process or of the power is no line.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "journal.jsonl"
        self._places: dict[Name, tuple[str, int]] = {}  # key, and where the line begins
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

    def __contains__(self, item: tuple[Name, str]) -> bool:
        """Say whether an item with this key is there, by its line; `holds` looks at its images too."""
        name, key = item
        return self._places.get(name, ("", 0))[0] == key

    def holds(self, name: Name, key: str) -> bool:
        """Say whether an item with this key is there, with its images, undamaged."""
        if (name, key) not in self:
            return False
        line = self[name]
        return all(_sha256(self.folder / folder / image_path(name)) == sha for folder, sha in line.images.items())

    def __getitem__(self, name: Name) -> Line:
        with self._path.open("rb") as file:
            file.seek(self._places[name][1])
            line = _parse(file.readline())
        if line is None:
            raise OSError(f"{self._path}: was changed while the run was on")
        return line

    def put(self, finished: Iterable[tuple[str, Outcome]]) -> None:
        """Write the images of finished items, each with its key, then their lines; when it returns they are on disk.

        Should the power fail in between, an image may be damaged whose line is not there, or, as a file system
        pleases, one whose line is: its digest tells.
        """
        lines = []
        for key, done in finished:
            images = {"fused": done.fused} | ({} if done.colour is None else {"colour": done.colour})
            name = done.dataset, done.pair, done.fuser
            for folder, content in images.items():
                output.write_bytes(self.folder / folder / image_path(name), content)
            digests = {folder: hashlib.sha256(content).hexdigest() for folder, content in images.items()}
            lines.append(Line(*name, key, digests, done.scores, done.losses))
        self._append(lines)

    def take(self, other: "Journal", names: Iterable[Name]) -> None:
        """Take items over from another journal, their images too, which then lie in both places at the cost of one."""
        lines = [other[name] for name in names]
        for line in lines:
            for folder in line.images:
                output.link(other.folder / folder / image_path(line.name), self.folder / folder / image_path(line.name))
        self._append(lines)

    def keep(self, names: Iterable[Name]) -> None:
        """Drop every other line, and every image that no line speaks of."""
        kept = list(names)
        output.write_bytes(self._path, b"".join(_spell(self[name]) for name in kept), synced=True)
        self._read()
        wanted = {self.folder / folder / image_path(name) for name in kept for folder in self[name].images}
        for folder in ("fused", "colour"):
            for path in [*(self.folder / folder).rglob("*")]:
                if path.is_file() and path not in wanted:
                    path.unlink()
            output.remove_empty(self.folder / folder)

    def _append(self, lines: list[Line]) -> None:
        if not lines:
            return
        self.folder.mkdir(exist_ok=True)
        file = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o666)
        try:
            os.ftruncate(file, self._end)  # what a process that ended left half written
            os.lseek(file, self._end, os.SEEK_SET)
            contents = [_spell(line) for line in lines]
            _write(file, b"".join(contents), self._path)
            os.fsync(file)
        finally:
            os.close(file)
        for line, content in zip(lines, contents, strict=True):
            self._places[line.name] = line.key, self._end
            self._end += len(content)


def image_path(name: Name) -> Path:
    """Say where an item's image lies, under `fused` or `colour`."""
    dataset, pair, fuser = name
    return Path(dataset, fuser, f"{pair}.png")


def _write(file: int, content: bytes, path: Path) -> None:
    """Write all or raise: a full disk may take a part."""
    view = memoryview(content)
    try:
        while view:
            view = view[os.write(file, view) :]
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _spell(line: Line) -> bytes:
    # Python writes the shortest decimal that reads back as the same float64, and NaN and Infinity by name.
    return (json.dumps(line._asdict()) + "\n").encode()


def _parse(content: bytes) -> Line | None:
    try:
        read: dict[str, Any] = json.loads(content)
        return Line(**read)
    except (ValueError, TypeError):
        return None


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
