"""Witnesses: scikit-image, single windows by hand, closed forms, properties, and values of published codes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from fusebench.metrics import fusion_quality as weighted
from fusebench.metrics import structural_similarity as plain
from fusebench.metrics.base import Metric
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.fusion_quality import (
    covariance_fusion_quality,
    edge_fusion_quality,
    fusion_quality,
    similarity_fusion_quality,
    weighted_fusion_quality,
)
from fusebench.metrics.maps import Local
from fusebench.metrics.structural_similarity import SCALES, multiscale_structural_similarity, structural_similarity
from scipy import ndimage
from skimage import metrics as skimage
from torch import Tensor

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

# Differences of sums of squares of up to 255^2, against variances of some thousand.
CLOSED = 1e-10

FUSION = (
    fusion_quality,
    weighted_fusion_quality,
    edge_fusion_quality,
    covariance_fusion_quality,
    similarity_fusion_quality,
)


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=noise).to(torch.uint8)


def index(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Give the universal quality index of one window."""
    (mx, vx), (my, vy), c = moments(x, weights), moments(y, weights), covariance(x, y, weights)
    return 4 * c * mx * my / ((vx + vy) * (mx**2 + my**2))


def moments(x: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    mean = float((weights * x).sum())
    return mean, float((weights * (x - mean) ** 2).sum())


def covariance(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    return float((weights * (x - moments(x, weights)[0]) * (y - moments(y, weights)[0])).sum())


def one_window(noise: torch.Generator, size: int, count: int = 3) -> tuple[list[Tensor], list[np.ndarray]]:
    images = [random(noise, 1, size, size) for _ in range(count)]
    return images, [image[0].numpy().astype(float) for image in images]


BOX = np.full((8, 8), 1 / 64)


def test_ssim_is_that_of_scikit_image(noise: torch.Generator) -> None:
    x, y = random(noise, 1, 40, 31), random(noise, 1, 40, 31)
    expected = skimage.structural_similarity(
        x[0].numpy(), y[0].numpy(), gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert structural_similarity(x, y).pool().item() == pytest.approx(expected, rel=CLOSED)


@pytest.mark.parametrize(("border", "numpys"), [("reflect", "reflect"), ("replicate", "edge")])
def test_a_border_is_the_image_continued(border: str, numpys: Any, noise: torch.Generator) -> None:
    x, y = random(noise, 1, 14, 17), random(noise, 1, 14, 17)
    padded = [torch.from_numpy(np.pad(image[0].numpy(), 5, mode=numpys))[None] for image in (x, y)]
    expected = structural_similarity(*padded).pool().item()
    assert structural_similarity(x, y, border=border).pool().item() == pytest.approx(expected, rel=CLOSED)


@pytest.mark.parametrize(("a", "b"), [(0, 0), (0, 255), (10, 200), (77, 77)])
def test_ssim_of_constants_compares_their_means(a: int, b: int) -> None:
    x, y = (torch.full((1, 176, 176), level, dtype=torch.uint8) for level in (a, b))
    expected = (2 * a * b + C1) / (a**2 + b**2 + C1)
    assert structural_similarity(x, y).pool().item() == pytest.approx(expected, rel=CLOSED)
    assert multiscale_structural_similarity(x, y).pool().item() == pytest.approx(expected ** SCALES[-1], rel=CLOSED)


def test_ms_ssim_is_made_of_the_scales(noise: torch.Generator) -> None:
    # Odd sizes too: 177 x 181 is halved to 89 x 91, 45 x 46, 23 x 23, 12 x 12, the last row and column doubled.
    x = random(noise, 1, 177, 181)
    y = (x // 2 + random(noise, 1, 177, 181) // 2).to(torch.uint8)
    scale = [image[0].numpy().astype(float) for image in (x, y)]
    expected = 1.0
    for level, exponent in enumerate(SCALES):
        constants = {"K1": 1e9} if level < len(SCALES) - 1 else {}  # a huge C1 makes the factor of the means 1
        mean = skimage.structural_similarity(
            *scale, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, **constants
        )
        expected *= mean**exponent
        even = [np.pad(s, [(0, n % 2) for n in s.shape], mode="edge") for s in scale]
        scale = [(s[::2, ::2] + s[1::2, ::2] + s[::2, 1::2] + s[1::2, 1::2]) / 4 for s in even]
    assert multiscale_structural_similarity(x, y).pool().item() == pytest.approx(expected, rel=CLOSED)


def test_ms_ssim_of_a_negative_is_zero(noise: torch.Generator) -> None:
    x = random(noise, 1, 176, 176)
    assert multiscale_structural_similarity(x, 255 - x).pool().item() == 0


def test_equal_images_are_of_full_quality(noise: torch.Generator) -> None:
    x = random(noise, 2, 176, 190)
    x[1, 60:] = 0  # a background
    one = torch.ones(2, dtype=torch.float64)
    assert torch.allclose(structural_similarity(x, x).pool(), one, rtol=CLOSED)
    assert torch.allclose(multiscale_structural_similarity(x, x).pool(), one, rtol=CLOSED)
    for quality in FUSION:
        assert torch.allclose(quality(x, x, x).pool(), one, rtol=CLOSED)


def test_piella_in_one_window_by_hand(noise: torch.Generator) -> None:
    (a, b, fused), (x, y, f) = one_window(noise, 8)
    (_, va), (_, vb) = moments(x, BOX), moments(y, BOX)
    expected = (va * index(x, f, BOX) + vb * index(y, f, BOX)) / (va + vb)
    assert fusion_quality(a, b, fused).pool().item() == pytest.approx(expected, rel=CLOSED)
    assert weighted_fusion_quality(a, b, fused).pool().item() == pytest.approx(expected, rel=CLOSED)


def test_q_w_weighs_windows_by_the_larger_variance(noise: torch.Generator) -> None:
    # Two windows in one column: rows 0 to 7 and rows 1 to 8.
    a, b, fused = (random(noise, 1, 9, 8) for _ in range(3))
    halves = [[image[:, :8], image[:, 1:]] for image in (a, b, fused)]
    qualities = [fusion_quality(*(half[i] for half in halves)).pool().item() for i in (0, 1)]
    weights = [max(half[i].double().var(correction=0).item() for half in halves[:2]) for i in (0, 1)]
    expected = sum(w * q for w, q in zip(weights, qualities, strict=True)) / sum(weights)
    assert weighted_fusion_quality(a, b, fused).pool().item() == pytest.approx(expected, rel=CLOSED)


@pytest.mark.parametrize("border", ["constant", "replicate"])
def test_edges_are_prewitts(border: str, noise: torch.Generator) -> None:
    images, levels = one_window(noise, 8)
    mode: Any = {"constant": "constant", "replicate": "nearest"}[border]
    x, y, f = (np.hypot(ndimage.prewitt(i, 0, mode=mode), ndimage.prewitt(i, 1, mode=mode)) for i in levels)
    (_, va), (_, vb) = moments(x, BOX), moments(y, BOX)
    expected = (va * index(x, f, BOX) + vb * index(y, f, BOX)) / (va + vb)
    assert edge_fusion_quality(*images, border=border).pool().item() == pytest.approx(expected, rel=CLOSED)


def half(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x + y) / 2


def against_b(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.5 * x + 0.5 * (255 - y)


@pytest.mark.parametrize("fuse", [half, against_b])
def test_q_c_in_one_window_by_hand(
    fuse: Callable[[np.ndarray, np.ndarray], np.ndarray], noise: torch.Generator
) -> None:
    (a, b), (x, y) = one_window(noise, 8, 2)
    f = fuse(x, y)
    with_a, with_b = covariance(x, f, BOX), covariance(y, f, BOX)
    share = np.clip(with_a / (with_a + with_b), 0, 1)
    assert (0 < share < 1) == (fuse is half)
    expected = share * index(x, f, BOX) + (1 - share) * index(y, f, BOX)
    # 255 f / 255 is f to 1e-16, on top of the rounding of sums.
    assert covariance_fusion_quality(a, b, torch.from_numpy(f / 255)[None]).pool().item() == pytest.approx(
        expected, rel=CLOSED
    )


@pytest.mark.parametrize("agreement", [0.9, 0.2])
def test_q_y_in_one_window_by_hand(agreement: float, noise: torch.Generator) -> None:
    _, (x, other, f) = one_window(noise, 7)
    bell = np.exp(-((np.arange(7) - 3) ** 2) / (2 * 1.5**2))
    weights = np.outer(bell, bell) / bell.sum() ** 2
    y = agreement * x + (1 - agreement) * other
    of_a, of_b = index(x, f, weights), index(y, f, weights)
    (_, va), (_, vb) = moments(x, weights), moments(y, weights)
    agree = index(x, y, weights) >= 0.75
    assert agree == (agreement > 0.5)
    expected = (va * of_a + vb * of_b) / (va + vb) if agree else max(of_a, of_b)
    images = (torch.from_numpy(image / 255)[None] for image in (x, y, f))
    assert similarity_fusion_quality(*images).pool().item() == pytest.approx(expected, rel=CLOSED)


@pytest.mark.parametrize("quality", FUSION)
def test_a_black_background_that_stays_black_is_kept(quality: Callable[..., Local]) -> None:
    black = torch.zeros(1, 20, 20, dtype=torch.uint8)
    assert quality(black, black, black).pool().item() == 1


def test_flat_windows_compare_their_means(noise: torch.Generator) -> None:
    a, b, fused = (torch.full((1, 16, 16), level, dtype=torch.uint8) for level in (200, 50, 100))
    of_a, of_b = 2 * 200 * 100 / (200**2 + 100**2), 2 * 50 * 100 / (50**2 + 100**2)
    for quality in (fusion_quality, weighted_fusion_quality, covariance_fusion_quality):
        assert quality(a, b, fused).pool().item() == pytest.approx((of_a + of_b) / 2, rel=CLOSED)
    # The sources are not alike (Q = 8/17): the better one counts.
    assert similarity_fusion_quality(a, b, fused).pool().item() == pytest.approx(max(of_a, of_b), rel=CLOSED)
    # No structure where the sources are flat is like theirs.
    for quality in FUSION[:2] + FUSION[3:]:
        assert quality(a, b, random(noise, 1, 16, 16)).pool().item() == pytest.approx(0, abs=CLOSED)
    assert math.isnan(similarity_fusion_quality(a, b, fused, flat=False).pool().item())


def test_q_y_can_leave_out_flat_windows(noise: torch.Generator) -> None:
    # A flat window is one in which both sources are flat: they end with column 9, the window has 7.
    a, b, fused = (random(noise, 1, 12, 30) for _ in range(3))
    a[..., 10:], b[..., 10:] = 0, 0
    lively = similarity_fusion_quality(a[..., :16], b[..., :16], fused[..., :16]).pool()
    assert torch.allclose(similarity_fusion_quality(a, b, fused, flat=False).pool(), lively, rtol=CLOSED)


# Those that 16 x 16 pixels have.
SMALL = [record for record in (*plain.RECORDS, *weighted.RECORDS) if record.name != "MS_SSIM"]


@pytest.mark.parametrize("record", SMALL, ids=lambda record: record.label)
def test_rounding_decides_nothing(record: Metric, noise: torch.Generator) -> None:
    # Sources that cancel, flat black, flat grey and saturated windows, each in one of them and in both.
    a = random(noise, 1, 40, 44)
    b = 255 - a
    a[:, :14], b[:, 10:24], a[:, :, :12], b[:, :, :8] = 255, 130, 0, 0
    fused = (a // 4 + 3 * (b // 4)).clone()
    fused[:, :, 20:30] = a[:, :, 20:30]
    expected = record(a, b, fused).item()
    in_other_order = [image.mT for image in (a, b, fused)], [image.flip(1) for image in (a, b, fused)]
    in_last_digit = [(image.double() / 255 * (1 + 2**-52)).clamp(max=1) for image in (a, b, fused)]
    for images in (*in_other_order, in_last_digit):
        assert record(*images).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("record", SMALL, ids=lambda record: record.label)
def test_a_score_has_the_gradient_of_its_finite_differences(record: Metric, noise: torch.Generator) -> None:
    a, b = random(noise, 1, 13, 12), random(noise, 1, 13, 12)
    a[:, :9, :10], b[:, :8] = 0, 0
    fused = 0.1 + 0.8 * torch.rand(1, 13, 12, dtype=torch.float64, generator=noise)
    fused[:, :8, :9] = 0.5  # flat, beside flat sources
    fused.requires_grad_()
    assert torch.autograd.gradcheck(lambda image: record(a, b, image), (fused,), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("score", "least"),
    [
        (lambda x: structural_similarity(x, x).pool(), 11),
        (lambda x: structural_similarity(x, x, border="reflect").pool(), 11),
        (lambda x: multiscale_structural_similarity(x, x).pool(), 161),
        (lambda x: fusion_quality(x, x, x).pool(), 8),
        (lambda x: weighted_fusion_quality(x, x, x).pool(), 8),
        (lambda x: edge_fusion_quality(x, x, x).pool(), 8),
        (lambda x: covariance_fusion_quality(x, x, x).pool(), 8),
        (lambda x: similarity_fusion_quality(x, x, x).pool(), 7),
    ],
)
def test_an_image_smaller_than_the_window_has_no_score(score: Callable[[Tensor], Tensor], least: int) -> None:
    assert score(torch.zeros(2, least, least + 1)).tolist() == [1, 1]
    assert score(torch.zeros(2, least + 1, least - 1)).isnan().all()


def test_images_of_two_sizes_are_refused() -> None:
    x, y = torch.zeros(2, 16, 16), torch.zeros(2, 16, 17)
    with pytest.raises(ValueError, match=r"\(2, 16, 16\) and \(2, 16, 17\)"):
        structural_similarity(x, y).pool()
    with pytest.raises(ValueError, match=r"\(3, 16, 16\) and \(2, 16, 16\)"):
        fusion_quality(torch.zeros(3, 16, 16), x, x).pool()


# label -> whose value, its name there, ours for one of theirs, and the relative tolerance:
# 1e-9 where Octave printed 10 digits, CLOSED in Python's float64, 2e-5 for float32; 1e-6 for Q_S, since mfif_metrics
# puts constants of 6.5e-8 squared grey levels into the universal index there.
FLOAT32 = 2e-5
PEERS = [
    ("SSIM", "py_ref", "SSIM_mean_gauss11_L255_skimage", 1, CLOSED),
    ("SSIM", "kien", "ssim", 2, CLOSED),
    ("SSIM@vifb", "vifb", "SSIM_sum", 1, 1e-9),
    ("SSIM@cslib", "cslib", "ssim_metric", 1, FLOAT32),
    ("SSIM@cslib", "torchmetrics", "ssim_L255_sum", 2, CLOSED),
    ("SSIM@dungdz", "dungdz", "SSIM", 1, CLOSED),
    ("SSIM@ivif_zoo", "ivif_zoo", "SSIM", 1, FLOAT32),
    ("MS_SSIM@ivif_zoo", "ivif_zoo", "MS_SSIM", 1, FLOAT32),
    ("Q_S", "mfif_metrics", "Q_S", 1, 1e-6),
    ("Q_W", "mfif_metrics", "Q_W", 1, 1e-9),
    ("Q_E", "mfif_metrics", "Q_E", 1, 1e-9),
    ("Q_S@zhengliu", "zhengliu", "Q_S", 1, 1e-9),
    ("Q_S@zhengliu", "dungdz", "Q", 1, CLOSED),
    ("Q_S@zhengliu", "cslib", "q_s_metric", 1, FLOAT32),
    ("Q_W@zhengliu", "zhengliu", "Q_W", 1, 1e-9),
    ("Q_W@zhengliu", "dungdz", "Qw", 1, CLOSED),
    ("Q_W@zhengliu", "cslib", "q_w_metric", 1, FLOAT32),
    ("Q_W@mefb", "mefb", "Q_W_edge_only", 1, 1e-9),
    ("Q_W@mefb", "cslib", "q_e_metric", 1, FLOAT32),
    ("Q_E@dungdz", "dungdz", "Qe", 1, CLOSED),
    ("Q_C", "mfif_metrics", "Q_C", 1, 1e-9),
    ("Q_Y", "mfif_metrics", "Q_Y", 1, 1e-9),
    ("Q_Y@mefb", "mefb", "Q_Y", 1, 1e-9),
    # Where one source is flat but not black, MEFB's weight is 1 up to rounding, and by the rounding's sign it takes
    # the quality or 1: the overexposed bone in b. The crop has none that is flat enough to matter.
    ("Q_C@mefb", "mefb", "Q_C", 1, 1e-3),
]


@pytest.mark.parametrize("case", ["f_avg", "f_max", "crop64_f_avg"])
@pytest.mark.parametrize(("label", "peer", "name", "factor", "tolerance"), PEERS)
def test_published_codes_give_the_same(
    oracle: Callable[[str], Any], case: str, label: str, peer: str, name: str, factor: float, tolerance: float
) -> None:
    images, values = oracle(case)
    score = factor * next(m for m in METRICS if m.label == label)(*images).item()
    if label == "MS_SSIM@ivif_zoo" and case == "crop64_f_avg":
        # 64 pixels are too few for five scales, there and here.
        assert values[peer][name] is None
        assert math.isnan(score)
    else:
        assert score == pytest.approx(values[peer][name], rel=tolerance)


def test_mefbs_q_c_is_exact_where_no_window_is_flat_but_lit(oracle: Callable[[str], Any]) -> None:
    images, values = oracle("crop64_f_avg")
    assert weighted.Q_C_MEFB(*images).item() == pytest.approx(values["mefb"]["Q_C"], rel=1e-9)
