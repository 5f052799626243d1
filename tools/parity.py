"""The parity matrix, docs/parity.md, from what the code bases printed: `make parity`."""

import math
import os
import sys
from pathlib import Path

from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.profiles import score
from printed import PRINTED, Peers, case

HEAD = """# Parity matrix

Written by `make parity` from the values that the code bases themselves printed for one MRI/CT pair and the rounded
average of the two (256 x 256, 8 bits). A label with an @ is a record of that code base's own value; what it does
otherwise is said below. Differences of 1e-10 are the printed digits of MATLAB codes, of 1e-8 to 1e-6 the float32 of
Python ones; where more is allowed, `tests/metrics/test_profiles.py` says why.

"""


def matrix(peers: Peers) -> str:
    """Give the parity matrix: what each code base printed for its metrics on one triple, and what the bench gives."""
    lines = ["| code base | its name | ours | our score | theirs | relative difference |", "|:--|:--|:--|--:|--:|--:|"]
    sources = {metric.label: metric.source for metric in METRICS}
    used: list[str] = []
    for profile, (peer, _, printed) in PRINTED.items():
        scores = score(*peers.images, profile)
        for label, name in printed.items():
            ours, theirs = scores[label].item(), peers.values[peer][name]
            difference = _below(abs(ours - theirs) / abs(theirs))
            lines.append(f"| {profile} | {name} | {label} | {ours:.7g} | {theirs:.7g} | {difference} |")
            used += [label] if "@" in label else []
    variants = [f"- `{label}`: {sources[label]}" for label in dict.fromkeys(used)]
    return "\n".join([*lines, "", "The variants:", "", *variants]) + "\n"


def _below(difference: float) -> str:
    """Give a power of ten above a difference, whose own digits depend on the processor.

    Examples
    --------
    >>> _below(2e-8), _below(4e-4), _below(0.0)
    ('< 1e-07', '< 1e-03', '< 1e-10')
    """
    exponent = math.floor(math.log10(difference)) + 1 if difference else -10
    return f"< 1e{max(-10, exponent):03d}"


if __name__ == "__main__":
    if not os.environ.get("FUSEBENCH_SHARED"):
        sys.exit("make parity needs FUSEBENCH_SHARED, the folder of reference values")
    Path(sys.argv[1]).write_text(HEAD + matrix(case("f_avg")), encoding="utf-8")
