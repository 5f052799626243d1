"""The same run on a Dask cluster: two workers over loopback, one of which is killed in the middle."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fusebench.bench import keys, output, run
from fusebench.fusers.trivial import Average, Maximum
from fusebench.fusers.wavelet import Wavelet

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def methods() -> Iterator[Any]:
    """Give the module of methods that misbehave, importable here and in workers, which inherit this path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        paths = [str(Path(__file__).parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        patch.setenv("PYTHONPATH", os.pathsep.join(str(Path(path).resolve()) for path in paths if path))
        import methods_for_tests

        yield methods_for_tests


@pytest.fixture
def cluster(methods: Any) -> Iterator[Any]:
    """Give a cluster of two workers over loopback."""
    from distributed import LocalCluster

    del methods
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, protocol="tcp://"
    ) as found:
        yield found


def contents(out: Path) -> dict[str, bytes]:
    """Give what a run wrote, but for the time of day."""
    files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return {name: content for name, content in files.items() if name not in {"run.json", output.LOCK}}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_worker_killed_in_the_middle_changes_nothing(tmp_path: Path, methods: Any, cluster: Any) -> None:
    suite = methods.suite(Average(), Wavelet(), Maximum(), methods.Sleeps(0.1), count=30, size=32)
    victims: list[int] = []

    def kill() -> None:
        while not (tmp_path / "cluster" / ".running" / "journal.jsonl").exists():
            time.sleep(0.02)
        victims.append(next(iter(cluster.workers.values())).pid)
        os.kill(victims[0], signal.SIGKILL)

    assassin = threading.Thread(target=kill)
    assassin.start()
    summary = run.run(suite, tmp_path / "cluster", name="x", scheduler=cluster.scheduler_address)
    assassin.join()
    assert summary == (120, 0, ())
    assert victims
    run.run(suite, tmp_path / "here", name="x")
    assert contents(tmp_path / "cluster") == contents(tmp_path / "here")
    # A fuser that hangs is interrupted there too, though a worker's tasks run in threads.
    hanging = methods.suite(methods.Sleeps(4.0), Average(), count=1)
    summary = run.run(hanging, tmp_path / "slow", name="x", scheduler=cluster.scheduler_address, timeout=3)
    assert [failure.fuser for failure in summary.failures] == ["sleeps[seconds=4.0]"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cluster_with_other_code_is_refused(
    tmp_path: Path, methods: Any, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "environment", lambda: {"torch": "1.0"})
    with pytest.raises(ValueError, match=r"tcp://127.0.0.1:\d+: the worker .* has torch .*, here 1.0"):
        run.run(methods.suite(Average()), tmp_path, name="x", scheduler=cluster.scheduler_address)


def test_an_address_where_nothing_answers_is_an_error(
    tmp_path: Path, methods: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dask

    del monkeypatch
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(ValueError, match=r"--scheduler tcp://127.0.0.1:9: no Dask scheduler answers there"),
    ):
        run.run(methods.suite(Average()), tmp_path, name="x", scheduler="tcp://127.0.0.1:9")
