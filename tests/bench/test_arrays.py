"""A fused image and a mask are read as the sources are: the same pixels, whichever file they come in."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fusebench.bench import arrays, cli
from fusebench.datasets import image
from fusebench.datasets.reading import Reading, Window

Write = Callable[..., Path]
CUBE = np.random.default_rng(5).integers(0, 256, (12, 14, 6), dtype=np.uint8)
MIRRORED = np.diag([-1.0, 1, 1, 1])
MIRRORED[0, 3] = 11  # the same place, stored from right to left


@pytest.fixture
def sources(tmp_path: Path, write_nifti: Write) -> tuple[Path, Path]:
    """Give two volumes on one grid."""
    a, b = (write_nifti(tmp_path / f"{name}.nii", cube) for name, cube in (("a", CUBE), ("b", 255 - CUBE)))
    return Path(f"{a}#2"), b


def test_a_fused_volume_is_brought_onto_the_sources_grid(
    tmp_path: Path, sources: tuple[Path, Path], write_nifti: Write
) -> None:
    fused = write_nifti(tmp_path / "fused.nii", CUBE[::-1] // 2, MIRRORED)
    levels = torch.from_numpy(np.rot90(CUBE[..., 2] // 2)[:, ::-1].copy())
    image.write(levels, tmp_path / "fused.png")
    for path in (fused, Path(f"{fused}#2"), tmp_path / "fused.png"):
        assert torch.equal(arrays.read_triple(*sources, path).grey[2][0], levels)
    stored = write_nifti(tmp_path / "float.nii", CUBE[::-1].astype(np.float32) - 10, MIRRORED)
    windows = {"fused": Window(-10, 245)}
    assert torch.equal(
        arrays.read_triple(*sources, stored, Reading(windows)).grey[2], arrays.read_triple(*sources, sources[0]).grey[2]
    )
    with pytest.raises(ValueError, match=r"fused.nii#3: it is brought onto the grid of the source's slice, .*a.nii#2"):
        arrays.read_triple(*sources, Path(f"{fused}#3"))


def test_a_mask_of_labels_is_brought_onto_the_sources_grid(
    tmp_path: Path, sources: tuple[Path, Path], write_nifti: Write
) -> None:
    labels = np.zeros(CUBE.shape, dtype=np.int16)
    labels[3:7, 2:9, 1:4], labels[0, 0] = 7, -1
    mask = write_nifti(tmp_path / "mask.nii", labels[::-1], MIRRORED)
    expected = torch.from_numpy(np.rot90(labels[..., 2] > 0)[:, ::-1].copy())
    triple = arrays.read_triple(*sources, sources[0])
    assert torch.equal(arrays.read_mask(f"{mask}#2", triple, sources[0])[0], expected)
    with pytest.raises(ValueError, match=r"mask.nii: all black"):
        arrays.read_mask(str(write_nifti(mask, 0 * labels)), triple, sources[0])


AXIAL = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1], "FrameOfReferenceUID": "1.2.7"}


@pytest.mark.parametrize("what", ["fused", "mask"])
def test_a_dicom_file_that_lies_elsewhere_is_refused(tmp_path: Path, write_dicom: Write, what: str) -> None:
    def write(name: str, z: float, **elements: Any) -> Path:
        return write_dicom(tmp_path / name, CUBE[..., 0], ImagePositionPatient=[0, 0, z], **AXIAL, **elements)

    a, b, there, away = write("a.dcm", 0), write("b.dcm", 0), write("there.dcm", 0), write("away", 40)
    triple = arrays.read_triple(a, b, there)
    assert torch.equal(triple.grey[2], triple.grey[0])
    assert torch.equal(arrays.read_mask(str(there), triple, a)[0], torch.from_numpy(CUBE[..., 0] > 0))
    with pytest.raises(ValueError, match=r"a.dcm: lies 40 mm from .*away; a registered pair lies at one place"):
        arrays.read_triple(a, b, away) if what == "fused" else arrays.read_mask(str(away), triple, a)


def test_frames_of_a_coloured_file_are_those_of_the_source(tmp_path: Path, write_dicom: Write) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (3, 12, 14), dtype=np.uint8)
    paths = [write_dicom(tmp_path / f"{name}.dcm", frames + n) for n, name in enumerate("abf")]
    triple = arrays.read_triple(Path(f"{paths[0]}#2"), paths[1], paths[2])
    for n, levels in enumerate(triple.grey):
        assert torch.equal(levels[0], torch.from_numpy(frames[1] + np.uint8(n)))


@pytest.mark.parametrize("command", ["score", "explain"])
def test_the_commands_read_them(
    sources: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    more = ["--metric", "PSNR", "--value", "9"] if command == "explain" else ["--mask", f"{sources[1]}"]
    monkeypatch.setattr(sys, "argv", ["fusebench", command, *map(str, sources), str(sources[1]), *more, "--json"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert (end.value.code or 0) == (1 if command == "explain" else 0)  # no convention gives 9
    assert json.loads(capsys.readouterr().out)
