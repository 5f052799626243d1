"""Which definition is that number? Every convention of a metric, ranked by how nearly it gives a published value."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

import torch
from fusebench.datasets.formats import stem, told
from fusebench.datasets.names import natural, without
from fusebench.metrics.base import Metric, score
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.profiles import plain
from torch import Tensor

# Names that papers use for each other's metrics, without case and signs.
CONFUSED = (
    {"MI", "M", "QMI", "NMI"},
    {"VIF", "VIFF", "VIFP"},
    {"QABF", "QG"},
    {"QTE", "QNTE", "TE"},
    {"FMI", "FMIPIXEL", "FMIGRADIENT", "FMIEDGE", "FMIDCT"},
)


class Candidate(NamedTuple):
    """One convention and how far its value lies from the one to be explained.

    It `matches` if it is that value to the digits that were printed.
    """

    label: str
    score: float
    difference: float  # relative to the value explained, or absolute where that is 0
    matches: bool
    source: str


def explain(triples: Iterable[tuple[Tensor, Tensor, Tensor]], metric: str, value: str) -> list[Candidate]:
    """Rank the conventions under which a metric of this name is known, the nearest to `value` first.

    Parameters
    ----------
    triples
        Two sources and their fusion, each (1, H, W), uint8; of several triples the mean score is compared.
    metric
        Name of a metric, such as "PSNR"; spelling of case and of "_" and "^" does not matter. Metrics that papers
        call by each other's names (MI, M, Q_MI and "NMI") are tried together.
    value
        The published number as it was printed: a score matches "1.31" if it differs by at most 0.005.

    Raises
    ------
    ValueError
        If no metric has that name, or the value is no finite number.

    Examples
    --------
    >>> x = torch.arange(0, 64, dtype=torch.uint8).view(1, 8, 8)
    >>> [candidate.label for candidate in explain([(x, x, x)], "EN", "6.00") if candidate.matches]
    ['EN', 'EN@ivif_zoo']
    """
    printed = _number(value)
    records = _called(metric)
    scores = [score(*triple, records) for triple in triples]
    target, half = float(printed), float(Decimal((0, (5,), int(printed.as_tuple().exponent) - 1)))
    candidates = []
    for record in records:
        mean = torch.cat([found[record.label] for found in scores]).mean().item()
        off = abs(mean - target)
        # 64.345 has no exact binary form: half a unit is taken with room for that.
        matches = off <= half * (1 + 1e-9)
        candidates.append(Candidate(record.label, mean, off / (abs(target) or 1.0), matches, record.source))
    # NaN is no explanation: it comes last.
    return sorted(candidates, key=lambda c: (c.difference != c.difference, c.difference))


def _number(value: str) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise ValueError(f"--value {value}: a published score is a number")
    return number


def _called(metric: str) -> list[Metric]:
    asked = next((names for names in CONFUSED if plain(metric) in names), {plain(metric)})
    records = [record for record in METRICS if plain(record.name) in asked]
    if not records:
        names = ", ".join(dict.fromkeys(record.name for record in METRICS))
        raise ValueError(f"no metric is called {metric!r}; known: {names}")
    return records


def files(a: Path, b: Path, fused: Path) -> list[tuple[Path, Path, Path]]:
    """Give the files of each triple: the three that are named, or those of one name in three folders.

    A name may have that of its folder before or behind it, as CT/10_CT.png has. Sources without a fusion are left out.

    Raises
    ------
    ValueError
        If some are folders and some are not, a folder holds no image or two of one name, or a fusion has no source.
    """
    places = (a, b, fused)
    folders = [place for place in places if place.is_dir()]
    if not folders:
        return [places]
    if len(folders) < len(places):
        other = next(place for place in places if place not in folders)
        raise ValueError(f"{other}: no folder, but {folders[0]} is one; name three files or three folders")
    first, second, results = (_images(place) for place in places)
    for folder, found in ((a, first), (b, second)):
        if lacking := [name for name in results if name not in found]:
            raise ValueError(f"{results[lacking[0]]}: {folder} has no image of that name")
    return [(first[name], second[name], results[name]) for name in sorted(results, key=natural)]


def _images(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and told(path):
            name = without(stem(path), folder.name) or stem(path)
            if (other := found.setdefault(name, path)) != path:
                raise ValueError(f"{path}: {other.name} has the same name; which of them is meant?")
    if not found:
        raise ValueError(f"{folder}: holds no image")
    return found
