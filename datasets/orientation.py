"""Which side of a picture is the patient's left: one convention for every file that says how it lies."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

AXES = ("sagittal", "coronal", "axial")
ORIENTATIONS = ("radiological", "neurological")
# From mm to the left, the back and the top (LPS: DICOM, ITK) to mm to the right, the front and the top (RAS+: NIfTI),
# and back.
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
LEFT, BACK, TOP = np.eye(3)  # of the patient, as DICOM counts (LPS)


class Turn(NamedTuple):
    """How a stored picture is turned to be shown, in this order, and what then lies at its left and right edge."""

    transposed: bool
    upside_down: bool
    mirrored: bool
    sides: tuple[str, str]

    def __call__(self, image: Tensor) -> Tensor:
        """Turn an image, its last two axes down and right."""
        image = image.mT if self.transposed else image
        return image.flip([axis for axis, turned in ((-2, self.upside_down), (-1, self.mirrored)) if turned])


def sides(axis: str, orientation: str) -> tuple[str, str]:
    """Say what lies at the left and at the right edge of a slice: R, L (right, left), A, P (front, back).

    Radiological: axial and coronal slices are seen from the feet and from the front, with the patient's left at the
    right, and sagittal ones from the left, with the front at the left. Neurological: the mirror image. The front or
    the top is up in both.

    Examples
    --------
    >>> sides("axial", "radiological"), sides("sagittal", "neurological")
    (('R', 'L'), ('P', 'A'))
    """
    edges = ("A", "P") if axis == "sagittal" else ("R", "L")
    return edges if orientation == "radiological" else (edges[1], edges[0])


def turn(axes: npt.NDArray[np.float64], orientation: str) -> Turn:
    """Say how a picture is turned to be shown, by the directions in which its rows and its columns run.

    Parameters
    ----------
    axes
        Unit vectors to the right and down in the stored picture, (2, 3), to the left, the back and the top (LPS). An
        oblique plane is shown as the nearest of the three.
    orientation
        See `sides`.

    Examples
    --------
    Rows to the patient's left and columns to the back: an axial slice as most scanners store it.

    >>> turn(np.array([[1.0, 0, 0], [0, 1, 0]]), "radiological")
    Turn(transposed=False, upside_down=False, mirrored=False, sides=('R', 'L'))
    >>> turn(np.array([[0, 0, 1.0], [1, 0, 0]]), "neurological")  # coronal, stored lying and upwards
    Turn(transposed=True, upside_down=True, mirrored=True, sides=('L', 'R'))
    """
    axis = AXES[int(np.abs(np.cross(*axes)).argmax())]
    right, down = {"axial": (LEFT, BACK), "coronal": (LEFT, -TOP), "sagittal": (BACK, -TOP)}[axis]
    right = right if orientation == "radiological" else -right
    along = axes @ np.stack([right, down], axis=1)  # rows and columns, along right and down
    transposed = bool(abs(along[0, 0]) + abs(along[1, 1]) < abs(along[0, 1]) + abs(along[1, 0]))
    row, column = along[::-1] if transposed else along
    return Turn(transposed, bool(column[1] < 0), bool(row[0] < 0), sides(axis, orientation))
