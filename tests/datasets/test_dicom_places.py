"""Where DICOM images say that they lie: slices pair by it, and what lies elsewhere is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fusebench.datasets import dicom, formats, layouts
from fusebench.datasets.reading import Reading, Window
from pydicom.dataset import Dataset

Write = Callable[..., Path]


def item(**elements: Any) -> list[Dataset]:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return [ds]


ZS = (-10.0, 0.0, 5.0, 12.5)  # mm; gaps as they come
AXIAL = [1, 0, 0, 0, 1, 0]


def series(
    folder: Path, write_dicom: Write, places: dict[str, list[float]], uid: str = "1.2.9", **elements: Any
) -> Path:
    """Write a series of slices by their names and positions; each has the level that its height names."""
    for name, position in places.items():
        level = np.full((4, 6), round(100 + position[2]), np.uint8)
        level[0, 0] = 0
        stated = {"PixelSpacing": [1, 1], "ImageOrientationPatient": AXIAL, "FrameOfReferenceUID": "1.2.7", **elements}
        write_dicom(folder / name, level, SeriesInstanceUID=uid, ImagePositionPatient=position, **stated)
    return folder


def test_slices_of_two_series_pair_by_where_they_lie(tmp_path: Path, write_dicom: Write) -> None:
    series(tmp_path / "CT-MRI" / "CT", write_dicom, {f"IM{k}": [3, 4, z] for k, z in enumerate(ZS)})
    # The other one is numbered from the top, and reaches one slice further.
    higher = [*ZS, 20.0][::-1]
    mri = series(tmp_path / "CT-MRI" / "MRI", write_dicom, {f"IM{k}": [3, 4, z] for k, z in enumerate(higher)}, "1.2.8")
    said: list[str] = []
    entries = layouts.entries(tmp_path, say=said.append)
    assert [(entry.name, entry.case) for entry in entries] == [(f"IM{k}", "CT-MRI") for k in range(4)]
    for entry, z in zip(entries, ZS, strict=True):
        assert round(255 * entry.read().a[1, 1].item()) == round(255 * entry.read().b[1, 1].item()) == round(100 + z)
    assert said == ["CT-MRI: left out, since the other series has none at their height: 1 of the slices"]
    # By name the first would be fused with the last.
    with pytest.raises(ValueError, match=r"CT/IM0: lies 30 mm from .*MRI/IM0; a registered pair lies at one place"):
        formats.read_pair(tmp_path / "CT-MRI" / "CT" / "IM0", mri / "IM0", "x")


def test_slices_that_each_say_another_series_are_one_in_one_frame(tmp_path: Path, write_dicom: Write) -> None:
    for k, z in enumerate(ZS):
        series(tmp_path, write_dicom, {f"IM{k}": [0, 0, -z]}, f"1.2.9.{k}")
    (found,) = dicom.series(sorted(tmp_path.iterdir()))
    assert [path.name for path in found.heights] == ["IM3", "IM2", "IM1", "IM0"]
    series(tmp_path, write_dicom, {"IM0": [0, 0, 9]}, "1.2.9.0", FrameOfReferenceUID="1.2.6")
    assert dicom.series(sorted(tmp_path.iterdir())) == []  # another patient's


def test_heights_run_along_the_normal_of_an_oblique_series(tmp_path: Path, write_dicom: Write) -> None:
    # Coronal: rows to the left, columns to the feet; their cross product (0, 1, 0) runs to the back.
    coronal = [1, 0, 0, 0, 0, -1]
    places = {f"IM{k}": [0.0, y, 50.0] for k, y in enumerate((7.0, -3.0, 2.0))}
    folder = series(tmp_path, write_dicom, places, ImageOrientationPatient=coronal)
    (found,) = dicom.series(sorted(folder.iterdir()))
    assert [(path.name, height) for path, height in found.heights.items()] == [("IM1", -3), ("IM2", 2), ("IM0", 7)]


def test_series_in_different_frames_pair_by_their_order(tmp_path: Path, write_dicom: Write) -> None:
    series(tmp_path / "CT-MRI" / "CT", write_dicom, {f"IM{k}": [0, 0, z] for k, z in enumerate(ZS)})
    there = {f"IM{k}": [0, 0, z + 70] for k, z in enumerate(ZS[::-1])}
    series(tmp_path / "CT-MRI" / "MRI", write_dicom, there, "1.2.8", FrameOfReferenceUID="1.2.6")
    said: list[str] = []
    entries = layouts.entries(tmp_path, say=said.append)
    assert [layouts.files(entry)[1].name for entry in entries] == ["IM3", "IM2", "IM1", "IM0"]
    assert (
        "CT-MRI: two series in different frames of reference; their slices pair by their order along the normal" in said
    )
    (tmp_path / "CT-MRI" / "MRI" / "IM0").unlink()
    with pytest.raises(ValueError, match=r"CT: 4 slices, but .*MRI has 3 in another frame of reference"):
        layouts.entries(tmp_path)


def test_series_that_are_no_pair_are_refused_by_name(tmp_path: Path, write_dicom: Write) -> None:
    ct, mri = (tmp_path / "CT-MRI" / modality for modality in ("CT", "MRI"))
    places: dict[str, list[float]] = {f"IM{k}": [0, 0, z] for k, z in enumerate(ZS)}
    series(ct, write_dicom, places)
    series(mri, write_dicom, {name: [0, 0, z + 3.7] for name, (_, _, z) in places.items()}, "1.2.8")
    with pytest.raises(
        ValueError, match=r"CT: no slice lies where .*MRI has one; they lie from -10 to 12.5 mm and -6.3"
    ):
        layouts.entries(tmp_path)
    series(mri, write_dicom, places, "1.2.8", PixelSpacing=[0.67, 0.67])
    with pytest.raises(ValueError, match=r"CT/IM0: pixels of 1 x 1 mm, but .*MRI/IM0 has 0.67 x 0.67 mm"):
        layouts.entries(tmp_path)
    series(mri, write_dicom, places, "1.2.8")
    series(mri, write_dicom, {"IM8": [0, 0, 1.0], "IM9": [0, 0, 2.0]}, "1.2.5")
    with pytest.raises(
        ValueError,
        match=r"CT: holds 1 DICOM series, .*MRI 2, that of IM0 \(4 files\), that of IM8 \(2 files\); which",
    ):
        layouts.entries(tmp_path)
    series(mri, write_dicom, {"IM8": [0, 0, 5.0], "IM9": [0, 0, 2.0]}, "1.2.8")
    with pytest.raises(ValueError, match=r"MRI/IM[28]: lies where IM[28] lies; a series has one slice at each height"):
        layouts.entries(tmp_path)


def two_patients(root: Path, write_dicom: Write, **of_mri: Any) -> Path:
    """Write two patients' series into one folder, the MRI's files in another order and one patient's lower."""
    for k, patient in enumerate("AB"):
        stated = {"FrameOfReferenceUID": f"1.2.7.{k}", "StudyInstanceUID": f"1.2.3.{k}"}
        ct = {f"{patient}{n}": [0, 0, z] for n, z in enumerate(ZS)}
        series(root / "CT-MRI" / "CT", write_dicom, ct, f"1.2.9.{k}", **stated)
        mri = {f"{1 - k}{n}": [0, 0, z] for n, z in enumerate(ZS[::-1])}
        series(
            root / "CT-MRI" / "MRI", write_dicom, mri, f"1.2.8.{k}", **(stated | {a: f(k) for a, f in of_mri.items()})
        )
    return root


