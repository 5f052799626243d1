"""L-BFGS between bounds for many images at once: each has its own history, step and end, evaluations are shared."""

from collections import deque
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

# A function of the images that are not done, (n, H, W), and of their rows in the batch. It gives their losses, (n,)
# float64, and gradients, (n, H, W).
Evaluate = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
# A function of vectors, (n, H, W), and their rows. It gives their products with the initial inverse Hessian, which is
# symmetric and positive definite.
Inverse = Callable[[Tensor, Tensor], Tensor]

HISTORY = 10
# A step must lower the loss by at least this part of what the slope predicts: Armijo's condition, its usual constant.
ARMIJO = 1e-4
# An image is done when each of its last STEPS steps has lowered the loss by less than the tolerance.
STEPS = 5


def minimise(
    evaluate: Evaluate,
    start: Tensor,
    inverse: Inverse,
    *,
    tolerance: float,
    most: int,
    low: float = -torch.inf,
    high: float = torch.inf,
    rounded: bool = False,
) -> tuple[Tensor, list[list[float]]]:
    """Minimise a function of each image of a batch, over images whose pixels lie between two bounds.

    The two-loop recursion with the last 10 steps, from an initial inverse Hessian that is scaled in each iteration by
    s'y / y'Hy; a step of length 1 first, shortened by the parabola through what is known, to between a tenth and a
    half, until the loss falls enough: nearly always an iteration is one evaluation. An image whose step is still being
    shortened shares its evaluations with the others' iterations; one that is done leaves the batch.

    A pixel at a bound that the gradient pushes outwards stays there: with M the mask of the others, the direction is
    -M H M g. Along it the image is clipped to the bounds, and the loss must fall as the slope of the clipped step says.

    Parameters
    ----------
    evaluate, inverse
        See `Evaluate` and `Inverse`.
    start
        Images to start from, shape (N, H, W).
    tolerance
        An image is done when its last 5 steps have lowered the loss by less than this part of it each, on average.
    most
        Evaluations at most, for each image.
    low, high
        The bounds, between which `start` lies.
    rounded
        Whether only whole numbers are kept of the images. One is then done, too, when a step of length 1 changes none.

    Returns
    -------
    images, losses
        The best image of each, shape (N, H, W); and for each the loss of every evaluation.

    Notes
    -----
    J. Nocedal, S. J. Wright, Numerical Optimization, 2nd ed., 2006, algorithms 7.4 and 3.1. Wolfe's second condition is
    not enforced; a step of negative curvature is taken and not remembered. D. P. Bertsekas, Projected Newton methods
    for optimization problems with simple constraints, 1982, is where the bounds are from.

    Examples
    --------
    >>> def evaluate(x, rows):  # (x - 3)^2, summed over the pixels
    ...     return (x - 3).square().sum((1, 2)).double(), 2 * (x - 3)
    >>> x, losses = minimise(evaluate, torch.zeros(1, 2, 2), lambda v, rows: v / 2, tolerance=1e-3, most=9)
    >>> x.tolist(), losses
    ([[[3.0, 3.0], [3.0, 3.0]]], [[36.0, 0.0]])
    >>> minimise(evaluate, torch.zeros(1, 2, 2), lambda v, rows: v / 2, tolerance=1e-3, most=9, high=2)[0].tolist()
    [[[2.0, 2.0], [2.0, 2.0]]]
    """
    result = start.clone()
    losses: list[list[float]] = [[] for _ in start]
    rows = torch.arange(len(start), device=start.device)
    x, (loss, gradient) = start, evaluate(start, rows)
    steps: deque[tuple[Tensor, Tensor, Tensor]] = deque(
        maxlen=HISTORY
    )  # s, y and 1 / s'y of a step; all 0 for an image that made none
    scale = length = torch.ones_like(x[:, :1, :1])
    past = torch.full((len(x), STEPS), torch.inf, dtype=loss.dtype, device=x.device)
    direction = _downhill(x, gradient, (low, high), lambda inner: inverse(inner, rows))
    still = torch.zeros_like(rows, dtype=torch.bool)
    _keep(losses, rows, loss)
    while True:
        tried = (x + length * direction).clamp(low, high)
        s = tried - x
        slope = _dot(gradient, s)
        done = (past[:, 0] - loss < STEPS * tolerance * loss) | still | (length < 1e-8).flatten()
        done |= ~s.any(dim=2).any(dim=1)
        done |= torch.tensor([len(losses[row]) >= most for row in rows.tolist()], device=x.device)
        if done.any():
            result[rows[done]] = x[done]
            if done.all():
                return result, losses
            left = ~done
            x, loss, gradient, direction, slope = x[left], loss[left], gradient[left], direction[left], slope[left]
            rows, scale, length, past, tried, s = (
                rows[left],
                scale[left],
                length[left],
                past[left],
                tried[left],
                s[left],
            )
            steps = deque(((s[left], y[left], r[left]) for s, y, r in steps), maxlen=HISTORY)
        tried_loss, tried_gradient = evaluate(tried, rows)
        _keep(losses, rows, tried_loss)
        change = (tried_loss - loss).view(-1, 1, 1).to(x)
        lower = change <= ARMIJO * slope.clamp(max=0)  # not where it is NaN
        taken = lower.flatten()
        still = taken & (length == 1).flatten() & (tried.round() == x.round()).all(dim=2).all(dim=1) & rounded
        s = torch.where(lower, s, 0)
        y = torch.where(lower, tried_gradient - gradient, 0)
        curvature = _dot(s, y)
        convex = curvature > 0
        steps.append((s, y, torch.where(convex, 1 / curvature, 0)))
        scale = torch.where(convex, curvature / _dot(y, inverse(y, rows)), scale)
        x, gradient = torch.where(lower, tried, x), torch.where(lower, tried_gradient, gradient)
        shorter = torch.clamp((-slope * length / (2 * (change - slope))).nan_to_num(0), 0.1 * length, 0.5 * length)
        length = torch.where(lower, 1, shorter)
        product = partial(_product, steps=steps, scale=scale, inverse=inverse, rows=rows)
        direction = torch.where(lower, _downhill(x, gradient, (low, high), product), direction)
        past = torch.where(taken[:, None], torch.cat([past[:, 1:], loss[:, None]], dim=1), past)
        loss = torch.where(taken, tried_loss, loss)


