"""What a fused image keeps of the colour of its sources: hue and saturation, not brightness.

The metrics of grey levels score luma, or each of the three channels; these score the rest. They take colour images,
(N, 3, H, W), uint8, or floating in [0, 1], in sRGB. A source whose channels are equal everywhere is grey: it has no
colour to keep, and only the coloured sources count. Of two coloured sources the mean is taken.
"""

from functools import partial

import torch
from fusebench.metrics.base import Metric, grey_levels
from fusebench.metrics.error import pearson
from fusebench.metrics.maps import Local, Map
from torch import Tensor

# sRGB's primaries to the CIE's X, Y, Z (IEC 61966-2-1), each divided by that of its white, D65.
TO_XYZ = (
    (0.412453 / 0.95047, 0.357580 / 0.95047, 0.180423 / 0.95047),
    (0.212671, 0.715160, 0.072169),
    (0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883),
)


def chromatic_difference(a: Tensor, b: Tensor, fused: Tensor) -> Local:
    """Mean chromatic difference to the coloured sources, D_ab = mean of sqrt((a*_f - a*_s)^2 + (b*_f - b*_s)^2).

    a* and b* are the chromatic coordinates of CIELAB, so this is the CIE's colour difference of 1976 without its part
    in lightness, in which a fused image has to differ.

    Parameters
    ----------
    a, b
        The sources, (N, 3, H, W) or (1, 3, H, W); uint8, or floating in [0, 1].
    fused
        The fused images, (N, 3, H, W).

    Returns
    -------
    Local
        Pools to (N,), float64, 0 or more; a difference of about 2 is just seen. A grey fused image has the source's
        mean chroma. NaN where no source is coloured.

    Raises
    ------
    ValueError
        If an image is no colour image; see `grey_levels`.

    Notes
    -----
    CIE 15, Colorimetry; D65, 2 degree observer, as scikit-image's `rgb2lab`.

    Examples
    --------
    >>> red, grey = torch.zeros(1, 3, 2, 2, dtype=torch.uint8), torch.full((1, 3, 2, 2), 77, dtype=torch.uint8)
    >>> red[:, 0] = 255
    >>> [round(chromatic_difference(grey, red, f).pool().item(), 1) for f in (red, grey)]
    [0.0, 104.6]
    """
    _check(a, b, fused)
    of_a, of_b = (Map(torch.linalg.vector_norm(_ab(fused) - _ab(source), dim=1)) for source in (a, b))
    return of_a.then(partial(mean_of_coloured, a, b), of_b)


def hue_difference(a: Tensor, b: Tensor, fused: Tensor) -> Local:
    """Mean hue difference to the coloured sources, D_H = mean of sqrt(D_ab^2 - (C_f - C_s)^2), C = sqrt(a*^2 + b*^2).

    The part of `chromatic_difference` that no change of saturation explains: fading to grey has none, a turned hue
    has 2 sqrt(C_f C_s) |sin(half the angle)|. Shapes, undefined cases and errors as there.

    Examples
    --------
    >>> red = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    >>> red[:, 0] = 255
    >>> grey = torch.full_like(red, 77)
    >>> [round(hue_difference(grey, red, f).pool().item(), 1) for f in (red, grey, red.flip(1))]
    [0.0, 0.0, 172.6]
    """
    _check(a, b, fused)
    of_a, of_b = (Map(_hue_difference(_ab(source), _ab(fused))) for source in (a, b))
    return of_a.then(partial(mean_of_coloured, a, b), of_b)


