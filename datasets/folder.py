"""Pairs in folders: DIR/CT-MRI/CT/NAME.png beside DIR/CT-MRI/MRI/NAME.png."""

import re
from functools import partial
from pathlib import Path

from fusebench.datasets import colour, image
from fusebench.datasets.pair import Entry, Pair


def entries(root: Path) -> tuple[Entry, ...]:
    """List the registered pairs under a folder, in the order of kind, case and slice.

    A kind of pair is a folder that holds two folders of images, one for each modality, and the same file name
    (but for the extension) in both is a pair. `root` is such a folder or holds several. A kind named "A-B"
    gives source a from A and source b from B; under any other name they come in alphabetical order.

    Names made of digits only are read as the Whole Brain Atlas sets are named, case number (without leading zeros)
    then three digits of slice: 16012 is slice 12 of case 16. Any other name is a case of its own.

    Raises
    ------
    ValueError
        If there is no pair, a kind has not two modalities, a folder holds no image, a file has no partner, or two
        files share a name.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; expected one that holds CT-MRI/CT/NAME.png and CT-MRI/MRI/NAME.png")
    root = root.resolve()  # "." has a name then
    kinds = [root] if _is_kind(root) else [kind for kind in _folders(root) if _is_kind(kind)]
    if not kinds:
        raise ValueError(
            f"{root}: no pairs; expected a folder for each kind of pair with a folder for each of its two modalities, "
            "such as CT-MRI/CT/NAME.png and CT-MRI/MRI/NAME.png"
        )
    return tuple(entry for kind in kinds for entry in _entries(kind))


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sort key that counts: "slice9" before "slice10".

    Examples
    --------
    >>> sorted(["16003", "2004", "b", "a10", "a9"], key=natural)
    ['2004', '16003', 'a9', 'a10', 'b']
    """
    parts = re.findall(r"\d+|\D+", name)
    return tuple((int(part), "") if part.isdecimal() else (2**63, part) for part in parts)


def case_of(name: str) -> str:
    """Case that a pair's name belongs to.

    Examples
    --------
    >>> case_of("16012"), case_of("2010"), case_of("brain01"), case_of("012")
    ('16', '2', 'brain01', '012')
    >>> case_of("010001")  # numbered frames are no atlas
    '010001'
    """
    numbered = re.fullmatch(r"([1-9]\d*)\d{3}", name, re.ASCII)
    return numbered[1] if numbered else name


def read_pair(first: Path, second: Path, dataset: str, modalities: tuple[str, str] = ("a", "b")) -> Pair:
    """Read two image files as one pair. Raises ValueError, naming the file."""
    (a, chroma_a), (b, chroma_b) = image.read(first), image.read(second)
    if a.shape != b.shape:
        sizes = [f"{path} is {grey.shape[0]} x {grey.shape[1]}" for path, grey in ((first, a), (second, b))]
        raise ValueError(f"{sizes[0]} but {sizes[1]} pixels; a registered pair has one size")
    coloured = tuple(m for m, chroma in zip(modalities, (chroma_a, chroma_b), strict=True) if chroma is not None)
    chroma = colour.merge(chroma_a, chroma_b)
    return Pair(a, b, dataset, first.stem, case_of(first.stem), modalities, chroma, coloured)


def _entries(kind: Path) -> list[Entry]:
    first, second = _modalities(kind)
    files_a, files_b = _images(first), _images(second)
    for folder, files in ((first, files_a), (second, files_b)):
        if not files:
            others = sorted({path.suffix for path in folder.iterdir() if path.is_file()})
            held = f"images that can be read, only {', '.join(others)}" if others else "images: an empty folder"
            raise ValueError(f"{folder}: no {held}; expected {', '.join(image.EXTENSIONS)}")
    if lonely := sorted(files_a.keys() ^ files_b.keys(), key=natural):
        name = lonely[0]
        path, other = (files_a[name], second) if name in files_a else (files_b[name], first)
        more = f" (and {len(lonely) - 1} more)" if len(lonely) > 1 else ""
        raise ValueError(f"{path}: no partner in {other}; a pair has one file name in both folders{more}")
    modalities = (first.name, second.name)
    return [
        Entry(kind.name, name, case_of(name), partial(read_pair, files_a[name], files_b[name], kind.name, modalities))
        for name in sorted(files_a, key=natural)
    ]


def _is_kind(folder: Path) -> bool:
    """Say whether a folder is meant as a kind of pair: it holds folders of images and not folders that are kinds."""
    folders = _folders(folder)
    return any(_images(sub) for sub in folders) and not any(_is_kind(sub) for sub in folders)


def _modalities(kind: Path) -> tuple[Path, Path]:
    """Give the two folders of a kind, in the order of its name where that names them."""
    folders = _folders(kind)
    if len(folders) != 2:
        names = ", ".join(folder.name for folder in folders)
        raise ValueError(
            f"{kind}: holds {len(folders)} folders ({names}); a kind of pair has one for each of two modalities"
        )
    first, second = folders
    return (second, first) if kind.name == f"{second.name}-{first.name}" else (first, second)


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in image.EXTENSIONS and not path.name.startswith(".") and path.is_file():
            if not path.name.isprintable():
                raise ValueError(f"{path.parent / repr(path.name)}: a name that cannot be printed; rename the file")
            if path.stem in files:
                raise ValueError(f"{path}: {files[path.stem].name} has the same name; a pair's name must be unique")
            files[path.stem] = path
    return files
