"""The command line: what it prints, and one line with exit code 2 for whatever is wrong."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fusebench.bench import catalogue, cli
from fusebench.bench.gate.changes import read_scores
from fusebench.bench.suite import Suite, Table
from fusebench.datasets import image, phantom
from fusebench.fusers.neural import multifocus_weights, vgg16_weights
from fusebench.fusers.pixel.trivial import Average, Maximum
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.profiles import PROFILES
from PIL import Image

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Path, Path]:
    """Give the files of a small CT/MRI pair."""
    pair = phantom.pair("CT-MRI", 20, 64)
    paths = tmp_path / "ct.png", tmp_path / "mri.png"
    for path, grey in zip(paths, (pair.a, pair.b), strict=True):
        image.write(image.quantise(grey), path)
    return paths


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the suites small: trivial fusers on small synthetic pairs."""

    def table(*_: object, **__: object) -> Suite:
        pairs = phantom.entries(["CT-PET"], 64)[50:52]
        return {"table3": Table("Methods, CT-PET", (Average(), Maximum()), pairs, PROFILES["seed"])}

    for name in ("paper", "smoke"):
        monkeypatch.setitem(catalogue.SUITES, name, table)


@pytest.mark.usefixtures("small")
def test_bench_prints_tables_and_writes_everything(command: Run, tmp_path: Path) -> None:
    code, out, err = command("bench", "--out", tmp_path / "new" / "out")
    assert code == 0
    assert "### Table 3: Methods, CT-PET" in out
    assert "2 synthetic pairs, 1 case" in out
    assert "\x1b" not in err  # no bar where there is no terminal
    names = {str(p.relative_to(tmp_path / "new" / "out")) for p in (tmp_path / "new" / "out").rglob("*") if p.is_file()}
    assert names == {
        "scores.csv",
        "losses.csv",
        "run.json",
        "seconds.csv",
        "report.html",
        "tables/tables.tex",
        "journal.jsonl",
        ".lock",
        *(f"tables/table3.{kind}" for kind in ("md", "csv", "tex")),
        *(f"figures/figure9.{kind}" for kind in ("png", "pdf")),
        *(f"sources/CT-PET/source-{n}/icbm152-z+{z}.png" for n in "ab" for z in (20, 21)),
        *(f"maps/SF/CT-PET/{fuser}/icbm152-z+{z}.png" for fuser in ("average", "maximum") for z in (20, 21)),
        "maps/maps.json",
        *(f"fused/CT-PET/{fuser}/icbm152-z+{z}.png" for fuser in ("average", "maximum") for z in (20, 21)),
    }


def test_fuse_and_score(command: Run, sources: tuple[Path, Path], tmp_path: Path) -> None:
    fused = tmp_path / "fused.png"
    assert command("fuse", *sources, "-m", "wavelet[levels=2]", "-o", fused) == (0, "", "")
    code, out, _ = command("score", *sources, fused, "--json")
    scores = json.loads(out)
    assert code == 0
    assert list(scores) == [m.label for m in METRICS if not m.variant]
    assert scores["MS_SSIM"] is None  # NaN is no JSON
    code, text, _ = command("score", *sources, fused)
    assert f"{scores['SF']:.4f}" in text
    assert "Hossny" in text
    code, out, _ = command("score", *sources, fused, "--profile", "vifb", "--json")
    assert json.loads(out)["MI@vifb"] == pytest.approx(scores["MI"] * np.log(2))


def test_explain_finds_the_convention(command: Run, sources: tuple[Path, Path], tmp_path: Path) -> None:
    fused = tmp_path / "fused.png"
    command("fuse", *sources, "-m", "average", "-o", fused)
    _, out, _ = command("score", *sources, fused, "--profile", "tang", "--json")
    value = json.loads(out)["PSNR@tang"]
    code, out, _ = command("explain", *sources, fused, "--metric", "psnr", "--value", f"{value:.2f}")
    assert code == 0
    assert out.splitlines()[2].startswith("PSNR@tang")
    assert "255" in out.splitlines()[2]
    code, out, _ = command("explain", *sources, fused, "--metric", "NMI", "--value", "0.5", "--json")
    assert {"M", "Q_MI", "MI", "Q_MI@ivif_zoo"} <= {candidate["label"] for candidate in json.loads(out)}


