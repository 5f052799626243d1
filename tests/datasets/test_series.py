"""A series of DICOM slices as a volume, and which side is left: against affines by hand and the straight slices."""

from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fusebench.datasets import formats, layouts, orientation, series, volumes
from fusebench.datasets.reading import Reading, Window, parse_windows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

Write = Callable[..., Path]
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
ONE = (6, 5, 1)
BOTH = Reading({"a": Window(0, 1000), "b": Window(0, 1000)})


def write_series(
    folder: Path,
    write_dicom: Write,
    voxels: np.ndarray,
    affine: np.ndarray | None = None,
    order: list[int] | None = None,
    frame: str = "1.2.7",
    **elements: Any,
) -> Path:
    """Write voxels (columns, rows, slices) as a series whose affine to mm, RAS+, is given; files named in an order."""
    lps = LPS @ (np.eye(4) if affine is None else affine)
    right, down, step = lps[:3, :3].T
    sizes = [float(np.linalg.norm(axis)) for axis in (right, down)]
    for n, k in enumerate(order or range(voxels.shape[2])):
        stated = {
            "SeriesInstanceUID": "1.2.9",
            "FrameOfReferenceUID": frame,
            "ImagePositionPatient": [*(lps[:3, 3] + k * step)],
            "ImageOrientationPatient": [*(right / sizes[0]), *(down / sizes[1])],
            "PixelSpacing": [sizes[1], sizes[0]],
        }
        write_dicom(folder / f"IM{n}", np.ascontiguousarray(voxels[:, :, k].T), **(stated | elements))
    return folder


def voxels(shape: tuple[int, int, int] = (6, 5, 4)) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 1000, shape).astype(np.uint16)


def test_the_place_of_a_series_is_that_of_its_headers(tmp_path: Path, write_dicom: Write) -> None:
    # Pixels of 0.5 mm to the right and 2 mm down, rows to the patient's left, columns to the back, 3 mm apart upwards.
    affine = np.array([[-0.5, 0, 0, 10], [0, -2, 0, 20], [0, 0, 3, -7], [0, 0, 0, 1.0]])
    found = series.volume(write_series(tmp_path / "s", write_dicom, voxels(), affine, [2, 0, 3, 1]))
    assert np.array(found.affine) == pytest.approx(affine)
    assert found.shape == (6, 5, 4)
    assert volumes.heights(found) == pytest.approx([-7, -4, -1, 2])
    assert volumes.heights(found, Reading(axis="sagittal")) == pytest.approx([7.5, 8, 8.5, 9, 9.5, 10])
    assert found.load(found.path, 0) == pytest.approx(voxels())
    # The pixel of column 1, row 2 of the upper slice lies 9.5 mm to the right, 16 mm to the front, 2 mm up.
    assert volumes.affine_shown(found, 3) @ [1, 2, 0, 1] == pytest.approx([9.5, 16, 2, 1])


def test_a_series_pairs_with_an_oblique_volume(tmp_path: Path, write_dicom: Write, write_nifti: Write) -> None:
    # f(x, y, z) = 300 + 20 x + 10 y + 5 z of the place in mm is linear, so that any grid holds it without loss.
    def values(shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
        places = np.indices(shape).reshape(3, -1)
        mm = affine[:3, :3] @ places + affine[:3, 3:]
        return (300 + mm.T @ [20, 10, 5]).reshape(shape)

    ct = np.array([[-1, 0, 0, 4], [0, -1, 0, 3], [0, 0, 2, -2], [0, 0, 0, 1.0]])
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, -1]])  # left-handed: the slices come from the top
    oblique = np.eye(4)
    oblique[:3, :3], oblique[:3, 3] = 1.5 * turn, [-14, -15, 16]
    folder = write_series(tmp_path / "ct", write_dicom, np.rint(values((6, 5, 4), ct)).astype(np.uint16), ct)
    pet = write_nifti(tmp_path / "pet.nii.gz", values((20, 20, 20), oblique).astype(np.float32), oblique)
    said: list[str] = []
    pair = formats.read_pair(Path(f"{folder}#1"), pet, "x", reading=BOTH, say=said.append)
    assert pair.a.numpy() == pytest.approx(pair.b.numpy(), abs=1e-5)
    # At the upper left lies the voxel furthest to the right and the front: (4, 3, 0) mm.
    assert pair.a[0, 0].item() == pytest.approx(0.410)
    assert pair.sides == ("R", "L")
    assert said == [
        f"{folder}, {pet}: one of the two does not state its frame of reference; it is taken to be that of the other"
    ]
    assert formats.read_pair(Path(f"{folder}#0.4mm"), pet, "x", reading=BOTH).name == "ct#1"
    for text, found in (("1:", [1, 2, 3]), (":0mm", [0, 1]), ("-1.9mm:2mm", [1, 2]), ("2", [2]), ("3.9 mm", [3])):
        assert formats.slices(folder, text) == found
    with pytest.raises(ValueError, match=r"ct: no axial slice lies at 40mm; they run from 0 to 3, from -2 mm to 4 mm"):
        formats.slices(folder, "40mm")
    for text in ("", "a", "1:2:3", "1cm", "1,2"):
        with pytest.raises(ValueError, match=r"--slices .*expected FROM:TO or one slice"):
            formats.slices(folder, text)


