"""Witnesses: closed forms, properties, and values of published codes."""

import math
from typing import Any
from weakref import ref

import numpy as np
import pytest
import torch
from fusebench.metrics.base import Metric, grey_codes, grey_levels, shared, sharing
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.mutual_information import (
    EN,
    MI,
    Q_MI,
    M,
    entropy,
    fusion_mutual_information,
    mutual_information,
    normalised_mutual_information,
)
from fusebench.metrics.spatial_frequency import SF, spatial_frequency
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

# Sums of a few thousand float64 terms.
CLOSED = 1e-12

COUNTED = (SF, EN, MI, M, Q_MI)

# Five halvings and windows of up to 17 pixels fit; nothing is even.
LARGE = (177, 181)


def rounding(metric: Metric) -> float:
    """Give the relative difference that the order of a metric's sums may make."""
    # Q_P: Fourier transforms, and correlations of maps that are nearly constant.
    return 1e-9 if metric.name == "Q_P" else CLOSED


images = arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(2, 9))).map(torch.from_numpy)


def checkerboard() -> Tensor:
    return 255 * (torch.arange(16).view(-1, 1) + torch.arange(24)).remainder(2).to(torch.uint8)[None]


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=noise).to(torch.uint8)


def test_sf_of_a_checkerboard_by_hand() -> None:
    # Every neighbour differs by 255: 16 * 23 + 15 * 24 pairs over 16 * 24 pixels.
    expected = 255 * math.sqrt((16 * 23 + 15 * 24) / (16 * 24))
    assert spatial_frequency(checkerboard()).pool().item() == pytest.approx(expected, rel=CLOSED)
    assert expected == pytest.approx(351.107622389489, rel=CLOSED)


def test_sf_of_a_ramp_and_of_a_constant() -> None:
    ramp = torch.arange(24, dtype=torch.uint8).expand(1, 16, 24)
    assert spatial_frequency(ramp).pool().item() == pytest.approx(math.sqrt(23 / 24), rel=CLOSED)
    assert spatial_frequency(torch.full((1, 4, 4), 9, dtype=torch.uint8)).pool().item() == 0


def test_entropy_of_two_and_of_all_levels() -> None:
    every = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    assert entropy(checkerboard()).item() == pytest.approx(1, rel=CLOSED)
    assert entropy(every).item() == pytest.approx(8, rel=CLOSED)


def test_mi_of_three_equal_images_is_twice_the_entropy_and_m_is_one(noise: torch.Generator) -> None:
    x = random(noise, 4, 20, 30)
    assert torch.allclose(fusion_mutual_information(x, x, x), 2 * entropy(x), rtol=CLOSED)
    assert torch.allclose(normalised_mutual_information(x, x, x), torch.ones(4, dtype=torch.float64), rtol=CLOSED)


def test_mi_of_an_independent_pair_is_zero() -> None:
    # Each of 64 levels of the rows meets each of 64 levels of the columns once.
    rows = torch.arange(64, dtype=torch.uint8).view(1, -1, 1).expand(1, 64, 64)
    assert mutual_information(rows, rows.mT).item() == pytest.approx(0, abs=1e-12)


def test_mi_of_a_random_independent_pair_is_its_counting_bias(noise: torch.Generator) -> None:
    x, y = (torch.randint(0, 8, (1, 512, 512), generator=noise).to(torch.uint8) for _ in range(2))
    bias = 49 / (2 * 512**2 * math.log(2))
    # The statistic is chi-squared with 49 degrees of freedom: its standard deviation is sqrt(2 / 49) of its mean.
    assert mutual_information(x, y).item() == pytest.approx(bias, rel=5 * math.sqrt(2 / 49))


def test_scores_of_four_levels_by_hand() -> None:
    a = (torch.arange(8) >= 4).to(torch.uint8).expand(1, 8, 8)
    fused = 100 * a + 50 * a.mT
    scores = {m.label: m(a, a.mT, fused).item() for m in COUNTED}
    # H(a) = H(b) = 1, H(f) = 2, f tells a and b: I = 1 each, M = 1/3 + 1/3.
    assert scores["EN"] == pytest.approx(2, rel=CLOSED)
    assert scores["MI"] == pytest.approx(2, rel=CLOSED)
    assert scores["M"] == pytest.approx(2 / 3, rel=CLOSED)
    assert scores["Q_MI"] == pytest.approx(4 / 3, rel=CLOSED)


def test_constant_images_have_defined_scores(noise: torch.Generator) -> None:
    flat, x = torch.full((1, 8, 8), 77, dtype=torch.uint8), random(noise, 1, 8, 8)
    for a, b, fused in ((flat, flat, flat), (x, flat, flat), (x, x, flat)):
        assert {m.label: m(a, b, fused).item() for m in COUNTED} == dict.fromkeys(("SF", "EN", "MI", "M", "Q_MI"), 0)
    # A constant source adds nothing; the other term stands.
    assert normalised_mutual_information(x, flat, x).item() == pytest.approx(0.5, rel=CLOSED)


@given(images, st.data())
def test_mi_is_symmetric_bounded_and_blind_to_relabelling(x: Tensor, data: st.DataObject) -> None:
    y = torch.from_numpy(data.draw(arrays(np.uint8, tuple(x.shape))))
    mi = mutual_information(x, y)
    assert torch.allclose(mi, mutual_information(y, x), atol=CLOSED)
    assert (mi >= 0).all()
    assert (mi <= torch.minimum(entropy(x), entropy(y)) + CLOSED).all()
    assert torch.allclose(mi, mutual_information(255 - x, y), atol=CLOSED)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.label)
