"""Volumes, whatever file they come from: two of them to registered slices, on the grid of the first."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from fusebench.datasets import orientation
from fusebench.datasets.orientation import AXES
from fusebench.datasets.reading import AS_STATED, ORDERS, Reading, Window, check_file
from torch import Tensor

T = TypeVar("T")
Affine = tuple[tuple[float, ...], ...]  # (4, 4)

VOXELS = 2**28  # 512 x 512 x 1024, of which a process holds two in float32
EDGE = 0.01  # of a voxel; headers hold float32 and decimals, whose error grows with the distance from the origin
GZIP = 1032  # deflate packs no more than so many bytes into one
PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Volume:
    """What a file says of the volumes that it holds, and how their voxels are read.

    Parameters
    ----------
    path, format
        The file, and what its format is called.
    stamp
        A number that changes when the file does.
    shape
        The voxels of one volume along the axes of the file.
    count
        How many volumes it holds.
    depth
        As what type of number it holds a voxel, such as "int16".
    affine
        From the indices of a voxel to mm to the right, the front and the top (RAS+).
    unplaced
        By what the header says that it does not know where the volume lies; "" where it knows.
    remark
        What should be known of its place, with {} for "first" or "second"; "" where nothing should.
    window
        The values that are black and white by the header; None where it does not say.
    load
        Reads the volume of a number, from 0, as the file holds it.
    frame
        Names the frame of reference that its place is in; "" where the file does not say.
    padded
        Whether voxels that are NaN are no part of the image, and black.
    uptake
        Gives what its values are multiplied with to be SUV; None of a format whose files do not say it.
    """

    path: Path
    format: str
    stamp: int
    shape: tuple[int, int, int]
    count: int
    depth: str
    affine: Affine
    unplaced: str
    remark: str
    window: Window | None
    load: Callable[[Path, int], npt.NDArray[Any]]
    frame: str = ""
    padded: bool = False
    uptake: Callable[[Path], float] | None = None


def check_claim(shape: tuple[int, ...], count: int, bits: int, held: Path, *, packed: bool, start: int = 0) -> None:
    """Raise ValueError if volumes have no three dimensions, are too large, or cannot lie in the file from a byte on."""
    size = " x ".join(map(str, shape))
    if len(shape) != 3 or min(*shape, count) < 1:
        raise ValueError(f"{size} voxels; a volume has three dimensions")
    if (voxels := int(np.prod(shape, dtype=object))) > VOXELS:
        raise ValueError(f"{size} voxels; at most {VOXELS} are read")
    there = held.stat().st_size
    if voxels * count * bits // 8 > (there - start) * (GZIP if packed else 1):
        many = f"{count} volumes of " if count > 1 else ""
        raise ValueError(f"claims {many}{size} voxels of {bits} bits in a file of {there} bytes")


def affine_of(affine: npt.NDArray[np.float64]) -> Affine:
    """Give an affine as a volume holds it. Raises ValueError if it places no volume in space."""
    # Of the size of a voxel, since a micron is a small part of a metre.
    turn, sizes = affine[:3, :3], np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or abs(np.linalg.det(turn)) <= 1e-6 * sizes.prod():
        raise ValueError("its affine places no volume in space")
    return tuple(map(tuple, affine.tolist()))


def numbers(volume: Volume, reading: Reading = AS_STATED) -> range:
    """Give the numbers of the slices of a volume along an axis, from 0. Raises ValueError, naming the file."""
    _number(volume, reading)
    return range(volume.shape[_turns(volume.affine)[:, 0].tolist().index(AXES.index(reading.axis))])


def heights(volume: Volume, reading: Reading = AS_STATED) -> npt.NDArray[np.float64]:
    """Give where the middle of each slice along an axis lies: mm to the right, the front or the top, ascending."""
    affine, shape = _turned(volume)
    axis, count = AXES.index(reading.axis), len(numbers(volume, reading))
    middle = np.tile((np.array(shape) - 1) / 2, (count, 1))
    middle[:, axis] = np.arange(count)
    lie: npt.NDArray[np.float64] = middle @ affine[axis, :3] + affine[axis, 3]
    return lie


def affine_shown(volume: Volume, index: int, reading: Reading = AS_STATED) -> npt.NDArray[np.float64]:
    """Give the affine from the column and row of a slice that is shown, and its distance in slices, to mm, RAS+."""
    affine, shape = _turned(volume)
    axis = AXES.index(reading.axis)
    across, up = (n for n in range(3) if n != axis)
    shown = np.zeros((4, 4))
    shown[3, 3] = 1
    sign = -1 if _mirrored(reading) else 1
    shown[across, 0], shown[across, 3] = sign, 0 if sign > 0 else shape[across] - 1
    shown[up, 1], shown[up, 3] = -1, shape[up] - 1
    shown[axis, 2], shown[axis, 3] = 1, index
    placed: npt.NDArray[np.float64] = affine @ shown
    return placed


def compare(first: Volume, second: Volume) -> list[str]:
    """Compare where two volumes say that they lie, and give what should be known of it, a line each.

    Raises
    ------
    ValueError
        If one says nothing of its place and the two have not one shape.
    """
    both = (first, second)
    which = zip(("first",) if first.path == second.path else ("first", "second"), both, strict=False)
    said = [volume.remark.format(name) for name, volume in which if volume.remark]
    if unplaced := [volume for volume in both if volume.unplaced]:
        if first.shape != second.shape:
            shapes = [" x ".join(map(str, volume.shape)) for volume in both]
            raise ValueError(
                f"{unplaced[0].path}: its header says not where it lies ({unplaced[0].unplaced}), and {first.path} has "
                f"{shapes[0]} voxels, {second.path} {shapes[1]}; state the place, or store both on one grid"
            )
        said.append(f"no place is stated ({unplaced[0].unplaced}), so that voxels pair by their index")
        return said
    frames = {volume.frame for volume in both}
    if len(frames) == 2 and "" not in frames:
        raise ValueError(
            f"{first.path}: its frame of reference is another than that of {second.path}, so that their places cannot "
            "be compared; register the two first (`fusebench data register`)"
        )
    if len(frames) == 2:
        said.append("one of the two does not state its frame of reference; it is taken to be that of the other")
    if not (_reaches(first, second) and _reaches(second, first)):
        ends = [" x ".join(f"{low:.4g} to {high:.4g}" for low, high in zip(*_extent(one), strict=True)) for one in both]
        raise ValueError(
            f"{first.path}: does not overlap {second.path}; to the right, the front and the top they lie from "
            f"{ends[0]} and from {ends[1]} mm"
        )
    return said


def _corners(volume: Volume) -> npt.NDArray[np.float64]:
    """Give the eight corners of a volume in mm, (8, 3)."""
    corners = np.array([*np.ndindex(2, 2, 2)]) * volume.shape - 0.5
    affine = np.array(volume.affine)
    placed: npt.NDArray[np.float64] = corners @ affine[:3, :3].T + affine[:3, 3]
    return placed


def _extent(volume: Volume) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    corners = _corners(volume)
    return corners.min(axis=0), corners.max(axis=0)


def _reaches(first: Volume, second: Volume) -> bool:
    """Say whether the second volume lies at least partly between the faces of the first, along each of its axes."""
    affine = np.array(first.affine)
    inside = np.linalg.solve(affine[:3, :3], (_corners(second) - affine[:3, 3]).T)
    lengths = np.array(first.shape)
    return bool(((inside.max(axis=1) > -0.5) & (inside.min(axis=1) < lengths - 0.5)).all())


def read(
    first: Volume, second: Volume, index: int, modalities: tuple[str, str] = ("a", "b"), reading: Reading = AS_STATED
) -> tuple[Tensor, Tensor]:
    """Read a slice of one volume and what the other shows there.

    Both are placed by their affines, in mm whatever unit the header has; where one states no place, voxels pair by
    their index (`compare`). The first is turned so that its axes run most nearly to the right, the front and the top
    (RAS+); slice `index`, from 0, is perpendicular to `reading.axis`, and is shown with the top or the front up and the
    patient's left where `reading.orientation` has it. Its pixels are its voxels, whatever their shape in mm. The second
    is interpolated at the centres of these voxels (`reading.interpolation`, a spline of degree 0, 1 or 3 without
    smoothing); outside of it, it is black. Values are held in float32. Of a file of several volumes it is the one that
    `reading.volume` names.

    Grey levels come from the window given for a modality; "auto" is from the 0.5 to the 99.5 percentile of the whole
    volume, so that its slices agree. Without one they are what the header states, or it is refused. NaN is refused too,
    or with `reading.nan_background` it is black and no part of the percentiles.

    Returns
    -------
    a, b
        Shape (H, W), float32, in [0, 1].

    Raises
    ------
    ValueError
        If voxels are damaged or not finite, or have no stated range; the message names the file.
    """
    compare(first, second)
    window_a, window_b = (
        guarded(volume.path, volume.format, partial(_window, volume, reading.windows.get(modality), reading))
        for volume, modality in zip((first, second), modalities, strict=True)
    )
    axis, order = AXES.index(reading.axis), ORDERS[reading.interpolation]
    by_index = first.affine if first.unplaced or second.unplaced else None

    def shown() -> tuple[Tensor, tuple[int, ...], npt.NDArray[np.float64]]:
        voxels, affine = _voxels(first, _number(first, reading), 1, _black(first, window_a, reading))
        if not 0 <= index < voxels.shape[axis]:
            raise ValueError(f"no slice {index}; {reading.axis} slices run from 0 to {voxels.shape[axis] - 1}")
        return window_a(_image(voxels.take([index], axis), reading)), voxels.shape, affine

    a, whole, affine = guarded(first.path, first.format, shown)

    def resampled() -> Tensor:
        from scipy.ndimage import map_coordinates

        number, black = _number(second, reading), _black(second, window_b, reading)
        other, other_affine = _voxels(second, number, order, black, by_index)
        shape = [1 if n == axis else length for n, length in enumerate(whole)]
        voxels = np.indices(shape, dtype=np.float64) + np.where(np.arange(3) == axis, index, 0)[:, None, None, None]
        turn = np.linalg.solve(other_affine, affine)
        places = np.einsum("ij,jxyz->ixyz", turn[:3, :3], voxels) + turn[:3, 3, None, None, None]
        # Rounding in headers must not push a border voxel outside.
        within = places.clip(0, (np.array(other.shape) - 1)[:, None, None, None])
        places = np.where(np.abs(places - within) < EDGE, within, places)
        values = map_coordinates(other, places.round(6), order=order, cval=np.nan, prefilter=False)
        return window_b(_image(np.where(np.isnan(values), window_b.low, values), reading))

    return a, guarded(second.path, second.format, resampled)


def whole(
    volume: Volume, modality: str, reading: Reading = AS_STATED
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Give the grey levels of a volume that is turned to RAS+, and its affine. Raises ValueError."""

    def find() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
        window = _window(volume, reading.windows.get(modality), reading)
        voxels, affine = _voxels(volume, _number(volume, reading), 1, _black(volume, window, reading))
        return window(voxels).numpy(), affine

    return guarded(volume.path, volume.format, find)


