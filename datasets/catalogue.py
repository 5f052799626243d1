"""Every data set that comes with the bench: one line each. Anything else is a folder of pairs."""

from collections.abc import Callable, Mapping
from pathlib import Path

from fusebench.datasets import layouts, phantom
from fusebench.datasets.cases import Say, silent
from fusebench.datasets.pair import Entry
from fusebench.datasets.reading import AS_STATED, Reading

DATASETS: Mapping[str, Callable[[], tuple[Entry, ...]]] = {
    "phantom": phantom.entries,
    "phantom-colour": phantom.coloured,
}


def entries(name: str, reading: Reading = AS_STATED, say: Say = silent) -> tuple[Entry, ...]:
    """List the pairs of a data set of the bench, by its name, or of a folder, read as told. Raises ValueError."""
    if name not in DATASETS:
        return layouts.entries(Path(name), reading, say)
    if reading != AS_STATED:
        raise ValueError(f"{name}: is no folder of files; windows, axes, colour tables and cases are for those")
    return DATASETS[name]()
