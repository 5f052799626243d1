"""Damaged files of every format, by the thousand: an image in [0, 1], or one ValueError that names the file."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from fusebench.datasets import dicom, formats, image, itk, nifti, series, volumes
from fusebench.datasets.reading import Reading, Window, parse_windows
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, RLELossless
from torch import Tensor

GREY = np.random.default_rng(0).integers(0, 256, (12, 9), dtype=np.uint8)
WINDOW = Window(0, 100)
BOTH = Reading({"a": WINDOW, "b": WINDOW})


def saved(kind: str, pixels: np.ndarray = GREY, **options: str) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind, **options)
    return content.getvalue()


def written(sitk: Any, path: Path, wide: np.ndarray) -> bytes:
    """Give a MetaImage or NRRD file."""
    made = sitk.GetImageFromArray(wide.astype(np.int16).reshape(6, 6, 3))
    made.SetSpacing((1.0, 2.0, 3.0))
    sitk.WriteImage(made, str(path))
    return path.read_bytes()


def mgh(path: Path, wide: np.ndarray) -> bytes:
    """Give a file of FreeSurfer."""
    nibabel.MGHImage(wide.astype(np.int16).reshape(6, 6, 3), np.eye(4)).to_filename(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def sitk() -> Any:
    """Give SimpleITK."""
    return pytest.importorskip("SimpleITK", reason="SimpleITK is not installed: the extra itk")


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory,
    write_dicom: Callable[..., Path],
    write_nifti: Callable[..., Path],
    sitk: Any,
) -> dict[str, bytes]:
    """Give a whole file of each format by its name; after a + its variants."""
    folder = tmp_path_factory.mktemp("whole")
    window, rescale = Dataset(), Dataset()
    window.WindowCenter, window.WindowWidth = 40, 80
    rescale.RescaleSlope, rescale.RescaleIntercept = 2, -5
    groups = Dataset()
    groups.FrameVOILUTSequence, groups.PixelValueTransformationSequence = [window], [rescale]
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4, 7, 16], [0, 9, 99, 65535]
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "US"
    wide, rgb = GREY.astype(np.uint16) * 9, np.stack([GREY, GREY.T.reshape(12, 9), 255 - GREY], axis=-1)
    files = {
        "+grey.dcm": write_dicom(folder / "1.dcm", wide, BitsStored=12, WindowCenter=99, WindowWidth=999),
        "+runs.dcm": write_dicom(folder / "2.dcm", rgb, syntax=RLELossless),
        "+frames.dcm": write_dicom(
            folder / "3.dcm", np.stack([wide, wide]), SharedFunctionalGroupsSequence=[groups], BitsStored=12
        ),
        "+table.dcm": write_dicom(folder / "4.dcm", wide, syntax=ImplicitVRLittleEndian, VOILUTSequence=[table]),
        "+.nii": write_nifti(folder / "1.nii", wide.astype(np.int16).reshape(3, 6, 6), np.diag([1, 2, 3, 1])),
    }
    return {
        **{name: path.read_bytes() for name, path in files.items()},
        **{f"+{suffix}": written(sitk, folder / f"1{suffix}", wide) for suffix in (".mha", ".nrrd")},
        "+.mgh": mgh(folder / "1.mgh", wide),
        "+.nii.gz": gzip.compress(files["+.nii"].read_bytes(), mtime=0),
        "+8.png": saved("PNG"),
        "+16.png": saved("PNG", wide),
        "+colour.png": saved("PNG", rgb),
        "+raw.tif": saved("TIFF", wide),
        "+lzw.tif": saved("TIFF", compression="tiff_lzw"),
        "+float.tif": saved("TIFF", GREY.astype(np.float32)),
        "+.bmp": saved("BMP"),
        "+.jpg": saved("JPEG", rgb),
    }


def read(path: Path) -> tuple[Tensor, ...]:
    """Read a file as the folder's door does, by its extension."""
    volumes._voxels.cache_clear()  # two files of one moment look the same to it
    if path.name.endswith(nifti.EXTENSIONS):
        return volumes.read(nifti.volume(path), nifti.volume(path), 1, reading=BOTH)
    if path.name.endswith(itk.EXTENSIONS):
        return volumes.read(itk.volume(path), itk.volume(path), 1, reading=BOTH)
    if path.suffix == ".dcm":
        return tuple(x for x in dicom.read(path, dicom.frames(path)) if x is not None)
    return tuple(x for x in image.read(path, WINDOW if "float" in path.name else None) if x is not None)


