"""The gate on scores: what it lets pass and what it does not."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from fusebench.bench.engine.store import Result, write_rows
from fusebench.bench.record import KEY, change, compare, read_scores, smoke, tolerance
from fusebench.datasets.pair import Pair
from fusebench.fusers.base import label
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.profiles import score

WAVELET = Result("CT-MRI", "p", "wavelet", "SF", 20.0)
VGG16 = Result("CT-MRI", "p", "vgg16[layer=conv1_2]", "SF", 20.0)
RECORD = [WAVELET, VGG16, Result("CT-MRI", "p", "average", "MI", 0.0)]
TOLERANCE = tolerance("wavelet", "SF")


def table(rows: list[Result]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=Result._fields)


def test_equal_scores_pass() -> None:
    assert compare(table(RECORD), table(RECORD[::-1])) == []


@pytest.mark.parametrize("factor", [1 + 2 * TOLERANCE, 1 - 2 * TOLERANCE, 1.5])
def test_drift_in_either_direction_is_said_with_its_size(factor: float) -> None:
    (problem,) = compare(table(RECORD), table([WAVELET._replace(score=20 * factor), *RECORD[1:]]))
    assert problem.startswith("CT-MRI p wavelet SF: 20 -> ")
    assert f"{100 * (factor - 1):+.4g} %" in problem


def test_drift_within_the_tolerance_passes() -> None:
    assert compare(table(RECORD), table([WAVELET._replace(score=20 * (1 + TOLERANCE / 2)), *RECORD[1:]])) == []


def test_only_float32_runs_of_lbfgs_have_the_wider_tolerance() -> None:
    moved = [row._replace(score=row.score * 1.01) for row in RECORD]
    assert [line.split(":")[0] for line in compare(table(RECORD), table(moved))] == ["CT-MRI p wavelet SF"]
    assert compare(table([VGG16]), table([VGG16._replace(score=20.5)]))
    wide = {label(fuser) for part in smoke().values() for fuser in part.fusers if tolerance(label(fuser), "SF") > 1e-9}
    assert wide == {VGG16.fuser}


def test_a_score_that_leaves_zero_is_drift_beyond_rounding() -> None:
    left = [[*RECORD[:2], RECORD[2]._replace(score=score)] for score in (1e-13, 1e-8)]
    assert compare(table(RECORD), table(left[0])) == []
    assert "from zero" in compare(table(RECORD), table(left[1]))[0]


def test_the_figure_is_the_metrics_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {metric.label: tolerance("average", metric.label) for metric in METRICS} == {
        metric.label: metric.rounding for metric in METRICS
    }
    assert all(metric.rounding == 1e-9 for metric in METRICS if not metric.variant)
    monkeypatch.setattr("fusebench.bench.record._stated", lambda: ({}, {"SF": 0.1}))
    assert compare(table([WAVELET]), table([WAVELET._replace(score=21.9)])) == []
    assert compare(table([WAVELET]), table([WAVELET._replace(score=22.1)]))


def test_one_grey_level_of_any_pixel_is_seen(pair: Pair) -> None:
    a, b = pair.a[None], pair.b[None]
    fused = (255 * Wavelet()(a, b)).round()
    one = torch.eye(64 * 64)[::37].view(-1, 64, 64)
    moved = torch.where(fused < 255, fused + one, fused - one).to(torch.uint8)
    before, after = score(a, b, fused.to(torch.uint8), "seed"), score(a, b, moved, "seed")
    seen = [
        [change(before[metric].item(), new) > tolerance("wavelet", metric) for new in scores.tolist()]
        for metric, scores in after.items()
    ]
    # Two levels may exchange their counts, and EN does not move; but never do all of EN, SF, MI and M stay.
    assert all(any(by_metric) for by_metric in zip(*seen, strict=True))


def test_an_infinite_score_hides_no_drift() -> None:
    endless = [WAVELET._replace(score=float("inf"))]
    assert compare(table(endless), table(endless)) == []
    assert compare(table(endless), table([WAVELET]))
    assert compare(table([WAVELET]), table(endless))


def test_missing_extra_doubled_and_nan_rows_are_said() -> None:
    nan = WAVELET._replace(score=float("nan"))
    assert compare(table(RECORD), table(RECORD[1:])) == ["CT-MRI p wavelet SF: in the record but not computed"]
    assert compare(table(RECORD[1:]), table(RECORD)) == ["CT-MRI p wavelet SF: computed but not in the record"]
    assert compare(table(RECORD), table([*RECORD, WAVELET])) == ["CT-MRI p wavelet SF: twice in the run"]
    assert compare(table(RECORD), table([nan, *RECORD[1:]])) == ["CT-MRI p wavelet SF: NaN in the run"]
    # A record that holds NaN would let everything pass.
    assert compare(table([nan, *RECORD[1:]]), table([nan, *RECORD[1:]])) != []


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [
        WAVELET._replace(pair="007", fuser='odd, "name"', score=1 / 3),
        WAVELET._replace(pair="NA", score=float("nan")),
    ]
    write_rows(tmp_path / "s.csv", Result._fields, sorted(rows))
    read = read_scores(tmp_path / "s.csv")
    assert [*read[KEY].itertuples(index=False, name=None)] == [tuple(row[:4]) for row in sorted(rows)]
    assert read.score[0] == 1 / 3
    assert pd.isna(read.score[1])


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "dataset,pair,fuser,metric,score\na,b,c,d,high\n", "\x00\x01"])
def test_what_is_no_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(ValueError, match=r"r.csv: not a table of dataset, pair, fuser, metric, score"):
        read_scores(tmp_path / "r.csv")
    with pytest.raises(ValueError, match=r"gone.csv: no such file"):
        read_scores(tmp_path / "gone.csv")
