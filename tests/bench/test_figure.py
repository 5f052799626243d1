"""Figures for a paper, chosen from a finished run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fusebench.bench.engine import run
from fusebench.bench.suite import Table
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.pixel.trivial import Average, SourceA, SourceB
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.profiles import PROFILES
from fusebench.reports import figures, results
from PIL import Image

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def pair(name: str) -> Pair:
        a = torch.linspace(0, 1, 40 * 60).view(40, 60)
        return Pair(a, a.flip(1), "CT-MRI", name, name)

    out = tmp_path_factory.mktemp("run")
    entries = tuple(Entry("CT-MRI", name, name, lambda name=name: pair(name)) for name in "123")  # type: ignore[misc]
    fusers = (SourceA(), SourceB(), Average(), Wavelet(levels=2), Wavelet(levels=1))
    run.run({"table1": Table("Methods", fusers, entries, PROFILES["seed"])}, out, name="x")
    return out


def test_a_pair_and_methods_are_chosen_and_the_sources_stay(folder: Path) -> None:
    table = results.narrowed(results.read(folder), None, "2", "wavelet", "MI,SF")
    assert [f.label for f in table.fusers] == ["source-a", "source-b", "wavelet[levels=2]", "wavelet[levels=1]"]
    assert table.pairs[0] == ("CT-MRI", "2")
    assert [m.label for m in table.shown] == ["MI", "SF"]
    only = results.narrowed(results.read(folder), "table1", "CT-MRI/3", "wavelet[levels=1],average", None)
    assert [f.label for f in only.fusers] == ["source-a", "source-b", "wavelet[levels=1]", "average"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--pair", "9"), "--pair 9: there are CT-MRI/1"),
        (("--table", "t9"), "--table t9: there are table1"),
        (("--methods", "nsct"), "--methods nsct: there are source-a"),
        (("--metrics", "VIF"), "--metrics VIF: there are EN"),
        (("--zoom", "1,2,3"), "--zoom 1,2,3: expected left,top,width,height"),
        (("--zoom", "50,0,20,20"), "which is 60 pixels wide and 40 high"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(
    folder: Path, command: Run, tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    code, _, err = command("figure", folder, "-o", tmp_path / "f.png", *options)
    assert code == 2
    assert reason in err
    assert not (tmp_path / "f.png").exists()


@pytest.mark.parametrize(
    "options", [("--zoom", "5,5,10,20", "--methods", "average"), ("--lines", "--metrics", "SF,MI")]
)
@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_figures_are_drawn_in_every_format(
    folder: Path, command: Run, tmp_path: Path, suffix: str, options: tuple[str, ...]
) -> None:
    path = tmp_path / f"f.{suffix}"
    assert command("figure", folder, "-o", path, *options) == (0, "", f"written: {path}\n")
    start = path.read_bytes()[:5]
    assert start == {"png": b"\x89PNG\r", "pdf": b"%PDF-", "svg": b"<?xml"}[suffix]
    if suffix == "png":
        with Image.open(path) as image:
            assert np.ptp(np.asarray(image.convert("L"))) > 200


def test_an_unknown_format_is_named(folder: Path, command: Run, tmp_path: Path) -> None:
    code, _, err = command("figure", folder, "-o", tmp_path / "f.docx")
    assert code == 2
    assert "f.docx" in err


def test_the_part_that_is_enlarged_is_the_box(folder: Path) -> None:
    found = results.read(folder)
    figure = figures.side_by_side(
        found, results.narrowed(found, None, "1", "average", None), grey=False, box=(5, 7, 10, 20)
    )
    insets = [child for ax in figure.axes for child in ax.child_axes]
    shown = [np.asarray(inset.images[0].get_array()) for inset in insets]
    with Image.open(folder / "fused" / "CT-MRI" / "average" / "1.png") as image:
        assert np.array_equal(shown[-1], np.asarray(image)[7:27, 5:15])
    assert len(shown) == 3
