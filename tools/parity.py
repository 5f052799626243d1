"""The parity matrix, docs/parity.md, from what the code bases printed: `make parity`."""

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
            difference = f"{abs(ours - theirs) / abs(theirs):.0e}"
            lines.append(f"| {profile} | {name} | {label} | {ours:.7g} | {theirs:.7g} | {difference} |")
            used += [label] if "@" in label else []
    variants = [f"- `{label}`: {sources[label]}" for label in dict.fromkeys(used)]
    return "\n".join([*lines, "", "The variants:", "", *variants]) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(HEAD + matrix(case("f_avg")), encoding="utf-8")
