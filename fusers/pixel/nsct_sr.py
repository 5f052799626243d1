"""Fusion in the nonsubsampled contourlet transform whose low band is chosen by sparse codes."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.selection import consistent
from fusebench.fusers.rules.sparse import choose_by_sparsity
from fusebench.fusers.rules.sparse_dictionary import SHA256
from fusebench.fusers.transforms.nsct import NonsubsampledContourletTransform
from torch import Tensor


@dataclass(frozen=True)
class NSCTSR(NonsubsampledContourletTransform):
    """Y. Liu, S. Liu, Z. Wang, image fusion based on multi-scale transform and sparse representation, 2015: NSCT-SR.

    Of a high band the larger coefficient of a window is taken, with a vote (`consistent`); of the low band the patch
    whose sparse code is larger (`choose_by_sparsity`). The dictionary is this project's own. For the options see the
    transform.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(NSCTSR()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "nsct-sr"
    reference: ClassVar[str] = "Liu, Liu, Wang 2015"
    title: ClassVar[str] = "NSCT-SR"
    slow: ClassVar[bool] = True
    weights_sha256: ClassVar[str] = SHA256

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, self, high=consistent, low=choose_by_sparsity, costly=True)
