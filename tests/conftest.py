"""What several tests need: the shared reference data, a small pair, and the command line in the test's own process."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from fusebench.bench import cli
from fusebench.datasets import phantom
from fusebench.datasets.pair import Pair
from fusebench.fusers.neural import multifocus_weights, vgg16_weights
from hypothesis import settings
from printed import Peers, case
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, RLELossless

# A first call loads a library or a volume, and a shared machine stalls: time is no property of the code under test.
settings.register_profile("fusebench", deadline=None, derandomize=True)
settings.load_profile("fusebench")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of reference values and real pairs, which are not part of the project."""
    if not (folder := os.environ.get("FUSEBENCH_SHARED")):
        pytest.skip("FUSEBENCH_SHARED is not set: the folder of reference values and real pairs is not here")
    return Path(folder)


@pytest.fixture(scope="session")
def oracle(shared: Path) -> Callable[[str], Peers]:
    """Give the reader of such cases."""
    del shared  # skips where they are not here
    return case


@pytest.fixture(params=["f_avg", "f_max", "crop64_f_avg"])
def peers(request: pytest.FixtureRequest, oracle: Callable[[str], Peers]) -> Peers:
    """Give each case in turn."""
    return oracle(request.param)


@pytest.fixture(scope="session")
def pair() -> Pair:
    """Give a synthetic CT/MRI pair of 64 x 64 pixels."""
    return phantom.pair("CT-MRI", 20, 64)


@pytest.fixture(scope="session")
def phantom_pairs() -> list[Pair]:
    """Give three synthetic CT/MRI pairs of 64 x 64 pixels."""
    return [phantom.pair("CT-MRI", z, 64) for z in (-30, 0, 20)]


@pytest.fixture(scope="session")
def write_dicom() -> Callable[..., Path]:
    """Give a writer of DICOM files: grey or RGB pixels, (H, W), (H, W, 3) or (frames, H, W), and any other element."""

    def write(path: Path, pixels: np.ndarray, *, syntax: str = ExplicitVRLittleEndian, **elements: Any) -> Path:
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "1.2.3"
        ds.PatientName, ds.PatientID = "SECRET^NAME", "SECRET-ID"
        colour = pixels.ndim == 3 and pixels.shape[-1] == 3
        ds.Rows, ds.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
        if pixels.ndim == 3 and not colour:
            ds.NumberOfFrames = len(pixels)
        ds.SamplesPerPixel, ds.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
        if colour:
            ds.PlanarConfiguration = 0
        ds.BitsAllocated = ds.BitsStored = 8 * pixels.itemsize
        ds.HighBit = ds.BitsStored - 1
        ds.PixelRepresentation = int(pixels.dtype.kind == "i")
        ds.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
        ds["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
        for keyword, value in elements.items():
            setattr(ds, keyword, value)
        if syntax == RLELossless:
            ds.compress(syntax)
        else:
            ds.file_meta.TransferSyntaxUID = UID(syntax)
        path.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture(scope="session")
def write_nifti() -> Callable[..., Path]:
    """Give a writer of NIfTI files: voxels, (X, Y, Z), an affine, and any field of the header."""

    def write(path: Path, voxels: np.ndarray, affine: np.ndarray | None = None, **fields: Any) -> Path:
        image = nibabel.Nifti1Image(voxels, np.eye(4) if affine is None else affine)
        for name, value in fields.items():
            image.header[name] = value
        path.parent.mkdir(parents=True, exist_ok=True)
        image.to_filename(path)
        return path

    return write


@pytest.fixture
def noise() -> torch.Generator:
    """Give a seeded generator."""
    return torch.Generator().manual_seed(7)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # starting workers would take longer than the work
    # Weights that somebody has are not those of the tests.
    monkeypatch.setenv(vgg16_weights.VARIABLE, "")
    monkeypatch.setenv(multifocus_weights.VARIABLE, "")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fusebench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out = capsys.readouterr()
        return int(stop.value.code or 0), out.out, out.err

    return run
