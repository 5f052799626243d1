"""DICOM: the grey levels of a file that was written by hand, along the standard's way from stored value to display."""

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from fusebench.datasets import dicom, formats, layouts
from fusebench.datasets.reading import Reading, Window
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_voi_lut
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

Write = Callable[..., Path]
# Stored values of a CT: intercept -1024, so that 1024 is water.
STORED = np.array([[0, 1024, 1044], [1064, 1104, 4095]], dtype=np.uint16)
CT = {"RescaleSlope": 1, "RescaleIntercept": -1024, "BitsStored": 12, "HighBit": 11}


def item(**elements: Any) -> list[Dataset]:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return [ds]


def test_hounsfield_units_through_a_given_window(tmp_path: Path, write_dicom: Write) -> None:
    path = write_dicom(tmp_path / "ct.dcm", STORED, **CT)
    grey, chroma = dicom.read(path, window=Window(0, 80))
    # -1024, 0, 20, 40, 80 and 3071 HU.
    assert grey.tolist() == [[0, 0, 0.25], [0.5, 1, 1]]
    assert grey.dtype == torch.float32
    assert chroma is None


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, RLELossless])
def test_the_headers_first_window_is_that_of_the_standard(tmp_path: Path, write_dicom: Write, syntax: str) -> None:
    path = write_dicom(tmp_path / "ct.dcm", STORED, syntax=syntax, WindowCenter=[40, 500], WindowWidth=[81, 2000], **CT)
    # PS3.3 C.11.2.1.2: black up to c - 0.5 - (w - 1) / 2 = -0.5, white from 79.5 on.
    expected = [0, 0.5 / 80, 20.5 / 80, 40.5 / 80, 1, 1]
    assert dicom.read(path)[0].flatten().tolist() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_every_function_agrees_with_pydicom(tmp_path: Path, write_dicom: Write, function: str) -> None:
    stored = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    window = {"WindowCenter": 1000.5, "WindowWidth": 731, "VOILUTFunction": function}
    path = write_dicom(tmp_path / "x.dcm", stored, BitsStored=12, HighBit=11, **window)
    ds = item(BitsStored=12, PixelRepresentation=0, PhotometricInterpretation="MONOCHROME2", **window)[0]
    # Over the whole range of 12 bits, 0 to 4095.
    expected = apply_voi_lut(stored, ds) / 4095
    assert dicom.read(path)[0].numpy() == pytest.approx(expected, abs=1e-6)


def test_a_window_of_width_one_is_a_step(tmp_path: Path, write_dicom: Write) -> None:
    path = write_dicom(tmp_path / "x.dcm", STORED, WindowCenter=1044, WindowWidth=1)
    assert dicom.read(path)[0].flatten().tolist() == [0, 0, 1, 1, 1, 1]


def test_monochrome1_is_inverted_behind_the_window(tmp_path: Path, write_dicom: Write) -> None:
    path = write_dicom(tmp_path / "x.dcm", STORED, PhotometricInterpretation="MONOCHROME1", **CT)
    assert dicom.read(path, window=Window(0, 80))[0].tolist() == [[1, 1, 0.75], [0.5, 0, 0]]


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize(
    ("padding", "black"),
    [
        ({"PixelPaddingValue": -2000}, [-2000]),
        ({"PixelPaddingValue": 60, "PixelPaddingRangeLimit": 20}, [20, 40, 60]),
    ],
)
def test_padding_is_black_whatever_the_window_makes_of_it(
    tmp_path: Path, write_dicom: Write, kind: str, syntax: str, padding: dict[str, int], black: list[int]
) -> None:
    stored = np.array([[-2000, 0, 20], [40, 60, 80]], dtype=np.int16)
    path = write_dicom(tmp_path / "x.dcm", stored, syntax=syntax, PhotometricInterpretation=kind)
    shown = dicom.read(path, window=Window(0, 80))[0].numpy()
    write_dicom(path, stored, syntax=syntax, PhotometricInterpretation=kind, **padding)
    grey = dicom.read(path, window=Window(0, 80))[0].numpy()
    assert grey.tolist() == np.where(np.isin(stored, black), 0, shown).tolist()
    # Some writers call the value unsigned: the same bits, 63536.
    path.write_bytes(path.read_bytes().replace(b"\x28\x00\x20\x01SS", b"\x28\x00\x20\x01US"))
    assert dicom.read(path, window=Window(0, 80))[0].tolist() == grey.tolist()


