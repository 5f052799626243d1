"""The folder of a run: another run's results, and what is the user's, are not lost in it without a word."""

import shutil
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from fusebench.bench import cli
from fusebench.bench.engine import run, store
from fusebench.bench.provenance import Request
from fusebench.bench.suite import Suite, Table
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.base import Fuser
from fusebench.fusers.pixel.trivial import Average, Maximum
from fusebench.metrics.spatial_frequency import SF


def suite(*fusers: Fuser, pairs: str = "pq") -> Suite:
    a, b = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(1))
    entries = tuple(
        Entry("CT-MRI", name, name, lambda name=name: Pair(a, b, "CT-MRI", name, name))  # type: ignore[misc]
        for name in pairs
    )
    return {"table": Table("x", fusers or (Average(),), entries, (SF,))}


def contents(out: Path) -> dict[str, bytes]:
    files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return {name: content for name, content in files.items() if name != store.LOCK}


MINE = Request(data="/data/mine")


@pytest.mark.parametrize(("name", "request_"), [("other", MINE), ("mine", Request(data="/data/theirs"))])
def test_a_folder_with_another_run_is_refused_with_the_cure(tmp_path: Path, name: str, request_: Request) -> None:
    run.run(suite(), tmp_path, name="mine", request=MINE)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"holds a run of mine on /data/mine, .* --out, or give it up with --replace"):
        run.run(suite(Maximum()), tmp_path, name=name, request=request_)
    assert contents(tmp_path) == before
    run.run(suite(Maximum()), tmp_path, name=name, request=request_, replace=True)
    assert b"maximum" in contents(tmp_path)["scores.csv"]
    assert b"average" not in contents(tmp_path)["scores.csv"]


def test_more_pairs_and_other_options_go_on(tmp_path: Path) -> None:
    run.run(suite(), tmp_path, name="mine", request=MINE)
    more = MINE._replace(pairs=3, command=("fusebench", "bench", "--pairs", "3"))
    assert run.run(suite(pairs="pqr"), tmp_path, name="mine", request=more) == (3, 2, ())


def test_an_interrupted_run_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Maximum, "__call__", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run.run(suite(Average(), Maximum()), tmp_path, name="mine", request=MINE)
    assert not (tmp_path / "run.json").exists()
    with pytest.raises(ValueError, match="holds an interrupted run of mine on /data/mine"):
        run.run(suite(), tmp_path, name="other", request=MINE)
    assert run.run(suite(Average(), Maximum()), tmp_path, name="mine", request=MINE).reused == 0
    assert not (tmp_path / store.AREA).exists()


@pytest.mark.parametrize("place", ["fused/holiday.png", "fused/CT-MRI/average/another.png", "colour/CT-MRI/mine/p.png"])
@pytest.mark.parametrize("replace", [False, True])
def test_images_that_no_run_wrote_are_not_erased(tmp_path: Path, place: str, *, replace: bool) -> None:
    run.run(suite(), tmp_path, name="mine", request=MINE)
    picture = tmp_path / place
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(b"mine")
    with pytest.raises(ValueError, match=rf"{place}: no run wrote it, and it would be erased; move it"):
        run.run(suite(Maximum()), tmp_path, name="mine", request=MINE, replace=replace)
    assert picture.read_bytes() == b"mine"
    picture.unlink()
    run.run(suite(Maximum()), tmp_path, name="mine", request=MINE)


@pytest.mark.parametrize("text", ["5", "null", '{"suite": "x"}', '{"suite": "x", "tables": 5}', "[", ""])
def test_a_description_that_is_none_is_no_runs(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    (tmp_path / "scores.csv").write_text("mine")
    with pytest.raises(ValueError, match=r"run\.json: would be replaced, but no run wrote it"):
        run.run(suite(), tmp_path, name="x")
    assert (tmp_path / "scores.csv").read_text() == "mine"


def test_the_command_line_has_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(Path(__file__).parent.parent)

    def bench(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["fusebench", "bench", "--jobs", "1", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return int(stop.value.code or 0)

    assert bench("--suite", "methods_for_tests:mine") == 0
    before = contents(tmp_path / "results")
    capsys.readouterr()
    assert bench("classical", "--pairs", "1") == 2
    error = capsys.readouterr().err
    assert error == (
        "fusebench: results: holds a run of methods_for_tests:mine on phantom, and this is classical on phantom; "
        "name another folder with --out, or give it up with --replace\n"
    )
    assert contents(tmp_path / "results") == before
    assert bench("--suite", "methods_for_tests:MINE", "--replace") == 0
    shutil.rmtree(tmp_path / "results")


class Odd:
    """Stands where a fuser, a pair or a metric should."""

    name: ClassVar[str] = "odd"


TABLE = suite()["table"]


@pytest.mark.parametrize(
    ("odd", "complaint"),
    [
        ({"a/b": TABLE}, r"x: table 'a/b': 'a/b': no name for a table"),
        ({"..": TABLE}, "no name for a table"),
        ({5: TABLE}, "x: table 5: "),
        ({}, "not a suite"),
        ([TABLE], "not a suite"),
        ({"t": 5}, "not a suite"),
        ({"t": Table("x", (Odd(),), TABLE.entries, TABLE.metrics)}, "table 't': Odd is no frozen dataclass"),  # type: ignore[arg-type]
        ({"t": Table("x", TABLE.fusers, (Odd(),), TABLE.metrics)}, "table 't': .* is no pair; expected fusebench"),  # type: ignore[arg-type]
        ({"t": Table("x", TABLE.fusers, TABLE.entries, (Odd(),))}, "table 't': .* is no metric"),  # type: ignore[arg-type]
        ({"t": Table("x", TABLE.fusers, TABLE.entries, TABLE.metrics, {"average": {"SF": "high"}})}, "SF is 'high'"),  # type: ignore[dict-item]
        ({"t": Table("x", TABLE.fusers, TABLE.entries, TABLE.metrics, {"average": 5})}, "table 't': "),  # type: ignore[dict-item]
    ],
)
def test_a_suite_that_is_none_is_found_before_the_work(tmp_path: Path, odd: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as error:
        run.run(odd, tmp_path / "out", name="x")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()
