"""How two images or volumes lie against each other: the rigid motion at which they tell most of each other.

SimpleITK does it, by Mattes' mutual information (D. Mattes et al., Non-rigid multimodality image registration, Proc.
SPIE 4322, 2001) and Powell's method, from coarse to fine.
"""

import math
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from fusebench.datasets import volumes
from fusebench.datasets.orientation import LPS_TO_RAS
from fusebench.datasets.reading import AS_STATED, Reading
from fusebench.datasets.volumes import Volume

CURE = "`pip install 'fusebench[itk]'` brings SimpleITK, which does it"
BINS = 32
STEPS = (40, 80)  # into which the longest side is divided, from coarse to fine
TURN = math.radians(10)  # besides no motion the search starts so far away, turned and shifted
SHIFT = 25  # ... by this part of the longest side: of a head of 250 mm 10 mm
THIN = 8  # slices; in fewer a turn out of their plane shows too little
FAR = 1 / 64  # of the longest side; 4 mm of a head, where skull and cortex shift the maximum by one or two
GAIN = 0.01  # bit; a maximum that is higher by less is noise
DARK = 0.05  # of the range; what is darker is air, and its motion of no interest
AXES = ("right", "front", "top")


class Pose(NamedTuple):
    """How the second of two volumes lies against the first.

    Parameters
    ----------
    shift
        Where it lies, in mm to the right, the front and the top, at the middle of the first.
    degrees, axis
        By how much it is turned, and about which axis: a unit vector (right, front, top).
    apart
        How far what belongs together lies apart, mm, on average over what the first shows.
    far
        From which distance on, mm, that is suspicious.
    at_zero, best
        The mutual information in bits as they lie, and with that motion undone.
    matrix
        From a place in the first to that in the second, mm, RAS+, (4, 4).
    """

    shift: tuple[float, float, float]
    degrees: float
    axis: tuple[float, float, float]
    apart: float
    far: float
    at_zero: float
    best: float
    matrix: tuple[tuple[float, ...], ...]

    @property
    def suspicious(self) -> bool:
        """Whether the two are too far apart, by a maximum that is no noise."""
        return self.apart > self.far and self.best - self.at_zero >= GAIN

    def __str__(self) -> str:
        """Say it in a line.

        Examples
        --------
        >>> print(Pose((0.2, -1.0, 8.0), 10.2, (0.1, 0.0, 0.99), 9.0, 4.0, 0.5, 0.7, ()))
        8.1 mm (right +0.2, front -1.0, top +8.0), turned by 10.2 degrees about the axis to the top
        """
        moved = ", ".join(f"{name} {mm:+.1f}" for name, mm in zip(AXES, self.shift, strict=True))
        about = AXES[int(np.abs(self.axis).argmax())]
        turned = f", turned by {self.degrees:.1f} degrees about the axis to the {about}" if self.degrees >= 0.5 else ""
        return f"{math.dist(self.shift, (0, 0, 0)):.1f} mm ({moved}){turned}"


def is_there() -> bool:
    """Say whether SimpleITK is installed."""
    try:
        import SimpleITK  # noqa: F401
    except ImportError:
        return False
    return True


