"""Properties of every metric, as its record states them: range, scores of equal and constant images, what is undefined.

Witness: the definitions. All metrics are scored in one call, so a drawn triple is cheap.
"""

import math
import pickle
from pathlib import Path

import pytest
import torch
from fusebench.datasets import image, phantom
from fusebench.metrics.base import DEGENERATE, score
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.profiles import PROFILES
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

FACTS = {metric.label: metric for metric in METRICS}  # a record says what is known of its scores

# Sums of float64 in another order; ranges are met to rounding.
ROUNDING = 1e-9


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=noise).to(torch.uint8)


def drawn(kind: str, seed: int, *shape: int) -> Tensor:
    """Draw images of one kind."""
    noise = random(torch.Generator().manual_seed(seed), *shape)
    place = torch.arange(shape[-1])
    kinds = {
        "noise": noise,
        "dim": noise // 64,
        "saturated": 255 * (noise > 127),
        "ramp": place * (1 + seed % 7) % 256,
        "half empty": noise * (place > shape[-1] // 2),
        "spot": noise * (place == seed % shape[-1]),
        "white": torch.tensor(255),
        "constant": torch.tensor(seed % 256),
    }
    return kinds[kind].to(torch.uint8).expand(shape).clone()


@st.composite
def triples(draw: st.DrawFn, least: int = 3, most: int = 44) -> tuple[Tensor, Tensor, Tensor]:
    """Draw two sources and two fused images of each pair."""
    shape = draw(st.integers(least, most)), draw(st.integers(least, most))
    kinds = st.sampled_from(("noise", "dim", "saturated", "ramp", "half empty", "spot", "white", "constant"))
    seeds = st.integers(0, 1 << 16)
    a, b, fused = (drawn(draw(kinds), draw(seeds), n, *shape) for n in (1, 1, 2))
    source = draw(st.sampled_from(["none", "a", "average"]))
    if source == "a":
        fused[1] = a[0]
    if source == "average":
        fused[1] = ((a[0].long() + b[0].long()) // 2).to(torch.uint8)
    return a, b, fused


def degenerate(a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """Give the images of `DEGENERATE`, and behind them the average of the sources."""
    average = (a.double() + b.double()) / 2
    noise = torch.rand(a.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    levels = (
        0 * average,
        0 * average + 128,
        0 * average + 255,
        255 * noise,
        average.mean() + (average - average.mean()) / 8,
    )
    images = [image.round().to(torch.uint8) for image in (*levels, average)]
    return dict(zip((*DEGENERATE, "average"), images, strict=True))


def rewarded(a: Tensor, b: Tensor) -> dict[str, set[str]]:
    """Say of each default metric which degenerate images score better than the average."""
    images = degenerate(a, b)
    scores = score(a, b, torch.cat([*images.values()]), PROFILES["default"])
    found = {}
    for metric in PROFILES["default"]:
        sign = 1 if metric.higher_is_better else -1
        *others, average = (sign * scores[metric.label]).tolist()
        found[metric.label] = {name for name, other in zip(DEGENERATE, others, strict=True) if other > average}
    return found


def pixels(kind: str, shared: Path | None = None, name: str = "") -> list[Tensor]:
    """Read a synthetic pair, or a real one, as 8-bit images, (1, H, W)."""
    if shared is None:
        pair = phantom.pair(kind, 20)
        images = [pair.a, pair.b]
    else:
        folder = shared / "data" / "medical" / kind
        images = [image.read(folder / modality / f"{name}.png")[0] for modality in kind.split("-")]
    return [(255 * x).round().to(torch.uint8)[None] for x in images]


@pytest.mark.parametrize("kind", ["CT-MRI", "CT-PET", "SPECT-MRI", "PET-MRI"])
def test_what_is_no_fusion_scores_no_better_than_the_average_unless_the_record_says_so(kind: str) -> None:
    for label, names in rewarded(*pixels(kind)).items():
        stated = next(metric for metric in METRICS if metric.label == label).rewards
        assert names <= set(stated), label


def test_what_a_record_says_that_it_rewards_is_rewarded_on_some_pair(shared: Path) -> None:
    real = (("CT-MRI", "16012"), ("PET-MRI", "25037"), ("PET-MRI", "30049"), ("SPECT-MRI", "28013"))
    found: dict[str, set[str]] = {}
    for pair in (pixels("CT-PET"), *(pixels(kind, shared, name) for kind, name in real)):
        for label, names in rewarded(*pair).items():
            found.setdefault(label, set()).update(names)
    assert found == {metric.label: set(metric.rewards) for metric in PROFILES["default"]}


def agree(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=ROUNDING, atol=ROUNDING, equal_nan=True)


@settings(max_examples=50)
@given(triples())
def test_scores_keep_to_their_range_and_are_nan_only_where_they_say_so(triple: tuple[Tensor, Tensor, Tensor]) -> None:
    side = min(triple[0].shape[1:])
    for label, scores in score(*triple, METRICS).items():
        facts = FACTS[label]
        low, high = facts.range
        margin = 1e-6 * max(1, abs(low) if math.isfinite(low) else 1)
        for value in scores.tolist():
            if math.isnan(value):
                assert facts.undefined or side < facts.least, label
            else:
                assert low - margin <= value <= high + margin, (label, value)
                assert not math.isinf(value) or facts.infinite, label
                assert math.copysign(1, value) > 0 or value < 0, f"{label} is -0"


@settings(max_examples=10)
@given(st.integers(0, 1 << 16), st.integers(41, 60), st.integers(41, 60))
def test_equal_images_have_the_score_that_the_record_states(seed: int, height: int, width: int) -> None:
    x = drawn("noise", seed, 1, height, width)
    for label, scores in score(x, x, x, METRICS).items():
        if (expected := FACTS[label].identical) is not None and min(height, width) >= FACTS[label].least:
            assert scores.item() == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True), label


def test_large_equal_images_have_the_score_that_the_record_states(noise: torch.Generator) -> None:
    x = random(noise, 1, 165, 161)
    for label, scores in score(x, x, x, METRICS).items():
        if (expected := FACTS[label].identical) is not None:
            assert scores.item() == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True), label


@pytest.mark.parametrize("level", [1, 9, 254, 255])
def test_equal_constant_images_have_the_score_that_the_record_states(level: int) -> None:
    x = torch.full((1, 48, 44), level, dtype=torch.uint8)
    for label, scores in score(x, x, x, METRICS).items():
        if (expected := FACTS[label].constant) is not None and FACTS[label].least <= 44:
            assert scores.item() == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True), label


@settings(max_examples=15)
@given(triples())
def test_the_order_of_the_sources_does_not_matter(triple: tuple[Tensor, Tensor, Tensor]) -> None:
    a, b, fused = triple
    one, other = score(a, b, fused, METRICS), score(b, a, fused, METRICS)
    for label, scores in one.items():
        assert FACTS[label].ordered or agree(scores, other[label]), label


def test_the_order_of_the_sources_matters_where_the_definition_prefers_one(noise: torch.Generator) -> None:
    # Five halvings and windows of up to 17 pixels fit; nothing is even.
    a, b, fused = (random(noise, 2, 177, 181) for _ in range(3))
    a[..., :60], b[..., 40:90] = 0, 255
    one, other = score(a, b, fused, METRICS), score(b, a, fused, METRICS)
    assert {label for label, scores in one.items() if not agree(scores, other[label])} == {
        metric.label for metric in METRICS if metric.ordered
    }


@settings(max_examples=15)
@given(triples())
def test_a_batch_scores_like_its_images(triple: tuple[Tensor, Tensor, Tensor]) -> None:
    a, b, fused = triple
    together = score(a, b, fused, METRICS)
    for n in range(2):
        for label, scores in score(a, b, fused[n : n + 1], METRICS).items():
            assert agree(together[label][n : n + 1], scores), label


def test_a_mask_for_each_of_many_images_is_its_own_whatever_is_kept(noise: torch.Generator) -> None:
    # More than one portion of fused images, one pair of sources, and a mask that differs from image to image.
    a, b = random(noise, 1, 256, 256), random(noise, 1, 256, 256)
    fused = ((a.long() + b.long()) // 2).to(torch.uint8).expand(65, -1, -1).clone()
    masks = torch.zeros(65, 256, 256, dtype=torch.bool)
    masks[:64, :128] = True
    masks[64:, 64:] = True
    metrics = PROFILES["seed"]
    together = score(a, b, fused, metrics, masks)
    for n in (0, 63, 64):
        alone = score(a, b, fused[n : n + 1], metrics, masks[n : n + 1])
        for label, scores in alone.items():
            assert agree(together[label][n : n + 1], scores), label


def test_records_travel(noise: torch.Generator) -> None:
    a, b, fused = (random(noise, 1, 12, 12) for _ in range(3))
    for metric in METRICS:
        copy = pickle.loads(pickle.dumps(metric))  # noqa: S301  our own
        assert torch.allclose(copy(a, b, fused), metric(a, b, fused), rtol=0, atol=0, equal_nan=True), metric.label


def test_images_that_are_no_batches_of_tensors_are_told_the_cure(noise: torch.Generator) -> None:
    x = random(noise, 1, 170, 170)
    for metric in METRICS:
        with pytest.raises(TypeError, match=r"not numpy.ndarray; torch.from_numpy\(x\)\[None\]"):
            metric(x, x, x.numpy())  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"not \(170, 170\); x\[None\] makes"):
            metric(x, x, x[0])


def test_portions_of_fused_images_score_like_all(noise: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, fused = (random(noise, 5, 20, 24) for _ in range(3))
    mask = random(noise, 5, 20, 24) > 90
    whole, inside = score(a, b[:1], fused, METRICS), score(a, b[:1], fused, METRICS, mask)
    monkeypatch.setattr("fusebench.metrics.base.PORTION", 2 * 20 * 24)
    monkeypatch.setattr("fusebench.metrics.base.KEPT", 40 * 20 * 24 * 8)  # some of what is shared is made again
    for label, scores in score(a, b[:1], fused, METRICS).items():
        assert agree(scores, whole[label]), label
    for label, scores in score(a, b[:1], fused, METRICS, mask).items():
        assert agree(scores, inside[label]), label


def test_what_a_metric_makes_is_on_the_device_of_its_images(noise: torch.Generator) -> None:
    # Tensors that are made without a device would be on the default one, and mixing the two is refused.
    triple = [random(noise, 1, 163, 165) for _ in range(3)]
    mask = random(noise, 1, 163, 165) > 90
    expected, inside = score(*triple, METRICS), score(*triple, METRICS, mask)
    with torch.device("meta"):
        elsewhere, masked = score(*triple, METRICS), score(*triple, METRICS, mask)
    for label, scores in expected.items():
        assert torch.equal(elsewhere[label].nan_to_num(-1), scores.nan_to_num(-1)), label
        assert torch.equal(masked[label].nan_to_num(-1), inside[label].nan_to_num(-1)), label