def test_fuse_puts_colour_back_unless_told_not_to(command: Run, sources: tuple[Path, Path], tmp_path: Path) -> None:
    rgb = np.zeros((64, 64, 3), dtype=np.uint8)
    rgb[..., 0] = np.asarray(Image.open(sources[1]))
    Image.fromarray(rgb).save(tmp_path / "pet.png")
    for options, mode in (((), "RGB"), (("--grey",), "L")):
        assert (
            command("fuse", sources[0], tmp_path / "pet.png", "-m", "average", "-o", tmp_path / "f.png", *options)[0]
            == 0
        )
        with Image.open(tmp_path / "f.png") as fused:
            assert fused.mode == mode


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("fusers", "wavelet=bior2.2, levels=4"),
        ("metrics", "seed paper, eq. 7"),
        ("datasets", "phantom"),
        ("suites", "smoke"),
    ],
)
def test_list(command: Run, what: str, expected: str) -> None:
    code, out, _ = command("list", what)
    assert code == 0
    assert expected in out
    # In a process of its own it takes a stand-in for torch, and prints the same.
    script = (
        f"import sys; sys.argv = ['fusebench', 'list', '{what}']; from fusebench.bench import cli\n"
        "try: cli.main()\nfinally: assert not [name for name in sys.modules if name.startswith(('torch', 'pandas'))]"
    )
    alone = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert (alone.stdout, alone.stderr) == (out, "")


@pytest.mark.usefixtures("small")
def test_the_reports_of_a_finished_run_are_made_again_and_nothing_is_run(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a fuser was called")

    out = tmp_path / "out"
    _, printed, _ = command("bench", "--out", out)
    shown = {path: path.read_bytes() for name in ("tables", "figures") for path in (out / name).iterdir()}
    for path in shown:
        path.write_bytes(b"old")
    for cls in (Average, Maximum):
        monkeypatch.setattr(cls, "__call__", fail)
    assert command("report", out) == (0, printed, f"written: {out}/report.html, tables/, figures/\n")
    assert {path: path.read_bytes() for path in shown} == shown
    # One fused image has a twin in colour, here white: --grey leaves it away.
    fused = next((out / "fused" / "CT-PET" / "average").iterdir())
    twin = out / "colour" / "CT-PET" / "average" / fused.name
    twin.parent.mkdir(parents=True)
    image.write(torch.full((64, 64), 255, dtype=torch.uint8), twin)
    picture = out / "figures" / "figure9.png"
    for option, same in ((), False), (("--grey",), True):
        assert command("report", out, *option)[0] == 0
        assert (picture.read_bytes() == shown[picture]) is same
    code, _, err = command("report", tmp_path / "gone")
    assert code == 2
    assert err == f"fusebench: {tmp_path}/gone: holds no finished run; expected what `fusebench bench --out` wrote\n"
    assert not (tmp_path / "gone").exists()


@pytest.mark.usefixtures("small")
def test_record_then_check_then_drift(command: Run, tmp_path: Path) -> None:
    record = tmp_path / "record.csv"
    assert command("record", "--record", record)[0] == 0
    assert command("check", "--record", record) == (0, f"16 scores agree with {record}\n", "")
    good = record.read_text()
    first = read_scores(record).score[0]
    record.write_text(good.replace(f"{first:.12g}", f"{1.001 * first:.12g}"))
    code, out, err = command("check", "--record", record)
    assert code == 1
    assert "-0.0999 %" in out
    assert "`fusebench record`" in err
    assert record.read_text() != good  # the check writes nothing
    assert "->" in command("record", "--record", record)[1]
    assert record.read_text() == good


@pytest.mark.usefixtures("small")
def test_bits_that_files_do_not_use_are_said_by_every_command(command: Run, tmp_path: Path) -> None:
    ramp = np.linspace(0, 4095, 24 * 24).reshape(24, 24).round().astype(np.uint16)
    for modality, pixels in (("CT", ramp), ("MRI", 16 * ramp[::-1])):
        (tmp_path / "CT-MRI" / modality).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "CT-MRI" / modality / "1.png")
    a, b = (tmp_path / "CT-MRI" / modality / "1.png" for modality in ("CT", "MRI"))
    doubt = "uses 6.2% of its range; if it has fewer bits, say so with --window"
    code, _, err = command("fuse", a, b, "-m", "average", "-o", tmp_path / "f.png")
    assert (code, err) == (0, f"fusebench: {a}: a {doubt}\n")
    code, _, err = command("score", a, b, tmp_path / "f.png", "--profile", "seed")
    assert (code, err) == (0, f"fusebench: {a}: a {doubt}\n")
    code, _, err = command("bench", "--data", tmp_path, "--out", tmp_path / "out")
    assert (code, err.splitlines()[0]) == (0, f"fusebench: CT-MRI: CT {doubt}")


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:200])
    return path


