"""The leaderboard: places from ranks by hand, rows of several runs, and what does not go together."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from fusebench.bench.engine.run import run
from fusebench.bench.suite import Table
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.base import Fuser
from fusebench.fusers.pixel.laplacian import Laplacian
from fusebench.fusers.pixel.trivial import Average, Maximum
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.base import Metric
from fusebench.metrics.profiles import chosen
from fusebench.reports import results
from fusebench.reports.leaderboard import frame, markdown, places

Command = Callable[..., tuple[int, str, str]]
METRICS = chosen("SF,Q_ABF,MI,EN")


def entries(seed: int = 0, kind: str = "CT-MRI") -> tuple[Entry, ...]:
    def pair(number: int) -> Pair:
        noise = torch.Generator().manual_seed(100 * seed + number)
        a, b = torch.rand(2, 24, 24, generator=noise)
        return Pair(a, b, kind, f"p{number}", f"p{number}")

    return tuple(Entry(kind, f"p{n}", f"p{n}", lambda n=n: pair(n)) for n in range(6))  # type: ignore[misc]


def ran(
    out: Path, *fusers: Fuser, of: tuple[Entry, ...] | None = None, metrics: tuple[Metric, ...] = METRICS
) -> results.Results:
    table = Table("Methods", (Average(), Maximum(), *fusers), of or entries(), metrics)
    run({"table2": table}, out, name="board")
    return results.read(out)


def test_a_place_is_that_of_the_mean_rank(tmp_path: Path) -> None:
    board = ran(tmp_path, Laplacian(), Wavelet(), Wavelet(levels=1))
    placed = places(board, board.tables[0], ["SF", "Q_ABF"])
    assert placed is not None
    scores = board.scores.unstack("metric")  # noqa: PD010  nothing is averaged
    ranks = pd.concat(
        scores[metric].unstack("fuser").drop(columns=["average", "maximum"]).rank(axis=1, ascending=False)  # noqa: PD010
        for metric in ("SF", "Q_ABF")
    )
    expected = ranks.groupby(level=[0, 1]).mean().rank(axis=1).mean()
    assert placed.mean_ranks.to_dict() == pytest.approx(expected.to_dict())


def test_runs_of_two_people_are_one_board(tmp_path: Path) -> None:
    whole = ran(tmp_path / "whole", Laplacian(), Wavelet())
    first, second = ran(tmp_path / "first", Laplacian()), ran(tmp_path / "second", Wavelet())
    board = results.merged(first, [second])
    assert frame(board, ["SF"]).equals(frame(whole, ["SF"]))
    text = markdown(board, ["SF"], {"wavelet": True})
    assert text.splitlines()[0] == "## CT-MRI"
    row = next(line for line in text.splitlines() if "| wavelet" in line)
    assert "images" in row
    assert "(average)" in text


def test_a_method_without_all_pairs_has_no_place(tmp_path: Path) -> None:
    first = ran(tmp_path / "first", Laplacian(), Wavelet(levels=1))
    second = ran(tmp_path / "second", Wavelet(), of=entries()[:4])
    board = results.merged(first, [second])
    placed = places(board, board.tables[0], ["SF"])
    assert placed is not None
    assert "wavelet" not in placed.intervals
    assert frame(board, ["SF"]).set_index(["fuser", "metric"]).loc[("wavelet", "SF"), "pairs"] == 4


def _changed(folder: Path, **said: object) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **said}))


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    first = ran(tmp_path / "first", Laplacian())
    other = ran(tmp_path / "other", Wavelet(), of=entries(seed=1))
    with pytest.raises(ValueError, match=r"other: the pixels of CT-MRI/p\d are not those"):
        results.merged(first, [other])
    with pytest.raises(ValueError, match="no table of PET-MRI"):
        results.merged(first, [ran(tmp_path / "kind", Wavelet(), of=entries(kind="PET-MRI"))])
    scores = tmp_path / "first" / "scores.csv"
    shutil.copytree(tmp_path / "first", tmp_path / "forged")
    (tmp_path / "forged" / "scores.csv").write_text(scores.read_text().replace("laplacian", "better"))
    with pytest.raises(ValueError, match="is not the file that"):
        results.merged(results.read(tmp_path / "forged"), [])
    _changed(tmp_path / "forged", scores_sha256=None)
    with pytest.raises(ValueError, match="not the file"):
        results.merged(first, [results.read(tmp_path / "forged")])


def test_a_metric_without_direction_places_nobody(tmp_path: Path) -> None:
    board = ran(tmp_path, Laplacian(), Wavelet(), metrics=chosen("SF,CE@vifb"))
    with pytest.raises(ValueError, match="no score by Q_ABF"):
        places(board, board.tables[0], ["Q_ABF"])


def test_the_command_writes_page_and_data_from_numbers_alone(command: Command, tmp_path: Path) -> None:
    ran(tmp_path / "run", Laplacian(), Wavelet())
    for name in ("fused", "colour", "journal.jsonl"):
        path = tmp_path / "run" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    board = tmp_path / "board"
    code, _, err = command("leaderboard", tmp_path / "run", "--out", board, "--by", "SF")
    assert (code, err.count("\n")) == (2, 1)
    board.mkdir()
    (board / "leaderboard.md").write_text("# Ours\n<!-- below: written by `fusebench leaderboard` -->\nold\n")
    code, out, _ = command("leaderboard", tmp_path / "run", "--out", board, "--by", "SF")
    assert code == 0
    assert "laplacian" in out.lower()
    text = (board / "leaderboard.md").read_text()
    assert text.startswith("# Ours")
    assert "old" not in text
    assert len(pd.read_csv(board / "leaderboard.csv")) == 4 * 4


def test_the_board_of_the_documents_is_what_its_runs_give(command: Command, tmp_path: Path) -> None:
    docs = Path(__file__).parents[2] / "docs"
    shutil.copy(docs / "leaderboard.md", tmp_path)
    first, *others = sorted((docs / "leaderboard").iterdir(), key=lambda run: (run.name != "field", run.name))
    assert others
    assert command("leaderboard", first, *others, "--out", tmp_path)[0] == 0
    for name in ("leaderboard.md", "leaderboard.csv"):
        assert (tmp_path / name).read_text() == (docs / name).read_text()
