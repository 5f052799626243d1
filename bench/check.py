"""Has a score moved? Recomputed scores against the record in git."""

import math
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pandas as pd
from fusebench.bench.suite import smoke
from fusebench.fusers.base import label
from fusebench.metrics.catalogue import METRICS

KEY = ["dataset", "pair", "fuser", "metric"]


def change(old: float, new: float) -> float:
    """Change of a score, relative to the old one, or to 1 where that is larger; infinite if one of them is not finite.

    Rounding is that of the terms that a score is made of, and these are about 1 in its unit: a similarity, a bit, a
    grey level. Where they cancel, and the score is 0, their rounding remains. Two NaNs are equal, and two infinities.

    Examples
    --------
    >>> change(20.0, 20.5), change(0.0, 1e-12), change(float("inf"), float("inf")), change(1.0, float("nan"))
    (0.025, 1e-12, 0.0, inf)
    """
    if old == new or (math.isnan(old) and math.isnan(new)):
        return 0.0
    return abs(new - old) / max(abs(old), 1.0) if math.isfinite(old) and math.isfinite(new) else math.inf


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
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise ValueError(f"{path}: not a file of scores (no regular file); expected {', '.join([*KEY, 'score'])}")
    try:
        table = pd.read_csv(
            path, dtype=dict.fromkeys(KEY, str), keep_default_na=False, na_values={"score": ["nan", ""]}
        )
        return table[[*KEY, "score"]].astype({"score": float})
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; `fusebench record` writes it, from the project's root") from None
    except (KeyError, ValueError) as error:  # a column is missing; pandas' parser errors are ValueErrors
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path}: not a file of scores ({reason}); expected {', '.join([*KEY, 'score'])}") from error


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


def _spell(key: Iterable[str]) -> str:
    return " ".join(key)
