"""Sparse representation: patches as sums of few atoms of a dictionary, and the rule that takes the busier patch."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from fusebench.fusers.rules.selection import choose, told_apart
from fusebench.fusers.rules.sparse_dictionary import SIDE, load
from fusebench.fusers.transforms.borders import extend
from torch import Tensor

STEP = 2
TOLERANCE = 0.1 / 255  # a tenth of a grey level, as the norm of what a patch lacks
KEPT = 0.01  # of an atom's length, above which Gram and Schmidt are not repeated
PORTION = 128  # patches at once: what is known of them stays in a processor's cache
STAGE, MANY = 8, 0.8  # steps after which those that are done are taken out, if so many are left at most


class Code(NamedTuple):
    """What orthogonal matching pursuit finds: the codes (n, atoms), and what they lack of the signals (n, size)."""

    codes: Tensor
    rest: Tensor


def pursuit(signals: Tensor, atoms: Tensor, tolerance: float) -> Code:
    """Find sparse codes by orthogonal matching pursuit, of all signals at once (Y. C. Pati et al. 1993).

    The atom that correlates most with what a signal lacks joins its support, of equals the first; the code is the least
    squares on the support. So on until what lacks has a norm of at most `tolerance`, or there are as many atoms as
    dimensions. Each support is made orthonormal as it grows, by Gram and Schmidt: twice over where an atom keeps less
    than a hundredth of its length, which loses two digits at most and is about as good as a QR factorisation.

    Parameters
    ----------
    signals
        Shape (n, size), float64.
    atoms
        Shape (size, atoms), of norm 1.
    tolerance
        Of the norm, positive.

    Examples
    --------
    >>> x = torch.tensor([[3.0, 1.0], [0.0, 0.01]], dtype=torch.float64)
    >>> codes, rest = pursuit(x, torch.eye(2, dtype=torch.float64), 0.1)
    >>> codes.tolist(), rest.tolist()
    ([[3.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.01]])
    """
    # Signals of one length take about as many steps as each other.
    order = signals.norm(dim=1).argsort(descending=True, stable=True)
    parts = [_pursuit(signals[part], atoms, tolerance) for part in torch.split(order, PORTION)]
    back = order.argsort()
    return Code(*(torch.cat(found)[back] for found in zip(*parts, strict=True)))


def _pursuit(signals: Tensor, atoms: Tensor, tolerance: float) -> Code:
    count, size = signals.shape
    most = min(atoms.shape)
    codes, lacking = signals.new_zeros(count, atoms.shape[1]), torch.empty_like(signals)
    # The chosen atoms are `lower` times the basis, a row each.
    basis, lower = signals.new_empty(count, most, size), signals.new_empty(count, most, most)
    chosen = torch.zeros(count, most, dtype=torch.long, device=signals.device)
    left, rows, rest, step = torch.arange(count, device=signals.device), atoms.T.contiguous(), signals, 0
    while True:
        active = rest.norm(dim=1) > tolerance
        last = step == most or not active.any()
        if last or (step % STAGE == 0 and active.sum() <= MANY * len(active)):
            done = torch.ones_like(active) if last else ~active
            weights = _least_squares(basis[done, :step], lower[done, :step, :step], signals[done])
            codes[left[done]] = codes[left[done]].scatter_add_(1, chosen[done, :step], weights)
            lacking[left[done]] = rest[done]
            if last:
                return Code(codes, lacking)
            left, signals, rest, basis, lower, chosen = (x[active] for x in (left, signals, rest, basis, lower, chosen))
            active = active[active]
        best = (rest @ atoms).abs_().argmax(dim=1)
        new, known = rows[best], basis[:, :step]
        for again in range(2):
            # A row times a matrix takes a fourth of the time of a matrix times a column.
            along = new[:, None] @ known.mT
            new -= (along @ known)[:, 0]
            lower[:, step, :step] = along[:, 0] + lower[:, step, :step] if again else along[:, 0]
            length = new.norm(dim=1)
            if ((length > KEPT) | ~active).all():
                break
        # Whoever is done gets a direction of no length, and a 1 on the diagonal, so that its code is 0 there.
        direction = new.div_(torch.where(active, length, torch.inf)[:, None])
        chosen[:, step], basis[:, step] = best, direction
        lower[:, step, step] = torch.where(active, length, 1)
        rest = rest - direction * (direction * rest).sum(dim=1, keepdim=True)
        step += 1


def _least_squares(basis: Tensor, lower: Tensor, signals: Tensor) -> Tensor:
    """Give the weights of the atoms `lower @ basis`, (n, k, size), whose sum is nearest to each signal: (n, k)."""
    along = basis @ signals[..., None]
    weights: Tensor = torch.linalg.solve_triangular(lower.mT, along, upper=True)[..., 0]
    return weights


def choose_by_sparsity(
    a: Tensor, b: Tensor, *, dictionary: Tensor | None = None, tolerance: float = TOLERANCE, original: bool = False
) -> Tensor:
    """Take each patch from the source whose sparse code has the larger sum of magnitudes; overlaps are averaged.

    B. Yang, S. Li, Multifocus image fusion and restoration with sparse representation, 2010, and for low bands Y. Liu,
    S. Liu, Z. Wang, A general framework for image fusion based on multi-scale transform and sparse representation,
    2015. Patches of 8 x 8 pixels, every 2 pixels, are coded without their mean, and the chosen patch is taken with its
    own mean: all of it, where the papers leave out what its code lacks, which is next to nothing. Where both sums are
    equal, to 1e-9, such as those of flat patches, the mean of both patches is taken. The bands are mirrored at their
    borders, so that every coefficient is in 16 patches.

    Parameters
    ----------
    a, b
        Bands of shape (N, h, w).
    dictionary
        Atoms of shape (64, count), pixels down the columns of a patch; by default the project's own.
    tolerance
        The norm of what a code may lack of a patch, a tenth of a grey level.
    original
        As the published code: codes make the patches, none reaches over a border, what none covers is averaged, and
        where both sums are equal the first is taken.

    Examples
    --------
    Of a flat band and a ramp, the ramp is taken.

    >>> ramp = torch.linspace(0, 1, 10, dtype=torch.float64).expand(1, 9, 10)
    >>> torch.allclose(choose_by_sparsity(torch.ones_like(ramp), ramp), ramp)
    True
    """
    atoms = load() if dictionary is None else dictionary
    atoms = (atoms / atoms.norm(dim=0)).to(a)
    height, width = a.shape[1:]
    before = 0 if original else SIDE - STEP
    margins = [(before, 0 if original else before + length % STEP) for length in (height, width)]
    wide = extend(torch.cat([a, b]), margins)
    patches = F.unfold(wide.mT[:, None], SIDE, stride=STEP).mT  # pixels down the columns
    means = patches.mean(dim=2, keepdim=True)
    detail = patches - means
    codes, rest = pursuit(detail.flatten(0, 1), atoms, tolerance)
    activity = codes.abs().sum(dim=1).view(*patches.shape[:2], 1)
    (patch_a, patch_b), (more_a, more_b) = patches.chunk(2), activity.chunk(2)
    if original:
        patch_a, patch_b = (patches - rest.view_as(patches)).chunk(2)
        fused = torch.where(more_a < more_b, patch_b, patch_a)
    else:
        fused = choose(patch_a, patch_b, *told_apart(more_a, more_b))
    sides = (wide.shape[2], wide.shape[1])
    total, count = (F.fold(x.mT, sides, SIDE, stride=STEP)[:, 0].mT for x in (fused, torch.ones_like(fused)))
    inside = (slice(None), slice(before, before + height), slice(before, before + width))
    return torch.where(count > 0, total / count.clamp(min=1), (wide[: len(a)] + wide[len(a) :]) / 2)[inside]
