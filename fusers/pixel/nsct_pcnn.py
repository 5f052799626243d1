"""Fusion in the NSCT by a pulse-coupled neural network."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.pulse_coupled import by_firings, firings
from fusebench.fusers.rules.selection import modified_spatial_frequency
from fusebench.fusers.transforms.nsct import NonsubsampledContourletTransform
from torch import Tensor


def _fired(band: Tensor) -> Tensor:
    return firings(modified_spatial_frequency(band))


@dataclass(frozen=True)
class NSCTPCNN(NonsubsampledContourletTransform):
    """X. Qu, J. Yan, H. Xiao, Z. Zhu, spatial frequency-motivated pulse coupled neural networks in NSCT domain, 2008.

    The network's stimulus is the spatial frequency of each band's coefficients, with the diagonals; the coefficient
    whose neuron fires more often is taken, of the low band too. For the options see the transform.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(NSCTPCNN()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "nsct-pcnn"
    reference: ClassVar[str] = "Qu et al. 2008"
    title: ClassVar[str] = "NSCT-PCNN"
    slow: ClassVar[bool] = True

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=by_firings(_fired), low=by_firings(_fired), costly=True)