@pytest.mark.parametrize(
    ("window", "complaint"),
    [
        ({"WindowCenter": 40}, "its window has a center and no width"),
        ({"WindowWidth": 40}, "its window has a width and no center"),
        ({"WindowCenter": 40, "WindowWidth": None}, "its window has a center and no width"),
        ({"WindowCenter": 40, "WindowWidth": 0}, "its window has center 40 and width 0"),
        ({"WindowCenter": 40, "WindowWidth": 0.5}, "its window has width 0.5 and the function LINEAR"),
    ],
)
def test_a_window_that_is_none_names_the_cure(
    tmp_path: Path, write_dicom: Write, window: dict[str, float], complaint: str
) -> None:
    path = write_dicom(tmp_path / "x.dcm", STORED, **CT, **window)
    with pytest.raises(ValueError, match=rf"x.dcm: .*{complaint}.*; .*--window MODALITY=CENTER,WIDTH"):
        dicom.read(path)
    assert dicom.read(path, window=Window(0, 80))[0].max() == 1


def test_8_bits_state_their_range_and_12_do_not(tmp_path: Path, write_dicom: Write) -> None:
    path = write_dicom(tmp_path / "x.dcm", np.array([[0, 51], [102, 255]], dtype=np.uint8))
    assert dicom.read(path)[0].flatten().tolist() == pytest.approx([0, 0.2, 0.4, 1])
    signed = write_dicom(tmp_path / "s.dcm", np.array([[-128, 0], [76, 127]], dtype=np.int8))
    assert dicom.read(signed)[0].flatten().tolist() == pytest.approx([0, 128 / 255, 0.8, 1])
    with pytest.raises(ValueError, match=r"ct.dcm: .*no window; .*--window MODALITY=CENTER,WIDTH"):
        dicom.read(write_dicom(tmp_path / "ct.dcm", STORED, **CT))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_table_of_grey_levels(tmp_path: Path, write_dicom: Write, bits: int) -> None:
    # Values from 1000 on are black, quarter, half, white; values outside take the first and the last.
    levels = [0, 2 ** (bits - 2), 2 ** (bits - 1), 2**bits - 1]
    table = item(LUTDescriptor=[4, 1000, bits], LUTData=np.array(levels, "<u2").tobytes())
    table[0]["LUTDescriptor"].VR, table[0]["LUTData"].VR = "US", "OW"
    stored = np.array([[0, 1001, 1002], [1003, 1004, 4095]], dtype=np.uint16)
    path = write_dicom(tmp_path / "x.dcm", stored, BitsStored=12, HighBit=11, VOILUTSequence=table)
    white = 2**bits - 1
    expected = [0, levels[1] / white, levels[2] / white, 1, 1, 1]
    assert dicom.read(path)[0].flatten().tolist() == pytest.approx(expected, abs=1e-7)
    # The same table as the modality's gives its values.
    path = write_dicom(tmp_path / "m.dcm", stored, BitsStored=12, HighBit=11, ModalityLUTSequence=table)
    assert dicom.read(path, window=Window(0, white))[0].flatten().tolist() == pytest.approx(expected, abs=1e-7)


def test_big_endian_is_turned(tmp_path: Path, write_dicom: Write) -> None:
    path = write_dicom(tmp_path / "x.dcm", STORED.astype(">u2"), syntax=ExplicitVRBigEndian)
    assert dicom.read(path, window=Window(0, 4095))[0].numpy() == pytest.approx(STORED / 4095)


