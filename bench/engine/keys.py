"""What an image and its scores depend on, as digests: where they are unchanged, what was computed before is right.

There are two keys. A fused image has one: the pixels, the fuser, its code, its weights and the environment. Each of its
scores has one too: the fused image, the pixels of the sources, the metric, its code and the environment. So a change of
a metric costs that metric's scores, and no image.
"""

import ast
import hashlib
import importlib.util
import inspect
import json
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache, lru_cache, partial
from importlib import metadata
from itertools import chain
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from fusebench.bench.external import AnyFuser, part
from fusebench.fusers.base import label
from fusebench.fusers.foreign import INSTALLED, home
from fusebench.metrics.base import Metric

# Distributions that are known by their versions, and the names they are imported by.
PACKAGES = {"torch": "torch", "numpy": "numpy", "scipy": "scipy", "PyWavelets": "pywt"}
# Modules of the bench that change pixels or scores, besides fusers and metrics.
OWN = ("fusebench.bench.engine.work", "fusebench.datasets.image", "fusebench.datasets.colour")
FUSERS, METRICS = "fusebench.fusers.catalogue", "fusebench.metrics.catalogue"


class Keys:
    """The keys of one plan. Each source is read once, so that an edit counts from the next plan on.

    A key is None where the code behind it is unknown (`code`): what it stands for is computed in every run.

    Parameters
    ----------
    device
        "cpu" or "cuda"; of a GPU its number does not count.
    """

    def __init__(self, device: str) -> None:
        source = cache(_source)
        self.code = cache(lambda module: code(module, source))
        self._weights: Callable[[Any], str | None] = cache(weights)
        self._environment = [device.partition(":")[0], environment()]

    def pixels(self, sha256: Sequence[str], index: int, size: tuple[int, int]) -> str:
        """Digest of what both keys begin with: a pair's pixels, its size and the environment.

        Of pairs that are computed together, as on a GPU, all digests are given and which of them the pair is: the
        rounding of a batch depends on its size. On a CPU a pair is alone.
        """
        return _digest([sha256, index, size, self._environment])

    def fused(self, pixels: str, fuser: AnyFuser, kind: str, pair: str) -> str | None:
        """Key of a fuser's image of a pair.

        Every option counts, shown in the label or not. Of what is read it counts what it is and not where it lies: of
        results the files' digests; and of a fuser that names the digest of its weights no field that is never shown.
        """
        if (code := self.code(home(type(fuser)))) is None:
            return None
        digest = self._weights(fuser)
        called, read = part([fuser])
        options = [
            repr(getattr(made, f.name))
            for made in called
            for f in fields(made)  # type: ignore[arg-type]  # a Protocol cannot say "dataclass"
            if digest is None or not f.metadata.get("never_shown")
        ]
        files = [external.sha256(kind, pair) for external in read]
        return _digest([pixels, label(fuser), options, files, code, digest])

    def score(self, pixels: str, images: Mapping[str, str], metric: Metric) -> str | None:
        """Key of a metric's score of an image, whose digests are given: as it is fused, and as it is in colour."""
        fused = images.get("colour", images["fused"]) if metric.of_colour else images["fused"]
        parts = _parts(metric.function)
        functions = [part for part in parts if part is parts[0] or isinstance(part, FunctionType)]
        codes = [self.code(home(function)) for function in functions]
        named = [part.__qualname__ if isinstance(part, FunctionType) else repr(part) for part in parts[1:]]
        return None if None in codes else _digest([pixels, fused, metric.label, codes, named])


def _parts(thing: Any) -> list[Any]:
    """Give a function; of one whose arguments are filled in, these too.

    Examples
    --------
    >>> [part if isinstance(part, int) else part.__name__ for part in _parts(partial(_parts, partial(max, 1)))]
    ['_parts', 'max', 1]
    """
    if not isinstance(thing, partial):
        return [thing]
    filled = (*thing.args, *chain.from_iterable(thing.keywords.items()))
    return [part for inner in (thing.func, *filled) for part in _parts(inner)]


