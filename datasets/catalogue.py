"""Every data set that comes with the bench: one line each. Anything else is a folder of pairs."""

from collections.abc import Callable, Mapping
from pathlib import Path

from fusebench.datasets import folder, phantom
from fusebench.datasets.pair import Entry

DATASETS: Mapping[str, Callable[[], tuple[Entry, ...]]] = {
    "phantom": phantom.entries,
}


def entries(name: str) -> tuple[Entry, ...]:
    """List the pairs of a data set of the bench, by its name, or of a folder. Raises ValueError."""
    return DATASETS[name]() if name in DATASETS else folder.entries(Path(name))
