"""The contourlet transform.

M. N. Do, M. Vetterli, The contourlet transform: an efficient directional multiresolution image representation, IEEE
Trans. Image Processing 14 (2005): each level splits an image into a half-sized low band and a detail (a Laplacian
pyramid), and the detail into wedges of directions (a directional filter bank, critically sampled). Order, sampling
phases and scale of the bands are those of the authors' Contourlet Toolbox 2.0, in its ladder form. All extensions are
periodic.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from fusebench.fusers.transforms.base import Pyramid, check_image
from fusebench.fusers.transforms.borders import extend
from torch import Tensor

Half = tuple[float, ...]
Filters = tuple[Half, Half]

# Analysis and synthesis low-pass filter, symmetric: the centre tap, then outwards. Each sums to sqrt(2).
# "9-7" is the pair of A. Cohen, I. Daubechies and J.-C. Feauveau as tabulated (M. Antonini et al., IEEE Trans. Image
# Processing 1, 1992), so it is exact to about 1e-13; "5-3" is D. Le Gall's; "burt" is Burt and Adelson's with a = 0.6,
# and a dual of it.
PYRAMIDS: dict[str, Filters] = {
    "9-7": (
        (0.85269867900940, 0.37740285561265, -0.11062440441842, -0.02384946501938, 0.037828455506995),
        (0.78848561640566, 0.41809227322221, -0.040689417609558, -0.064538882628938),
    ),
    "5-3": (
        tuple(tap * math.sqrt(2) / 8 for tap in (6, 2, -1)),
        tuple(tap * math.sqrt(2) / 4 for tap in (2, 1)),
    ),
    "burt": (
        tuple(tap * math.sqrt(2) / 20 for tap in (12, 5, -1)),
        tuple(tap * math.sqrt(2) / 280 for tap in (170, 73, -15, -3)),
    ),
}

# One half of each ladder filter, which is symmetric about half a sample, outwards: S.-M. Phoong, C. W. Kim,
# P. P. Vaidyanathan, R. Ansari, IEEE Trans. Signal Processing 43 (1995). The number is that of the taps.
_TWELVE = (0.63, -0.193, 0.0972, -0.0526, 0.0272, -0.0144)
LADDERS: dict[str, Half] = {
    "pkva": _TWELVE,
    "pkva6": (0.6261, -0.1794, 0.0688),
    "pkva8": (0.6302, -0.1924, 0.0930, -0.0403),
    "pkva12": _TWELVE,
}


def check_options(directions: Sequence[int], pyramid: str, directional: str) -> None:
    """Refuse options that name no transform.

    Raises
    ------
    ValueError
        If there is no level, a level's number is negative, or a filter is unknown.

    Examples
    --------
    >>> check_options((2, 3), "9-7", "haar")
    Traceback (most recent call last):
    ValueError: directional='haar' is no ladder filter; known: pkva, pkva6, pkva8, pkva12
    """
    if not directions or min(directions) < 0:
        raise ValueError(
            f"directions={tuple(directions)}: a transform has a level, and 2^n directions with n >= 0 in each"
        )
    if pyramid not in PYRAMIDS:
        raise ValueError(f"pyramid={pyramid!r} is no pyramid filter; known: {', '.join(PYRAMIDS)}")
    if directional not in LADDERS:
        raise ValueError(f"directional={directional!r} is no ladder filter; known: {', '.join(LADDERS)}")


def decompose(
    image: Tensor, directions: Sequence[int] = (2, 2, 3, 3), pyramid: str = "9-7", directional: str = "pkva"
) -> Pyramid:
    """Contourlet coefficients of images of any size.

    Height and width are first padded to the next multiple of the largest 2^(d + max(n - 1, 1)) of any level, where n is
    the level's entry in `directions` and d its depth, 0 at the finest: every level and every band can then be halved.
    For the default that is 16. A size that is such a multiple is not padded and gives the toolbox's coefficients. What
    is missing is mirrored, one half of it on either side: the filters wrap round, and the step from one border to the
    opposite one then lies amid the padding. That is little or nothing, as in the toolbox: within 16 pixels of a border
    an image fused so differs by 4 to 15 grey levels on average from one whose borders do not meet (`Contourlet`).

    Parameters
    ----------
    image
        Shape (N, H, W), float32 or float64.
    directions
        For each level, coarse to fine, log2 of the number of its directions; 0 is a step of the separable wavelet
        transform with the same filters instead, with the three bands LH, HL, HH (the rows' filter is named first).
    pyramid
        Low-pass filters of the pyramid: "9-7", "5-3" or "burt".
    directional
        Ladder filter of the directional filter bank: "pkva" (which is "pkva12"), "pkva8" or "pkva6".

    Returns
    -------
    Pyramid
        Its bands are of the image's type. A level of n >= 2 whose detail
        is h x w has 2^(n-1) bands of h / 2^(n-1) x w / 2, then as many of h / 2 x w / 2^(n-1); n = 1 has two of
        h / 2 x w. There are about 4/3 coefficients per padded pixel. The low band has a gain of 2 per level; a constant
        has no detail. A plane wave along the rows is in band 1 of 4 and 2 of 8, one along the columns in 4 and 7.

    Raises
    ------
    ValueError
        See `check_image`, `check_options`.

    Notes
    -----
    The pyramid: P. J. Burt, E. H. Adelson, IEEE Trans. Communications 31 (1983). The directional filter bank: R. H.
    Bamberger, M. J. T. Smith, IEEE Trans. Signal Processing 40 (1992), with the bands resampled back so that their rows
    and columns are the image's (Do and Vetterli 2005, section II-B). Its two-channel steps are ladders (lifting), so
    reconstruction is exact whatever the filter. Shears of a band that is not square (any, for n >= 3) do not close at
    its border: the filters see a seam there, as in the toolbox, and reconstruction undoes it. The toolbox also offers
    directional filters that are no ladders ("9-7", "5-3", "haar"); these are left out.

    Examples
    --------
    Two levels double a constant twice, and nothing is left for the bands:

    >>> low, high, _ = decompose(torch.full((1, 8, 8), 3.0, dtype=torch.float64), directions=(1, 2), pyramid="5-3")
    >>> low.shape, round(low.mean().item(), 9), [[tuple(band.shape[1:]) for band in bands] for bands in high]
    (torch.Size([1, 2, 2]), 12.0, [[(2, 4), (2, 4)], [(4, 4), (4, 4), (4, 4), (4, 4)]])
    >>> max(band.abs().max().item() for bands in high for band in bands) < 1e-12
    True
    """
    check_options(directions, pyramid, directional)
    check_image(image)
    low, high = _pad(image, directions), []
    for n in reversed(directions):
        low, bands = _split_level(low, n, PYRAMIDS[pyramid], LADDERS[directional])
        high.append(bands)
    return Pyramid(low, high[::-1], (image.shape[1], image.shape[2]))


def reconstruct(coefficients: Pyramid, pyramid: str = "9-7", directional: str = "pkva") -> Tensor:
    """Images with these contourlet coefficients: the inverse of `decompose`.

    Changed coefficients may be those of no image. The pyramid is reconstructed as by M. N. Do, M. Vetterli, Framing
    pyramids, IEEE Trans. Signal Processing 51 (2003): what a detail holds of the low band is taken out first. With
    orthogonal filters this is the dual frame, the inverse that passes on least of a change; with these it is near it.

    Parameters
    ----------
    coefficients
        What `decompose` returned, or others of the same shapes. The padding is cut off.
    pyramid, directional
        As in `decompose`.

    Returns
    -------
    Tensor
        Shape (N, H, W), of the pyramid's `size`.

    Raises
    ------
    ValueError
        If a filter is unknown, a level has another number of bands than 3 or a power of 2, or `size` is not the size of
        images with such bands.

    Examples
    --------
    >>> x = torch.rand(2, 5, 7, dtype=torch.float64)
    >>> torch.allclose(reconstruct(decompose(x)), x, atol=1e-12)
    True
    """
    image, high, size = coefficients
    directions = [_directions(len(bands)) for bands in high]
    check_options(directions, pyramid, directional)
    for n, bands in zip(directions, high, strict=True):
        image = _join_level(image, bands, n, PYRAMIDS[pyramid], LADDERS[directional])
    padded = image.shape[1:]
    if tuple(padded) != _padded(size, directions):
        raise ValueError(f"coefficients of images of {tuple(padded)} with padding are none of images of {tuple(size)}")
    top, left = ((length - kept) // 2 for length, kept in zip(padded, size, strict=True))
    return image[:, top : top + size[0], left : left + size[1]]


def _directions(count: int) -> int:
    if count != 3 and (count < 2 or count.bit_count() != 1):
        raise ValueError(f"a level has 3 bands or a power of 2, not {count}")
    return 0 if count == 3 else count.bit_length() - 1


def grid(directions: Sequence[int]) -> int:
    """Step of the coarsest grid: sizes that are multiples of it are not padded.

    Examples
    --------
    >>> grid((2, 2, 3, 3)), grid((0,))
    (16, 2)
    """
    return int(2 ** max(depth + max(n - 1, 1) for depth, n in enumerate(reversed(directions))))


def _padded(size: Sequence[int], directions: Sequence[int]) -> tuple[int, ...]:
    step = grid(directions)
    return tuple(math.ceil(length / step) * step for length in size)


def _pad(image: Tensor, directions: Sequence[int]) -> Tensor:
    lacking = [
        padded - length for length, padded in zip(image.shape[1:], _padded(image.shape[1:], directions), strict=True)
    ]
    return extend(image, [(count // 2, count - count // 2) for count in lacking])


def directional_reach(n: int, directional: str) -> int:
    """Pixels of a detail over which its 2^n directions reach to either side.

    That is half the taps of the ladder filter at each step of the tree, the samples of step k being 2^(k - 1) apart.

    Examples
    --------
    >>> directional_reach(0, "pkva"), directional_reach(3, "pkva6")
    (0, 21)
    """
    return int(len(LADDERS[directional]) * (2**n - 1))


def _split_level(image: Tensor, n: int, pyramid: Filters, ladder: Half) -> tuple[Tensor, list[Tensor]]:
    analysis, synthesis = pyramid
    if n == 0:
        low, high = _split_wavelet(image, pyramid)
        (ll, lh), (hl, hh) = (_split_wavelet(half.mT, pyramid) for half in (low, high))
        return ll.mT, [lh.mT, hl.mT, hh.mT]
    low = _smooth(image, analysis)[..., ::2, ::2]
    return low, _split_directions(image - _smooth(_upsample(low), synthesis), n, ladder)


def _join_level(low: Tensor, bands: Sequence[Tensor], n: int, pyramid: Filters, ladder: Half) -> Tensor:
    analysis, synthesis = pyramid
    if n == 0:
        lh, hl, hh = bands
        low, high = (_join_wavelet(a.mT, b.mT, pyramid).mT for a, b in ((low, lh), (hl, hh)))
        return _join_wavelet(low, high, pyramid)
    detail = _join_directions(bands, n, ladder)
    return detail + _smooth(_upsample(low - _smooth(detail, analysis)[..., ::2, ::2]), synthesis)


def _split_wavelet(image: Tensor, pyramid: Filters) -> tuple[Tensor, Tensor]:
    """Low and high half of the rows: h at samples 0, 2, ..., and g modulated by -(-1)^k at -1, 1, ..."""
    analysis, synthesis = map(_symmetric, pyramid)
    low = _correlate(image.mT, analysis, len(analysis) // 2).mT
    high = _correlate(image.mT, _modulated(synthesis), len(synthesis) // 2 + 1).mT
    return low[..., ::2], high[..., ::2]


def _join_wavelet(low: Tensor, high: Tensor, pyramid: Filters) -> Tensor:
    analysis, synthesis = map(_symmetric, pyramid)
    low, high = (torch.stack([half, torch.zeros_like(half)], -1).flatten(-2).mT for half in (low, high))
    smooth = _correlate(low, synthesis, len(synthesis) // 2)
    return (smooth + _correlate(high, _modulated(analysis), len(analysis) // 2 - 1)).mT


def _symmetric(half: Half) -> tuple[float, ...]:
    return (*half[:0:-1], *half)


def _modulated(taps: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(tap * (-1) ** (k - len(taps) // 2 + 1) for k, tap in enumerate(taps))


def _smooth(image: Tensor, half: Half) -> Tensor:
    return _correlate_both(image, _symmetric(half), len(half) - 1)


def _upsample(image: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    result = image.new_zeros(*image.shape[:-2], 2 * height, 2 * width)
    result[..., ::2, ::2] = image
    return result


def _correlate_both(x: Tensor, taps: tuple[float, ...], before: int, seam: int = 0) -> Tensor:
    """y[i, j] = sum over k and l of taps[k] taps[l] x[i + k - before, j + l - before]."""
    return _correlate(_correlate(x, taps, before, seam).mT, taps, before).mT


def _correlate(x: Tensor, taps: tuple[float, ...], before: int, seam: int = 0) -> Tensor:
    """y[i, j] = sum over k of taps[k] x[i + k - before, j]; each period of x lies `seam` columns further on."""
    height, width = x.shape[-2:]
    rows = torch.arange(-before, height + len(taps) - 1 - before, device=x.device)
    if seam:
        columns = torch.arange(width, device=x.device) + seam * rows.div(height, rounding_mode="floor").unsqueeze(1)
        x = x[..., (rows % height).unsqueeze(1), columns % width]
    else:
        x = x.index_select(-2, rows % height)
    # Not conv2d: on a GPU that may round to TF32, and on a CPU these few taps are faster so.
    y = taps[0] * x[..., :height, :]
    for k, tap in enumerate(taps[1:], start=1):
        y.add_(x[..., k : k + height, :], alpha=tap)
    return y


def _split_directions(detail: Tensor, n: int, ladder: Half) -> list[Tensor]:
    """Split a detail, shape (N, h, w), into the 2^n bands of the directional filter bank.

    Bands that are halved alike are one tensor (N, bands, h, w). The second half of the tree is the first, transposed.
    """
    # One quincunx period of what the first step filters is a row period and half a column period.
    fans = torch.cat(_lift(*_split_quincunx(detail.unsqueeze(1)), ladder, seam=detail.shape[-1] // 2), 1)
    if n == 1:
        return list(_resample_pair(fans).unbind(1))
    even, odd = _lift(*_split_quincunx(fans.mT), ladder)
    first, second = torch.stack([odd, even], 2).unbind(1)
    halves = []
    for bands in (first.mT, second):
        wedges = bands
        for _ in range(n - 2):
            even, odd = _lift(*_split_rows(wedges, _alternating(wedges)), ladder)
            wedges = torch.stack([odd, even], 2).flatten(1, 2)
        halves.append(_shear(wedges, _turn(wedges)))
    return [*halves[0].unbind(1), *halves[1].mT.flip(1).unbind(1)]


def _join_directions(bands: Sequence[Tensor], n: int, ladder: Half) -> Tensor:
    if n == 1:
        fans = _unsample_pair(torch.stack(list(bands), 1))
    else:
        stacked = [torch.stack(list(half), 1) for half in (bands[: len(bands) // 2], bands[len(bands) // 2 :])]
        halves = []
        for half in (stacked[0], stacked[1].flip(1).mT):
            wedges = _shear(half, -_turn(half))
            for _ in range(n - 2):
                odd, even = wedges[:, ::2], wedges[:, 1::2]
                wedges = _join_rows(*_unlift(even, odd, ladder), _alternating(even))
            halves.append(wedges)
        odd, even = torch.stack([halves[0].mT, halves[1]], 1).unbind(2)
        fans = _join_quincunx(*_unlift(even, odd, ladder)).mT
    return _join_quincunx(*_unlift(fans[:, :1], fans[:, 1:], ladder, seam=fans.shape[-1] // 2)).squeeze(1)


def _lift(p0: Tensor, p1: Tensor, ladder: Half, seam: int = 0) -> tuple[Tensor, Tensor]:
    """Two-channel fan filter bank on its polyphase parts: predict, update, and scale by sqrt(2)."""
    y0 = (p0 - _ladder(p1, ladder, len(ladder), seam)) / math.sqrt(2)
    return y0, -math.sqrt(2) * p1 - _ladder(y0, ladder, len(ladder) - 1, seam)


def _unlift(y0: Tensor, y1: Tensor, ladder: Half, seam: int = 0) -> tuple[Tensor, Tensor]:
    p1 = (y1 + _ladder(y0, ladder, len(ladder) - 1, seam)) / -math.sqrt(2)
    return math.sqrt(2) * y0 + _ladder(p1, ladder, len(ladder), seam), p1


def _ladder(x: Tensor, half: Half, before: int, seam: int) -> Tensor:
    # Modulated by (-1)^k along both axes, which turns the diamond into the fan; the filter becomes antisymmetric.
    fan = tuple(tap * (-1) ** k for k, tap in enumerate(half))
    return _correlate_both(x, (*fan[::-1], *(-tap for tap in fan)), before, seam)


def _split_quincunx(x: Tensor) -> tuple[Tensor, Tensor]:
    """Polyphase parts on the quincunx lattice: shear the columns, then part the rows."""
    return _split_rows(_shear(x.mT, -1).mT, 1)


def _join_quincunx(p0: Tensor, p1: Tensor) -> Tensor:
    return _shear(_join_rows(p0, p1, 1).mT, 1).mT


def _split_rows(x: Tensor, slope: Tensor | int) -> tuple[Tensor, Tensor]:
    """Even and odd rows, sheared; with slope 1 the odd ones are one column ahead."""
    return _shear(x[..., ::2, :], slope), _shear(x[..., 1::2, :], slope, (slope + 1) // 2)


def _join_rows(p0: Tensor, p1: Tensor, slope: Tensor | int) -> Tensor:
    return torch.stack([_shear(p0, -slope), _shear(p1, -slope, -((slope + 1) // 2))], -2).flatten(-3, -2)


def _shear(x: Tensor, slope: Tensor | int, offset: Tensor | int = 0) -> Tensor:
    """y[i, j] = x[i, j + slope i + offset], periodic; a tensor (bands, 1, 1) gives each band its own slope."""
    height, width = x.shape[-2:]
    rows, columns = torch.arange(height, device=x.device).unsqueeze(1), torch.arange(width, device=x.device)
    return x.gather(-1, ((columns + slope * rows + offset) % width).expand(x.shape))


def _alternating(bands: Tensor) -> Tensor:
    """Slopes of the two parallelogram filter banks, which take turns: 1, -1, 1, -1, ..., one for each band."""
    return 1 - 2 * (torch.arange(bands.shape[1], device=bands.device) % 2).view(-1, 1, 1)


def _turn(bands: Tensor) -> Tensor:
    """Slopes that bring the lattices of half a tree of bands back to rows and columns, the same for each two bands."""
    count = bands.shape[1]
    return (2 * torch.arange(count, device=bands.device).div(2, rounding_mode="floor") + 1 - count // 2).view(-1, 1, 1)


def _resample_pair(fans: Tensor) -> Tensor:
    """Bring the quincunx lattice of a level of two bands back to rows and columns."""
    return _shear_columns_by_two(_shear(fans, -1), 1)


def _unsample_pair(fans: Tensor) -> Tensor:
    return _shear(_shear_columns_by_two(fans, -1), 1)


def _shear_columns_by_two(x: Tensor, slope: int) -> Tensor:
    return torch.stack([_shear(x[..., parity::2].mT, slope).mT for parity in (0, 1)], -1).flatten(-2)


@dataclass(frozen=True)
class ContourletTransform:
    """The contourlet transform with its options: see `decompose` for them.

    Raises
    ------
    ValueError
        See `check_options`.

    Examples
    --------
    >>> ContourletTransform().reach, ContourletTransform().grid
    (249, 16)
    """

    directions: tuple[int, ...] = (2, 2, 3, 3)
    pyramid: str = "9-7"
    directional: str = "pkva"

    def __post_init__(self) -> None:
        check_options(self.directions, self.pyramid, self.directional)

    @property
    def reach(self) -> int:
        """Pixels over which the transform and its inverse reach: the pyramid at all levels, directions at one."""
        sides = sum(len(half) - 1 for half in PYRAMIDS[self.pyramid])
        directional = (
            2**depth * directional_reach(n, self.directional) for depth, n in enumerate(reversed(self.directions))
        )
        return int(sides * (2 ** len(self.directions) - 1) + max(directional))

    @property
    def grid(self) -> int:
        """Step of the coarsest grid."""
        return grid(self.directions)

    def decompose(self, image: Tensor) -> Pyramid:
        """Give the coefficients of images of shape (N, H, W)."""
        return decompose(image, self.directions, self.pyramid, self.directional)

    def reconstruct(self, coefficients: Pyramid) -> Tensor:
        """Give the images with these coefficients."""
        return reconstruct(coefficients, self.pyramid, self.directional)
