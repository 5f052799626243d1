"""NIfTI: two volumes to registered slices, on the grid of the first."""

import logging
import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from fusebench.datasets.reading import AS_STATED, AXES, ORDERS, Reading, Window, check_file
from torch import Tensor

T = TypeVar("T")

EXTENSIONS: tuple[str, ...] = (".nii", ".nii.gz", ".hdr", ".img")
MILLIMETRES = {1: 1000.0, 3: 0.001}  # in a metre and in a micron, by their codes; any other code is read as mm
APART = 0.1  # voxels; float32 and quaternions round by less
VOXELS = 2**28  # 512 x 512 x 1024, of which a process holds two in float32
EXTENSIONS_END = 2**24  # bytes; what lies between header and voxels is read with the header
GZIP = 1032  # deflate packs no more than so many bytes into one
PERCENTILES = (0.5, 99.5)


def is_one(head: bytes) -> bool:
    """Say whether a file that begins so, unpacked, is NIfTI-1 or NIfTI-2."""
    return head[344:348] in {b"n+1\0", b"ni1\0"} or head[4:8] in {b"n+2\0", b"ni2\0"}


def numbers(path: Path, axis: str = "axial") -> range:
    """Give the numbers of the slices of a volume along an axis, from 0. Raises ValueError, naming the file."""

    def count() -> int:
        image = _open(path)
        return int(image.shape[_turns(_affine(image))[:, 0].tolist().index(AXES.index(axis))])

    return range(_guarded(path, count))


def depth(path: Path) -> str:
    """Say as what type of number a file holds a voxel, such as "int16". Raises ValueError, naming the file."""
    return _guarded(path, lambda: str(_open(path).get_data_dtype().name))


def compare(first: Path, second: Path) -> list[str]:
    """Compare where two volumes say that they lie, and give what should be known of it, a line each.

    Raises
    ------
    ValueError
        If one says nothing of its place and the two have not one shape.
    """
    headers = {path: _guarded(path, partial(_open, path)) for path in (first, second)}
    said = []
    for which, image in zip(("first", "second"), headers.values(), strict=False):  # one where both are one file
        sform, qform = (form(coded=True)[0] for form in (image.get_sform, image.get_qform))
        if sform is not None and qform is not None:
            corners = np.array([*np.ndindex(2, 2, 2)]) * (np.array(image.shape[:3]) - 1)
            apart = np.abs(corners @ (sform - qform)[:3, :3].T + (sform - qform)[:3, 3]).max()
            if apart > APART * min(image.header.get_zooms()[:3]):
                mm = apart * _millimetres(image)
                said.append(
                    f"the sform and the qform of the {which} volume are up to {mm:.3g} mm apart; the sform counts"
                )
    if unplaced := [path for path, image in headers.items() if not _is_placed(image)]:
        shapes = [" x ".join(map(str, image.shape[:3])) for image in headers.values()]
        if len(set(shapes)) > 1:
            raise ValueError(
                f"{unplaced[0]}: its header says not where it lies (qform_code and sform_code are 0), and {first} has "
                f"{shapes[0]} voxels, {second} {shapes[-1]}; state the place, or store both on one grid"
            )
        said.append("no place is stated (qform_code and sform_code are 0), so that voxels pair by their index")
    return said


