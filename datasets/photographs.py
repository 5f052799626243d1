"""Photographs that ship inside installed packages, and multi-focus pairs with known masks made of them.

They train and test the multi-focus network. Every one comes in the wheel of a dependency (scikit-image, scikit-learn,
matplotlib), so nothing is downloaded and nothing is redistributed. No photograph of `HELD_OUT` is used for training.
"""

from importlib import resources

import numpy as np
import torch
from fusebench.datasets import colour
from PIL import Image
from torch import Tensor

TRAINING = (
    "skimage/data/astronaut.png",
    "skimage/data/brick.png",
    "skimage/data/camera.png",
    "skimage/data/chelsea.png",
    "skimage/data/coffee.png",
    "skimage/data/grass.png",
    "skimage/data/gravel.png",
    "skimage/data/ihc.png",
    "skimage/data/motorcycle_left.png",
    "skimage/data/page.png",
    "sklearn/datasets/images/flower.jpg",
)
HELD_OUT = (
    "matplotlib/mpl-data/sample_data/grace_hopper.jpg",
    "skimage/data/coins.png",
    "skimage/data/rocket.jpg",
    "sklearn/datasets/images/china.jpg",
)
# Blurs a lens makes of what is out of focus: nearly a disk, softened. Radii of the disk in pixels.
RADII = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


def read(name: str) -> Tensor:
    """Read a photograph of `TRAINING` or `HELD_OUT` as luma, (H, W), float32, in [0, 1]."""
    package, _, path = name.partition("/")
    with resources.as_file(resources.files(package) / path) as file, Image.open(file) as image:
        return colour.split(np.asarray(image.convert("RGB")))[0]


def defocus(image: Tensor, radius: float) -> Tensor:
    """Blur as a lens does out of focus: by a disk of this radius in pixels, its rim one pixel soft; borders mirrored.

    Examples
    --------
    >>> defocus(torch.ones(9, 9), 2.0).allclose(torch.ones(9, 9))
    True
    """
    reach = int(np.ceil(radius + 0.5))
    steps = torch.arange(-reach, reach + 1, dtype=image.dtype)
    distance = (steps.view(-1, 1).square() + steps.square()).sqrt()
    disk = (radius + 0.5 - distance).clamp(0, 1)
    padded = torch.nn.functional.pad(image[None, None], (reach, reach, reach, reach), mode="reflect")
    return torch.nn.functional.conv2d(padded, (disk / disk.sum())[None, None])[0, 0]


def multifocus(sharp: Tensor, radius: float, seed: int, *, spilling: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Make a multi-focus pair of a photograph: each half of a random mask is out of focus in one source.

    Parameters
    ----------
    sharp
        The photograph, (H, W).
    radius
        Of the blur, in pixels.
    seed
        Of the mask.
    spilling
        Take the mask for what is nearer to the lens: out of focus, its light spills over what is behind it, as in a
        photograph. Otherwise both blurs end at the mask's border.

    Returns
    -------
    a, b, mask
        Shape (H, W); a is in focus where the mask is True, b where it is False. The mask's border is a smooth curve.
    """
    noise = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    height, width = sharp.shape
    smooth = torch.nn.functional.interpolate(noise, (height, width), mode="bicubic", align_corners=True)[0, 0]
    mask = smooth > smooth.median()
    blurred = defocus(sharp, radius)
    if not spilling:
        return torch.where(mask, sharp, blurred), torch.where(mask, blurred, sharp), mask
    near = mask.to(sharp)
    behind_it = defocus(near * sharp, radius) + (1 - defocus(near, radius)) * sharp
    return torch.where(mask, sharp, blurred), behind_it, mask
