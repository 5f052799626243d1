"""The history of a file of scores in git."""

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from fusebench.bench.engine.store import Score, write_rows
from fusebench.bench.gate.changes import stated
from fusebench.bench.gate.history import drifts, history, series

Command = Callable[..., tuple[int, str, str]]
# A fuser whose scores may move by 2 %, and one whose scores may not.
VGG16 = Score("CT-MRI", "p", "vgg16[layer=conv1_2]", "SF", 20.0)
AVERAGE = Score("CT-MRI", "p", "average", "SF", 10.0)


def git(folder: Path, *words: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *names, *words], check=True, capture_output=True)


def committed(folder: Path, versions: Iterable[list[Score]]) -> Path:
    """Commit versions of a file of scores, the subject of each its number."""
    git(folder, "init", "-q")
    file = folder / "record.csv"
    for number, rows in enumerate(versions):
        write_rows(file, Score._fields, rows)
        git(folder, "add", file.name)
        git(folder, "commit", "-q", "--allow-empty", "-m", f"version {number}")
    return file


def test_small_steps_that_add_up_are_found_and_their_commits_named(tmp_path: Path) -> None:
    # 0.5 % a commit, ten times: each is within the 2 % that the fuser states, their sum of 5 % is not.
    scores = [20.0 * 1.005**n for n in range(11)]
    file = committed(tmp_path, ([AVERAGE, VGG16._replace(score=score)] for score in scores))
    steps = history(file)
    assert [step.subject for step in steps] == [f"version {n}" for n in range(11)]
    (drift,) = drifts(steps, stated())
    assert drift.commits == [step.commit for step in steps[1:]]
    assert drift.change.fuser_and_metric == ("vgg16[layer=conv1_2]", "SF")
    assert drift.change.size == pytest.approx(1.005**10 - 1)


def test_an_unmoved_history_says_nothing(tmp_path: Path, command: Command) -> None:
    file = committed(tmp_path, [[AVERAGE, VGG16]] * 3)
    assert drifts(history(file), stated()) == []
    code, out, _ = command("history", file)
    assert code == 0
    assert "no score moved" in out


def test_steps_that_return_are_no_drift(tmp_path: Path) -> None:
    scores = (20.0 + 0.3 * (n % 2) for n in range(10))
    assert drifts(history(committed(tmp_path, ([VGG16._replace(score=s)] for s in scores))), stated()) == []


def test_a_step_that_was_seen_is_told_but_is_no_drift(tmp_path: Path, command: Command) -> None:
    file = committed(tmp_path, [[AVERAGE], [AVERAGE._replace(score=11.0)]])
    code, out, _ = command("history", file)
    assert code == 0
    assert "version 1: 1 scores; CT-MRI p average SF: 10 -> 11 (+10 %" in out


def test_a_tag_is_an_anchor(tmp_path: Path) -> None:
    scores = [20.0 * 1.005**n for n in range(6)]
    file = committed(tmp_path, ([VGG16._replace(score=score)] for score in scores))
    assert len(drifts(history(file), stated())) == 1
    git(tmp_path, "tag", "v1")
    assert drifts(history(file), stated()) == []
    assert history(file)[-1].anchor == "v1"


def test_drift_fails_the_command(tmp_path: Path, command: Command) -> None:
    file = committed(tmp_path, ([VGG16._replace(score=20.0 * 1.005**n)] for n in range(11)))
    code, out, err = command("history", file)
    assert code == 1
    assert "by 10 small steps since" in out
    assert "1 scores drifted" in err


def test_a_renamed_file_keeps_its_history(tmp_path: Path) -> None:
    file = committed(tmp_path, [[AVERAGE, VGG16], [AVERAGE, VGG16._replace(score=21.0)]])
    git(tmp_path, "mv", file.name, "scores.csv")
    git(tmp_path, "commit", "-qm", "renamed")
    assert [len(step.changes) for step in history(tmp_path / "scores.csv")] == [0, 1, 0]


def test_history_begins_after_other_columns(tmp_path: Path) -> None:
    file = committed(tmp_path, [])
    file.write_text("kind,score\nCT-MRI,1\n")
    git(tmp_path, "add", file.name)
    git(tmp_path, "commit", "-qm", "other columns")
    with pytest.raises(ValueError, match=r"record.csv: not a table of kind"):
        history(file)
    committed(tmp_path, [[AVERAGE]])
    assert [step.subject for step in history(file)] == ["version 0"]


def test_what_git_does_not_know_is_refused(tmp_path: Path) -> None:
    (tmp_path / "record.csv").write_text("")
    with pytest.raises(ValueError, match=r"record.csv: .*not a git repository"):
        history(tmp_path / "record.csv")
    git(tmp_path, "init", "-q")
    with pytest.raises(ValueError, match=r"record.csv"):
        history(tmp_path / "record.csv")


def test_a_page_draws_each_score_that_moved_and_names_the_commits(tmp_path: Path, command: Command) -> None:
    scores = [20.0 * 1.005**n for n in range(11)]
    file = committed(tmp_path, ([AVERAGE, VGG16._replace(score=score)] for score in scores))
    git(tmp_path, "tag", "v<1>", "HEAD~10")
    code, _, err = command("history", file, "--html", tmp_path / "history.html")
    assert code == 1
    assert f"written: {tmp_path / 'history.html'}" in err
    text = (tmp_path / "history.html").read_text()
    assert "11 versions, 10 of which moved a score" in text
    assert "v&lt;1&gt;" in text
    assert "<script" not in text
    assert all(step.commit in text for step in history(file))
    assert text.count("data:image/svg+xml") == 2  # the chart and the link that saves it
    found = series(history(file))
    assert list(found) == ["CT-MRI p vgg16[layer=conv1_2] SF"]
    assert found["CT-MRI p vgg16[layer=conv1_2] SF"] == scores
