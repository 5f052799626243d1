"""What other instruction sets make of the scores: docs/processors.md, `make processors`.

The same program scores the same images under each instruction set and number of threads that this processor has. A
score that rests on rounding changes there.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from fusebench.bench.external import External, rows
from fusebench.bench.gate.changes import change
from fusebench.bench.suite import select
from fusebench.datasets import layouts, phantom
from fusebench.datasets.pair import Pair
from fusebench.fusers.neural.multifocus import MultiFocusCNN
from fusebench.fusers.pixel.trivial import Average, Maximum
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.catalogue import METRICS
from processor_paths import PATHS, run
from torch import Tensor

# Against which the paths are held. Threads that wait without spinning cost no time where other processes run.
HERE = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
# What the page does not list.
LISTED = 1e-11

FUSERS = (Average(), Maximum(), Wavelet(), MultiFocusCNN())

SCORE = """
import json, torch
from fusebench.metrics.base import score
from fusebench.metrics.catalogue import METRICS

scores = [{{k: v.tolist() for k, v in score(*images, METRICS).items()}} for images in torch.load({file!r})]
print(json.dumps([torch.backends.cpu.get_cpu_capability(), torch.get_num_threads(), scores]))
"""


class Images(NamedTuple):
    """Two sources, (1, H, W), and the images that several methods made of them, (N, H, W), all uint8."""

    a: Tensor
    b: Tensor
    fused: Tensor


class Change(NamedTuple):
    """The largest change of a record's score, and the path under which it was seen."""

    size: float
    path: str


class Scored(NamedTuple):
    """What a process found: the instruction set and threads that it used, and for each pair all records' scores."""

    capability: str
    threads: int
    scores: list[dict[str, list[float]]]


def images(pair: Pair, methods: Iterable[External] = ()) -> Images:
    """Fuse a pair by a few methods, and read what others have made of it."""
    a, b = pair.a[None], pair.b[None]
    made = [fuser(a, b)[0] for fuser in FUSERS] + [method.read(pair)[0] for method in methods]
    return Images(*((255 * x).round().to(torch.uint8) for x in (a, b, torch.stack(made))))


def synthetic(slices: Sequence[int], size: int) -> list[Images]:
    """Give synthetic pairs of four kinds."""
    return [images(phantom.pair(kind, z, size)) for kind in (*phantom.KINDS, "PET-MRI") for z in slices]


def real(shared: Path) -> list[Images]:
    """Give pairs whose fused images were published, with three methods' images besides."""
    entries = layouts.entries(shared / "data" / "medical")
    methods = rows(shared / "data" / "published_results", entries)
    found = []
    for kind in ("PET-MRI", "SPECT-MRI", "CT-MRI"):
        listed = [entry for entry in entries if entry.kind == kind]
        made = {entry.name: [method for method in methods if method.sha256(kind, entry.name)] for entry in listed}
        chosen = select([entry for entry in listed if made[entry.name]], 2)
        found += [images(entry.read(), made[entry.name][:3]) for entry in chosen]
    return found


def scored(triples: Sequence[Images], path: Mapping[str, str], scratch: Path) -> Scored:
    """Score the images by every record in a process of its own, under a path."""
    torch.save([tuple(images) for images in triples], scratch / "images.pt")
    return Scored(*json.loads(run(SCORE.format(file=str(scratch / "images.pt")), {**HERE, **path})))


def largest(before: Scored, after: Mapping[str, Scored]) -> dict[str, Change]:
    """Give each record's largest change, by its label."""

    def of(label: str, found: Scored) -> float:
        pairs = zip(before.scores, found.scores, strict=True)
        return max(change(x, y) for old, new in pairs for x, y in zip(old[label], new[label], strict=True))

    return {label: max(Change(of(label, found), path) for path, found in after.items()) for label in before.scores[0]}


def too_large(changes: Mapping[str, Change]) -> dict[str, Change]:
    """Give the changes that are larger than what the record states."""
    allowed = {metric.label: metric.rounding for metric in METRICS}
    return {label: change for label, change in changes.items() if change.size > allowed[label]}


def everything() -> list[Images]:
    """Give synthetic pairs of every kind, and real ones where the folder of them is."""
    shared = os.environ.get("FUSEBENCH_SHARED")
    return [*synthetic([-30, 20], 64), *synthetic([20], 256), *(real(Path(shared)) if shared else ())]


HEAD = """# What rounding does to the scores

Written by `make processors`: every record scored {count} fused images of {pairs} pairs with black background ({which})
in processes of their own, under each instruction set and number of threads that the libraries can be told to use
(`tests/processor_paths.py`). A change is relative to the score, or to 0.001 where that is larger, and the table holds
the largest of each record that changed by more than {listed:g}. The {others} records that are not in it changed
by less.

"Allowed" is what the record states (`Metric.rounding`), what `make check` lets pass, and what
`tests/metrics/test_processors.py` holds it to: 1e-9 for every definition of the bench, and the measured figure for a
variant that rests on rounding, as its code base wrote it.

"""


def page(changes: Mapping[str, Change], triples: Sequence[Images], which: str) -> str:
    """Lay the page out."""
    stated = {metric.label: metric.rounding for metric in METRICS}
    listed = sorted(((c.size, label, c.path) for label, c in changes.items() if c.size > LISTED), reverse=True)
    head = HEAD.format(
        count=sum(len(images.fused) for images in triples),
        pairs=len(triples),
        which=which,
        listed=LISTED,
        others=len(changes) - len(listed),
    )
    lines = ["| record | allowed | largest change | seen under |", "|:--|--:|--:|:--|"]
    lines += [f"| {label} | {stated[label]:g} | {size:.1e} | {path} |" for size, label, path in listed]
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    everywhere = everything()
    with TemporaryDirectory() as scratch:
        base = scored(everywhere, {}, Path(scratch))
        under = {name: scored(everywhere, path, Path(scratch)) for name, path in PATHS.items()}
    kinds = "synthetic and real" if "FUSEBENCH_SHARED" in os.environ else "synthetic"
    Path(sys.argv[1]).write_text(page(largest(base, under), everywhere, kinds), encoding="utf-8")
