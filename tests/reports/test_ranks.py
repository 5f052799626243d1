"""The ranks of a run, as text, data and picture. Witness: a run whose order is known."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from fusebench.bench.engine.store import Loss, Score, write_rows
from fusebench.reports import ranks
from fusebench.reports.results import Results, read
from fusebench.reports.tables import escaped

SF = {"label": "SF", "family": "gradient", "unit": "", "higher_is_better": True, "digits": 2, "source": "x"}
Q_CV = {"label": "Q_CV", "family": "perception", "unit": "", "higher_is_better": False, "digits": 1, "source": "x"}


def write(results: Results, reference: str | None = None) -> list[str]:
    return ranks.write(results, ranks.of(results), reference)


def run(folder: Path, cases: int, methods: Sequence[str] = ("a_<b>", "good", "bad")) -> Results:
    """Write a run in which "good" is always best, "bad" always worst, and lower is better in the second metric."""
    value = {"good": 3.0, "bad": 1.0}
    pairs = [("CT-MRI", f"{case}{n}") for case in range(cases) for n in (1, 2)]
    rows = [
        Score(*pair, fuser, metric["label"], sign * (value.get(fuser, 2.0) + int(pair[1]) / 1000))
        for fuser in methods
        for metric, sign in ((SF, 1), (Q_CV, -1))
        for pair in pairs
    ]
    (folder / "tables").mkdir(parents=True)
    (folder / "figures").mkdir()
    write_rows(folder / "scores.csv", Score._fields, rows)
    write_rows(folder / "losses.csv", Loss._fields, [])
    info = {"size": [6, 8], "modalities": ["CT", "MRI"], "coloured": [], "synthetic": False}
    table = {
        "title": "Methods, CT-MRI",
        "fusers": [{"label": fuser, "trivial": False} for fuser in methods],
        "pairs": pairs,
        "metrics": [SF, Q_CV],
        "shown": ["SF"],
        "published": {},
    }
    described = {name: {"dataset": "d", "case": name[:-1], **info} for _, name in pairs}
    (folder / "run.json").write_text(json.dumps({"suite": "x", "tables": {"t": table}, "pairs": {"CT-MRI": described}}))
    return read(folder)


def test_the_order_its_intervals_and_the_tests_are_said(tmp_path: Path) -> None:
    (text,) = write(run(tmp_path, 8), "good")
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in text.splitlines() if line.startswith("|")}
    assert [cell.strip() for cell in rows["good"]] == ["1", ""]
    # Two tests against "good", each with the smallest p-value that 8 cases can have.
    assert [cell.strip() for cell in rows["bad"]] == ["3", f"{2 / 2**7:.2g}"]
    assert [cell.strip() for cell in rows[escaped("a_<b>")]] == ["2", f"{2 / 2**7:.2g}"]
    assert "Ranks over 8 cases" in text
    assert "- SF: every two methods differ (Wilcoxon, Holm's correction)." in text
    assert "Friedman's test that all methods are alike: SF p = 0.00034." in text
    assert (tmp_path / "tables" / "t.ranks.md").read_text() == text
    data = pd.read_csv(tmp_path / "tables" / "t.ranks.csv").set_index(["metric", "fuser"])
    assert data["rank"].to_dict() == {
        (metric, fuser): place for metric in ("SF", "Q_CV") for place, fuser in enumerate(("good", "a_<b>", "bad"), 1)
    }
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"ranks-t.png", "ranks-t.pdf"}


def test_too_few_cases_are_not_tested(tmp_path: Path) -> None:
    (text,) = write(run(tmp_path / "few", 3), "good")
    assert "p, SF" not in text
    assert "- against good: over 3 independent cases Wilcoxon's test, corrected for 2 tests, cannot" in text
    assert write(run(tmp_path / "one", 1)) == []
    assert not (tmp_path / "one" / "tables" / "t.ranks.md").exists()


def test_a_reference_is_a_method_of_the_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--reference nsct: no method; there are a_<b>, good, bad"):
        write(run(tmp_path, 3), "nsct")
