"""The weights of the multi-focus network: this project's own, or the published ones where the user has them."""

import hashlib
import itertools
import math
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from fusebench.fusers import learned
from torch import Tensor

SOURCES = ("own", "published")
VARIABLE = "FUSEBENCH_CNN"
OWN_FILE = "multifocus.safetensors"
OWN_SHA256 = "4add382ca578205605988354fda06163824d3bd9fbfeadac0e436e89a82ea0fa"
# Of the authors' light model, cnnmodel.mat.
PUBLISHED_SHA256 = "f826e6739aa6cea943a1323642468760102fc735ff090cd83ab28d998ba76a20"
CHANNELS = (1, 64, 128, 256)
ARRAYS = {
    *(f"{kind}_b1_{layer}" for kind in ("weights", "biases") for layer in range(1, len(CHANNELS))),
    *("weights_feature", "weights_output"),
}
LARGEST = 512 * 64 * 256  # numbers in one of them


class Weights(NamedTuple):
    """A siamese branch of three 3 x 3 convolutions and what joins the branches: one kernel (light) or two (full)."""

    branch: tuple[tuple[Tensor, Tensor], ...]
    dense: tuple[Tensor, ...]
    sha256: str = ""  # of the file they come from


def load(source: str, file: str = "") -> Weights:
    """Load the weights "own" or "published", verified; the published ones from a file, or from FUSEBENCH_CNN's.

    Own weights are verified by their digest. Of the published ones the digest of the light model is known; a full model
    is told by its shapes.

    Raises
    ------
    ValueError
        If no file is named for "published", or a file is missing, damaged or not the network.
    """
    return _own() if source == "own" else _published(file or os.environ.get(VARIABLE, ""))


def _own() -> Weights:
    tensors = learned.load("fusebench.fusers.neural", OWN_FILE, OWN_SHA256)
    return from_tensors(tensors)._replace(sha256=OWN_SHA256)


def from_tensors(tensors: dict[str, Tensor]) -> Weights:
    """Give the weights held under the names of this project's own file."""
    branch = tuple((tensors[f"branch.{i}.weight"], tensors[f"branch.{i}.bias"]) for i in range(len(CHANNELS) - 1))
    return Weights(branch, (tensors["dense.weight"],))


@lru_cache(maxsize=1)
def _published(named: str) -> Weights:
    if not named:
        raise ValueError(
            f"the published weights are not part of this project; name their file: --weights FILE.mat or {VARIABLE}"
        )
    path = Path(named)
    if not path.is_file():
        raise ValueError(f"{path}: no such file; --weights or {VARIABLE} must name the published .mat file")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        weights = _from_matlab(_read_matlab(path))
    except Exception as error:  # whatever the parser makes of a file of another kind
        raise ValueError(
            f"{path}: not the published network ({error}); its SHA-256 is {found}, the light model's {PUBLISHED_SHA256}"
        ) from error
    if len(weights.dense) == 1 and found != PUBLISHED_SHA256:
        raise ValueError(f"{path}: not the published light model; its SHA-256 is {found}, expected {PUBLISHED_SHA256}")
    return weights._replace(sha256=found)


def _read_matlab(path: Path) -> dict[str, Any]:
    """Read the network's arrays of numbers: no object, no function handle, nothing that unpacks to more."""
    from scipy.io import loadmat, whosmat

    held = {name: (shape, kind) for name, shape, kind in whosmat(path) if name in ARRAYS}
    for name, (shape, kind) in held.items():
        if kind not in {"single", "double"} or math.prod(shape) > LARGEST:
            raise ValueError(f"{name} is {kind} of shape {shape}")
    return dict(loadmat(path, variable_names=list(held)))


def _from_matlab(arrays: dict[str, Any]) -> Weights:
    """Arrange the published arrays: their spatial axis runs down the columns."""
    branch = []
    for index, (before, after) in enumerate(itertools.pairwise(CHANNELS), start=1):
        array = arrays[f"weights_b1_{index}"].reshape(before, 9, after)
        branch.append((_kernel(array, 3), torch.from_numpy(arrays[f"biases_b1_{index}"].ravel().astype(np.float32))))
    if "weights_feature" in arrays:
        wide = arrays["weights_feature"].reshape(512, 64, 256)
        return Weights(tuple(branch), (_kernel(wide, 8), _kernel(arrays["weights_output"].reshape(256, 1, 2), 1)))
    return Weights(tuple(branch), (_kernel(arrays["weights_output"].reshape(512, 64, 2), 8),))


def _kernel(array: np.ndarray, side: int) -> Tensor:
    """(in, side * side down the columns, out) to (out, in, side, side)."""
    before, _, after = array.shape
    kernel = array.reshape(before, side, side, after).transpose(3, 0, 2, 1)
    return torch.from_numpy(np.ascontiguousarray(kernel, dtype=np.float32))
