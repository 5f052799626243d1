"""Two sets of scores: what moved, appeared or disappeared, and by how much."""

import math
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fusebench.bench.engine.store import SCORES, Score, parse_rows, read_rows
from fusebench.fusers.base import Named, label, parse
from fusebench.fusers.catalogue import known
from fusebench.metrics.base import Metric
from fusebench.metrics.catalogue import METRICS

if TYPE_CHECKING:
    import pandas as pd

KEY = [*Score._fields[:-1]]
Key = tuple[str, str, str, str]  # kind, pair, and the labels of fuser and metric
Tolerance = Callable[[str, str], float]  # of the labels of fuser and metric

# A score is a sum of terms, which are about 1 in its unit: a similarity, a bit, a grey level. Each term is rounded by
# 1e-16. Where terms cancel the score may be 0 and their rounding remains, so a change is not taken relative to less
# than this; 1e-9 of it is still far above the rounding.
FLOOR = 1e-3
# Of a fuser or a metric that the bench does not know: what any metric of the bench keeps on every processor.
ROUNDING = 1e-9


class Change(NamedTuple):
    """A score on two sides, None where a side lacks it."""

    key: Key
    before: float | None
    after: float | None
    allowed: float

    @property
    def fuser_and_metric(self) -> tuple[str, str]:
        """Labels of the fuser and the metric."""
        return self.key[2:]

    @property
    def item(self) -> tuple[str, str, str]:
        """Kind, pair and label of the fuser, as `Failure` has them."""
        return self.key[:3]

    @property
    def size(self) -> float:
        """How much it moved (`change`); infinite where a side lacks it."""
        return math.inf if self.before is None or self.after is None else change(self.before, self.after)

    def __str__(self) -> str:
        """Say it in a line."""
        name = " ".join(part for part in self.key if part)
        if self.before is None:
            return f"{name}: appeared, {self.after:.12g}"
        if self.after is None:
            return f"{name}: disappeared, was {self.before:.12g}"
        moved = f"{100 * (self.after - self.before) / abs(self.before):+.4g} %" if self.before else "from zero"
        return f"{name}: {self.before:.12g} -> {self.after:.12g} ({moved}, tolerance {self.allowed:g})"


def change(old: float, new: float) -> float:
    """Change of a score, relative to the old one or to FLOOR; infinite if one of them is not finite.

    Two NaNs are equal, and so are two infinities of one sign.

    Examples
    --------
    >>> change(20.0, 20.5), change(0.0, 1e-5), change(float("inf"), float("inf")), change(1.0, float("nan"))
    (0.025, 0.01, 0.0, inf)
    """
    if old == new or (math.isnan(old) and math.isnan(new)):
        return 0.0
    return abs(new - old) / max(abs(old), FLOOR) if math.isfinite(old) and math.isfinite(new) else math.inf


def stated(
    fusers: Iterable[Named] = (),
    metrics: Iterable[Metric] = METRICS,
    tolerances: Mapping[tuple[str, str], float] | None = None,
) -> Tolerance:
    """Give the largest `change` that is still the same score, as fusers and metrics state it.

    A metric says what rounding makes of its score (`Metric.rounding`), and a fuser what it makes of the scores of its
    image (`drift`). Most fusers say nothing: they give the same 8-bit image on any machine. ADR 3 has the measurements.
    Fusers of the bench that are not given are made by their labels; of others 1e-9 is allowed. `tolerances` take the
    place of that for a fuser and a metric: the label counts before the fuser's name, and that before "*".

    Examples
    --------
    >>> stated()("wavelet", "SF"), stated()("vgg16[layer=conv1_2]", "SF")
    (1e-09, 0.02)
    """
    drifts = {label(fuser): float(getattr(fuser, "drift", 0.0)) for fuser in fusers}
    roundings = {metric.label: metric.rounding for metric in metrics}

    @cache
    def drift(fuser: str) -> float:
        if fuser in drifts:
            return drifts[fuser]
        try:
            return float(getattr(parse(fuser, known()), "drift", 0.0))
        except ValueError:
            return 0.0

    given = tolerances or {}

    def allowed(fuser: str, metric: str) -> float:
        names = product((fuser, fuser.partition("[")[0], "*"), (metric, "*"))
        found = next((given[name] for name in names if name in given), None)
        return max(drift(fuser), roundings.get(metric, ROUNDING)) if found is None else found

    return allowed


