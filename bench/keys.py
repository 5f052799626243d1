"""What a score depends on, as one digest: where it is unchanged, what was computed before is still right."""

import ast
import hashlib
import importlib.util
import json
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from importlib import metadata
from pathlib import Path

from fusebench.bench.external import External
from fusebench.bench.work import Row
from fusebench.fusers import multifocus_weights, vgg16_weights
from fusebench.fusers.base import Fuser, label
from fusebench.fusers.multifocus import MultiFocusCNN
from fusebench.fusers.vgg16 import VGG16LBFGS

PACKAGES = ("torch", "numpy", "scipy", "PyWavelets")
# What the bench itself makes of a pair, besides fusers and metrics.
OWN = ("fusebench.bench.work", "fusebench.datasets.colour")
FUSERS, METRICS = "fusebench.fusers.catalogue", "fusebench.metrics.catalogue"
INSTALLED = ("site-packages", "dist-packages")


def item(batch: Sequence[tuple[str, str, str]], index: int, row: Row, size: tuple[int, int], device: str) -> str:
    """Give the key of a row's item.

    Parameters
    ----------
    batch
        Dataset, name and pixels' digest of the pairs that are fused together: one on the CPU. On a GPU the rounding of
        a batch depends on its size, so the whole of it counts.
    index
        Which of them the item is.
    row
        The fuser, by its label, its options, its code and its weights, and the metrics, by their labels and their code.
    size
        Height and width of the pairs.
    device
        "cpu" or "cuda"; of a GPU its number does not count.
    """
    dataset, name, _ = batch[index]
    # Where results lie does not count, what they are does; of a fuser every option counts, shown in its label or not.
    options = row.fuser.sha256(dataset, name) if isinstance(row.fuser, External) else repr(row.fuser)
    parts = [
        [[sha256 for _, _, sha256 in batch], index, size],
        [label(row.fuser), code(type(row.fuser).__module__), weights(row.fuser), options],
        [[metric.label for metric in row.metrics], *_metrics_code(tuple(_home(m.score) for m in row.metrics))],
        [device.partition(":")[0], environment()],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def weights(fuser: Fuser) -> tuple[str, str] | None:
    """Name the network a fuser needs, and its digest; a fuser from elsewhere says it in an attribute `weights_sha256`.

    Raises
    ------
    ValueError
        If the weights are missing or wrong.
    """
    if isinstance(fuser, VGG16LBFGS):
        vgg16_weights.load()
        return "vgg16", vgg16_weights.SHA256
    if isinstance(fuser, MultiFocusCNN):
        return f"cnn, {fuser.weights}", multifocus_weights.load(fuser.weights).sha256
    found = getattr(fuser, "weights_sha256", None)
    return None if found is None else (label(fuser), str(found))


@lru_cache(maxsize=1)
def environment() -> dict[str, str]:
    """Versions that a score's last bits depend on, and the bench's own part of the code."""
    own = {module: hashlib.sha256(_source(module) or b"").hexdigest() for module in OWN}
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}, **own}


def installed() -> dict[str, str]:
    """Say what a worker elsewhere must have in common with this process."""
    return environment() | {module: code(module) for module in (FUSERS, METRICS)}


@lru_cache(maxsize=128)
def code(module: str) -> str:
    """Digest of a module's source and of all that it imports, at any remove, from its own package or folder.

    Other packages count by their versions (`environment`), or not at all: what a plug-in's dependencies do when they
    are updated is not seen.

    Examples
    --------
    >>> code("fusebench.fusers.trivial") == code("fusebench.fusers.wavelet")
    False
    """
    found: dict[str, str] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        if name not in found and (source := _source(name)) is not None:
            found[name] = hashlib.sha256(source).hexdigest()
            pending += [other for other in _imports(name, source) if _belongs(other, module)]
    return hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest()


@lru_cache(maxsize=128)
def _metrics_code(modules: tuple[str, ...]) -> list[str]:
    return [code(METRICS), *(code(module) for module in sorted({*modules}))]


def _home(score: Callable[..., object]) -> str:
    while isinstance(score, partial):
        score = score.func
    return score.__module__


def _belongs(other: str, module: str) -> bool:
    """Say whether two modules are of one package, or of two that lie in one folder where nothing is installed."""
    (ours, _, _), (theirs, _, _) = module.partition("."), other.partition(".")
    folder = _folder(ours)
    return ours == theirs or (folder is not None and folder.name not in INSTALLED and folder == _folder(theirs))


@lru_cache(maxsize=1024)
def _folder(package: str) -> Path | None:
    """Say which folder holds a package; None of what has no file."""
    path = _file(package)
    return path and (path.parent.parent if path.stem == "__init__" else path.parent)


def _file(module: str) -> Path | None:
    """Say where a module's file is; None where it has none, or is no module but a name in one."""
    loaded = sys.modules.get(module)
    try:
        spec = None if loaded else importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    path = getattr(loaded, "__file__", None) or (spec and spec.has_location and spec.origin)
    return Path(path) if path else None


def _source(module: str) -> bytes | None:
    path = _file(module)
    return path.read_bytes() if path and path.is_file() else None


def _imports(module: str, source: bytes) -> Iterator[str]:
    """Name what a module imports, wherever in it; each name of a package may be a module of it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # a compiled extension
        return
    is_package = hasattr(sys.modules.get(module), "__path__")
    parents = module.split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = parents[: len(parents) - node.level + is_package] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))
