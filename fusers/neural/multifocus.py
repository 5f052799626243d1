"""Fusion by the multi-focus convolutional network of Liu et al."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from fusebench.fusers.base import NEVER_SHOWN, label
from fusebench.fusers.filters.guided import guided
from fusebench.fusers.neural import multifocus_weights
from fusebench.fusers.neural.multifocus_weights import Weights
from fusebench.fusers.neural.precision import full_precision
from torch import Tensor

WINDOW = 16  # pixels a score looks at: 8 x 8 features behind a pooling by 2
MATCH = 0.6  # similarity above which the medical variant mixes coefficients rather than choosing one


@dataclass(frozen=True)
class MultiFocusCNN:
    """Fuse by a network trained to tell which of two patches is in focus.

    Y. Liu, X. Chen, H. Peng, Z. Wang, Multi-focus image fusion with a deep convolutional neural network, Information
    Fusion 36 (2017) 191-207: a siamese network scores every 16 x 16 window of the two sources, the overlapping scores
    are averaged to a focus map, which is thresholded, cleaned of small regions, smoothed along the edges of the blend
    (guided filter) and weighs the sources.

    On medical pairs "in focus" can only mean "more active", which is what the seed paper compares itself to.

    Parameters
    ----------
    variant
        "multifocus", as above, or "medical": Y. Liu, X. Chen, J. Cheng, H. Peng, A medical image fusion method based on
        convolutional neural networks, FUSION 2017. There the focus map weighs the coefficients of Laplacian pyramids
        where the sources are alike, and the more active coefficient is taken where they are not.
    weights
        "own", trained by this project (docs/multifocus-model-card.md), or "published": the authors' .mat file, which
        may be used for research only.
    weights_file
        The file of the published weights (`--weights FILE.mat`); without it FUSEBENCH_CNN names it.

    Raises
    ------
    ValueError
        If an option is unknown, the weights are missing or wrong, or an image is smaller than a window, 16 x 16.
    """

    name: ClassVar[str] = "cnn"
    reference: ClassVar[str] = "Liu, Chen, Peng, Wang 2017"
    least: ClassVar[int] = WINDOW
    variant: str = "multifocus"
    weights: str = "own"
    weights_file: str = field(default="", metadata=NEVER_SHOWN)

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"variant {self.variant!r} is unknown; known: {', '.join(VARIANTS)}")
        if self.weights not in multifocus_weights.SOURCES:
            raise ValueError(f"weights {self.weights!r} are unknown; known: {', '.join(multifocus_weights.SOURCES)}")

    @property
    def title(self) -> str:
        """What the field calls it, with what differs from the default."""
        changed = label(self).removeprefix("cnn").strip("[]")
        return "Multi-focus CNN" + (f" ({changed})" if changed else "")

    @property
    def parameters(self) -> int:
        """Weights and biases of the network."""
        network = multifocus_weights.load(self.weights, self.weights_file)
        return sum(part.numel() for part in (*(p for layer in network.branch for p in layer), *network.dense))

    @property
    def weights_sha256(self) -> str:
        """Digest of the file that holds the weights, once it is read and verified."""
        return multifocus_weights.load(self.weights, self.weights_file).sha256

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Score, decide and blend."""
        if min(a.shape[1:]) < WINDOW:
            raise ValueError(f"cnn needs images of at least {WINDOW} x {WINDOW} pixels, not {tuple(a.shape[1:])}")
        weights = multifocus_weights.load(self.weights, self.weights_file)
        return VARIANTS[self.variant](a.double(), b.double(), focus(a, b, weights)).clamp(0, 1).float()


def focus(a: Tensor, b: Tensor, weights: Weights) -> Tensor:
    """Give the focus map, (N, H, W): the mean of the windows' probabilities that a is in focus."""
    return focus_map(torch.softmax(scores(a, b, weights).double(), dim=1)[:, 1], (a.shape[1], a.shape[2]))


def scores(a: Tensor, b: Tensor, weights: Weights) -> Tensor:
    """Score every 16 x 16 window, two pixels apart: (N, H, W) to (N, 2, h, w), h = ceil(H / 2) - 7.

    Channel 1 speaks for "a is in focus", channel 0 for b. Both sources pass through the same branch: 3 x 3 convolutions
    to 64, 128 and, behind a 2 x 2 maximum pooling, 256 channels; then one 8 x 8 convolution over both branches' output
    (the light model) or two, to 256 channels and to the scores (the full one). The published inference adds no bias to
    the scores, and neither is one trained here.
    """
    return join(branch(a, weights), branch(b, weights), weights)


@full_precision()
def branch(image: Tensor, weights: Weights) -> Tensor:
    """Give what one source's branch makes of it: (N, H, W) to (N, 256, ceil(H / 2), ceil(W / 2))."""
    out = image.unsqueeze(1)
    for index, (kernel, bias) in enumerate(weights.branch):
        if index == 2:
            out = F.max_pool2d(out, 2, ceil_mode=True)
        out = F.conv2d(out, kernel.to(image.device), bias.to(image.device), padding=1).relu()
    return out


@full_precision()
def join(a: Tensor, b: Tensor, weights: Weights) -> Tensor:
    """Give the scores of what the branches made of both sources."""
    out = torch.cat([a, b], dim=1)
    for kernel in weights.dense:
        out = F.conv2d(out, kernel.to(a.device))
    return out


