"""Diffusion that stops at edges: of second order and of fourth."""

import torch
from fusebench.fusers.filters.borders import Border, pad
from torch import Tensor

# The eight neighbours of a pixel, down and along, and the inverse square of their distance.
NEIGHBOURS = tuple((i, j, 1 / (i * i + j * j)) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)


def anisotropic_diffusion(image: Tensor, steps: int, rate: float, contrast: float, border: Border) -> Tensor:
    """Let grey flow to the eight neighbours where it differs little from theirs.

    P. Perona, J. Malik, Scale-space and edge detection using anisotropic diffusion, IEEE Transactions on Pattern
    Analysis and Machine Intelligence 12 (1990), with the conductance exp(-(difference / contrast)^2). "replicate" lets
    nothing flow through the border.

    Parameters
    ----------
    image
        Shape (N, H, W).
    steps, rate
        How often, and how much of the flow each time, at most 1/6 for a stable result.
    contrast
        The difference that counts as an edge, in the image's unit.
    border
        What the outermost pixels have for neighbours.

    Examples
    --------
    >>> spot = torch.tensor([[[0.0, 0.0, 1.0, 0.0, 0.0]]])
    >>> anisotropic_diffusion(spot, 1, 0.1, 1e9, "replicate").tolist()[0][0][1:4]
    [0.20000000298023224, 0.6000000238418579, 0.20000000298023224]
    """
    height, width = image.shape[1:]
    for _ in range(steps):
        wide = pad(image, 1, border)
        flow = torch.zeros_like(image)
        for i, j, weight in NEIGHBOURS:
            difference = wide[:, 1 + i : 1 + i + height, 1 + j : 1 + j + width] - image
            flow += weight * difference * (-(difference / contrast).square()).exp()
        image = image + rate * flow
    return image


def fourth_order_diffusion(
    image: Tensor, steps: int, rate: float, contrast: float, *, one_sided: bool = False
) -> Tensor:
    """Smooth an image towards planes, where its second derivatives are small.

    Y.-L. You, M. Kaveh, Fourth-order partial differential equations for noise removal, IEEE Transactions on Image
    Processing 9 (2000): I_t = -((c I_xx)_xx + (c I_yy)_yy), c = 1 / (1 + (I_xx^2 + I_yy^2) / contrast^2). A second
    derivative is a central difference of a central difference, so it reaches two pixels to each side.

    Parameters
    ----------
    image
        Shape (N, H, W).
    steps, rate
        How often, and how long each step is, below 1 for a stable result.
    contrast
        The second derivative that counts as a feature.
    one_sided
        The first differences at the border are one-sided, as MATLAB's `gradient` takes them; otherwise the image is
        mirrored.

    Examples
    --------
    >>> fourth_order_diffusion(torch.ones(1, 3, 4), 5, 0.9, 4.0).min().item()
    1.0
    """
    second = _one_sided_second if one_sided else _mirrored_second
    for _ in range(steps):
        down, along = second(image, 1), second(image, 2)
        conductance = 1 / (1 + (down.square() + along.square()) / contrast**2)
        image = image - rate * (second(conductance * down, 1) + second(conductance * along, 2))
    return image


def _mirrored_second(image: Tensor, axis: int) -> Tensor:
    wide, length = pad(image, 2, "symmetric", (axis,)), image.shape[axis]
    return (wide.narrow(axis, 4, length) - 2 * image + wide.narrow(axis, 0, length)) / 4


def _one_sided_second(image: Tensor, axis: int) -> Tensor:
    first: Tensor = torch.gradient(image, dim=axis)[0]
    return torch.gradient(first, dim=axis)[0]
