"""Witnesses: each map pooled by hand, where on the image its values lie, and closed forms."""

import numpy as np
import pytest
import torch
from fusebench.metrics import chroma
from fusebench.metrics.base import Metric
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.maps import Map
from torch import Tensor

MAPPED = [metric for metric in (*METRICS, *chroma.RECORDS) if metric.map is not None]

HEIGHT, WIDTH = 177, 181  # five halvings and windows of up to 17 pixels fit; nothing is even


def drawn(metric: Metric, noise: torch.Generator) -> list[Tensor]:
    """Draw two sources and two fused images."""
    channels = (3,) if metric.family == "colour" else ()
    shapes = ((n, *channels, HEIGHT, WIDTH) for n in (1, 1, 2))
    return [torch.randint(0, 256, shape, generator=noise).to(torch.uint8) for shape in shapes]


def by_hand(found: Map, mask: np.ndarray) -> list[float]:
    """Pool a map inside a mask, (2, H, W), image by image."""
    scales = [found]
    while scales[-1].coarser is not None:
        scales.append(scales[-1].coarser)
    pooled = []
    for n in range(2):
        values = weights = 0.0
        for scale in scales:
            counts = mask[n][np.ix_(*(places.numpy() for places in scale.places(HEIGHT, WIDTH)))]
            of_image = scale.values[n].numpy()
            weight = np.ones_like(of_image) if scale.weights is None else scale.weights.expand(2, -1, -1)[n].numpy()
            values, weights = values + of_image[counts].sum(), weights + weight[counts].sum()
        pooled.append(values / weights)
    return pooled


@pytest.mark.parametrize("metric", MAPPED, ids=lambda m: m.label)
def test_pooling_the_map_gives_the_score(metric: Metric, noise: torch.Generator) -> None:
    images = drawn(metric, noise)
    local = metric.map(*images)  # type: ignore[misc]
    mask = torch.zeros(2, HEIGHT, WIDTH, dtype=torch.bool)
    mask[0, 20:110, 30:160] = mask[1, 40:, :90] = True
    for where in (None, mask):
        assert torch.equal(local.pool(where), metric(*images, where))
        inside = (torch.ones_like(mask) if where is None else where).numpy()
        for found in local.maps:
            assert found.pool(where).tolist() == pytest.approx(by_hand(found, inside), rel=1e-11)


@pytest.mark.parametrize("metric", MAPPED, ids=lambda m: m.label)
def test_a_map_lies_in_the_middle_of_the_image(metric: Metric, noise: torch.Generator) -> None:
    for found in metric.map(*drawn(metric, noise)).maps:  # type: ignore[misc]
        assert found.values.dtype == torch.float64
        assert found.drawn.shape == found.values.shape
        assert found.values.shape[0] == 2
        for places, size in zip(found.places(HEIGHT, WIDTH), (HEIGHT, WIDTH), strict=True):
            assert (places.diff() == found.step).all()
            assert int(places[0]) + int(places[-1]) - (size - 1) in {0, 1}


def test_what_is_drawn_of_a_weighted_map_is_the_value_and_not_its_share() -> None:
    weights = torch.tensor([[[1.0, 3.0, 0.0]]])
    local = Map(weights * torch.tensor([[[0.5, 1.0, 7.0]]]), weights)
    assert local.drawn[0, 0, :2].tolist() == [0.5, 1.0]
    assert local.drawn[0, 0, 2].isnan()
    assert local.pool().item() == (0.5 + 3) / 4


def test_a_coarser_scale_is_summed_with_the_finer() -> None:
    coarse = Map(torch.full((1, 2, 2), 10.0), torch.full((1, 2, 2), 20.0), 2)
    both = Map(torch.ones(1, 4, 4), torch.ones(1, 4, 4), coarser=coarse)
    assert both.pool().item() == (16 + 40) / (16 + 80)
    corner = torch.zeros(1, 4, 4, dtype=torch.bool)
    corner[:, 1, 1] = True  # where the first value of the coarser scale lies
    assert both.pool(corner).item() == 11 / 21
    corner[:, 1, 1], corner[:, 0, 0] = False, True  # where none of it lies
    assert both.pool(corner).isnan().item()


def test_formulas_are_of_what_is_pooled() -> None:
    x, y = Map(torch.tensor([[[1.0, 3.0]]])), Map(torch.tensor([[[4.0, 8.0]]]))
    assert (x + y).pool().item() == 8
    assert (x * y).pool().item() == 12
    assert (0.5 * x).pool().item() == 1
    assert x.then(torch.sub, y).maps == (x, y)


def test_a_record_has_a_map_or_a_score() -> None:
    fields = {"name": "X", "convention": "mine", "family": "error", "source": "nowhere"}
    for more in ({}, {"map": print, "score": print}):
        with pytest.raises(ValueError, match="X has either a map or a score"):
            Metric(**fields, **more)  # type: ignore[arg-type]


def test_what_has_no_map_is_local_if_its_score_takes_a_mask() -> None:
    unmapped = {metric.label: metric.local for metric in METRICS if metric.map is None}
    assert {label for label, local in unmapped.items() if not local} == {"FMI_dct", "AG@vifb", "SD@mfif"}
