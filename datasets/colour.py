"""Colour: BT.601 luma is fused and scored, chroma is kept to show the result; or a colour table is undone."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Colour = tuple[int, int, int]
# The tables of the Whole Brain Atlas (K. A. Johnson, J. A. Becker, Harvard Medical School), measured on its images:
# straight lines in RGB between nodes of (place in the table, colour). PET has 128 entries, every one on these lines; of
# SPECT there are versions of 40, 65 to 72 and 92 entries, whose places differ by up to 0.015 of the table.
ATLAS: Mapping[str, Sequence[tuple[float, Colour]]] = {
    "atlas-pet": (
        (0, (0, 0, 0)),
        (15 / 127, (0, 0, 123)),
        (31 / 127, (0, 85, 255)),
        (63 / 127, (255, 255, 0)),
        (95 / 127, (255, 0, 0)),
        (1, (255, 0, 255)),
    ),
    "atlas-spect": (
        (0, (0, 0, 0)),
        (13.1 / 91, (41, 72, 73)),
        (33.2 / 91, (83, 0, 144)),
        (52.3 / 91, (190, 90, 121)),
        (73.7 / 91, (255, 114, 0)),
        (1, (255, 222, 255)),
    ),
}
ENTRIES = 256
# Colours of a table that went through 8 bits lie within 3 levels of it, through a good JPEG within 8; those of another
# table are off by 25 and more.
OFF_TABLE = 10.0
PLATEAU = 4  # entries next to each other that may show one colour, as some of jet's do


def collapse(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give one channel of an RGB image whose three are equal, since it is grey; any other image as it is.

    Examples
    --------
    >>> collapse(np.array([[[7, 7, 7], [9, 9, 9]]])).tolist()
    [[7, 9]]
    """
    return pixels[..., 0] if pixels.ndim == 3 and (pixels == pixels[..., :1]).all() else pixels


def grey_and_chroma(rgb: npt.NDArray[np.uint8], table: str | None = None) -> tuple[Tensor, Tensor | None]:
    """Give an 8-bit RGB image that is coloured as it is fused.

    It is split into luma and chroma (`split`), or with a table taken back to the scalar it shows (`invert`), which has
    no chroma.
    """
    return split(rgb) if table is None else (invert(rgb, table), None)


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
    luma = _luma(red, green, blue)
    # Rounding of Y can carry a chroma of pure red or blue past 0.5 by a fifth of a grey level.
    chroma = np.stack([(blue - luma) / 1.772, (red - luma) / 1.402]).clip(-127.5, 127.5)
    return torch.from_numpy((luma / 255).astype(np.float32)), torch.from_numpy((chroma / 255).astype(np.float32))


def luma_of(rgb: Tensor) -> Tensor:
    """Give the luma of 8-bit colour images as `split` does: (..., 3, H, W) to (..., H, W), uint8.

    Examples
    --------
    >>> luma_of(torch.tensor([255, 0, 0], dtype=torch.uint8).view(3, 1, 1)).item()
    76
    """
    levels: Tensor = _luma(*rgb.long().unbind(-3))
    return levels.to(torch.uint8)


def _luma(red: Any, green: Any, blue: Any) -> Any:
    return (299 * red + 587 * green + 114 * blue + 500) // 1000


def join(luma: Tensor, chroma: Tensor) -> Tensor:
    """Put luma (H, W) and chroma (2, H, W) together: RGB, shape (3, H, W), clipped to [0, 1].

    R = Y + 1.402 Cr, B = Y + 1.772 Cb and G from Y's definition, so that `join(*split(rgb))` gives every
    channel back within one grey level.

    Examples
    --------
    >>> red, *_ = join(torch.tensor([[0.25]]), torch.tensor([[[0.0]], [[0.5]]])).flatten().tolist()
    >>> round(red, 6)  # 0.25 + 1.402 / 2
    0.951
    """
    blue = luma + 1.772 * chroma[0]
    red = luma + 1.402 * chroma[1]
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return torch.stack([red, green, blue]).clamp(0, 1)


def channels(luma: Tensor, chroma: Tensor | None) -> Tensor:
    """Give an image's R, G and B, (3, H, W), whether it is coloured or grey.

    Examples
    --------
    >>> channels(torch.tensor([[0.25]]), None).flatten().tolist()
    [0.25, 0.25, 0.25]
    """
    return luma.expand(3, -1, -1) if chroma is None else join(luma, chroma)


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


