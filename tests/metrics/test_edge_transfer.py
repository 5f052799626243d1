"""Witnesses: closed forms, a computation pixel by pixel, properties, and values of published codes."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fusebench.metrics.base import sharing
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.edge_transfer import (
    DUNGDZ,
    IVIF_ZOO,
    MFIF,
    UNFOLDED,
    VIFB,
    edge_artefacts,
    edge_loss,
    edge_transfer,
)
from fusebench.metrics.edges import PETROVIC, XYDEAS, EdgeModel, Sigmoid, sobel
from torch import Tensor

# Sums of a few thousand float64 terms.
CLOSED = 1e-12


def random(noise: torch.Generator, *shape: int, levels: int = 256) -> Tensor:
    return torch.randint(0, levels, shape, generator=noise).to(torch.uint8)


def ramp(height: int, width: int, slope: int = 1) -> Tensor:
    return slope * torch.arange(width, dtype=torch.uint8).expand(1, height, width)


def sigmoid(gain: float, slope: float, centre: float, x: float) -> float:
    return gain / (1 + math.exp(-slope * (x - centre)))


def test_identical_images_have_the_product_of_the_sigmoids_at_one(noise: torch.Generator) -> None:
    x = random(noise, 3, 20, 30)
    expected = 0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4))
    assert expected == pytest.approx(0.9747936249694977, rel=CLOSED)
    assert torch.allclose(edge_transfer(x, x, x).pool(), torch.full((3,), expected, dtype=torch.float64), rtol=CLOSED)
    assert edge_artefacts(x, x, x).pool().tolist() == [0, 0, 0]


def test_half_the_contrast_by_hand(noise: torch.Generator) -> None:
    x = random(noise, 1, 20, 30, levels=100)
    # Qg is at its centre wherever there is an edge, and nothing turns.
    expected = 0.9994 / 2 * 0.9879 / (1 + math.exp(-4.4))
    assert edge_transfer(2 * x, 2 * x, x).pool().item() == pytest.approx(expected, rel=CLOSED)
    assert edge_artefacts(2 * x, 2 * x, x).pool().item() == 0


def test_edges_at_right_angles_by_hand() -> None:
    # Mirrored, so that columns at the border are flat in a ramp along the rows. In an edge's 6 rows out of 8 the other
    # ramp is as strong; in the first and the last it is flat. Both are at right angles to it: alpha is 0 and pi/2.
    model = replace(XYDEAS, mirrored=True)
    a, fused = ramp(8, 8), ramp(8, 8).mT
    strengths = 6 / 8 * sigmoid(0.9994, 15, 0.5, 1) + 2 / 8 * sigmoid(0.9994, 15, 0.5, 0)
    assert edge_transfer(a, a, fused, model).pool().item() == pytest.approx(
        strengths * sigmoid(0.9879, 22, 0.8, 0), rel=CLOSED
    )


def test_loss_of_a_kept_ramp_by_hand() -> None:
    # Slope 8: 6 of 8 columns weigh 8^1.5; the flat ones at the border weigh 0.001 and have the ratio 0.
    x = ramp(8, 8, slope=8)
    kept = math.sqrt(sigmoid(0.9999, 19, 0.5, 1) * sigmoid(0.9995, 22, 0.5, 1))
    flat = math.sqrt(sigmoid(0.9999, 19, 0.5, 0) * sigmoid(0.9995, 22, 0.5, 1))
    edge, floor = 6 * 8**1.5, 2 * 0.001
    expected = ((1 - kept) * edge + (1 - flat) * floor) / (edge + floor)
    assert edge_loss(x, x, x).pool().item() == pytest.approx(expected, rel=1e-9)  # 1 - kept is 3e-4


def test_images_without_edges() -> None:
    black, grey = torch.zeros(1, 8, 8, dtype=torch.uint8), torch.full((1, 8, 8), 77, dtype=torch.uint8)
    assert edge_transfer(black, black, grey).pool().isnan().item()
    # Beyond the border is 0, so the frame of a grey image is an edge.
    assert edge_transfer(grey, grey, grey).pool().item() == pytest.approx(0.9747936249694977, rel=CLOSED)
    flat = math.sqrt(sigmoid(0.9999, 19, 0.5, 0) * sigmoid(0.9995, 22, 0.5, 1))
    assert edge_loss(black, grey, grey).pool().item() == pytest.approx(1 - flat, rel=CLOSED)
    assert 1 - flat == pytest.approx(0.9914, abs=5e-5)
    assert edge_artefacts(black, grey, grey).pool().item() == 0
    assert edge_artefacts(black, grey, grey, IVIF_ZOO).pool().isnan().item()


@pytest.mark.parametrize("model", [XYDEAS, VIFB, MFIF, PETROVIC, DUNGDZ])
@pytest.mark.parametrize("levels", [2, 8, 256])
def test_what_is_kept_lost_and_invented_is_all_there_is(model: EdgeModel, levels: int, noise: torch.Generator) -> None:
    # Few levels: flat pixels and equal strengths in plenty.
    a, b, fused = (random(noise, 4, 12, 9, levels=levels) for _ in range(3))
    total = edge_transfer(a, b, fused, model) + edge_loss(a, b, fused, model) + edge_artefacts(a, b, fused, model)
    assert torch.allclose(total.pool(), torch.ones(4, dtype=torch.float64), rtol=CLOSED)


def test_petrovic_counts_a_pixel_twice_where_the_sources_agree(noise: torch.Generator) -> None:
    a, fused = random(noise, 2, 12, 9, levels=64), random(noise, 2, 12, 9)
    own = edge_artefacts(a, a, fused, counting="petrovic").pool()
    assert torch.allclose(own, 2 * edge_artefacts(a, a, fused).pool(), rtol=CLOSED)
    assert (own > 0).all()


def test_a_negative_has_the_same_lines(noise: torch.Generator) -> None:
    a, b, fused = (random(noise, 2, 12, 9) for _ in range(3))
    mirrored = replace(XYDEAS, mirrored=True)
    for model in (mirrored, PETROVIC):
        assert torch.equal(edge_transfer(a, b, fused, model).pool(), edge_transfer(a, b, 255 - fused, model).pool())
    one, other = (edge_transfer(a, b, image, DUNGDZ).pool() for image in (fused, 255 - fused))
    assert not torch.allclose(one, other, rtol=1e-3)


def test_folded_orientation_does_not_depend_on_the_axes(noise: torch.Generator) -> None:
    triple = [random(noise, 2, 12, 9) for _ in range(3)]
    turned, flipped = [x.rot90(dims=(1, 2)) for x in triple], [x.flip(2) for x in triple]
    for metric in (edge_transfer, edge_loss, edge_artefacts):
        for model in (XYDEAS, PETROVIC):
            exact = metric(*triple, model).pool()
            assert torch.allclose(exact, metric(*turned, model).pool(), rtol=1e-9)  # 1 - Q may be 3e-4
            assert torch.allclose(exact, metric(*flipped, model).pool(), rtol=1e-9)
    one, other = (edge_transfer(*images, UNFOLDED).pool() for images in (triple, turned))
    assert not torch.allclose(one, other, rtol=1e-3)


def test_contrast_common_to_all_images_does_not_count(noise: torch.Generator) -> None:
    a, b, fused = (random(noise, 2, 12, 9, levels=100) for _ in range(3))
    assert torch.allclose(edge_transfer(a, b, fused).pool(), edge_transfer(2 * a, 2 * b, 2 * fused).pool(), rtol=CLOSED)


def pixel_by_pixel(a: Tensor, b: Tensor, fused: Tensor) -> float:
    """Q^AB/F after the paper, with loops and without a tensor's operations."""

    def edges(image: Tensor) -> list[tuple[float, float]]:
        x = np.pad(image.numpy().astype(int), 1).tolist()
        found = []
        for i in range(1, len(x) - 1):
            for j in range(1, len(x[0]) - 1):
                right = sum(w * (x[i + d][j + 1] - x[i + d][j - 1]) for d, w in ((-1, 1), (0, 2), (1, 1)))
                up = sum(w * (x[i - 1][j + d] - x[i + 1][j + d]) for d, w in ((-1, 1), (0, 2), (1, 1)))
                found.append((math.hypot(right, up), math.atan(up / right) if right else math.pi / 2))
        return found

    above = below = 0.0
    for source in (a, b):
        for (g, alpha), (g_f, alpha_f) in zip(edges(source), edges(fused), strict=True):
            ratio = min(g, g_f) / max(g, g_f) if max(g, g_f) else 0
            qg = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5)))
            parallel = abs(abs(alpha - alpha_f) - math.pi / 2) / (math.pi / 2)
            qa = 0.9879 / (1 + math.exp(-22 * (parallel - 0.8)))
            above += g * qg * qa
            below += g
    return above / below


