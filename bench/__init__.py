"""Which fusers run on which pairs, and whether a score has moved.

The door for Python: `fuse`, `score`, `compare`, and `fuser`, which makes a method of a function. They are imported when
they are first asked for; importing this package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusebench.bench.door import Comparison, compare, fuse, score
    from fusebench.fusers.function import fuser

__all__ = ["Comparison", "compare", "fuse", "fuser", "score"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'fusebench.bench' has no attribute {name!r}")
    if name == "fuser":
        from fusebench.fusers import function

        return function.fuser
    from fusebench.bench import door

    return getattr(door, name)
