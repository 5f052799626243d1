"""The atoms of which the sparse rule makes patches of 8 x 8 pixels, learned by this project."""

from fusebench.fusers import learned
from torch import Tensor

SIDE = 8
FILE = "sparse.safetensors"
SHA256 = "f8863920f0c71c00eecb5b2b463db4f9c7d8cd49dae4c6e00228acd63adaa974"


def load() -> Tensor:
    """Load the atoms, shape (64, 256), float32, of norm 1 and without a mean; pixels run down the columns of a patch.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    return learned.load("fusebench.fusers.rules", FILE, SHA256)["atoms"]
