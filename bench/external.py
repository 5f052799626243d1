"""Rows whose images other people's programs have written: read from files, scored and shown like any other row."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from fusebench.datasets import image
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.base import NEVER_SHOWN, Fuser
from torch import Tensor


@dataclass(frozen=True)
class External:
    """A method known by its results: for each kind of pair the folder that holds them, NAME.png or another format."""

    name: str = field(metadata=NEVER_SHOWN)
    folders: tuple[tuple[str, Path], ...] = field(metadata=NEVER_SHOWN)

    def read(self, pair: Pair) -> tuple[Tensor, Tensor | None]:
        """Read the fused image of a pair: luma, (H, W), as it is scored, and chroma, (2, H, W), where it has some.

        Raises
        ------
        ValueError
            If it is missing, damaged or not of the pair's size; the message names the file.
        """
        path = self._file(pair.kind, pair.name)
        grey, chroma = image.read(path)
        if tuple(grey.shape) != pair.size:
            sizes = [f"{height} x {width}" for height, width in (grey.shape, pair.size)]
            raise ValueError(f"{path}: {sizes[0]} pixels, but the pair has {sizes[1]}")
        return grey, chroma

    def has(self, kind: str, name: str) -> bool:
        """Say whether there is an image of a pair, good or bad."""
        return bool(self._files(kind, name))

    def sha256(self, kind: str, name: str) -> str:
        """Digest of the file of a pair, "" where there is none."""
        try:
            return hashlib.sha256(self._file(kind, name).read_bytes()).hexdigest()
        except (OSError, ValueError):
            return ""

    def _file(self, kind: str, name: str) -> Path:
        folder = dict(self.folders).get(kind)
        if folder is None:
            raise ValueError(f"{self.name} has no folder for {kind}")
        found = self._files(kind, name)
        if not found:
            raise ValueError(f"{folder / name}.png: no such file, in no other format either")
        if len(found) > 1:
            raise ValueError(f"{found[1]}: {found[0].name} is there too; which is the result?")
        return found[0]

    def _files(self, wanted: str, name: str) -> list[Path]:
        folders = [folder for kind, folder in self.folders if kind == wanted]
        paths = (folder / f"{name}{suffix}" for folder in folders for suffix in image.EXTENSIONS)
        return [path for path in paths if path.is_file()]


# What has a row in a table: a fuser, which is called, or a method whose images are read.
AnyFuser = Fuser | External


def part(fusers: Iterable[AnyFuser]) -> tuple[list[Fuser], list[External]]:
    """Part what is called from what is read. Nothing else in the bench asks which of the two a row is."""
    called: list[Fuser] = []
    read: list[External] = []
    for fuser in fusers:
        if isinstance(fuser, External):
            read.append(fuser)
        else:
            called.append(fuser)
    return called, read


def rows(root: Path, entries: Iterable[Entry]) -> tuple[External, ...]:
    """Find the methods whose results a folder holds for these pairs, in alphabetical order.

    A result is ROOT/METHOD/KIND/NAME.png, ROOT/KIND/METHOD/NAME.png, as the bench itself writes them under fused/, or
    ROOT/METHOD/NAME.png where no two kinds have a pair of that name. A method has results for the kinds that it has a
    folder for, and in the last layout for those of which it has an image.

    Raises
    ------
    ValueError
        If there is no such folder or no method in it, or a result could belong to two kinds or lie in two places.
    """
    kinds: dict[str, set[str]] = {}
    for entry in entries:
        kinds.setdefault(entry.kind, set()).add(entry.name)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; expected one that holds METHOD/NAME.png")
    found: dict[str, dict[str, Path]] = {}
    for folder in _folders(root):
        for method, kind, place in _places(folder, kinds):
            if (other := found.setdefault(method, {}).setdefault(kind, place)) != place:
                raise ValueError(f"{place}: {other} holds results of {method} for {kind} too")
    if not found:
        raise ValueError(f"{root}: no results; expected METHOD/NAME.png or METHOD/{next(iter(kinds))}/NAME.png")
    return tuple(External(method, tuple(sorted(found[method].items()))) for method in sorted(found))


def _places(folder: Path, kinds: Mapping[str, set[str]]) -> list[tuple[str, str, Path]]:
    """Say of which method and kind a folder holds results, and where in it."""
    inside = _folders(folder)
    if folder.name in kinds:
        return [(method.name, folder.name, method) for method in inside]
    if any(sub.name in kinds for sub in inside):
        return [(folder.name, sub.name, sub) for sub in inside if sub.name in kinds]
    images = {path.stem for path in folder.iterdir() if path.suffix.lower() in image.EXTENSIONS}
    if not images:
        return []
    shown = {kind: names & images for kind, names in kinds.items() if names & images}
    for (kind, names), (other, others) in combinations(shown.items(), 2):
        if shared := sorted(names & others):
            raise ValueError(
                f"{folder}: {kind} and {other} have a pair {shared[0]} each; "
                f"say whose result it is: {folder.name}/{kind}/{shared[0]}.png"
            )
    # No image has a pair's name: the folder counts for every kind, and its missing images are failures there.
    return [(folder.name, kind, folder) for kind in shown or kinds]


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
