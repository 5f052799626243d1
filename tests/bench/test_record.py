"""The gate on scores: what it lets pass and what it does not."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from fusebench.bench.engine.store import Failure, Score, write_rows
from fusebench.bench.gate.changes import KEY, change, read_scores, stated
from fusebench.bench.gate.record import moved, recompute, smoke
from fusebench.bench.suite import Table
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.base import label
from fusebench.fusers.pixel.trivial import Average, SourceA
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.profiles import PROFILES, score

SHORT = "vgg16-colour[layer=conv1_2,evaluations=2]"


def test_only_float32_runs_of_lbfgs_have_the_wider_tolerance() -> None:
    wide = {fuser for part in smoke().values() for fuser in map(label, part.fusers) if stated()(fuser, "SF") > 1e-9}
    assert wide == {"vgg16[layer=conv1_2]", "vgg16[layer=conv1_2,solver=protocol]", SHORT}


def test_the_figure_is_the_metrics_own() -> None:
    assert {metric.label: stated()("average", metric.label) for metric in METRICS} == {
        metric.label: metric.rounding for metric in METRICS
    }
    assert all(metric.rounding == 1e-9 for metric in METRICS if not metric.variant)


def test_one_grey_level_of_any_pixel_is_seen(pair: Pair) -> None:
    a, b = pair.a[None], pair.b[None]
    fused = (255 * Wavelet()(a, b)).round()
    one = torch.eye(64 * 64)[::37].view(-1, 64, 64)
    other = torch.where(fused < 255, fused + one, fused - one).to(torch.uint8)
    before, after = score(a, b, fused.to(torch.uint8), "seed"), score(a, b, other, "seed")
    seen = [
        [change(before[metric].item(), new) > stated()("wavelet", metric) for new in scores.tolist()]
        for metric, scores in after.items()
    ]
    # Two levels may exchange their counts, and EN does not move; but never do all of EN, SF, MI and M stay.
    assert all(any(by_metric) for by_metric in zip(*seen, strict=True))


def test_the_record_in_git_holds_no_undefined_score() -> None:
    # A score that is NaN on both sides has not moved, so a record of such scores would let anything pass.
    assert read_scores(Path(__file__).parents[1] / "record.csv").score.notna().all()


def test_a_suite_of_ones_own_is_recorded_and_compared(pair: Pair) -> None:
    entry = Entry(pair.kind, pair.name, pair.case, lambda: pair)
    suite = {"mine": Table("Mine", (Average(), SourceA()), (entry,), PROFILES["seed"][1:3])}
    found, failures = recompute(suite, 1, lambda *_: None)
    assert (len(found), failures) == (4, ())
    assert moved(found, found, suite) == []
    other = found.assign(score=found.score.where(found.fuser != "average", found.score * 1.01))
    assert {one.fuser_and_metric for one in moved(found, other, suite)} == {("average", "SF"), ("average", "MI")}


def test_what_failed_is_said_by_its_reason_and_not_as_missing() -> None:
    rows = [Score("CT-MRI", "p", "average", metric, 1.0) for metric in ("SF", "MI")]
    record, found = (pd.DataFrame(some, columns=Score._fields) for some in (rows, rows[:1]))
    assert len(moved(record, found, {})) == 1
    assert moved(record, found, {}, [Failure("CT-MRI", "p", "average", "MI", "no memory")]) == []
    assert len(moved(record, found, {}, [Failure("CT-MRI", "q", "average", "MI", "no memory")])) == 1


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [Score("CT-MRI", "007", 'odd, "name"', "SF", 1 / 3), Score("CT-MRI", "NA", "wavelet", "SF", float("nan"))]
    write_rows(tmp_path / "s.csv", Score._fields, sorted(rows))
    read = read_scores(tmp_path / "s.csv")
    assert [*read[KEY].itertuples(index=False, name=None)] == [tuple(row[:4]) for row in sorted(rows)]
    assert read.score[0] == 1 / 3
    assert pd.isna(read.score[1])


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "kind,pair,fuser,metric,score\na,b,c,d,high\n", "\x00\x01"])
def test_what_is_no_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(ValueError, match=r"r.csv: not a table of kind, pair, fuser, metric, score"):
        read_scores(tmp_path / "r.csv")
    with pytest.raises(ValueError, match=r"gone.csv: no such file"):
        read_scores(tmp_path / "gone.csv")


def test_a_score_that_is_there_twice_is_no_record(tmp_path: Path) -> None:
    row = Score("CT-MRI", "p", "average", "SF", 1.0)
    write_rows(tmp_path / "r.csv", Score._fields, [row, row])
    with pytest.raises(ValueError, match=r"r.csv: CT-MRI p average SF is there twice"):
        read_scores(tmp_path / "r.csv")