@pytest.mark.parametrize("by", ["frame of reference", "study"])
def test_several_series_in_a_folder_are_cases_that_go_together(tmp_path: Path, write_dicom: Write, by: str) -> None:
    other = {} if by == "frame of reference" else {"FrameOfReferenceUID": lambda k: f"1.2.6.{k}"}
    said: list[str] = []
    entries = layouts.entries(two_patients(tmp_path, write_dicom, **other), say=said.append)
    named = [tuple(path.name for path in layouts.files(entry)) for entry in entries]
    assert named == [*((f"A{n}", f"1{3 - n}") for n in range(4)), *((f"B{n}", f"0{3 - n}") for n in range(4))]
    assert [entry.case for entry in entries] == 4 * ["CT-MRI-1"] + 4 * ["CT-MRI-2"]
    assert "CT-MRI: 2 series in each folder are read as cases: CT-MRI-1 begins with A0, CT-MRI-2 begins with B0" in said


def test_series_of_which_nothing_says_that_they_go_together_are_refused(tmp_path: Path, write_dicom: Write) -> None:
    for elements in (
        {"FrameOfReferenceUID": lambda _: "1.2.7.0"},  # both of one patient
        {"FrameOfReferenceUID": lambda k: f"1.2.6.{k}", "StudyInstanceUID": lambda k: f"1.2.5.{k}"},
    ):
        two_patients(tmp_path, write_dicom, **elements)
        with pytest.raises(ValueError, match=r"CT: holds 2 DICOM series, that of A0 \(4 files\), .* do not say"):
            layouts.entries(tmp_path)