def find(first: Volume, second: Volume, modalities: tuple[str, str] = ("a", "b"), reading: Reading = AS_STATED) -> Pose:
    """Find how the second volume lies against the first, as they are seen through their windows.

    Looked for is a rigid motion, from none and from 10 degrees about and a 25th of the longest side along each axis.
    It is found to about a degree and a mm where the two share structure; a maximum far away from all of these may be
    missed.

    Raises
    ------
    ValueError
        If SimpleITK is not installed, a volume has too few slices or is sheared, or cannot be read.
    """
    _library()
    fixed, moving = (
        _placed(volume, modality, reading) for volume, modality in zip((first, second), modalities, strict=True)
    )
    transform, at_zero, best = align(fixed, moving)
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    matrix[:3, 3] = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = LPS_TO_RAS @ matrix @ LPS_TO_RAS
    lit = np.argwhere(_array(fixed) > DARK)
    corner = np.array([volume_affine(fixed) @ [*at, 1] for at in lit[:: max(1, len(lit) // 5000)]])[:, :3]
    middle = (LPS_TO_RAS @ [*fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()]), 1])[
        :3
    ]
    moved = corner @ matrix[:3, :3].T + matrix[:3, 3] - corner
    shift = matrix[:3, :3] @ middle + matrix[:3, 3] - middle
    degrees, axis = _turn(matrix[:3, :3])
    return Pose(
        *((float(shift[0]), float(shift[1]), float(shift[2])), degrees, axis),
        float(np.linalg.norm(moved, axis=1).mean()) if len(lit) else 0.0,
        FAR * _longest(fixed),
        *(at_zero, best, tuple(map(tuple, matrix.tolist()))),
    )


def align(fixed: Any, moving: Any, *, rigid: bool = True, steps: tuple[int, ...] = STEPS) -> tuple[Any, float, float]:
    """Find the motion from places in one image of SimpleITK to those in another at which they tell most of each other.

    Parameters
    ----------
    fixed, moving
        Images in two or three dimensions, grey levels from 0 to 1.
    rigid
        Whether it may turn.
    steps
        Into how many steps the longest side is divided, from coarse to fine.

    Returns
    -------
    transform, at_zero, best
        The motion, and the mutual information in bits without and with it.
    """
    longest = _longest(fixed)
    levels = [(_coarse(fixed, longest / n), _coarse(moving, longest / n)) for n in steps]
    found = [_start(fixed, rigid, turn, shift) for turn, shift in _starts(fixed.GetDimension(), rigid, longest / SHIFT)]
    method = _method()
    none = found[0]
    for n, images in enumerate(levels):
        found.sort(key=lambda transform: _information(method, images, transform), reverse=True)
        found = [_refined(method, images, transform, few=n > 0) for transform in found[: 2 if n == 0 else 1]]
    images = levels[-1]
    at_zero, best = (_information(method, images, transform) for transform in (none, found[0]))
    return (found[0], at_zero, best) if best > at_zero else (none, at_zero, at_zero)


def image(values: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> Any:
    """Make an image of SimpleITK of values and their affine, RAS+. Raises ValueError if that is sheared."""
    library = _library()
    placed = LPS_TO_RAS @ affine
    sizes = np.linalg.norm(placed[:3, :3], axis=0)
    turn = placed[:3, :3] / sizes
    if not np.allclose(turn.T @ turn, np.eye(3), atol=1e-3):
        raise ValueError("its axes are not at right angles, and it cannot be aligned")
    made = library.GetImageFromArray(np.ascontiguousarray(values.T))
    made.SetSpacing(sizes.tolist())
    made.SetDirection(turn.ravel().tolist())
    made.SetOrigin(placed[:3, 3].tolist())
    return made


def volume_affine(made: Any) -> npt.NDArray[np.float64]:
    """Give the affine of an image of SimpleITK, RAS+."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(made.GetDirection(), (3, 3)) * made.GetSpacing()
    affine[:3, 3] = made.GetOrigin()
    placed: npt.NDArray[np.float64] = LPS_TO_RAS @ affine
    return placed


def picture(pixels: npt.NDArray[Any]) -> Any:
    """Make an image of SimpleITK of a picture, (H, W), a pixel to a side."""
    return _library().GetImageFromArray(np.asarray(pixels, dtype=np.float32))


def resampled(moving: Any, fixed: Any, transform: Any) -> npt.NDArray[Any]:
    """Give the values of an image on another one's grid, brought there by a motion; outside, the least of them."""
    library = _library()
    values = library.GetArrayViewFromImage(moving)
    brought = library.Resample(moving, fixed, transform, library.sitkLinear, float(values.min()))
    found: npt.NDArray[Any] = library.GetArrayFromImage(brought)
    return found if fixed.GetDimension() == 2 else found.T


def write(transform: Any, path: Path) -> None:
    """Write a motion as a file of ITK."""
    _library().WriteTransform(transform, str(path))


def _placed(volume: Volume, modality: str, reading: Reading) -> Any:
    if min(volume.shape) < THIN:
        shape = " x ".join(map(str, volume.shape))
        raise ValueError(f"{volume.path}: {shape} voxels are too few to look for a turn")
    return image(*volumes.whole(volume, modality, reading))


def _longest(made: Any) -> float:
    return float(max(n * size for n, size in zip(made.GetSize(), made.GetSpacing(), strict=True)))


def _array(made: Any) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = _library().GetArrayViewFromImage(made)
    return values.T


def _turn(matrix: npt.NDArray[np.float64]) -> tuple[float, tuple[float, float, float]]:
    """Give the angle of a turn in degrees and its axis."""
    from scipy.spatial.transform import Rotation

    vector = Rotation.from_matrix(matrix).as_rotvec(degrees=True)
    degrees = float(np.linalg.norm(vector))
    axis = vector / max(degrees, 1e-12)
    return degrees, (float(axis[0]), float(axis[1]), float(axis[2]))


def _starts(dimension: int, rigid: bool, shift: float) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:  # noqa: FBT001
    """List the turns and shifts from which is searched; the first is none."""
    turns = (0.0,) * (3 if dimension == 3 else 1)
    none = (0.0,) * dimension
    starts = [(turns, none)]
    for n, sign in product(range(dimension), (-1, 1)):
        starts.append((turns, tuple(sign * shift if k == n else 0.0 for k in range(dimension))))
    if rigid:
        for n, sign in product(range(len(turns)), (-1, 1)):
            starts.append((tuple(sign * TURN if k == n else 0.0 for k in range(len(turns))), none))
    return starts


def _start(fixed: Any, rigid: bool, turn: tuple[float, ...], shift: tuple[float, ...]) -> Any:  # noqa: FBT001
    library = _library()
    if not rigid:
        return library.TranslationTransform(fixed.GetDimension(), shift)
    made = (library.Euler3DTransform if len(turn) == 3 else library.Euler2DTransform)()
    made.SetCenter(fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()]))
    if len(turn) == 3:
        made.SetRotation(*turn)
    else:
        made.SetAngle(*turn)
    made.SetTranslation(shift)
    return made


def _coarse(fine: Any, step: float) -> Any:
    """Smooth an image and sample it at steps that are no finer than its own."""
    library = _library()
    steps = [max(step, size) for size in fine.GetSpacing()]
    lengths = [n * size for n, size in zip(fine.GetSize(), fine.GetSpacing(), strict=True)]
    counts = [math.ceil(length / s) for length, s in zip(lengths, steps, strict=True)]
    smooth = library.SmoothingRecursiveGaussian(fine, [s / 2 for s in steps]) if min(fine.GetSize()) >= 4 else fine
    sample = library.ResampleImageFilter()
    sample.SetNumberOfThreads(1)
    sample.SetSize(counts)
    sample.SetOutputSpacing(steps)
    sample.SetOutputOrigin(fine.GetOrigin())
    sample.SetOutputDirection(fine.GetDirection())
    return sample.Execute(smooth)


def _method() -> Any:
    library = _library()
    method = library.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # of which the order of sums depends, and with it the last digits
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(library.sitkLinear)
    return method


def _information(method: Any, images: tuple[Any, Any], transform: Any) -> float:
    """Give the mutual information in bits; 0 where too little of the two overlaps."""
    method.SetInitialTransform(transform)
    try:
        return -float(method.MetricEvaluate(*images)) / math.log(2)
    except RuntimeError:
        return 0.0


def _refined(method: Any, images: tuple[Any, Any], transform: Any, *, few: bool) -> Any:
    start, transform = transform, type(transform)(transform)  # a copy is moved
    method.SetOptimizerAsPowell(
        numberOfIterations=5 if few else 20,
        maximumLineIterations=15 if few else 20,
        stepLength=1,
        stepTolerance=0.02,
        valueTolerance=1e-4,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(*images)
    except RuntimeError:  # nothing overlaps where it came to
        return start
    return transform


def _library() -> Any:
    try:
        import SimpleITK
    except ImportError:
        raise ValueError(f"aligning needs SimpleITK, which is not installed; {CURE}") from None
    return SimpleITK
