"""A run that ends at any moment goes on where it stopped, and ends with the same bytes as one that was left alone."""

import hashlib
import json
import os
import random
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from fusebench.bench import provenance
from fusebench.bench.engine import keys, run, store
from fusebench.bench.engine.journal import Journal, Line
from fusebench.bench.suite import Suite, Table
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.base import Fuser
from fusebench.fusers.pixel.trivial import Average, Maximum, SourceA
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.contrast import SD
from fusebench.metrics.mutual_information import EN, MI
from fusebench.metrics.spatial_frequency import SF
from run_files import contents
from torch import Tensor

CHEAP: tuple[Fuser, ...] = (Average(), Maximum(), SourceA(), Wavelet(levels=2))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave git alone: asking it for the commit takes longer than these runs."""
    monkeypatch.setattr(provenance, "commit", lambda _: None)


@pytest.fixture
def methods(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the module that counts a process's steps on the disk."""
    monkeypatch.syspath_prepend(Path(__file__).parent.parent)
    import methods_for_tests

    return methods_for_tests


def pixels(kind: str, name: str) -> Pair:
    noise = torch.Generator().manual_seed(sum(name.encode()))
    a, b = torch.rand(2, 16, 16, generator=noise)
    chroma = torch.full((2, 16, 16), 0.1) if kind == "CT-PET" else None
    return Pair(a, b, kind, name, name, chromas=(None, chroma))


def suite(count: int = 4, fusers: tuple[Fuser, ...] = CHEAP) -> Suite:
    entries = [Entry(kind, f"p{n}", f"p{n}", partial(pixels, kind, f"p{n}")) for kind in KINDS for n in range(count)]
    return {kind: Table(kind, fusers, tuple(e for e in entries if e.kind == kind), (SF, MI, EN)) for kind in KINDS}


KINDS = ("CT-MRI", "CT-PET")