def changes(before: "pd.DataFrame", after: "pd.DataFrame", tolerance: Tolerance) -> list[Change]:
    """Give the scores that moved by more than their tolerance, up or down, and those that one side lacks.

    Better is also drift. An undefined score (NaN) that stays undefined has not moved.
    """
    sides = [table.set_index(KEY).score for table in (before, after)]
    old, new = (dict(zip(side.index, side.astype(float), strict=True)) for side in sides)
    found = [Change(key, old.get(key), new.get(key), tolerance(*key[2:])) for key in sorted(old.keys() | new.keys())]
    return [one for one in found if one.size > one.allowed]


def kept(before: "pd.DataFrame", after: "pd.DataFrame", moved: Sequence[Change]) -> "pd.DataFrame":
    """Give the scores of `after`, but those of `before` where none has moved.

    So a record changes only where a score does, and not with the processor it was made on.
    """
    old = before.set_index(KEY).score.astype(float)
    keys = after.set_index(KEY).index
    stays = keys.isin(old.index) & ~keys.isin([one.key for one in moved])
    return after.assign(score=after.score.astype(float).mask(stays, old.reindex(keys).to_numpy()))


class Group(NamedTuple):
    """The changes of one fuser by one metric, the largest first."""

    fuser: str
    metric: str
    changes: list[Change]

    def __str__(self) -> str:
        """Say them in a line."""
        worst = self.changes[0]
        if len(self.changes) == 1:
            return str(worst)
        steps = [one.after - one.before for one in self.changes if one.before is not None and one.after is not None]
        way = "all up" if min(steps, default=0) > 0 else "all down" if max(steps, default=0) < 0 else "up and down"
        parts = [f"{len(steps)} scores moved, {way}"] if steps else []
        if lacking := len(self.changes) - len(steps):
            parts.append(f"{lacking} on one side only")
        return f"{self.fuser} {self.metric}: {', '.join(parts)}; the largest: {worst}"


def grouped(found: Sequence[Change]) -> list[Group]:
    """Put changes together by fuser and metric, the largest first."""
    groups: dict[tuple[str, str], list[Change]] = {}
    for one in found:
        groups.setdefault(one.fuser_and_metric, []).append(one)
    ordered = [Group(*names, sorted(listed, key=lambda one: -one.size)) for names, listed in groups.items()]
    return sorted(ordered, key=lambda group: -group.changes[0].size)


def markdown(found: Sequence[Change]) -> str:
    """Lay changes out as a table, a row for each fuser and metric, its largest change in full."""
    from tabulate import tabulate

    rows = []
    for group in grouped(found):
        worst = group.changes[0]
        sides = ["" if side is None else f"{side:.6g}" for side in (worst.before, worst.after)]
        size = f"{100 * worst.size:.3g} %" if math.isfinite(worst.size) else ""
        where = " ".join(worst.key[:2])
        rows.append([group.fuser, group.metric, len(group.changes), where, *sides, size])
    headers = ["method", "metric", "scores", "largest on", "before", "after", "change"]
    return tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True)


def read_scores(path: Path) -> "pd.DataFrame":
    """Read a file of scores, or that of a run's folder. Raises ValueError, naming the file, if it is not one."""
    file = path / SCORES if path.is_dir() else path
    try:
        return _frame(read_rows(file, Score), str(file))
    except FileNotFoundError:
        raise ValueError(f"{file}: no such file; `fusebench record` writes it, from the project's root") from None


def read_place(place: str) -> "pd.DataFrame":
    """Read scores from a file, from the folder of a run, or from a revision in git, REVISION:FILE.

    Raises
    ------
    ValueError
        If there are none.
    """
    if Path(place).exists() or ":" not in place:
        return read_scores(Path(place))
    revision, _, file = place.partition(":")
    return _frame(parse_rows(shown(revision, Path(file)), Score, place), place)


def _frame(rows: list[Score], name: str) -> "pd.DataFrame":
    import pandas as pd  # `fusebench list` comes by and needs none

    found = pd.DataFrame(rows, columns=Score._fields)
    if len(twice := found[found.duplicated(KEY)]):
        raise ValueError(f"{name}: {' '.join(twice.iloc[0][KEY])} is there twice")
    return found


def shown(revision: str, file: Path) -> str:
    """Give the text of a file at a revision in the git repository that it lies in.

    Raises
    ------
    ValueError
        If there is no such file, revision or repository.
    """
    return git(file.parent, "show", f"{revision}:./{file.name}", what=f"{revision}:{file}")


def git(folder: Path, *arguments: str, what: str) -> str:
    """Give what git prints. Raises ValueError with its complaint, and what was asked for."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  no shell
    except subprocess.CalledProcessError as error:
        raise ValueError(f"{what}: {error.stderr.strip().splitlines()[0]}") from error
    except OSError as error:
        raise ValueError(f"{what}: git cannot be run ({error.strerror})") from error
    return done.stdout