def text(path: Path) -> Path:
    path.write_text("not an image")
    return path


def thin(path: Path) -> Path:
    Image.fromarray(np.zeros((1, 64), dtype=np.uint8)).save(path)
    return path


def narrower(path: Path) -> Path:
    Image.fromarray(np.zeros((64, 63), dtype=np.uint8)).save(path)
    return path


BAD_FILES = {
    "cut": (cut, "mri.png"),
    "text": (text, "mri.png"),
    "1 x N": (thin, "1 x 64"),
    "another size": (narrower, "64 x 63"),
}


@pytest.mark.parametrize("bad", BAD_FILES)
def test_bad_files_are_one_line_and_exit_code_2(
    command: Run, sources: tuple[Path, Path], tmp_path: Path, bad: str
) -> None:
    spoil, named = BAD_FILES[bad]
    spoil(sources[1])
    for arguments in (("fuse", *sources, "-m", "average", "-o", tmp_path / "f.png"), ("score", *sources, sources[0])):
        code, out, err = command(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert named in err
    assert not (tmp_path / "f.png").exists()


def test_a_1_by_n_pair_is_refused(command: Run, sources: tuple[Path, Path], tmp_path: Path) -> None:
    thin(sources[0])
    thin(sources[1])
    code, _, err = command("fuse", *sources, "-m", "average", "-o", tmp_path / "f.png")
    assert code == 2
    assert "at least 2 x 2" in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["fuse", "A", "B", "-m", "magic", "-o", "f.png"], "no fuser is called 'magic'"),
        (["fuse", "A", "B", "-m", "average", "-o", "f.jpg"], "without loss"),
        (["fuse", "A", "B", "-m", "average", "-o", "no/such/f.png"], "there is no folder no/such"),
        (["fuse", "A", "B", "-m", "average", "-o", "A"], "is a source"),
        (["fuse", "A", "gone.png", "-m", "average", "-o", "f.png"], "gone.png: no such file"),
        (["fuse", "A", "B", "-o", "f.png"], "-m"),
        (["fuse", "A", "B", "-m", "average", "-o", "f.png", "--device", "toaster"], "toaster"),
        (["fuse", "A", "B", "-m", "vgg16", "-o", "f.png", "--vgg16", "A"], vgg16_weights.SHA256),
        (["bench", "--maps", "MI"], "--maps MI: MI averages no local values, so that it has no map"),
        (["bench", "papers"], "no suite is called 'papers'; known: paper, classical, field, grid, colour, smoke"),
        (["bench", "--data", "gone"], "gone: no such folder"),
        (["bench", "--data", "EMPTY"], "no pairs; expected"),
        (["bench", "--pairs", "0"], "--pairs 0"),
        (["bench", "--pairs", "many"], "'--pairs'"),
        (["bench", "smoke", "--pairs", "3"], "neither --data nor --pairs"),
        (["bench", "classical", "--published"], "--published: the numbers are the paper's"),
        (["bench", "--out", "A/results"], "Not a directory"),
        (["bench", "--out", "A"], "is a file; --out names a folder"),
        (["check", "--record", "gone.csv"], "gone.csv: no such file"),
        (["check", "--record", "A"], "not a table of kind, pair, fuser, metric, score"),
        (["record", "--record", "gone/r.csv"], "there is no folder gone"),
        (["list", "everything"], "everything"),
        (["score", "A", "B", "A", "--profile", "vfib"], "no metric or profile is called 'vfib'; did you mean vifb"),
        (["explain", "A", "B", "A", "--metric", "beauty", "--value", "1"], "no metric is called 'beauty'"),
        (["explain", "A", "B", "A", "--metric", "SF", "--value", "nan"], "is a number"),
        (["fuse", "A", "B", "-m", "average", "-o", "f.png", "--device", "meta"], "--device meta"),
        (["fuse", "A", "B", "-m", "cnn", "-o", "f.png", "--weights", "gone.mat"], "gone.mat: no such file"),
        (["fuse", "A", "B", "-m", "average", "-o", "EMPTY.png"], "EMPTY.png: is a folder"),
        (["score", "A", "B"], "fused"),
        (["paint"], "paint"),
    ],
)
def test_nonsense_is_one_line_and_exit_code_2(
    command: Run,
    sources: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "EMPTY.png").mkdir()
    names = {"A": sources[0].name, "B": sources[1].name, "A/results": f"{sources[0].name}/results"}
    code, out, err = command(*(names.get(argument, argument) for argument in arguments))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert complaint in err
    assert "Traceback" not in err