def test_the_left_is_at_one_side_whatever_the_file(tmp_path: Path, write_dicom: Write, write_nifti: Write) -> None:
    # A marker at the patient's left, in an axial slice stored in each of the 8 ways, and the same volume in NIfTI.
    head = np.zeros((8, 8, 2), np.uint8)
    head[1, 5] = 255  # to the right, to the front: RAS+
    axial = write_nifti(tmp_path / "x.nii", head, np.diag([1, 1, 1, 1]))
    for orient, column in (("radiological", 6), ("neurological", 1)):
        reading = Reading(orientation=orient)
        shown = formats.read_pair(Path(f"{axial}#0"), axial, "x", reading=reading)
        assert (shown.a == 1).nonzero().tolist() == [[2, column]]
        for n, (swapped, right, front) in enumerate(product((False, True), (1, -1), (1, -1))):
            stored = head[::right, ::front, 0]
            rows, columns = [-right, 0, 0], [0, -front, 0]  # LPS
            stored, axes = (stored, columns + rows) if swapped else (stored.T, rows + columns)
            path = write_dicom(tmp_path / f"{n}.dcm", np.ascontiguousarray(stored), ImageOrientationPatient=axes)
            pair = formats.read_pair(path, path, "x", reading=reading)
            assert torch.equal(pair.a, shown.a)
            assert pair.sides == shown.sides == orientation.sides("axial", orient)


PLACED = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


@given(st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_however_a_volume_is_stored_its_slices_are_the_straight_ones(
    tmp_path_factory: pytest.TempPathFactory, write_dicom: Write, write_nifti: Write, data: st.DataObject
) -> None:
    # Witness: the volume in the straight order, which the tests above compare with places worked out by hand.
    shape = tuple(data.draw(st.lists(st.integers(3, 6), min_size=3, max_size=3)))
    spacing = data.draw(st.lists(st.sampled_from([0.5, 1, 1.25, 3]), min_size=3, max_size=3))
    values = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 1000, shape).astype(np.uint16)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = data.draw(st.lists(st.integers(-99, 99), min_size=3, max_size=3))
    turned = affine.copy()
    if data.draw(st.booleans()):  # not quite straight
        turned[:3, :3] = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]]) @ affine[:3, :3]
    folder = tmp_path_factory.mktemp("stored")
    straight = write_nifti(folder / "straight.nii", values, turned)
    axis = data.draw(st.sampled_from(orientation.AXES))
    reading = Reading(BOTH.windows, axis, orientation=data.draw(st.sampled_from(orientation.ORIENTATIONS)))
    index = data.draw(st.integers(0, shape[orientation.AXES.index(axis)] - 1))
    expected = formats.read_pair(Path(f"{straight}#{index}"), straight, "x", reading=reading)
    paths = []
    for name in "ab":
        order, signs = data.draw(st.sampled_from(PLACED))
        stored = values.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
        back = np.zeros((4, 4))  # from the stored indices to the straight ones
        back[3, 3] = 1
        for n, (whole, sign) in enumerate(zip(order, signs, strict=True)):
            back[whole, n], back[whole, 3] = sign, 0 if sign > 0 else shape[whole] - 1
        if data.draw(st.booleans()):
            names = data.draw(st.permutations(range(stored.shape[2])))
            paths.append(write_series(folder / name, write_dicom, stored, turned @ back, names))
        else:
            paths.append(write_nifti(folder / f"{name}.nii.gz", stored, turned @ back))
    pair = formats.read_pair(Path(f"{paths[0]}#{index}"), paths[1], "x", reading=reading)
    assert torch.equal(pair.a, expected.a)
    assert pair.b.numpy() == pytest.approx(expected.b.numpy(), abs=2e-3)  # headers hold decimals
    assert pair.sides == expected.sides
    places = [volumes.affine_shown(formats.of(path).volume(path), index, reading) for path in (paths[0], straight)]  # type: ignore[misc]
    assert places[0] == pytest.approx(places[1], abs=1e-3)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (lambda s, _: (s / "IM2").unlink(), "slices lie at unequal distances, 1 to 2 mm, .* is one missing"),
        (lambda s, w: write_series(s, w, voxels()[:, :, :1], order=[0], ImagePositionPatient=[0, 0, 1]), "lies where"),
        (lambda s, w: write_series(s, w, voxels(ONE), PhotometricInterpretation="MONOCHROME1"), "IM0 is MONOCHROME1"),
        (lambda s, w: write_series(s, w, voxels((7, 5, 1))), "has . x . pixels, and"),
        (lambda s, w: write_series(s, w, voxels(ONE), PixelSpacing=[1, 2]), "has pixels of another size"),
        (lambda s, w: write_series(s, w, voxels(ONE), PixelSpacing=None), "has no PixelSpacing"),
        (lambda s, _: [path.unlink() for path in s.iterdir()], "0 DICOM files that are no series"),
    ],
)
def test_a_series_that_is_no_volume_is_refused(
    tmp_path: Path, write_dicom: Write, wrong: Callable[[Path, Write], object], complaint: str
) -> None:
    folder = write_series(tmp_path / "s", write_dicom, voxels((6, 5, 5)))
    wrong(folder, write_dicom)
    with pytest.raises(ValueError, match=rf"s: cannot be read as DICOM series \(.*{complaint}"):
        series.volume(folder)


