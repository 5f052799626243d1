"""Hybrid multiscale fusion by guided filters, as sharp as the infrared image is salient."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from fusebench.fusers.feature.hybrid_msd import combine, decompose
from fusebench.fusers.filters.borders import pad
from fusebench.fusers.filters.guided import guided
from torch import Tensor

BLOCK = 40


@dataclass(frozen=True)
class HMSDGF:
    """Hybrid multiscale decomposition by guided filters; how much is injected depends on the perceptual saliency.

    Z. Zhou, M. Dong, X. Xie, Z. Gao, Fusion of infrared and visible images for night-vision context enhancement,
    Applied Optics 55 (2016), with its parameters: four levels, radii 2, 4, 8 and 16; with edges kept eps 0.01 and a
    quarter of it with each level, without 10000. The second source stands for the visible image. Images end at their
    border.

    lambda is 2500 times the ratio of saliencies less 1900, from 100 to 2000. Of two images without any edge each is as
    salient as the other.

    Parameters
    ----------
    original
        As the authors' code: the result is brighter by 275/255, lambda rises to 2100 before it falls back to 2000, and
        the saliency leaves out the outermost pixels, so that a side has at least 3.

    Examples
    --------
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(HMSDGF()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "hmsd-gf"
    reference: ClassVar[str] = "Zhou, Dong, Xie, Gao 2016"
    original: bool = False

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double()).clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in float64, before clipping."""
        ratio = self.saliency(a) / self.saliency(b)
        focus = (2500 * ratio - 1900).clamp(100, 2000).nan_to_num(600)
        if self.original:
            focus = torch.where((ratio > 1.56) & (ratio <= 1.6), 2500 * ratio - 1900, focus)
        infrared, visible = (decompose(x, _smooth, _keep_edges, 4) for x in (a, b))
        fused = combine(infrared, visible, focus.view(-1, 1, 1), smooth_finest=True)
        return fused * (275 / 255) if self.original else fused

    def saliency(self, image: Tensor) -> Tensor:
        """Give the contrast that an eye sees in each image: that of blocks, weighed by the energy of their edges."""
        wide = image if self.original else pad(image, 1, "symmetric")
        smooth_down, smooth_along = (_one_two_one(wide, axis) for axis in (1, 2))
        down = smooth_along[:, 2:] - smooth_along[:, :-2]
        along = smooth_down[:, :, 2:] - smooth_down[:, :, :-2]
        pairs = zip(_blocks(wide[:, 1:-1, 1:-1]), _blocks(down.square() + along.square()), strict=True)
        contrast, energy = zip(*((_visible(block), edges.sum((1, 2))) for block, edges in pairs), strict=True)
        energies = torch.stack(energy)
        return ((torch.stack(contrast) * energies).sum(0) / energies.sum(0)).nan_to_num(0)


def _one_two_one(image: Tensor, axis: int) -> Tensor:
    inner = image.shape[axis] - 2
    return image.narrow(axis, 0, inner) + 2 * image.narrow(axis, 1, inner) + image.narrow(axis, 2, inner)


def _blocks(image: Tensor) -> list[Tensor]:
    """Cut images into blocks; the last ones are smaller."""
    return [block for band in torch.split(image, BLOCK, 1) for block in torch.split(band, BLOCK, 2)]


def _visible(block: Tensor) -> Tensor:
    """Give the energy of blocks as the eye's contrast sensitivity lets it through (Mannos and Sakrison, 1974)."""
    height, width = block.shape[1:]
    rows, columns = (2 * torch.fft.fftfreq(n, dtype=block.dtype, device=block.device) for n in (height, width))
    radius = 16 * torch.hypot(rows[:, None], columns)
    sensitivity = 2.6 * (0.0192 + 0.114 * radius) * (-((0.114 * radius) ** 1.1)).exp()
    seen: Tensor = torch.fft.fft2(block) * sensitivity
    return seen.abs().square().sum((1, 2)).sqrt() / (height * width)


def _smooth(image: Tensor, level: int) -> Tensor:
    return guided(image, image, 2 * 2**level, 1e4)


def _keep_edges(image: Tensor, level: int) -> Tensor:
    return guided(image, image, 2 * 2**level, (0.1 / 2**level) ** 2)
