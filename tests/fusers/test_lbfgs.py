"""Batched L-BFGS against closed forms, and the properties that make a batch many single runs."""

import pytest
import torch
from fusebench.fusers.neural.lbfgs import minimise
from torch import Tensor

IDENTITY = lambda vector, rows: vector  # noqa: E731, ARG005


def quadratic(scales: Tensor, centre: float = 0.0) -> "tuple[list[list[int]], object]":
    """Sum of scales * (x - centre)^2 / 2, and a list that collects which rows were evaluated."""
    seen: list[list[int]] = []

    def evaluate(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(rows.tolist())
        scale = scales[rows]
        return (scale * (x - centre).square() / 2).sum(dim=(1, 2)).double(), scale * (x - centre)

    return seen, evaluate


def test_a_quadratic_of_few_curvatures_ends_exactly() -> None:
    # In exact arithmetic L-BFGS with exact line searches needs as many steps as there are curvatures; with steps of
    # length 1, a few more. Witness: the minimum is the centre.
    scales = torch.tensor([1.0, 3.0, 10.0], dtype=torch.float64).repeat(1, 4, 2)
    _, evaluate = quadratic(scales, centre=5)
    x, losses = minimise(evaluate, torch.zeros(1, 4, 6, dtype=torch.float64), IDENTITY, tolerance=1e-12, most=40)
    assert torch.allclose(x, torch.full_like(x, 5), atol=1e-6)
    assert len(losses[0]) < 40


def test_the_inverse_hessian_makes_one_step_enough() -> None:
    scales = torch.logspace(0, 4, 16, dtype=torch.float64).view(1, 4, 4)
    _, evaluate = quadratic(scales)
    start = torch.ones(1, 4, 4, dtype=torch.float64)
    _, losses = minimise(evaluate, start, lambda v, rows: v / scales[rows], tolerance=1e-3, most=40)
    assert losses[0][1] == pytest.approx(0, abs=1e-12)


def test_rosenbrocks_valley_is_followed_to_its_end() -> None:
    # 100 (y - x^2)^2 + (1 - x)^2 has its minimum 0 at (1, 1).
    def evaluate(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
        with torch.enable_grad():
            leaf = x.clone().requires_grad_()
            loss = 100 * (leaf[:, 0, 1] - leaf[:, 0, 0] ** 2) ** 2 + (1 - leaf[:, 0, 0]) ** 2
            return loss.detach(), torch.autograd.grad(loss.sum(), leaf)[0]

    start = torch.tensor([[[-1.2, 1.0]], [[2.0, -1.0]]], dtype=torch.float64)
    x, losses = minimise(evaluate, start, lambda v, rows: v / 100, tolerance=1e-9, most=200)  # noqa: ARG005
    assert torch.allclose(x, torch.ones_like(x), atol=1e-4)
    assert max(len(curve) for curve in losses) < 100


def test_images_do_not_see_each_other_and_the_done_cost_nothing() -> None:
    generator = torch.Generator().manual_seed(3)
    scales = torch.rand(3, 4, 4, generator=generator, dtype=torch.float64) + 0.01
    scales[0] = 1  # done at once
    start = torch.randn(3, 4, 4, generator=generator, dtype=torch.float64)
    seen, evaluate = quadratic(scales)
    x, losses = minimise(evaluate, start, IDENTITY, tolerance=1e-6, most=60)
    lengths = [len(curve) for curve in losses]
    assert len(set(lengths)) > 1
    assert [sum(row in rows for rows in seen) for row in range(3)] == lengths
    for row in range(3):
        _, alone = quadratic(scales[row : row + 1])
        single, curve = minimise(alone, start[row : row + 1], IDENTITY, tolerance=1e-6, most=60)
        # The last bit of a row's sums may depend on the number of rows.
        assert torch.allclose(x[row], single[0], rtol=1e-9, atol=1e-12)
        assert losses[row] == pytest.approx(curve[0], rel=1e-9)


def test_the_number_of_evaluations_is_bounded_and_the_best_is_kept() -> None:
    _, evaluate = quadratic(torch.logspace(0, 6, 16, dtype=torch.float64).view(1, 4, 4))
    start = torch.ones(1, 4, 4, dtype=torch.float64)
    x, losses = minimise(evaluate, start, lambda v, rows: v / 1e6, tolerance=0, most=7)  # noqa: ARG005
    assert len(losses[0]) == 7
    assert evaluate(x, torch.tensor([0]))[0].item() == min(losses[0])


def test_steps_into_nothing_are_shortened() -> None:
    # A function that is NaN far from 0: the first step of length 1 leads there.
    def evaluate(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
        return torch.where(x.abs() < 2, x.square(), torch.nan).sum(dim=(1, 2)).double(), 2 * x

    start = torch.full((1, 1, 1), 1.0)
    x, losses = minimise(evaluate, start, lambda v, rows: 100 * v, tolerance=1e-3, most=30)  # noqa: ARG005
    assert torch.isfinite(x).all()
    assert abs(x.item()) < 0.1
    assert min(losses[0][1:3]) != min(losses[0][1:3]) or len(losses[0]) > 2


def test_bounds_hold_what_the_gradient_pushes_out_of_them() -> None:
    # A coupled quadratic, sum (x - c)^2 / 2 + w (sum x)^2 / 2 over two images. Witness: the conditions of Karush, Kuhn
    # and Tucker: no gradient inside, one that points outwards at a bound.
    generator = torch.Generator().manual_seed(5)
    centre = 6 * torch.rand(2, 3, 4, generator=generator, dtype=torch.float64) - 3
    weight = torch.tensor([0.1, 2.0], dtype=torch.float64).view(2, 1, 1)

    def evaluate(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        c, w = centre[rows], weight[rows]
        total = x.sum(dim=(1, 2), keepdim=True)
        return ((x - c).square().sum(dim=(1, 2)) + (w * total.square())[:, 0, 0]) / 2, x - c + w * total

    start = torch.zeros_like(centre)
    x, losses = minimise(evaluate, start, IDENTITY, tolerance=1e-13, most=100, low=-1, high=1.5)
    _, gradient = evaluate(x, torch.arange(2))
    low, high = x == -1, x == 1.5
    assert low.any()
    assert high.any()
    assert ((x >= -1) & (x <= 1.5)).all()
    assert gradient[low].min() >= 0
    assert gradient[high].max() <= 0
    assert gradient[~(low | high)].abs().max() < 1e-5
    assert max(map(len, losses)) < 100


def test_an_image_whose_levels_stay_is_done() -> None:
    # By a tenth of the way in each step: 40.2 is reached when no level changes any more, long before the tolerance.
    def evaluate(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
        return (x - 40.2).square().sum(dim=(1, 2)).double() + 1e6, 2 * (x - 40.2)

    start = torch.zeros(1, 1, 1, dtype=torch.float64)
    x, losses = minimise(evaluate, start, IDENTITY, tolerance=0, most=50, rounded=True)
    assert x.round().item() == 40
    assert len(losses[0]) < 50
