"""Fusion of structure by its local gradient energy and of energy by its magnitude."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.filters.borders import pad
from fusebench.fusers.filters.windows import box_mean, gaussian
from torch import Tensor

SIGMA = 3
# The activity of structure of a billionth of the range, about: rounding in flat areas, which may not decide.
ROUNDING = 1e-24


@dataclass(frozen=True)
class JBFLGE:
    """Structure chosen by local gradient energy, energy by magnitude; a smoothing filter parts the two.

    X. Li, F. Zhou, H. Tan, W. Zhang, C. Zhao, Multimodal medical image fusion based on joint bilateral filter and local
    gradient energy, Information Sciences 569 (2021). The energy layer is the smoothed image, the structure layer the
    rest. The local gradient energy is the squared gradient of the structure times the sum of its magnitudes over 9 x 9
    pixels; a majority vote over 21 x 21 pixels makes the choice consistent.

    The authors' joint bilateral filter has a constant image for a guide, as rolling guidance begins. It is then a
    Gaussian of 3 pixels, which is what is taken here. The gradient is a central difference; images are mirrored at
    their border. Where the activities, or the votes, are equal the mean is taken.

    Parameters
    ----------
    original
        As the authors' code: the Gaussian is that of a grid of 3 pixels, the gradient is a backward difference, over
        one pixel down the columns and over two along the rows, and the second source is taken where activities are
        equal.

    Examples
    --------
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(JBFLGE()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "jbf-lge"
    reference: ClassVar[str] = "Li et al. 2021"
    original: bool = False

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double()).clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in float64, before clipping."""
        energy_a, energy_b = self.energy(a), self.energy(b)
        share = self.vote(a - energy_a, b - energy_b)
        return share * (a - energy_a) + (1 - share) * (b - energy_b) + torch.maximum(energy_a, energy_b)

    def energy(self, image: Tensor) -> Tensor:
        """Smooth an image."""
        if not self.original:
            return gaussian(image, 6 * SIGMA + 1, SIGMA, "symmetric")
        down, along = (_gaussian_on_a_grid(side).to(image.device) for side in image.shape[1:])
        return down @ image @ along.T

    def vote(self, structure_a: Tensor, structure_b: Tensor) -> Tensor:
        """Give the share of the first structure: 1 where the most of the pixels around prefer it, 0, or 1/2."""
        activity_a, activity_b = self.activity(structure_a), self.activity(structure_b)
        first = (activity_a > activity_b).double()
        if not self.original:
            first = torch.where((activity_a - activity_b).abs() <= ROUNDING, 0.5, first)
        # Halves are summed exactly, and an odd number of pixels votes.
        votes = box_mean(first, 10, "symmetric") * 21**2
        return torch.where((votes - 220.5).abs() < 0.1, 0.5, (votes > 220.5).double())

    def activity(self, structure: Tensor) -> Tensor:
        """Give the local gradient energy."""
        wide, (height, width) = pad(structure, 2, "symmetric"), structure.shape[1:]

        def moved(down: int, along: int) -> Tensor:
            return wide[:, 2 + down : 2 + down + height, 2 + along : 2 + along + width]

        if self.original:
            down, along = structure - moved(-1, 0), structure - moved(0, -2)
        else:
            down, along = (moved(1, 0) - moved(-1, 0)) / 2, (moved(0, 1) - moved(0, -1)) / 2
        # Of the tensor's eigenvalues e1 = |gradient|^2 and e2 = 0: sqrt((e1 + e2)^2 + (e1 - e2)^2 / 2).
        tensor = math.sqrt(1.5) * (down.square() + along.square())
        return tensor * box_mean(structure.abs(), 4, "symmetric") * 9**2


def _gaussian_on_a_grid(length: int) -> Tensor:
    """Give the matrix that gathers an axis in cells of SIGMA pixels, smooths them, divides and reads between them."""
    place = torch.arange(length, dtype=torch.float64) / SIGMA + 1
    cells = torch.arange(int(place[-1]) + 3)
    gather = (cells[:, None] == (place + 0.5).floor()).double()
    near = (cells[:, None] - cells).abs()
    smooth = torch.where(near > 1, 0, (-near.double().square() / 2).exp()) @ gather
    between = (1 - (place[:, None] - cells).abs()).clamp(min=0)
    return between @ (smooth / smooth.sum(1, keepdim=True)).nan_to_num(0)
