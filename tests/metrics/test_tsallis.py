"""Witnesses: closed forms, limits, properties, and values of published codes."""

import math
from typing import Any

import pytest
import torch
from fusebench.metrics import tsallis as t
from fusebench.metrics.base import Metric
from fusebench.metrics.mutual_information import entropy, fusion_mutual_information, mutual_information
from torch import Tensor

# Sums of a few thousand float64 terms.
CLOSED = 1e-12


def random(noise: torch.Generator, *shape: int, levels: int = 256) -> Tensor:
    return torch.randint(0, levels, shape, generator=noise).to(torch.uint8)


@pytest.mark.parametrize("q", [t.CVEJIC, t.NAVA, 2.0])
def test_score_of_four_levels_by_hand(q: float) -> None:
    a = (torch.arange(8) >= 4).to(torch.uint8).expand(1, 8, 8)
    # f tells a: four pairs (level of f, level of a) with p = 1/4 each, and marginals 1/4 and 1/2.
    each = (1 - 4 * 0.25**q / 0.125 ** (q - 1)) / (1 - q)
    score = t.tsallis_fusion_information(a, a.mT, 100 * a + 50 * a.mT, q)
    assert score.item() == pytest.approx(2 * each, rel=CLOSED)
    stated = {t.CVEJIC: 1.8882374711097896, t.NAVA: 1.1457124436222919}
    assert 2 * each == pytest.approx(stated.get(q, 2), rel=CLOSED)


@pytest.mark.parametrize("q", [t.CVEJIC, t.NAVA])
def test_information_of_an_image_with_itself_is_its_entropy_of_the_mirrored_order(
    q: float, noise: torch.Generator
) -> None:
    x = random(noise, 3, 30, 30)
    assert torch.allclose(t.tsallis_information(x, x, q), t.tsallis_entropy(x, 2 - q), rtol=1e-10)


def test_order_one_is_shannons_limit(noise: torch.Generator) -> None:
    x, y = random(noise, 2, 30, 30, levels=8), random(noise, 2, 30, 30, levels=8)
    nats = math.log(2)
    # The first order in q - 1 = 1e-6 is left, times moments of log p of about 10; differences of 1 lose 10 digits.
    assert torch.allclose(t.tsallis_entropy(x, 1 + 1e-6), nats * entropy(x), rtol=1e-5)
    assert torch.allclose(t.tsallis_information(x, y, 1 + 1e-6), nats * mutual_information(x, y), rtol=1e-4)


def test_order_one_of_the_normalised_score_is_information_over_joint_entropy(noise: torch.Generator) -> None:
    a, b, fused = (random(noise, 2, 30, 30, levels=8) for _ in range(3))
    joint = entropy(a) + entropy(b) - mutual_information(a, b)
    limit = fusion_mutual_information(a, b, fused) / joint
    assert torch.allclose(t.normalised_tsallis_information(a, b, fused, 1 + 1e-6), limit, rtol=1e-4)


@pytest.mark.parametrize("q", [t.CVEJIC, t.NAVA])
def test_information_of_an_independent_pair_is_zero_and_of_any_other_positive(q: float, noise: torch.Generator) -> None:
    rows = torch.arange(64, dtype=torch.uint8).view(1, -1, 1).expand(1, 64, 64)
    assert t.tsallis_information(rows, rows.mT, q).item() == pytest.approx(0, abs=1e-11)
    x, y = random(noise, 4, 30, 30), random(noise, 4, 30, 30)
    assert (t.tsallis_information(x, y, q) > 0).all()
    assert torch.allclose(t.tsallis_information(x, y, q), t.tsallis_information(y, x, q), rtol=CLOSED)


def test_true_marginals_are_blind_to_renaming_grey_levels_and_transposed_ones_are_not(noise: torch.Generator) -> None:
    x, y = random(noise, 1, 30, 30, levels=16), random(noise, 1, 30, 30, levels=16)
    names = torch.randperm(256, generator=noise).to(torch.uint8)
    renamed = names[x.long()]
    true = t.tsallis_information(x, y, t.CVEJIC)
    assert torch.allclose(t.tsallis_information(renamed, y, t.CVEJIC), true, rtol=CLOSED)
    transposed = t.tsallis_information(x, y, t.CVEJIC, transposed=True)
    assert not torch.allclose(t.tsallis_information(renamed, y, t.CVEJIC, transposed=True), transposed, rtol=0.1)


