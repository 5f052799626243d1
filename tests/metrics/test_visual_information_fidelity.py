"""Witnesses: ramps, whose local variance is known at every scale; properties; values of published codes."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.visual_information_fidelity import (
    HAN_ADDED,
    HAN_NOISE,
    HAN_WEIGHTS,
    VIFF,
    WINDOWS,
    visual_information_fidelity,
    visual_information_fidelity_for_fusion,
)
from torch import Tensor

# A ramp's variance is a difference of squares up to 127.5^2, held to some 1e-11, against 0.4 where it is least.
CLOSED = 1e-9

SIZE = 64
# Windows along one side at each scale: 64 - 16; (64 - 8) / 2 - 8; (28 - 4) / 2 - 4; (12 - 2) / 2 - 2.
COUNTS = (48, 20, 8, 3)


def ramp(slope: float) -> Tensor:
    return slope * torch.arange(SIZE, dtype=torch.float64).expand(1, SIZE, SIZE) / 255


def variances(slope: float) -> list[float]:
    """Local variance of the ramp at each scale: a blur keeps the slope, taking every other pixel doubles it."""
    spread = [sum(w * (i - (len(window) - 1) / 2) ** 2 for i, w in enumerate(window)) for window in WINDOWS]
    return [(slope * 2**scale) ** 2 * s for scale, s in enumerate(spread)]


@pytest.mark.parametrize("gain", [0.25, 1.0, 1.5])
def test_vif_of_a_ramp_with_another_slope(gain: float) -> None:
    there = sum(n**2 * math.log(1 + v / 2) for n, v in zip(COUNTS, variances(2), strict=True))
    kept = sum(n**2 * math.log(1 + gain**2 * v / 2) for n, v in zip(COUNTS, variances(2), strict=True))
    assert visual_information_fidelity(ramp(2), ramp(2 * gain)).pool().item() == pytest.approx(kept / there, rel=CLOSED)


@pytest.mark.parametrize("gain", [0.25, 1.0, 1.5])
def test_viff_takes_the_source_that_gained_less(gain: float) -> None:
    # The other source has half the slope, so that its gain is twice as large.
    expected = 0.0
    for weight, v in zip(HAN_WEIGHTS, variances(2), strict=True):
        kept, there = math.log(1 + gain**2 * v / HAN_NOISE), math.log(1 + v / HAN_NOISE)
        expected += weight / 2.15 * (kept + HAN_ADDED) / (there + HAN_ADDED)
    for sources in ((ramp(2), ramp(1)), (ramp(1), ramp(2))):
        assert VIFF(*sources, ramp(2 * gain)).item() == pytest.approx(expected, rel=CLOSED)


def test_equal_images_keep_everything(noise: torch.Generator) -> None:
    x = torch.randint(0, 256, (2, 50, 61), generator=noise).to(torch.uint8)
    x[1, 25:] = 0  # a background
    one = torch.ones(2, dtype=torch.float64)
    # 1e-10 is added to variances of some thousand, and to the noise of 2.
    assert torch.allclose(visual_information_fidelity(x, x).pool(), one, rtol=1e-9)
    assert torch.allclose(visual_information_fidelity_for_fusion(x, x, x).pool(), one, rtol=1e-9)


def test_a_flat_or_inverted_fused_image_keeps_nothing(noise: torch.Generator) -> None:
    x = torch.randint(0, 256, (1, 50, 50), generator=noise).to(torch.uint8)
    for fused in (torch.full_like(x, 255), 255 - x):
        assert visual_information_fidelity(x, fused).pool().item() == 0


def test_a_constant_source_has_nothing_to_keep(noise: torch.Generator) -> None:
    flat = torch.full((1, 50, 50), 255, dtype=torch.uint8)
    x = torch.randint(0, 256, (1, 50, 50), generator=noise).to(torch.uint8)
    assert visual_information_fidelity(flat, x).pool().isnan().all()
    assert VIFF(flat, flat, flat).item() == 1
    # The rule that equal gains take the second source: 1 where nothing was there, 0 where all was lost.
    assert VIFF(x, flat, flat).item() == 1
    assert VIFF(flat, x, flat).item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("score", [lambda x: visual_information_fidelity(x, x).pool(), lambda x: VIFF(x, x, x)])
def test_four_scales_fit_41_pixels(score: Callable[[Tensor], Tensor], noise: torch.Generator) -> None:
    x = torch.rand(2, 41, 41, generator=noise)
    assert torch.allclose(score(x), torch.ones(2, dtype=torch.float64), rtol=1e-9)
    assert score(x[:, 1:]).isnan().all()
    assert score(x[..., 1:]).isnan().all()


# In b is bone at 255, and beside it are windows whose variance is next to 1e-10, where it begins to count: the codes
# round sums of squares there, and differ from ours by up to 1e-7.
TOLERANCE = 1e-6
PEERS = [
    ("VIF", "sewar", "vifp_sum"),
    ("VIF", "torchmetrics", "vif_sum"),
    ("VIF", "dungdz", "VIF"),
    ("VIF", "cddfuse", "VIFp_sum_named_VIFF"),
    ("VIF", "linfeng_tang", "VIFp_sum"),
    ("VIFF", "dungdz", "VIFF"),
    ("VIFF", "mefb", "VIFF"),
    ("VIFF", "mfif_metrics", "VIFF"),
]


@pytest.mark.parametrize("case", ["f_avg", "f_max", "crop64_f_avg"])
@pytest.mark.parametrize(("label", "peer", "name"), PEERS)
def test_published_codes_give_the_same(
    oracle: Callable[[str], Any], case: str, label: str, peer: str, name: str
) -> None:
    images, values = oracle(case)
    metric = next(m for m in METRICS if m.label == label)
    assert metric(*images).item() == pytest.approx(values[peer][name], rel=TOLERANCE)
