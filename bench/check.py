"""Has a score moved? Recomputed scores against the record in git."""

import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

KEY = ["dataset", "pair", "fuser", "metric"]

# Closed-form and transform fusers give the same 8-bit image on any machine, up to rounding of a pixel that lies half
# way between two grey levels; docs/adr/0003 has the measurements.
TOLERANCE = 1e-6
# Rounding in float32 differs between processors, and 67 evaluations of L-BFGS amplify it. The same code runs in
# float64 in other rows, under the tolerance above.
TOLERANCE_FLOAT32 = 2e-2


def tolerance(fuser: str) -> float:
    """Relative drift that is still the same score, for the row of this label."""
    amplifies = fuser.startswith("vgg16") and "precision=float64" not in fuser
    return TOLERANCE_FLOAT32 if amplifies else TOLERANCE


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
    `tolerance` relative to the record, up or down: better is also drift.
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
        old, new, allowed = float(before[key]), float(after[key]), tolerance(key[KEY.index("fuser")])
        # NaN was said above; an infinite score is the same or it is not.
        moved = old != new if math.isinf(old) or math.isinf(new) else abs(new - old) > allowed * abs(old)
        if moved and not (math.isnan(old) or math.isnan(new)):
            relative = f"{100 * (new - old) / abs(old):+.4g} %" if old else "from zero"
            problems.append(f"{_spell(key)}: {old:.10g} -> {new:.10g} ({relative}, tolerance {100 * allowed:g} %)")
    return problems


def _spell(key: Iterable[str]) -> str:
    return " ".join(key)