def test_a_batch_scores_like_its_images(metric: Metric, noise: torch.Generator) -> None:
    a, b, fused = (random(noise, 3, *LARGE) for _ in range(3))
    alone = torch.cat([metric(a[n : n + 1], b[n : n + 1], fused[n : n + 1]) for n in range(3)])
    together = metric(a, b, fused)
    assert together.dtype == torch.float64
    assert together.shape == (3,)
    assert torch.allclose(together, alone, rtol=rounding(metric))


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.label)
def test_one_pair_of_sources_stands_for_many_fused_images(metric: Metric, noise: torch.Generator) -> None:
    a, b, fused = random(noise, 1, *LARGE), random(noise, 1, *LARGE), random(noise, 3, *LARGE)
    repeated = metric(a.expand(3, -1, -1), b.expand(3, -1, -1), fused)
    assert torch.allclose(metric(a, b, fused), repeated, rtol=rounding(metric))


def test_shared_work_is_done_once_and_gives_the_same(noise: torch.Generator) -> None:
    calls = []

    @shared
    def double(image: Tensor, factor: int) -> Tensor:
        calls.append(factor)
        return factor * image

    x, y = random(noise, 2, *LARGE), random(noise, 2, *LARGE)
    with sharing():
        assert double(x, 2) is double(x, 2)
        assert torch.equal(double(y, 2), 2 * y)
        assert calls == [2, 2]
        inside = [metric(x, y, x) for metric in METRICS]
    assert double(x, 2) is not double(x, 2)
    outside = [metric(x, y, x) for metric in METRICS]
    assert torch.equal(torch.stack(inside).nan_to_num(-1), torch.stack(outside).nan_to_num(-1))


def test_shared_work_goes_with_what_it_was_made_of() -> None:
    made = []

    @shared
    def double(image: Tensor) -> Tensor:
        made.append(ref(result := 2 * image))
        return result

    kept = torch.ones(2, 2)
    with sharing():
        double(kept)
        double(torch.ones(2, 2))
        assert [made[0]() is None, made[1]() is None] == [False, True]
    assert made[0]() is None


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.label)
def test_uint8_and_unit_range_are_one_image(metric: Metric, noise: torch.Generator) -> None:
    triple = [random(noise, 2, *LARGE) for _ in range(3)]
    exact = metric(*triple)
    double, single = (metric(*(x.to(kind) / 255 for x in triple)) for kind in (torch.float64, torch.float32))
    assert torch.allclose(exact, double, rtol=rounding(metric))
    assert torch.allclose(exact, single, rtol=metric.float32)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.label)
def test_the_gpu_scores_like_the_cpu(metric: Metric, noise: torch.Generator) -> None:
    triple = [random(noise, 2, *LARGE) for _ in range(3)]
    on_gpu = metric(*(x.cuda() for x in triple)).cpu()
    # Counts are exact; sums and Fourier transforms run in another order, and Q_CB divides by numbers near 0.
    assert torch.allclose(metric(*triple), on_gpu, rtol=1e-7)


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        (torch.zeros(4, 4), r"\(N, H, W\)"),
        (torch.zeros(1, 1, 9), "at least 2 x 2"),
        (torch.zeros(1, 4, 4, dtype=torch.int32), "int32"),
        (torch.full((1, 4, 4), math.nan), "NaN"),
        (torch.full((1, 4, 4), 255.0), "uint8"),
        (torch.full((1, 4, 4), -0.1), r"\[0, 1\]"),
    ],
)
def test_what_is_no_image_is_refused(image: Tensor, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        grey_levels(image)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.label)
def test_scores_are_finite_on_noise(metric: Metric, noise: torch.Generator) -> None:
    assert metric(*(random(noise, 2, *LARGE) for _ in range(3))).isfinite().all()


def test_images_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 4, 4\) and \(1, 4, 5\)"):
        mutual_information(torch.zeros(1, 4, 4), torch.zeros(1, 4, 5))


def test_grey_codes_round_half_to_even() -> None:
    assert grey_codes(torch.tensor([[[0.5, 1.5], [2.5, 254.6]]], dtype=torch.float64) / 255).flatten().tolist() == [
        0,
        2,
        2,
        255,
    ]


# label of ours -> who computed the value, and its name there; all are conventions that equal the seed's.
# Values from Octave were printed with 10 digits.
PEERS = [
    ("SF", "py_ref", "SF_over_MN", 1e-9),
    ("SF", "vifb", "SF", 1e-9),
    ("SF", "mfif_metrics", "SF", 1e-9),
    ("EN", "vifb", "EN", 1e-9),
    ("EN", "dungdz", "EN", 1e-9),
    ("MI", "py_ref", "MI_bits", 1e-9),
    ("MI", "dungdz", "MI", 1e-9),
    ("Q_MI", "py_ref", "NMI_hossny", 1e-9),
    ("Q_MI", "mfif_metrics", "Q_MI", 1e-9),
]


@pytest.mark.parametrize(("label", "peer", "name", "tolerance"), PEERS)
def test_published_codes_give_the_same(peers: Any, label: str, peer: str, name: str, tolerance: float) -> None:
    metric = next(m for m in METRICS if m.label == label)
    assert metric(*peers.images).item() == pytest.approx(peers.values[peer][name], rel=tolerance)
