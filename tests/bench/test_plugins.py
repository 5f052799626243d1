"""Fusers and suites from elsewhere: found, tested, run, and no crash where they are broken."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from fusebench.bench import cli
from fusebench.bench.contract import CLAUSES, check
from fusebench.bench.paper import paper
from fusebench.bench.suite import load
from fusebench.datasets import image, phantom
from fusebench.datasets.image import quantise
from fusebench.fusers import catalogue
from fusebench.fusers.base import NEVER_SHOWN, label, parse
from torch import Tensor

GOOD = '''
from dataclasses import dataclass
from typing import ClassVar
import torch

@dataclass(frozen=True)
class Darker:
    """The darker of the sources."""
    name: ClassVar[str] = "darker"
    weight: float = 1.0

    def __call__(self, a, b):
        return self.weight * torch.minimum(a, b)

class Untidy:
    name = "untidy"

@dataclass(frozen=True)
class Average(Darker):
    name: ClassVar[str] = "average"

@dataclass(frozen=True)
class Needy(Darker):
    name: ClassVar[str] = "needy"
    folder: str = None
    def __post_init__(self):
        raise OSError("no weights here")
'''


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install a package that offers what it is told: a metadata folder on the path, as pip leaves one."""

    def install(**points: str) -> None:
        (tmp_path / "darkness.py").write_text(GOOD)
        folder = tmp_path / "darkness-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: darkness\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in points.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[fusebench.fusers]", *lines, ""]))
        monkeypatch.syspath_prepend(tmp_path)
        catalogue.plugins.cache_clear()

    yield install
    catalogue.plugins.cache_clear()
    sys.modules.pop("darkness", None)


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["fusebench", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def test_a_plug_in_stands_wherever_a_fuser_does(
    plugins: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugins(darker="darkness:Darker")
    own = [cls.name for cls in (*catalogue.FUSERS, *catalogue.COLOUR)]
    assert [cls.name for cls in catalogue.known()] == [*own, "darker", "onnx"]
    assert label(parse("darker[weight=0.5]", catalogue.known())) == "darker[weight=0.5]"
    assert [label(f) for f in paper(phantom.entries())["table2"].fusers][-1] == "darker"
    assert command(monkeypatch, "list", "fusers") == 0
    assert "The darker of the sources." in capsys.readouterr().out
    assert command(monkeypatch, "test-fuser", "darker") == 0


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        ("darkness:Gone", "AttributeError"),
        ("nowhere:Darker", "ModuleNotFoundError"),
        ("darkness:Untidy", "Untidy is no frozen dataclass"),
        ("darkness:Average", "a fuser is called average already"),
        ("darkness:Needy", "OSError: no weights here"),
    ],
)
def test_a_plug_in_that_does_not_load_is_named_and_left_out(
    plugins: Callable[..., None], point: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins(broken=point, darker="darkness:Darker")
    with pytest.warns(UserWarning, match=f"plug-in broken .{point}. is left out: .*{reason}"):
        assert [cls.name for cls in catalogue.plugins()] == ["darker"]
    del monkeypatch


def test_the_command_line_says_it_in_one_line(plugins: Callable[..., None], tmp_path: Path) -> None:
    plugins(broken="nowhere:Darker")
    script = "from fusebench.bench.cli import main; main()"
    paths = [str(tmp_path), *(str(Path(p).resolve()) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p)]
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, "list", "fusers"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == (
        "fusebench: plug-in broken (nowhere:Darker) is left out: ModuleNotFoundError: No module named 'nowhere'\n"
    )
    assert "wavelet" in done.stdout


@dataclass(frozen=True)
class Broken:
    """Breaks the clause it is told to."""

    name: ClassVar[str] = "broken"
    state: ClassVar[list[int]] = []
    how: str = ""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:  # noqa: C901, PLR0911  a line for each way
        fused = (a + b) / 2
        match self.how:
            case "dtype":
                return fused.double()
            case "shape":
                return fused[:, ::2]
            case "type":
                return fused.numpy()  # type: ignore[return-value]
            case "range":
                return fused * 1.01
            case "flat":
                return fused / fused.amax(dim=(1, 2), keepdim=True)
            case "random":
                return torch.rand_like(fused)
            case "state":
                self.state.append(1)
                return fused * (1 - len(self.state) / 1000)
            case "sources":
                a.mul_(0.5)
            case "batch":
                return fused - fused.mean() + fused[:1].mean()
            case "odd":
                return fused.reshape(len(fused), 16, -1)
            case "device":
                return fused.to("meta")
            case "raises":
                raise RuntimeError("no reason")
        return fused


@pytest.mark.parametrize(
    ("how", "clause", "problem"),
    [
        ("dtype", "float32 in", "torch.float64"),
        ("shape", "float32 in", "(2, 8, 16)"),
        ("type", "float32 in", "ndarray"),
        ("odd", "float32 in", "RuntimeError"),
        ("range", "finite", "to 1.0"),
        ("flat", "finite", "NaN or infinite pixels of flat sources"),
        ("random", "two calls", "differ by up to"),
        ("state", "two calls", "differ by up to"),
        ("sources", "its sources", "changed"),
        ("batch", "a batch", "grey levels"),
        ("device", "the result is on", "the result on meta"),
        ("raises", "finite", "RuntimeError: no reason"),
    ],
)
def test_each_clause_is_broken_by_what_breaks_it(how: str, clause: str, problem: str) -> None:
    broken = {finding.clause: finding.problem for finding in check(Broken(how)) if finding.problem}
    (found,) = [clause_ for clause_ in CLAUSES if clause_.startswith(clause)]
    assert problem in broken[found]


def test_a_docstring_that_nobody_wrote_is_none() -> None:
    @dataclass(frozen=True)
    class Silent(Broken):
        pass

    problems = {finding.clause: finding.problem for finding in check(Silent())}
    assert "no docstring" in problems["it is a frozen dataclass with a name and a docstring"]


def test_what_keeps_the_contract_breaks_none_and_what_holds_a_lock_cannot_travel() -> None:
    @dataclass(frozen=True)
    class Local:
        """Is in no module, and so travels by value, which a lock cannot."""

        name: ClassVar[str] = "local"
        lock: Any = field(default=threading.Lock(), metadata=NEVER_SHOWN)

        def __call__(self, a: Tensor, b: Tensor) -> Tensor:
            del b
            return a

    assert [f.clause for f in check(Local()) if f.problem] == ["it can be sent to a worker"]
    assert not any(f.problem for f in check(Broken()))


def test_the_contract_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bright.py").write_text(
        GOOD.replace("Darker", "Brighter").replace("self.weight *", "2 *").replace("darker", "brighter")
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert command(monkeypatch, "test-fuser", "bright:Brighter") == 1
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert len(lines) == len(CLAUSES)
    assert sum(line.startswith("ok") for line in lines) == len(CLAUSES) - 1
    assert captured.err == f"fusebench: bright:Brighter breaks 1 of {len(CLAUSES)} clauses\n"
    for what, complaint in (
        ("bright:Untidy", "no frozen dataclass"),
        ("bright:Gone", "cannot be imported"),
        ("brite:Brighter", "ModuleNotFoundError"),
        ("magic", "no fuser is called 'magic'"),
        ("bright:Needy", "no weights here"),
    ):
        assert command(monkeypatch, "test-fuser", what) == 2
        error = capsys.readouterr().err
        assert complaint in error
        assert error.count("\n") == 1


@pytest.fixture
def methods(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the module that holds suites of its own."""
    monkeypatch.syspath_prepend(Path(__file__).parent.parent)
    import methods_for_tests

    return methods_for_tests


def test_a_suite_from_elsewhere(methods: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> tuple[Any, ...]:
        raise AssertionError("the data are not asked for")

    assert load("methods_for_tests:MINE", none) is methods.MINE
    assert load("methods_for_tests:mine", none) is methods.MINE
    assert len(load("methods_for_tests:of_data", phantom.entries, 3)["table9"].entries) == 3
    for name, complaint in (
        ("methods_for_tests:Gone", "cannot be imported"),
        ("methods_for_tests:UNTIDY", "no frozen dataclass"),
        ("methods_for_tests:__doc__", "not a suite"),
        ("methods_for_tests:", "expected module:NAME"),
    ):
        with pytest.raises(ValueError, match=complaint):
            load(name, none)
    assert command(monkeypatch, "bench", "--suite", "methods_for_tests:MINE", "--jobs", 1, "--out", tmp_path / "o") == 0
    assert "sleeps[seconds=0.0]" in (tmp_path / "o" / "scores.csv").read_text()


def test_what_a_plug_in_prints_is_not_among_what_the_bench_prints(
    plugins: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        sys.modules[__name__], "GOOD", GOOD.replace("        return", "        print('a')\n        return")
    )
    plugins(darker="darkness:Darker")
    for arguments in (("list", "fusers"), ("test-fuser", "darkness:Darker"), ("test-fuser", "darker")):
        assert command(monkeypatch, *arguments) == 0
        captured = capfd.readouterr()
        lines = captured.out.splitlines()
        assert "a" not in lines
        assert ("Darker: a\n" in captured.err) is (arguments[0] == "test-fuser")
    for name in ("a.png", "b.png"):
        image.write(torch.full((16, 16), 7, dtype=torch.uint8), tmp_path / name)
    sources = (tmp_path / "a.png", tmp_path / "b.png")
    assert command(monkeypatch, "fuse", *sources, "-m", "darker", "-o", tmp_path / "o.png") == 0
    assert capfd.readouterr() == ("", "darker: a\n")


def test_fuse_and_test_fuser_take_a_class_or_a_function_of_a_module(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_methods.py").write_text(
        "from fusebench.fusers.function import fuser\n\n\n"
        "def mixed(a, b, weight=0.5):\n    return weight * a + (1 - weight) * b\n\n\n"
        '@fuser("half")\ndef half(a, b):\n    "The mean."\n    return (a + b) / 2\n\n\nNUMBER = 3\n'
    )
    monkeypatch.chdir(tmp_path)
    for name, level in (("a", 0), ("b", 200)):
        image.write(torch.full((16, 16), level, dtype=torch.uint8), tmp_path / f"{name}.png")
    fuse = ("fuse", "a.png", "b.png", "-o", "f.png", "-m")
    assert command(*fuse, "own_methods:mixed[weight=0.25]")[0] == 0
    assert int(quantise(image.read(tmp_path / "f.png")[0])[0, 0]) == 150
    assert command("test-fuser", "own_methods:half")[0] == 0
    # It travels by value; but it has no docstring.
    code, out, _ = command("test-fuser", "own_methods:mixed")
    assert code == 1
    assert out.count("FAILED") == 1
    for wrong, reason in (
        ("own_methods:mixed[size=2]", "has no option 'size=2'"),
        ("own_methods:NUMBER", "own_methods:NUMBER: "),
        ("own_methods:gone", "cannot be imported"),
    ):
        code, _, err = command(*fuse, wrong)
        assert code == 2
        assert reason in err
