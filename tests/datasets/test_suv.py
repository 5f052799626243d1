"""SUV by body weight: against numbers worked out by hand, and refused by name where the header does not give it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fusebench.datasets import dicom, formats
from fusebench.datasets.reading import Reading, Window, parse_windows
from pydicom.dataset import Dataset

Write = Callable[..., Path]
INJECTED = {
    "RadionuclideTotalDose": 400e6,
    "RadionuclideHalfLife": 6586.2,  # of F-18
    "RadiopharmaceuticalStartTime": "100000",
}
PET = {
    "Units": "BQML",
    "DecayCorrection": "START",
    "CorrectedImage": ["ATTN", "DECY", "SCAT"],
    "PatientWeight": 80,
    "SeriesDate": "20240110",
    "SeriesTime": "114946.2",  # 6586.2 s later
    "AcquisitionTime": "114946.2",
    "RescaleSlope": 2,
    "RescaleIntercept": 0,
}
# Of 400 MBq half are left: 200 MBq in 80 kg are 2500 Bq/g, so that 2500 Bq/ml are an SUV of 1.
STORED = np.array([[0, 1250], [2500, 5000]], dtype=np.uint16)
SUV = [0, 1, 2, 4]


@pytest.fixture
def pet(tmp_path: Path, write_dicom: Write) -> Callable[..., Path]:
    """Give a writer of PET files; a value None leaves its element out."""

    def write(injected: dict[str, Any] | None = None, **elements: Any) -> Path:
        ds = Dataset()
        for keyword, value in (INJECTED | (injected or {})).items():
            if value is not None:
                setattr(ds, keyword, value)
        held = {keyword: value for keyword, value in (PET | elements).items() if value is not None}
        return write_dicom(tmp_path / "pet.dcm", STORED, RadiopharmaceuticalInformationSequence=[ds], **held)

    return write


def values(path: Path) -> list[float]:
    return [10 * grey for grey in dicom.read(path, window=Window(0, 10, "suv"))[0].flatten().tolist()]


def test_half_of_the_dose_is_left_after_a_half_life(pet: Callable[..., Path]) -> None:
    assert values(pet()) == pytest.approx(SUV, abs=1e-5)


def test_a_correction_to_the_injection_knows_no_decay(pet: Callable[..., Path]) -> None:
    # 400 MBq in 80 kg are 5000 Bq/g; no time is needed.
    path = pet({"RadiopharmaceuticalStartTime": None}, DecayCorrection="ADMIN", SeriesTime=None)
    assert values(path) == pytest.approx([suv / 2 for suv in SUV], abs=1e-5)


@pytest.mark.parametrize(
    "when",
    [
        {"RadiopharmaceuticalStartDateTime": "20240110100000.000000", "RadiopharmaceuticalStartTime": "235959"},
        {"RadiopharmaceuticalStartDateTime": "20240110100000"},
    ],
)
def test_a_date_of_the_injection_counts(pet: Callable[..., Path], when: dict[str, str]) -> None:
    assert values(pet(when)) == pytest.approx(SUV, abs=1e-5)


def test_an_injection_before_midnight_was_the_day_before(pet: Callable[..., Path]) -> None:
    path = pet({"RadiopharmaceuticalStartTime": "231013.8"}, SeriesTime="0100", AcquisitionTime="010000")
    assert values(path) == pytest.approx(SUV, abs=1e-5)


@pytest.mark.parametrize(
    ("injected", "elements", "complaint"),
    [
        ({}, {"PatientWeight": None}, "its header lacks PatientWeight, without which there is no SUV"),
        ({}, {"Units": None, "SeriesTime": None}, "its header lacks Units, SeriesTime,"),
        (
            {"RadionuclideTotalDose": None, "RadiopharmaceuticalStartTime": None},
            {},
            "its header lacks RadionuclideTotalDose, RadiopharmaceuticalStartTime,",
        ),
        ({}, {"Units": "CNTS"}, "its values are in CNTS, and SUV is computed of BQML"),
        ({}, {"CorrectedImage": ["DECY"]}, "not corrected for attenuation"),
        ({}, {"CorrectedImage": ["ATTN"]}, "not corrected for decay"),
        ({}, {"DecayCorrection": "NONE"}, "its decay correction is NONE"),
        ({}, {"PatientWeight": 0}, "a weight of 0 kg"),
        ({"RadionuclideHalfLife": -1}, {}, "a half-life of -1 s"),
        ({}, {"SeriesTime": "120000"}, "its series is later than its acquisition"),
        ({"RadiopharmaceuticalStartDateTime": "20240111100000"}, {}, "its injection is later than its series"),
    ],
)
def test_what_gives_no_suv_is_refused_by_name(
    pet: Callable[..., Path], injected: dict[str, Any], elements: dict[str, Any], complaint: str
) -> None:
    path = pet(injected, **elements)
    with pytest.raises(ValueError, match=rf"pet.dcm: .*{complaint}"):
        values(path)


def test_a_window_in_suv_is_written_so_and_is_for_dicom(
    tmp_path: Path, pet: Callable[..., Path], write_nifti: Write
) -> None:
    windows = parse_windows(["a=suv:0,10", "b=suv:2,4"])
    pair = formats.read_pair(pet(), pet(), "PET-PET", reading=Reading(windows))
    assert (10 * pair.a).flatten().tolist() == pytest.approx(SUV, abs=1e-5)
    assert pair.b.flatten().tolist() == pytest.approx([0, 0, 0, 1], abs=1e-5)
    for text in ("PET=suv:10,0", "PET=suv:1", "PET=suv:", "PET=SUV:0,10", "=suv:0,10"):
        with pytest.raises(ValueError, match=rf"--window {text}: expected .* MODALITY=suv:LOW,HIGH"):
            parse_windows([text])
    volume = write_nifti(tmp_path / "x.nii", np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(ValueError, match=r"x.nii: .*a window in SUV is for DICOM"):
        formats.read_pair(Path(f"{volume}#0"), volume, "x", reading=Reading(windows))
