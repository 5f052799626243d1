"""Witnesses: what a crop scores, closed forms, what lies outside has no say, and the foreground of drawn heads."""

import pytest
import torch
from fusebench.metrics.base import score
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.foreground import foreground
from fusebench.metrics.maps import inside
from fusebench.metrics.profiles import score as score_profile
from torch import Tensor

# Sums of thousands of float64 terms in another order.
SUMS = 1e-11

LARGE = (200, 210)
WITHIN = (slice(None), slice(17, 190), slice(11, 195))


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=noise).to(torch.uint8)


@pytest.fixture
def triple(noise: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    return random(noise, 1, *LARGE), random(noise, 1, *LARGE), random(noise, 2, *LARGE)


@pytest.fixture
def rectangle() -> Tensor:
    mask = torch.zeros(1, *LARGE, dtype=torch.bool)
    mask[WITHIN] = True
    return mask


def test_pixels_in_a_rectangle_score_what_the_rectangle_cut_out_does(
    triple: tuple[Tensor, Tensor, Tensor], rectangle: Tensor
) -> None:
    metrics = [metric for metric in METRICS if metric.reach == 0]
    assert len(metrics) > 20
    masked, cut = score(*triple, metrics, rectangle), score(*(x[WITHIN] for x in triple), metrics)
    for label in (metric.label for metric in metrics):
        assert torch.allclose(masked[label], cut[label], rtol=SUMS, atol=SUMS), label


def test_a_mask_of_all_pixels_is_none(triple: tuple[Tensor, Tensor, Tensor], rectangle: Tensor) -> None:
    masked, whole = score(*triple, METRICS, torch.ones_like(rectangle)), score(*triple, METRICS)
    for metric in METRICS:
        if metric.local:
            assert torch.allclose(masked[metric.label], whole[metric.label], rtol=SUMS), metric.label
        else:
            assert masked[metric.label].isnan().all(), metric.label


def test_what_lies_far_outside_has_no_say(
    triple: tuple[Tensor, Tensor, Tensor], rectangle: Tensor, noise: torch.Generator
) -> None:
    # A middle part: VIF's windows reach furthest, 17, 9, 5 and 3 pixels at steps of 1, 2, 4 and 8.
    mask = torch.zeros_like(rectangle)
    mask[:, 70:130, 75:140] = True
    near = torch.zeros_like(rectangle)
    near[:, 20:180, 25:190] = True
    other = [torch.where(near, x, random(noise, *x.shape)) for x in triple]
    local = [metric for metric in METRICS if metric.local and metric.reach <= 50]
    one, two = score(*triple, local, mask), score(*other, local, mask)
    for label, scores in one.items():
        assert torch.allclose(scores, two[label], rtol=SUMS), label
    assert not torch.allclose(score(*triple, local)["VIF"], score(*other, local)["VIF"], rtol=1e-3)


def test_windows_are_averaged_over_the_pixels_in_their_middle() -> None:
    # The upper half is kept, the lower half is not: SSIM inside the upper is that of equal images.
    x = (torch.arange(40 * 40) % 251).to(torch.uint8).view(1, 40, 40)
    fused = x.clone()
    fused[:, 20:] = 0
    upper = torch.zeros(1, 40, 40, dtype=torch.bool)
    upper[:, :15] = True
    ssim = [metric for metric in METRICS if metric.label == "SSIM"]
    assert score(x, x, fused, ssim, upper)["SSIM"].item() == pytest.approx(1, rel=SUMS)
    upper[:, 15] = True  # whose windows see row 20
    assert 0.5 < score(x, x, fused, ssim, upper)["SSIM"].item() < 1 - 1e-6


@pytest.mark.parametrize(
    ("length", "step", "expected"),
    # Of 8 pixels: windows of 3, pairs (the later pixel), cells of 2 (their second), cells of 4 (their third).
    [(6, 1, [1, 2, 3, 4, 5, 6]), (7, 1, [1, 2, 3, 4, 5, 6, 7]), (4, 2, [1, 3, 5, 7]), (2, 4, [2, 6])],
)
def test_a_value_belongs_to_the_pixel_in_its_middle(length: int, step: int, expected: list[int]) -> None:
    for row in range(8):
        mask = torch.zeros(1, 8, 8, dtype=torch.bool)
        mask[:, row] = True
        found = inside(torch.ones(1, length, length), mask, 0, step)[0, :, 0].nonzero().flatten().tolist()
        assert found == [i for i, place in enumerate(expected) if place == row]


def test_each_fused_image_can_have_its_own_mask(triple: tuple[Tensor, Tensor, Tensor], rectangle: Tensor) -> None:
    a, b, fused = triple
    masks = torch.cat([rectangle, rectangle.flip(1)])
    together = score(a, b, fused, METRICS, masks)
    for n in range(2):
        alone = score(a, b, fused[n : n + 1], METRICS, masks[n : n + 1])
        for label, scores in alone.items():
            assert torch.allclose(together[label][n], scores[0], rtol=1e-9, equal_nan=True), label


@pytest.mark.parametrize("mask", [torch.zeros(1, 9, 9, dtype=torch.bool), torch.ones(1, 9, 9)])
def test_what_is_no_mask_is_refused(mask: Tensor) -> None:
    with pytest.raises(ValueError, match="bool and has a pixel"):
        score_profile(*[torch.zeros(1, 9, 9)] * 3, "seed", mask)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="one size"):
        score_profile(*[torch.zeros(1, 9, 9)] * 3, "seed", torch.ones(1, 9, 8, dtype=torch.bool))


def test_the_foreground_of_a_head_is_the_head(noise: torch.Generator) -> None:
    rows, columns = torch.arange(64).view(-1, 1) - 31, torch.arange(64) - 33
    radius = (rows.square() + columns.square()).double().sqrt()
    head = radius <= 24
    skull = torch.where(head & (radius > 20), 255, 0)
    brain = torch.where(radius <= 20, 60 + torch.randint(0, 60, (64, 64), generator=noise), 0)
    brain[31, 33] = 0  # a hole
    skull[2, 2] = 255  # a speck
    air = torch.randint(0, 4, (64, 64), generator=noise)
    ct, mri = (torch.maximum(x, air).to(torch.uint8)[None] for x in (skull, brain))
    assert torch.equal(foreground(ct, mri)[0], head)
    assert torch.equal(foreground(ct, mri), foreground(mri, ct))


def test_constant_sources_have_no_foreground() -> None:
    with pytest.raises(ValueError, match="constant"):
        foreground(torch.zeros(1, 9, 9), torch.ones(1, 9, 9))
