"""From the numbers of a file to grey levels: what a file does not say of itself, its reader is told."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from fusebench.datasets import cases, colour
from fusebench.datasets.orientation import AXES, ORIENTATIONS
from torch import Tensor

ORDERS: Mapping[str, Literal[0, 1, 3]] = {"nearest": 0, "linear": 1, "cubic": 3}  # of the interpolating spline


class Window(NamedTuple):
    """The values that become black and white; between them grey is linear.

    Its unit is that of the file's values, "", or "suv", into which they are converted first (`suv.factor`).

    Examples
    --------
    >>> Window(0, 80)(np.array([[-1000.0, 20.0, 40.0, 1500.0]])).tolist()
    [[0.0, 0.25, 0.5, 1.0]]
    """

    low: float
    high: float
    unit: str = ""

    def __call__(self, values: npt.NDArray[Any]) -> Tensor:
        """Give values as grey levels in [0, 1], float32. Raises ValueError where they are not finite."""
        if not np.isfinite(values).all():
            raise ValueError(f"{int((~np.isfinite(values)).sum())} pixels are NaN or infinite")
        grey = ((values.astype(np.float64) - self.low) / (self.high - self.low)).clip(0, 1)
        return torch.from_numpy(np.ascontiguousarray(grey, dtype=np.float32))


@dataclass(frozen=True)
class Reading:
    """How files become images, beyond what they say themselves. The defaults add nothing.

    Parameters
    ----------
    windows
        By modality: the window its grey files are seen through instead of their own; "auto" for a NIfTI volume's 0.5
        and 99.5 percentiles.
    axis
        The direction volumes are sliced along: axial, coronal or sagittal.
    interpolation
        How a second volume is brought onto the first one's grid: linear, nearest or cubic.
    table
        The colour table that coloured files are taken back through (`colour.invert`); None: they have luma and chroma.
    case
        The rule by which names say their case: an expression with a group "case", or the word atlas, slice or none
        (`cases.assign`); None: it is guessed where the names show it.
    volume
        Which volume of a file that holds several is read, from 0.
    nan_background
        Whether voxels that are NaN are background: black, and no part of the percentiles of "auto".
    orientation
        Which side of a slice is the patient's left: radiological, or neurological (`orientation.sides`).

    Raises
    ------
    ValueError
        If the axis, the interpolation, the orientation or the table is unknown, or the rule of cases is no rule.
    """

    windows: Mapping[str, Window | Literal["auto"]] = field(default_factory=dict)
    axis: str = "axial"
    interpolation: str = "linear"
    table: str | None = None
    case: str | None = None
    volume: int | None = None
    nan_background: bool = False
    orientation: str = "radiological"

    def __post_init__(self) -> None:
        if self.axis not in AXES:
            raise ValueError(f"no axis is called {self.axis!r}; known: {', '.join(AXES)}")
        if self.interpolation not in ORDERS:
            raise ValueError(f"no interpolation is called {self.interpolation!r}; known: {', '.join(ORDERS)}")
        if self.orientation not in ORIENTATIONS:
            raise ValueError(f"no orientation is called {self.orientation!r}; known: {', '.join(ORIENTATIONS)}")
        if self.table is not None:
            colour.check_table(self.table)
        if self.case is not None:
            cases.compiled(self.case)


AS_STATED = Reading()


def parse_windows(texts: Iterable[str]) -> dict[str, Window | Literal["auto"]]:
    """Read windows as they are written. Raises ValueError.

    MODALITY=CENTER,WIDTH, in the unit of the files; PET=suv:LOW,HIGH, in standardised uptake values; or MODALITY=auto.

    Examples
    --------
    >>> parse_windows(["CT=40,80", "MRI=auto"])
    {'CT': Window(low=0.0, high=80.0, unit=''), 'MRI': 'auto'}
    >>> parse_windows(["PET=suv:0,10"])
    {'PET': Window(low=0.0, high=10.0, unit='suv')}
    """
    windows: dict[str, Window | Literal["auto"]] = {}
    for text in texts:
        modality, _, value = text.rpartition("=")
        if modality in windows:
            raise ValueError(f"--window {text}: {modality} has a window already")
        window = "auto" if value == "auto" else _window(value)
        if not modality or window is None:
            raise ValueError(
                f"--window {text}: expected MODALITY=CENTER,WIDTH with a width above 0, such as CT=40,80, "
                "MODALITY=suv:LOW,HIGH or MODALITY=auto"
            )
        windows[modality] = cast('Window | Literal["auto"]', window)
    return windows


def _window(value: str) -> Window | None:
    """Read CENTER,WIDTH or suv:LOW,HIGH; None of what is neither."""
    parts = re.fullmatch(r"(suv:)?([^,]+),([^,]+)", value)
    try:
        first, second = map(float, parts.groups()[1:]) if parts else (0.0, 0.0)
    except ValueError:
        return None
    if not parts or not (math.isfinite(first) and math.isfinite(second)):
        return None
    low, high, unit = (first, second, "suv") if parts[1] else (first - second / 2, first + second / 2, "")
    return Window(low, high, unit) if (low < high if unit else second > 0) else None


def check_file(path: Path) -> None:
    """Raise ValueError unless a path is a regular file: a pipe would be waited for, a device never ends."""
    try:
        regular, there = path.is_file(), path.exists() or path.is_symlink()
    except (OSError, ValueError) as error:  # a name too long, a loop of links
        raise ValueError(f"{str(path)!r}: cannot be read ({error})") from None
    if not regular:
        what = "is a folder" if path.is_dir() else "is no regular file" if there else "no such file"
        raise ValueError(f"{path}: {what}")
