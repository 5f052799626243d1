"""Fusion in the ratio pyramid whose top is chosen by sparse codes."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from fusebench.fusers.multiscale import fuse
from fusebench.fusers.rules.selection import consistent
from fusebench.fusers.rules.sparse import TOLERANCE, choose_by_sparsity
from fusebench.fusers.rules.sparse_dictionary import SHA256
from fusebench.fusers.transforms.pyramids import GREY, RatioPyramid
from torch import Tensor


@dataclass(frozen=True)
class RPSR(RatioPyramid):
    """Y. Liu, S. Liu, Z. Wang, image fusion based on multi-scale transform and sparse representation, 2015: RP-SR.

    Of a level the ratio farther from 1 is taken, by the largest of a window, with a vote (`consistent`), where the
    published code takes the larger ratio; of the top the patch whose sparse code is larger (`choose_by_sparsity`). The
    dictionary is this project's own. For the options see the pyramid.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 19, 22)
    >>> torch.allclose(RPSR()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "rp-sr"
    reference: ClassVar[str] = "Liu, Liu, Wang 2015"
    title: ClassVar[str] = "RP-SR"
    weights_sha256: ClassVar[str] = SHA256

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        low = partial(choose_by_sparsity, tolerance=GREY * TOLERANCE)  # the pyramid is one of grey levels
        return fuse(a, b, self, high=_farther_from_one, low=low)


def _farther_from_one(a: Tensor, b: Tensor) -> Tensor:
    return 1 + consistent(a - 1, b - 1)
