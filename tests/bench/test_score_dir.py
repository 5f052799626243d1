"""Other people's images stand in the tables as rows, scored as the bench's own; what is missing is a failure."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fusebench.bench import cli
from fusebench.bench.catalogue import beside, classical, external
from fusebench.bench.engine import run
from fusebench.bench.external import rows
from fusebench.bench.gate.changes import read_scores
from fusebench.bench.paper import COLUMNS
from fusebench.bench.provenance import Request
from fusebench.bench.suite import Table
from fusebench.datasets import image, layouts, phantom
from fusebench.datasets.image import quantise
from fusebench.fusers.base import label
from fusebench.fusers.catalogue import CLASSICAL, TRIVIAL
from fusebench.fusers.pixel.trivial import Average
from fusebench.metrics.profiles import PROFILES
from PIL import Image

NAMES = ("2010", "2011", "16003")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a folder of pairs of two kinds, some names in both."""
    for kind, names in (("CT-MRI", NAMES), ("CT-PET", NAMES[:1])):
        for n, name in enumerate(names):
            pair = phantom.pair(kind, 10 + n, 64)
            for modality, grey in zip(kind.split("-"), (pair.a, pair.b), strict=True):
                path = tmp_path / "data" / kind / modality / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                image.write(image.quantise(grey), path)
    return tmp_path / "data"