def _digest(parts: object) -> str:
    # A journal has one for each score: half of a SHA-256 is enough where nobody seeks a collision.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def weights(fuser: object) -> str | None:
    """Give the digest of what a fuser reads, which it says in an attribute `weights_sha256`; None where it does not.

    Raises
    ------
    ValueError
        If the weights are missing or wrong.
    """
    found = getattr(fuser, "weights_sha256", None)
    return None if found is None else str(found)


def environment() -> dict[str, str]:
    """Versions that a score's last bits depend on, and the bench's own part of the code."""
    own = {module: hashlib.sha256(_source(module) or b"").hexdigest() for module in OWN}
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}, **own}


def installed() -> dict[str, str]:
    """Say what a worker elsewhere must have in common with this process."""
    return environment() | {module: str(code(module)) for module in (FUSERS, METRICS)}


def code(module: str, source: Callable[[str], bytes | None] | None = None) -> str | None:
    """Digest of a module's source and of all that it imports, at any remove, from its own package or folder.

    None where that is not the code that runs: the module has no source, as in a notebook, or a file was edited after
    it was imported. Other packages count by their versions (PACKAGES), or not at all: what a plug-in's dependencies do
    when they are updated is not seen.

    Parameters
    ----------
    module
        Its name.
    source
        Gives the source of a module, None of what has none; without it files are read.

    Examples
    --------
    >>> code("fusebench.fusers.pixel.trivial") == code("fusebench.fusers.pixel.wavelet")
    False
    >>> code("builtins") is None
    True
    """
    if (package := module.partition(".")[0]) in PACKAGES.values():
        return package
    read = source or _source
    found: dict[str, str] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        if name in found or (text := read(name)) is None:
            continue
        if not _is_loaded(name, text):
            return None
        found[name] = hashlib.sha256(text).hexdigest()
        is_package = hasattr(sys.modules.get(name), "__path__")
        pending += [other for other in _imports(name, text, is_package) if _belongs(other, module)]
    return _digest(sorted(found.items())) if module in found else None


def _is_loaded(name: str, source: bytes) -> bool:
    """Say whether the functions of a module are those of its source: they may be older, or typed at a prompt."""
    values = [*vars(sys.modules[name]).values()] if name in sys.modules else []
    members = [f for value in values for f in (vars(value).values() if isinstance(value, type) else (value,))]
    functions = (inspect.unwrap(f) for f in members if isinstance(f, FunctionType))
    ours = [f.__code__ for f in functions if isinstance(f, FunctionType) and f.__module__ == name]
    # The methods that dataclasses add are not in the file; their code says <string>.
    return {_plain(found) for found in ours if found.co_filename != "<string>"} <= _functions(source)


@lru_cache(maxsize=512)
def _functions(source: bytes) -> frozenset[tuple[Any, ...]]:
    """Give every function of a source, at whatever depth."""
    try:
        pending = [compile(source, "", "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):  # a compiled extension
        return frozenset()
    found = set()
    while pending:
        code = pending.pop()
        found.add(_plain(code))
        pending += [part for part in code.co_consts if isinstance(part, CodeType)]
    return frozenset(found)


def _plain(code: CodeType) -> tuple[Any, ...]:
    """Give what a function does and where it stands, without the functions in it."""
    constants = tuple(part for part in code.co_consts if not isinstance(part, CodeType))
    return code.co_qualname, code.co_firstlineno, code.co_code, code.co_names, constants


def _belongs(other: str, module: str) -> bool:
    """Say whether two modules are of one package, or of two that lie in one folder where nothing is installed."""
    (ours, _, _), (theirs, _, _) = module.partition("."), other.partition(".")
    folder = _folder(ours)
    return ours == theirs or (folder is not None and folder.name not in INSTALLED and folder == _folder(theirs))


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


@lru_cache(maxsize=512)
def _imports(module: str, source: bytes, is_package: bool) -> tuple[str, ...]:  # noqa: FBT001  of the source
    """Name what a module imports, wherever in it; each name of a package may be a module of it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # a compiled extension
        return ()
    parents = module.split(".")
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = parents[: len(parents) - node.level + is_package] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            found += (base, *(f"{base}.{alias.name}" for alias in node.names))
    return tuple(found)
