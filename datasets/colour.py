"""Colour: BT.601 luma is fused and scored, chroma is kept to show the result."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def split(rgb: npt.NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Split an 8-bit colour image into luma and chroma.

    Y = (299 R + 587 G + 114 B + 500) // 1000 on the 256 grey levels (ITU-R BT.601, rounded half up: the
    field's reference values use this integer form), Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402.

    Luma is a convention, not a physical quantity: the colour tables of PET and SPECT are not monotone in it.

    Parameters
    ----------
    rgb
        Shape (H, W, 3), uint8.

    Returns
    -------
    luma, chroma
        Shapes (H, W) in [0, 1] and (2, H, W) in [-0.5, 0.5], float32.

    Examples
    --------
    >>> luma, chroma = split(np.array([[[255, 0, 0]]], dtype=np.uint8))
    >>> round(luma.item() * 255), [round(c, 3) for c in chroma.flatten().tolist()]
    (76, [-0.168, 0.5])
    """
    red, green, blue = (rgb[..., channel].astype(np.int64) for channel in range(3))
    luma = (299 * red + 587 * green + 114 * blue + 500) // 1000
    # Rounding of Y can carry a chroma of pure red or blue past 0.5 by a fifth of a grey level.
    chroma = np.stack([(blue - luma) / 1.772, (red - luma) / 1.402]).clip(-127.5, 127.5)
    return torch.from_numpy((luma / 255).astype(np.float32)), torch.from_numpy((chroma / 255).astype(np.float32))


def join(luma: Tensor, chroma: Tensor) -> Tensor:
    """Put luma (H, W) and chroma (2, H, W) together: RGB, shape (3, H, W), clipped to [0, 1].

    R = Y + 1.402 Cr, B = Y + 1.772 Cb and G from Y's definition, so that `join(*split(rgb))` gives every
    channel back within one grey level.

    Examples
    --------
    >>> join(torch.tensor([[0.25]]), torch.tensor([[[0.0]], [[0.5]]]))[0].item()  # red: 0.25 + 1.402 / 2
    0.9509999752044678
    """
    blue = luma + 1.772 * chroma[0]
    red = luma + 1.402 * chroma[1]
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return torch.stack([red, green, blue]).clamp(0, 1)


def merge(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Chroma of a pair: the coloured source's; of two coloured sources the average weighted by saturation.

    C = (C1 |C1| + C2 |C2|) / (|C1| + |C2|) per channel, 0 where both are 0: the customary rule for two colour
    sources (K. R. Prabhakar, V. S. Srikar, R. V. Babu, DeepFuse, ICCV 2017, there around 128).

    Examples
    --------
    >>> merge(None, torch.full((2, 1, 1), 0.25)).flatten().tolist()
    [0.25, 0.25]
    >>> merge(torch.full((2, 1, 1), 0.375), torch.full((2, 1, 1), -0.125)).flatten().tolist()  # (0.14 - 0.016) / 0.5
    [0.25, 0.25]
    """
    if first is None or second is None:
        return second if first is None else first
    weight = first.abs() + second.abs()
    return torch.where(weight > 0, (first * first.abs() + second * second.abs()) / weight.clamp(min=1e-12), 0)
