"""What a run takes over from the one before: each image and each score for itself, nothing that may have changed."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from fusebench.bench import contract
from fusebench.bench.engine import run
from fusebench.bench.suite import Suite, Table
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers import foreign
from fusebench.fusers.base import Fuser
from fusebench.fusers.catalogue import named
from fusebench.fusers.pixel.trivial import Average
from fusebench.metrics.base import Metric
from fusebench.metrics.mutual_information import MI
from fusebench.metrics.spatial_frequency import SF
from run_files import contents

HEAD = """
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar
import torch
CALLS = []
"""
FUSER = '''
@dataclass(frozen=True)
class Mine:
    """A fuser whose calls are counted."""
    name: ClassVar[str] = "mine"

    def __call__(self, a, b):
        CALLS.append(1)
        return (a + b) / 2
'''
METRIC = """
from fusebench.metrics.base import Metric

def brightness(a, b, fused):
    CALLS.append(1)
    return fused.double().mean(dim=(1, 2))

MINE = Metric(name="NAME", convention="mine", family="error", source="nowhere", score=brightness)
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Give a writer of modules that are imported, or imported anew where they have been."""
    folder = tmp_path / "code"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    names: set[str] = set()

    def writer(name: str, *texts: str, imported: bool = True) -> Any:
        (folder / f"{name}.py").write_text("".join(texts))
        for path in folder.glob(f"__pycache__/{name}.*"):  # which tells files apart by seconds
            path.unlink()
        names.add(name)
        if not imported:
            return None
        return importlib.reload(sys.modules[name]) if name in sys.modules else importlib.import_module(name)

    yield writer
    for name in names:
        sys.modules.pop(name, None)
        foreign.READ.pop(name, None)


def pixels(name: str) -> Pair:
    a, b = torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(sum(name.encode())))
    return Pair(a, b, "CT-MRI", name, name)


def suite(*fusers: Fuser, metrics: tuple[Metric, ...] = (SF,), pairs: str = "pq") -> Suite:
    entries = tuple(Entry("CT-MRI", name, name, lambda name=name: pixels(name)) for name in pairs)  # type: ignore[misc]
    return {"table": Table("x", fusers, entries, metrics)}


def scores(out: Path) -> bytes:
    return (out / "scores.csv").read_bytes()


def test_a_new_metric_scores_the_images_that_are_there(tmp_path: Path, write: Callable[..., Any]) -> None:
    mine = write("mymethods", HEAD, FUSER)
    run.run(suite(mine.Mine(), Average()), tmp_path / "out", name="x")
    calls = len(mine.CALLS)
    assert run.run(suite(mine.Mine(), Average(), metrics=(SF, MI)), tmp_path / "out", name="x") == (4, 0, ())
    assert len(mine.CALLS) == calls
    run.run(suite(mine.Mine(), Average(), metrics=(SF, MI)), tmp_path / "fresh", name="x")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")
    # One metric less: its scores are gone from the file.
    assert run.run(suite(mine.Mine(), Average(), metrics=(MI,)), tmp_path / "out", name="x") == (4, 4, ())
    assert b",SF," not in scores(tmp_path / "out")
    assert scores(tmp_path / "out").count(b",MI,") == 4


def test_an_interrupted_run_is_ended_with_other_metrics(tmp_path: Path) -> None:
    def interrupt(text: str, done: int, _: int) -> None:
        if text.startswith("average") and done == 1:
            raise KeyboardInterrupt

    of = suite(Average(), pairs="pqr")
    with pytest.raises(KeyboardInterrupt):
        run.run(suite(Average(), metrics=(SF, MI), pairs="pqr"), tmp_path / "out", name="x", progress=interrupt)
    assert run.run(of, tmp_path / "out", name="x") == (3, 1, ())  # of two pairs nothing was done
    run.run(of, tmp_path / "fresh", name="x")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_a_comment_in_a_metrics_file_costs_its_scores_and_no_image(tmp_path: Path, write: Callable[..., Any]) -> None:
    mine = write("mymethods", HEAD, FUSER)
    bright, dark = (write(f"my{name}", HEAD, METRIC.replace("NAME", name)) for name in ("bright", "dark"))
    of = suite(mine.Mine(), metrics=(bright.MINE, dark.MINE))
    run.run(of, tmp_path / "out", name="x")
    before = scores(tmp_path / "out")
    for module in (mine, bright, dark):
        module.CALLS.clear()
    path = Path(bright.__file__)
    path.write_text(path.read_text() + "# a comment\n")
    run.run(of, tmp_path / "out", name="x")
    assert [len(module.CALLS) for module in (mine, bright, dark)] == [0, 2, 0]
    assert scores(tmp_path / "out") == before


def test_what_is_filled_in_into_a_metric_counts(tmp_path: Path, write: Callable[..., Any]) -> None:
    other = write("myother", "def twice(x):\n    return 2 * x\n")
    mine = write("mymetric", HEAD, METRIC.replace("fused)", "fused, power=1, of=None)"))

    def reused(**filled: Any) -> int:
        metric = replace(mine.MINE, score=partial(mine.brightness, **filled))
        return run.run(suite(Average(), metrics=(metric,)), tmp_path, name="x").reused

    assert [reused(power=p, of=other.twice) for p in (2, 2, 3)] == [0, 2, 0]
    other = write("myother", "def twice(x):\n    return x + x\n")
    assert [reused(power=3, of=of) for of in (other.twice, other.twice, torch.nn.functional.relu)] == [0, 2, 0]


def test_what_a_notebook_defines_is_computed_in_every_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = ModuleType("notebook")
    monkeypatch.setitem(sys.modules, "notebook", notebook)
    exec(HEAD + FUSER, vars(notebook))  # noqa: S102  as a cell is
    for n in (1, 2):
        with pytest.warns(UserWarning, match="mine: no file has the code that runs"):
            assert run.run(suite(notebook.Mine()), tmp_path / "out", name="x").reused == 0
        assert len(notebook.CALLS) == 3 * n
    # The cell is run again, changed: the scores are those of the new code.
    exec(HEAD + FUSER.replace("(a + b) / 2", "a"), vars(notebook))  # noqa: S102
    with pytest.warns(UserWarning, match="mine: no file"):
        run.run(suite(notebook.Mine(), metrics=(SF,)), tmp_path / "out", name="x")
    fused = (tmp_path / "out" / "fused" / "CT-MRI" / "mine" / "p.png").read_bytes()
    with pytest.warns(UserWarning, match="mine: no file"):
        run.run(suite(notebook.Mine(), metrics=(SF,)), tmp_path / "fresh", name="x")
    assert fused == (tmp_path / "fresh" / "fused" / "CT-MRI" / "mine" / "p.png").read_bytes()


def test_an_edit_counts_in_the_process_that_has_seen_the_code_before(tmp_path: Path, write: Callable[..., Any]) -> None:
    mine = write("mymethods", HEAD, FUSER)
    run.run(suite(mine.Mine()), tmp_path / "out", name="x")
    before = scores(tmp_path / "out")
    mine = write("mymethods", HEAD, FUSER.replace("(a + b) / 2", "a"))
    assert run.run(suite(mine.Mine()), tmp_path / "out", name="x").reused == 0
    assert scores(tmp_path / "out") != before
    # An edit that was not imported: what runs is not what the file says, and is no result of it.
    path = Path(mine.__file__)
    path.write_text(path.read_text().replace("return a", "return b"))
    with pytest.warns(UserWarning, match="mine: no file has the code that runs"):
        run.run(suite(mine.Mine()), tmp_path / "out", name="x")
    mine = importlib.reload(mine)
    assert run.run(suite(mine.Mine()), tmp_path / "out", name="x").reused == 0
    assert run.run(suite(mine.Mine()), tmp_path / "out", name="x").reused == 2


WEIGHTS = {
    "in each call": "def weight(): return float(Path(FILE).read_text())",
    "in the first call": "@lru_cache\ndef weight(): return float(Path(FILE).read_text())",
    "when it is imported": "VALUE = float(Path(FILE).read_text())\ndef weight(): return VALUE",
}


@pytest.mark.parametrize("when", WEIGHTS)
def test_a_file_that_a_fuser_reads_without_naming_it_may_have_changed(
    tmp_path: Path, write: Callable[..., Any], when: str
) -> None:
    file = tmp_path / "weights.txt"
    text = [HEAD, f"FILE = {str(file)!r}\n", WEIGHTS[when], FUSER.replace("(a + b) / 2", "a * weight()")]
    file.write_text("0.25")
    write("mymethods", *text, imported=False)
    named("mymethods:Mine")  # as the command line imports it
    for weight in ("0.25", "0.5"):
        file.write_text(weight)
        mine = write("mymethods", *text)
        for _ in range(2):  # in one process a file is read once, and it is known still
            with pytest.warns(UserWarning, match=r"mine: it reads .*weights.txt and names no digest of it"):
                assert run.run(suite(mine.Mine()), tmp_path / weight, name="x").reused == 0
    assert scores(tmp_path / "0.5") != scores(tmp_path / "0.25")
    (broken,) = [finding for finding in contract.check(mine.Mine()) if finding.problem]
    assert broken.clause == "of files that it reads it names the digest"
    assert broken.problem == f"it reads {file} and names no digest of it (weights_sha256)"


def test_a_file_whose_digest_is_named_costs_a_run_when_it_changes(tmp_path: Path, write: Callable[..., Any]) -> None:
    file = tmp_path / "weights.txt"
    digest = """
    @property
    def weights_sha256(self):
        return Path(FILE).read_text()
