"""What a fuser may have besides its call (`fusers/base.py`): fusers of the tests' own, in a run and in its workers."""

import hashlib
import json
import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from fusebench.bench.engine import run, store
from fusebench.bench.engine.keys import Keys
from fusebench.bench.gate.changes import stated
from fusebench.bench.suite import Table
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.base import Trace, label
from fusebench.metrics.spatial_frequency import SF
from torch import Tensor
from weighted_for_tests import Weighted, read_one

# pytest rewrites the fusers of this module, which is then not what its file says.
pytestmark = pytest.mark.filterwarnings("ignore:approaches. no file has the code that runs")


def scored(fuser: object, out: Path, **options: int) -> dict[str, float]:
    table = Table("x", (fuser,), (Entry("CT-MRI", "p", None, read_one),), (SF,))  # type: ignore[arg-type]  # a double
    summary = run.run({"t": table}, out, name="x", **options)  # type: ignore[arg-type]  # jobs
    assert summary.failures == ()
    return {row.fuser: row.score for row in store.read_rows(out / store.SCORES, store.Result)}


@dataclass(frozen=True)
class Approaches:
    """Goes half way from the first source to the second, again and again, and tells the distance left."""

    name: ClassVar[str] = "approaches"
    least: ClassVar[int] = 8
    drift: ClassVar[float] = 0.25

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Not called where there is a trace."""
        raise NotImplementedError

    def traces(self, a: Tensor, b: Tensor) -> list[Trace]:
        """Take three steps, in two rounds."""
        return [
            Trace(x + (y - x) * 7 / 8, (0.5, 0.25, 0.125), (2, 3), saved=(0.3, 0.2)) for x, y in zip(a, b, strict=True)
        ]


def test_a_trace_is_called_instead_of_the_fuser_and_its_losses_are_kept(tmp_path: Path) -> None:
    scored(Approaches(), tmp_path)
    losses = store.read_rows(tmp_path / store.LOSSES, store.Loss)
    assert [loss[3:-1] for loss in losses] == [(1, 1, 0.5), (1, 2, 0.25), (2, 3, 0.125)]
    assert [loss.saved for loss in losses] == pytest.approx([math.nan, 0.3, 0.2], nan_ok=True)
    # A table of before has no such column.
    (tmp_path / "old.csv").write_text("kind,pair,fuser,round,evaluation,loss\nk,p,f,1,2,0.5\n")
    assert store.read_rows(tmp_path / "old.csv", store.Loss)[0][:-1] == ("k", "p", "f", 1, 2, 0.5)


def test_a_trace_that_changes_its_sources_is_a_failure(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Spoils(Approaches):
        """Spoils its first source."""

        def traces(self, a: Tensor, b: Tensor) -> list[Trace]:
            """Do it."""
            a.zero_()
            return super().traces(a, b)

    with pytest.raises(AssertionError, match="changed its sources"):
        scored(Spoils(), tmp_path)


def test_a_pair_below_the_least_size_is_refused_before_anything_is_fused(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Wide(Approaches):
        """Needs more."""

        least: ClassVar[int] = 9

    with pytest.raises(ValueError, match="8 x 8 pixels; approaches needs at least 9 x 9"):
        scored(Wide(), tmp_path)


def test_a_drift_is_the_tolerance_of_the_rows_scores() -> None:
    assert stated([Approaches()])("approaches", "SF") == 0.25


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_file_that_a_field_names_is_read_in_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent.parent)  # workers are told this path
    # Two fusers, since one task would keep the run in this process.
    (tmp_path / "w").write_text("0.75")
    fuser = Weighted(weights_file=str(tmp_path / "w"))
    entries = tuple(Entry("CT-MRI", name, None, partial(read_one, name)) for name in ("p", "q"))
    summary = run.run({"t": Table("x", (fuser,), entries, (SF,))}, tmp_path / "out", name="x", jobs=jobs)
    assert summary.failures == ()
    pair = read_one()
    expected = SF((pair.a * 255).round()[None].byte(), (pair.b * 255).round()[None].byte(), _quantised(0.75, pair))
    rows = store.read_rows(tmp_path / "out" / store.SCORES, store.Result)
    assert [row.score for row in rows] == pytest.approx([expected.item()] * 2)
    digest = hashlib.sha256(b"0.75").hexdigest()
    assert json.loads((tmp_path / "out" / store.RUN).read_text())["weights"] == {label(fuser): digest}


def _quantised(weight: float, pair: Pair) -> Tensor:
    return (255 * (weight * pair.a + (1 - weight) * pair.b)).round().byte()[None]


def test_what_weights_are_counts_for_an_image_and_not_where_they_lie(tmp_path: Path) -> None:
    for name, weight in (("w", "0.75"), ("same", "0.75"), ("other", "0.5")):
        (tmp_path / name).write_text(weight)
    fuser = Weighted()
    here, same, other = (
        Keys("cpu").fused("", replace(fuser, weights_file=str(tmp_path / name)), "CT-MRI", "p")
        for name in ("w", "same", "other")
    )
    assert here == same != other