def test_frames_have_their_own_rescale_and_window(tmp_path: Path, write_dicom: Write) -> None:
    # An enhanced file: what all frames share, and what a frame has of its own.
    shared = item(
        FrameVOILUTSequence=item(WindowCenter=50, WindowWidth=100, VOILUTFunction="LINEAR_EXACT"),
        PixelValueTransformationSequence=item(RescaleSlope=1, RescaleIntercept=0),
    )
    own = [*item(), *item(PixelValueTransformationSequence=item(RescaleSlope=2, RescaleIntercept=-10))]
    stored = np.array([[[0, 25], [50, 100]], [[5, 30], [55, 200]]], dtype=np.uint16)
    path = write_dicom(
        tmp_path / "x.dcm", stored, SharedFunctionalGroupsSequence=shared, PerFrameFunctionalGroupsSequence=own
    )
    assert dicom.frames(path) == 2
    assert dicom.read(path, 1)[0].flatten().tolist() == [0, 0.25, 0.5, 1]
    assert dicom.read(path, 2)[0].flatten().tolist() == [0, 0.5, 1, 1]  # 0, 50, 100 and 390
    with pytest.raises(ValueError, match=r"no frame 3; it holds 2"):
        dicom.read(path, 3)


def test_colour_becomes_luma_and_chroma(tmp_path: Path, write_dicom: Write) -> None:
    rgb = np.zeros((2, 2, 3), dtype=np.uint8)
    rgb[0] = [[255, 0, 0], [0, 255, 0]]
    for syntax in (ImplicitVRLittleEndian, RLELossless):
        grey, chroma = dicom.read(write_dicom(tmp_path / "pet.dcm", rgb, syntax=syntax))
        assert (255 * grey).round().tolist() == [[76, 150], [0, 0]]
        assert chroma is not None
    with pytest.raises(ValueError, match=r"pet.dcm: .*a window is for grey"):
        dicom.read(tmp_path / "pet.dcm", window=Window(0, 1))


def test_grey_stored_as_colour_is_grey_to_a_window_too(tmp_path: Path, write_dicom: Write) -> None:
    path = write_dicom(tmp_path / "x.dcm", np.array([[0, 40], [80, 255]], np.uint8)[..., None].repeat(3, axis=2))
    grey, chroma = dicom.read(path, window=Window(0, 80))
    assert grey.tolist() == [[0, 0.5], [1, 1]]
    assert chroma is None


def test_a_palette_becomes_colour(tmp_path: Path, write_dicom: Write) -> None:
    entries = {"Red": [0, 65535, 0], "Green": [0, 0, 65535], "Blue": [0, 0, 0]}
    palette = {
        **{f"{name}PaletteColorLookupTableDescriptor": [3, 0, 16] for name in entries},
        **{f"{name}PaletteColorLookupTableData": np.array(v, "<u2").tobytes() for name, v in entries.items()},
    }
    stored = np.array([[0, 1], [2, 2]], dtype=np.uint8)
    path = write_dicom(tmp_path / "pet.dcm", stored, PhotometricInterpretation="PALETTE COLOR", **palette)
    assert (255 * dicom.read(path)[0]).round().tolist() == [[0, 76], [150, 150]]