def read(
    first: Path, second: Path, index: int, modalities: tuple[str, str] = ("a", "b"), reading: Reading = AS_STATED
) -> tuple[Tensor, Tensor]:
    """Read a slice of one volume and what the other shows there.

    Both are placed by their affines, in mm whatever unit the header has; where one states no place, voxels pair by
    their index (`compare`). The first is turned so that its axes run most nearly to the right, the front and the top
    (RAS+); slice `index`, from 0, is perpendicular to `reading.axis`, and is shown with the top or the front up and the
    patient's left at the left (sagittal: the front at the right). Its pixels are its voxels, whatever their shape in
    mm. The second is interpolated at the centres of these voxels (`reading.interpolation`, a spline of degree 0, 1 or 3
    without smoothing); outside of it, it is black. Values are held in float32.

    Grey levels come from the window given for a modality; "auto" is from the 0.5 to the 99.5 percentile of the whole
    volume, so that its slices agree. Without one from the header's cal_min to cal_max, where they are set; or the
    whole range of unscaled uint8; anything else is refused.

    Returns
    -------
    a, b
        Shape (H, W), float32, in [0, 1].

    Raises
    ------
    ValueError
        If a file is no volume of one real number a voxel, is damaged, claims more than it holds, is larger than 2^28
        voxels, or has no stated range; the message names it.
    """
    stamp_a, stamp_b = (_guarded(path, partial(_stamp, path)) for path in (first, second))
    compare(first, second)
    by_index = not all(_is_placed(_guarded(path, partial(_open, path))) for path in (first, second))
    volume, affine = _guarded(first, lambda: _volume(first, stamp_a, 1))
    axis = AXES.index(reading.axis)
    if not 0 <= index < volume.shape[axis]:
        raise ValueError(f"{first}: no slice {index}; {reading.axis} slices run from 0 to {volume.shape[axis] - 1}")
    window_a = _guarded(first, lambda: _window(first, stamp_a, reading.windows.get(modalities[0])))
    window_b = _guarded(second, lambda: _window(second, stamp_b, reading.windows.get(modalities[1])))
    order = ORDERS[reading.interpolation]

    def resampled() -> Tensor:
        from scipy.ndimage import map_coordinates

        other, other_affine = _volume(second, stamp_b, order, first if by_index else None)
        shape = [1 if n == axis else length for n, length in enumerate(volume.shape)]
        voxels = np.indices(shape, dtype=np.float64) + np.where(np.arange(3) == axis, index, 0)[:, None, None, None]
        turn = np.linalg.solve(other_affine, affine)
        places = np.einsum("ij,jxyz->ixyz", turn[:3, :3], voxels) + turn[:3, 3, None, None, None]
        # Rounding must not push a border voxel outside: a millionth of a voxel is nothing.
        values = map_coordinates(other, places.round(6), order=order, cval=np.nan, prefilter=False)
        return window_b(_shown(np.where(np.isnan(values), window_b.low, values), axis))

    return _guarded(first, lambda: window_a(_shown(volume.take([index], axis), axis))), _guarded(second, resampled)


