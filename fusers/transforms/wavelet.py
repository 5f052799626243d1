"""The discrete wavelet transform, by PyWavelets."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pywt
import torch
from fusebench.fusers.transforms.base import Pyramid, check_image
from torch import Tensor

MOST_LEVELS = 32  # an image of 2^32 pixels a side is one coefficient then


def check_options(wavelet: str, levels: int) -> None:
    """Refuse options that name no transform.

    Raises
    ------
    ValueError
        If the wavelet is unknown or there are no levels or too many.

    Examples
    --------
    >>> check_options("haar", 0)
    Traceback (most recent call last):
    ValueError: levels=0: a wavelet decomposition has from 1 to 32 levels
    """
    if wavelet not in pywt.wavelist(kind="discrete"):
        raise ValueError(f"wavelet {wavelet!r} is none of PyWavelets' discrete wavelets, such as db4, bior2.2")
    if not 1 <= levels <= MOST_LEVELS:
        raise ValueError(f"levels={levels}: a wavelet decomposition has from 1 to {MOST_LEVELS} levels")


def decompose(image: Tensor, wavelet: str = "bior2.2", levels: int = 4) -> Pyramid:
    """Wavelet coefficients of images of any size: borders are mirrored at every level (the ends repeated).

    PyWavelets works on the CPU; the bands are where the image is.

    Parameters
    ----------
    image
        Shape (N, H, W), float32 or float64.
    wavelet
        Any discrete wavelet of PyWavelets, such as "haar", "db4", "bior4.4".
    levels
        Number of levels, from 1 to 32.

    Returns
    -------
    Pyramid
        A level has three bands of one size: horizontal, vertical and diagonal details, as `pywt.dwt2` orders them.

    Raises
    ------
    ValueError
        See `check_image`, `check_options`.

    Examples
    --------
    The Haar wavelet's low band is half the sum of 2 x 2 pixels, its details half their differences:

    >>> low, high, _ = decompose(torch.tensor([[[1.0, 2.0], [3.0, 6.0]]]), "haar", 1)
    >>> low.round(decimals=5).tolist(), [band.round(decimals=5).item() for band in high[0]]
    ([[[6.0]]], [-3.0, -2.0, 1.0])
    """
    check_options(wavelet, levels)
    check_image(image)
    low, high = image.cpu().numpy(), []
    for _ in range(levels):
        low, bands = pywt.dwt2(low, wavelet, mode="symmetric", axes=(-2, -1))
        high.append([_tensor(band, image) for band in bands])
    return Pyramid(_tensor(low, image), high[::-1], (image.shape[1], image.shape[2]))


def reconstruct(coefficients: Pyramid, wavelet: str = "bior2.2") -> Tensor:
    """Images with these coefficients: the inverse of `decompose`.

    Parameters
    ----------
    coefficients
        What `decompose` returned, or others of the same shapes.
    wavelet
        As in `decompose`.

    Returns
    -------
    Tensor
        Shape (N, H, W).

    Raises
    ------
    ValueError
        If the wavelet is unknown or a level has another number of bands than 3.

    Examples
    --------
    >>> x = torch.rand(2, 5, 7, dtype=torch.float64)
    >>> torch.allclose(reconstruct(decompose(x)), x, atol=1e-12)
    True
    """
    low, high, size = coefficients
    check_options(wavelet, len(high))
    if not all(len(bands) == 3 for bands in high):
        raise ValueError(f"the levels have {[len(bands) for bands in high]} bands; each has 3")
    image = low.cpu().numpy()
    # The synthesis of a level gives a sample too many where what it came from has an odd length.
    sizes = [*(bands[0].shape[1:] for bands in high[1:]), size]
    for bands, (height, width) in zip(high, sizes, strict=True):
        details = tuple(band.cpu().numpy() for band in bands)
        image = pywt.idwt2((image, details), wavelet, mode="symmetric", axes=(-2, -1))[..., :height, :width]
    return _tensor(image, low)


def _tensor(array: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(like.device)


@dataclass(frozen=True)
class WaveletTransform:
    """The discrete wavelet transform with its options: see `decompose` for them.

    Raises
    ------
    ValueError
        See `check_options`.
    """

    reach: ClassVar[int] = 0  # every level mirrors its borders
    grid: ClassVar[int] = 1
    wavelet: str = "bior2.2"
    levels: int = 4

    def __post_init__(self) -> None:
        check_options(self.wavelet, self.levels)

    def decompose(self, image: Tensor) -> Pyramid:
        """Give the coefficients of images of shape (N, H, W)."""
        return decompose(image, self.wavelet, self.levels)

    def reconstruct(self, coefficients: Pyramid) -> Tensor:
        """Give the images with these coefficients."""
        return reconstruct(coefficients, self.wavelet)
