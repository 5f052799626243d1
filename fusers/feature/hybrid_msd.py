"""Fusion in a hybrid multiscale decomposition: texture and edges apart, the bright targets of the infrared kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from fusebench.fusers.filters.bilateral_grid import bilateral_grid
from fusebench.fusers.filters.windows import gaussian
from torch import Tensor

# A billionth of the range is no edge: flat areas differ by rounding, which may not decide.
ROUNDING = 1e-9


class Layers(NamedTuple):
    """What a hybrid decomposition makes of an image: for each level texture and edges, fine to coarse; and the base."""

    texture: list[Tensor]
    edges: list[Tensor]
    base: Tensor


def decompose(
    image: Tensor, smooth: Callable[[Tensor, int], Tensor], keep_edges: Callable[[Tensor, int], Tensor], levels: int
) -> Layers:
    """Smooth an image again and again, with edges kept and without: what one takes is texture, the rest edges.

    Both filters are called with an image and the level, from 0.
    """
    texture, edges, sharp = [], [], image
    for level in range(levels):
        sharp, blurred = keep_edges(sharp, level), smooth(image, level)
        texture.append(image - sharp)
        edges.append(sharp - blurred)
        image = blurred
    return Layers(texture, edges, image)


def combine(infrared: Layers, visible: Layers, focus: Tensor | float, *, smooth_finest: bool = False) -> Tensor:
    """Inject the infrared's layers where its edges are stronger, the more sharply the larger `focus`.

    The weight of a level is atan(focus R) / atan(focus), smoothed, R the excess of the infrared's edges over the
    visible's as a fraction of the largest. The finest level takes the larger coefficient, and the base has the coarsest
    level's weight, smoothed by four times its scale.

    Parameters
    ----------
    infrared, visible
        Their layers.
    focus
        A number, or one for each pair, of shape (N, 1, 1).
    smooth_finest
        The choice between the finest edges is smoothed.
    """
    focus = torch.as_tensor(focus, dtype=torch.float64, device=visible.base.device)
    coarsest = len(visible.edges) - 1
    fused = visible.base
    for level in range(coarsest, -1, -1):
        mine, theirs = infrared.edges[level], visible.edges[level]
        if level == 0:
            for_edges = (theirs.abs() + ROUNDING < mine.abs()).double()
            if smooth_finest:
                for_edges = gaussian(for_edges, 7, 1, "symmetric")
            for_texture = (visible.texture[0].abs() + ROUNDING < infrared.texture[0].abs()).double()
        else:
            excess = (mine.abs() - theirs.abs()).clamp(min=0)
            ratio = excess / excess.amax((1, 2), keepdim=True).clamp(min=ROUNDING)
            weight = torch.atan(focus * ratio) / torch.atan(focus)
            if level == coarsest:
                sigma = 4 * 2 ** (level + 1)
                share = gaussian(weight, 6 * sigma + 1, sigma, "symmetric")
                fused = share * infrared.base + (1 - share) * visible.base
            for_edges = for_texture = gaussian(weight, 7, 1, "symmetric")
        fused = fused + for_edges * mine + (1 - for_edges) * theirs
        fused = fused + for_texture * infrared.texture[level] + (1 - for_texture) * visible.texture[level]
    return fused


@dataclass(frozen=True)
class HybridMSD:
    """Hybrid multiscale decomposition fusion: Gaussians and bilateral filters part an image into texture and edges.

    Z. Zhou, B. Wang, S. Li, M. Dong, Perceptual fusion of infrared and visible images through a hybrid multi-scale
    decomposition with Gaussian and bilateral filters, Information Fusion 30 (2016), with its parameters: four levels,
    of 2, 4, 8 and 16 pixels. The second source stands for the visible image. The bilateral filter is that of a grid
    (`filters.bilateral_grid`), as in the authors' code; images are mirrored at their border.

    Parameters
    ----------
    focus
        The larger, the more of the infrared's edges is injected.
    tonal
        The standard deviation of grey of the finest bilateral filter, of images in [0, 1]; halved with each level.

    Raises
    ------
    ValueError
        If an option is not positive.

    Examples
    --------
    >>> x = torch.rand(1, 5, 7)
    >>> torch.allclose(HybridMSD()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "hybrid-msd"
    reference: ClassVar[str] = "Zhou, Wang, Li, Dong 2016"
    focus: float = 30.0
    tonal: float = 0.05

    def __post_init__(self) -> None:
        if not min(self.focus, self.tonal) > 0:
            raise ValueError(f"hybrid-msd: focus and tonal are positive, not {self.focus} and {self.tonal}")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return self.exact(a.double(), b.double()).clamp(0, 1).float()

    def exact(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse in float64, before clipping."""
        infrared, visible = (decompose(x, _smooth, self._keep_edges, 4) for x in (a, b))
        return combine(infrared, visible, self.focus)

    def _keep_edges(self, image: Tensor, level: int) -> Tensor:
        return bilateral_grid(image, 2 * 2**level, self.tonal / 2**level)


def _smooth(image: Tensor, level: int) -> Tensor:
    sigma = 2 * 2**level
    return gaussian(image, 6 * sigma + 1, sigma, "symmetric")
