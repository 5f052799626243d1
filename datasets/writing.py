"""Fused slices as files that a viewer places where they belong: NIfTI, and DICOM secondary captures."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from fusebench.datasets import dicom, volumes
from fusebench.datasets.orientation import LPS_TO_RAS
from fusebench.datasets.reading import AS_STATED, Reading, Window
from fusebench.datasets.volumes import Volume
from torch import Tensor

if TYPE_CHECKING:
    from pydicom import Dataset

# What tells of the patient and of the examination, kept only where that is asked for.
IDENTITY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
    "FrameOfReferenceUID",
)


def nifti(fused: Tensor, first: Volume, index: int, path: Path, reading: Reading = AS_STATED) -> None:
    """Write slices, (N, H, W) uint8, as the volume that they are on the grid of the first source.

    `index` is the number of the first of them; the others follow. Axes run as in the source's file.
    """
    from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation, ornt_transform

    affine = volumes.affine_shown(first, index, reading)
    values = fused.cpu().numpy().transpose(2, 1, 0)  # column, row, slice
    turns = ornt_transform(io_orientation(affine), io_orientation(np.array(first.affine)))  # type: ignore[no-untyped-call]
    turned: npt.NDArray[np.uint8] = apply_orientation(values, turns)  # type: ignore[no-untyped-call]
    back: npt.NDArray[np.float64] = inv_ornt_aff(turns, values.shape)  # type: ignore[no-untyped-call]
    volumes.write(turned, affine @ back, path, Window(0, 255))


def secondary_captures(
    fused: Tensor,
    first: Volume,
    index: int,
    paths: list[Path],
    reading: Reading = AS_STATED,
    *,
    derivation: str = "",
    keep_identity: bool = False,
) -> None:
    """Write slices, (N, H, W) uint8, as DICOM secondary captures, one series, placed in space.

    Every UID is new and nothing tells of the patient, unless `keep_identity`: then the patient, the study and the frame
    of reference are those of the first source. `derivation` says what was done.

    Raises
    ------
    ValueError
        If the identity is to be kept and the first source is no DICOM series.
    """
    from pydicom.uid import generate_uid

    kept = identity(first) if keep_identity else {}
    series, study, frame = (generate_uid() for _ in range(3))
    placed = LPS_TO_RAS @ volumes.affine_shown(first, index, reading)
    sizes = np.linalg.norm(placed[:3, :3], axis=0)
    for n, (image, path) in enumerate(zip(fused.cpu().numpy(), paths, strict=True)):
        ds = _capture(image)
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
        ds.SeriesNumber, ds.InstanceNumber = None, n + 1
        ds.SeriesDescription, ds.DerivationDescription = "Fused, not for diagnosis", derivation
        position = placed[:3, 3] + n * placed[:3, 2]
        ds.ImagePositionPatient = _decimals(position)
        ds.ImageOrientationPatient = _decimals((placed[:3, :2] / sizes[:2]).T.ravel())
        ds.PixelSpacing = _decimals(sizes[[1, 0]])  # down, then right
        ds.SpacingBetweenSlices = _decimals(sizes[2:])[0]
        for keyword, value in kept.items():
            setattr(ds, keyword, value)
        ds.save_as(path, enforce_file_format=True)


def _decimals(numbers: npt.NDArray[np.float64]) -> list[str]:
    """Give numbers as DICOM holds them, in at most 16 characters."""
    return [f"{number:.9g}" for number in numbers]


def identity(first: Volume) -> dict[str, object]:
    """Read what tells of the patient and of the examination. Raises ValueError if the source is no DICOM series."""
    from pydicom import dcmread

    if not first.path.is_dir():
        raise ValueError(f"{first.path}: no DICOM series, so that there is no identity to keep")
    path = dicom.files(first.path)[0]
    ds = dcmread(path, stop_before_pixels=True, specific_tags=list(IDENTITY))
    return {keyword: ds[keyword].value for keyword in IDENTITY if keyword in ds}


def _capture(image: npt.NDArray[np.uint8]) -> "Dataset":
    """Make a secondary capture of grey pixels, of which nothing tells where they come from (PS3.3 A.8.1)."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID = generate_uid()
    ds.Modality, ds.ConversionType, ds.ImageType = "OT", "WSD", ["DERIVED", "SECONDARY"]
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"):
        setattr(ds, keyword, "")
    ds.AccessionNumber, ds.ReferringPhysicianName, ds.PatientOrientation = "", "", ""
    ds.Rows, ds.Columns = (int(length) for length in image.shape)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.BurnedInAnnotation = "NO"
    content = image.tobytes()
    ds.PixelData = content + b"\0" * (len(content) % 2)
    ds["PixelData"].VR = "OB"
    return ds
