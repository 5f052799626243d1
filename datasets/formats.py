"""The formats that are read, a line each; and how two files of any of them become a pair."""

import math
import re
import zlib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
from fusebench.datasets import colour, dicom, image, itk, nifti, orientation, volumes
from fusebench.datasets import series as series_of_slices
from fusebench.datasets.cases import Say, silent
from fusebench.datasets.dicom import Series
from fusebench.datasets.pair import Pair
from fusebench.datasets.reading import AS_STATED, Reading, Window
from fusebench.datasets.volumes import Volume
from torch import Tensor

Read = Callable[[Path, int, Window | None, str | None], tuple[Tensor, Tensor | None]]


class Format(NamedTuple):
    """How the files of a format are told, and what is read of them.

    Parameters
    ----------
    suffixes
        What the names of its files end in, in small letters.
    is_one
        Says of the first bytes of a file, unpacked, whether it is of this format.
    volume
        Reads what a file of volumes says of them (`volumes.Volume`); None of a format of images, which has the
        following.
    read
        Reads an image, or the frame of a number, through a window or a colour table, as grey and chroma.
    depth
        Says with how many bits a file holds a pixel.
    numbers
        Gives the numbers of a file's frames; None where a file is one image.
    compare
        Compares what two files, or the frames of two numbers, state of their place: gives what should be known of it,
        and raises ValueError where they are no pair; None of a format that states none.
    series
        Sorts single slices into series, and those of each by their heights; None of a format without.
    windows
        Gives the windows that a file states, center and width; None of a format whose files state none.
    needs
        The package that reads it and the extra of the bench that brings it; None where the bench needs it anyway.
    axes
        Gives the directions in which a row and a column of a frame run (`orientation.turn`), or None where its file
        does not say; None of a format whose files say not.
    """

    suffixes: tuple[str, ...]
    is_one: Callable[[bytes], bool]
    volume: Callable[[Path], Volume] | None = None
    read: Read | None = None
    depth: Callable[[Path], str] | None = None
    numbers: Callable[[Path], range] | None = None
    compare: Callable[[Path, Path, tuple[int | None, int | None]], list[str]] | None = None
    series: Callable[[Sequence[Path]], list[Series]] | None = None
    windows: Callable[[Path], set[tuple[float, float]]] | None = None
    axes: Callable[[Path, int], npt.NDArray[np.float64] | None] | None = None
    needs: tuple[str, str] | None = None


PICTURE = Format(image.EXTENSIONS, image.is_one, read=lambda path, _, *how: image.read(path, *how), depth=image.depth)
FORMATS = (
    Format(
        dicom.EXTENSIONS,
        dicom.is_one,
        read=dicom.read,
        depth=dicom.depth,
        numbers=dicom.numbers,
        compare=dicom.compare,
        series=dicom.series,
        windows=dicom.windows,
        axes=dicom.axes,
        needs=("pydicom", "dicom"),
    ),
    Format(nifti.EXTENSIONS, nifti.is_one, nifti.volume, needs=("nibabel", "nifti")),
    Format(itk.EXTENSIONS, itk.is_one, itk.volume),
    PICTURE,  # behind DICOM, whose first 128 bytes may be those of a TIFF file
)
SERIES = Format((), lambda _: False, series_of_slices.volume, needs=("pydicom", "dicom"))  # a folder
DARK = 1 / 8  # of the range; 12 bits stored in 16 reach a sixteenth
HEAD = 512  # bytes by which a file is told
SUFFIXES = tuple(suffix for known in FORMATS for suffix in known.suffixes)


def suffix(path: Path) -> str:
    """Give what of a file's name says its format, which may be .nii.gz; "" where nothing does."""
    return max((end for end in SUFFIXES if path.name.lower().endswith(end)), key=len, default="")


def stem(path: Path) -> str:
    """Name of a file without what says its format.

    Examples
    --------
    >>> stem(Path("brain.nii.gz")), stem(Path("brain.v2"))
    ('brain', 'brain.v2')
    """
    return path.name[: len(path.name) - len(suffix(path))]


def told(path: Path) -> Format | None:
    """Give the format of a file by its first bytes or, where they say nothing, its suffix; None of any other file."""
    head = _head(path)
    by_bytes = (known for known in FORMATS if known.is_one(head))
    by_suffix = (known for known in FORMATS if suffix(path) in known.suffixes)
    return next(by_bytes, None) or next(by_suffix, None)


