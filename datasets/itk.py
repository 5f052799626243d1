"""MetaImage and NRRD: what a header says of a volume, and its voxels, by SimpleITK where it is installed."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from fusebench.datasets.orientation import LPS_TO_RAS
from fusebench.datasets.reading import Window, check_file
from fusebench.datasets.volumes import Volume, affine_of, check_claim, guarded

T = TypeVar("T")

EXTENSIONS: tuple[str, ...] = (".mha", ".mhd", ".nrrd", ".nhdr")
HEADER = 2**16  # bytes; a header is some hundred
READERS = {"MetaImage": "MetaImageIO", "NRRD": "NrrdImageIO"}
# In which the library turns a place to the left, the back and the top (LPS), which is ITK's.
SPACES = {"right-anterior-superior", "left-anterior-superior", "left-posterior-superior", "ras", "las", "lps"}
MILLIMETRES = {"": 1.0, "?": 1.0, "mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 0.001}  # which the library does not convert


class Header(NamedTuple):
    """The fields of a header by their names in small letters without spaces, and where it ends."""

    format: str
    fields: dict[str, str]
    end: int


def is_one(head: bytes) -> bool:
    """Say whether a file that begins so is MetaImage or NRRD."""
    return head.startswith((b"NRRD000", b"ObjectType")) or re.match(rb"NDims\s*=", head) is not None


def volume(path: Path) -> Volume:
    """Read what a header says. Its range is that of uint8; other numbers need a window.

    Raises
    ------
    ValueError
        If SimpleITK is not installed, or the file is no volume of one real number a voxel in one binary file beside its
        header, is damaged, claims more than it holds, or is larger than 2^28 voxels; the message names it.
    """
    return guarded(path, "MetaImage or NRRD", lambda: _stated(path))


def _stated(path: Path) -> Volume:
    header = _header(path)
    held = _voxel_file(path, header)
    reader = _reader(path, header.format)
    if (channels := reader.GetNumberOfComponents()) > 1:
        raise ValueError(f"{channels} numbers a voxel; a volume of one is read: store the scalar that it shows")
    shape: tuple[int, ...] = reader.GetSize()
    if len(shape) not in {3, 4}:
        raise ValueError(f"it has {len(shape)} dimensions, {' x '.join(map(str, shape))}; three or four are read")
    count = shape[3] if len(shape) == 4 else 1
    dtype = _type(reader)
    packed = _is_packed(header)
    check_claim(shape[:3], count, 8 * dtype.itemsize, held, packed=packed, start=header.end if held == path else 0)
    affine = np.eye(4)
    turn = np.reshape(reader.GetDirection(), (len(shape), len(shape)))[:3, :3]
    affine[:3, :3], affine[:3, 3] = turn * reader.GetSpacing()[:3], reader.GetOrigin()[:3]
    affine = LPS_TO_RAS @ np.diag([*[_millimetres(header)] * 3, 1]) @ affine
    return Volume(
        path,
        header.format,
        hash(tuple(part.stat().st_mtime_ns for part in (path, held))),
        (shape[0], shape[1], shape[2]),
        count,
        dtype.name,
        affine_of(affine),
        _unplaced(header),
        "",
        Window(0, 255) if dtype == np.uint8 else None,
        _load,
    )


def _load(path: Path, number: int) -> npt.NDArray[Any]:
    reader = _reader(path, _header(path).format)
    if reader.GetDimension() == 4:
        reader.SetExtractSize([*reader.GetSize()[:3], 0])
        reader.SetExtractIndex([0, 0, 0, number])
    voxels: npt.NDArray[Any] = _library().GetArrayFromImage(_tried(reader.Execute))
    return voxels.T  # its first axis is the last


def _reader(path: Path, kind: str) -> Any:
    """Give a reader that has read a header, whatever the file is called."""
    reader = _library().ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(READERS[kind])
    _tried(reader.ReadImageInformation)
    return reader


def _library() -> Any:
    try:
        import SimpleITK
    except ImportError:
        raise ValueError(
            "it is read by SimpleITK, which is not installed; `pip install 'fusebench[itk]'` brings it"
        ) from None
    return SimpleITK


def _tried(read: Callable[[], T]) -> T:
    """Let the library read, of whose errors the last line says what is wrong."""
    try:
        return read()
    except RuntimeError as error:
        raise ValueError(f"SimpleITK says: {str(error).strip().splitlines()[-1]}") from None


def _type(reader: Any) -> np.dtype[Any]:
    text = _library().GetPixelIDValueAsString(reader.GetPixelID())  # such as "16-bit signed integer", "32-bit float"
    found = re.fullmatch(r"(8|16|32|64)-bit (unsigned integer|signed integer|float)", text)
    if found is None:
        raise ValueError(f"voxels of type {text}; real numbers are read")
    return np.dtype(f"{found[2][0].replace('s', 'i')}{int(found[1]) // 8}")


def _header(path: Path) -> Header:
    """Read the fields that the library does not tell, or obeys without asking: units, and where the voxels lie."""
    check_file(path)
    with path.open("rb") as file:
        head = file.read(HEADER)
    kind = "NRRD" if head.startswith(b"NRRD") else "MetaImage"
    if not is_one(head):
        raise ValueError("neither MetaImage nor NRRD")
    # A NRRD header ends with an empty line, or with its file; a MetaImage header with the field ElementDataFile.
    ends = re.search(rb"\r?\n\r?\n" if kind == "NRRD" else rb"(?m)^\s*ElementDataFile\s*[=:].*(\n|\Z)", head)
    end = ends.end() if ends else len(head)
    if ends is None and (kind == "MetaImage" or end == HEADER):
        raise ValueError("its header does not end")
    fields: dict[str, str] = {}
    for line in head[:end].decode("latin-1").splitlines()[kind == "NRRD" :]:
        found = re.fullmatch(r"\s*([^#:=][^:=]*?)\s*(?:[:=])(?!=)\s*(.*?)\s*", line)
        if found is None:
            continue
        key = found[1].lower().replace(" ", "")
        if key in fields:
            raise ValueError(f"its header has two fields {found[1]}")
        fields[key] = found[2]
    return Header(kind, fields, end)


def _voxel_file(path: Path, header: Header) -> Path:
    """Name the file that holds the voxels, which is one, binary, and lies beside its header."""
    fields = header.fields
    if header.format == "NRRD":
        binary = fields.get("encoding", "").lower() in {"raw", "gz", "gzip"}
        named = fields.get("datafile", "")
    else:
        binary = fields.get("binarydata", "true").lower() == "true"
        named = fields["elementdatafile"]
        named = "" if named.lower() == "local" else named
    if not binary:
        raise ValueError("voxels as text or packed by bzip2; store them raw or packed by gzip")
    if not named:
        return path
    if named.upper().startswith("LIST") or re.search(r"[/\\%\s]", named):
        raise ValueError(f"its voxels lie in {named!r}; one file beside the header is read")
    held = path.with_name(named)
    check_file(held)
    if held.resolve().parent != path.resolve().parent:
        raise ValueError(f"its voxels lie in {named}, a link that leads out of the folder")
    return held


def _is_packed(header: Header) -> bool:
    fields = header.fields
    return fields.get("encoding", "raw").lower() != "raw" or fields.get("compresseddata", "").lower() == "true"


def _millimetres(header: Header) -> float:
    text = header.fields.get("spaceunits", header.fields.get("distanceunits", ""))
    units = set(re.sub(r'"', " ", text).split()) or {""}
    if len(units) > 1 or not units <= MILLIMETRES.keys():
        raise ValueError(f"its units are {', '.join(sorted(units))}; known: m, cm, mm, um")
    return MILLIMETRES[units.pop()]


def _unplaced(header: Header) -> str:
    """Say by what a header does not state where its volume lies."""
    fields = header.fields
    if header.format == "NRRD":
        if (space := fields.get("space", "")).lower() not in SPACES:
            return f"its space is {space or 'not stated'}"
        return "" if {"spaceorigin", "spacedirections"} <= fields.keys() else "it has no space origin or directions"
    placed = fields.keys() & {"offset", "position", "origin"} and fields.keys() & {
        *("transformmatrix", "rotation", "orientation")
    }
    return "" if placed else "it has no Offset or no TransformMatrix"
