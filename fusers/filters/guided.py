"""The guided filter, and the rolling guidance that repeats it."""

from fusebench.fusers.filters.borders import Border
from fusebench.fusers.filters.windows import box_mean, gaussian
from torch import Tensor


def guided(guide: Tensor, image: Tensor, radius: int, eps: float) -> Tensor:
    """Smooth an image so that its edges stay where the guide has edges.

    K. He, J. Sun, X. Tang, Guided image filtering, IEEE Transactions on Pattern Analysis and Machine Intelligence 35
    (2013): the mean of the linear maps of the guide that fit the image best in each window. Windows of side
    2 `radius` + 1 end at the border of the image.

    Parameters
    ----------
    guide, image
        Shape (N, H, W), float64.
    radius
        Of the windows.
    eps
        The variance of the guide below which a window is averaged.

    Examples
    --------
    >>> import torch
    >>> step = torch.tensor([[[0.0, 0, 0, 1, 1, 1]]], dtype=torch.float64)
    >>> guided(step, step, 1, 1e-9).round(decimals=6).tolist()
    [[[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]]]
    """
    mean_guide, mean_image = box_mean(guide, radius), box_mean(image, radius)
    covariance = box_mean(guide * image, radius) - mean_guide * mean_image
    variance = box_mean(guide * guide, radius) - mean_guide * mean_guide
    slope = covariance / (variance + eps)
    return box_mean(slope, radius) * guide + box_mean(mean_image - slope * mean_guide, radius)


def rolling_guidance(image: Tensor, sigma: int, eps: float, rounds: int, border: Border) -> Tensor:
    """Remove what is smaller than `sigma` and give the edges of the rest back.

    Q. Zhang, X. Shen, L. Xu, J. Jia, Rolling guidance filter, ECCV 2014, with the guided filter in each round: a
    Gaussian is the first guide, the result of a round the next.

    Examples
    --------
    >>> import torch
    >>> rolling_guidance(torch.ones(1, 2, 2), 2, 0.01, 4, "symmetric").tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """
    guide = gaussian(image, 6 * sigma + 1, sigma, border)
    for _ in range(rounds):
        guide = guided(guide, image, sigma, eps)
    return guide
