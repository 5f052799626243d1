"""What fusers in a colour space share: the brightness is fused, the colour stays that of the coloured source."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch
from fusebench.fusers.base import Fuser, parse
from torch import Tensor

SUBSTITUTE = "substitute"


@dataclass(frozen=True)
class WithGreyFuser:
    """A fuser of colour images that leaves a part of the work to one of grey images.

    `space` is what tables call it. A subclass whose `substitutes` is true may take the other source's brightness
    instead of a grey fuser's.

    Parameters
    ----------
    intensity
        The name of the grey fuser, such as "laplacian"; or "substitute".

    Raises
    ------
    ValueError
        If no grey fuser has that name.
    """

    colour: ClassVar[bool] = True
    substitutes: ClassVar[bool] = False
    space: ClassVar[str]
    intensity: str = "laplacian"

    def __post_init__(self) -> None:
        if self.intensity == SUBSTITUTE and not self.substitutes:
            raise ValueError(f"intensity={SUBSTITUTE}: the other source alone is no fusion here; name a grey fuser")
        _ = self.grey

    @property
    def grey(self) -> Fuser | None:
        """The grey fuser; None where the other source's brightness is taken."""
        return None if self.intensity == SUBSTITUTE else grey_fuser(self.intensity)

    @property
    def title(self) -> str:
        """The space, and what becomes of the brightness."""
        return f"{self.space}, {self.intensity}"

    @property
    def least(self) -> int:
        """Smallest height and width, which the grey fuser takes."""
        return getattr(self.grey, "least", 1)

    @property
    def weights_sha256(self) -> str | None:
        """The digest of what the grey fuser reads."""
        return getattr(self.grey, "weights_sha256", None)

    @property
    def drift(self) -> float:
        """That of the grey fuser."""
        return getattr(self.grey, "drift", 0.0)


@dataclass(frozen=True)
class ColourSpace(WithGreyFuser):
    """Take the brightness out of both sources, fuse it, and give it to the coloured one.

    A subclass says what its brightness is (`brightness`, (N, 3, H, W) to (N, H, W) in [0, 1]), and how an image gets
    another one (`with_brightness`).

    Parameters
    ----------
    intensity
        How the new brightness is made: "substitute" takes that of the other source, or the name of a grey fuser, such
        as "laplacian", which fuses both.

    Raises
    ------
    ValueError
        If no grey fuser has that name.

    Notes
    -----
    The coloured source is the one whose channels differ more (`roles`). What leaves [0, 1] is clipped.
    """

    substitutes: ClassVar[bool] = True
    intensity: str = SUBSTITUTE

    def brightness(self, rgb: Tensor) -> Tensor:
        """Give the brightness of images (N, 3, H, W): (N, H, W), in [0, 1]."""
        raise NotImplementedError

    def with_brightness(self, rgb: Tensor, brightness: Tensor) -> Tensor:
        """Give images (N, 3, H, W) another brightness (N, H, W)."""
        raise NotImplementedError

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n]), (N, 3, H, W)."""
        coloured, other = roles(a, b)
        if (grey := self.grey) is None:
            new = self.brightness(other.double())
        else:
            new = grey(*(self.brightness(x.double()).clamp(0, 1).float() for x in (a, b)))
        return self.with_brightness(coloured.double(), new.double()).clamp(0, 1).float()


@lru_cache(maxsize=32)
def grey_fuser(name: str) -> Fuser:
    """Make the fuser of that name for grey images, with no option given. Raises ValueError."""
    from fusebench.fusers.catalogue import FUSERS  # it imports the modules that import this one

    return parse(name, FUSERS)


def roles(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Tell the coloured source of each pair from the other: (N, 3, H, W) each.

    The coloured one has the larger mean difference between its largest and its smallest channel; b where they are
    equal, as in two grey images.

    Examples
    --------
    >>> grey, red = torch.full((1, 3, 1, 1), 0.5), torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> [image.flatten().tolist() for image in roles(red, grey)]
    [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5]]
    """
    first = first_is_coloured(a, b)
    return torch.where(first, a, b), torch.where(first, b, a)


def first_is_coloured(a: Tensor, b: Tensor) -> Tensor:
    """Say of each pair whether a is its coloured source (`roles`): (N, 1, 1, 1), bool."""
    of_a, of_b = ((x.amax(dim=1) - x.amin(dim=1)).mean(dim=(1, 2)) for x in (a, b))
    return (of_a > of_b).view(-1, 1, 1, 1)


def luma(rgb: Tensor) -> Tensor:
    """Give the luma of BT.601, 0.299 R + 0.587 G + 0.114 B: (N, 3, H, W) to (N, H, W).

    Examples
    --------
    >>> round(luma(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)).item(), 3)
    0.299
    """
    red, green, blue = rgb.unbind(1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def added(rgb: Tensor, new: Tensor, brightness: Callable[[Tensor], Tensor]) -> Tensor:
    """Add the difference of two brightnesses to each channel, which keeps the differences between channels."""
    return rgb + (new - brightness(rgb))[:, None]


def scaled(rgb: Tensor, new: Tensor, brightness: Callable[[Tensor], Tensor]) -> Tensor:
    """Multiply each channel by the ratio of two brightnesses, which keeps the channels' ratios; black becomes grey."""
    old = brightness(rgb)
    shine: Any = torch.where(old > 0, new / old.clamp(min=1e-9), 0.0)
    return torch.where((old > 0)[:, None], rgb * shine[:, None], new[:, None])