def test_padding_is_black_and_a_window_that_all_slices_state_counts(tmp_path: Path, write_dicom: Write) -> None:
    grey = voxels()
    grey[0, 0] = 4000
    stated = {"WindowCenter": 500, "WindowWidth": 1001, "PixelPaddingValue": 4000}
    folder = write_series(tmp_path / "s", write_dicom, grey, **stated)
    found = series.volume(folder)
    assert found.window == Window(-0.5, 999.5)
    pair = formats.read_pair(Path(f"{folder}#0"), folder, "x")
    assert pair.a.min() == pair.a[-1, -1] == 0  # the first voxel lies at the left and the back
    write_series(folder, write_dicom, grey[:, :, :1], **(stated | {"WindowWidth": 80}))
    with pytest.raises(ValueError, match=r"not the same of all slices; say it with --window"):
        formats.read_pair(Path(f"{folder}#0"), folder, "x")


def test_uptake_is_that_of_single_slices(tmp_path: Path, write_dicom: Write) -> None:
    injected = Dataset()
    injected.RadionuclideTotalDose, injected.RadionuclideHalfLife = 70e6, 3600
    header = {"Units": "BQML", "DecayCorrection": "ADMIN", "PatientWeight": 70}
    header["RadiopharmaceuticalInformationSequence"] = [injected]
    folder = write_series(tmp_path / "s", write_dicom, voxels(), RescaleSlope=10, RescaleIntercept=0, **header)
    reading = Reading(parse_windows(["a=suv:0,10", "b=suv:0,10"]))
    pair = formats.read_pair(Path(f"{folder}#2"), folder, "x", reading=reading)
    single = formats.read_pair(folder / "IM2", folder / "IM2", "x", reading=reading)
    assert pair.a.numpy() == pytest.approx(single.a.numpy(), abs=1e-6)
    # 1000 x 70 kg / 70 MBq = 1/1000: 10 x 500 Bq/ml is SUV 5.
    assert pair.a.max().item() == pytest.approx(voxels()[:, :, 2].max() / 1000, abs=1e-6)


def test_volumes_that_lie_apart_or_in_two_frames_are_no_pair(
    tmp_path: Path, write_dicom: Write, write_nifti: Write
) -> None:
    folder = write_series(tmp_path / "a", write_dicom, voxels())
    other = write_series(tmp_path / "b", write_dicom, voxels(), frame="1.2.6")
    with pytest.raises(ValueError, match=r"a: its frame of reference is another than that of .*b, .*register the two"):
        formats.read_pair(Path(f"{folder}#0"), other, "x", reading=BOTH)
    # Turned by 45 degrees at a corner, so that the boxes around them overlap and they do not.
    apart = np.eye(4)
    apart[:2, :2], apart[:2, 3] = np.array([[1, -1], [1, 1]]) * np.sqrt(0.5), [9.5, -1]
    far = write_nifti(tmp_path / "far.nii", voxels(), apart)
    with pytest.raises(ValueError, match=r"a: does not overlap .*far.nii; to the right, the front and the top"):
        formats.read_pair(Path(f"{folder}#0"), far, "x", reading=BOTH)


def test_series_on_two_grids_are_one_case_of_resampled_slices(
    tmp_path: Path, write_dicom: Write, write_nifti: Write
) -> None:
    coarse = np.diag([2.0, 2, 2, 1])
    write_series(tmp_path / "CT-PET" / "CT", write_dicom, voxels((8, 8, 5)))
    pet = write_series(tmp_path / "CT-PET" / "PET", write_dicom, voxels((4, 4, 3)), coarse, SeriesInstanceUID="1.2.8")
    reading = Reading({"CT": Window(0, 1000), "PET": Window(0, 1000)})
    said: list[str] = []
    entries = layouts.entries(tmp_path, reading, said.append)
    assert [(entry.name, entry.case) for entry in entries] == [(f"CT-PET#{k}", "CT-PET") for k in range(5)]
    assert "CT-PET: the two series lie on different grids; PET is resampled onto that of CT" in said
    assert entries[2].read().b[-1, -1].item() == pytest.approx(voxels((4, 4, 3))[0, 0, 1] / 1000, abs=1e-6)
    for path in pet.iterdir():
        path.unlink()
    write_nifti(pet / "brain.nii.gz", voxels((4, 4, 3)), coarse)
    entries = layouts.entries(tmp_path, reading)
    assert [entry.name for entry in entries] == [f"brain#{k}" for k in range(5)]
    assert entries[2].read().b[-1, -1].item() == pytest.approx(voxels((4, 4, 3))[0, 0, 1] / 1000, abs=1e-6)