@pytest.mark.parametrize("levels", [2, 256])
def test_the_formula_pixel_by_pixel(levels: int, noise: torch.Generator) -> None:
    a, b, fused = (random(noise, 1, 7, 6, levels=levels) for _ in range(3))
    expected = pixel_by_pixel(a[0], b[0], fused[0])
    assert edge_transfer(a, b, fused).pool().item() == pytest.approx(expected, rel=CLOSED)


def test_levels_held_as_floats_have_the_same_ties() -> None:
    # Of two levels: half of all gradients are equal, and many lines vertical. One ulp would decide otherwise.
    a, b, fused = ((torch.arange(99).view(1, 9, 11) * k % 7 > 3).to(torch.uint8) * 201 for k in (3, 5, 11))
    for kind in (torch.float32, torch.float64):
        held = [x.to(kind) / 255 for x in (a, b, fused)]
        assert torch.equal(edge_transfer(a, b, fused).pool(), edge_transfer(*held).pool())
        assert torch.equal(edge_artefacts(a, b, fused).pool(), edge_artefacts(*held).pool())


def test_sobel_of_a_point() -> None:
    x = torch.zeros(1, 3, 3, dtype=torch.uint8)
    x[0, 1, 1] = 3
    right, up = sobel(x)
    assert right.tolist() == [[[3, 0, -3], [6, 0, -6], [3, 0, -3]]]
    assert up.tolist() == [[[-3, -6, -3], [0, 0, 0], [3, 6, 3]]]
    # Mirrored, two columns are symmetric about each.
    assert all(gradient.abs().max() == 0 for gradient in sobel(ramp(4, 2), mirrored=True))


