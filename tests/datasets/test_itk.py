"""MetaImage and NRRD: placed as NIfTI is, against SimpleITK's writer and affines known by hand."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fusebench.datasets import formats, itk, layouts, volumes
from fusebench.datasets.reading import Reading, Window

Write = Callable[..., Path]
SUFFIXES = [".mha", ".mhd", ".nrrd", ".nhdr"]
CUBE = np.random.default_rng(3).integers(0, 100, (6, 7, 5), dtype=np.int16)
READING = Reading({"a": Window(0, 100), "b": Window(0, 100)})
# 1 mm to the left, 2 mm to the back, 3 mm up, from 3 mm to the left, 4 to the back and 5 up: LPS has no sign to change.
SPACING, ORIGIN = (1.0, 2.0, 3.0), (3.0, 4.0, 5.0)
IN_RAS = np.array([[-1.0, 0, 0, -3], [0, -2, 0, -4], [0, 0, 3, 5], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def sitk() -> Any:
    """Give SimpleITK."""
    return pytest.importorskip("SimpleITK", reason="SimpleITK is not installed: the extra itk")


def write(sitk: Any, path: Path, voxels: np.ndarray = CUBE, *, packed: bool = False) -> Path:
    image = sitk.GetImageFromArray(voxels.T, isVector=False)
    if voxels.ndim == 3:
        image.SetSpacing(SPACING)
        image.SetOrigin(ORIGIN)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=packed)
    return path


def both(first: Path, second: Path, reading: Reading = READING) -> tuple[torch.Tensor, torch.Tensor]:
    one, two = (formats.of(path).volume for path in (first, second))
    assert one is not None
    assert two is not None
    return volumes.read(one(first), two(second), 2, reading=reading)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_volume_pairs_with_nifti_by_its_place(
    tmp_path: Path, write_nifti: Write, sitk: Any, suffix: str, *, packed: bool
) -> None:
    path = write(sitk, tmp_path / f"x{suffix}", packed=packed)
    same = write_nifti(tmp_path / "x.nii", CUBE, IN_RAS)
    assert np.array(itk.volume(path).affine) == pytest.approx(IN_RAS)
    assert formats.depth(path) == "int16"
    for pair in ((path, same), (same, path)):
        a, b = both(*pair)
        assert torch.allclose(a, b, rtol=0, atol=1e-6)
    # The first voxel lies furthest to the right and the front: at the image's upper left.
    assert a[0, 0] == pytest.approx(CUBE[0, 0, 2] / 100)
    higher = IN_RAS.copy()
    higher[2, 3] += 3
    _, b = both(path, write_nifti(same, np.roll(CUBE, -1, axis=2), higher))
    assert torch.allclose(b, a, rtol=0, atol=1e-6)


@pytest.mark.parametrize("space", ["right-anterior-superior", "left-anterior-superior", "LPS"])
def test_each_space_of_nrrd_is_turned(tmp_path: Path, sitk: Any, space: str) -> None:
    path = write(sitk, tmp_path / "x.nrrd")
    path.write_bytes(path.read_bytes().replace(b"left-posterior-superior", space.encode()))
    signs = {"right": [1, 1, 1, 1], "left": [-1, 1, 1, 1], "LPS": [-1, -1, 1, 1]}[space.split("-", maxsplit=1)[0]]
    assert np.array(itk.volume(path).affine) == pytest.approx(np.diag(signs) @ np.diag([-1, -1, 1, 1]) @ IN_RAS)


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_units_are_converted(tmp_path: Path, sitk: Any, suffix: str) -> None:
    path = write(sitk, tmp_path / f"x{suffix}")
    line, before = (
        ('space units: "um" "um" "um"', "encoding") if suffix == ".nrrd" else ("DistanceUnits = um", "DimSize")
    )
    path.write_bytes(path.read_bytes().replace(before.encode(), f"{line}\n{before}".encode()))
    assert np.array(itk.volume(path).affine)[:3] == pytest.approx(IN_RAS[:3] / 1000)
    path.write_bytes(path.read_bytes().replace(b"um", b"in"))
    with pytest.raises(ValueError, match=rf"x{suffix}: .*its units are in; known: m, cm, mm, um"):
        itk.volume(path)


def without(path: Path, *fields: bytes) -> Path:
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(line for line in lines if not line.startswith(fields)))
    return path


@pytest.mark.parametrize(
    ("suffix", "field", "reason"),
    [(".mha", b"Offset", "it has no Offset or no TransformMatrix"), (".nrrd", b"space", "its space is not stated")],
)
def test_a_place_that_is_not_stated_is_none(tmp_path: Path, sitk: Any, suffix: str, field: bytes, reason: str) -> None:
    placed, path = (write(sitk, tmp_path / f"{name}{suffix}") for name in "ab")
    if suffix == ".nrrd":
        lines = path.read_bytes()
        path.write_bytes(lines.replace(b"space directions: (1,0,0) (0,2,0) (0,0,3)", b"spacings: 1 2 3"))
    without(path, field)
    assert formats.compare(placed, path) == [f"no place is stated ({reason}), so that voxels pair by their index"]
    assert torch.equal(*both(placed, path))


def test_one_of_several_volumes_is_read(tmp_path: Path, write_nifti: Write, sitk: Any) -> None:
    path = write(sitk, tmp_path / "x.nrrd", np.stack([CUBE, 99 - CUBE], axis=-1))
    volume = itk.volume(path)
    assert (volume.shape, volume.count) == ((6, 7, 5), 2)
    for n, cube in enumerate((CUBE, 99 - CUBE)):
        assert np.array_equal(volume.load(path, n), cube)
    with pytest.raises(ValueError, match=r"x.nrrd: .*2 volumes; name one with --volume N, from 0 to 1"):
        both(path, path)
    del write_nifti


def test_folders_of_them_are_read(tmp_path: Path, write_nifti: Write, sitk: Any) -> None:
    write_nifti(tmp_path / "CT-MRI" / "CT" / "p1.nii.gz", CUBE, IN_RAS)
    write(sitk, tmp_path / "CT-MRI" / "MRI" / "p1.mhd")
    entries = layouts.entries(tmp_path, Reading({"CT": Window(0, 100), "MRI": Window(0, 100)}))
    assert [entry.name for entry in entries] == [f"p1#{k}" for k in range(5)]
    pair = entries[3].read()
    assert torch.allclose(pair.a, pair.b, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("suffix", "old", "new", "complaint"),
    [
        (".mha", b"DimSize = 6 7 5", b"DimSize = 6 7 -5", "voxels; at most"),
        (".mha", b"DimSize = 6 7 5", b"DimSize = 6 7 9", "claims 6 x 7 x 9 voxels of 16 bits in a file of"),
        (".mha", b"DimSize = 6 7 5", b"DimSize = 6 7 6", "claims 6 x 7 x 6 voxels of 16 bits in a file of"),
        (".mha", b"MET_SHORT", b"MET_SHIRT", ""),
        (".mha", b"LOCAL", b"../x.raw", "one file beside the header is read"),
        (".mha", b"LOCAL", b"LIST", "one file beside the header is read"),
        (".mha", b"ElementDataFile", b"ElementDataPile", "its header does not end"),
        (".mhd", b"x.raw", b"gone.raw", "gone.raw: no such file"),
        (".mha", b"BinaryData = True", b"BinaryData = False", "store them raw"),
        (".mha", b"ElementSpacing = 1 2 3", b"ElementNumberOfChannels = 3", "3 numbers a voxel"),
        (".mha", b"1 0 0 0 1 0 0 0 1", b"1 0 0 1 0 0 0 0 1", ""),
        (".nrrd", b"sizes: 6 7 5", b"sizes: 6 7 6", "claims 6 x 7 x 6 voxels"),
        (".nrrd", b"sizes: 6 7 5", b"sizes: 6 7 x", ""),
        (".nrrd", b"encoding: raw", b"encoding: hex", "store them raw"),
        (".nhdr", b"data file: x.raw", b"data file: /dev/zero", "one file beside the header is read"),
        (".nhdr", b"encoding: raw", b"encoding: raw\nencoding: raw", "two fields encoding"),
    ],
)
def test_absurd_headers_are_refused_by_name(
    tmp_path: Path, sitk: Any, suffix: str, old: bytes, new: bytes, complaint: str
) -> None:
    path = write(sitk, tmp_path / f"x{suffix}")
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(ValueError, match=rf"x\{suffix}: .*{complaint}") as error:
        both(path, path)
    assert "\n" not in str(error.value).strip()


def test_voxels_that_lie_outside_are_not_read(tmp_path: Path, sitk: Any) -> None:
    path = write(sitk, tmp_path / "in" / "x.mhd")
    held = path.with_suffix(".raw")
    held.rename(tmp_path / "x.raw")
    held.symlink_to(tmp_path / "x.raw")
    with pytest.raises(ValueError, match=r"x.mhd: .*x.raw, a link that leads out of the folder"):
        itk.volume(path)


@pytest.mark.parametrize(
    "content", [b"ObjectType = Image\nNDims = 3\nElementDataFile = LOCAL\n", b"NRRD0004\nencoding: raw\n\n"]
)
def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=r"x: .*SimpleITK, which is not installed; `pip install 'fusebench\[itk\]'`"):
        formats.depth(tmp_path / "x")
