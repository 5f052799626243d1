"""Witnesses: `fusebench score` inside masks and of colour prints what the metrics give for the same pixels."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fusebench.metrics import base, chroma
from fusebench.metrics.foreground import foreground
from fusebench.metrics.profiles import PROFILES, score
from matplotlib import colormaps
from PIL import Image
from torch import Tensor

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(command: Run) -> Run:
    """Run `fusebench score`, or explain where that is named: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        return command(*arguments) if arguments[0] == "explain" else command("score", *arguments)

    return run


def save(path: Path, pixels: Tensor) -> Path:
    """Write grey (H, W) or colour (3, H, W)."""
    Image.fromarray((pixels if pixels.ndim == 2 else pixels.movedim(0, -1)).numpy()).save(path)
    return path


@pytest.fixture
def head(noise: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Give a grey source, a coloured one and a coloured fusion, each (3, 40, 48), black around a square."""
    grey, colour, fused = (torch.randint(60, 256, (n, 40, 48), generator=noise).to(torch.uint8) for n in (1, 3, 3))
    outside = torch.ones(40, 48, dtype=torch.bool)
    outside[5:35, 8:40] = False
    return tuple(x.expand(3, -1, -1).masked_fill(outside, 0) for x in (grey, colour, fused))  # type: ignore[return-value]


@pytest.fixture
def files(head: tuple[Tensor, Tensor, Tensor], tmp_path: Path) -> list[Path]:
    return [save(tmp_path / f"{name}.png", pixels) for name, pixels in zip("abf", head, strict=True)]


def luma(rgb: Tensor) -> Tensor:
    red, green, blue = rgb.long()
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).to(torch.uint8)[None]


def test_the_foreground_is_scored(command: Run, files: list[Path], head: tuple[Tensor, Tensor, Tensor]) -> None:
    code, out, err = command(*files, "--mask", "foreground", "--json")
    a, b, fused = (luma(image) for image in head)
    mask = foreground(a, b)
    assert mask.sum() == 30 * 32
    expected = score(a, b, fused, "default", mask)
    printed = json.loads(out)
    assert code == 0
    for label, values in expected.items():
        if values.isfinite():
            assert printed[label] == pytest.approx(values.item(), rel=1e-9), label
        else:
            assert printed[label] == (None if values.isnan() else "inf"), label
    metrics = PROFILES["default"] + chroma.RECORDS
    assert err == f"1 of {len(metrics)} scores are of whole images, undefined in a mask: FMI_dct\n"


def test_a_mask_from_a_file_is_scored(
    command: Run, files: list[Path], head: tuple[Tensor, Tensor, Tensor], tmp_path: Path
) -> None:
    inside = torch.zeros(40, 48, dtype=torch.uint8)
    inside[10:30, 12:30] = 1  # not white, and not black
    code, out, err = command(*files, "--mask", save(tmp_path / "mask.png", inside), "--profile", "seed", "--json")
    a, b, fused = (luma(image)[:, 10:30, 12:30] for image in head)
    assert (code, err) == (0, "")
    assert json.loads(out)["MI"] == pytest.approx(score(a, b, fused, "seed")["MI"].item(), rel=1e-9)


@pytest.mark.parametrize(
    ("size", "complaint"),
    [((40, 47), "mask.png: a mask of 40 x 47 pixels for images of 40 x 48"), ((40, 48), "mask.png: all black")],
)
def test_what_is_no_mask_is_refused(
    command: Run, files: list[Path], tmp_path: Path, size: tuple[int, int], complaint: str
) -> None:
    code, out, err = command(*files, "--mask", save(tmp_path / "mask.png", torch.zeros(size, dtype=torch.uint8)))
    assert (code, out) == (2, "")
    assert complaint in err
    assert err.count("\n") == 1


def test_sources_without_foreground_are_refused(command: Run, tmp_path: Path) -> None:
    flat = save(tmp_path / "flat.png", torch.full((20, 20), 9, dtype=torch.uint8))
    code, _, err = command(flat, flat, flat, "--mask", "foreground")
    assert code == 2
    assert "constant" in err


def test_each_channel_is_scored_and_their_mean(
    command: Run, files: list[Path], head: tuple[Tensor, Tensor, Tensor]
) -> None:
    _, out, _ = command(*files, "--colour", "per-channel", "--profile", "seed", "--json")
    printed = json.loads(out)
    for label, values in score(*head, "seed").items():
        assert [printed[label][channel] for channel in "RGB"] == pytest.approx(values.tolist(), rel=1e-9)
        assert printed[label]["mean"] == pytest.approx(np.mean(values.tolist()), rel=1e-9)
    code, text, _ = command(*files, "--colour", "per-channel", "--profile", "seed")
    assert code == 0
    assert text.splitlines()[0].split() == ["metric", "score", "R", "G", "B", "unit", "better", "definition"]
    assert f"{printed['SF']['mean']:.4f}" in text
    assert f"{printed['SF']['B']:.4f}" in text


def test_colour_is_scored_where_there_is_some(
    command: Run, files: list[Path], head: tuple[Tensor, Tensor, Tensor]
) -> None:
    printed = json.loads(command(*files, "--profile", "seed", "--json")[1])
    a, b, fused = (image[None] for image in head)
    for label, values in base.score(a, b, fused, chroma.RECORDS).items():
        assert printed[label] == pytest.approx(values.item(), rel=1e-9)
    assert list(json.loads(command(files[0], files[0], files[0], "--profile", "seed", "--json")[1])) == [
        *("EN", "SF", "MI", "M")
    ]
    # A fusion that has colour which no source has: it is no error, but undefined.
    assert json.loads(command(files[0], files[0], files[2], "--profile", "seed", "--json")[1])["D_ab"] is None


def test_dicom_sources_are_scored_through_a_window(
    command: Run, write_dicom: Callable[..., Path], tmp_path: Path, noise: torch.Generator
) -> None:
    # The same values as PNG at 8 bits and as 12-bit DICOM seen through 0 to 255; coloured DICOM gives its chroma too.
    a, b, fused = torch.randint(0, 256, (3, 20, 24), generator=noise).to(torch.uint8)
    png = [save(tmp_path / f"{name}.png", x) for name, x in zip("abf", (a, b, fused), strict=True)]
    dcm = write_dicom(tmp_path / "a.dcm", a.numpy().astype(np.uint16), BitsStored=12, HighBit=11)
    code, out, err = command(dcm, *png[1:], "--window", "a=127.5,255", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads(command(*png, "--json")[1])
    code, _, err = command(dcm, *png[1:])
    assert code == 2
    assert "a.dcm" in err
    rgb = write_dicom(tmp_path / "rgb.dcm", torch.stack([a, b, fused], dim=-1).numpy())
    code, out, err = command(rgb, *png[1:], "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["D_ab"] > 0


def test_a_colour_table_is_undone_before_scoring(command: Run, tmp_path: Path, noise: torch.Generator) -> None:
    # Each entry of the table stands for its number.
    a, entries, fused = torch.randint(0, 256, (3, 40, 48), generator=noise).to(torch.uint8)
    shown = torch.from_numpy(colormaps["hot"](entries.numpy(), bytes=True)[..., :3]).movedim(-1, 0)
    files = [save(tmp_path / f"{name}.png", pixels) for name, pixels in (("a", a), ("b", shown), ("f", fused))]
    _, out, _ = command(*files, "--pseudo-colour", "hot", "--profile", "seed", "--json")
    expected = score(a[None], entries[None], fused[None], "seed")
    assert json.loads(out) == pytest.approx({label: values.item() for label, values in expected.items()}, rel=1e-9)
    assert json.loads(command(*files, "--profile", "seed", "--json")[1])["MI"] != json.loads(out)["MI"]
    value = expected["MI"].item()
    asked = ("explain", *files, "--metric", "MI", "--value", value, "--pseudo-colour", "hot", "--json")
    _, out, _ = command(*asked)
    assert json.loads(out)[0]["label"] == "MI"
    assert json.loads(out)[0]["difference"] < 1e-9
