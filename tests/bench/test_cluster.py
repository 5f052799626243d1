"""The same run on a Dask cluster over loopback: workers that are lost, that lack something, or that never come."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fusebench.bench.engine import cluster, keys, run
from fusebench.bench.engine.work import Row, Task, pixels_sha256
from fusebench.bench.external import External
from fusebench.datasets.image import png
from fusebench.datasets.pair import Pair
from fusebench.fusers.neural.multifocus import MultiFocusCNN
from fusebench.fusers.pixel.trivial import Average, Maximum
from fusebench.fusers.pixel.wavelet import Wavelet
from run_files import contents

pytest.importorskip("distributed")

HERE = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def methods() -> Iterator[Any]:
    """Give the module of methods that misbehave."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        import methods_for_tests

        yield methods_for_tests


class Cluster(NamedTuple):
    """A scheduler, which does not have the module of methods, and how to start a worker."""

    address: str
    scheduler: "subprocess.Popen[bytes]"
    worker: "Callable[..., subprocess.Popen[bytes]]"


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Cluster]:
    """Give a cluster of processes that nobody starts again."""
    with ExitStack() as stack:
        path = tmp_path / "scheduler.json"
        arguments = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", path)
        scheduler = started(stack, "scheduler", *arguments, paths=[])
        wait(lambda: path.exists() and path.read_text().endswith("}"))
        address = json.loads(path.read_text())["address"]

        def worker(*, paths: list[Path] = [HERE], **environment: str) -> "subprocess.Popen[bytes]":  # noqa: B006  read only
            return started(stack, "worker", address, "--no-nanny", "--nthreads", "1", paths=paths, **environment)

        yield Cluster(address, scheduler, worker)