def test_jpeg_is_decoded_by_what_is_installed(tmp_path: Path, write_dicom: Write) -> None:
    flat = np.full((16, 16), 100, dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(flat).save(content, "JPEG")
    data = encapsulate([content.getvalue()])
    path = write_dicom(tmp_path / "x.dcm", flat, syntax=JPEGBaseline8Bit, PixelData=data)
    assert (255 * dicom.read(path)[0]).round().unique().tolist() == [100]


def test_a_missing_decoder_names_the_cure(tmp_path: Path, write_dicom: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encapsulate([b"\xff\xd8\xff\xf7 lossless"])
    path = write_dicom(tmp_path / "x.dcm", STORED, syntax=JPEGLSLossless, PixelData=data)
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", False)
    with pytest.raises(ValueError, match=r"x.dcm: .*JPEG-LS.*no decoder .*pip install pylibjpeg"):
        dicom.read(path)


def test_a_deflated_file_is_refused_before_it_grows(tmp_path: Path, write_dicom: Write) -> None:
    path = write_dicom(tmp_path / "x.dcm", np.zeros((64, 64), np.uint16), syntax=DeflatedExplicitVRLittleEndian)
    with pytest.raises(ValueError, match=r"x.dcm: .*deflated"):
        dicom.frames(path)


REAL = Path(pydicom.__file__).parent / "data" / "test_files"  # the decoders' own, in the wheel


@pytest.mark.parametrize("variant", ["RLE", "bigendian", "expb", "implicit", "jp2klossless", "padded"])
def test_a_real_slice_is_the_same_however_it_is_written(variant: str) -> None:
    grey, _ = dicom.read(REAL / "MR_small.dcm")
    assert grey.shape == (64, 64)
    assert torch.equal(dicom.read(REAL / f"MR_small_{variant}.dcm")[0], grey)


@pytest.mark.parametrize("variant", ["rle", "dcmtk_+eb+cr", "dcmtk_+eb+cy+n2", "gdcm_KY", "jpeg_dcmtk", "ybr_422"])
def test_a_real_colour_chart_is_the_same_however_it_is_written(variant: str) -> None:
    name = "SC_ybr_full_422_uncompressed" if variant == "ybr_422" else f"SC_rgb_{variant}"
    luma, _ = dicom.read(REAL / f"{name}.dcm")
    chart, _ = dicom.read(REAL / "SC_rgb_rle.dcm")
    # Stripes of full colour, which JPEG and shared chroma smear along the borders.
    assert (luma - chart).abs().median() <= 2 / 255


def test_every_real_file_is_read_or_refused_by_name() -> None:
    files = sorted(path for path in REAL.parent.rglob("*.dcm") if path.is_file())
    read = 0
    for path in files:
        try:
            grey, _ = dicom.read(path, window=None)
        except ValueError as error:
            assert str(error).startswith(f"{path}: cannot be read as DICOM (")  # noqa: PT017  some hold no image
        else:
            read += 1
            assert grey.min() >= 0
            assert grey.max() <= 1
    assert read > len(files) / 3


def test_nothing_of_the_patient_is_read_or_said(
    tmp_path: Path, write_dicom: Write, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    opened: list[Dataset] = []
    keep = Dataset.__init__
    monkeypatch.setattr(Dataset, "__init__", lambda ds, *a, **k: (opened.append(ds), keep(ds, *a, **k))[1])
    path = write_dicom(tmp_path / "x.dcm", STORED, **CT)
    written = len(opened)
    pair = formats.read_pair(path, path, "CT-CT", reading=Reading({"a": Window(0, 80), "b": Window(0, 80)}))
    with pytest.raises(ValueError, match="no window") as error:
        formats.read_pair(path, path, "CT-CT")
    assert opened[written:]
    assert not any("PatientName" in ds or "PatientID" in ds for ds in opened[written:])
    assert "SECRET" not in f"{pair}{error.value}{caplog.text}"


def test_frames_of_two_files_pair_one_by_one(tmp_path: Path, write_dicom: Write) -> None:
    frames = np.arange(3 * 4 * 6, dtype=np.uint8).reshape(3, 4, 6)
    for modality in ("CT", "MRI"):
        write_dicom(tmp_path / "CT-MRI" / modality / "brain.dcm", frames)
    entries = layouts.entries(tmp_path)
    assert [(e.name, e.case) for e in entries] == [("brain#1", "brain"), ("brain#2", "brain"), ("brain#3", "brain")]
    for entry, frame in zip(entries, frames, strict=True):
        assert (255 * entry.read().a).round().tolist() == frame.tolist()
        assert entry.read().name == entry.name
    write_dicom(tmp_path / "CT-MRI" / "MRI" / "brain.dcm", frames[:2])
    with pytest.raises(ValueError, match=r"CT/brain.dcm: 3 frames, but .*MRI/brain.dcm has 2"):
        layouts.entries(tmp_path)
    with pytest.raises(ValueError, match=r"brain.dcm: it holds 3 frames; name one of .*#1 to #3"):
        formats.read_pair(tmp_path / "CT-MRI/CT/brain.dcm", tmp_path / "CT-MRI/MRI/brain.dcm", "x")


def test_one_dicom_pairs_with_a_png(tmp_path: Path, write_dicom: Write) -> None:
    write_dicom(tmp_path / "CT-MRI" / "CT" / "2004.dcm", STORED, **CT)
    (tmp_path / "CT-MRI" / "MRI").mkdir()
    Image.fromarray(np.zeros((2, 3), dtype=np.uint8)).save(tmp_path / "CT-MRI" / "MRI" / "2004.png")
    (entry,) = layouts.entries(tmp_path, Reading({"CT": Window(0, 80)}))
    assert (entry.name, entry.case) == ("2004", None)
    assert entry.read().a.tolist() == [[0, 0, 0.25], [0.5, 1, 1]]
