"""Fusion in the discrete wavelet transform."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.activity import average, choose_by_region
from fusebench.fusers.transforms.wavelet import WaveletTransform
from torch import Tensor


@dataclass(frozen=True)
class Wavelet(WaveletTransform):
    """The seed paper's wavelet baseline: high bands by 2 x 2 region activity, the low band averaged.

    H. Li, B. S. Manjunath, S. K. Mitra, Multisensor image fusion using the wavelet transform, Graphical Models and
    Image Processing 57 (1995), with the rule and the four levels the paper states. It does not name its wavelet:
    the biorthogonal 2.2 spline is taken, symmetric and short, so that edges ring little.

    Parameters
    ----------
    wavelet
        Any discrete wavelet of PyWavelets, such as "haar", "db4", "bior4.4".
    levels
        Number of decomposition levels, at least 1. Images of any size are fused exactly: borders are mirrored, and
        what a level of odd length gains in synthesis is cut off.

    Raises
    ------
    ValueError
        If the wavelet is unknown or the number of levels is not positive.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(Wavelet()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "wavelet"
    reference: ClassVar[str] = "Li, Manjunath, Mitra 1995"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=choose_by_region, low=average)
