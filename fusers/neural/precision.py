"""The arithmetic that a network's number stands for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_guard = threading.Lock()
_inside = 0
_found: list[Any] = []


def _switches() -> list[tuple[Any, str, Any]]:
    """Where PyTorch keeps its choices, their names, and ours."""
    backends: Any = torch.backends
    ours = [(backends.cudnn, "deterministic", True), (backends.cudnn, "benchmark", False)]
    if hasattr(backends, "fp32_precision"):  # PyTorch 2.9 and later, which refuses to mix this with `allow_tf32`
        places = (backends.cudnn.conv, backends.cuda.matmul, backends.mkldnn.conv, backends.mkldnn.matmul)
        return [*ours, *((place, "fp32_precision", "ieee") for place in places)]
    return [*ours, *((place, "allow_tf32", False) for place in (backends.cudnn, backends.cuda.matmul))]


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute convolutions and matrix products of float32 in float32, the same way each time.

    By default PyTorch rounds their factors to the 11 bits of TF32 on a GPU. In VGG16 that moves a gradient by 2.5e-3
    (conv1_2) to 2e-2 (conv3_1) of itself, float32 by 1.5e-7. What was set before is set again at the end; the
    settings are the process's, so that of several threads the first to enter sets and the last to leave restores.

    Examples
    --------
    >>> with full_precision():
    ...     torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    (True, False)
    """
    global _inside, _found  # noqa: PLW0603  PyTorch's settings are global too
    with _guard:
        _inside += 1
        if _inside == 1:
            _found = [getattr(place, name) for place, name, _ in _switches()]
            for place, name, value in _switches():
                setattr(place, name, value)
    try:
        yield
    finally:
        with _guard:
            _inside -= 1
            if _inside == 0:
                for (place, name, _), value in zip(_switches(), _found, strict=True):
                    setattr(place, name, value)
