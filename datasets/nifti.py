"""NIfTI, and FreeSurfer's MGH: what a header says of a volume, and its voxels, by nibabel."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fusebench.datasets.reading import Window, check_file
from fusebench.datasets.volumes import Affine, Volume, affine_of, check_claim, guarded

EXTENSIONS: tuple[str, ...] = (".nii", ".nii.gz", ".hdr", ".img", ".mgh", ".mgz")
MILLIMETRES = {1: 1000.0, 3: 0.001}  # in a metre and in a micron, by their codes; any other code is read as mm
APART = 0.1  # voxels; float32 and quaternions round by less
EXTENSIONS_END = 2**24  # bytes; what lies between header and voxels is read with the header
HEAD = 540  # bytes of the longest header
GZIPPED = b"\x1f\x8b"
COLOURS = {"RGB": "RGB volume, datatype 128", "RGBA": "RGBA volume, datatype 2304"}


def is_one(head: bytes) -> bool:
    """Say whether a file that begins so, unpacked, is NIfTI-1 or NIfTI-2. Of MGH the first bytes say nothing."""
    return head[344:348] in {b"n+1\0", b"ni1\0"} or head[4:8] in {b"n+2\0", b"ni2\0"}


def volume(path: Path) -> Volume:
    """Read what a header says. Its range is cal_min to cal_max where they are set, or that of unscaled uint8.

    Raises
    ------
    ValueError
        If the file is no volume of one real number a voxel, is damaged, claims more than it holds, or is larger than
        2^28 voxels; the message names it.
    """
    return guarded(path, _format(path), lambda: _stated(path))


def _format(path: Path) -> str:
    return "MGH" if path.suffix.lower() in {".mgh", ".mgz"} else "NIfTI"


def _stated(path: Path) -> Volume:
    with _opened(path) as image:
        held = _voxel_file(path)
        check_file(held)
        _check_type(image.get_data_dtype())
        shape: tuple[int, ...] = image.shape
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        if len(shape) > 4:
            raise ValueError(f"it has {len(shape)} dimensions, {' x '.join(map(str, shape))}; at most four are read")
        bits = 8 * image.get_data_dtype().itemsize
        count = shape[3] if len(shape) == 4 else 1
        check_claim(shape[:3], count, bits, held, packed=_is_packed(held))
        return Volume(
            path,
            _format(path),
            hash(tuple(part.stat().st_mtime_ns for part in (path, held))),
            (shape[0], shape[1], shape[2]),
            count,
            str(image.get_data_dtype().name),
            _affine(image),
            _unplaced(path, image),
            _disagreement(image),
            _range(image),
            _load,
        )


def _load(path: Path, number: int) -> npt.NDArray[Any]:
    with _opened(path) as image:
        data = image.dataobj
        for _ in range(len(image.shape) - 4):
            data = data[..., 0]
        return np.array(data[..., number] if data.ndim > 3 else data)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file as what its first bytes say, whatever it is called; nibabel goes by names."""
    from nibabel import MGHImage, Nifti1Image, Nifti1Pair, Nifti2Image, Nifti2Pair
    from nibabel.fileholders import FileHolder

    header = path.with_suffix(".hdr") if path.suffix.lower() == ".img" else path
    check_file(header)
    kinds: Any = (Nifti1Image, Nifti2Image, Nifti1Pair, Nifti2Pair)
    with _unpacked(header) as file:
        head = file.read(HEAD)
        file.seek(0)
        magic = {Nifti1Image: b"n+1\0", Nifti1Pair: b"ni1\0", Nifti2Image: b"n+2\0", Nifti2Pair: b"ni2\0"}
        kind = next((kind for kind in kinds if magic[kind] in {head[344:348], head[4:8]}), None)
        kind = MGHImage if kind is None and _format(path) == "MGH" else kind
        if kind is None:
            raise ValueError("not a NIfTI file")
        if kind is not MGHImage:
            header_class: Any = kind.header_class
            start = header_class(head[: header_class.sizeof_hdr], check=False)
            if not float(start["vox_offset"]) <= EXTENSIONS_END:
                raise ValueError(f"its voxels start at byte {start['vox_offset']:g}")
        if kind in {Nifti1Pair, Nifti2Pair}:
            held = _voxel_file(path)
            check_file(held)
            with _unpacked(held) as voxels:
                yield kind.from_file_map({"header": FileHolder(fileobj=file), "image": FileHolder(fileobj=voxels)})
        else:
            yield kind.from_file_map({"header": FileHolder(fileobj=file), "image": FileHolder(fileobj=file)})


def _voxel_file(path: Path) -> Path:
    """Name the file that holds the voxels: of a pair that ends in .img."""
    return path.with_suffix(".img") if path.suffix.lower() == ".hdr" else path


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == GZIPPED


def _unpacked(path: Path) -> Any:
    return gzip.open(path) if _is_packed(path) else path.open("rb")


def _check_type(dtype: np.dtype[Any]) -> None:
    """Refuse what is not one real number a voxel."""
    if dtype.names:
        raise ValueError(
            f"an {COLOURS.get(''.join(dtype.names), f'volume of {dtype}')}; a volume of one number a voxel is read: "
            "store the scalar that it shows"
        )
    if dtype.kind not in "iuf":
        raise ValueError(f"voxels of type {dtype}; real numbers are read")


def _range(image: Any) -> Window | None:
    """Give the values that are black and white by a header."""
    if "cal_min" in image.header:
        low, high = (float(image.header[key]) for key in ("cal_min", "cal_max"))
        if low < high and np.isfinite([low, high]).all():
            return Window(low, high)
    unscaled = (image.dataobj.slope, image.dataobj.inter) == (1, 0)
    return Window(0, 255) if image.get_data_dtype() == np.uint8 and unscaled else None


def _unplaced(path: Path, image: Any) -> str:
    """Say by what a header does not state where its volume lies; nibabel invents one where it does not."""
    if "sform_code" in image.header:
        stated = image.header["sform_code"] > 0 or image.header["qform_code"] > 0
        return "" if stated else "qform_code and sform_code are 0"
    with _unpacked(path) as file:
        return "goodRASFlag is 0" if file.read(30)[28:] == bytes(2) else ""


def _disagreement(image: Any) -> str:
    """Say how far the two places of a header lie apart; "" where it has one or they agree."""
    sform, qform = (
        (form(coded=True)[0] for form in (image.get_sform, image.get_qform)) if _is_nifti(image) else (None,) * 2
    )
    if sform is None or qform is None:
        return ""
    corners = np.array([*np.ndindex(2, 2, 2)]) * (np.array(image.shape[:3]) - 1)
    apart = np.abs(corners @ (sform - qform)[:3, :3].T + (sform - qform)[:3, 3]).max()
    if not apart > APART * min(image.header.get_zooms()[:3]):
        return ""
    mm = apart * _millimetres(image)
    return f"the sform and the qform of the {{}} volume are up to {mm:.3g} mm apart; the sform counts"


def _affine(image: Any) -> Affine:
    """Give the affine from voxels to mm."""
    return affine_of(np.diag([*[_millimetres(image)] * 3, 1]) @ image.affine)


def _millimetres(image: Any) -> float:
    return MILLIMETRES.get(int(image.header["xyzt_units"]) & 7, 1.0) if _is_nifti(image) else 1.0


def _is_nifti(image: Any) -> bool:
    return "xyzt_units" in image.header
