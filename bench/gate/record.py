"""Has a score moved? The suite smoke, and the record of a suite's scores in git."""

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fusebench.bench import colour
from fusebench.bench.engine.run import run
from fusebench.bench.engine.store import Failure, write_text
from fusebench.bench.gate.changes import KEY, Change, changes, read_scores, stated
from fusebench.bench.suite import Suite, Table, middle_slices
from fusebench.datasets import phantom
from fusebench.datasets.cases import Progress
from fusebench.fusers.catalogue import FUSERS
from fusebench.fusers.decision.bayes import Bayes
from fusebench.fusers.feature.gff import GFF
from fusebench.fusers.neural.multifocus import MultiFocusCNN
from fusebench.fusers.neural.support_value_cnn import SupportValueCNN
from fusebench.fusers.neural.vgg16 import VGG16LBFGS
from fusebench.fusers.neural.vgg16_colour import VGG16Colour
from fusebench.fusers.neural.vgg16_weights import LAYERS
from fusebench.fusers.pixel.trivial import Average, SourceA, SourceB
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.profiles import PROFILES

if TYPE_CHECKING:
    import pandas as pd


def smoke() -> Suite:
    """Build what the record holds: every fuser, layer and metric on small synthetic pairs, in two minutes.

    The layers run in float64 and shorter than the protocol: in float32 the protocol's scores differ by percents
    between processors, some metrics' by tens of percents, and a gate that wide would let anything through. So the
    protocol itself, and the bounded solver at full length, are judged by the paper's metrics alone. With more than two
    evaluations at a layer the bounded solver amplifies the rounding of float64 too. MS_SSIM needs more than 64 x 64
    pixels, so three fusers run on a whole slice too.
    """
    middle = middle_slices(phantom.entries(size=64))
    small = tuple(metric for metric in METRICS if metric.name != "MS_SSIM")
    # Undefined for a source returned untouched: 0/0, and the logarithm of no error.
    of_sources = tuple(metric for metric in small if metric.name not in {"SCD", "PSNR"})
    defaults = tuple(metric for metric in small if not metric.variant)
    # Another kind than those above: a pair's name says nothing of its size.
    whole = middle_slices(phantom.entries(["PET-MRI"]))
    # On pairs this small these find one source in focus everywhere, of one kind at least.
    sources = (SourceA(), SourceB(), MultiFocusCNN(), SupportValueCNN(), Bayes(), GFF())
    methods = tuple(cls() for cls in FUSERS if cls() not in {*sources, VGG16LBFGS()})
    short = {"protocol": (2, 4), "bounded": (1, 2)}
    layers = tuple(
        VGG16LBFGS(layer=layer, solver=solver, rounds=rounds, iterations=iterations, precision="float64")
        for solver, (rounds, iterations) in short.items()
        for layer in LAYERS
    )
    protocol = VGG16LBFGS(solver="protocol"), VGG16LBFGS()
    return {
        "smoke": Table("Every method, small synthetic pairs", methods, middle, small),
        "smoke-sources": Table("A source returned untouched", sources, middle, of_sources),
        "smoke-protocol": Table("The paper's protocol, and bounded", protocol, middle, PROFILES["seed"]),
        "smoke-layers": Table("Every layer in float64, a small synthetic pair", layers, middle[:1], defaults),
        "smoke-whole": Table(
            "Every metric, a synthetic slice", (Average(), Wavelet(), MultiFocusCNN(variant="medical")), whole, METRICS
        ),
        **{f"smoke-colour-{name}": table for name, table in _in_colour().items()},
    }


def _in_colour() -> Suite:
    """Give what the suite colour has and the tables above have not, on small pairs of kinds that those have not."""
    tables = colour.colour(phantom.coloured(["MRI-PET", "MRI-SPECT"], size=64))
    cheap = {f for table in tables.values() for f in table.fusers if getattr(f, "colour", False)} - {VGG16Colour()}
    return {
        name: replace(
            table,
            fusers=(*(fuser for fuser in table.fusers if fuser in cheap), VGG16Colour(evaluations=2)),
            metrics=(*PROFILES["sound"], *(metric for metric in table.metrics if metric.of_colour)),
            shown=(),
        )
        for name, table in tables.items()
    }


def recompute(suite: Suite, jobs: int, progress: Progress) -> "tuple[pd.DataFrame, tuple[Failure, ...]]":
    """Run a suite, such as `smoke`, in so many processes, and give its scores and what failed."""
    with tempfile.TemporaryDirectory() as folder:
        summary = run(suite, Path(folder), name="record", jobs=jobs, progress=progress)
        return read_scores(Path(folder)), summary.failures


def moved(
    record: "pd.DataFrame", found: "pd.DataFrame", suite: Suite, failures: Iterable[Failure] = ()
) -> list[Change]:
    """Give the changes between a record and what a suite gave, as it, its fusers and metrics allow (`changes.stated`).

    What `failures` explain is left out: they have a reason of their own.
    """
    fusers = (fuser for table in suite.values() for fuser in table.fusers)
    metrics = (metric for table in suite.values() for metric in table.metrics)
    tolerances = {name: allowed for table in suite.values() for name, allowed in table.tolerances.items()}
    failed = {failure[:-2] for failure in failures if not failure.metric}
    failed_scores = {failure[:-1] for failure in failures}
    return [
        change
        for change in changes(record, found, stated(fusers, metrics, tolerances))
        if change.item not in failed and (*change.item, change.fuser_and_metric[1]) not in failed_scores
    ]


def write(path: Path, scores: "pd.DataFrame") -> None:
    """Write a record. Raises ValueError if a score is undefined: it could not be seen to move."""
    if len(undefined := scores[scores.score.isna()]):
        kind, pair, fuser, metric = undefined.iloc[0][KEY]
        raise ValueError(f"{metric} of {fuser} on {kind}/{pair} is undefined; a record holds scores that are numbers")
    # Twelve digits: more than the tolerance asks for, fewer than differ between machines.
    write_text(path, scores.to_csv(index=False, float_format="%.12g", lineterminator="\n"))
