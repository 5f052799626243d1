"""Fusion by convolutional sparse codes of an image's detail."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.feature import csr_filters
from fusebench.fusers.filters.windows import box_mean
from fusebench.fusers.rules.selection import choose, told_apart
from fusebench.fusers.transforms.borders import extend
from torch import Tensor

SMOOTHNESS = 5.0  # of the base
SPARSITY = 0.01
RADIUS = 3  # of the window of activity, for sources of different kinds
PENALTY, RELAXATION = 1.0, 1.8


@dataclass(frozen=True)
class CSR:
    """Y. Liu, X. Chen, R. K. Ward, Z. J. Wang, Image fusion with convolutional sparse representation, 2016.

    The base of an image is smooth (`base`), and bases are averaged; the detail is a sum of filtered sparse maps
    (`sparse_maps`). At each place the maps of the source with the larger sum of magnitudes, averaged over 7 x 7 pixels,
    are taken: the paper's choice for sources of different kinds. The filters are this project's own, where the paper
    takes those of a library. What the maps lack of the detail is taken from the same source, and the images are
    mirrored at their borders, where the paper leaves it out and joins opposite borders (`original`). Where both are as
    active, to 1e-9, the mean is taken.

    Parameters
    ----------
    iterations
        Of the solver. After 100, which take 17 seconds for 256 x 256 pixels, the sum that is minimised is within a
        thousandth of its least; eight times as many change seven pixels in a thousand by more than a grey level.
    original
        As the paper.

    Raises
    ------
    ValueError
        If the number of iterations is not positive.

    Examples
    --------
    >>> x = torch.rand(1, 9, 7)
    >>> torch.allclose(CSR(iterations=5)(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "csr"
    reference: ClassVar[str] = "Liu, Chen, Ward, Wang 2016"
    title: ClassVar[str] = "CSR"
    weights_sha256: ClassVar[str] = csr_filters.SHA256
    iterations: int = 100
    original: bool = False

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ValueError(f"csr: the number of iterations is positive, not {self.iterations}")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        margin = 0 if self.original else 2 * csr_filters.SIDE
        height, width = a.shape[1:]
        fused = self.exact(*(extend(image.double(), [(margin, margin)] * 2) for image in (a, b)))
        return fused[:, margin : margin + height, margin : margin + width].clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse images that go on periodically, in float64, before clipping."""
        filters = csr_filters.load().to(a)
        images = torch.cat([a, b])
        bases = base(images)
        details = images - bases
        # One image at a time: its maps stay near the processor.
        maps = torch.cat(
            [sparse_maps(detail, filters, SPARSITY, self.iterations) for detail in torch.split(details, 1)]
        )
        more_a, more_b = told_apart(*box_mean(maps.abs().sum(dim=1), RADIUS, "symmetric").chunk(2))
        maps_a, maps_b = maps.chunk(2)
        fused = joined(choose(maps_a, maps_b, more_a[:, None], more_b[:, None]), filters)
        if not self.original:
            rest_a, rest_b = (details - joined(maps, filters)).chunk(2)
            fused = fused + choose(rest_a, rest_b, more_a, more_b)
        return fused + bases.view(2, *a.shape).mean(dim=0)


def base(images: Tensor) -> Tensor:
    """Give the base z of images x that go on periodically, the least of |x - z|^2 + 5 (|z_x|^2 + |z_y|^2).

    Its derivatives are differences of neighbours, so that at each frequency x is divided by 1 + 5 (4 sin^2(pi f_x) +
    4 sin^2(pi f_y)).

    Examples
    --------
    >>> base(torch.tensor([[[21.0, -21.0]]], dtype=torch.float64)).round(decimals=9).tolist()  # at 1/2: over 21
    [[[1.0, -1.0]]]
    """
    height, width = images.shape[1:]
    like = {"dtype": images.dtype, "device": images.device}
    frequencies = torch.fft.fftfreq(height, **like)[:, None], torch.fft.rfftfreq(width, **like)
    down, right = (4 * torch.sin(torch.pi * frequency).square() for frequency in frequencies)
    found: Tensor = torch.fft.irfft2(torch.fft.rfft2(images) / (1 + SMOOTHNESS * (down + right)), s=(height, width))
    return found


def sparse_maps(images: Tensor, filters: Tensor, sparsity: float, iterations: int) -> Tensor:
    """Find maps z_m, the least of |sum_m d_m * z_m - x|^2 / 2 + sparsity sum_m |z_m|_1, by alternating directions.

    The convolution is periodic and centred. B. Wohlberg, Efficient algorithms for convolutional sparse representations,
    2016: at each frequency the quadratic part is a system of rank one, solved in closed form.

    Parameters
    ----------
    images
        x, shape (N, H, W), float64.
    filters
        d, shape (M, k, k).
    sparsity
        The weight of the magnitudes.
    iterations
        So many.

    Returns
    -------
    Tensor
        Shape (N, M, H, W).

    Examples
    --------
    Of one filter that changes nothing the maps are the image, its values moved towards 0.

    >>> x = torch.tensor([[[3.0, -2.0, 0.5]]], dtype=torch.float64)
    >>> sparse_maps(x, torch.ones(1, 1, 1, dtype=torch.float64), 1.0, 100).round(decimals=6).tolist()
    [[[[2.0, -1.0, 0.0]]]]
    """
    size = (images.shape[1], images.shape[2])
    spectra = _spectra(filters, size)
    energy = spectra.abs().square().sum(dim=0)
    seen = spectra.conj() * torch.fft.rfft2(images)[:, None]
    conjugate, right = spectra.conj().resolve_conj(), seen.clone()
    maps: Tensor = images.new_zeros(len(images), len(filters), *size)
    gap: Tensor = torch.zeros_like(maps)
    for _ in range(iterations):
        along = (spectra * right).sum(dim=1) / (PENALTY + energy)
        # One filter at a time: what belongs to it stays in a processor's cache.
        for m in range(len(filters)):
            dense = torch.fft.irfft2((right[:, m] - conjugate[m] * along).div_(PENALTY), s=size)
            pushed = dense.mul_(RELAXATION).add_(maps[:, m], alpha=1 - RELAXATION).add_(gap[:, m])
            held = torch.clamp(pushed, -sparsity / PENALTY, sparsity / PENALTY, out=gap[:, m])
            torch.sub(pushed, held, out=maps[:, m])
            torch.add(seen[:, m], torch.fft.rfft2(maps[:, m] - held), alpha=PENALTY, out=right[:, m])
    return maps


def joined(maps: Tensor, filters: Tensor) -> Tensor:
    """Give the images that maps (N, M, H, W) make with filters (M, k, k): sum_m d_m * z_m."""
    size = (maps.shape[2], maps.shape[3])
    found: Tensor = torch.fft.irfft2((_spectra(filters, size) * torch.fft.rfft2(maps)).sum(dim=1), s=size)
    return found


def _spectra(filters: Tensor, size: tuple[int, int]) -> Tensor:
    """Give the filters at the frequencies of `rfft2`, centred; an image smaller than they are sees them folded."""
    side = filters.shape[1]
    rows, columns = ((torch.arange(side) - side // 2) % length for length in size)
    wide = filters.new_zeros(len(filters), *size)
    wide.index_put_((torch.arange(len(filters))[:, None, None], rows[:, None], columns), filters, accumulate=True)
    spectra: Tensor = torch.fft.rfft2(wide)
    return spectra
