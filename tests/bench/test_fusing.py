"""A hospital's job: slices of a CT series fused with an oblique volume, as pictures, NIfTI and DICOM."""

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import torch
from fusebench.datasets import formats, image, volumes
from fusebench.datasets.reading import Reading
from PIL import Image

Run = Callable[..., tuple[int, str, str]]
Write = Callable[..., Path]
SHAPE = (9, 7, 6)
# 2 mm to the left, 2 mm to the back, 4 mm up from -8 mm.
AFFINE = np.array([[-2.0, 0, 0, 8], [0, -2, 0, 6], [0, 0, 4, -8], [0, 0, 0, 1]])
IDENTITY = {"StudyInstanceUID": "1.2.3.4", "FrameOfReferenceUID": "1.2.7", "PatientID": "SECRET-ID"}


@pytest.fixture
def sources(tmp_path: Path, write_dicom: Write, write_nifti: Write) -> tuple[Path, Path]:
    """Write a CT series of 6 slices, stored from the top, and a PET in NIfTI on a turned grid."""
    ct = np.random.default_rng(1).integers(0, 256, SHAPE).astype(np.uint8)
    for k in range(SHAPE[2]):
        position = [-8.0, -6.0, -8.0 + 4 * k]
        write_dicom(
            tmp_path / "ct" / f"IM{SHAPE[2] - k}",
            np.ascontiguousarray(ct[:, :, k].T),
            SeriesInstanceUID="1.2.9",
            ImagePositionPatient=position,
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            PixelSpacing=[2, 2],
            **IDENTITY,
        )
    turned = np.array([[0, -1.5, 0, 15], [1.5, 0, 0, -15], [0, 0, 3, -15], [0, 0, 0, 1]])
    pet = np.random.default_rng(2).integers(1, 256, (20, 20, 12)).astype(np.uint8)
    return tmp_path / "ct", write_nifti(tmp_path / "pet.nii.gz", pet, turned)