def stored(volume: Volume, reading: Reading = AS_STATED) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Give the values of a volume that is turned to RAS+, as its file holds them, and its affine. Raises ValueError."""
    return guarded(
        volume.path, volume.format, lambda: _voxels(volume, _number(volume, reading), 1, 0.0 if volume.padded else None)
    )


def write(values: npt.NDArray[Any], affine: npt.NDArray[np.float64], path: Path, window: Window | None = None) -> None:
    """Write values and their affine, RAS+, as NIfTI; a window becomes its cal_min and cal_max."""
    from nibabel import Nifti1Image

    made = Nifti1Image(values, affine)  # type: ignore[no-untyped-call]
    made.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    if window is not None:
        made.header["cal_min"], made.header["cal_max"] = window.low, window.high
    made.to_filename(path)


def _number(volume: Volume, reading: Reading) -> int:
    """Give the number of the volume that is meant of those in a file."""
    if volume.count == 1:
        return 0
    if reading.volume is None:
        raise ValueError(
            f"{volume.path}: it holds {volume.count} volumes; name one with --volume N, from 0 to {volume.count - 1}"
        )
    if not 0 <= reading.volume < volume.count:
        raise ValueError(f"{volume.path}: no volume {reading.volume}; they run from 0 to {volume.count - 1}")
    return reading.volume


def _image(slab: npt.NDArray[Any], reading: Reading) -> npt.NDArray[Any]:
    """Turn a slab of one voxel into an image: its second remaining axis up, its first to the right or the left."""
    image = np.rot90(slab.squeeze(AXES.index(reading.axis)))
    return image[:, ::-1] if _mirrored(reading) else image


def _mirrored(reading: Reading) -> bool:
    """Say whether the right, or the front, is shown at the left."""
    return orientation.sides(reading.axis, reading.orientation)[0] in {"R", "A"}


def _window(volume: Volume, given: Window | Literal["auto"] | None, reading: Reading) -> Window:
    if given == "auto":
        return _percentiles(volume, _number(volume, reading), nan=reading.nan_background or volume.padded)
    if given and given.unit:
        if volume.uptake is None:
            raise ValueError("a window in SUV is for DICOM, whose header says what was injected")
        factor = volume.uptake(volume.path)
        return Window(given.low / factor, given.high / factor)
    if window := given or volume.window:
        return window
    raise ValueError(
        "its header does not say which values are to be seen, or not the same of all slices; say it with --window "
        "MODALITY=CENTER,WIDTH or MODALITY=auto"
    )


def _black(volume: Volume, window: Window, reading: Reading) -> float | None:
    """Give what NaN is taken as."""
    return window.low if reading.nan_background or volume.padded else None


@lru_cache(maxsize=4)
def _percentiles(volume: Volume, number: int, *, nan: bool) -> Window:
    voxels, _ = _voxels(volume, number, 1, np.nan if nan else None)
    if np.isnan(voxels).all():
        raise ValueError("all voxels are NaN")
    low, high = np.nanpercentile(voxels, PERCENTILES) if nan else np.percentile(voxels, PERCENTILES)
    if not low < high:
        raise ValueError(f"the {PERCENTILES[0]} and {PERCENTILES[1]} percentiles of the volume are both {low:g}")
    return Window(float(low), float(high))


@lru_cache(maxsize=2)  # a pair's
def _voxels(
    volume: Volume, number: int, order: Literal[0, 1, 3], black: float | None, affine: Affine | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Read a volume turned to RAS+, for splines above degree 1 as their coefficients, and its affine, or one given."""
    from nibabel.orientations import apply_orientation, inv_ornt_aff
    from scipy.ndimage import spline_filter

    stated = np.array(affine or volume.affine)
    turns = _turns(affine or volume.affine)
    # A copy: what is mapped from the file would change with it.
    stored = np.array(volume.load(volume.path, number), dtype=np.float32).reshape(volume.shape)
    data: npt.NDArray[np.float32] = apply_orientation(stored, turns)  # type: ignore[no-untyped-call]
    if wrong := int((~np.isfinite(data)).sum()):
        nan = int(np.isnan(data).sum())
        if black is None or nan < wrong:
            cure = "; --nan-background takes NaN as background" if nan and black is None else ""
            raise ValueError(f"{wrong} voxels are NaN or infinite{cure}")
        data = np.where(np.isnan(data), np.float32(black), data)
    if order > 1:
        data = spline_filter(data, order).astype(np.float32)
    turned: npt.NDArray[np.float64] = stated @ inv_ornt_aff(turns, volume.shape)  # type: ignore[no-untyped-call]
    return data, turned


