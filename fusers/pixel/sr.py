"""Fusion by sparse codes alone."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.rules.sparse import choose_by_sparsity
from fusebench.fusers.rules.sparse_dictionary import SHA256
from torch import Tensor


@dataclass(frozen=True)
class SR:
    """B. Yang, S. Li, Multifocus image fusion and restoration with sparse representation, 2010.

    Of each patch of 8 x 8 pixels the source is taken whose sparse code is larger, and patches are averaged where they
    overlap (`choose_by_sparsity`, with patches every 2 pixels as the published code of the framework MST-SR has them).
    Of two images of 256 x 256 pixels 34000 patches are coded to a tenth of a grey level, which takes ten seconds.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(SR()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "sr"
    reference: ClassVar[str] = "Yang, Li 2010"
    title: ClassVar[str] = "SR"
    slow: ClassVar[bool] = True
    weights_sha256: ClassVar[str] = SHA256

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return choose_by_sparsity(a.double(), b.double()).clamp(0, 1).float()
