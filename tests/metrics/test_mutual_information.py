"""Witnesses: closed forms, properties, and values of published codes. More of MI and M is in test_metrics.py."""

import math
from typing import Any

import pytest
import torch
from fusebench.metrics import cross_entropy as ce
from fusebench.metrics import mutual_information as m
from fusebench.metrics.base import Metric
from torch import Tensor

# Sums of a few hundred float64 terms.
CLOSED = 1e-12


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=noise).to(torch.uint8)


def levels(*counts: int) -> Tensor:
    """Make an image of two rows with as many pixels of level k as the k-th count."""
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)).to(torch.uint8).view(1, 2, -1)


def test_divergence_by_hand() -> None:
    # D((1/2, 1/2) || (1/4, 3/4)) = log2(2) / 2 + log2(2/3) / 2; the other source equals f.
    source, fused = levels(4, 4), levels(2, 6)
    expected = (1 - math.log2(1.5)) / 4
    assert ce.cross_entropy(source, fused, fused, prior=0).item() == pytest.approx(expected, rel=CLOSED)
    assert ce.truncated_cross_entropy(source, fused, fused).item() == pytest.approx(expected, rel=CLOSED)


def test_divergence_with_half_a_count_by_hand() -> None:
    # 8 pixels and 256 half counts: (4.5, 4.5, 0.5 ...) against (8.5, 0.5, 0.5 ...), over 136.
    expected = 4.5 / 136 * (math.log2(4.5 / 8.5) + math.log2(4.5 / 0.5))
    assert ce.cross_entropy(levels(4, 4), levels(4, 4), levels(8), prior=0.5).item() == pytest.approx(
        expected, rel=CLOSED
    )


def test_a_missing_level_is_infinite_and_a_new_one_is_not() -> None:
    two, one = levels(4, 4), levels(8)
    assert ce.cross_entropy(two, two, one).item() == math.inf
    assert ce.cross_entropy(one, one, two).item() == pytest.approx(1, rel=CLOSED)


@pytest.mark.parametrize("prior", [0.0, 0.5, 1.0])
def test_divergence_is_zero_for_equal_histograms_and_positive_elsewhere(prior: float, noise: torch.Generator) -> None:
    x, y = random(noise, 3, 20, 30), random(noise, 3, 20, 30)
    shuffled = x.flatten(1)[:, torch.randperm(600, generator=noise)].view(x.shape)
    assert torch.allclose(ce.cross_entropy(x, x, shuffled, prior), torch.zeros(3, dtype=torch.float64), atol=CLOSED)
    assert (ce.cross_entropy(x, x, y, prior) > 0).all()


def test_the_fields_cross_entropy_can_be_negative() -> None:
    # What METRICS' default avoids: only level 0 is in both, and it is more frequent in f.
    assert ce.truncated_cross_entropy(levels(4, 4), levels(4, 4), levels(8)).item() == pytest.approx(-0.5, rel=CLOSED)
    assert ce.cross_entropy(levels(4, 4), levels(4, 4), levels(8)).item() > 0


def test_a_negative_prior_is_refused() -> None:
    with pytest.raises(ValueError, match="prior=-1"):
        ce.cross_entropy(levels(8), levels(8), levels(8), prior=-1)


@pytest.mark.parametrize("score", [ce.cross_entropy, ce.truncated_cross_entropy, ce.sigmoid_cross_entropy])
def test_images_of_two_sizes_are_refused(score: Any) -> None:
    with pytest.raises(ValueError, match="images of one size"):
        score(levels(8), levels(8), levels(10))


def test_sigmoid_cross_entropy_knows_black_and_little_else() -> None:
    black, grey, white = (torch.full((1, 4, 4), level, dtype=torch.uint8) for level in (0, 100, 255))
    assert ce.CE_IVIF_ZOO(grey, grey, white).item() == ce.CE_IVIF_ZOO(grey, grey, grey).item()
    # Target 1/2 and 1/2: f = 0.5 costs ln 2. float32.
    assert ce.sigmoid_cross_entropy(black, black, black).pool().item() == pytest.approx(math.log(2), rel=1e-6)


def test_saturation_counts_for_levels_254_and_255_only(noise: torch.Generator) -> None:
    a, b, fused = (random(noise, 2, 40, 40) for _ in range(3))
    low = [image.clamp(max=254) for image in (a, b, fused)]
    expected = m.fusion_mutual_information(*low)
    assert torch.allclose(m.saturated_mutual_information(*low), expected, rtol=CLOSED)
    # Two levels, as often as not together: the joint histogram's four cells become one.
    a, b, fused = (image // 128 + 254 for image in (a, b, fused))
    lost = m.entropy(a) + m.entropy(b) + 2 * m.entropy(fused)
    assert torch.allclose(m.saturated_mutual_information(a, b, fused), lost, rtol=CLOSED)


def test_mutual_information_per_source_entropy_of_four_levels_by_hand() -> None:
    a = (torch.arange(8) >= 4).to(torch.uint8).expand(1, 8, 8)
    # I = 1 + 1, H(a) = H(b) = 1.
    score = m.mutual_information_per_source_entropy(a, a.mT, 100 * a + 50 * a.mT)
    assert score.item() == pytest.approx(2, rel=CLOSED)
    flat = torch.zeros(1, 8, 8, dtype=torch.uint8)
    assert m.mutual_information_per_source_entropy(flat, flat, a).item() == 0


def test_a_constant_in_the_logarithm_lowers_the_entropy_by_its_first_order(noise: torch.Generator) -> None:
    x = random(noise, 2, 40, 40)
    lowered = m.entropy(x) - m.entropy(x, offset=1e-7)
    # d/d offset of -sum p log2(p + offset) is -(number of levels present) / ln 2; the next term is 1e-7 / p smaller.
    present = torch.tensor([len(image.unique()) for image in x]).double()
    assert torch.allclose(lowered, 1e-7 * present / math.log(2), rtol=1e-3)


def test_joint_probabilities_are_a_distribution_with_the_images_as_marginals(noise: torch.Generator) -> None:
    x, y = random(noise, 1, 20, 30), random(noise, 3, 20, 30)
    joint = m.joint_probabilities(x, y)
    assert joint.shape == (3, 256, 256)
    assert torch.allclose(joint.sum(dim=2), m.probabilities(x).expand(3, -1), atol=CLOSED)
    assert torch.allclose(joint.sum(dim=1), m.probabilities(y), atol=CLOSED)


@pytest.mark.parametrize(
    ("metric", "peer", "name", "tolerance"),
    [
        (m.EN_IVIF_ZOO, "ivif_zoo", "EN", 1e-6),  # float32
        (m.MI_VIFB, "py_ref", "MI_nats", 1e-9),
        (m.MI_VIFB, "kien", "mutual_information", 1e-9),
        (m.MI_TANG, "linfeng_tang", "MI_bits_uint8_saturated", 1e-9),  # 10 digits
        (m.Q_MI, "zhengliu", "Q_MI", 1e-9),
        (m.Q_MI_IVIF_ZOO, "py_ref", "NMI_2MI_over_HA_plus_HB", 1e-9),
        (ce.CE_VIFB, "kien", "cross_entropy", 1e-9),
        (ce.CE_IVIF_ZOO, "ivif_zoo", "CE", 1e-6),  # float32
    ],
    ids=lambda x: x.label if isinstance(x, Metric) else str(x),
)
def test_published_codes_give_the_same(metric: Metric, peer: str, name: str, tolerance: float, peers: Any) -> None:
    assert metric(*peers.images).item() == pytest.approx(peers.values[peer][name], rel=tolerance)
