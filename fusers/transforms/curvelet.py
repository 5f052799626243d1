"""Curvelets: wedges of the frequency plane, narrower the finer they are."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from fusebench.fusers.transforms.base import Pyramid, check_image
from fusebench.fusers.transforms.pyramids import check_levels
from torch import Tensor

MOST = 64  # directions of a level


class Wedge(NamedTuple):
    """A window of the frequency plane, where it is not 0, and how its spectrum is folded.

    Attributes
    ----------
    places
        In the image's spectrum, row by row.
    values
        The window there.
    folded
        Where each of these places lies in the spectrum of the band.
    size
        Height and width of the band.
    """

    places: Tensor
    values: Tensor
    folded: Tensor
    size: tuple[int, int]


@dataclass(frozen=True)
class CurveletTransform:
    """The fast discrete curvelet transform by wrapping (E. Candes, L. Demanet, D. Donoho, L. Ying, 2006).

    Each level is a square ring of frequencies an octave wide, cut into wedges of equal slopes. The windows are Meyer's,
    and the sum of their squares is 1 at every frequency. The spectrum of a wedge is folded (wrapped) to the smallest
    rectangle on which no two of its frequencies meet, by powers of 2, and transformed back: a complex band, whose
    samples lie 2^k by 2^l pixels apart. Of the two opposite wedges of a real image one is kept; the other one's band is
    its conjugate. The finest level reaches to the corners of the plane, where the original's coefficients at that level
    may be wavelets.

    Images go on periodically; `multiscale.fuse` mirrors them before.

    Parameters
    ----------
    directions
        For each level, coarse to fine, how many directions a half turn has: even, from 2 to 64. The number doubles at
        every other level, which makes a curvelet's width the square of its length.

    Raises
    ------
    ValueError
        If there are no levels or more than 16, or a number of directions is out of its range.

    Examples
    --------
    >>> x = torch.rand(1, 32, 48, dtype=torch.float64)
    >>> transform = CurveletTransform(directions=(4, 8))
    >>> torch.allclose(transform.reconstruct(transform.decompose(x)), x)
    True
    >>> [len(bands) for bands in transform.decompose(x).high], transform.decompose(x).high[0][0].dtype
    ([4, 8], torch.complex128)
    """

    directions: tuple[int, ...] = (8, 8, 16, 16)

    def __post_init__(self) -> None:
        check_levels(len(self.directions))
        if any(d % 2 or not 2 <= d <= MOST for d in self.directions):
            raise ValueError(f"directions={self.directions}: each level has an even number of them, from 2 to {MOST}")

    @property
    def reach(self) -> int:
        """Pixels over which a curvelet of the coarsest level fades, about twice its step."""
        return int(2 ** (len(self.directions) + 1))

    @property
    def grid(self) -> int:
        """Step of the coarsest grid."""
        return int(2 ** len(self.directions))

    def decompose(self, image: Tensor) -> Pyramid:
        """Give the bands of images of shape (N, H, W), whose sides are multiples of the grid."""
        check_image(image)
        size = (image.shape[1], image.shape[2])
        spectrum = torch.fft.fft2(image).flatten(1)
        low, levels = _wedges(size, self.directions)
        high = [[_band(spectrum, wedge, size) for wedge in wedges] for wedges in levels]
        return Pyramid(_band(spectrum, low, size).real, high, size)

    def reconstruct(self, coefficients: Pyramid) -> Tensor:
        """Give the images with these bands."""
        size = coefficients.size
        low, levels = _wedges(size, self.directions)
        bands = [coefficients.low / 2, *(band for level in coefficients.high for band in level)]
        spectrum = bands[-1].new_zeros(len(bands[0]), math.prod(size))
        for band, wedge in zip(bands, [low, *(wedge for wedges in levels for wedge in wedges)], strict=True):
            folded = torch.fft.fft2(band).flatten(1) * (spectrum.shape[1] / band[0].numel())
            values = wedge.values.to(spectrum)
            spectrum[:, wedge.places] += values * folded[:, wedge.folded]
        found: Tensor = 2 * torch.fft.ifft2(spectrum.view(-1, *size)).real
        return found


def _band(spectrum: Tensor, wedge: Wedge, size: tuple[int, int]) -> Tensor:
    """Take a wedge of spectra (N, H W), and give the samples of the image it makes, (N, h, w)."""
    folded = spectrum.new_zeros(len(spectrum), math.prod(wedge.size))
    folded[:, wedge.folded] = wedge.values.to(spectrum) * spectrum[:, wedge.places]
    scale = math.prod(wedge.size) / math.prod(size)
    found: Tensor = torch.fft.ifft2(folded.view(-1, *wedge.size)) * scale
    return found


@lru_cache(maxsize=8)
def _wedges(size: tuple[int, int], directions: tuple[int, ...]) -> tuple[Wedge, list[list[Wedge]]]:
    """Give the low band's window, and those of each level, coarse to fine.

    At the frequency of half a sampling rate, which is its own opposite, two wedges that are opposite to each other meet
    the same numbers; the windows are divided by the root of the sum of all squares, which is above 1 there alone.
    """
    if any(length % 2 ** len(directions) for length in size):
        raise ValueError(f"curvelets of {len(directions)} levels need sides that are multiples of 2^{len(directions)}")
    rows, columns = (_frequencies(length) for length in size)
    lows = [torch.ones(size, dtype=torch.float64)]
    for level in range(len(directions)):
        down, right = (_fall(3 * 2**level * x.abs() - 1) for x in (rows, columns))
        lows.append(down[:, None] * right)
    around = _turn(rows[:, None].expand(size), columns.expand(size))
    windows = []
    for level, count in enumerate(reversed(directions)):
        ring = (lows[level].square() - lows[level + 1].square()).clamp(min=0).sqrt()
        middles = 4 / count * (torch.arange(count, dtype=torch.float64) + 0.5) - 1
        apart = ((around - middles[:, None, None] + 4) % 8 - 4).abs()
        windows.append(ring * _fall(count / 4 * apart))
    half = sum((window.square().sum(0) for window in windows), torch.zeros(size, dtype=torch.float64))
    whole = (lows[-1].square() + half + _opposite(half)).sqrt()
    levels = [[_folded(window / whole) for window in level] for level in reversed(windows)]
    return _folded(lows[-1] / whole), levels


def _frequencies(length: int) -> Tensor:
    """Give the frequencies of a discrete Fourier transform, 1 at half the sampling rate."""
    frequencies = 2 * torch.fft.fftfreq(length, dtype=torch.float64)
    return torch.where(frequencies == -1, 1.0, frequencies)


def _turn(y: Tensor, x: Tensor) -> Tensor:
    """Say how far frequencies are turned, by their slopes: -1 to 1 where x is largest, 1 to 3 where y is, up to 7.

    Examples
    --------
    >>> _turn(torch.tensor([0.0, 1.0, 1.0, 0.0, -1.0]), torch.tensor([1.0, 1.0, 0.0, -1.0, 0.0])).tolist()
    [0.0, 1.0, 2.0, 4.0, 6.0]
    """
    largest = torch.maximum(x.abs(), y.abs()).clamp(min=1e-300)
    steep = y.abs() > x.abs()
    along = torch.where(steep, -x * y.sign(), y * x.sign()) / largest
    middle = torch.where(steep, torch.where(y > 0, 2, 6), torch.where(x >= 0, 0, 4))
    return along + middle


def _opposite(window: Tensor) -> Tensor:
    """Give a window of the frequencies -w."""
    return window.flip(0, 1).roll((1, 1), (0, 1))


def _fall(x: Tensor) -> Tensor:
    """Fall from 1 at 0 to 0 at 1, smoothly, so that the squares at x and at 1 - x add up to 1 (Meyer).

    Examples
    --------
    >>> _fall(torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0], dtype=torch.float64)).square().round(decimals=9).tolist()
    [1.0, 1.0, 0.5, 0.0, 0.0]
    """
    x = x.clamp(0, 1)
    found = torch.cos(math.pi / 2 * x**4 * (35 - 84 * x + 70 * x**2 - 20 * x**3))
    return torch.where(x < 1, found, 0.0)


def _folded(window: Tensor) -> Wedge:
    """Fold a window to the smallest rectangle on which no two of its frequencies meet."""
    rows, columns = window.nonzero().unbind(1)
    height, width = window.shape

    def alone(h: int, w: int) -> bool:
        return len(torch.unique(rows % h * w + columns % w)) == len(rows)

    h, w = height, width
    while w % 2 == 0 and alone(h, w // 2):
        w //= 2
    while h % 2 == 0 and alone(h // 2, w):
        h //= 2
    return Wedge(rows * width + columns, window[rows, columns], rows % h * w + columns % w, (h, w))
