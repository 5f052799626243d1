"""Fusion by guided filtering of the weights."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.filters.guided import guided
from fusebench.fusers.filters.windows import box_mean, gaussian, laplacian
from torch import Tensor


@dataclass(frozen=True)
class GFF:
    """Guided filtering fusion: two scales, weighed by saliency maps that are smoothed along the sources' edges.

    S. Li, X. Kang, J. Hu, Image fusion with guided filtering, IEEE Transactions on Image Processing 22 (2013), with its
    parameters: 31 x 31 mean, saliency by an 11 x 11 Gaussian of the Laplacian's magnitude, r 45 and eps 0.3 for the
    weights of the base, r 7 and eps 1e-6 for those of the detail.

    The paper does not say what is done where both sources are equally salient, as on flat background: each gets half.
    A smoothed weight below 0 or above 1 is cut off.

    Parameters
    ----------
    base_radius, base_eps
        The guided filter of the base's weights; eps is a variance of images in [0, 1].
    detail_radius, detail_eps
        That of the detail's weights.
    original
        As the authors' code: the first source is taken where both are equally salient; weights are rounded to 8 bits.

    Raises
    ------
    ValueError
        If a radius or an eps is not positive.

    Examples
    --------
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(GFF()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "gff"
    reference: ClassVar[str] = "Li, Kang, Hu 2013"
    base_radius: int = 45
    base_eps: float = 0.3
    detail_radius: int = 7
    detail_eps: float = 1e-6
    original: bool = False

    def __post_init__(self) -> None:
        if not min(self.base_radius, self.detail_radius) >= 1 or not min(self.base_eps, self.detail_eps) > 0:
            raise ValueError(f"gff: a radius or an eps is not positive in {self}")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double()).clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in float64, before clipping."""
        salient_a, salient_b = saliency(a), saliency(b)
        tie = 1.0 if self.original else 0.5
        first = torch.where(salient_a == salient_b, tie, (salient_a > salient_b).double())
        base_a, base_b = box_mean(a, 15, "replicate"), box_mean(b, 15, "replicate")
        base = self._blend((a, b), (base_a, base_b), first, self.base_radius, self.base_eps)
        return base + self._blend((a, b), (a - base_a, b - base_b), first, self.detail_radius, self.detail_eps)

    def _blend(
        self, guides: tuple[Tensor, Tensor], layers: tuple[Tensor, Tensor], first: Tensor, radius: int, eps: float
    ) -> Tensor:
        """Weigh two layers by the map `first`, smoothed along the edges of each guide."""
        wa, wb = (guided(g, m, radius, eps).clamp(0, 1) for g, m in zip(guides, (first, 1 - first), strict=True))
        if self.original:
            wa, wb = ((255 * w + 0.5).floor() / 255 for w in (wa, wb))
        wa, wb = wa + 1e-12, wb + 1e-12  # both may be 0
        return (wa * layers[0] + wb * layers[1]) / (wa + wb)


def saliency(image: Tensor) -> Tensor:
    """Smooth the magnitude of the Laplacian.

    Examples
    --------
    >>> saliency(torch.ones(1, 2, 2, dtype=torch.float64)).max().item()
    0.0
    """
    return gaussian(laplacian(image, "replicate").abs(), 11, 5, "replicate")
