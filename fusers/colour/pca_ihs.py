"""Principal components of the intensities, in the orthonormal IHS transform."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.colour.space import roles
from fusebench.fusers.rules.principal import principal_weights
from torch import Tensor

# I, v1 and v2 of R, G and B, before each row is divided by its length.
ROWS = ((1, 1, 1), (1, 1, -2), (1, -1, 0))


@dataclass(frozen=True)
class PCAIHS:
    """Weigh the coloured source's intensity and the other source by their first principal component.

    C. He, Q. Liu, H. Li, H. Wang, Multimodal medical image fusion based on IHS and PCA, Procedia Engineering 7 (2010):
    I = (R + G + B) / sqrt(3), and v1 = (R + G - 2 B) / sqrt(6), v2 = (R - G) / sqrt(2) are kept. The weights are the
    magnitudes of the first eigenvector of the covariance of both, divided by their sum (`principal_weights`).

    Parameters
    ----------
    original
        Take I as the formula gives it, up to 1.73 where the other source ends at 1, as the published code does; else
        the other source is brought to I's scale before, times sqrt(3).

    Examples
    --------
    >>> x = torch.rand(1, 3, 6, 5)
    >>> torch.allclose(PCAIHS()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "pca-ihs"
    reference: ClassVar[str] = "He, Liu, Li, Wang 2010"
    title: ClassVar[str] = "IHS and PCA"
    colour: ClassVar[bool] = True
    original: bool = False

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n]), (N, 3, H, W)."""
        coloured, other = (image.double() for image in roles(a, b))
        rows = torch.tensor(ROWS).to(coloured)
        forward = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        turned = torch.einsum("ij,njhw->nihw", forward, coloured)
        grey = other.mean(dim=1) * (1 if self.original else math.sqrt(3))
        first, second = principal_weights(grey, turned[:, 0])
        turned[:, 0] = first * grey + second * turned[:, 0]
        return torch.einsum("ji,njhw->nihw", forward, turned).clamp(0, 1).float()