def _turned(volume: Volume) -> tuple[npt.NDArray[np.float64], tuple[int, ...]]:
    """Give the affine and the shape of a volume that is turned to RAS+."""
    from nibabel.orientations import inv_ornt_aff

    turns = _turns(volume.affine)
    affine: npt.NDArray[np.float64] = np.array(volume.affine) @ inv_ornt_aff(turns, volume.shape)  # type: ignore[no-untyped-call]
    return affine, tuple(volume.shape[n] for n in np.argsort(turns[:, 0]))


def _turns(affine: Affine) -> npt.NDArray[np.float64]:
    from nibabel.orientations import io_orientation

    turns: npt.NDArray[np.float64] = io_orientation(np.array(affine))  # type: ignore[no-untyped-call]
    return turns


def guarded(path: Path, kind: str, take: Callable[[], T]) -> T:
    """Give what is taken of a file, or a ValueError that names it and what it was to be."""
    if not path.is_dir():  # a folder may hold a series
        check_file(path)
    log = logging.getLogger("nibabel.global")  # it prints what it thinks of a header
    before = log.disabled
    log.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return take()
    except Exception as error:  # whatever a parser makes of a damaged or hostile file
        if str(error).startswith(f"{path}: "):
            raise
        raise ValueError(f"{path}: cannot be read as {kind} ({error or type(error).__name__})") from error
    finally:
        log.disabled = before
