"""Fusion by the significance of coefficients in the discrete cosine harmonic wavelet transform."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.filters.windows import box_mean
from fusebench.fusers.transforms.base import Pyramid
from fusebench.fusers.transforms.borders import extend
from fusebench.fusers.transforms.cosine_harmonic import decompose, reconstruct
from torch import Tensor


@dataclass(frozen=True)
class DCHWT:
    """Discrete cosine harmonic wavelet fusion: coefficients averaged with their significance for a weight.

    B. K. Shreyamsha Kumar, Multifocus and multispectral image fusion based on pixel significance using discrete cosine
    harmonic wavelet transform, Signal, Image and Video Processing 7 (2013). The significance of a coefficient is the
    sum of magnitudes of it and its descendants in the finer bands of its orientation; in the finest bands, which have
    none, the mean of squares of 3 x 3 coefficients; in the low band the sum of the three coarsest bands' significances.

    The image is continued by its mirror image to a multiple of 2^levels. Where neither source is significant each has
    half the weight; to that end a millionth of the range is added to each significance, to one of squares its square.

    Parameters
    ----------
    levels
        How often the low frequencies are halved.
    original
        As the author's code: nothing is added, and what is 0/0 becomes 0.

    Raises
    ------
    ValueError
        If the number of levels is not from 1 to 8.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(DCHWT()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "dchwt"
    reference: ClassVar[str] = "Shreyamsha Kumar 2013"
    levels: int = 3
    original: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= 8:
            raise ValueError(f"dchwt: the number of levels is from 1 to 8, not {self.levels}")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double()).clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in float64, before clipping."""
        height, width = a.shape[1:]
        margins = [(0, -side % 2**self.levels) for side in (height, width)]
        bands_a, bands_b = (decompose(extend(x, margins), self.levels) for x in (a, b))
        least = 0 if self.original else 1e-6
        sig_a, sig_b = significance(bands_a, least), significance(bands_b, least)
        high = [
            [_mean(*four) for four in zip(*level, strict=True)]
            for level in zip(bands_a.high, bands_b.high, sig_a, sig_b, strict=True)
        ]
        low = _mean(bands_a.low, bands_b.low, sum(sig_a[0][1:], sig_a[0][0]), sum(sig_b[0][1:], sig_b[0][0]))
        return reconstruct(Pyramid(low, high, bands_a.size))[:, :height, :width]


def _mean(a: Tensor, b: Tensor, wa: Tensor, wb: Tensor) -> Tensor:
    return ((wa * a + wb * b) / (wa + wb)).nan_to_num(0)


def significance(pyramid: Pyramid, least: float) -> list[list[Tensor]]:
    """Give the significance of every high band, coarse to fine; `least` is that of nothing."""
    found = [[box_mean(band.square(), 1, "mirror") + least**2 for band in pyramid.high[-1]]]
    descendants = [band.abs() for band in pyramid.high[-1]]
    for level in pyramid.high[-2::-1]:
        descendants = [band.abs() + _fours(below) for band, below in zip(level, descendants, strict=True)]
        found.append([sums + least for sums in descendants])
    return found[::-1]


def _fours(band: Tensor) -> Tensor:
    """Sum blocks of 2 x 2."""
    return band.unfold(1, 2, 2).unfold(2, 2, 2).sum((3, 4))
