"""What moved between two sets of scores, and how it is said."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from fusebench.bench.engine.store import Score, write_rows
from fusebench.bench.gate.changes import Change, changes, grouped, kept, markdown, read_place, stated
from fusebench.bench.gate.record import moved
from fusebench.bench.suite import Table, check
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.catalogue import METRICS

Command = Callable[..., tuple[int, str, str]]

WAVELET = Score("CT-MRI", "p", "wavelet", "SF", 20.0)
VGG16 = Score("CT-MRI", "p", "vgg16[layer=conv1_2]", "SF", 20.0)
RECORD = [WAVELET, VGG16, Score("CT-MRI", "p", "average", "MI", 0.0)]
TOLERANCE = 1e-9


def found(before: list[Score], after: list[Score]) -> list[Change]:
    return changes(*(pd.DataFrame(rows, columns=Score._fields) for rows in (before, after)), stated())


def test_equal_scores_pass_in_any_order() -> None:
    assert found(RECORD, RECORD[::-1]) == []


@pytest.mark.parametrize("factor", [1 + 2 * TOLERANCE, 1 - 2 * TOLERANCE, 1.5])
def test_drift_in_either_direction_is_said_with_its_size(factor: float) -> None:
    (moved,) = found(RECORD, [WAVELET._replace(score=20 * factor), *RECORD[1:]])
    assert str(moved).startswith("CT-MRI p wavelet SF: 20 -> ")
    assert f"{100 * (factor - 1):+.4g} %" in str(moved)


def test_drift_within_the_tolerance_passes() -> None:
    assert found(RECORD, [WAVELET._replace(score=20 * (1 + TOLERANCE / 2)), *RECORD[1:]]) == []
    by_one_percent = [row._replace(score=row.score * 1.01) for row in RECORD]
    assert [moved.fuser_and_metric for moved in found(RECORD, by_one_percent)] == [("wavelet", "SF")]
    assert found([VGG16], [VGG16._replace(score=20.5)])


def test_a_score_that_leaves_zero_is_drift_beyond_rounding() -> None:
    left = [[*RECORD[:2], RECORD[2]._replace(score=score)] for score in (1e-13, 1e-8)]
    assert found(RECORD, left[0]) == []
    assert "from zero" in str(found(RECORD, left[1])[0])


@pytest.mark.parametrize("score", [float("inf"), float("-inf"), float("nan")])
def test_a_score_that_is_no_number_hides_no_drift(score: float) -> None:
    odd = [WAVELET._replace(score=score)]
    assert found(odd, odd) == []
    assert len(found(odd, [WAVELET])) == len(found([WAVELET], odd)) == 1


def test_a_record_keeps_what_has_not_moved() -> None:
    rows = [WAVELET._replace(score=20 * (1 + TOLERANCE / 2)), RECORD[2]._replace(score=0.5)]
    before, after = (pd.DataFrame(listed, columns=Score._fields) for listed in ([WAVELET, RECORD[2]], rows))
    assert kept(before, after, changes(before, after, stated())).score.tolist() == [20.0, 0.5]
    assert kept(before[1:], after, changes(before[1:], after, stated())).score.tolist() == [rows[0].score, 0.5]


def test_what_one_side_lacks_is_said() -> None:
    assert [str(one) for one in found(RECORD, RECORD[1:])] == ["CT-MRI p wavelet SF: disappeared, was 20"]
    assert [str(one) for one in found(RECORD[1:], RECORD)] == ["CT-MRI p wavelet SF: appeared, 20"]


def many() -> list[Change]:
    rows = [Score("CT-MRI", f"p{n}", fuser, "SF", 10.0) for n in range(50) for fuser in ("average", "laplacian")]
    moved = [row._replace(score=10.0 + 0.01 * n) for n, row in enumerate(rows)]
    return found(rows, moved)


def test_many_changes_are_a_line_for_each_fuser_and_metric() -> None:
    lines = [str(group) for group in grouped(many())]
    assert [line.split(":")[0] for line in lines] == ["laplacian SF", "average SF"]
    assert "50 scores moved, all up; the largest: CT-MRI p49 laplacian SF: 10 -> 10.99 (+9.9 %" in lines[0]


def test_the_table_has_a_row_for_each_fuser_and_metric() -> None:
    lines = markdown(many()).splitlines()
    assert len(lines) == 4
    assert [cell.strip() for cell in lines[2].strip("|").split("|")][:4] == ["laplacian", "SF", "50", "CT-MRI p49"]


def test_the_command_compares_files_runs_and_revisions(tmp_path: Path, command: Command) -> None:
    def write(folder: str, score: float) -> Path:
        (tmp_path / folder).mkdir(exist_ok=True)
        write_rows(tmp_path / folder / "scores.csv", Score._fields, [WAVELET._replace(score=score)])
        return tmp_path / folder

    def compared(*arguments: object) -> tuple[int, str]:
        code, out, err = command("compare", *arguments)
        return code, out + err

    run = write("run", 20.0)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    other = write("other", 21.0)
    assert compared(run, run / "scores.csv") == (0, "1 scores agree\n")
    code, said = compared(run, other)
    assert code == 1
    assert "+5 %" in said
    assert compared(run, other, "--tolerance", "0.06")[0] == 0
    assert "| wavelet" in compared(run, other, "--markdown")[1]
    write("run", 22.0)
    assert "20 -> 22 (+10 %" in compared(f"HEAD:{run / 'scores.csv'}", run)[1]
    code, said = compared(tmp_path / "gone.csv", run)
    assert code == 2
    assert "gone.csv: no such file" in said
    with pytest.raises(ValueError, match=r"v9:.*scores.csv: .*v9"):
        read_place(f"v9:{run / 'scores.csv'}")


def test_a_suite_states_what_it_lets_pass() -> None:
    given = {("vgg16", "*"): 0.05, ("vgg16[layer=conv1_2]", "SF"): 0.001, ("*", "MI"): 0.2}
    allowed = stated((), METRICS, given)
    assert allowed("vgg16[layer=conv1_2]", "SF") == 0.001
    assert allowed("vgg16[layer=conv2_1]", "SF") == 0.05
    assert allowed("wavelet", "MI") == 0.2
    assert allowed("wavelet", "SF") == stated()("wavelet", "SF")
    fusers, metrics = (Wavelet(),), ("SF",)
    suite = {"t": Table("x", fusers, (), metrics, tolerances={("wavelet", "*"): 0.3})}
    assert check("mine", suite) is suite
    for wrong, complaint in (({("wavlet", "*"): 0.3}, "lacks one"), ({("wavelet", "*"): -1}, "expected a number")):
        with pytest.raises(ValueError, match=complaint):
            check("mine", {"t": Table("x", fusers, (), metrics, tolerances=wrong)})
    before = pd.DataFrame([("K", "p", "wavelet", "SF", 10.0)], columns=Score._fields)
    after = pd.DataFrame([("K", "p", "wavelet", "SF", 12.0)], columns=Score._fields)
    assert moved(before, after, suite) == []
    assert len(moved(before, after, {"t": Table("x", fusers, (), metrics)})) == 1
