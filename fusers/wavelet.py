"""Fusion in the discrete wavelet transform."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pywt
import torch
from fusebench.fusers.rules import choose_by_region
from torch import Tensor

MOST_LEVELS = 32  # an image of 2^32 pixels a side is one coefficient then


@dataclass(frozen=True)
class Wavelet:
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
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(Wavelet()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "wavelet"
    wavelet: str = "bior2.2"
    levels: int = 4

    def __post_init__(self) -> None:
        if self.wavelet not in pywt.wavelist(kind="discrete"):
            raise ValueError(f"wavelet {self.wavelet!r} is none of PyWavelets' discrete wavelets, such as db4, bior2.2")
        if not 1 <= self.levels <= MOST_LEVELS:
            raise ValueError(f"levels={self.levels}: a wavelet decomposition has from 1 to {MOST_LEVELS} levels")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Decompose both, choose, reconstruct. PyWavelets works on the CPU; the result is where `a` is."""
        # In float64: rounding in float32 differs between processors, and with it a grey level here and there.
        images = torch.stack([a, b]).double().cpu().numpy()
        fused = self._fuse(images, self.levels)
        return torch.from_numpy(fused).to(a.device).clamp(0, 1).float()

    def _fuse(self, images: np.ndarray, levels: int) -> np.ndarray:
        """Fuse images of shape (2, N, H, W), sources first, from this level down."""
        if levels == 0:
            return np.asarray(images.mean(axis=0))
        low, high = pywt.dwt2(images, self.wavelet, mode="symmetric", axes=(-2, -1))
        chosen = tuple(choose_by_region(*torch.from_numpy(np.ascontiguousarray(band))).numpy() for band in high)
        height, width = images.shape[-2:]
        # The fused low band has the size of `low`, so each level's synthesis is cut back to what it came from.
        fused = pywt.idwt2((self._fuse(low, levels - 1), chosen), self.wavelet, mode="symmetric", axes=(-2, -1))
        return np.asarray(fused[..., :height, :width])
