"""Witnesses: a plain window by the published formulas, closed forms, SciPy, and values of published codes."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from fusebench.metrics import feature_mutual_information as fmi
from fusebench.metrics.base import Metric
from scipy.fft import dctn
from scipy.ndimage import label, sobel
from torch import Tensor

# 81 terms of float64, and a quotient of two standard deviations.
CLOSED = 1e-10


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=noise).to(torch.uint8)


def plain(x: Any, y: Any) -> float:
    """Score one window, place by place, with both bounds of the joint distribution written out."""
    p, q = ((w - w.min()) / (w - w.min()).sum() for w in (x.T.ravel(), y.T.ravel()))
    r = np.corrcoef(p, q)[0, 1]
    cumulated_p, cumulated_q = np.append(0, p.cumsum()), np.append(0, q.cumsum())
    if r >= 0:
        bound = np.minimum.outer(cumulated_p, cumulated_q)
    else:
        bound = np.maximum(np.add.outer(cumulated_p, cumulated_q) - 1, 0)
    place = np.arange(1, 10)
    joint = np.diff(np.diff(bound, axis=0), axis=1)
    covariance = place @ joint @ place - (place @ p) * (place @ q)
    deviations = [math.sqrt(place**2 @ w - (place @ w) ** 2) for w in (p, q)]
    t = r / (covariance / (deviations[0] * deviations[1]))
    joint = t * joint + (1 - t) * np.outer(p, q)
    h_p, h_q, h = (-sum(v * math.log2(abs(v)) for v in np.ravel(w) if abs(v) > 1e-15) for w in (p, q, joint))
    return 2 * (h_p + h_q - h) / (h_p + h_q)


def test_windows_have_the_information_of_the_formulas(noise: torch.Generator) -> None:
    a, fused = random(noise, 40, 3, 3), random(noise, 40, 3, 3)
    expected = [plain(x.double().numpy(), y.double().numpy()) for x, y in zip(a, fused, strict=True)]
    scores = fmi.feature_mutual_information(a, a, fused, fmi.pixels).pool()
    assert scores.tolist() == pytest.approx(expected, rel=CLOSED)
    # Both bounds were met.
    pairs = torch.stack([a.flatten(1), fused.flatten(1)], dim=1).double()
    assert {torch.corrcoef(pair)[0, 1].item() > 0 for pair in pairs} == {False, True}


def test_an_image_is_the_mean_of_its_windows(noise: torch.Generator) -> None:
    a, b, fused = (random(noise, 1, 6, 7) for _ in range(3))
    windows = [[image[:, i : i + 3, j : j + 3] for image in (a, b, fused)] for i in range(4) for j in range(5)]
    each = [fmi.feature_mutual_information(*window, fmi.pixels).pool().item() for window in windows]
    score = fmi.feature_mutual_information(a, b, fused, fmi.pixels).pool()
    assert score.item() == pytest.approx(sum(each) / 20, rel=CLOSED)


def test_portions_do_not_matter(noise: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, fused = (random(noise, 2, 9, 9) for _ in range(3))
    whole = fmi.feature_mutual_information(a, b, fused, fmi.pixels).pool()
    monkeypatch.setattr(fmi, "PORTION_CPU", 4)
    assert torch.allclose(fmi.feature_mutual_information(a, b, fused, fmi.pixels).pool(), whole, rtol=CLOSED)


@pytest.mark.parametrize("feature", [fmi.pixels, fmi.gradient, fmi.edges, fmi.cosine_transform])
def test_equal_images_have_1_and_more_than_noise(feature: Any, noise: torch.Generator) -> None:
    x, y = random(noise, 2, 12, 12), random(noise, 2, 12, 12)
    flat = torch.full_like(x, 9)
    for image in (x, flat):
        same = fmi.feature_mutual_information(image, image, image, feature).pool()
        assert torch.allclose(same, torch.ones_like(same), rtol=CLOSED)
    assert (fmi.feature_mutual_information(y, y, x, feature).pool() < 0.9).all()


def test_pixels_do_not_know_level_and_scale(noise: torch.Generator) -> None:
    x = random(noise, 1, 12, 12) // 2
    assert fmi.feature_mutual_information(x, x, x + 50, fmi.pixels).pool().item() == pytest.approx(1, rel=CLOSED)
    assert fmi.feature_mutual_information(x, x, 2 * x, fmi.pixels).pool().item() == pytest.approx(1, rel=CLOSED)


def test_flat_windows_are_defined(noise: torch.Generator) -> None:
    x, flat = random(noise, 1, 3, 3), torch.full((1, 3, 3), 7, dtype=torch.uint8)
    assert fmi.feature_mutual_information(flat, flat, flat + 1, fmi.pixels).pool().item() == 1
    assert fmi.feature_mutual_information(x, flat, flat, fmi.pixels).pool().item() == 0.5
    assert fmi.feature_mutual_information(x, x, flat, fmi.pixels).pool().item() == 0
    # A single raised value in either image, at two places: neither has entropy.
    spot = torch.zeros(1, 3, 3, dtype=torch.uint8)
    spot[0, 0, 0] = 5
    assert fmi.feature_mutual_information(spot, spot, spot.flip(2), fmi.pixels).pool().item() == 0


def test_only_windows_that_hold_something_count_where_that_is_wanted() -> None:
    # A 3 x 7 strip has five windows. The fused image keeps what the source has in the first three, and adds nothing.
    x = torch.zeros(1, 3, 7, dtype=torch.uint8)
    x[0, 1, 2] = 9
    x[0, 0, 2] = 4
    assert fmi.feature_mutual_information(x, x, x, fmi.pixels, "filled").pool().item() == pytest.approx(1, rel=CLOSED)
    assert fmi.feature_mutual_information(x, x, 0 * x, fmi.pixels).pool().item() == pytest.approx(2 / 5, rel=CLOSED)
    assert fmi.feature_mutual_information(x, x, 0 * x, fmi.pixels, "filled").pool().item() == 0
    assert fmi.feature_mutual_information(0 * x, 0 * x, 0 * x, fmi.pixels, "filled").pool().isnan().item()


def test_features_are_numpys_and_scipys(noise: torch.Generator) -> None:
    x = random(noise, 1, 11, 14)
    f = x[0].double().numpy()
    assert np.allclose(fmi.gradient(x)[0].numpy(), np.gradient(f, axis=1), rtol=0, atol=CLOSED)
    # Sums of 154 grey levels: coefficients up to 2000.
    assert np.allclose(fmi.cosine_transform(x)[0].numpy(), dctn(f, norm="ortho"), rtol=0, atol=1e-8)


def test_edges_are_strong_and_thin(noise: torch.Generator) -> None:
    x = random(noise, 3, 30, 40) // 8
    x[:, 8:20, 10:30] += 150
    strength = np.stack([sobel(f, axis=0) ** 2 + sobel(f, axis=1) ** 2 for f in x.double().numpy()])
    strong = strength > 4 * strength.mean(axis=(1, 2), keepdims=True)
    thin = fmi.edges(x).numpy() > 0
    assert not (thin & ~strong).any()
    # The frame around the square is two pixels wide, and then one; it stays one piece.
    assert thin.sum() < 0.6 * strong.sum()
    assert [label(edge, np.ones((3, 3)))[1] for edge in thin] == [1, 1, 1]
    assert torch.equal(fmi.edges(255 - x), fmi.edges(x))


def test_images_smaller_than_a_window_or_of_two_sizes_are_refused() -> None:
    small = torch.zeros(1, 2, 5)
    with pytest.raises(ValueError, match="3 x 3 pixels, the images 2 x 5"):
        fmi.feature_mutual_information(small, small, small, fmi.pixels).pool()
    with pytest.raises(ValueError, match="images of one size"):
        fmi.feature_mutual_information(small, small, torch.zeros(1, 5, 5), fmi.pixels).pool()


@pytest.mark.parametrize(
    ("metric", "peer", "name"),
    [
        (fmi.FMI_PIXEL, "dungdz", "FMI_pixel"),
        (fmi.FMI_PIXEL, "linfeng_tang", "FMI_none"),
        (fmi.FMI_GRADIENT, "linfeng_tang", "FMI_gradient"),
        (fmi.FMI_EDGE_DUNGDZ, "dungdz", "FMI_edge"),
        (fmi.FMI_DCT, "dungdz", "FMI_dct"),
        (fmi.FMI_DCT, "linfeng_tang", "FMI_dct"),
    ],
    ids=lambda x: x.label if isinstance(x, Metric) else str(x),
)
def test_published_codes_give_the_same(metric: Metric, peer: str, name: str, peers: Any) -> None:
    if name not in peers.values[peer]:
        pytest.skip("that code was run on the small case only")
    # Values from Octave have 10 digits.
    assert metric(*peers.images).item() == pytest.approx(peers.values[peer][name], rel=1e-9)