def chroma_correlation(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Mean correlation of Cb and of Cr with the coloured sources', CC_chroma.

    Pearson's r over the pixels of the colour differences of BT.601, B - Y and R - Y, and the mean of the two. Shapes
    and errors as `chromatic_difference`.

    Returns
    -------
    Tensor
        Shape (N,), float64, from -1 to 1. NaN where no source is coloured, and where a colour difference is constant,
        as those of a grey fused image.

    Examples
    --------
    Half the saturation keeps the correlation.

    >>> x = torch.tensor([[[200, 10]], [[40, 10]], [[80, 90]]]).expand(3, 2, 2).to(torch.uint8)[None]
    >>> round(chroma_correlation(x, x, x // 2).item(), 6)
    1.0
    """
    _check(a, b, fused)
    return mean_of_coloured(a, b, *(_correlation(source, fused, mask) for source in (a, b)))


def coloured(image: Tensor) -> Tensor:
    """Say which images have a pixel that is not grey: (N, 3, H, W) to (N,), bool."""
    return (image != image[:, :1]).flatten(1).any(dim=1)


def _check(a: Tensor, b: Tensor, fused: Tensor) -> None:
    images = (a, b, fused)
    if len({image.shape[1:] for image in images}) > 1 or fused.ndim != 4 or fused.shape[1] != 3:
        shapes = " and ".join(str(tuple(image.shape)) for image in images)
        raise ValueError(f"colour images of one size, (N, 3, H, W), are compared, not {shapes}")


def mean_of_coloured(a: Tensor, b: Tensor, of_a: Tensor, of_b: Tensor) -> Tensor:
    """Average the scores of two sources over those that are coloured."""
    total = torch.where(coloured(a), of_a, 0.0) + torch.where(coloured(b), of_b, 0.0)
    return total / (coloured(a).double() + coloured(b).double())


def _correlation(source: Tensor, fused: Tensor, mask: Tensor | None) -> Tensor:
    pairs = zip(_colour_differences(source), _colour_differences(fused), strict=True)
    blue, red = (pearson(x, f, mask) for x, f in pairs)
    return (blue + red) / 2


def _colour_differences(image: Tensor) -> tuple[Tensor, Tensor]:
    red, green, blue = (grey_levels(channel) for channel in image.unbind(1))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return blue - luma, red - luma


def _hue_difference(x: Tensor, y: Tensor) -> Tensor:
    # The root of 2 (C_x C_y - x . y), which is D_ab^2 - (C_x - C_y)^2 without its cancellation. Where the hues are near
    # the difference of the products cancels too, and is (x * y)^2 / (C_x C_y + x . y) with the cross product.
    chroma: Tensor = torch.linalg.vector_norm(x, dim=1) * torch.linalg.vector_norm(y, dim=1)
    along, across = (x * y).sum(dim=1), x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]
    near = across.abs() * (2 / (chroma + along).clamp(min=1e-12)).sqrt()
    return torch.where(along > 0, near, (2 * (chroma - along)).clamp(min=0).sqrt())


def _ab(image: Tensor) -> Tensor:
    """Give CIELAB's a* and b*: (N, 3, H, W) to (N, 2, H, W)."""
    encoded = torch.stack([grey_levels(channel) for channel in image.unbind(1)], dim=1) / 255
    linear = torch.where(encoded > 0.04045, ((encoded + 0.055) / 1.055) ** 2.4, encoded / 12.92)
    xyz = torch.einsum("ij,njhw->nihw", torch.tensor(TO_XYZ, dtype=linear.dtype, device=linear.device), linear)
    x, y, z = torch.where(xyz > 0.008856, xyz.clamp(min=1e-9) ** (1 / 3), 7.787 * xyz + 16 / 116).unbind(1)
    # Grey has none, whatever the matrix's digits leave.
    grey = (image == image[:, :1]).all(dim=1, keepdim=True)
    return torch.where(grey, 0.0, torch.stack([500 * (x - y), 200 * (y - z)], dim=1))


D_AB = Metric(
    name="D_ab",
    convention="cie",
    family="colour",
    unit="CIELAB units",
    higher_is_better=False,
    source="CIE 1976 colour difference without lightness, mean over the coloured sources",
    formula=r"D_{ab} = \overline{\sqrt{(a^*_f - a^*_s)^2 + (b^*_f - b^*_s)^2}}",
    map=chromatic_difference,
)

D_H = Metric(
    name="D_H",
    convention="cie",
    family="colour",
    unit="CIELAB units",
    higher_is_better=False,
    source="CIE 1976 hue difference, mean over the coloured sources",
    formula=r"D_H = \overline{\sqrt{D_{ab}^2 - (C_f - C_s)^2}}, \quad C = \sqrt{a^{*2} + b^{*2}}",
    map=hue_difference,
)

CC_CHROMA = Metric(
    name="CC_chroma",
    convention="bt601",
    family="colour",
    source="Pearson's correlation of Cb and of Cr, mean of both and over the coloured sources",
    formula=r"\mathrm{CC} = \frac{r(C_b^f, C_b^s) + r(C_r^f, C_r^s)}{2}",
    score=chroma_correlation,
)

RECORDS = (D_AB, D_H, CC_CHROMA)