def test_windows_that_differ_from_slice_to_slice_are_said(tmp_path: Path, write_dicom: Write) -> None:
    for modality in ("CT", "MRI"):
        for k, z in enumerate(ZS):
            window = {"WindowCenter": 100 + k * (modality == "MRI"), "WindowWidth": 50}
            places = {f"IM{k}": [0.0, 0.0, z]}
            series(tmp_path / "CT-MRI" / modality, write_dicom, places, f"1.2.{len(modality)}", **window)
    said: list[str] = []
    layouts.entries(tmp_path, say=said.append)
    assert said == [
        (
            "CT-MRI: the windows that MRI states differ from slice to slice, of CT-MRI in centers from 100 to 103 and "
            "widths from 50 to 50; --window MRI=CENTER,WIDTH gives all the same"
        )
    ]
    said.clear()
    layouts.entries(tmp_path, Reading({"MRI": Window(0, 80)}), say=said.append)
    assert said == []


def frames(path: Path, write_dicom: Write, heights: list[float], **of_frame: Any) -> Path:
    """Write an enhanced file whose frames lie at heights."""
    shared = item(
        PlaneOrientationSequence=item(ImageOrientationPatient=AXIAL), PixelMeasuresSequence=item(PixelSpacing=[1, 1])
    )
    own = [ds for z in heights for ds in item(PlanePositionSequence=item(ImagePositionPatient=[0, 0, z]), **of_frame)]
    return write_dicom(
        path,
        np.arange(len(heights) * 24, dtype=np.uint8).reshape(-1, 4, 6),
        SharedFunctionalGroupsSequence=shared,
        PerFrameFunctionalGroupsSequence=own,
        FrameOfReferenceUID="1.2.7",
    )


def test_frames_are_compared_by_where_they_lie(tmp_path: Path, write_dicom: Write) -> None:
    a, b = (frames(tmp_path / "CT-MRI" / m / "x.dcm", write_dicom, [0, 5, 10]) for m in ("CT", "MRI"))
    assert len(layouts.entries(tmp_path)) == 3
    frames(b, write_dicom, [0, 5, 30])
    with pytest.raises(ValueError, match=r"CT/x.dcm#3: lies 20 mm from .*MRI/x.dcm#3; a registered pair"):
        layouts.entries(tmp_path)
    assert formats.read_pair(Path(f"{a}#2"), b, "x").name == "x#2"
    with pytest.raises(ValueError, match=r"x.dcm: lies 20 mm from"):
        formats.read_pair(Path(f"{a}#3"), b, "x")
    with pytest.raises(ValueError, match=r"x.dcm: lies 5 mm from"):
        formats.read_pair(Path(f"{a}#1"), Path(f"{b}#2"), "x")


@pytest.mark.parametrize(
    ("elements", "complaint"),
    [
        ({"PixelSpacing": [1, 1.5]}, "pixels of 1 x 1 mm, but .* has 1 x 1.5 mm; single images are not resampled"),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "its plane is turned against that of"),
        ({"ImagePositionPatient": [0, 2, 0]}, "lies 2 mm from"),
        ({"ImagePositionPatient": [0, 2, 0], "FrameOfReferenceUID": "1.2.6"}, ""),
        ({"ImagePositionPatient": [0, 0.2, 0]}, ""),
    ],
)
def test_single_images_that_say_they_lie_elsewhere_are_refused(
    tmp_path: Path, write_dicom: Write, elements: dict[str, Any], complaint: str
) -> None:
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6)
    stated = {"PixelSpacing": [1, 1], "ImageOrientationPatient": AXIAL, "ImagePositionPatient": [0, 0, 0]}
    a = write_dicom(tmp_path / "a.dcm", grey, **stated, FrameOfReferenceUID="1.2.7")
    b = write_dicom(tmp_path / "b.dcm", grey, **(stated | {"FrameOfReferenceUID": "1.2.7"} | elements))
    if not complaint:
        assert formats.read_pair(a, b, "x").size == (4, 6)
        return
    with pytest.raises(ValueError, match=rf"a.dcm: {complaint}"):
        formats.read_pair(a, b, "x")