def test_gradients_are_shared_by_the_metrics(noise: torch.Generator) -> None:
    x = random(noise, 1, 8, 8)
    with sharing():
        assert sobel(x, mirrored=True)[0] is sobel(x, mirrored=True)[0]


def test_a_sigmoid_at_its_centre_is_half_its_gain() -> None:
    assert Sigmoid(0.8, 5, 0.3)(torch.tensor([0.3], dtype=torch.float64)).item() == pytest.approx(0.4, rel=CLOSED)


@pytest.mark.parametrize("metric", [edge_transfer, edge_loss, edge_artefacts])
def test_images_of_two_sizes_are_refused(metric: object) -> None:
    x, y = torch.zeros(1, 4, 4), torch.zeros(1, 4, 5)
    with pytest.raises(ValueError, match=r"\(1, 4, 4\) and \(1, 4, 4\) and \(1, 4, 5\)"):
        metric(x, x, y)  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"\(3, 4, 4\) and \(2, 4, 4\)"):
        metric(x, x.expand(3, -1, -1), x.expand(2, -1, -1))  # type: ignore[operator]


# label of ours -> who computed the value, and its name there, and the relative tolerance. Values from Octave were
# printed with 10 digits, so 1e-8 and 1e-9; cslib, CDDFuse and IVIF_ZOO count in float32.
PEERS = [
    ("Q_ABF@cslib", "cslib", "q_abf_metric", 2e-5),
    ("Q_ABF@vifb", "vifb", "Qabf", 1e-9),
    ("Q_ABF@vifb", "mefb", "Qabf", 1e-9),
    ("Q_ABF@vifb", "linfeng_tang", "Qabf", 1e-9),
    ("Q_ABF@vifb", "cddfuse", "Qabf", 2e-5),
    ("Q_ABF@vifb", "ivif_zoo", "Qabf", 2e-5),
    ("Q_ABF@vifb", "dungdz", "QABF_fast", CLOSED),
    ("Q_ABF@vifb", "kien", "QG", CLOSED),
    ("Q_ABF@mfif", "mfif_metrics", "Q_G", 1e-9),
    ("Q_ABF@zhengliu", "zhengliu", "Q_G", 1e-8),  # its offset of 1e-5 comes before or after a comparison
    ("Q_ABF@dungdz", "dungdz", "QABF", CLOSED),
    ("L_ABF@dungdz", "dungdz", "LABF", CLOSED),
    ("N_ABF@dungdz", "dungdz", "NABF", 1e-11),  # near 1e-8: differences from 1
    ("N_ABF", "linfeng_tang", "Nabf_correct_argument_order", 1e-9),
    ("N_ABF", "cslib", "n_abf_metric", 2e-4),  # near 1e-8, in float32
    ("N_ABF@tang", "linfeng_tang", "Nabf_as_called_wrong_order", 1e-9),
    ("N_ABF@ivif_zoo", "ivif_zoo", "Nabf", 2e-5),
    ("N_ABF@ivif_zoo", "kien", "nabf", 1e-11),
]


@pytest.mark.parametrize(("label", "peer", "name", "tolerance"), PEERS)
def test_published_codes_give_the_same(peers: Any, label: str, peer: str, name: str, tolerance: float) -> None:
    metric = next(m for m in METRICS if m.label == label)
    assert metric(*peers.images).item() == pytest.approx(peers.values[peer][name], rel=tolerance)


def test_artefacts_as_petrovic_counts_them(peers: Any) -> None:
    score = edge_artefacts(*peers.images, DUNGDZ, counting="petrovic").pool().item()
    assert score == pytest.approx(peers.values["dungdz"]["NABF1"], rel=1e-11)


@pytest.mark.parametrize(("case", "difference"), [("f_avg", 1.5e-7), ("f_max", 3e-4), ("crop64_f_avg", 5e-8)])
def test_the_ratio_of_equal_strengths_is_all_that_vifb_does_otherwise(
    oracle: Callable[[str], Any], case: str, difference: float
) -> None:
    # The maximum of the sources has many edges of just their strength.
    images, values = oracle(case)
    assert edge_transfer(*images, UNFOLDED).pool().item() == pytest.approx(values["vifb"]["Qabf"], rel=difference)