def survives(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        images = read(path)
    except ValueError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017  most inputs raise, some are images still
        return
    assert images[0].ndim == 2
    assert images[0].dtype == torch.float32
    assert images[0].isfinite().all()
    assert images[0].min() >= 0
    assert images[0].max() <= 1


NAMES = (
    *("+grey.dcm", "+runs.dcm", "+frames.dcm", "+table.dcm", "+.nii", "+.nii.gz", "+8.png", "+16.png", "+colour.png"),
    *("+raw.tif", "+lzw.tif", "+float.tif", "+.bmp", "+.jpg", "+.mha", "+.nrrd", "+.mgh"),
)


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory, write_dicom: Callable[..., Path]) -> Path:
    """Write a series of three slices."""
    folder = tmp_path_factory.mktemp("series")
    for k in range(3):
        stated = {"SeriesInstanceUID": "1.2.9", "FrameOfReferenceUID": "1.2.7", "PixelSpacing": [1, 1]}
        stated |= {"ImagePositionPatient": [0, 0, k], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        write_dicom(folder / f"IM{k}", GREY + k, **stated)
    return folder


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Draw what becomes of a file: bytes set to others, mostly in its header, a cut, a part doubled or left out."""
    places = st.one_of(st.integers(0, 600), st.integers(0, 10**4))
    bytes_of = st.one_of(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]), st.integers(0, 255))
    changes = draw(st.lists(st.tuples(places, bytes_of), max_size=6))
    cut = draw(st.one_of(st.none(), st.integers(0, 10**4)))
    twice = draw(st.one_of(st.none(), st.tuples(places, places)))

    def apply(content: bytes) -> bytes:
        data = bytearray(content)
        for place, value in changes:
            data[place % len(data)] = value
        if twice is not None:
            start, end = (place % len(data) for place in twice)
            data[end:end] = data[start : start + 40]
        return bytes(data if cut is None else data[: cut % len(data)])

    return apply


@pytest.mark.parametrize("name", NAMES)
def test_whole_files_are_read(whole: dict[str, bytes], tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(whole[name])
    assert read(tmp_path / name)[0].max() > 0


@given(st.sampled_from(NAMES), damage())
@settings(max_examples=600)
def test_no_damage_makes_a_reader_fail_otherwise(
    whole: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, name: str, change: Callable[[bytes], bytes]
) -> None:
    survives(tmp_path_factory.getbasetemp() / name, change(whole[name]))


@given(damage(), st.integers(0, 2))
@settings(max_examples=300)
def test_no_damage_of_a_slice_makes_a_series_fail_otherwise(
    slices: Path, change: Callable[[bytes], bytes], number: int
) -> None:
    path = slices / f"IM{number}"
    before = path.read_bytes()
    path.write_bytes(change(before))
    series._stated.cache_clear()
    volumes._voxels.cache_clear()
    try:
        images = formats.read_pair(Path(f"{slices}#1"), slices, "x", reading=BOTH)
        assert 0 <= images.a.min() <= images.a.max() <= 1
    except ValueError as error:
        assert str(error).startswith(str(slices))  # noqa: PT017  most inputs raise, some are images still
    finally:
        path.write_bytes(before)


@given(st.one_of(st.text(), st.from_regex(r"[A-Z]{1,3}=[0-9naif.,e+-]{0,9}", fullmatch=True)))
def test_a_window_is_one_or_is_refused(text: str) -> None:
    try:
        ((modality, window),) = parse_windows([text]).items()
    except ValueError as error:
        assert str(error).startswith(f"--window {text}: expected")  # noqa: PT017  most texts are none
        return
    assert text.startswith(f"{modality}=")
    assert window == "auto" or -np.inf < window.low <= window.high < np.inf


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@given(damage())
@settings(max_examples=3000)
def test_nor_does_much_more_damage(
    whole: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, name: str, change: Callable[[bytes], bytes]
) -> None:
    survives(tmp_path_factory.getbasetemp() / name, change(whole[name]))


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_of_a_header_turned_over(whole: dict[str, bytes], tmp_path: Path, name: str) -> None:
    content = whole[name]
    for place in range(0, min(len(content), 360), 5):
        survives(tmp_path / name, content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