def _shown(slab: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    """Turn a slab of one voxel into an image: its second remaining axis up, its first to the right."""
    return np.rot90(slab.squeeze(axis))


def _window(path: Path, stamp: int, given: Window | Literal["auto"] | None) -> Window:
    if isinstance(given, Window):
        return given
    if given == "auto":
        return _percentiles(path, stamp)
    image = _open(path)
    low, high = (float(image.header[key]) for key in ("cal_min", "cal_max"))
    if low < high and np.isfinite([low, high]).all():
        return Window(low, high)
    unscaled = (image.dataobj.slope, image.dataobj.inter) == (1, 0)
    if image.get_data_dtype() == np.uint8 and unscaled:
        return Window(0, 255)
    raise ValueError(
        "its header has no cal_min and cal_max; say which values are to be seen: --window MODALITY=CENTER,WIDTH or "
        "MODALITY=auto"
    )


@lru_cache(maxsize=4)
def _percentiles(path: Path, stamp: int) -> Window:
    low, high = np.percentile(_volume(path, stamp, 1)[0], PERCENTILES)
    if not low < high:
        raise ValueError(f"the {PERCENTILES[0]} and {PERCENTILES[1]} percentiles of the volume are both {low:g}")
    return Window(float(low), float(high))


@lru_cache(maxsize=2)  # a pair's; `stamp` tells a file that changed from one that did not
def _volume(
    path: Path, stamp: int, order: Literal[0, 1, 3], like: Path | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Read a volume turned to RAS+, for splines above degree 1 as their coefficients, and its affine, or another's."""
    import nibabel
    from scipy.ndimage import spline_filter

    del stamp
    stored = _open(path)
    placed = nibabel.Nifti1Image(stored.dataobj, _affine(_open(like) if like else stored))  # type: ignore[no-untyped-call]
    image: Any = nibabel.as_closest_canonical(placed)  # type: ignore[no-untyped-call]
    # A copy: what is mapped from the file would change with it.
    data: npt.NDArray[np.float32] = np.array(image.dataobj, dtype=np.float32).reshape(image.shape[:3])
    if not np.isfinite(data).all():
        raise ValueError(f"{int((~np.isfinite(data)).sum())} voxels are NaN or infinite")
    affine = np.asarray(image.affine, dtype=np.float64)
    if order > 1:
        data = spline_filter(data, order).astype(np.float32)
    return data, affine


def _open(path: Path) -> Any:
    """Read a header, and refuse what is no volume or cannot be in the file."""
    from nibabel import Nifti1Image, Nifti1Pair, Nifti2Image, Nifti2Pair

    kinds: Any = (Nifti1Image, Nifti2Image, Nifti1Pair, Nifti2Pair)
    kind = next((kind for kind in kinds if kind.path_maybe_image(path)[0]), None)
    if kind is None:
        raise ValueError("not a NIfTI file")
    _, (sniffed, _) = kind.path_maybe_image(path)
    start = kind.header_class(sniffed[: kind.header_class.sizeof_hdr], check=False)
    if not float(start["vox_offset"]) <= EXTENSIONS_END:
        raise ValueError(f"its voxels start at byte {start['vox_offset']:g}")
    image = kind.from_filename(path)
    held = Path(image.file_map["image"].filename)
    check_file(held)
    shape, dtype = image.shape, image.get_data_dtype()
    if len(shape) > 3 and set(shape[3:]) != {1}:
        raise ValueError(f"it has {len(shape)} dimensions, {' x '.join(map(str, shape))}; a source is one volume")
    if len(shape) < 3 or min(shape) < 1:
        raise ValueError(f"{' x '.join(map(str, shape))} voxels; a volume has three dimensions")
    if dtype.kind not in "iuf":
        raise ValueError(f"voxels of type {dtype}; real numbers are read")
    if (voxels := int(np.prod(shape, dtype=object))) > VOXELS:
        raise ValueError(f"{' x '.join(map(str, shape))} voxels; at most {VOXELS} are read")
    size = held.stat().st_size
    if voxels * dtype.itemsize > size * (GZIP if path.name.lower().endswith(".gz") else 1):
        raise ValueError(f"claims {' x '.join(map(str, shape))} voxels of {dtype} in a file of {size} bytes")
    # Of the size of a voxel, since a micron is a small part of a metre.
    turn, sizes = image.affine[:3, :3], np.linalg.norm(image.affine[:3, :3], axis=0)
    if not np.isfinite(image.affine).all() or abs(np.linalg.det(turn)) <= 1e-6 * sizes.prod():
        raise ValueError("its affine places no volume in space")
    return image


def _stamp(path: Path) -> int:
    """Give a number that changes when a file does, or its voxels where they lie in a file beside the header."""
    return hash(tuple(part.stat().st_mtime_ns for part in (path, path.with_suffix(".img")) if part.exists()))


def _is_placed(image: Any) -> bool:
    """Say whether a header states where its volume lies; nibabel invents an affine where it does not."""
    return bool(image.header["sform_code"] > 0 or image.header["qform_code"] > 0)


def _affine(image: Any) -> npt.NDArray[np.float64]:
    """Give the affine from voxels to mm."""
    affine: npt.NDArray[np.float64] = np.diag([*[_millimetres(image)] * 3, 1]) @ image.affine
    return affine


def _millimetres(image: Any) -> float:
    return MILLIMETRES.get(int(image.header["xyzt_units"]) & 7, 1.0)


def _turns(affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    from nibabel.orientations import io_orientation

    turns: npt.NDArray[np.float64] = io_orientation(affine)  # type: ignore[no-untyped-call]
    return turns


def _guarded(path: Path, take: Callable[[], T]) -> T:
    check_file(path)
    log = logging.getLogger("nibabel.global")  # it prints what it thinks of a header
    before = log.disabled
    log.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return take()
    except Exception as error:  # whatever a parser makes of a damaged or hostile file
        raise ValueError(f"{path}: cannot be read as NIfTI ({error or type(error).__name__})") from error
    finally:
        log.disabled = before