def of(path: Path) -> Format:
    """Give the format that a file is read as: what it is told to be, or a picture; a folder is a DICOM series.

    Raises
    ------
    ValueError
        If the package that reads it is not installed.
    """
    known = SERIES if path.is_dir() else told(path) or PICTURE
    if known.needs and find_spec(known.needs[0]) is None:
        package, extra = known.needs
        raise ValueError(
            f"{path}: is read by {package}, which is not installed; `pip install 'fusebench[{extra}]'` brings it"
        )
    return known


def split(path: Path) -> tuple[Path, int | None]:
    """Split FILE#k into the file and k. A plain image may be called so itself."""
    numbered = re.fullmatch(r"(.+)#(\d{1,9})", path.name, re.ASCII)
    if numbered and (known := of(path.with_name(numbered[1]))) and (known.volume or known.numbers):
        return path.with_name(numbered[1]), int(numbered[2])
    return path, None


def numbers(a: Path, b: Path, reading: Reading = AS_STATED) -> range | None:
    """Give the numbers of the slices or frames of two files that pair; None where both are one image.

    Raises
    ------
    ValueError
        If only one is a volume, or the frames of the two do not pair one by one.
    """
    if _are_volumes(a, b):
        return _numbers(a, reading)
    first, second = _numbers(a, reading), _numbers(b, reading)
    if len(first) != len(second):
        raise ValueError(f"{a}: {len(first)} frames, but {b} has {len(second)}; they pair one by one")
    return first if len(first) > 1 else None


def slices(path: Path, text: str, reading: Reading = AS_STATED) -> list[int]:
    """Give the numbers of the slices of a volume that are named: one, or FROM:TO, either of which may be left out.

    Each end is a number, or a place in mm to the right, the front or the top, such as 40mm: a single one names the
    slice next to it, a range every slice whose middle lies in it.

    Raises
    ------
    ValueError
        If it is no such text, the file is no volume, or no slice lies there.
    """
    if not of(path).volume:
        raise ValueError(f"{path}: no volume; slices are those of a volume or of a folder of DICOM slices")
    ends = [re.fullmatch(r"([0-9]{1,9})|(-?[0-9]{1,9}(?:\.[0-9]*)?) ?mm|", end) for end in text.split(":")]
    if len(ends) > 2 or None in ends or not text:
        raise ValueError(f"--slices {text}: expected FROM:TO or one slice, by number or in mm, such as 40mm:60mm")
    places = volumes.heights(volume(path), reading)
    last, gap = len(places) - 1, (places[-1] - places[0]) / max(len(places) - 1, 1) or 1.0
    low, *high = (
        None if not end[0] else float(end[1]) if end[1] else float((float(end[2]) - places[0]) / gap)
        for end in cast("list[re.Match[str]]", ends)
    )
    if high:  # a thousandth of a gap is nothing: headers hold rounded decimals
        first = 0 if low is None else math.ceil(max(low - 1e-3, 0))
        found = range(first, last + 1 if high[0] is None else math.floor(min(high[0] + 1e-3, last)) + 1)
    else:
        nearest = round(cast("float", low))
        found = range(nearest, nearest + (0 <= nearest <= last))
    if not found:
        raise ValueError(
            f"{path}: no {reading.axis} slice lies at {text}; they run from 0 to {last}, from {places[0]:.4g} mm to "
            f"{places[-1]:.4g} mm"
        )
    return [*found]


def numbered(path: Path, reading: Reading = AS_STATED) -> Path:
    """Name a slice of a volume by its number where it is named by its place in mm, FILE#40mm. Raises ValueError."""
    placed = re.fullmatch(r"(.+)#(-?[0-9]{1,9}(?:\.[0-9]*)?mm)", path.name, re.ASCII)
    if placed is None or not (file := path.with_name(placed[1])).exists():
        return path
    return path.with_name(f"{placed[1]}#{slices(file, placed[2], reading)[0]}")


def compare(a: Path, b: Path) -> list[str]:
    """Compare what two files state of their place, FILE#k by their files, and give what should be known, a line each.

    Raises
    ------
    ValueError
        If by that they are no pair; the message names a file.
    """
    (a, index_a), (b, index_b) = split(a), split(b)
    if _are_volumes(a, b):
        return volumes.compare(volume(a), volume(b))
    judge = of(a).compare
    return judge(a, b, (index_a, index_b)) if judge and of(b) == of(a) else []


def as_volumes(a: Path, b: Path) -> tuple[Volume, Volume] | None:
    """Give the volumes whose slices two files show: volumes, or DICOM images in two folders of a series each.

    None of other files.
    """
    first, second = (split(path)[0] for path in (a, b))
    if not of(first).volume:
        if not (of(first).series and of(second).series) or first.parent == second.parent:
            return None
        first, second = first.parent, second.parent
    try:
        return volume(first), volume(second)
    except ValueError:  # images that are no series
        return None


