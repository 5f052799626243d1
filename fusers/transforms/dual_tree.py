"""The dual-tree complex wavelet transform, nearly invariant to shifts, with six directions."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from fusebench.fusers.transforms.base import Pyramid, check_image
from fusebench.fusers.transforms.borders import mirrored
from fusebench.fusers.transforms.pyramids import check_levels
from torch import Tensor

# LeGall's biorthogonal filters, for the first level: low and high, of analysis and of synthesis.
LOW, HIGH = (-1 / 8, 1 / 4, 3 / 4, 1 / 4, -1 / 8), (-1 / 4, 1 / 2, -1 / 4)
LOW_BACK, HIGH_BACK = (1 / 4, 1 / 2, 1 / 4), (-1 / 8, -1 / 4, 3 / 4, -1 / 4, -1 / 8)
# The low-pass of tree a, with 6 taps that are not 0, as printed (N. Kingsbury 2001, table 2).
Q_SHIFT = (0.03516384, 0, -0.08832942, 0.23389032, 0.76027237, 0.58751830, 0, -0.11430184, 0, 0)
STEPS = 4  # of Newton's method, after which it is orthonormal to rounding


@dataclass(frozen=True)
class DualTreeTransform:
    """N. Kingsbury, Complex wavelets for shift invariant analysis and filtering of signals, 2001.

    Two trees of real wavelets, whose filters differ by a quarter of a sample (q-shift, 6 taps behind LeGall's at the
    first level), are the real and the imaginary parts. A level has six complex bands, at 15, 45, 75, 105, 135 and 165
    degrees. The printed eight digits of the taps are made orthonormal, which changes them by 4e-9; synthesis is the
    inverse, so that reconstruction is exact whatever the border does.

    Parameters
    ----------
    levels
        From 1 to 16.

    Raises
    ------
    ValueError
        If there are no levels or too many.

    Examples
    --------
    >>> x = torch.rand(1, 16, 32, dtype=torch.float64)
    >>> transform = DualTreeTransform(levels=3)
    >>> torch.allclose(transform.reconstruct(transform.decompose(x)), x)
    True
    >>> [len(bands) for bands in transform.decompose(x).high], transform.decompose(x).high[-1][0].dtype
    ([6, 6, 6], torch.complex128)
    """

    reach: ClassVar[int] = 0  # every level mirrors its borders
    levels: int = 4

    def __post_init__(self) -> None:
        check_levels(self.levels)

    @property
    def grid(self) -> int:
        """Step of the coarsest grid."""
        return int(2 ** max(self.levels, 2))

    def decompose(self, image: Tensor) -> Pyramid:
        """Give the bands of images of shape (N, H, W), whose sides are multiples of `grid`.

        Raises
        ------
        ValueError
            If they are not.
        """
        check_image(image)
        if any(length % self.grid for length in image.shape[1:]):
            raise ValueError(
                f"{image.shape[1]} x {image.shape[2]} pixels; both sides are multiples of {self.grid} here"
            )
        low, high = image, []
        for level in range(self.levels):
            down, right = (_analysis(length, first=level == 0) for length in low.shape[1:])
            rows = [(part.to(low) @ low) for part in down]
            bands = {(i, j): row @ part.to(low).mT for i, row in enumerate(rows) for j, part in enumerate(right)}
            horizontal, vertical, diagonal = (_complex(bands[place]) for place in ((1, 0), (0, 1), (1, 1)))
            high.append([horizontal[0], diagonal[0], vertical[0], vertical[1], diagonal[1], horizontal[1]])
            low = bands[0, 0]
        return Pyramid(low, high[::-1], (image.shape[1], image.shape[2]))

    def reconstruct(self, coefficients: Pyramid) -> Tensor:
        """Give the images with these bands."""
        low = coefficients.low
        for level, bands in zip(range(self.levels)[::-1], coefficients.high, strict=True):
            h0, d0, v0, v1, d1, h1 = bands
            horizontal, vertical, diagonal = _real(h0, h1), _real(v0, v1), _real(d0, d1)
            first = level == 0
            sizes = [length * (1 if first else 2) for length in low.shape[1:]]
            (low_down, high_down), (low_right, high_right) = (_synthesis(length, first=first) for length in sizes)
            left = low_down.to(low) @ low + high_down.to(low) @ horizontal
            right = low_down.to(low) @ vertical + high_down.to(low) @ diagonal
            low = left @ low_right.to(low).mT + right @ high_right.to(low).mT
        return low


def _complex(band: Tensor) -> tuple[Tensor, Tensor]:
    """Make two complex bands of the four trees, which stand in each 2 x 2 samples."""
    p = torch.complex(band[:, ::2, ::2], band[:, ::2, 1::2]) * math.sqrt(0.5)
    q = torch.complex(band[:, 1::2, 1::2], -band[:, 1::2, ::2]) * math.sqrt(0.5)
    return p - q, p + q


def _real(first: Tensor, second: Tensor) -> Tensor:
    """Give the four trees back."""
    p, q = (first + second) * math.sqrt(0.5), (second - first) * math.sqrt(0.5)
    height, width = 2 * first.shape[1], 2 * first.shape[2]
    band = torch.empty(len(first), height, width, dtype=p.real.dtype, device=p.device)
    band[:, ::2, ::2], band[:, ::2, 1::2] = p.real, p.imag
    band[:, 1::2, 1::2], band[:, 1::2, ::2] = q.real, -q.imag
    return band


@lru_cache(maxsize=64)
def _analysis(length: int, *, first: bool) -> tuple[Tensor, Tensor]:
    """Give the matrices to the low and the high samples of an axis: all of them at the first level, then half."""
    if first:
        return _filter(LOW, length), _filter(HIGH, length)
    low = q_shift()
    high = low.flip(0) * (-1.0) ** torch.arange(len(low))
    return _decimate(low, length), _decimate(high, length)


@lru_cache(maxsize=64)
def _synthesis(length: int, *, first: bool) -> tuple[Tensor, Tensor]:
    """Give the matrices back from the low and the high samples of an axis."""
    if first:
        return _filter(LOW_BACK, length), _filter(HIGH_BACK, length)
    low, high = torch.linalg.inv(torch.cat(_analysis(length, first=False))).split(length // 2, dim=1)
    return low.contiguous(), high.contiguous()


def _filter(taps: tuple[float, ...], length: int) -> Tensor:
    """Give the matrix of a centred filter on an axis that is mirrored at both ends."""
    return _folded(torch.arange(length)[:, None] + torch.arange(len(taps)) - len(taps) // 2, torch.tensor(taps), length)


def _decimate(tree_a: Tensor, length: int) -> Tensor:
    """Give the matrix of both trees' filters, of which b's is a's reversed, to half as many samples of an axis.

    The samples of the trees take turns on the axis. Each tree sees every other sample, its even and its odd taps those
    of one parity each. Which tree comes first tells the sign of the product of the two filters.
    """
    count = len(tree_a) // 2
    steps = 5 - len(tree_a) + 4 * (torch.arange(length // 4)[:, None] + torch.arange(count))
    both = []
    for taps, late in ((tree_a.flip(0), 1), (tree_a, 0)):
        places = torch.cat([steps - late, steps - late - 2], dim=1)
        both.append(_folded(places, torch.cat([taps[::2].flip(0), taps[1::2].flip(0)]), length))
    order = both if (tree_a * tree_a.flip(0)).sum() > 0 else both[::-1]
    return torch.stack(order, dim=1).flatten(0, 1)


def _folded(index: Tensor, weights: Tensor, length: int) -> Tensor:
    """Give the matrix that adds samples at places on and beyond an axis, mirrored at both ends, with weights."""
    weights = weights.double().expand(index.shape)
    matrix = torch.zeros(len(index), length, dtype=torch.float64)
    return matrix.scatter_add_(1, mirrored(index, length), weights)


@lru_cache(maxsize=1)
def q_shift() -> Tensor:
    """Give the low-pass of tree a, made orthonormal to its even shifts and to sum to the root of 2.

    It has a zero at the highest frequency, so the taps at even and at odd places sum to the root of 1/2 each. With the
    shifts' products 0 that makes the norm 1. Asked for itself the norm would be a fifth condition that follows from the
    others, and what is found would rest on rounding.

    Examples
    --------
    >>> h = q_shift()
    >>> round(h.square().sum().item(), 12), round((h[2:] * h[:-2]).sum().item() + 0.0, 12)
    (1.0, 0.0)
    """
    taps = torch.tensor(Q_SHIFT, dtype=torch.float64)
    free = taps.nonzero().ravel()

    def conditions(values: Tensor) -> Tensor:
        h = torch.zeros_like(taps).scatter(0, free, values)
        shifted = [(h[2 * k :] * h[: len(h) - 2 * k]).sum() for k in (1, 2)]
        return torch.stack([*shifted, *(h[start::2].sum() - math.sqrt(0.5) for start in (0, 1))])

    values = taps[free]
    for _ in range(STEPS):
        jacobian = torch.autograd.functional.jacobian(conditions, values)  # type: ignore[no-untyped-call]
        values = values - torch.linalg.lstsq(jacobian, conditions(values)[:, None], driver="gelsd").solution.ravel()
    return torch.zeros_like(taps).scatter(0, free, values)
