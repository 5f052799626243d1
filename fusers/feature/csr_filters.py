"""The filters of which convolutional sparse codes make an image's detail, learned by this project."""

from fusebench.fusers import learned
from torch import Tensor

SIDE = 8
FILE = "csr.safetensors"
SHA256 = "8caa72bb6d6a866ff008878b329dbbe5af865fa4c14ec4c9ebfd1ee6ed15bb2a"


def load() -> Tensor:
    """Load the filters, shape (32, 8, 8), float32, of norm 1.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    return learned.load("fusebench.fusers.feature", FILE, SHA256)["filters"]
