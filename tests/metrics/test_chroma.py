"""Witnesses: scikit-image's CIELAB, NumPy's correlation, and closed forms of faded and turned colours."""

import numpy as np
import pytest
import torch
from fusebench.metrics import base
from fusebench.metrics.chroma import RECORDS, chroma_correlation, chromatic_difference, hue_difference
from skimage.color import lab2lch, rgb2lab
from torch import Tensor

# scikit-image has six digits of its matrices and of the white.
LAB = 1e-4


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=noise).to(torch.uint8)


def grey(noise: torch.Generator, *shape: int) -> Tensor:
    return random(noise, shape[0], 1, *shape[1:]).expand(-1, 3, -1, -1)


def lab(image: Tensor) -> np.ndarray:
    result: np.ndarray = rgb2lab(image.movedim(1, -1).numpy())
    return result


def test_differences_are_scikit_images(noise: torch.Generator) -> None:
    a, b, fused = grey(noise, 2, 9, 11), random(noise, 2, 3, 9, 11), random(noise, 2, 3, 9, 11)
    x, f = lab(b), lab(fused)
    difference = np.hypot(*np.moveaxis(x[..., 1:] - f[..., 1:], -1, 0))
    saturation = lab2lch(x)[..., 1] - lab2lch(f)[..., 1]
    expected = difference.mean(axis=(1, 2)).tolist()
    assert chromatic_difference(a, b, fused).pool().tolist() == pytest.approx(expected, rel=LAB)
    hue = np.sqrt(np.maximum(difference**2 - saturation**2, 0))
    assert hue_difference(a, b, fused).pool().tolist() == pytest.approx(hue.mean(axis=(1, 2)).tolist(), rel=LAB)


def test_correlation_is_numpys(noise: torch.Generator) -> None:
    a, b, fused = grey(noise, 1, 9, 11), random(noise, 1, 3, 9, 11), random(noise, 1, 3, 9, 11)

    def differences(image: Tensor) -> list[np.ndarray]:
        red, green, blue = image[0].double().numpy()
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        return [(blue - luma).ravel(), (red - luma).ravel()]

    expected = np.mean([np.corrcoef(x, f)[0, 1] for x, f in zip(differences(b), differences(fused), strict=True)])
    assert chroma_correlation(a, b, fused).item() == pytest.approx(expected, rel=1e-12)


def test_only_coloured_sources_count_and_both_count_alike(noise: torch.Generator) -> None:
    flat, x, y, fused = grey(noise, 2, 6, 6), *(random(noise, 2, 3, 6, 6) for _ in range(3))
    for metric in RECORDS:
        to_x, to_y = metric(flat, x, fused), metric(y, flat, fused)
        assert torch.allclose(metric(x, flat, fused), to_x, rtol=1e-12)
        assert torch.allclose(metric(x, y, fused), (to_x + to_y) / 2, rtol=1e-12)
        assert metric(flat, flat, fused).isnan().all()
        assert metric(x[:1], flat[:1], fused).shape == (2,)


def test_a_kept_colour_is_perfect_and_a_lost_one_is_its_chroma(noise: torch.Generator) -> None:
    source, flat = random(noise, 1, 3, 8, 8), grey(noise, 1, 8, 8)
    assert [metric(flat, source, source).item() for metric in RECORDS] == pytest.approx([0, 0, 1], abs=1e-5)
    chroma = np.hypot(*np.moveaxis(lab(source)[..., 1:], -1, 0)).mean()
    assert chromatic_difference(flat, source, flat).pool().item() == pytest.approx(chroma, rel=LAB)
    assert hue_difference(flat, source, flat).pool().item() == 0
    assert chroma_correlation(flat, source, flat).isnan()


def test_colour_is_scored_inside_a_mask(noise: torch.Generator) -> None:
    flat, source, fused = grey(noise, 1, 9, 9), random(noise, 1, 3, 9, 9), random(noise, 1, 3, 9, 9)
    mask = torch.zeros(1, 9, 9, dtype=torch.bool)
    mask[:, 2:7, 3:8] = True
    inside = base.score(flat, source, fused, RECORDS, mask)
    cut = base.score(*(x[..., 2:7, 3:8] for x in (flat, source, fused)), RECORDS)
    for label, scores in inside.items():
        assert scores.item() == pytest.approx(cut[label].item(), rel=1e-12)


def test_what_is_made_is_on_the_device_of_the_images(noise: torch.Generator) -> None:
    triple = [random(noise, 1, 3, 5, 5) for _ in range(3)]
    expected = [metric(*triple) for metric in RECORDS]
    with torch.device("meta"):
        assert torch.equal(torch.cat([metric(*triple) for metric in RECORDS]), torch.cat(expected))


def test_what_is_no_colour_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\)"):
        chromatic_difference(*[torch.zeros(1, 4, 4)] * 3).pool()
    with pytest.raises(ValueError, match=r"one size"):
        chromatic_difference(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5), torch.zeros(1, 3, 4, 4)).pool()