def series(paths: Sequence[Path]) -> list[Series]:
    """Sort files into the series whose slices they are; none where they are other files. Raises ValueError."""
    known = {of(path) for path in paths}
    order = known.pop().series if len(known) == 1 else None
    return order(paths) if order else []


def windows(path: Path) -> set[tuple[float, float]]:
    """Give the windows that a file states for its frames, center and width. Raises ValueError."""
    stated = of(path).windows
    return stated(path) if stated else set()


def read_pair(
    first: Path,
    second: Path,
    kind: str,
    modalities: tuple[str, str] = ("a", "b"),
    reading: Reading = AS_STATED,
    *,
    name: str | None = None,
    case: str | None = None,
    say: Say = silent,
) -> Pair:
    """Read two image files as one pair; `say` is told what is no error and should be known.

    FILE#k is slice k of a volume, from 0, or frame k of a DICOM file, from 1; FILE#40mm is the slice of a volume that
    lies there (`slices`). A folder is a series of DICOM slices, a volume. The second file is read at the slice of the
    first unless it names its own. Without a name the pair has that of the first file.

    Raises
    ------
    ValueError
        If a file cannot be read, or the two do not go together; the message names it.
    """
    first, second = numbered(first, reading), numbered(second, reading)
    second = counterpart(first, second)
    (path_a, index_a), (path_b, index_b) = split(first), split(second)
    for remark in compare(first, second):
        say(f"{path_a}, {path_b}: {remark}")
    chromas: tuple[Tensor | None, Tensor | None]
    if _are_volumes(path_a, path_b):
        if index_a is None:
            last = _numbers(path_a, reading)[-1]
            raise ValueError(
                f"{path_a}: a volume; name one of its {reading.axis} slices: {path_a}#0 to #{last}, or with --slices"
            )
        if index_b not in {None, index_a}:
            raise ValueError(f"{second}: the second volume is resampled to slice {index_a} of the first")
        a, b = volumes.read(volume(path_a), volume(path_b), index_a, modalities, reading)
        chromas = None, None
        sides = None if volume(path_a).unplaced else orientation.sides(reading.axis, reading.orientation)
    else:
        a, chroma_a = _read(path_a, index_a, modalities[0], reading)
        b, chroma_b = _read(path_b, index_b, modalities[1], reading)
        for path, grey, modality in zip((path_a, path_b), (a, b), modalities, strict=True):
            if needs_window(path, modality, reading) and (doubt := dark(grey.max().item(), modality)):
                say(f"{path}: {doubt}")
        if a.shape != b.shape:
            sizes = [f"{path} is {grey.shape[0]} x {grey.shape[1]}" for path, grey in ((first, a), (second, b))]
            raise ValueError(f"{sizes[0]} but {sizes[1]} pixels; a registered pair has one size")
        chromas = chroma_a, chroma_b
        turned = _turn(path_a, index_a, reading)
        sides = turned and turned.sides
    name = name or stem(path_a) + ("" if index_a is None else f"#{index_a}")
    return Pair(a, b, kind, name, case, modalities, chromas, sides=sides)


def read_beside(
    first: Path, path: Path, modality: str, reading: Reading = AS_STATED, say: Say = silent
) -> tuple[Tensor, Tensor | None]:
    """Read an image that goes with a source, such as its fusion or a mask, as grey and chroma.

    A picture states no place, and is taken as it is. What states one is compared with the source; the slice of a volume
    is brought onto the source's grid.

    Raises
    ------
    ValueError
        If the file cannot be read, or by its place does not go with the source; the message names it.
    """
    path = counterpart(first, path)
    (source, index_of_source), (file, index) = split(first), split(path)
    if of(file) is not PICTURE:
        for remark in compare(first, path):
            say(f"{source}, {file}: {remark}")
        if _are_volumes(source, file):
            if index != index_of_source or index is None:
                raise ValueError(f"{path}: it is brought onto the grid of the source's slice, {first}")
            pair = volumes.read(volume(source), volume(file), index, ("a", modality), reading)
            return pair[1], None
    return _read(file, index, modality, reading)


def check_colour(paths: Sequence[Path], reading: Reading) -> None:
    """Raise ValueError if coloured files are to be taken back through a colour table, and none is coloured."""
    if reading.table is not None and not any(is_coloured(numbered(path, reading)) for path in paths):
        raise ValueError(
            f"--pseudo-colour {reading.table}: no source is coloured, so that there is nothing to take back; "
            "`fusebench fuse --show b=hot` lays a grey one in colour over the fused picture"
        )