def test_transposed_marginals_by_hand() -> None:
    # x: 0, 0, 0, 1, y: 0, 1, 0, 1. p(0, 0) = 1/2, p(0, 1) = p(1, 1) = 1/4; p_x = (3/4, 1/4), p_y = (1/2, 1/2).
    x, y = torch.tensor([[[0, 0], [0, 1]]]).to(torch.uint8), torch.tensor([[[0, 1], [0, 1]]]).to(torch.uint8)
    # q = 2, pairs (i, j) divided by p_y(i) p_x(j): (0, 0) 3/8, (0, 1) 1/8, (1, 1) 1/8.
    expected = (0.25 / 0.375 + 0.0625 / 0.125 + 0.0625 / 0.125) - 1
    assert t.tsallis_information(x, y, 2, transposed=True).item() == pytest.approx(expected, rel=CLOSED)


def test_stretching_spreads_to_the_ends_and_keeps_levels_apart(noise: torch.Generator) -> None:
    x = random(noise, 3, 30, 30, levels=100) + 40
    y = t.stretched(x)
    assert y.amin(dim=(1, 2)).tolist() == [0] * 3
    assert y.amax(dim=(1, 2)).tolist() == [255] * 3
    assert torch.allclose(mutual_information(x, y), entropy(x), rtol=CLOSED)
    flat = torch.full((1, 4, 4), 7, dtype=torch.uint8)
    assert torch.equal(t.stretched(flat), flat)


def test_constant_images_have_defined_scores(noise: torch.Generator) -> None:
    flat, x = torch.full((1, 8, 8), 77, dtype=torch.uint8), random(noise, 1, 8, 8)
    for a, b, fused in ((flat, flat, flat), (x, flat, flat), (x, x, flat), (flat, flat, x)):
        assert t.tsallis_fusion_information(a, b, fused).item() == pytest.approx(0, abs=CLOSED)
        assert t.normalised_tsallis_information(a, b, fused).item() == pytest.approx(0, abs=CLOSED)
    # Its own limit: a constant fused image is the best there is.
    assert t.entropy_difference(x, x, flat).item() == pytest.approx(2 * entropy(x).item(), rel=CLOSED)


@pytest.mark.parametrize("q", [1.0, 0.0, -1.0])
def test_orders_that_are_none_are_refused(q: float) -> None:
    x = torch.zeros(1, 4, 4)
    with pytest.raises(ValueError, match="the order is positive and not 1"):
        t.tsallis_information(x, x, q)
    with pytest.raises(ValueError, match="the order is positive and not 1"):
        t.tsallis_entropy(x, q)


@pytest.mark.parametrize(
    ("metric", "peer", "name", "tolerance"),
    [
        (t.Q_TE, "py_ref", "TE_q1.85_sum", 1e-9),
        # Values from Octave have 10 digits.
        (t.Q_TE_ZHENGLIU, "zhengliu", "TE_cvejic_q1.85_swapped", 1e-9),
        (t.Q_TE_CSLIB, "py_ref", "TE_q1.85_swapped_no_stretch", 1e-9),
        (t.Q_TE_IVIF_ZOO, "ivif_zoo", "TE", 1e-6),  # float32
        (t.Q_NTE_ZHENGLIU, "zhengliu", "Q_TE_nava_q0.43137", 1e-9),
    ],
    ids=lambda x: x.label if isinstance(x, Metric) else str(x),
)
def test_published_codes_give_the_same(metric: Metric, peer: str, name: str, tolerance: float, peers: Any) -> None:
    assert metric(*peers.images).item() == pytest.approx(peers.values[peer][name], rel=tolerance)


def test_the_numerator_of_the_normalised_score_is_the_reference(peers: Any) -> None:
    # No code computes the whole; the sum of informations of that order is known.
    score = t.tsallis_fusion_information(*peers.images, t.NAVA)
    assert score.item() == pytest.approx(peers.values["py_ref"]["TE_q0.43137_sum"], rel=1e-9)
