"""A network of the user's own, as an ONNX file, run by onnxruntime."""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from fusebench.fusers.base import NEVER_SHOWN
from fusebench.fusers.transforms.borders import extend
from torch import Tensor

RANGES = {"0..1": (1.0, 0.0), "0..255": (255.0, 0.0), "-1..1": (2.0, -1.0)}  # of grey: times, plus


@dataclass(frozen=True)
class OnnxModel:
    """Fuse by a network that takes two grey images and gives one: docs/onnx.md shows how to export it.

    Parameters
    ----------
    model
        The file. Its label has the name alone, and images are kept by its SHA-256.
    range
        What black and white are to the network, in and out: "0..1", "0..255" or "-1..1".
    multiple
        Images are continued by their mirror images to sides that are multiples of it, and cut back.
    folder
        Where the file lies, if `model` is a name alone.

    Raises
    ------
    ValueError
        If the file is missing, is no ONNX model of two images (N, 1, H, W) in float32, or onnxruntime is not installed.
    """

    name: ClassVar[str] = "onnx"
    model: str = field(default="", metadata={"always_shown": True})
    range: str = "0..1"
    multiple: int = 1
    folder: str = field(default="", metadata=NEVER_SHOWN)

    def __post_init__(self) -> None:
        if self.range not in RANGES:
            raise ValueError(f"range {self.range!r} is unknown; known: {', '.join(RANGES)}")
        if self.multiple < 1:
            raise ValueError(f"multiple={self.multiple}: must be positive")
        if not self.model:
            raise ValueError("no file is named; onnx[model=FILE] names a network's ONNX file")
        path = Path(self.folder, self.model)
        object.__setattr__(self, "model", path.name)
        object.__setattr__(self, "folder", str(path.parent.resolve()))
        if not self.path.is_file():
            raise ValueError(f"{path}: no such file; onnx[model=FILE] names a network's ONNX file")

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.folder, self.model)

    @property
    def title(self) -> str:
        """The file's name without its suffix."""
        return Path(self.model).stem

    @property
    def weights_sha256(self) -> str:
        """Digest of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        session = _session(self.path, self.path.stat().st_mtime_ns)
        height, width = a.shape[1:]
        times, plus = RANGES[self.range]
        margins = [(0, -height % self.multiple), (0, -width % self.multiple)]
        names = [one.name for one in session.get_inputs()]
        fused = []
        for pair in zip(a, b, strict=True):  # many exported networks take a batch of one
            images = [times * extend(one[None], margins)[:, None].cpu().numpy() + plus for one in pair]
            feed = {name: image.astype(np.float32) for name, image in zip(names, images, strict=True)}
            try:
                out = session.run(None, feed)[0]
            except Exception as error:  # whatever the library raises
                raise ValueError(f"{self.path}: cannot fuse {height} x {width} pixels ({_line(error)})") from error
            fused.append(self._image(out, images[0].shape))
        return ((torch.cat(fused) - plus) / times)[:, :height, :width].clamp(0, 1).to(a)

    def _image(self, out: Any, shape: tuple[int, ...]) -> Tensor:
        if np.shape(out) != shape:
            raise ValueError(
                f"{self.path}: gives {np.shape(out)} for images of {shape}; one of the same shape is needed"
            )
        return torch.from_numpy(np.asarray(out, dtype=np.float32))[:, 0]


@lru_cache(maxsize=2)
def _session(path: Path, changed: int) -> Any:
    """Read a network once for all pairs; `changed` is when its file last did."""
    del changed
    try:
        import onnxruntime
    except ImportError:
        raise ValueError("onnxruntime is not installed; `pip install 'fusebench[onnx]'` brings it") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the bench runs a process for each core
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever the library raises
        raise ValueError(f"{path}: is no ONNX model that onnxruntime reads ({_line(error)})") from error
    shapes = [list(one.shape) for one in session.get_inputs()]
    if len(shapes) != 2 or any(len(shape) != 4 or shape[1] not in {1, "1"} for shape in shapes):
        raise ValueError(f"{path}: takes {shapes}; two images (N, 1, H, W) are needed")
    return session


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
