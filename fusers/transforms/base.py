"""What every transform gives and takes, and how it says what it needs of an image."""

from typing import NamedTuple, Protocol

from torch import Tensor


class Pyramid(NamedTuple):
    """What a transform makes of images of shape (N, H, W).

    Attributes
    ----------
    low
        The low band, shape (N, h, w).
    high
        For each level, coarse to fine, its bands, each of shape (N, h, w). How many a level has, and of which sizes,
        is the transform's affair.
    size
        Height and width of the images.
    """

    low: Tensor
    high: list[list[Tensor]]
    size: tuple[int, int]


class Transform(Protocol):
    """A map from images to bands that can be inverted: a frozen dataclass, whose fields are the transform's options.

    `reconstruct(decompose(image))` is the image, of any size, to rounding.
    """

    @property
    def reach(self) -> int:
        """Pixels over which the transform sees beyond a pixel, and so beyond a border.

        A fuser continues the images by their mirror images so far on each side. It is 0 for a transform that mirrors
        its borders itself.
        """
        ...

    @property
    def grid(self) -> int:
        """Step of the coarsest grid: heights and widths that are multiples of it are not padded by the transform."""
        ...

    def decompose(self, image: Tensor) -> Pyramid:
        """Give the bands of images of shape (N, H, W)."""
        ...

    def reconstruct(self, coefficients: Pyramid) -> Tensor:
        """Give the images with these bands: the inverse of `decompose`."""
        ...


def check_image(image: Tensor) -> None:
    """Refuse what is no batch of floating images.

    Raises
    ------
    ValueError
        If the shape is not (N, H, W), an axis is empty, or the type is not floating.

    Examples
    --------
    >>> import torch
    >>> check_image(torch.zeros(4, 4))
    Traceback (most recent call last):
    ValueError: a transform takes floating images of shape (N, H, W), not torch.float32 of shape (4, 4)
    """
    if image.ndim != 3 or not image.numel() or not image.is_floating_point():
        shape = tuple(image.shape)
        raise ValueError(f"a transform takes floating images of shape (N, H, W), not {image.dtype} of shape {shape}")
