"""The stationary wavelet transform, by PyWavelets: no band is decimated, so that a shift shifts the bands."""

from dataclasses import dataclass

import numpy as np
import pywt
import torch
from fusebench.fusers.transforms.base import Pyramid, check_image
from fusebench.fusers.transforms.wavelet import check_options
from torch import Tensor

MOST_LEVELS = 8


@dataclass(frozen=True)
class StationaryTransform:
    """The undecimated wavelet transform (G. P. Nason, B. W. Silverman, 1995), the algorithm a trous.

    Parameters
    ----------
    wavelet
        Any discrete wavelet of PyWavelets.
    levels
        From 1 to 8.

    Raises
    ------
    ValueError
        If the wavelet is unknown, or the number of levels is out of its range.

    Examples
    --------
    >>> x = torch.rand(1, 16, 8, dtype=torch.float64)
    >>> transform = StationaryTransform(levels=2)
    >>> torch.allclose(transform.reconstruct(transform.decompose(x)), x)
    True
    """

    wavelet: str = "bior2.2"
    levels: int = 3

    def __post_init__(self) -> None:
        check_options(self.wavelet, self.levels)
        if self.levels > MOST_LEVELS:
            raise ValueError(f"levels={self.levels}: a stationary transform has at most {MOST_LEVELS} levels here")

    @property
    def reach(self) -> int:
        """Pixels over which the transform and its inverse reach at all levels together."""
        return int((pywt.Wavelet(self.wavelet).dec_len - 1) * (2**self.levels - 1))

    @property
    def grid(self) -> int:
        """Step of the grid to which images are padded."""
        return int(2**self.levels)

    def decompose(self, image: Tensor) -> Pyramid:
        """Give the bands of images of shape (N, H, W), whose sides are multiples of `grid`, periodically continued."""
        check_image(image)
        found = pywt.swt2(image.cpu().numpy(), self.wavelet, self.levels, axes=(-2, -1), trim_approx=True)
        low, *high = found
        bands = [[_tensor(band, image) for band in level] for level in high]
        return Pyramid(_tensor(low, image), bands, (image.shape[1], image.shape[2]))

    def reconstruct(self, coefficients: Pyramid) -> Tensor:
        """Give the images with these bands."""
        bands = [tuple(band.cpu().numpy() for band in level) for level in coefficients.high]
        image = pywt.iswt2([coefficients.low.cpu().numpy(), *bands], self.wavelet, axes=(-2, -1))
        return _tensor(image, coefficients.low)


def _tensor(array: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(like.device)
