"""How volumes lie against each other: motions that were made are found in space, shown, told and undone."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import nibabel.processing
import numpy as np
import pytest
from fusebench.bench import cli
from fusebench.datasets import findings, inspection, nifti, registration
from fusebench.datasets.aligning import align
from fusebench.datasets.layouts import entries
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

Write = Callable[..., Path]
SHAPE = (32, 32, 20)
AFFINE = np.array([[6.0, 0, 0, -96], [0, 6, 0, -96], [0, 0, 6, -60], [0, 0, 0, 1]])


@pytest.fixture(autouse=True)
def sitk() -> Any:
    """Give SimpleITK."""
    return pytest.importorskip("SimpleITK", reason="SimpleITK is not installed: the extra itk")


def head() -> np.ndarray:
    """Make a head without symmetry: an ellipsoid of tissues with a hollow, 6 mm to the voxel."""
    x, y, z = np.indices(SHAPE) - np.array([16, 16, 10])[:, None, None, None]
    inside = (x / 11) ** 2 + (y / 14) ** 2 + (z / 9) ** 2 < 1
    texture = gaussian_filter(np.random.default_rng(5).random(SHAPE), 1.7)
    texture = (texture - texture.min()) / np.ptp(texture)
    hollow = ((x - 4) / 3) ** 2 + ((y + 4) / 5) ** 2 + ((z - 2) / 3) ** 2 < 1
    return np.where(inside, np.where(hollow, 30, 80 + 150 * texture), 0).astype(np.uint8)


def moved(shift: tuple[float, float, float], turn: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    """Give the affine of a volume that lies elsewhere: mm, and degrees about the axes through the origin."""
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec(turn, degrees=True).as_matrix()
    motion[:3, 3] = shift
    return motion @ AFFINE


def pair(folder: Path, write_nifti: Write, name: str = "p1", affine: np.ndarray = AFFINE) -> Path:
    """Write a head as CT, and its negative as PET."""
    ct = head()
    write_nifti(folder / "CT-PET" / "CT" / f"{name}.nii.gz", ct, AFFINE)
    write_nifti(
        folder / "CT-PET" / "PET" / f"{name}.nii.gz", np.where(ct > 0, 255 - ct // 2, 0).astype(np.uint8), affine
    )
    return folder


@pytest.mark.parametrize(
    ("shift", "turn"),
    [((0, 0, 0), (0, 0, 0)), ((0, 0, 8), (0, 0, 0)), ((0, 0, 0), (0, 0, 10)), ((5, -3, 4), (-8, 0, 0))],
)
def test_a_motion_that_was_made_is_found(
    tmp_path: Path, write_nifti: Write, shift: tuple[float, float, float], turn: tuple[float, float, float]
) -> None:
    root = pair(tmp_path, write_nifti, affine=moved(shift, turn)) / "CT-PET"
    pose = registration.find(nifti.volume(root / "CT" / "p1.nii.gz"), nifti.volume(root / "PET" / "p1.nii.gz"))
    # By hand: the middle of the volume, (-3, -3, -3) mm, goes to R (-3, -3, -3) + t.
    there = moved(shift, turn) @ np.linalg.inv(AFFINE) @ [-3, -3, -3, 1] - [-3, -3, -3, 1]
    assert pose.shift == pytest.approx(there[:3], abs=1.0)
    assert pose.degrees == pytest.approx(float(np.linalg.norm(turn)), abs=1.5)
    assert pose.suspicious == (shift != (0, 0, 0) or turn != (0, 0, 0))
    assert pose.best >= pose.at_zero
    if max(map(abs, turn)):
        assert np.abs(pose.axis @ np.array(turn)) / np.linalg.norm(turn) > 0.95


def test_what_lies_askew_is_told_and_shown(
    tmp_path: Path, write_nifti: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, affine in (("straight", AFFINE), ("high", moved((0, 0, 8)))):
        pair(tmp_path / "data", write_nifti, name, affine)
    (tmp_path / "data" / "CT-PET" / "CT" / "straight.nii.gz").touch()

    def check(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fusebench", "data", "check", "data", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out = capsys.readouterr()
        return int(stop.value.code or 0), out.out, out.err

    code, out, err = check()
    assert code == 1
    (line,) = [line for line in out.splitlines() if line.startswith("CT-PET/high: PET lies") and "information" in line]
    assert "top +" in line
    assert "2 cases that are volumes: shifts and turns in space" in err
    assert sorted(path.name for path in (tmp_path / "check").iterdir()) == ["CT-PET_high.png", "summary.md"]
    with Image.open(tmp_path / "check" / "CT-PET_high.png") as picture:
        assert picture.width > picture.height > 500
    summary = (tmp_path / "check" / "summary.md").read_text()
    assert summary.startswith("# Check of data\n")
    assert re.search(r"\| CT-PET \| 40 \| \d+ \| 2 \| 1 \|", summary)
    assert "## CT-PET/high: PET lies" in summary
    assert len(summary.splitlines()) < 25  # a minute's reading, though CT is there twice, slice by slice
    poses = {case["name"]: case["pose"] for case in json.loads(check("--json")[1])["cases"]}
    assert poses["high"]["shift"][2] == pytest.approx(8, abs=1)
    (tmp_path / "check" / "mine.txt").touch()
    assert check()[::2] == (2, "fusebench: check/mine.txt: no check wrote it; name another folder with --out\n")


def test_what_is_not_looked_at_is_said(tmp_path: Path, write_nifti: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    found = inspection.check(pair(tmp_path, write_nifti, affine=moved((0, 0, 8))))
    (line,) = [line for line in findings.looked_at(found) if "not looked at" in line]
    assert "not looked at in space: CT-PET/p1; aligning needs SimpleITK, which is not installed; `pip install" in line


def test_a_folder_is_registered_and_nothing_is_overwritten(tmp_path: Path, write_nifti: Write, sitk: Any) -> None:
    root = pair(tmp_path / "data", write_nifti, affine=moved((3, 0, 8), (0, 0, 6)))
    (done,), problems = align(entries(root), tmp_path / "out")
    assert problems == []
    assert done.after > done.before
    written = nibabel.load(tmp_path / "out" / "CT-PET" / "PET" / "p1.nii.gz")
    assert np.array(written.affine) == pytest.approx(AFFINE)
    pet = np.where(head() > 0, 255 - head() // 2, 0).astype(float)
    inner = head() > 0
    before = nibabel.processing.resample_from_to(
        nibabel.load(root / "CT-PET" / "PET" / "p1.nii.gz"), (inner.shape, AFFINE), order=1
    ).get_fdata()
    errors = [np.abs(values - pet)[inner].mean() for values in (before, written.get_fdata())]
    assert errors[1] < errors[0] / 3
    assert inspection.check(tmp_path / "out").cases[0].flag == ""
    # The motion goes from the first to the second, in mm, LPS.
    transform = sitk.ReadTransform(str(done.transform))
    expected = np.diag([-1, -1, 1, 1]) @ moved((3, 0, 8), (0, 0, 6)) @ np.linalg.inv(AFFINE) @ [-10, 20, 5, 1]
    assert transform.TransformPoint((10.0, -20.0, 5.0)) == pytest.approx(expected[:3], abs=1.5)
    with pytest.raises(ValueError, match=r"out: is there already, and nothing is overwritten; name a new folder"):
        align(entries(root), tmp_path / "out")
    with pytest.raises(ValueError, match=r"no motion is called 'elastic'; known: rigid, translation"):
        align(entries(root), tmp_path / "new", "elastic")


@pytest.mark.parametrize("motion", ["rigid", "translation"])
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_pictures_are_registered_as_they_are_stored(tmp_path: Path, motion: str, mode: str) -> None:
    slab = np.kron(head()[:, :, 10], np.ones((4, 4)))
    slab = gaussian_filter(slab, 1.5)
    other = np.roll(np.where(slab > 5, 255 - slab / 2, 0), (4, -6), (0, 1))  # 4 down, 6 to the left
    for modality, pixels in (("CT", slab), ("MRI", other)):
        path = tmp_path / "data" / "CT-MRI" / modality / "1.png"
        path.parent.mkdir(parents=True)
        if mode == "I;16" and modality == "MRI":
            Image.fromarray((pixels * 257).astype(np.uint16)).save(path)
        else:
            grey = pixels.astype(np.uint8)
            Image.fromarray(np.stack([grey, grey, grey // 2], axis=-1) if mode == "RGB" else grey).save(path)
    (done,), _ = align(entries(tmp_path / "data"), tmp_path / "out", motion)
    with Image.open(tmp_path / "out" / "CT-MRI" / "MRI" / "1.png") as image:
        brought = np.asarray(image)
    assert brought.dtype == (np.uint16 if mode == "I;16" else np.uint8)
    assert brought.ndim == (3 if mode == "RGB" else 2)
    shift = inspection.check(tmp_path / "out").rows[0].shift
    assert shift is not None
    assert max(abs(shift.dy), abs(shift.dx)) <= 1
    assert done.transform.read_text().startswith("#Insight Transform File")


def test_what_cannot_be_aligned_is_named_and_stops_nothing(tmp_path: Path, write_dicom: Write) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    for modality in ("CT", "MRI"):
        write_dicom(tmp_path / "data" / "CT-MRI" / modality / "1.dcm", grey)
        Image.fromarray(grey).save(tmp_path / "data" / "CT-MRI" / modality / "2.png")
    done, problems = align(entries(tmp_path / "data"), tmp_path / "out")
    assert [one.name for one in done] == ["2"]
    assert len(problems) == 1
    assert "1.dcm: neither a picture nor a volume" in problems[0]
