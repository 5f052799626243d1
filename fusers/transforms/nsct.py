"""The nonsubsampled contourlet transform.

A. L. da Cunha, J. Zhou, M. N. Do, The nonsubsampled contourlet transform: theory, design, and applications, IEEE Trans.
Image Processing 15 (2006): the contourlet transform without its samplings. Every band has the image's size and moves
with the image. Order and scale of the bands are those of the authors' toolbox.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from fusebench.fusers.transforms.base import Pyramid, check_image
from fusebench.fusers.transforms.borders import mirrored
from fusebench.fusers.transforms.contourlet import LADDERS, PYRAMIDS, check_options, directional_reach
from torch import Tensor


def decompose(
    image: Tensor, directions: Sequence[int] = (2, 2, 3, 3), pyramid: str = "9-7", directional: str = "pkva"
) -> Pyramid:
    """Nonsubsampled contourlet coefficients of images of any size.

    The pyramid mirrors the image at its borders (the ends repeated), the directional filters take a band as periodic:
    the toolbox's extensions. Where filters are longer than the image, and the toolbox fails, either is continued.

    A shifted image has the shifted coefficients: circularly, and to rounding, if the image is flat at its border over
    the reach of the pyramid, 4 (2^J - 1) pixels for J levels of "9-7". Otherwise the mirror does not move along.

    Parameters
    ----------
    image
        Shape (N, H, W), float32 or float64.
    directions
        For each level, coarse to fine, log2 of the number of its directions; 0 leaves the level's detail whole.
    pyramid
        1-D low-pass filters that are mapped to two dimensions: "9-7" (the toolbox's '9-7'), "5-3" or "burt".
    directional
        Ladder filter of the directional filter bank: "pkva" (which is "pkva12"), "pkva8" or "pkva6".

    Returns
    -------
    Pyramid
        A level has 2^n bands. Each band is (N, H, W), of the image's type. The low band has the image's scale; a
        constant has no detail. For n = 3, bands 1 to 8 hold waves whose wavevectors lie about 36, 16, 169, 145, 51, 75,
        100, 128 degrees from the rows' direction towards the columns'.

    Raises
    ------
    ValueError
        See `check_image`, `check_options`.

    Notes
    -----
    The pyramid's filters are the 1-D pair H, G, with M(u, v) = (1 + cos u)(1 + cos v) / 2 - 1 in the place of cos u
    (J. H. McClellan's transformation; da Cunha et al., section III): low = H(M) / sqrt(2), detail = G(-M) / sqrt(2),
    and at depth d with gaps of 2^d between the taps. The toolbox's tables for '9-7' are these formulae, expanded. M is
    two smoothings by (1, 2, 1) / 4, so that a level costs a few shifted sums.

    A two-channel step of the directional bank is A = (1 + P) / 2, B = 1 - P (1 + P) / 2, with P the product of the
    ladder filter in two directions. That gives the toolbox's 2-D taps; they are applied as a product of spectra. Step
    l >= 3 parts wedge k = 0, 1, ... of the first half at the line 2^(l-1) u + (4 k + 2 - 2^(l-1)) v = 0, where u is the
    frequency along the columns and v that along the rows, and of the second half with u and v exchanged. Up to n = 3
    this was compared with the toolbox; beyond, it is what makes wedges of equal steps.

    Examples
    --------
    >>> low, high, _ = decompose(torch.full((1, 6, 9), 3.0), directions=(0, 2))
    >>> [len(bands) for bands in high], torch.allclose(low, torch.tensor(3.0))
    ([1, 4], True)
    """
    check_options(directions, pyramid, directional)
    check_image(image)
    analysis, synthesis = PYRAMIDS[pyramid]
    low, high = image, []
    for depth, n in enumerate(reversed(directions)):
        terms = _chebyshev(low, 2**depth, max(len(analysis), len(synthesis)))
        low, detail = _series(terms, analysis), _series(terms, _alternated(synthesis))
        spectra = torch.fft.rfft2(detail).unsqueeze(1) * _responses(n, detail, LADDERS[directional], synthesis=False)
        high.append(list(torch.fft.irfft2(spectra, s=detail.shape[1:]).unbind(1)))
    return Pyramid(low, high[::-1], (image.shape[1], image.shape[2]))


def reconstruct(coefficients: Pyramid, pyramid: str = "9-7", directional: str = "pkva") -> Tensor:
    """Images with these coefficients: the inverse of `decompose`.

    Parameters
    ----------
    coefficients
        What `decompose` returned, or others of the same shapes.
    pyramid, directional
        As in `decompose`.

    Returns
    -------
    Tensor
        Shape (N, H, W).

    Raises
    ------
    ValueError
        If a filter is unknown or a level's number of bands is no power of 2.

    Examples
    --------
    >>> x = torch.rand(2, 5, 7, dtype=torch.float64)
    >>> torch.allclose(reconstruct(decompose(x)), x, atol=1e-12)
    True
    """
    low, high, _ = coefficients
    if not all(bands and len(bands).bit_count() == 1 for bands in high):
        raise ValueError(f"the levels have {[len(bands) for bands in high]} bands; each has a power of 2")
    directions = [len(bands).bit_length() - 1 for bands in high]
    check_options(directions, pyramid, directional)
    analysis, synthesis = PYRAMIDS[pyramid]
    image = low
    for depth, n, bands in zip(range(len(high))[::-1], directions, high, strict=True):
        spectra = torch.fft.rfft2(torch.stack(list(bands), 1)) * _responses(
            n, low, LADDERS[directional], synthesis=True
        )
        detail = torch.fft.irfft2(spectra.sum(1), s=low.shape[1:])
        image = _series(_chebyshev(image, 2**depth, len(synthesis)), synthesis) + _series(
            _chebyshev(detail, 2**depth, len(analysis)), _alternated(analysis)
        )
    return image


def _chebyshev(x: Tensor, gap: int, count: int) -> list[Tensor]:
    """T_k(M) x for k < count: Chebyshev's polynomials are cos k u in cos u, and M stands for cos u."""
    terms = [x, _mapped(x, gap)]
    while len(terms) < count:
        terms.append(2 * _mapped(terms[-1], gap) - terms[-2])
    return terms


def _mapped(x: Tensor, gap: int) -> Tensor:
    """M x: twice x smoothed by (1, 2, 1) / 4 along both axes, less x."""
    smooth = x
    for axis in (1, 2):
        length = x.shape[axis]
        index = torch.arange(length, device=x.device)
        before, after = (smooth.index_select(axis, mirrored(index + step, length)) for step in (-gap, gap))
        smooth = (before + after + 2 * smooth) / 4
    return 2 * smooth - x


def _series(terms: Sequence[Tensor], half: Sequence[float]) -> Tensor:
    """Apply the symmetric filter with the taps half[0], half[1], ... from its centre outwards, over sqrt(2)."""
    result = terms[0] * (half[0] / math.sqrt(2))
    for term, tap in zip(terms[1:], half[1:], strict=False):
        result = result.add(term, alpha=math.sqrt(2) * tap)
    return result


def _alternated(half: Sequence[float]) -> list[float]:
    """Give the filter at -M."""
    return [tap * (-1) ** k for k, tap in enumerate(half)]


def _responses(n: int, like: Tensor, ladder: tuple[float, ...], *, synthesis: bool) -> Tensor:
    """Frequency responses of the 2^n directional filters at the frequencies of `rfft2`: real, (2^n, H, W // 2 + 1)."""
    height, width = like.shape[-2:]
    # In float64, whatever the image's type: the arguments of the cosines grow with 2^n.
    rows: Tensor = 2 * math.pi * torch.fft.fftfreq(height, dtype=torch.float64, device=like.device).view(1, -1, 1)
    columns: Tensor = 2 * math.pi * torch.fft.rfftfreq(width, dtype=torch.float64, device=like.device).view(1, 1, -1)

    def part(bands: Tensor, u: Tensor, v: Tensor) -> Tensor:
        product = _ladder(u + math.pi, ladder) * _ladder(v + math.pi, ladder)
        if synthesis:
            channels = 1 + product * (1 - product) / 2, (1 - product) / 2
        else:
            channels = (1 + product) / 2, 1 - product * (1 + product) / 2
        return torch.stack([bands * channel for channel in channels], 1).flatten(0, 1)

    bands = rows.new_ones(1, height, width // 2 + 1)
    if n >= 1:
        bands = part(bands, rows + columns, rows - columns - 2 * math.pi)
    if n >= 2:
        bands = part(bands, 2 * rows, 2 * columns)
    if n >= 3:
        first, second = bands.chunk(2)
        for step in range(3, n + 1):
            turns = 4 * torch.arange(2 ** (step - 2), device=like.device).view(-1, 1, 1) + 2 - 2 ** (step - 1)
            first = part(first, 2 * columns, 2 ** (step - 1) * rows + turns * columns)
            second = part(second, 2 * rows, 2 ** (step - 1) * columns + turns * rows)
        bands = torch.cat([first, second])
    return bands.to(like.dtype)


def _ladder(u: Tensor, half: tuple[float, ...]) -> Tensor:
    """Frequency response of the ladder filter, about its centre."""
    taps = u.new_tensor(half).view(-1, *[1] * u.ndim)
    steps = torch.arange(len(half), device=u.device).view_as(taps) + 0.5
    return (2 * taps * torch.cos(steps * u)).sum(0)


@dataclass(frozen=True)
class NonsubsampledContourletTransform:
    """The nonsubsampled contourlet transform with its options: see `decompose` for them.

    Raises
    ------
    ValueError
        See `check_options`.

    Examples
    --------
    >>> NonsubsampledContourletTransform().reach
    102
    """

    directions: tuple[int, ...] = (2, 2, 3, 3)
    pyramid: str = "9-7"
    directional: str = "pkva"

    def __post_init__(self) -> None:
        check_options(self.directions, self.pyramid, self.directional)

    @property
    def reach(self) -> int:
        """Pixels over which a band reaches: the directional filters, which know no depth, then the pyramid's."""
        side = max(len(half) - 1 for half in PYRAMIDS[self.pyramid])
        return int(side * (2 ** len(self.directions) - 1)) + directional_reach(max(self.directions), self.directional)

    @property
    def grid(self) -> int:
        """Step of the coarsest grid: there is no sampling."""
        return 1

    def decompose(self, image: Tensor) -> Pyramid:
        """Give the coefficients of images of shape (N, H, W)."""
        return decompose(image, self.directions, self.pyramid, self.directional)

    def reconstruct(self, coefficients: Pyramid) -> Tensor:
        """Give the images with these coefficients."""
        return reconstruct(coefficients, self.pyramid, self.directional)