@full_precision()
def focus_map(in_focus: Tensor, size: tuple[int, int]) -> Tensor:
    """Average overlapping windows: score (i, j) goes to the 16 x 16 pixels from (2 i, 2 j), (N, h, w) to (N, H, W).

    Every pixel gets the mean of the windows that cover it; windows of odd images are cut at the right and bottom.
    """
    ones = torch.ones(1, 1, WINDOW, WINDOW, dtype=in_focus.dtype, device=in_focus.device)
    total = F.conv_transpose2d(in_focus.unsqueeze(1), ones, stride=2)
    count = F.conv_transpose2d(torch.ones_like(in_focus[:1]).unsqueeze(1), ones, stride=2)
    return (total / count).squeeze(1)[:, : size[0], : size[1]]


def decide(focus: Tensor) -> Tensor:
    """Threshold a focus map at 0.5 and give regions of less than 1 % of the image to what surrounds them.

    Small regions of the mask first, then of its complement; regions are 8-connected. Returns bool, (N, H, W).
    """
    mask = (focus > 0.5).cpu().numpy()
    least = -(-mask[0].size // 100)
    for _ in range(2):
        mask = ~_without_small_regions(mask, least)
    return torch.from_numpy(mask).to(focus.device)


def _without_small_regions(mask: np.ndarray, least: int) -> np.ndarray:
    from scipy.ndimage import label

    within_an_image = np.zeros((3, 3, 3), dtype=bool)
    within_an_image[1] = True
    regions, _ = label(mask, structure=within_an_image)
    large = np.bincount(regions.ravel()) >= least
    large[0] = False  # the background
    return np.asarray(large[regions])


def blend(a: Tensor, b: Tensor, focus: Tensor) -> Tensor:
    """Decide a focus map, smooth the decision along the edges of what it makes, and weigh the sources by it."""
    decision = decide(focus).to(a)
    decision = guided(torch.lerp(b, a, decision), decision, 8, 0.1)
    return torch.lerp(b, a, decision)


def _medical(a: Tensor, b: Tensor, focus: Tensor) -> Tensor:
    levels = min(a.shape[1:]).bit_length() - 1
    weights = _gaussian_pyramid(focus, levels)
    fused = [
        _mix(x, y, weight)
        for x, y, weight in zip(_laplacian_pyramid(a, levels), _laplacian_pyramid(b, levels), weights, strict=True)
    ]
    out = fused[-1]
    for detail in reversed(fused[:-1]):
        out = detail + _expand(out, detail)
    return out


VARIANTS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"multifocus": blend, "medical": _medical}


def _mix(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """Mix coefficients that match in their 3 x 3 region, and take the more active ones elsewhere."""
    energy_x, energy_y, product = (_region_sum(z) for z in (x * x, y * y, x * y))
    match = 2 * product / (energy_x + energy_y)  # 0 / 0 on flat ground compares as no match, and there y is 0 too
    return torch.where(match > MATCH, torch.lerp(y, x, weight), torch.where(energy_x > energy_y, x, y))


def _region_sum(x: Tensor) -> Tensor:
    """Sum over 3 x 3. Borders are mirrored without repeating the edge; as published, the corners beyond count as 0."""
    # A level of one row or column has nothing to mirror but itself.
    mode = "reflect" if min(x.shape[1:]) > 1 else "replicate"
    padded = F.pad(x.unsqueeze(1), (1, 1, 1, 1), mode=mode)
    padded[..., :: padded.shape[-2] - 1, :: padded.shape[-1] - 1] = 0
    return 9 * F.avg_pool2d(padded, 3, stride=1).squeeze(1)


def _gaussian_pyramid(x: Tensor, levels: int) -> list[Tensor]:
    pyramid = [x]
    for _ in range(levels - 1):
        pyramid.append(_reduce(pyramid[-1]))
    return pyramid


def _laplacian_pyramid(x: Tensor, levels: int) -> list[Tensor]:
    pyramid = _gaussian_pyramid(x, levels)
    return [*(fine - _expand(coarse, fine) for fine, coarse in itertools.pairwise(pyramid)), pyramid[-1]]


def _blur(x: Tensor) -> Tensor:
    """Filter by the binomial kernel in both directions, valid: (N, H, W) to (N, H - 4, W - 4)."""
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=x.dtype, device=x.device) / 16
    return F.conv2d(F.conv2d(x.unsqueeze(1), kernel.view(1, 1, 5, 1)), kernel.view(1, 1, 1, 5)).squeeze(1)


def _reduce(x: Tensor) -> Tensor:
    """Blur with a mirrored border that repeats the edge, and keep every second pixel."""
    for dim in (1, 2):
        x = torch.cat([x.narrow(dim, 0, 2).flip(dim), x, x.narrow(dim, x.shape[dim] - 2, 2).flip(dim)], dim=dim)
    return _blur(x)[:, ::2, ::2]


def _expand(x: Tensor, like: Tensor) -> Tensor:
    """Put zeros between the pixels of `x`, its edge repeated, and blur to the size of `like`."""
    padded = F.pad(x.unsqueeze(1), (1, 1, 1, 1), mode="replicate").squeeze(1)
    spread = padded.new_zeros(x.shape[0], 2 * padded.shape[1], 2 * padded.shape[2])
    spread[:, ::2, ::2] = 4 * padded
    return _blur(spread)[:, : like.shape[1], : like.shape[2]]