def started(
    stack: ExitStack, what: str, *arguments: object, paths: list[Path], before: str = "", **environment: str
) -> "subprocess.Popen[bytes]":
    """Start Dask's scheduler or a worker, with folders on its path; it is killed when the test ends."""
    inherited = [str(Path(path).resolve()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    process = subprocess.Popen(
        [
            *(sys.executable, "-P", "-c", f"{before}from distributed.cli.dask_{what} import main; main()"),
            *("--dashboard-address", "127.0.0.1:0", *map(str, arguments)),
        ],
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join([*map(str, paths), *inherited])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def end() -> None:
        process.kill()
        process.wait()

    stack.callback(end)
    return process


def wait(what: Callable[[], object]) -> None:
    """Wait for something to happen; the bound only ends a test that would hang."""
    for _ in range(3000):
        if what():
            return
        time.sleep(0.1)
    raise TimeoutError


def there(address: str, count: int) -> None:
    """Wait until a cluster has so many workers."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        wait(lambda: len(client.nthreads()) == count)


class Meanwhile(threading.Thread):
    """Does something beside the run as soon as a fuser that waits is under way, and then lets it go on."""

    def __init__(self, folder: Path, do: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.folder, self.do = folder, do

    def run(self) -> None:
        wait((self.folder / "begun").exists)
        self.do()
        (self.folder / "go").touch()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.join()


def test_an_address_where_no_scheduler_answers_is_an_error_before_a_pair_is_read(
    tmp_path: Path, methods: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(*_: object) -> Pair:
        raise AssertionError("a pair is read")

    suite = methods.suite(Average(), read=unread)
    monkeypatch.setattr(cluster, "ANSWER", 0.5)
    with socket.socket() as closed, socket.create_server(("127.0.0.1", 0)) as silent:
        closed.bind(("127.0.0.1", 0))
        for address, reason in (
            ("nonsense", "missing port number"),
            ("nonsense.invalid:8786", ""),  # what a resolver says differs
            ("nonsense://x:1", "unknown address scheme"),
            ("127.0.0.1:port", "'port'"),
            (f"127.0.0.1:{closed.getsockname()[1]}", "refused"),
            (f"tcp://127.0.0.1:{silent.getsockname()[1]}", "no answer within 0.5 s"),
        ):
            expected = f"--scheduler {re.escape(address)}: no Dask scheduler answers there .*{reason}.*HOST:PORT"
            with pytest.raises(ValueError, match=expected) as error:
                run.run(suite, tmp_path, name="x", scheduler=address)
            assert "\n" not in str(error.value)


def test_without_workers_the_run_says_that_it_waits(
    tmp_path: Path, methods: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import LocalCluster

    said: list[str] = []
    monkeypatch.setattr(cluster, "WAIT", 0.2)
    with (
        LocalCluster(
            n_workers=0, processes=False, host="127.0.0.1", protocol="tcp://", dashboard_address="127.0.0.1:0"
        ) as empty,
        pytest.raises(ValueError, match=r"tcp://127.0.0.1:\d+: no worker came within 0.2 s"),
    ):
        run.run(
            methods.suite(Average()),
            tmp_path,
            name="x",
            scheduler=empty.scheduler_address,
            progress=lambda what, *_: said.append(what),
        )
    assert said[-1] == "waiting for workers (0)"


def objection(suite: Any) -> Callable[[], str]:
    """Give what a process asks of the workers that are to run a suite, as a call that this process answers."""
    from distributed.protocol.pickle import dumps

    tasks = [
        Task((entry,), (pixels_sha256(entry.read()),), tuple(Row(fuser, table.metrics) for fuser in table.fusers))
        for table in suite.values()
        for entry in table.entries
    ]
    question = cluster._question(tasks)
    return partial(cluster._objection, question.versions, dumps(question))


def test_a_process_that_lacks_something_says_what(
    tmp_path: Path, methods: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What this process lacks only after it has put the question stands for what another one lacks.
    results = tmp_path / "theirs"
    results.mkdir()
    for n in range(2):
        (results / f"p{n}.png").write_bytes(png((255 * methods.pixels(f"p{n}").a).byte()))
    monkeypatch.setenv("FUSEBENCH_MOUNT", str(tmp_path))
    theirs: Any = External("theirs", (("CT-MRI", results),))
    asked = objection(methods.suite(methods.Sleeps(0.0), MultiFocusCNN(), theirs, count=2, read=methods.mounted))
    assert asked() == ""
    with monkeypatch.context() as patch:
        patch.setattr(keys, "environment", lambda: {"torch": "1.0"})
        assert re.match(r"has python None, here .*; torch 1.0, here \d", asked())
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "methods_for_tests")
        patch.setattr(sys, "path", [path for path in sys.path if path != str(HERE)])
        assert asked() == "lacks the module methods_for_tests; install there what is installed here"
    code = keys.code
    with monkeypatch.context() as patch:
        patch.setattr(keys, "code", lambda module: "" if module == "methods_for_tests" else code(module))
        assert asked() == "has other code in the module methods_for_tests"
    with monkeypatch.context() as patch:
        patch.setattr(keys, "weights", lambda _: None)
        assert asked() == "has other weights for cnn"
    with monkeypatch.context() as patch:
        patch.setenv("FUSEBENCH_MOUNT", str(tmp_path / "gone"))
        assert asked() == f"does not see the data: [Errno 2] No such file or directory: '{tmp_path}/gone'"
    (results / "p0.png").unlink()
    assert asked() == f"does not see the data: {results}/p0.png: no such file, in no other format either"
    # A result that is missing here too is no fault of a worker.
    assert objection(methods.suite(theirs, count=2))() == ""


@pytest.mark.slow
def test_a_worker_that_lacks_something_is_named_and_left_out(
    tmp_path: Path, methods: Any, dask: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUSEBENCH_MOUNT", str(tmp_path))
    suite = methods.suite(Average(), methods.Sleeps(0.0), read=methods.mounted)
    here = {"FUSEBENCH_MOUNT": str(tmp_path)}
    dask.worker(FUSEBENCH_MOUNT="/nowhere")
    there(dask.address, 1)
    with pytest.raises(
        ValueError, match=r"no worker can be used: the worker tcp://\S+ does not see the data.*'/nowhere'"
    ):
        run.run(suite, tmp_path / "none", name="x", scheduler=dask.address)
    dask.worker(paths=[], **here)
    dask.worker(**here)
    there(dask.address, 3)
    with pytest.warns(UserWarning, match="is left out") as said:
        assert run.run(suite, tmp_path / "cluster", name="x", scheduler=dask.address) == (12, 0, ())
    blind, bare = sorted(str(warning.message).partition("is left out: it ")[2] for warning in said)
    assert re.fullmatch("does not see the data: .*'/nowhere'", blind)
    assert bare == "lacks the module methods_for_tests; install there what is installed here"
    run.run(suite, tmp_path / "here", name="x")
    assert contents(tmp_path / "cluster") == contents(tmp_path / "here")


@pytest.mark.slow
def test_a_scheduler_without_the_bench_and_a_worker_s_address_are_refused(
    tmp_path: Path, methods: Any, dask: Cluster
) -> None:
    from distributed import Client

    dask.worker()
    there(dask.address, 1)
    with Client(dask.address, set_as_default=False) as client:
        (worker,) = client.nthreads()
    with pytest.raises(ValueError, match=r"no Dask scheduler answers there \(it is a worker\)"):
        run.run(methods.suite(Average()), tmp_path / "out", name="x", scheduler=worker)
    with ExitStack() as stack:
        path = tmp_path / "bare.json"
        arguments = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", path)
        before = "import sys; sys.modules['fusebench.bench'] = None; "
        started(stack, "scheduler", *arguments, paths=[], before=before)
        wait(lambda: path.exists() and path.read_text().endswith("}"))
        address = json.loads(path.read_text())["address"]
        with pytest.raises(
            ValueError, match=r"the scheduler lacks the module fusebench\S+; install there what is installed here"
        ):
            run.run(methods.suite(Average()), tmp_path / "out", name="x", scheduler=address)


@pytest.mark.slow
def test_a_worker_that_is_lost_is_said_and_changes_nothing(tmp_path: Path, methods: Any, dask: Cluster) -> None:
    suite = methods.suite(Average(), Wavelet(), Maximum(), methods.Waits(str(tmp_path)), count=10, size=32)
    workers = [dask.worker(), dask.worker()]
    there(dask.address, 2)
    with (
        pytest.warns(UserWarning, match=r"^worker tcp://\S+ lost, its tasks run again$"),
        Meanwhile(tmp_path, workers[0].kill),
    ):
        summary = run.run(suite, tmp_path / "cluster", name="x", scheduler=dask.address)
    assert summary == (40, 0, ())
    run.run(suite, tmp_path / "here", name="x")
    assert contents(tmp_path / "cluster") == contents(tmp_path / "here")
    # A fuser that hangs is interrupted there too, though a worker's tasks run in threads.
    hanging = methods.suite(methods.Waits(str(tmp_path / "cluster")), count=1)
    summary = run.run(hanging, tmp_path / "slow", name="x", scheduler=dask.address, timeout=1)
    assert [failure[2:] for failure in summary.failures] == [("waits", "", "no result after 1 s")]


@pytest.mark.slow
def test_when_all_workers_are_lost_those_that_come_go_on(tmp_path: Path, methods: Any, dask: Cluster) -> None:
    suite = methods.suite(Average(), methods.Waits(str(tmp_path)))
    workers = [dask.worker(), dask.worker()]
    there(dask.address, 2)

    def replace() -> None:
        for worker in workers:
            worker.kill()
        dask.worker()

    with pytest.warns(UserWarning, match="lost") as said, Meanwhile(tmp_path, replace):
        summary = run.run(suite, tmp_path / "cluster", name="x", scheduler=dask.address)
    assert summary == (12, 0, ())
    assert len([warning for warning in said if "lost, its tasks run again" in str(warning.message)]) == 2
    run.run(suite, tmp_path / "here", name="x")
    assert contents(tmp_path / "cluster") == contents(tmp_path / "here")


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["scheduler", "worker"])
def test_begun_there_and_finished_here_it_ends_with_the_same_bytes(
    tmp_path: Path, methods: Any, dask: Cluster, victim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = methods.suite(Average(), Wavelet(), methods.Waits(str(tmp_path)))
    worker = dask.worker()
    there(dask.address, 1)
    monkeypatch.setattr(cluster, "WAIT", 1)
    victims = {"scheduler": dask.scheduler, "worker": worker}
    reason = {"scheduler": "the connection to the scheduler is lost", "worker": "no worker came back within 1 s"}[
        victim
    ]
    with ExitStack() as stack:
        if victim == "worker":
            stack.enter_context(pytest.warns(UserWarning, match="lost"))
        stack.enter_context(Meanwhile(tmp_path, victims[victim].kill))
        with pytest.raises(OSError, match=f"{reason}; the same command goes on where it stopped"):
            run.run(suite, tmp_path / "out", name="x", scheduler=dask.address)
    summary = run.run(suite, tmp_path / "out", name="x")
    assert summary.items == 18
    assert 0 < summary.reused < 18
    assert summary.failures == ()
    run.run(suite, tmp_path / "here", name="x")
    assert contents(tmp_path / "out") == contents(tmp_path / "here")


@pytest.mark.slow
def test_a_fuser_that_kills_every_worker_it_is_given_costs_its_own_item(
    tmp_path: Path, methods: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import LocalCluster

    suite = methods.suite(Average(), methods.Dies(), count=3)
    # Dask starts a worker again whose process has ended; it inherits this path.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", protocol="tcp://"
        ) as local,
        pytest.warns(UserWarning, match="lost"),
    ):
        summary = run.run(suite, tmp_path, name="x", scheduler=local.scheduler_address)
    assert [failure[:3] for failure in summary.failures] == [("CT-MRI", "p0", "dies")]
    assert summary.items == 6