def test_slices_are_named_in_mm_and_written_for_a_viewer(
    command: Run, sources: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, _, err = command(
        "fuse", *sources, "--slices", "-4mm:5mm", "-m", "average", "-o", out, "--also", "nifti,dicom"
    )
    assert code == 0
    assert err.endswith(f"written: {out}, 3 pictures, ct.nii.gz, dicom/\n")
    names = [f"ct#{k}.png" for k in (1, 2, 3)]
    assert sorted(path.name for path in out.iterdir()) == [*names, "ct.nii.gz", "dicom"]
    for k in (1, 2, 3):
        pair = formats.read_pair(Path(f"{sources[0]}#{k}"), sources[1], "x")
        expected = image.quantise((pair.a + pair.b) / 2)
        assert torch.equal(image.quantise(image.read(out / f"ct#{k}.png")[0]), expected)
        # What a viewer shows where the slice lies is the picture.
        for file in (out / "ct.nii.gz", out / "dicom"):
            at = Path(f"{file}#{k - 1}")
            assert torch.equal(image.quantise(formats.read_pair(at, file, "x").a), expected)
            assert volumes.heights(formats.volume(file)) == pytest.approx([-4, 0, 4])
    written = nibabel.load(out / "ct.nii.gz")
    assert np.array(written.affine)[:3, :3] == pytest.approx(AFFINE[:3, :3])  # the axes of the source's file
    assert (written.header["cal_min"], written.header["cal_max"]) == (0, 255)


def test_nothing_tells_of_the_patient_unless_asked(command: Run, sources: tuple[Path, Path], tmp_path: Path) -> None:
    both = []
    for n, option in enumerate(([], ["--keep-identity"])):
        out = tmp_path / f"out{n}"
        assert (
            command("fuse", *sources, "--slices", ":", "-m", "maximum", "-o", out, "--also", "dicom", *option)[0] == 0
        )
        both.append([pydicom.dcmread(path) for path in sorted((out / "dicom").iterdir())])
    new, kept = both
    assert len(new) == 6
    assert len({ds.SOPInstanceUID for ds in new}) == 6
    assert len({ds.SeriesInstanceUID for ds in new}) == 1
    assert b"SECRET" not in (tmp_path / "out0" / "dicom" / "ct_0.dcm").read_bytes()
    assert {(str(ds.PatientID), str(ds.PatientName)) for ds in new} == {("", "")}
    assert all(new[0][keyword].value != value for keyword, value in IDENTITY.items())
    assert all(ds[keyword].value == value for ds in kept for keyword, value in IDENTITY.items())
    assert kept[0].SeriesInstanceUID != "1.2.9"
    assert (kept[0].Modality, str(kept[0].DerivationDescription)) == ("OT", "Fused by maximum, fusebench")
    # With the frame of reference kept the result pairs with its source.
    assert formats.compare(sources[0], tmp_path / "out1" / "dicom") == []
    with pytest.raises(ValueError, match="frame of reference is another"):
        formats.compare(sources[0], tmp_path / "out0" / "dicom")


def test_all_slices_in_one_file_lie_on_the_grid_of_the_source(
    command: Run, sources: tuple[Path, Path], tmp_path: Path
) -> None:
    assert command("fuse", *sources, "--slices", ":", "-m", "source-a", "-o", tmp_path / "all.nii")[0] == 0
    written = nibabel.load(tmp_path / "all.nii")
    assert np.array(written.affine) == pytest.approx(AFFINE)
    ct = np.random.default_rng(1).integers(0, 256, SHAPE)
    assert written.get_fdata().tolist() == ct.tolist()
    for axis in ("coronal", "sagittal"):
        arguments = ("--slices", ":", "--axis", axis, "--orientation", "neurological", "-m", "source-a")
        assert command("fuse", *sources, *arguments, "-o", tmp_path / "other.nii")[0] == 0
        other = nibabel.load(tmp_path / "other.nii")
        assert np.array(other.affine) == pytest.approx(AFFINE)
        assert other.get_fdata().tolist() == ct.tolist()


def test_a_source_in_colour_over_the_fused_picture(command: Run, sources: tuple[Path, Path], tmp_path: Path) -> None:
    grey, shown = tmp_path / "grey.png", tmp_path / "shown.png"
    at = Path(f"{sources[0]}#0mm")
    assert command("fuse", at, sources[1], "-m", "source-a", "-o", grey)[0] == 0
    assert command("fuse", at, sources[1], "-m", "source-a", "-o", shown, "--show", "b=hot,0.25")[0] == 0
    pair = formats.read_pair(at, sources[1], "x")
    from matplotlib import colormaps

    colours = colormaps["hot"]((pair.b.numpy() * 255).round().astype(int))[..., :3]
    expected = np.where(
        (pair.b.numpy() > 0)[..., None], 0.75 * pair.a.numpy()[..., None] + 0.25 * colours, pair.a.numpy()[..., None]
    )
    with Image.open(shown) as picture:
        assert np.asarray(picture) / 255 == pytest.approx(expected, abs=0.51 / 255)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--slices", "40mm"], "ct: no axial slice lies at 40mm; they run from 0 to 5, from -8 mm to 12 mm"),
        (["--slices", "x"], "--slices x: expected FROM:TO or one slice"),
        (["--slices", "0:1", "-o", "x.png"], "x.png: one picture for several slices; name a folder"),
        (["-o", "x.nii"], "x.nii: NIfTI holds the slices of a volume; name them with --slices"),
        (["--slices", ":", "--also", "jpeg"], "--also jpeg: no format is called 'jpeg'; known: nifti, dicom"),
        (["--also", "dicom", "-o", "x.png"], "--also dicom: slices are written so into a folder"),
        (["--slices", ":", "--keep-identity"], "--keep-identity: is for DICOM results, --also dicom"),
        (["--slices", ":", "--show", "c=hot"], "--show c=hot: expected a or b, =, a colour table and an opacity"),
        (["--slices", ":", "--show", "b=warm"], "no colour table is called 'warm'"),
        (["--slices", ":", "--show", "b=hot,2"], "an opacity of 2; it lies between 0 and 1"),
        (["--slices", ":", "--show", "b=hot", "--grey"], "--show b=hot: shows colour, and --grey none"),
        (["--slices", ":", "--pseudo-colour", "hot"], "--pseudo-colour hot: no source is coloured"),
        (["--slices", ":", "-o", "pet.nii.gz"], "pet.nii.gz: is a source; name another file to write"),
        (["--slices", ":", "-o", "none/out"], "none/out: there is no folder none"),
        (["--orientation", "up"], "no orientation is called 'up'; known: radiological, neurological"),
        ([], "out: images are written without loss; name it .png"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    command: Run,
    sources: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    where = [] if "-o" in arguments else ["-o", "out"]
    code, out, err = command("fuse", "ct", "pet.nii.gz", "-m", "average", *where, *arguments)
    assert (code, out) == (2, "")
    assert complaint in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert sources[1].stat().st_size > 1000


def test_a_third_identity_is_no_identity(command: Run, sources: tuple[Path, Path], tmp_path: Path) -> None:
    arguments = ("--slices", "2", "-m", "average", "-o", tmp_path / "out", "--also", "dicom", "--keep-identity")
    code, _, err = command("fuse", sources[1], sources[0], *arguments)
    assert code == 2
    assert "pet.nii.gz: no DICOM series, so that there is no identity to keep" in err
    assert not (tmp_path / "out").exists()


def test_pseudo_colour_without_a_coloured_file_is_an_error_in_a_folder_too(command: Run, tmp_path: Path) -> None:
    for modality in ("CT", "PET"):
        path = tmp_path / "CT-PET" / modality / "1.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(np.random.default_rng(3).integers(0, 255, (40, 40), np.uint8)).save(path)
    code, _, err = command("bench", "--data", tmp_path, "--pseudo-colour", "hot", "--out", tmp_path / "out")
    assert code == 2
    assert "--pseudo-colour hot: no source is coloured" in err
    assert Reading().orientation == "radiological"
