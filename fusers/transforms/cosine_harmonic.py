"""The discrete cosine harmonic wavelet transform."""

import math

import torch
from fusebench.fusers.transforms.base import Pyramid
from torch import Tensor


def cosine_basis(length: int, like: Tensor) -> Tensor:
    """Give the orthonormal DCT-II as a matrix, a row for each frequency.

    Examples
    --------
    >>> basis = cosine_basis(4, torch.zeros(0, dtype=torch.float64))
    >>> torch.allclose(basis @ basis.T, torch.eye(4, dtype=torch.float64))
    True
    """
    place = torch.arange(length, device=like.device, dtype=torch.float64)
    basis = torch.cos(math.pi / length * place[:, None] * (place + 0.5)) * math.sqrt(2 / length)
    basis[0] /= math.sqrt(2)
    return basis.to(like.dtype)


def cosine(image: Tensor) -> Tensor:
    """Take the orthonormal 2-D DCT of images (N, H, W)."""
    height, width = image.shape[1:]
    return cosine_basis(height, image) @ image @ cosine_basis(width, image).T


def inverse_cosine(spectrum: Tensor) -> Tensor:
    """Undo `cosine`."""
    height, width = spectrum.shape[1:]
    return cosine_basis(height, spectrum).T @ spectrum @ cosine_basis(width, spectrum)


def decompose(image: Tensor, levels: int = 3) -> Pyramid:
    """Split the image's DCT into bands of one octave and take each back by a DCT of its own size.

    B. K. Shreyamsha Kumar, Multifocus and multispectral image fusion based on pixel significance using discrete cosine
    harmonic wavelet transform, Signal, Image and Video Processing 7 (2013).

    Parameters
    ----------
    image
        Shape (N, H, W), floating; H and W are multiples of 2^levels.
    levels
        How often the low frequencies are halved.

    Returns
    -------
    Pyramid
        For each level, coarse to fine, the bands that vary down the columns, along the rows, and along both.

    Raises
    ------
    ValueError
        If a side is no multiple of 2^levels.

    Examples
    --------
    >>> x = torch.rand(2, 8, 16, dtype=torch.float64)
    >>> torch.allclose(reconstruct(decompose(x)), x)
    True
    """
    height, width = image.shape[1:]
    if height % 2**levels or width % 2**levels:
        raise ValueError(f"{height} x {width} pixels: both sides must be multiples of {2**levels}")
    low, high = cosine(image), []
    for _ in range(levels):
        h, w = low.shape[1] // 2, low.shape[2] // 2
        high.append([inverse_cosine(block) for block in (low[:, h:, :w], low[:, :h, w:], low[:, h:, w:])])
        low = low[:, :h, :w]
    return Pyramid(inverse_cosine(low), high[::-1], (height, width))


def reconstruct(pyramid: Pyramid) -> Tensor:
    """Undo `decompose`."""
    low = cosine(pyramid.low)
    for down, along, both in pyramid.high:
        top = torch.cat([low, cosine(along)], 2)
        low = torch.cat([top, torch.cat([cosine(down), cosine(both)], 2)], 1)
    return inverse_cosine(low)
