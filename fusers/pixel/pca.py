"""Fusion by principal components of whole images."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.rules.principal import principal_weights
from torch import Tensor


@dataclass(frozen=True)
class PCA:
    """Weigh the sources by the first principal component of their pixels.

    V. P. S. Naidu, J. R. Raol, Pixel-level image fusion using wavelets and principal component analysis, Defence
    Science Journal 58 (2008): the eigenvector of the larger eigenvalue of the two images' covariance, its magnitudes
    divided by their sum (`principal_weights`).

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 6, 5)
    >>> torch.allclose(PCA()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "pca"
    reference: ClassVar[str] = "Naidu, Raol 2008"
    title: ClassVar[str] = "Principal components"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        x, y = a.double(), b.double()
        first, second = principal_weights(x, y)
        return (first * x + second * y).clamp(0, 1).float()
