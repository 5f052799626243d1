"""Rules that compare the activity of the sources' coefficients, and the average, which compares nothing."""

import torch.nn.functional as F
from fusebench.fusers.rules.selection import choose
from torch import Tensor


def region_energy(band: Tensor) -> Tensor:
    """Activity of the 2 x 2 region at each coefficient: the sum of squares over it.

    The region of (i, j) is rows i, i + 1 and columns j, j + 1, the last row and column repeated at the border.

    Parameters
    ----------
    band
        A subband, shape (N, h, w).

    Examples
    --------
    >>> import torch
    >>> region_energy(torch.tensor([[[1.0, 2.0], [0.0, 3.0]]])).tolist()
    [[[14.0, 26.0], [18.0, 36.0]]]
    """
    squares = F.pad(band.abs().square().unsqueeze(1), (0, 1, 0, 1), mode="replicate").squeeze(1)
    return squares[:, :-1, :-1] + squares[:, :-1, 1:] + squares[:, 1:, :-1] + squares[:, 1:, 1:]


def choose_by_region(a: Tensor, b: Tensor) -> Tensor:
    """Take each coefficient of a high-frequency band from the source whose 2 x 2 region is more active.

    Where the activities are equal the mean is taken, so that the rule does not depend on the order of the sources.
    The paper says "2 x 2 region feature fusion" and no more; energy over a sliding region is the customary reading
    (P. J. Burt, R. J. Kolczynski, Enhanced image capture through fusion, ICCV 1993, there as salience).

    Examples
    --------
    >>> import torch
    >>> a, b = torch.tensor([[[3.0, 0.0], [0.0, 0.0]]]), torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
    >>> choose_by_region(a, b).tolist()
    [[[3.0, 1.0], [0.0, 0.0]]]
    """
    return choose(a, b, region_energy(a), region_energy(b))


def average(a: Tensor, b: Tensor) -> Tensor:
    """Take the mean of the two bands, (a + b) / 2: the customary rule for a low band.

    Examples
    --------
    >>> import torch
    >>> average(torch.tensor([[[1.0]]]), torch.tensor([[[4.0]]])).tolist()
    [[[2.5]]]
    """
    return (a + b) / 2