def killed(out: Path, last: int, of: Suite, methods: Any) -> bool:
    """Run in a process of its own that is killed at that step of its on the disk; say whether it took so many."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            methods.steps(last)
            run.run(of, out, name="x")
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_killed_at_any_moment_it_ends_with_the_same_bytes(
    tmp_path: Path, methods: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A moment lies between two steps on the disk, or in the middle of a write. FUSEBENCH_KILLS=1000 chooses so many.
    with monkeypatch.context() as patched:
        steps = methods.steps(patch=patched.setattr)
        run.run(suite(), tmp_path / "whole", name="x")
    whole = contents(tmp_path / "whole")
    items = len(KINDS) * 4 * len(CHEAP)
    assert len([name for name in whole if name.endswith(".png")]) == items * 3 // 2
    chosen = random.Random(12)  # noqa: S311  no secret
    # One of each kind of step first: a folder made, a line written, a file put into its place, ...
    moments = [chosen.choice([n for n, name in enumerate(steps, 1) if name == kind]) for kind in sorted({*steps})]
    kills = max(len(moments), int(os.environ.get("FUSEBENCH_KILLS", "20")))
    moments += [chosen.randint(1, len(steps)) for _ in range(kills - len(moments))]
    reused = []
    for n, moment in enumerate(moments):
        out = tmp_path / str(n)
        assert killed(out, moment, suite(), methods)
        killed(out, chosen.randint(1, len(steps)), suite(), methods)  # where less was left to do, it is finished
        reused.append(run.run(suite(), out, name="x").reused)
        assert contents(out) == whole
    # The moments were spread over the runs: some had begun and were not done.
    assert any(0 < count < items for count in reused)


def test_killed_in_the_middle_of_the_exchange_it_ends_with_the_new_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.run(suite(2), tmp_path / "whole", name="x")
    whole = contents(tmp_path / "whole")
    steps = 0

    class PowerCut(BaseException):
        """The end of the process, in the middle of something."""

    for point in range(100):
        out = tmp_path / str(point)
        run.run(suite(3, CHEAP[:2]), out, name="x")
        (out / "tables").mkdir()
        steps = 0

        def cut(step: Callable[..., object], *arguments: object, point: int = point) -> object:
            nonlocal steps
            steps += 1
            if steps > point:
                raise PowerCut
            return step(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(store, "remove", partial(cut, store.remove))
            patched.setattr(Path, "rename", lambda path, to, cut=cut, rename=Path.rename: cut(rename, path, to))
            try:
                run.run(suite(2), out, name="x")
            except PowerCut:
                pass
            else:
                break
        assert run.run(suite(2), out, name="x").reused == len(KINDS) * 2 * len(CHEAP)
        assert contents(out) == whole
        assert not (out / "tables").exists()
    assert 10 < steps < 100


def test_a_finished_run_is_not_computed_again_unless_it_is_wanted_so(tmp_path: Path) -> None:
    items = len(KINDS) * 4 * len(CHEAP)
    assert run.run(suite(), tmp_path, name="x") == (items, 0, ())
    whole = contents(tmp_path)
    assert run.run(suite(), tmp_path, name="x") == (items, items, ())
    assert contents(tmp_path) == whole
    assert run.run(suite(), tmp_path, name="x", fresh=True) == (items, 0, ())
    assert contents(tmp_path) == whole


def test_only_what_changed_is_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run.run(suite(), tmp_path, name="x")
    pairs = len(KINDS) * 4
    # Another option, a fuser more, and one less.
    assert run.run(suite(fusers=(*CHEAP[:2], Wavelet(levels=1))), tmp_path, name="x") == (3 * pairs, 2 * pairs, ())
    # A pair more.
    assert run.run(suite(5, CHEAP[:2]), tmp_path, name="x").reused == 2 * pairs
    # Other metrics.
    other = {name: Table(name, CHEAP[:2], table.entries, (SF, SD)) for name, table in suite().items()}
    assert run.run(other, tmp_path, name="x").reused == 0
    # Other pixels under the same name.
    run.run(suite(), tmp_path, name="x")
    changed = suite()
    inverted = Entry("CT-MRI", "p0", "p0", lambda: flipped(pixels("CT-MRI", "p0")))
    table = changed["CT-MRI"]
    mixed = {**changed, "CT-MRI": Table("CT-MRI", CHEAP, (inverted, *table.entries[1:]), table.metrics)}
    assert run.run(mixed, tmp_path, name="x").reused == (pairs - 1) * len(CHEAP)
    # Other code: the wavelet's alone, which no other of these fusers uses.
    run.run(suite(), tmp_path, name="x")
    before = keys.code

    def changed_wavelet(module: str, source: object = None) -> str:
        return str(before(module, source)) + ("!" if module.endswith("wavelet") else "")  # type: ignore[arg-type]

    monkeypatch.setattr(keys, "code", changed_wavelet)
    assert run.run(suite(), tmp_path, name="x").reused == pairs * (len(CHEAP) - 1)


def flipped(pair: Pair) -> Pair:
    return Pair(1 - pair.a, pair.b, pair.kind, pair.name, pair.case)


def test_the_digest_of_code_follows_imports_within_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "mymethods"
    package.mkdir()
    files = {
        "__init__.py": "",
        "guided.py": "from . import filters\nimport torch\nclass G: pass\n",
        "filters.py": "def f():\n    from mymethods.deep import x\n    import beside\n",
        "deep.py": "x = 1\n",
        "unrelated.py": "y = 1\n",
    }
    for name, text in files.items():
        (package / name).write_text(text)
    (tmp_path / "beside.py").write_text("z = 1\n")
    monkeypatch.syspath_prepend(tmp_path)

    def digest() -> str | None:
        return keys.code("mymethods.guided")

    before = digest()
    for path, counts in (
        (package / "unrelated.py", False),
        (package / "deep.py", True),
        (package / "guided.py", True),
        (tmp_path / "beside.py", True),
    ):
        path.write_text(path.read_text() + "# changed\n")
        assert (digest() != before) is counts, path
        before = digest()
    # A fuser of the bench does not depend on another one's code, but on what it imports.
    wavelet = keys.code("fusebench.fusers.pixel.wavelet")

    def commented(end: str) -> Callable[[str], bytes | None]:
        return lambda name: (text := keys._source(name)) and text + b"# changed\n" * name.endswith(end)

    assert keys.code("fusebench.fusers.pixel.wavelet", commented("rules.activity")) not in {wavelet, None}
    assert keys.code("fusebench.fusers.pixel.wavelet", commented("transforms.wavelet")) not in {wavelet, None}
    assert keys.code("fusebench.fusers.pixel.wavelet", commented("nsct")) == wavelet


@pytest.mark.parametrize("damage", ["cut the last line", "spoil a line", "spoil an image", "remove an image"])
def test_a_damaged_journal_or_image_costs_its_item_and_no_more(tmp_path: Path, damage: str) -> None:
    run.run(suite(), tmp_path, name="x")
    whole = contents(tmp_path)
    journal, picture = tmp_path / "journal.jsonl", tmp_path / "fused" / "CT-MRI" / "maximum" / "p2.png"
    lines = journal.read_bytes().splitlines(keepends=True)
    match damage:
        case "cut the last line":
            journal.write_bytes(b"".join(lines)[:-20])
        case "spoil a line":
            journal.write_bytes(b"".join([lines[0], b"\x00" * 50 + b"\n", *lines[2:]]))
        case "spoil an image":
            picture.write_bytes(picture.read_bytes()[:-1] + b"?")
        case _:
            picture.unlink()
    items = len(KINDS) * 4 * len(CHEAP)
    assert run.run(suite(), tmp_path, name="x") == (items, items - 1, ())
    assert contents(tmp_path) == whole


def test_a_torn_line_is_cut_before_the_next_is_written(tmp_path: Path) -> None:
    def put(journal: Journal, pair: str, scores: dict[str, float]) -> None:
        images = {"fused": hashlib.sha256(pair.encode()).hexdigest()}
        line = Line("d", pair, "average", "k", images, {m: (x, "s") for m, x in scores.items()}, ((1, 1, 0.1),))
        journal.put([(line, {"fused": pair.encode()})])

    put(Journal(tmp_path), "p", {"SF": 0.1, "MI": float("nan"), "EN": float("inf")})
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"kind": "d", "pair": "q"')
    again = Journal(tmp_path)
    assert again.find(("d", "p", "average"), "k")
    put(again, "q", {"SF": 1 / 3})
    read = Journal(tmp_path)
    assert read["d", "q", "average"].scores == {"SF": [1 / 3, "s"]}
    assert read["d", "q", "average"].losses == [[1, 1, 0.1]]
    assert str(read["d", "p", "average"].scores) == "{'EN': [inf, 's'], 'MI': [nan, 's'], 'SF': [0.1, 's']}"
    assert not read.find(("d", "q", "average"), "another")
    assert not read.find(("d", "q", "average"), None)
    assert all(json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines())


def test_a_second_run_on_a_folder_says_so_and_stops(tmp_path: Path) -> None:
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with store.locked(tmp_path):
            os.write(ready[1], b"x")
            os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    with pytest.raises(ValueError, match="another run is writing there"):
        run.run(suite(), tmp_path, name="x")
    os.kill(child, signal.SIGKILL)  # the system gives the folder back
    os.waitpid(child, 0)
    run.run(suite(1), tmp_path, name="x")


@pytest.mark.parametrize("limit", [9000, 7500])  # more than run.json has
def test_a_full_disk_is_an_error_that_names_the_file_and_the_run_goes_on(tmp_path: Path, limit: int) -> None:
    # A limit on the size of files is met in the middle of a journal's line, as the end of a disk would be.
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        code = 1
        try:
            run.run(suite(), tmp_path, name="x")
        except OSError as error:
            code = 0 if str(error.filename).endswith("journal.jsonl") else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (tmp_path / ".running" / "journal.jsonl").stat().st_size == limit
    assert 0 < run.run(suite(), tmp_path, name="x").reused < len(KINDS) * 4 * len(CHEAP)
    run.run(suite(), tmp_path / "whole", name="x")
    assert contents(tmp_path / "whole") == {
        name: content for name, content in contents(tmp_path).items() if not name.startswith("whole")
    }


@dataclass(frozen=True)
class Fails:
    """Fails on some pairs, in a way of its own on each."""

    name: ClassVar[str] = "fails"
    cured: ClassVar[bool] = False

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        match int(a[0, 0, 0].item() * 1000) % 4 if not self.cured else None:
            case 0:
                raise MemoryError
            case 1:
                a.zero_()
            case 2:
                sys.exit(3)
            case 3:
                return torch.full_like(a, torch.nan)
        return b


@pytest.mark.filterwarnings("ignore:fails. no file has the code that runs")  # pytest rewrites this one
def test_a_failure_stops_no_other_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fusers = (Average(), Fails(), Maximum())
    summary = run.run(suite(6, fusers), tmp_path, name="x")
    assert summary.items == 36
    failures = {failure[:3]: failure.reason for failure in summary.failures}
    assert len(failures) == 12
    assert {fuser for _, _, fuser in failures} == {"fails"}
    assert set(failures.values()) == {
        "MemoryError",
        "fails changed its sources",
        "SystemExit: 3",
        "fails returned NaN or infinite pixels",
    }
    listed = (tmp_path / "failures.csv").read_text().splitlines()
    assert listed[0] == "kind,pair,fuser,metric,reason"
    assert len(listed) == 13
    scored = (tmp_path / "scores.csv").read_text()
    assert scored.count("average") == scored.count("maximum") == 36
    assert "fails" not in scored
    assert not list((tmp_path / "fused").rglob("fails"))
    assert run.run(suite(6, fusers), tmp_path, name="x").reused == 24
    monkeypatch.setattr(Fails, "cured", True)
    assert run.run(suite(6, fusers), tmp_path, name="x") == (36, 24, ())
    assert not (tmp_path / "failures.csv").exists()


def test_pixels_that_change_under_a_run_are_a_failure(tmp_path: Path) -> None:
    reads: list[int] = []

    def read() -> Pair:
        reads.append(1)
        return pixels("CT-MRI", f"p{len(reads)}")

    entry = Entry("CT-MRI", "p1", "p1", lambda: Pair(read().a, read().b, "CT-MRI", "p1", "p1"))
    (failure,) = run.run({"t": Table("x", (Average(),), (entry,), (SF,))}, tmp_path, name="x").failures
    assert failure.reason == "CT-MRI/p1: its pixels changed while the run was on"
