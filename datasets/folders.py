"""Which folders are kinds of pairs: each of its own, or in parts, such as train and test or a folder for each case."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fusebench.datasets import formats
from fusebench.datasets.cases import Say, silent
from fusebench.datasets.formats import stem
from fusebench.datasets.names import MODALITIES, by_modality, natural

DEPTH = 2  # a folder of kinds, a kind; links to a folder above would be followed for ever
SPLITS = frozenset(("train", "training", "val", "valid", "validation", "test", "testing"))


class Part(NamedTuple):
    """A folder that holds pairs of a kind, or two folders that do, one for each modality.

    Where a kind has several parts each has a `name`, with which the names of its pairs begin; `is_case` says that it is
    a case.
    """

    kind: str
    folders: tuple[Path, ...]
    name: str = ""
    is_case: bool = False


def parts(root: Path, say: Say = silent) -> list[Part]:
    """List the parts of the kinds under a folder; a folder that holds no pairs has none.

    A folder with two folders of images is a kind. It is a part where it lies in a folder that is named by the two
    modalities (CT-PET/p1/{CT,PET}), or beside others of the same two modalities that are numbered like it
    (p1/{CT,PET}, p2/{CT,PET}): a case; or called train, test or the like, above the kinds or below, also below the
    modalities (CT/train, MRI/train). `say` is told of parts.
    """
    if (is_kind(root) and not holds_flat(root)) or is_flat(root):
        return [Part(root.name, (root,))]
    if divided := _divided(root, say):
        return divided
    found: list[Part] = []
    for folder in (folder for folder in subfolders(root) if inside(folder, root)):
        if is_kind(folder) or is_flat(folder):
            found.append(Part(folder.name, (folder,)))
        elif divided := _divided(folder, say):
            found += divided
        elif folder.name.casefold() in SPLITS and (kinds := [kind for kind in subfolders(folder) if is_kind(kind)]):
            say(f"{folder.name}: its folders are read as parts of their kinds, such as {kinds[0].name}")
            found += [Part(kind.name, (kind,), folder.name) for kind in kinds]
    return sorted(found, key=lambda part: (part.kind, natural(part.name)))


def _divided(folder: Path, say: Say) -> list[Part]:
    """List the parts of a kind that is divided, below its modalities or above them; none of another folder."""
    held = subfolders(folder)
    below = [[sub.name for sub in subfolders(one)] for one in held]
    alike = bool(held) and all(names == below[0] for names in below)
    both = sorted(below[0]) if alike else []
    if alike and len(held) == 2 and _divide(both) and not any(is_image(path) for one in held for path in one.iterdir()):
        kind, splits = folder.name, _are_splits(both)
        found = [Part(kind, (held[0] / name, held[1] / name), name, not splits) for name in both]
    elif alike and len(both) == 2 and all(map(is_kind, held)):
        names, named = [one.name for one in held], _is_named(folder.name, both)
        if not (named or _divide(names)):
            return []
        kind, splits = folder.name if named else "-".join(both), _are_splits(names)
        found = [Part(kind, (one,), one.name, not splits) for one in held]
    else:
        return []
    found.sort(key=lambda part: natural(part.name))
    such = ", ".join(part.name for part in found[:3]) + (", ..." if found[3:] else "")
    say(f"{kind}: {such} are read as {'parts of one set' if splits else 'its cases'}")
    return found


def _divide(names: Sequence[str]) -> bool:
    """Say whether names are those of parts and not of modalities."""
    return (
        bool(names) and (_are_splits(names) or _are_numbered(names)) and not {*map(str.casefold, names)} <= MODALITIES
    )


def _are_splits(names: Sequence[str]) -> bool:
    return {name.casefold() for name in names} <= SPLITS


def _are_numbered(names: Sequence[str]) -> bool:
    """Say whether names differ in their numbers alone.

    Examples
    --------
    >>> _are_numbered(["p1", "p2", "p10"]), _are_numbered(["tno", "vot"]), _are_numbered(["p1"])
    (True, False, False)
    """
    shapes = {re.sub(r"[0-9]+", "#", name) for name in names}
    return len(names) > 1 and len(shapes) == 1 and "#" in shapes.pop()


def _is_named(name: str, modalities: Sequence[str]) -> bool:
    return name.casefold() in {"-".join(order).casefold() for order in (modalities, modalities[::-1])}


def is_kind(folder: Path, deep: int = DEPTH) -> bool:
    """Say whether a folder is meant as a kind of pair: it holds folders of images and not folders that are kinds."""
    folders = subfolders(folder) if deep else []
    return any(is_image(path) for sub in folders for path in sub.iterdir()) and not any(
        is_kind(sub, deep - 1) for sub in folders
    )


def is_flat(folder: Path) -> bool:
    """Say whether a folder holds nothing but files, whose names say their modalities."""
    named = [stem(path) for path in folder.iterdir() if is_image(path)] if not subfolders(folder) else []
    try:
        return by_modality(named) is not None
    except ValueError:  # they say too much, which is told where they are paired
        return True


def holds_flat(root: Path) -> bool:
    """Say whether the folders of images in a folder are kinds themselves, each flat, and not the two of one kind."""
    held = {folder: {stem(path) for path in folder.iterdir() if is_image(path)} for folder in subfolders(root)}
    named = [names for names in held.values() if names]
    one_kind = len(named) == 2 and named[0] == named[1]
    return not one_kind and all(is_flat(folder) for folder, names in held.items() if names)


def subfolders(root: Path) -> list[Path]:
    """List the folders in a folder that are not hidden."""
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def inside(path: Path, root: Path) -> bool:
    """Say whether a path, with all links followed, lies in a folder."""
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a link to itself
        return False


def is_image(path: Path) -> bool:
    """Say whether a path is a file that may be a source, or no folder at all."""
    # A folder may be called like an image, and is none; what is neither file nor folder is told.
    # What DICOM calls DICOMDIR is an index of other files, and .img holds the voxels of the .hdr beside it.
    hidden = path.name.startswith(".") or path.name == "DICOMDIR"
    hidden = hidden or (path.suffix.lower() == ".img" and path.with_suffix(".hdr").exists())
    return not hidden and not path.is_dir() and formats.told(path) is not None
