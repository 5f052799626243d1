"""Nonsubsampled shearlets: a pyramid without decimation, each level split by directions."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from fusebench.fusers.filters.windows import separable
from fusebench.fusers.transforms.base import Pyramid, check_image
from torch import Tensor

SPLINE = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
MOST = 6  # directions of a level are at most 2^6


@dataclass(frozen=True)
class ShearletTransform:
    """The nonsubsampled shearlet transform (G. Easley, D. Labate, W.-Q. Lim, 2008).

    The pyramid is that of a cubic spline, dilated by 2 at each level: a level is what smoothing takes away, and the sum
    of all is the image. The published code has other filters there, 'maxflat'; the directions are its own: Meyer's
    windows on the pseudo-polar grid, brought to a square grid, whose energies add up to 1 at every frequency. So the
    sum over directions of each band filtered once more is the level.

    Parameters
    ----------
    directions
        For each level, coarse to fine, the binary logarithm of the number of directions, from 0 to 6.
    sizes
        For each level the side of its filters in pixels, even, a multiple of half the number of directions.

    Raises
    ------
    ValueError
        If there are no levels, as many directions as sizes are not given, or one is out of its range.

    Examples
    --------
    >>> x = torch.rand(1, 40, 37, dtype=torch.float64)
    >>> transform = ShearletTransform(directions=(2, 3), sizes=(8, 8))
    >>> torch.allclose(transform.reconstruct(transform.decompose(x)), x)
    True
    >>> [len(bands) for bands in transform.decompose(x).high]
    [4, 8]
    """

    grid: ClassVar[int] = 1
    directions: tuple[int, ...] = (3, 3, 4, 4)
    sizes: tuple[int, ...] = (8, 8, 16, 16)

    def __post_init__(self) -> None:
        if not self.directions or len(self.directions) != len(self.sizes):
            raise ValueError(f"directions={self.directions}, sizes={self.sizes}: each level has one of both")
        for directions, size in zip(self.directions, self.sizes, strict=True):
            if not 0 <= directions <= MOST or size < 2 or size % 2 or (2 * size) % 2**directions:
                raise ValueError(f"2^{directions} directions of {size} x {size} pixels: such filters cannot be made")

    @property
    def reach(self) -> int:
        """Pixels over which the transform and its inverse reach: the pyramid at all levels, directions at one."""
        return int(2 * (2 ** len(self.sizes) - 1) + 2 * max(self.sizes))

    def decompose(self, image: Tensor) -> Pyramid:
        """Give the bands of images of shape (N, H, W), each as large as they; directions go on periodically."""
        check_image(image)
        low, high = image, []
        for depth, (directions, size) in enumerate([*zip(self.directions, self.sizes, strict=True)][::-1]):
            smooth = separable(low, _dilated(depth), "symmetric")
            filters = _frequency_filters(size, directions, (image.shape[1], image.shape[2])).to(image.device)
            spectra = torch.fft.rfft2(low - smooth)
            bands = torch.fft.irfft2(spectra[:, None] * filters, s=image.shape[1:])
            high.append([*bands.to(image.dtype).unbind(1)])
            low = smooth
        return Pyramid(low, high[::-1], (image.shape[1], image.shape[2]))

    def reconstruct(self, coefficients: Pyramid) -> Tensor:
        """Give the images with these bands."""
        image = coefficients.low
        for bands, directions, size in zip(coefficients.high, self.directions, self.sizes, strict=True):
            shape = (image.shape[1], image.shape[2])
            filters = _frequency_filters(size, directions, shape).to(image.device)
            spectra = (torch.fft.rfft2(torch.stack(bands, dim=1)) * filters.conj()).sum(dim=1)
            image = image + torch.fft.irfft2(spectra, s=shape)
        return image


def _dilated(depth: int) -> list[float]:
    """Give the taps of the spline with 2^depth - 1 zeros between them."""
    taps = [0.0] * (4 * 2**depth + 1)
    taps[:: 2**depth] = SPLINE
    return taps


@lru_cache(maxsize=32)
def _frequency_filters(size: int, directions: int, shape: tuple[int, int]) -> Tensor:
    """Give the filters of a level at the frequencies of `rfft2`, a tight frame: (2^directions, H, W // 2 + 1).

    They are the spatial filters in an image of this size, divided by the root of the sum of their energies. An image
    smaller than the filters sees them folded.
    """
    filters = np.zeros((2**directions, *shape))
    rows, columns = (np.arange(size) % length for length in shape)
    for folded, filter_ in zip(filters, spatial_filters(size, directions), strict=True):
        np.add.at(folded, (rows[:, None], columns), filter_)
    spectra = np.fft.rfft2(filters)
    return torch.from_numpy(spectra / np.sqrt((np.abs(spectra) ** 2).sum(axis=0)))


@lru_cache(maxsize=32)
def spatial_filters(size: int, directions: int) -> npt.NDArray[np.float64]:
    """Give the shearing filters of a level, (2^directions, size, size).

    Examples
    --------
    Of one direction: an impulse.

    >>> spatial_filters(4, 0).round(6).max(), int(np.count_nonzero(spatial_filters(4, 0).round(6)))
    (np.float64(0.5), 1)
    """
    rows, columns = _pseudo_polar(size)
    hits = np.zeros((size, size))
    np.add.at(hits, (rows, columns), 1)
    filters = []
    for window in angular_windows(size, directions):
        square = np.zeros((size, size))
        np.add.at(square, (rows, columns), window[:, None])
        spectrum = square / hits
        filters.append(np.fft.fftshift(np.fft.ifft2(np.fft.fftshift(spectrum))).real / np.sqrt(size))
    return np.stack(filters)


def angular_windows(size: int, directions: int) -> npt.NDArray[np.float64]:
    """Give Meyer's windows over the 2 size radial rows of the pseudo-polar grid: (2^directions, 2 size), of sum 1.

    Examples
    --------
    >>> angular_windows(8, 2).sum(axis=0).round(12).tolist() == [1.0] * 16
    True
    """
    around, count = 2 * size, 2**directions
    width = around // count
    if count == 1:
        return np.ones((1, around))
    steps = np.arange(2 * width)
    values = _meyer((steps - width / 2) / width)
    windows = np.zeros((count, around))
    for band in range(count):
        np.add.at(windows[band], (steps - width // 2 + band * width) % around, values)
    return windows


def _meyer(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Meyer's window: 1 in the middle third around 1/2, and a smooth fall to 0 on both sides of it."""
    w = 3 * np.abs(x - 0.5) - 1
    fall = np.cos(np.pi / 2 * w**4 * (35 - 84 * w + 70 * w**2 - 20 * w**3)) ** 2
    return np.where(w < 0, 1.0, np.where(w <= 1, fall, 0.0))


def _pseudo_polar(size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give the points of the square grid on the 2 size radial rows of the pseudo-polar grid: rows and columns."""
    most = size + 1
    lines = np.array([_rounded(np.linspace(i, most - i + 1, most)) for i in range(1, most + 1)])
    along = np.broadcast_to(np.arange(1, size + 1), (size, size))
    first_columns = lines[:size][::-1, :size]
    second_rows = lines[1:, :size].copy()
    second_rows[-1, 0] = size
    rows = np.concatenate([along, second_rows]) - 1
    columns = np.concatenate([first_columns, along]) - 1
    return rows, columns


def _rounded(x: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.floor(x + 0.5).astype(np.int64)