def test_an_output_folder_that_cannot_be_written_is_named(
    command: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A superuser writes anywhere, so the refusal is the file system's stand-in.
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    code, _, err = command("bench", "--out", tmp_path / "locked")
    assert code == 2
    assert "locked: Permission denied" in err


def test_debug_shows_the_traceback(command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["fusebench", "bench", "--data", "gone", "--debug"])
    with pytest.raises(ValueError, match="gone"):
        cli.main()
    del command


def test_a_fault_of_the_program_is_not_called_bad_input(command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("x")

    monkeypatch.setattr("fusebench.bench.catalogue.suite_of", fail)
    code, _, err = command("bench")
    assert code == 1
    assert err == "fusebench: ZeroDivisionError: x (a fault of the program; --debug shows where)\n"


def test_help_has_an_example_and_loads_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv[1:] = ['bench', '--help']\n"
        "from fusebench.bench import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    shown = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True).stdout
    assert "Example: fusebench bench --data" in shown


def test_importing_the_packages_imports_no_torch() -> None:
    packages = ("metrics", "fusers", "datasets", "bench", "reports")
    script = f"import sys, {', '.join(f'fusebench.{p}' for p in packages)}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-P", "-c", script], check=True)


def test_the_weights_that_a_label_names_win_over_the_environment(
    command: Run, sources: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fuse(method: str, name: str) -> tuple[int, str, str]:
        return command("fuse", *sources, "-m", method, "-o", tmp_path / name)

    assert fuse("cnn", "own.png")[0] == 0
    monkeypatch.setenv(multifocus_weights.VARIABLE, str(tmp_path / "gone.mat"))
    for method in ("cnn[weights=own]", "cnn[ weights = own ]"):
        assert fuse(method, "named.png") == (0, "", "")
        assert (tmp_path / "named.png").read_bytes() == (tmp_path / "own.png").read_bytes()
    assert f"{tmp_path}/gone.mat: no such file" in fuse("cnn", "published.png")[2]