def overlay(grey: Tensor, scalar: Tensor, table: str, opacity: float) -> Tensor:
    """Lay a scalar image in the colours of a table over a grey one, where it is not black.

    Each channel is (1 - opacity) grey + opacity colour there, and grey elsewhere.

    Parameters
    ----------
    grey, scalar
        Shape (H, W), in [0, 1].
    table
        A colour map of matplotlib, or one of the Whole Brain Atlas (`invert`).
    opacity
        From 0 to 1.

    Returns
    -------
    Shape (3, H, W), float64, in [0, 1].

    Raises
    ------
    ValueError
        If there is no such table, or the opacity is not in [0, 1].

    Examples
    --------
    The highest entry of "hot" is white, and half of it over black is a middle grey; where nothing shows, grey stays.

    >>> overlay(torch.tensor([[0.0, 0.25]]), torch.tensor([[1.0, 0.0]]), "hot", 0.5)[:, 0].tolist()
    [[0.5, 0.25], [0.5, 0.25], [0.5, 0.25]]
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"an opacity of {opacity:g}; it lies between 0 and 1")
    colours = painted(scalar, table)
    weight = torch.where(scalar > 0, opacity, 0.0).double()
    return (1 - weight) * grey.double() + weight * colours


def painted(scalar: Tensor, table: str) -> Tensor:
    """Show a scalar image, (H, W) in [0, 1], in the colours of a table: (3, H, W), float64, on the scalar's device.

    Examples
    --------
    >>> painted(torch.tensor([[1.0]]), "atlas-pet").flatten().tolist()
    [1.0, 0.0, 1.0]
    """
    entries = torch.from_numpy(_table(table) / 255).to(scalar.device)
    return entries[(scalar.double() * (ENTRIES - 1)).round().long()].movedim(-1, 0)


def places(rgb: npt.NDArray[np.uint8], table: str) -> Tensor:
    """Give each pixel's place in a table as `invert` does, of images too whose colours lie beside it.

    Examples
    --------
    >>> places(np.array([[[255, 40, 255]]], dtype=np.uint8), "atlas-pet").tolist()
    [[1.0]]
    """
    return torch.from_numpy(_nearest(rgb, table)[0])


def check_table(name: str) -> None:
    """Raise ValueError unless `name` is a colour table that can be inverted."""
    _invertible(name)


def invert(rgb: npt.NDArray[np.uint8], table: str) -> Tensor:
    """Undo a colour table: each pixel's place in it, 0 at its lowest entry and 1 at its highest.

    Luma is not monotone in what a pseudo-coloured image shows; the place in its table is. The nearest of 256 entries by
    Euclidean distance in RGB is taken.

    Parameters
    ----------
    rgb
        Shape (H, W, 3), uint8.
    table
        A colour map of matplotlib ("hot", "jet", ...), "atlas-pet" or "atlas-spect".

    Returns
    -------
    scalar
        Shape (H, W), float32, in [0, 1].

    Raises
    ------
    ValueError
        If there is no such table, it shows one colour in two places, or the image is not of this table: its colours are
        off by more than 10 levels (root mean square over the coloured pixels).

    Examples
    --------
    >>> white, red, black = (255, 255, 255), (255, 0, 0), (11, 0, 0)
    >>> [round(x, 2) for x in invert(np.array([[black, red, white]], dtype=np.uint8), "hot")[0].tolist()]
    [0.0, 0.36, 1.0]
    """
    place, off = _nearest(rgb, table)
    if off > OFF_TABLE:
        others = {name: _nearest(rgb, name)[1] for name in (*ATLAS, *_INVERTIBLE)}
        best = min(others, key=others.__getitem__)
        hint = f"; {best} would fit" if others[best] <= OFF_TABLE else ""
        raise ValueError(f"not coloured by the table {table}: its colours are off by {off:.0f} levels of 255{hint}")
    return torch.from_numpy(place)


def table_of(rgb: npt.NDArray[np.uint8]) -> str | None:
    """Name the table of the Whole Brain Atlas on which an image's colours lie, to `OFF_TABLE`; None where neither is.

    Examples
    --------
    >>> table_of(np.array([[[0, 85, 255], [0, 0, 0]]], dtype=np.uint8))
    'atlas-pet'
    """
    off = {name: _nearest(rgb, name)[1] for name in ATLAS}
    nearest = min(off, key=off.__getitem__)
    return nearest if off[nearest] <= OFF_TABLE else None


# Where a table that was named does not fit, these are tried, to say which does.
_INVERTIBLE = ("hot", "jet", "turbo", "viridis", "plasma", "inferno", "magma", "cividis", "nipy_spectral", "rainbow")


def _nearest(rgb: npt.NDArray[np.uint8], table: str) -> tuple[npt.NDArray[np.float32], float]:
    """Give each pixel's place in the table, and how far the coloured pixels are off it (root mean square)."""
    from scipy.spatial import KDTree

    colours, pixels = np.unique(rgb.reshape(-1, 3), axis=0, return_inverse=True)
    distance, entry = map(np.asarray, KDTree(_invertible(table)).query(colours))
    # Black background and white lettering stand in most tables and say nothing of this one.
    coloured = (colours != colours[:, :1]).any(axis=1)[pixels.ravel()]
    off = float(np.sqrt((distance[pixels.ravel()][coloured] ** 2).mean())) if coloured.any() else 0.0
    place: npt.NDArray[np.float32] = (entry / (ENTRIES - 1)).astype(np.float32)[pixels.reshape(rgb.shape[:2])]
    return place, off


@lru_cache(maxsize=32)
def _table(name: str) -> npt.NDArray[np.float64]:
    """Give the 256 colours of a table, (256, 3), from 0 to 255."""
    if name in ATLAS:
        places, nodes = zip(*ATLAS[name], strict=True)
        ramp = np.linspace(0, 1, ENTRIES)
        return np.stack([np.interp(ramp, places, channel) for channel in zip(*nodes, strict=True)], axis=1)
    from matplotlib import colormaps

    if name not in colormaps:
        raise ValueError(f"no colour table is called {name!r}; known: {', '.join(ATLAS)}, and matplotlib's colour maps")
    return np.asarray(colormaps[name](np.linspace(0, 1, ENTRIES))[:, :3] * 255)


@lru_cache(maxsize=32)
def _invertible(name: str) -> npt.NDArray[np.float64]:
    """Give the colours of a table. Raises ValueError if it shows one in two places."""
    from scipy.spatial import KDTree

    colours = _table(name)
    near = KDTree(colours).query_pairs(2, output_type="ndarray")
    if (np.ptp(near, axis=1) > PLATEAU).any():
        raise ValueError(f"the colour table {name} cannot be inverted: it shows one colour in several places")
    return colours
