"""What the histogram of a whole image says of each pixel."""

import torch
from torch import Tensor


def histogram_contrast(image: Tensor) -> Tensor:
    """Sum each pixel's distances from all pixels of the image in grey, in 256 levels; stretched to [0, 1].

    Y. Zhai, M. Shah, Visual attention detection in video sequences using spatiotemporal cues, 2006: how much a grey
    level stands out.

    Examples
    --------
    >>> histogram_contrast(torch.tensor([[[0.0, 0.0, 0.2, 1.0]]])).tolist()
    [[[0.0, 0.0, 0.0, 1.0]]]
    """
    levels = (255 * image + 0.5).floor().long().clamp(0, 255).flatten(1)
    counts = torch.zeros(len(image), 256, dtype=torch.float64, device=image.device)
    counts.scatter_add_(1, levels, torch.ones_like(levels, dtype=torch.float64))
    grey = torch.arange(256, dtype=torch.float64, device=image.device)
    contrast = (counts @ (grey[:, None] - grey).abs()).gather(1, levels).view(image.shape)
    least, most = contrast.amin((1, 2), keepdim=True), contrast.amax((1, 2), keepdim=True)
    return ((contrast - least) / (most - least)).nan_to_num(0)