def bench(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    monkeypatch.setattr(sys, "argv", ["fusebench", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def test_the_benchs_own_images_get_the_benchs_own_scores(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some = ("--methods", "wavelet,nsct,dtcwt,multiscale,gff")
    assert bench(monkeypatch, "bench", "classical", "--data", data, *some, "--out", tmp_path / "own") == 0
    assert "### Table 2: Classical methods, CT-MRI" in capsys.readouterr().out
    assert bench(monkeypatch, "score-dir", tmp_path / "own" / "fused", "--data", data, "--out", tmp_path / "again") == 0
    own, again = (read_scores(tmp_path / out / "scores.csv") for out in ("own", "again"))
    assert len(own) == (len(TRIVIAL) + 5) * 4 * len(PROFILES["default"])
    pd.testing.assert_frame_equal(own, again)
    assert "External results, CT-MRI" in capsys.readouterr().out


def test_what_is_missing_or_of_another_size_fails_in_its_row_and_no_other(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    for name in NAMES:
        for method, suffix in (("theirs", ".png"), ("other", ".bmp")):
            path = results / method / "CT-MRI" / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.open(data / "CT-MRI" / "CT" / f"{name}.png").save(path)
    (results / "theirs" / "CT-MRI" / "2011.png").unlink()
    Image.fromarray(np.zeros((64, 63), dtype=np.uint8)).save(results / "theirs" / "CT-MRI" / "16003.png")
    assert bench(monkeypatch, "score-dir", results, "--data", data, "--out", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert "2 of 18 items failed" in captured.err
    assert "theirs failed on 2 of 3 pairs" in captured.out
    assert "CT-PET" not in captured.out  # of which there is no result
    failures = pd.read_csv(tmp_path / "out" / "failures.csv", dtype=str).set_index("pair").reason
    assert failures["2011"] == f"{results}/theirs/CT-MRI/2011.png: no such file, in no other format either"
    assert failures["16003"] == f"{results}/theirs/CT-MRI/16003.png: 64 x 63 pixels, but the pair has 64 x 64"
    # An image that comes or changes is read; nothing else is done again.
    for name in NAMES[1:]:
        shutil.copy(data / "CT-MRI" / "MRI" / f"{name}.png", results / "theirs" / "CT-MRI" / f"{name}.png")
    (results / "other" / "CT-MRI" / "2010.bmp").unlink()
    shutil.copy(data / "CT-MRI" / "MRI" / "2010.png", results / "other" / "CT-MRI" / "2010.png")
    suite = external(layouts.entries(data), results)
    request = Request(str(data))
    assert run.run(suite, tmp_path / "out", name=f"score-dir {results}", request=request) == (18, 15, ())


def put(results: Path, place: str, source: Path) -> None:
    (results / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, results / place)


def test_what_was_not_asked_of_a_method_is_no_failure_of_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results, source = tmp_path / "results", data / "CT-MRI" / "CT" / "2010.png"
    for place in ("both/CT-MRI/2010.png", "both/CT-MRI/2011.png", "both/CT-PET/2010.png", "one/CT-MRI/2010.png"):
        put(results, place, source)
    assert bench(monkeypatch, "score-dir", results, "--data", data, "--out", tmp_path / "out") == 1
    captured = capsys.readouterr()
    # No folder for CT-PET is no row there, nobody's image of 16003 is no pair; one's missing 2011 is a failure.
    assert captured.err.splitlines()[-4:-2] == [
        "fusebench: pairs without any method's image are left out: 1 of 3 (CT-MRI)",
        "fusebench: no results for CT-PET, and so no row there: one",
    ]
    assert f"1 of 17 items failed, named in {tmp_path}/out/failures.csv; the first: one on CT-MRI/2011" in captured.err
    assert "2 pairs" in captured.out
    assert "one failed on 1 of 2 pairs" in captured.out
    table = pd.read_csv(tmp_path / "out" / "tables" / "table2.csv").set_index(["fuser", "metric"])
    assert set(table.pairs["one"]) == {1}
    assert not table.best["one"].any()
    assert set(pd.read_csv(tmp_path / "out" / "tables" / "table3.csv").fuser) == {
        *("source-a", "source-b", "average", "maximum", "both")
    }
    # Whatever else is left out, nothing fails.
    (results / "both" / "CT-MRI" / "2011.png").unlink()
    said: list[str] = []
    suite = external(layouts.entries(data), results, say=said.append)
    assert not run.run(suite, tmp_path / "again", name="x").failures
    assert said[0].endswith("left out: 2 of 3 (CT-MRI)")
    assert len(external(layouts.entries(data), results, 1)["table2"].entries) == 1


def test_a_table_of_two_kinds_says_which_a_method_has_no_folder_for(data: Path, tmp_path: Path) -> None:
    put(tmp_path / "results", "theirs/CT-PET/2010.png", data / "CT-MRI" / "CT" / "2010.png")
    entries = [entry for entry in layouts.entries(data) if entry.name == "2010"]
    suite = beside({"both": Table("Two kinds", (Average(),), tuple(entries), COLUMNS)}, tmp_path / "results")
    (failure,) = run.run(suite, tmp_path / "out", name="x").failures
    assert failure == ("CT-MRI", "2010", "theirs", "", "theirs has no folder for CT-MRI")


def test_results_without_an_image_of_any_pair_are_refused(data: Path, tmp_path: Path) -> None:
    put(tmp_path / "results", "theirs/CT-MRI/fused_2010.png", data / "CT-MRI" / "CT" / "2010.png")
    with pytest.raises(ValueError, match=r"results: no image of any pair; expected METHOD/CT-MRI/2010.png"):
        external(layouts.entries(data), tmp_path / "results")


def test_a_partial_method_is_not_the_best_of_the_table(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = shared / "cases" / "results"
    arguments = ("--data", given / "data", "--out", tmp_path / "out")
    assert bench(monkeypatch, "score-dir", given / "partial", *arguments) == 1
    rows = {line.split("|")[1].strip(): line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")}
    assert rows["Partial"].split("|")[-2].strip() == "1"
    assert not set("*_") & set(rows["Partial"])
    assert set("*_") & set(rows["Full"])


def test_a_reader_that_leaves_takes_no_result_with_it(data: Path, tmp_path: Path) -> None:
    put(tmp_path / "results", "theirs/CT-PET/2010.png", data / "CT-MRI" / "CT" / "2010.png")
    command = [sys.executable, "-P", "-c", "from fusebench.bench.cli import main; main()", "score-dir", "results"]
    with subprocess.Popen(
        [*command, "--data", "data", "--out", "out", "--jobs", "1"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()  # before the first line, as `| true` does
        said = running.stderr.read()
    assert running.returncode == 0
    assert "Traceback" not in said
    assert "Broken pipe" not in said
    assert said.splitlines()[-1].startswith("written: out/report.html, scores.csv")
    assert (tmp_path / "out" / "figures" / "figure9.png").is_file()


def test_colour_is_scored_by_its_luma(data: Path, tmp_path: Path) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / "results" / "theirs" / "2010.tif"
    path.parent.mkdir(parents=True)
    Image.fromarray(rgb).save(path)
    entries = [entry for entry in layouts.entries(data) if entry.kind == "CT-PET"]
    run.run(external(entries, tmp_path / "results"), tmp_path / "out", name="x")
    written = image.read(tmp_path / "out" / "fused" / "CT-PET" / "theirs" / "2010.png")[0]
    assert torch.equal(quantise(written), quantise(image.read(path)[0]))


def test_where_results_may_lie(data: Path, tmp_path: Path) -> None:
    entries = layouts.entries(data)
    pet = [entry for entry in entries if entry.kind == "CT-PET"]
    results = tmp_path / "results"

    def lay(*places: str) -> None:
        shutil.rmtree(results, ignore_errors=True)
        for place in places:
            put(results, place, data / "CT-MRI" / "CT" / "2010.png")

    def found() -> dict[str, dict[str, str]]:
        return {
            row.name: {kind: str(path.relative_to(results)) for kind, path in row.folders}
            for row in rows(results, entries)
        }

    lay("m/CT-MRI/2010.png", "m/CT-PET/2010.png", "n/CT-PET/2010.png", ".hidden/x.png", "notes/readme.txt")
    assert found() == {"m": {"CT-MRI": "m/CT-MRI", "CT-PET": "m/CT-PET"}, "n": {"CT-PET": "n/CT-PET"}}
    lay("CT-MRI/m/2010.png", "CT-PET/m/2010.png")
    assert found() == {"m": {"CT-MRI": "CT-MRI/m", "CT-PET": "CT-PET/m"}}
    lay("m/2010.png")
    assert [row.folders for row in rows(results, pet)] == [(("CT-PET", results / "m"),)]
    with pytest.raises(ValueError, match="CT-MRI and CT-PET have a pair 2010 each; say whose result it is: m/CT-MRI"):
        rows(results, entries)
    lay("CT-MRI/m/2010.png", "m/CT-MRI/2010.png")
    with pytest.raises(ValueError, match="holds results of m for CT-MRI too"):
        rows(results, entries)
    lay("readme.txt")
    with pytest.raises(ValueError, match=r"no results; expected METHOD/NAME.png"):
        rows(results, entries)
    with pytest.raises(ValueError, match="gone: no such folder"):
        rows(tmp_path / "gone", entries)
    lay("m/16003.png")  # of one kind only, as 2010 is not
    assert found() == {"m": {"CT-MRI": "m"}}
    lay("m/else.png")
    assert found() == {"m": {"CT-MRI": "m", "CT-PET": "m"}}
    lay("m/CT-PET/2010.png", "m/CT-PET/2010.tif")
    (failure,) = run.run(external(pet, results), tmp_path / "out", name="x").failures
    assert "2010.png is there too; which is the result?" in failure.reason


def test_rows_beside_the_benchs_own(data: Path, tmp_path: Path) -> None:
    entries = layouts.entries(data)
    for method in ("theirs", "wavelet"):
        (tmp_path / "results" / method / "CT-MRI").mkdir(parents=True)
    with pytest.raises(ValueError, match="wavelet is a row of the suite"):
        beside(classical(entries), tmp_path / "results")
    (tmp_path / "results" / "wavelet" / "CT-MRI").rmdir()
    suite = beside(classical(entries), tmp_path / "results")
    assert [label(f) for f in suite["table2"].fusers] == [*(label(cls()) for cls in CLASSICAL), "theirs"]
    assert [label(f) for f in suite["table3"].fusers] == [*(label(cls()) for cls in CLASSICAL)]
    assert [len(table.entries) for table in suite.values()] == [3, 1]
    assert len(classical(entries, 1)["table2"].entries) == 1


def test_the_papers_numbers_stand_in_its_own_suite_alone(data: Path) -> None:
    entries = layouts.entries(data)
    assert not any(table.published for table in classical(entries).values())


OWN = """
def darker(a, b, part=0.5):
    return part * a + (1 - part) * b * 0.5
"""


def test_an_own_method_stands_beside_classical_and_published_ones(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "myown.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    for name in NAMES[:2]:
        put(tmp_path / "results", f"theirs/CT-MRI/{name}.png", data / "CT-MRI" / "CT" / f"{name}.png")
    arguments = ("bench", "classical", "--data", data, "--external", tmp_path / "results", "--metrics", "SF")
    options = ("--own", "myown:darker", "--own", "myown:darker[part=0.25]", "--methods", "wavelet,theirs,darker")
    assert bench(monkeypatch, *arguments, *options, "--out", tmp_path / "out") == 0
    said = capsys.readouterr()
    assert f"pairs without an image of any method in {tmp_path / 'results'} are left out: 1 of 4" in said.err
    scores = read_scores(tmp_path / "out" / "scores.csv")
    mri = scores[scores.kind == "CT-MRI"]
    assert set(mri.pair) == set(NAMES[:2])
    assert {"wavelet", "theirs", "darker", "darker[part=0.25]"} <= set(mri.fuser)
    assert "theirs" not in set(scores[scores.kind == "CT-PET"].fuser)  # of which it has none, and no pair is left out
    (tmp_path / "myown.py").write_text(OWN.replace("darker", "wavelet"))
    monkeypatch.delitem(sys.modules, "myown")
    assert bench(monkeypatch, *arguments, "--own", "myown:wavelet", "--out", tmp_path / "other") == 2
    assert "--own: wavelet is a row of the suite; give the method another name" in capsys.readouterr().err