def _downhill(x: Tensor, gradient: Tensor, bounds: tuple[float, float], product: Callable[[Tensor], Tensor]) -> Tensor:
    """Give the way down: minus a product with the gradient, where neither leads a pixel out of the bounds."""
    held = _outwards(x, gradient, bounds)
    step = product(gradient.masked_fill(held, 0)).masked_fill(held, 0)
    return -step.masked_fill(_outwards(x, step, bounds), 0)


def _outwards(x: Tensor, vector: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Say of which pixels, at a bound, a step against the vector leads out."""
    low, high = bounds
    return ((x <= low) & (vector > 0)) | ((x >= high) & (vector < 0))


def _product(
    gradient: Tensor, steps: deque[tuple[Tensor, Tensor, Tensor]], scale: Tensor, inverse: Inverse, rows: Tensor
) -> Tensor:
    """Multiply the gradient by the inverse Hessian that the steps suggest: the two-loop recursion."""
    q, weights = gradient.clone(), []
    for s, y, r in reversed(steps):
        weights.append(r * _dot(s, q))
        q -= weights[-1] * y
    q = scale * inverse(q, rows)
    for (s, y, r), weight in zip(steps, reversed(weights), strict=True):
        q += (weight - r * _dot(y, q)) * s
    return q


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """Inner product of each two images, shape (N, 1, 1)."""
    return (x * y).sum(dim=(1, 2), keepdim=True)


def _keep(losses: list[list[float]], rows: Tensor, loss: Tensor) -> None:
    for row, value in zip(rows.tolist(), loss.tolist(), strict=True):
        losses[row].append(value)
