"""`fusebench data check`: shifts that were made are found, every problem is listed, and nothing else."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fusebench.bench import cli
from fusebench.datasets import formats, inspection, layouts, phantom
from fusebench.datasets.image import quantise, write
from fusebench.datasets.inspection import REACH, find_shift
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

UNDERSTOOD = "CT-MRI: {} pairs, cases unknown, so each pair counts as one"


def looked(count: int) -> list[str]:
    """Give what is said of that for which was looked."""
    return [
        f"{count} of {count} pairs: shifts within the slice of up to 6 pixels, no turns",
        "not looked at: how slices lie above each other, which single images do not say",
    ]


def save(path: Path, image: Tensor) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(quantise(image), path)
    return path


@pytest.fixture(scope="module")
def slices() -> dict[str, tuple[Tensor, Tensor]]:
    """Give registered synthetic CT/MRI slices of 128 x 128 pixels."""
    pairs = {f"{z}": phantom.pair("CT-MRI", z, 128) for z in (0, 20, 40)}
    return {name: (pair.a, pair.b) for name, pair in pairs.items()}


@pytest.fixture
def layout(tmp_path: Path, slices: dict[str, tuple[Tensor, Tensor]]) -> Path:
    for name, (ct, mri) in slices.items():
        save(tmp_path / "CT-MRI" / "CT" / f"{name}.png", ct)
        save(tmp_path / "CT-MRI" / "MRI" / f"{name}.png", mri)
    return tmp_path


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))  # where check/ is written

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fusebench", "data", "check", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out = capsys.readouterr()
        return int(stop.value.code or 0), out.out, out.err

    return run


@given(
    st.integers(-REACH, REACH), st.integers(-REACH, REACH), st.sampled_from([lambda x: x, lambda x: 1 - x, torch.sqrt])
)
def test_a_shift_is_found_whatever_the_grey_levels(dy: int, dx: int, tone: Callable[[Tensor], Tensor]) -> None:
    # A texture without period, of which one view lies (dy, dx) further and has other grey levels.
    texture = torch.rand(48, 40, generator=torch.Generator().manual_seed(3))
    first, second = texture, texture.roll((-dy, -dx), (0, 1))
    shift = find_shift(tone(first), second)
    assert (shift.dy, shift.dx) == (dy, dx)
    assert shift.best >= shift.at_zero


def test_mutual_information_is_what_it_is_in_closed_form() -> None:
    # Four grey levels in equal parts, one told by the other: H = 2 bit. Of stripes across each other: none.
    stripes = (torch.arange(64) // 16 / 4).expand(64, 64)
    assert find_shift(stripes, stripes, reach=0).at_zero == pytest.approx(2)
    assert find_shift(stripes, 1 - stripes, reach=0).best == pytest.approx(2)
    assert find_shift(stripes, stripes.T, reach=0).best == pytest.approx(0, abs=1e-12)


def test_registered_pairs_pass(layout: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = command(layout)
    assert code == 0
    assert err.splitlines() == [UNDERSTOOD.format(3), *looked(3), "3 pairs read, 0 problems; check/ says so"]
    assert [path.name for path in Path("check").iterdir()] == ["summary.md"]
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["CT-MRI/0", "CT-MRI/20", "CT-MRI/40"]
    assert "128 x 128" in out


def test_every_problem_is_listed_and_the_exit_code_is_1(
    layout: Path, slices: dict[str, tuple[Tensor, Tensor]], command: Callable[..., tuple[int, str, str]]
) -> None:
    ct, mri = slices["20"]
    kind = layout / "CT-MRI"
    made = {
        "shifted": (ct.roll((5, -4), (0, 1)), mri * 0.97),
        "constant": (torch.full_like(ct, 0.2), mri * 0.9),
        "dark": (ct / 16, mri * 0.8),
        "white": (1 - ct, mri * 0.7),
        "same": (mri * 0.6, mri * 0.6),
        "copy": (ct, mri * 0.95),
        "narrow": (ct * 0.9, mri[:, 1:]),
    }
    for name, images in made.items():
        for modality, image in zip(("CT", "MRI"), images, strict=True):
            save(kind / modality / f"{name}.png", image)
    (kind / "MRI" / "narrow.png").rename(kind / "MRI" / "narrow.tif")
    (kind / "CT" / "cut.png").write_bytes((kind / "CT" / "0.png").read_bytes()[:900])
    save(kind / "MRI" / "cut.png", mri * 0.5)
    save(kind / "MRI" / "lonely.png", mri * 0.4)
    code, out, err = command(layout, "--json")
    report = json.loads(out)
    expected = [
        "lonely.png: no partner",
        "CT-MRI/constant: CT is constant, 0.2",
        "CT-MRI/copy: CT has the pixels of CT-MRI/20's CT",
        "cut.png: cannot be read",
        "CT-MRI/dark: CT uses 6.3% of its range",
        "narrow.png is 128 x 128 but",
        "CT-MRI/same: MRI has the pixels of CT-MRI/same's CT",
        "CT-MRI/shifted: CT lies +5 down, -4 right of MRI",
        "CT-MRI/white: CT is white in",
    ]
    assert code == 1
    assert len(report["problems"]) == len(expected), report["problems"]
    for problem, part in zip(report["problems"], expected, strict=True):
        assert part in problem
    assert err.splitlines() == [UNDERSTOOD.format(9), *looked(9), "9 pairs read, 9 problems"]
    assert not Path("check").exists()
    assert command(layout)[1:] != ("", "")
    assert sorted(path.name for path in Path("check").iterdir()) == ["CT-MRI_shifted.png", "summary.md"]
    assert "moved by -5 down" not in Path("check/summary.md").read_text()
    assert "## CT-MRI/shifted: CT lies +5 down, -4 right of MRI" in Path("check/summary.md").read_text()
    shifted = next(pair for pair in report["pairs"] if pair["name"] == "shifted")
    assert (shifted["shift"]["dy"], shifted["shift"]["dx"]) == (5, -4)


def test_structure_is_checked_to_the_end(layout: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    kind = layout / "CT-MRI"
    (kind / "CT" / "outside.png").symlink_to("/etc/passwd")
    (kind / "CT" / "lonely.png").touch()
    (kind / "CT" / "20.tif").touch()
    (kind / "MRI" / "\x1b[2J.png").touch()
    (layout / "A-B" / "A\x1b[2J").mkdir(parents=True)
    (layout / "A-B" / "A\x1b[2J" / "1.png").touch()
    (layout / "X-Y" / "X").mkdir(parents=True)
    (layout / "X-Y" / "Y").mkdir()
    (layout / "X-Y" / "X" / "1.png").touch()
    (layout / "elsewhere").symlink_to("/etc")
    code, out, err = command(layout)
    problems = out.splitlines()[5:]
    expected = [
        "elsewhere: a link",
        "A-B: holds 1",
        "20.tif: 20.png has",
        "outside.png: a link",
        "a name that",
        "lonely",
    ]
    assert code == 1
    shown = "3 pairs read, 7 problems; check/summary.md shows them"
    assert err.splitlines() == [UNDERSTOOD.format(3), *looked(3), shown]
    for problem, part in zip(problems, [*expected, "X-Y/Y: no images"], strict=True):
        assert part in problem
    assert "\x1b" not in out


def test_one_scan_paired_twice_is_no_duplicate(layout: Path, slices: dict[str, tuple[Tensor, Tensor]]) -> None:
    ct, mri = slices["20"]
    save(layout / "CT-PET" / "CT" / "20.png", ct)
    save(layout / "CT-PET" / "PET" / "20.png", mri.square())
    assert inspection.check(layout)[1] == []


def test_empty_slices_of_a_volume_are_no_problem(tmp_path: Path, write_nifti: Callable[..., Path]) -> None:
    voxels = np.zeros((30, 30, 3), dtype=np.uint8)
    voxels[5:9, 5:9, 1] = 255
    voxels[20:29, 9, 2] = 9
    for modality, volume in (("CT", voxels), ("MRI", voxels // 2)):
        write_nifti(tmp_path / "CT-MRI" / modality / "x.nii", volume)
    rows, problems, *_ = inspection.check(tmp_path)
    assert [row.name for row in rows] == ["x#0", "x#1", "x#2"]
    assert problems == []
    away = np.eye(4)
    away[0, 3] = 500
    write_nifti(tmp_path / "CT-MRI" / "MRI" / "x.nii", voxels // 2, away)
    (problem,) = inspection.check(tmp_path)[1]
    assert "CT/x.nii: does not overlap" in problem
    write_nifti(tmp_path / "CT-MRI" / "MRI" / "x.nii", 0 * voxels)
    assert inspection.check(tmp_path)[1] == ["CT-MRI/x: MRI is constant in every slice; do the volumes overlap?"]


def test_slices_that_the_second_volume_does_not_reach_are_told(
    tmp_path: Path, write_nifti: Callable[..., Path]
) -> None:
    texture = np.random.default_rng(0).integers(0, 256, (30, 30, 6), np.uint8)
    write_nifti(tmp_path / "CT-MRI" / "CT" / "x.nii", texture)
    higher = np.eye(4)
    higher[2, 3] = 4
    write_nifti(tmp_path / "CT-MRI" / "MRI" / "x.nii", texture, higher)
    problems = inspection.check(tmp_path)[1]
    lost = "CT-MRI/x: MRI is constant in 4 of the slices in which CT is not; do the volumes cover each other?"
    assert [problem for problem in problems if "constant" in problem] == [lost]


def test_the_depth_and_the_range_of_each_format(
    tmp_path: Path, write_dicom: Callable[..., Path], write_nifti: Callable[..., Path]
) -> None:
    grey = np.arange(36, dtype=np.uint16).reshape(6, 6)
    made = {
        "12": write_dicom(tmp_path / "a.dcm", grey, BitsStored=12, HighBit=11),
        "float32": write_nifti(tmp_path / "a.nii", np.zeros((2, 2, 2), np.float32)),
    }
    for name, mode in (("8", "L"), ("3 x 8", "RGB"), ("1", "1")):
        made[name] = tmp_path / f"{mode}.png"
        Image.fromarray(grey.astype(np.uint8)).convert(mode).save(made[name])
    made["16"] = tmp_path / "16.png"
    Image.fromarray(grey).save(made["16"])
    assert {formats.depth(path): path for path in made.values()} == made


def test_too_small_to_be_measured_is_said_by_nothing(tmp_path: Path, noise: torch.Generator) -> None:
    for modality in ("CT", "MRI"):
        save(tmp_path / "CT-MRI" / modality / "x.png", torch.rand(20, 20, generator=noise))
    (row,), problems, *_ = inspection.check(tmp_path)
    assert row.shift is None
    assert problems == []


def test_real_shifts_are_those_measured_before(shared: Path) -> None:
    entries = {(e.kind, e.name): e for e in layouts.entries(shared / "data" / "medical")}
    with (shared / "data" / "shift_check.csv").open() as file:
        for row in csv.DictReader(file):
            pair = entries[row["set"], row["file"].removesuffix(".png")].read()
            found = find_shift(pair.a, pair.b)
            assert (found.dy, found.dx) == (int(row["dy"]), int(row["dx"])), row
            # Printed with three digits.
            assert found.at_zero == pytest.approx(float(row["mi_at_0"]), abs=6e-4)
            assert found.best == pytest.approx(float(row["mi_best"]), abs=6e-4)
