"""Fusion in nonsubsampled shearlets by a parameter-adaptive network."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.pulse_coupled import adaptive_firings, by_firings
from fusebench.fusers.rules.selection import by, local_laplacian_energy
from fusebench.fusers.transforms.shearlet import ShearletTransform
from torch import Tensor


@dataclass(frozen=True)
class NSSTPAPCNN(ShearletTransform):
    """M. Yin, X. Liu, Y. Liu, X. Chen, Medical image fusion with parameter-adaptive pulse coupled neural network, 2018.

    The high band's coefficient whose neuron fires more often is taken; of the low band the one with the larger product
    of energy and Laplacian (`local_laplacian_energy`). The published code has other pyramid filters, the differences to
    eight neighbours for a Laplacian, and neurons that never fire in faint bands (`adaptive_firings`). For the options
    see the transform.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(NSSTPAPCNN()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "nsst-papcnn"
    reference: ClassVar[str] = "Yin et al. 2018"
    title: ClassVar[str] = "NSST-PAPCNN"
    slow: ClassVar[bool] = True

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=by_firings(adaptive_firings), low=by(local_laplacian_energy), costly=True)