def is_coloured(path: Path) -> bool:
    """Say whether a file holds a coloured image. Raises ValueError, naming the file."""
    file, index = split(path)
    if of(file).volume or depth(file)[:3] != "3 x":
        return False
    return cast("Read", of(file).read)(file, 1 if index is None else index, None, None)[1] is not None


def counterpart(first: Path, second: Path) -> Path:
    """Name what of a second file goes with the first: its own FILE#k, or the frame or slice of the first's number."""
    (_, index), (path, own) = split(first), split(second)
    if index is None or own is not None or not (of(path).volume or len(_numbers(path, AS_STATED)) > 1):
        return second
    return path.with_name(f"{path.name}#{index}")


def is_picture(path: Path) -> bool:
    """Say whether a file is read as PNG, TIFF, BMP or JPEG, which states no place."""
    return of(split(path)[0]) is PICTURE


def needs_window(path: Path, modality: str, reading: Reading) -> bool:
    """Say whether a picture may hold fewer bits than its 16 without saying so. Raises ValueError."""
    return modality not in reading.windows and is_picture(path) and image.depth(path) == "16"


def dark(used: float, modality: str) -> str:
    """Say that images use less than an eighth of their range, as 12 bits stored in 16 do; "" where they use more."""
    return f"{modality} uses {used:.1%} of its range; if it has fewer bits, say so with --window" if used < DARK else ""


def channels(path: Path, reading: Reading = AS_STATED) -> Tensor:
    """Read a coloured image file as R, G and B: (3, H, W), uint8. Raises ValueError, naming the file.

    As the file holds them; of a coloured DICOM file by way of luma and chroma, within one level.
    """
    path, index = split(path)
    if of(path) is PICTURE:
        return image.channels(path)
    luma, chroma = _read(path, index, "", reading)
    if chroma is None:
        raise ValueError(f"{path}: is no coloured image")
    return image.quantise(colour.join(luma, chroma))


def depth(path: Path) -> str:
    """Say with how many bits, or as what type of number, an image file holds a pixel. Raises ValueError."""
    path, _ = split(path)
    say = of(path).depth
    return say(path) if say else volume(path).depth


def _read(path: Path, index: int | None, modality: str, reading: Reading) -> tuple[Tensor, Tensor | None]:
    window = reading.windows.get(modality)
    if isinstance(window, str):
        raise ValueError(  # noqa: TRY004  "auto" is a value like another
            f"{path}: a window of its own contents is for NIfTI volumes; slices of a case would differ"
        )
    if window and window.unit and of(path) is PICTURE:
        raise ValueError(f"{path}: a window in SUV is for DICOM, whose header says what was injected")
    if index is None and (count := len(_numbers(path, reading))) > 1:
        raise ValueError(f"{path}: it holds {count} frames; name one of {path}#1 to #{count}")
    grey, chroma = cast("Read", of(path).read)(path, 1 if index is None else index, window, reading.table)
    if turned := _turn(path, index, reading):
        return turned(grey), None if chroma is None else turned(chroma)
    return grey, chroma


def _turn(path: Path, index: int | None, reading: Reading) -> orientation.Turn | None:
    """Say how an image is turned to be shown; None where its file does not say how it lies."""
    stated = of(path).axes
    axes = stated(path, 1 if index is None else index) if stated else None
    return None if axes is None else orientation.turn(axes, reading.orientation)


def _numbers(path: Path, reading: Reading) -> range:
    if of(path).volume:
        return volumes.numbers(volume(path), reading)
    count = of(path).numbers
    return count(path) if count else range(1, 2)


def volume(path: Path) -> Volume:
    """Read what a file of volumes says of them. Raises ValueError, naming the file."""
    return cast("Callable[[Path], Volume]", of(path).volume)(path)


def _are_volumes(a: Path, b: Path) -> bool:
    """Say whether two files are volumes. Raises ValueError if only one is: an image has no place in space."""
    for path, other in ((a, b), (b, a)):
        if of(path).volume and not of(other).volume:
            raise ValueError(f"{other}: no volume; a volume pairs with a volume, and {path} is one")
    return of(a).volume is not None


def _head(path: Path) -> bytes:
    """Read the first bytes of a file, unpacked; none of what is no regular file or cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            head = file.read(HEAD)
        return zlib.decompressobj(31).decompress(head, HEAD) if head.startswith(b"\x1f\x8b") else head
    except (OSError, ValueError, zlib.error):
        return b""
