"""Which definition is that number? Every convention of a metric, ranked by how nearly it gives a published value."""

import math
from typing import NamedTuple

from fusebench.metrics.base import score
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
    """One convention and how far its value lies from the one to be explained."""

    label: str
    score: float
    difference: float  # relative to the value explained, or absolute where that is 0
    source: str


def explain(a: Tensor, b: Tensor, fused: Tensor, metric: str, value: float) -> list[Candidate]:
    """Rank the conventions under which a metric of this name is known, the nearest to `value` first.

    Parameters
    ----------
    a, b, fused
        One triple, each (1, H, W), uint8.
    metric
        Name of a metric, such as "PSNR"; spelling of case and of "_" and "^" does not matter. Metrics that papers
        call by each other's names (MI, M, Q_MI and "NMI") are tried together.
    value
        The published number.

    Raises
    ------
    ValueError
        If no metric has that name, or the value is not finite.
    """
    if not math.isfinite(value):
        raise ValueError(f"--value {value}: a published score is a number")
    asked = next((names for names in CONFUSED if plain(metric) in names), {plain(metric)})
    records = [record for record in METRICS if plain(record.name) in asked]
    if not records:
        names = ", ".join(dict.fromkeys(record.name for record in METRICS))
        raise ValueError(f"no metric is called {metric!r}; known: {names}")
    scale = abs(value) or 1.0
    scores = {label: s.item() for label, s in score(a, b, fused, records).items()}
    candidates = [Candidate(r.label, scores[r.label], abs(scores[r.label] - value) / scale, r.source) for r in records]
    # NaN is no explanation: it comes last.
    return sorted(candidates, key=lambda c: (c.difference != c.difference, c.difference))
