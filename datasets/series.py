"""A folder of DICOM slices, one file each, as a volume: placed by their headers, so that it pairs with any volume."""

import os
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from fusebench.datasets import dicom
from fusebench.datasets.dicom import Place
from fusebench.datasets.orientation import LPS_TO_RAS
from fusebench.datasets.reading import Window
from fusebench.datasets.volumes import VOXELS, Volume, affine_of, guarded

KIND = "DICOM series"
APART = 0.1  # of a pixel or of the gap between slices, that one may lie off the grid; headers hold rounded decimals


def volume(folder: Path) -> Volume:
    """Read what the headers of a folder's slices say, which are one series.

    Its window is the one that every slice states, or that of 8 bits that are not rescaled. What the headers call
    padding is black.

    Raises
    ------
    ValueError
        If the folder holds no series or several, its slices differ in size, lie at unequal distances or in no row, are
        coloured or inverted (MONOCHROME1), or are damaged; the message names the folder or the file.
    """
    return guarded(folder, KIND, lambda: _stated(folder, _stamp(folder)))


def _stamp(folder: Path) -> tuple[tuple[str, int], ...]:
    """Give the names of what lies in a folder and when each changed: it is asked for at every slice, and opens none."""
    with os.scandir(folder) as found:
        return tuple(sorted((one.name, one.stat(follow_symlinks=False).st_mtime_ns) for one in found))


@lru_cache(maxsize=4)
def _stated(folder: Path, stamp: tuple[tuple[str, int], ...]) -> Volume:
    slices = _slices(folder)
    places = [dicom.places(path)[0] for path in slices]
    first = dicom.facts(slices[0])
    for path in slices:
        facts = dicom.facts(path)
        if facts.photometric != "MONOCHROME2":
            raise ValueError(f"{path.name} is {facts.photometric}; slices of MONOCHROME2 are placed in space")
        if facts.size != first.size:
            sizes = ["{} x {}".format(*one.size) for one in (facts, first)]
            raise ValueError(f"{path.name} has {sizes[0]} pixels, and {slices[0].name} {sizes[1]}")
    shape = (first.size[1], first.size[0], len(slices))
    if np.prod(shape, dtype=object) > VOXELS:
        raise ValueError(f"{shape[0]} x {shape[1]} x {shape[2]} voxels; at most {VOXELS} are read")
    return Volume(
        folder,
        KIND,
        hash(stamp),
        shape,
        1,
        dicom.depth(slices[0]),
        affine_of(_affine(slices, places)),
        "",
        "",
        _window(slices),
        _load,
        frame=places[0].frame_of_reference,
        padded=True,
        uptake=_uptake,
    )


def _slices(folder: Path) -> list[Path]:
    """List the slices of the one series of a folder in the order of their heights."""
    files = dicom.files(folder)
    found = dicom.series(files) if len(files) > 1 else []
    if len(found) != 1:
        held = ", ".join(f"that of {next(iter(one.heights)).name} ({len(one.heights)} files)" for one in found)
        raise ValueError(
            f"holds {len(found)} series: {held}; give each a folder of its own"
            if found
            else f"{len(files)} DICOM files that are no series; slices state their series and where they lie"
        )
    return list(found[0].heights)


def _affine(slices: list[Path], places: list[Place]) -> npt.NDArray[np.float64]:
    """Give the affine from column, row and slice to mm, RAS+."""
    spacings = [place.spacing for place in places]
    if any(spacing is None for spacing in spacings):
        raise ValueError(f"{slices[0].name} has no PixelSpacing")
    down, right = cast("npt.NDArray[np.float64]", spacings[0])
    for path, spacing in zip(slices, spacings, strict=True):
        if not np.allclose(cast("npt.NDArray[np.float64]", spacing), (down, right), rtol=dicom.SAME, atol=0):
            raise ValueError(f"{path.name} has pixels of another size than {slices[0].name}")
    axes = cast("npt.NDArray[np.float64]", places[0].axes)
    positions = np.array([cast("npt.NDArray[np.float64]", place.position) for place in places])
    step = (positions[-1] - positions[0]) / (len(slices) - 1)
    off = np.linalg.norm(positions - positions[0] - np.arange(len(slices))[:, None] * step, axis=1)
    if (worst := int(off.argmax())) and off[worst] > APART * min(down, right, float(np.linalg.norm(step))):
        gaps = [float(np.linalg.norm(upper - lower)) for lower, upper in pairwise(positions)]
        raise ValueError(
            f"its slices lie at unequal distances, {min(gaps):.4g} to {max(gaps):.4g} mm, or in no straight row: "
            f"{slices[worst].name} lies {off[worst]:.3g} mm off; is one missing?"
        )
    affine = np.eye(4)
    affine[:3, :3] = np.stack([axes[0] * right, axes[1] * down, step], axis=1)
    affine[:3, 3] = positions[0]
    return cast("npt.NDArray[np.float64]", LPS_TO_RAS @ affine)


def _window(slices: list[Path]) -> Window | None:
    windows = {dicom.window(path) for path in slices}
    return windows.pop() if len(windows) == 1 else None


def _load(folder: Path, _: int) -> npt.NDArray[Any]:
    """Read the rescaled values of all slices; NaN where the headers say padding."""
    return np.stack([dicom.values(path).T for path in _slices(folder)], axis=-1)


def _uptake(folder: Path) -> float:
    """Give what the values are multiplied with to be SUV by body weight. Raises ValueError."""
    return _factor(folder, _stamp(folder))


@lru_cache(maxsize=4)
def _factor(folder: Path, stamp: tuple[tuple[str, int], ...]) -> float:
    del stamp  # by which what is kept is known to be right
    factors = {dicom.uptake(path) for path in _slices(folder)}
    if len(factors) > 1:
        raise ValueError("what SUV is computed of differs from slice to slice")
    return factors.pop()
