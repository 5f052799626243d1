"""Several processes give what one gives; one that dies or hangs costs its own item."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fusebench.bench.engine import run
from fusebench.bench.engine.deadline import deadline
from fusebench.fusers.neural.vgg16 import VGG16LBFGS
from fusebench.fusers.pixel.trivial import Average, Maximum
from fusebench.fusers.pixel.wavelet import Wavelet
from run_files import contents


@pytest.fixture
def methods(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the module of methods that misbehave, importable here and in workers, which are told this path."""
    monkeypatch.syspath_prepend(Path(__file__).parent.parent)
    import methods_for_tests

    return methods_for_tests


def test_jobs_do_not_change_a_byte(tmp_path: Path, methods: Any) -> None:
    fusers = (Average(), Wavelet(), VGG16LBFGS(rounds=1, iterations=2))
    # 48 x 48: sums of that many numbers would be split over threads, if there were several.
    suite = methods.suite(*fusers, count=3, size=48)
    for jobs in (1, 2):
        assert run.run(suite, tmp_path / str(jobs), name="x", jobs=jobs) == (9, 0, ())
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert len((tmp_path / "2" / "losses.csv").read_text().splitlines()) > 3


def test_a_fuser_that_takes_too_long_is_interrupted(tmp_path: Path, methods: Any) -> None:
    # Nothing else stands under the limit: on a busy machine it may hold up what is quick.
    summary = run.run(methods.suite(methods.Sleeps(), count=2), tmp_path, name="x", timeout=0.5)
    assert (summary.items, summary.reused) == (2, 0)
    assert [failure[2:] for failure in summary.failures] == [("sleeps", "", "no result after 0.5 s")] * 2


@pytest.mark.slow
@pytest.mark.parametrize("holding", [False, True])
def test_a_fuser_that_hangs_in_c_is_ended_with_its_process(tmp_path: Path, methods: Any, *, holding: bool) -> None:
    # 5 seconds are far more than the other pairs need for an addition.
    summary = run.run(methods.suite(methods.Deaf(holding), count=3), tmp_path, name="x", jobs=2, timeout=5)
    assert summary.items == 3
    (failure,) = summary.failures
    assert failure.pair == "p0"
    assert failure.reason == "no result after 5 s, and no answer: its process was ended"


def test_a_worker_that_dies_costs_its_own_item(tmp_path: Path, methods: Any) -> None:
    summary = run.run(methods.suite(Average(), methods.Dies(), Maximum(), count=3), tmp_path, name="x", jobs=2)
    assert summary.items == 9
    (failure,) = summary.failures
    assert failure[:3] == ("CT-MRI", "p0", "dies")
    assert "SIGKILL" in failure.reason


@pytest.mark.slow
def test_a_worker_that_dies_once_costs_nothing(tmp_path: Path, methods: Any) -> None:
    suite = methods.suite(Average(), methods.Dies(str(tmp_path)), Maximum())
    assert run.run(suite, tmp_path / "out", name="x", jobs=2) == (18, 0, ())


def test_a_gpu_is_one_process(tmp_path: Path, methods: Any) -> None:
    with pytest.raises(ValueError, match="--device cuda: runs in one process"):
        run.run(methods.suite(Average()), tmp_path, name="x", jobs=2, device="cuda")


@pytest.mark.parametrize("main", [True, False])
def test_a_deadline_interrupts_in_any_thread_and_leaves_nothing_behind(*, main: bool) -> None:
    seen: list[str] = []

    def work() -> None:
        try:
            with deadline(0.2):
                while True:
                    time.sleep(0.001)
        except TimeoutError as error:
            seen.append(str(error))
        with deadline(3600):
            seen.append("in time")

    if main:
        work()
    else:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == ["no result after 0.2 s", "in time"]
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert all(timer.finished.is_set() for timer in timers)


def started(folder: Path, out: Path, fuser: str, last: int = 0) -> "subprocess.Popen[str]":
    """Start a run with two workers, in a group of processes of its own; it is killed at its last step on the disk."""
    here = f"import sys; sys.path.append({str(Path(__file__).parent.parent)!r})\n"
    (folder / "mine.py").write_text(
        f"{here}from methods_for_tests import *\nSUITE = suite(Average(), {fuser}, count=40)\n"
    )
    script = f"{here}from methods_for_tests import steps; steps({last}); from fusebench.bench.cli import main; main()"
    command = [sys.executable, "-P", "-c", script, "bench", "--suite", "mine:SUITE", "--jobs", "2", "--out", str(out)]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=absolute(),
    )


def ended(process: "subprocess.Popen[str]") -> int:
    """Wait for the end of a process and give its exit code."""
    process.communicate()
    return process.returncode


def absolute() -> dict[str, str]:
    """Give the environment with paths that hold in another folder."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in paths if path)}


def wait(what: Callable[[], bool]) -> None:
    """Wait for something to happen; the bound only ends a test that would hang."""
    for _ in range(3000):
        if what():
            return
        time.sleep(0.1)
    raise TimeoutError


def group(process: "subprocess.Popen[str]") -> list[int]:
    """Give the processes of a group that are still there."""
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended since it was listed
            stats.append(path.read_text())
    fields = [stat.rpartition(")")[2].split() for stat in stats]
    return [int(f[2]) for f in fields if int(f[2]) == process.pid and f[0] != "Z"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are listed from /proc")
def test_an_interruption_is_one_line_and_leaves_no_process(tmp_path: Path) -> None:
    waits, begun = f"Waits({str(tmp_path)!r})", tmp_path / "begun"
    process = started(tmp_path, tmp_path / "out", waits)
    wait(begun.exists)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate()
    assert process.returncode == 130
    assert err == ("fusebench: interrupted; a bench goes on where it stopped when the same command is given again\n")
    wait(lambda: not group(process))
    # And once more, killed: the workers do not survive their parent.
    begun.unlink()
    process = started(tmp_path, tmp_path / "out", waits)
    wait(begun.exists)
    process.kill()
    wait(lambda: not group(process))
    ended(process)


@pytest.mark.slow
def test_killed_with_workers_at_any_moment_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    assert ended(started(tmp_path, tmp_path / "whole", "Sleeps(0.0)")) == 0
    whole = contents(tmp_path / "whole")
    moments = random.Random(5)  # noqa: S311  no secret
    for n in range(5):
        # 80 items take three steps each at the least: image, line, and that it is on the disk.
        assert ended(started(tmp_path, tmp_path / str(n), "Sleeps(0.0)", moments.randint(1, 240))) == -signal.SIGKILL
        assert ended(started(tmp_path, tmp_path / str(n), "Sleeps(0.0)")) == 0
        assert contents(tmp_path / str(n)) == whole


def test_the_exit_code_tells_of_failures(
    tmp_path: Path, methods: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fusebench.bench import cli

    del methods
    arguments = ["bench", "--suite", "methods_for_tests:FAILING", "--jobs", "1", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["fusebench", *arguments])
    for again in (False, True):
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        assert stop.value.code == 1
        assert f"2 of 4 items failed, named in {tmp_path}/failures.csv; the first: raises on CT-MRI/p0" in captured.err
        assert "ZeroDivisionError: no reason" in captured.err
        assert ("2 of 4 items were finished before" in captured.err) is again
        (row,) = [line for line in captured.out.splitlines() if line.startswith("| raises")]
        assert row.split("|")[2].strip() == "failed"
        assert "raises failed on 2 of 2 pairs, which its mean leaves out (failures.csv)" in captured.out
    assert (tmp_path / "figures" / "table.png").exists()