"""
    fuser = FUSER.replace("(a + b) / 2", "a * float(Path(FILE).read_text())")
    file.write_text("0.25")
    mine = write("mymethods", HEAD, f"FILE = {str(file)!r}\n", fuser, digest)
    assert [run.run(suite(mine.Mine()), tmp_path / "out", name="x").reused for _ in range(2)] == [0, 2]
    file.write_text("0.5")
    assert run.run(suite(mine.Mine()), tmp_path / "out", name="x").reused == 0
    assert not any(finding.problem for finding in contract.check(mine.Mine()))


def test_a_fuser_that_gives_two_images_is_named_and_not_taken_over(tmp_path: Path, write: Callable[..., Any]) -> None:
    mine = write("mymethods", HEAD, FUSER.replace("(a + b) / 2", "torch.rand_like(a)"))
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"mine: two calls differ by up to \d+ grey levels, so it is computed in"):
            assert run.run(suite(mine.Mine(), Average(), pairs="pqrs"), tmp_path, name="x").items == 8
    assert run.run(suite(Average(), pairs="pqrs"), tmp_path, name="x").reused == 4
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert all(line["key"] for line in lines)


def test_a_metric_that_raises_costs_its_score_and_nothing_else(tmp_path: Path, write: Callable[..., Any]) -> None:
    mine = write("mymethods", HEAD, FUSER)
    raising = METRIC.replace("NAME", "bad").replace("    return", "    raise OverflowError('too bright')\n    return")
    bad = write("mymetric", HEAD, raising)
    of = suite(mine.Mine(), metrics=(SF, bad.MINE, MI))
    for _ in range(2):
        summary = run.run(of, tmp_path, name="x")
        assert [tuple(failure) for failure in summary.failures] == [
            ("CT-MRI", pair, "mine", "bad", "OverflowError: too bright") for pair in "pq"
        ]
        rows = (tmp_path / "failures.csv").read_text().splitlines()
        assert rows[0] == "kind,pair,fuser,metric,reason"
        assert rows[1] == "CT-MRI,p,mine,bad,OverflowError: too bright"
        assert sorted(path.name for path in (tmp_path / "fused").rglob("*.png")) == ["p.png", "q.png"]
        assert [scores(tmp_path).count(f",{metric},".encode()) for metric in ("SF", "bad", "MI")] == [2, 0, 2]
        assert len(mine.CALLS) == 3  # the image is there: only the score is tried again
    assert str(summary.failures[0]) == "bad of mine on CT-MRI/p: OverflowError: too bright"
    # What is no score of each image has failed too.
    wrong = write("mymetric", HEAD, METRIC.replace("NAME", "bad").replace("(dim=(1, 2))", "()"))
    (failure, _) = run.run(suite(mine.Mine(), metrics=(SF, wrong.MINE)), tmp_path, name="x").failures
    assert failure.reason == "scores of shape () for 1 images"


NOISY = """
import os
print("imported")
""" + FUSER.replace(
    "        CALLS",
    '        print("a line")\n        os.write(1, b"another\\n")\n        os.system("echo a third")\n        CALLS',
)


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_fuser_prints_is_named_on_stderr(
    tmp_path: Path, write: Callable[..., Any], jobs: int, capfd: pytest.CaptureFixture[str]
) -> None:
    write("mymethods", HEAD, NOISY, imported=False)
    mine = named("mymethods:Mine")
    run.run(suite(mine()), tmp_path / "out", name="x", jobs=jobs)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "mymethods: imported\n" in captured.err
    assert "mine: a line\nmine: another\nmine: a third\n" in captured.err
