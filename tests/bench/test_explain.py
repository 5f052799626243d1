"""Which definition made a number? Witness: means of scores computed one by one, printed and explained again."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fusebench.bench.explain import explain, files
from fusebench.datasets import image
from fusebench.metrics.structural_similarity import SSIM, SSIM_VIFB
from torch import Tensor


def images(noise: torch.Generator, count: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Give triples of which the fusion has something of both sources."""
    sources = torch.randint(0, 256, (count, 2, 1, 32, 40), generator=noise).to(torch.uint8)
    return [(a, b, (a // 2 + b // 3)) for a, b in sources]


def test_the_mean_over_several_images_is_explained(noise: torch.Generator) -> None:
    triples = images(noise, 3)
    mean = torch.cat([SSIM_VIFB(*triple) for triple in triples]).mean().item()
    first, *others = explain(triples, "ssim", f"{mean:.4f}")
    assert (first.label, first.matches) == ("SSIM@vifb", True)
    assert first.score == pytest.approx(mean, rel=1e-12)
    assert not any(other.matches for other in others)


@pytest.mark.parametrize(("printed", "matches"), [("EXACT", True), ("ROUNDED", True), ("ROUNDED0", False)])
def test_a_number_matches_to_its_last_digit(noise: torch.Generator, printed: str, matches: object) -> None:
    triple = images(noise, 1)[0]
    value = SSIM(*triple).item()
    rounded = f"{value:.2f}"
    text = {"EXACT": f"{value:.15g}", "ROUNDED": rounded, "ROUNDED0": f"{rounded}0000"}[printed]
    found = {candidate.label: candidate.matches for candidate in explain([triple], "SSIM", text)}
    assert found["SSIM"] is matches


def test_files_of_three_folders_go_together_by_name(tmp_path: Path) -> None:
    for folder, names in {"CT": ["10_CT", "9_CT", "8_CT"], "MRI": ["10", "9", "8"], "ours": ["9", "10"]}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            image.write(torch.zeros(4, 4, dtype=torch.uint8), tmp_path / folder / f"{name}.png")
    a, b, fused = (tmp_path / name for name in ("CT", "MRI", "ours"))
    assert [[path.stem for path in triple] for triple in files(a, b, fused)] == [
        ["9_CT", "9", "9"],
        ["10_CT", "10", "10"],
    ]
    with pytest.raises(ValueError, match=r"9.png: no folder, but .*CT is one; name three files or three folders"):
        files(a, b / "9.png", fused)
    (b / "10.png").unlink()
    with pytest.raises(ValueError, match=r"ours/10.png: .*MRI has no image of that name"):
        files(a, b, fused)


def test_the_command_says_when_nothing_matches(
    command: Callable[..., tuple[int, str, str]], noise: torch.Generator, tmp_path: Path
) -> None:
    for n, triple in enumerate(images(noise, 2)):
        for folder, pixels in zip("abf", triple, strict=True):
            (tmp_path / folder).mkdir(exist_ok=True)
            image.write(pixels[0], tmp_path / folder / f"{n}.png")
    folders = [tmp_path / folder for folder in "abf"]
    code, out, err = command("explain", *folders, "--metric", "SF", "--value", "0.00")
    assert code == 1
    assert "SF" in out
    assert err == "means over 2 images\nfusebench: no convention of SF gives 0.00 on these images\n"
    value = out.splitlines()[2].split()[1]
    assert command("explain", *folders, "--metric", "SF", "--value", value)[0] == 0
