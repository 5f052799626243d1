"""Scores and tables for other programs: what is written reads back as it was."""

import math
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from fusebench.bench.engine import run
from fusebench.bench.suite import Table
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.pixel.trivial import Average, SourceA
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.profiles import PROFILES
from fusebench.reports import export, results, tables

NAME = "=1+1,$_{%&#<~^|\\"  # a formula to Excel, and commands to LaTeX


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> results.Results:
    out = tmp_path_factory.mktemp("run")
    a = torch.rand(24, 32, generator=torch.Generator().manual_seed(0))
    entries = tuple(
        Entry("CT-MRI", name, name, lambda name=name, n=n: Pair(a.roll(n), a.flip(0), "CT-MRI", name, name))  # type: ignore[misc]
        for n, name in enumerate(("1", NAME.replace("\\", ""), "3"))
    )
    default = tuple(metric for metric in PROFILES["default"] if metric.name != "MS_SSIM")
    fusers = (SourceA(), Average(), Wavelet(levels=2))
    run.run({"table1": Table(f"Methods {NAME}", fusers, entries, default)}, out, name="x")
    return results.read(out)


def test_parquet_reads_back_equal(found: results.Results, tmp_path: Path) -> None:
    export.write(found, tmp_path / "s.parquet")
    read = pd.read_parquet(tmp_path / "s.parquet")
    pd.testing.assert_frame_equal(read, found.scores.reset_index(), check_dtype=False)


def test_excel_reads_back_equal_and_has_no_formula(found: results.Results, tmp_path: Path) -> None:
    export.write(found, tmp_path / "s.xlsx")
    read = pd.read_excel(tmp_path / "s.xlsx", sheet_name=None, keep_default_na=False, dtype=str)
    assert list(read) == ["scores", "table1"]
    scores = read["scores"].score.astype(float)
    assert scores.tolist() == pytest.approx(found.scores.tolist(), rel=1e-15, nan_ok=True)
    assert any(math.isinf(score) or math.isnan(score) for score in scores)
    assert read["scores"].pair.tolist() == [name[1] for name in found.scores.index]


def test_other_formats_are_refused_and_a_missing_library_named(
    found: results.Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"s\.ods: name it \.xlsx or \.parquet"):
        export.write(found, tmp_path / "s.ods")
    monkeypatch.setitem(sys.modules, "openpyxl.workbook", None)
    with pytest.raises(ValueError, match=r"s\.xlsx: .*pip install 'fusebench\[export\]'"):
        export.write(found, tmp_path / "s.xlsx")


def test_deviations_follow_the_means_where_they_are_asked_for(found: results.Results) -> None:
    (text,) = tables.write(found, "deviation")
    assert "mean ± standard deviation over cases" in text
    of_cases = found.scores.xs(("wavelet[levels=2]", "EN"), level=("fuser", "metric"))
    assert f"{of_cases.mean():.4f} ± {of_cases.std(ddof=1):.4f}" in text
    (without,) = tables.write(found, "none")
    assert "±" not in without


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here; Debian's package is texlive-latex-base")
def test_the_tables_compile_as_they_are_and_fit_on_the_page(found: results.Results) -> None:
    tables.write(found)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(
        command, check=False, cwd=found.folder / "tables", capture_output=True, text=True, errors="replace"
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert (found.folder / "tables" / "tables.pdf").stat().st_size > 10_000
