"""What this project has learned and ships: files of tensors, each beside the module that uses it."""

import hashlib
from functools import lru_cache
from importlib import resources

from torch import Tensor


@lru_cache(maxsize=8)
def load(package: str, file: str, sha256: str) -> dict[str, Tensor]:
    """Load the tensors of a file that belongs to a package; verified.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    from safetensors.torch import load as parse

    content = (resources.files(package) / file).read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise ValueError(f"{file}: its SHA-256 is {found}, expected {sha256}; the installation is damaged")
    return parse(content)
