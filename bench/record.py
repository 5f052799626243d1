"""Has a score moved? The suite smoke, the record of its scores in git, and what counts as the same score."""

import math
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pandas as pd
from fusebench.bench.engine.plan import Progress
from fusebench.bench.engine.run import run
from fusebench.bench.engine.store import SCORES, Result, read_rows, write_text
from fusebench.bench.suite import Suite, Table, middle_slices
from fusebench.datasets import phantom
from fusebench.fusers.base import label
from fusebench.fusers.catalogue import FUSERS
from fusebench.fusers.neural.multifocus import MultiFocusCNN
from fusebench.fusers.neural.vgg16 import VGG16LBFGS
from fusebench.fusers.neural.vgg16_weights import LAYERS
from fusebench.fusers.pixel.trivial import Average, SourceA, SourceB
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.profiles import PROFILES

KEY = [*Result._fields[:-1]]


def smoke() -> Suite:
    """Build what the record holds: every fuser, layer and metric on small synthetic pairs, in under a minute.

    The layers run in float64 and shorter than the protocol: in float32 the protocol's scores differ by percents
    between processors, some metrics' by tens of percents, and a gate that wide would let anything through. So the
    protocol itself is judged by the paper's metrics alone. MS_SSIM needs more than 64 x 64 pixels, so
    three fusers run on a whole slice too.
    """
    middle = middle_slices(phantom.entries(size=64))
    small = tuple(metric for metric in METRICS if metric.name != "MS_SSIM")
    # Undefined for a source returned untouched: 0/0, and the logarithm of no error.
    of_sources = tuple(metric for metric in small if metric.name not in {"SCD", "PSNR"})
    defaults = tuple(metric for metric in small if not metric.variant)
    # Another kind than those above: a pair's name says nothing of its size.
    whole = middle_slices(phantom.entries(["PET-MRI"]))
    # On pairs this small the multi-focus network finds one source in focus everywhere.
    sources = (SourceA(), SourceB(), MultiFocusCNN())
    methods = tuple(cls() for cls in FUSERS if cls() not in {*sources, VGG16LBFGS()})
    layers = tuple(VGG16LBFGS(layer=layer, rounds=2, iterations=4, precision="float64") for layer in LAYERS)
    return {
        "smoke": Table("Every method, small synthetic pairs", methods, middle, small),
        "smoke-sources": Table("A source returned untouched", sources, middle, of_sources),
        "smoke-protocol": Table("The paper's protocol", (VGG16LBFGS(),), middle, PROFILES["seed"]),
        "smoke-layers": Table("Every layer in float64, a small synthetic pair", layers, middle[:1], defaults),
        "smoke-whole": Table(
            "Every metric, a synthetic slice", (Average(), Wavelet(), MultiFocusCNN(variant="medical")), whole, METRICS
        ),
    }


# Rounding is that of the terms that a score is made of, and these are about 1 in its unit: a similarity, a bit, a grey
# level. Where they cancel, and the score is 0, their rounding remains: of 1e-16 each, far below 1e-9 of this.
FLOOR = 1e-3


def change(old: float, new: float) -> float:
    """Change of a score, relative to the old one or to FLOOR; infinite if one of them is not finite.

    Two NaNs are equal, and two infinities.

    Examples
    --------
    >>> change(20.0, 20.5), change(0.0, 1e-5), change(float("inf"), float("inf")), change(1.0, float("nan"))
    (0.025, 0.01, 0.0, inf)
    """
    if old == new or (math.isnan(old) and math.isnan(new)):
        return 0.0
    return abs(new - old) / max(abs(old), FLOOR) if math.isfinite(old) and math.isfinite(new) else math.inf


def tolerance(fuser: str, metric: str) -> float:
    """Largest `change` that is still the same score, for the row of these labels.

    A metric says what rounding makes of its score (`Metric.rounding`), and a fuser what it makes of the scores of its
    image (`drift`). Most fusers say nothing: they give the same 8-bit image on any machine. ADR 3 has the measurements.

    Examples
    --------
    >>> tolerance("wavelet", "SF"), tolerance("vgg16[layer=conv1_2]", "SF")
    (1e-09, 0.02)
    """
    drifts, roundings = _stated()
    return max(drifts.get(fuser, 0.0), roundings.get(metric, 0.0))


@cache
def _stated() -> tuple[dict[str, float], dict[str, float]]:
    """Give the drifts of the recorded suite's fusers and the roundings of all metrics, by label."""
    fusers = [fuser for table in smoke().values() for fuser in table.fusers]
    drifts = {label(fuser): getattr(fuser, "drift", 0.0) for fuser in fusers}
    return drifts, {metric.label: metric.rounding for metric in METRICS}


def read_scores(path: Path) -> pd.DataFrame:
    """Read a file of scores. Raises ValueError, naming the file, if it is not one."""
    try:
        return pd.DataFrame(read_rows(path, Result), columns=Result._fields)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; `fusebench record` writes it, from the project's root") from None


def compare(record: pd.DataFrame, found: pd.DataFrame) -> list[str]:
    """Say every way in which the scores found differ from the record; nothing where they agree.

    A row that is missing, extra, doubled or NaN on either side is a difference. So is a score that moved by more than
    its `tolerance`, up or down: better is also drift.
    """
    problems: list[str] = []
    sides = {}
    for name, table in (("record", record), ("run", found)):
        indexed = table.set_index(KEY).score
        problems += [f"{_spell(key)}: twice in the {name}" for key in indexed.index[indexed.index.duplicated()]]
        sides[name] = indexed[~indexed.index.duplicated()]
        problems += [f"{_spell(key)}: NaN in the {name}" for key in sides[name].index[sides[name].isna()]]
    before, after = sides["record"], sides["run"]
    problems += [f"{_spell(key)}: in the record but not computed" for key in before.index.difference(after.index)]
    problems += [f"{_spell(key)}: computed but not in the record" for key in after.index.difference(before.index)]
    for key in before.index.intersection(after.index):
        old, new, allowed = float(before[key]), float(after[key]), tolerance(*key[2:])
        if change(old, new) > allowed and not (math.isnan(old) or math.isnan(new)):  # a NaN was said above
            relative = f"{100 * (new - old) / abs(old):+.4g} %" if old else "from zero"
            problems.append(f"{_spell(key)}: {old:.12g} -> {new:.12g} ({relative}, tolerance {allowed:g})")
    return problems


def recompute(suite: Suite, jobs: int, progress: Progress) -> pd.DataFrame:
    """Run a suite, such as `smoke`, in so many processes and give its scores. Raises ValueError if anything fails."""
    with tempfile.TemporaryDirectory() as folder:
        summary = run(suite, Path(folder), name="smoke", jobs=jobs, progress=progress)
        if summary.failures:
            raise ValueError(f"failed: {summary.failures[0]}")
        return read_scores(Path(folder) / SCORES)


def write(path: Path, scores: pd.DataFrame) -> None:
    """Write a record. Raises ValueError if a score is NaN, which could not be checked."""
    if nans := int(scores.score.isna().sum()):
        raise ValueError(f"{nans} of {len(scores)} scores are NaN; a record of them could not be checked")
    # Twelve digits: more than the tolerance asks for, fewer than differ between machines.
    write_text(path, scores.to_csv(index=False, float_format="%.12g", lineterminator="\n"))


def _spell(key: Iterable[str]) -> str:
    return " ".join(key)
