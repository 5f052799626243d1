"""How much of the sources' edges a fused image keeps, loses and invents.

An edge is the Sobel gradient of a pixel: its strength and the orientation of its line. What a fused image keeps of a
source's edge is a number from 0 to 1, made of the ratio of the strengths and the difference of the orientations, each
through a sigmoid; the scores are means of that number over both sources' edges, weighted by their strength.

The codes of the field agree on this and differ in constants, borders and the treatment of flat pixels. An `EdgeModel`
holds all of these choices, so that a convention is a value and not another function.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from fusebench.metrics.base import Metric, grey_levels, mean, same_size, shared, total
from torch import Tensor

RIGHT_ANGLE = torch.pi / 2

# Grey levels are rounded to this part of a level before they are differentiated. Two edges are equally strong, or a
# line is vertical, by an equation, and 8-bit levels that were held as floats in [0, 1] fulfil it only up to rounding.
PARTS = 1024


class Sigmoid(NamedTuple):
    """The curve gain / (1 + exp(-slope (x - centre)))."""

    gain: float
    slope: float
    centre: float

    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate the curve."""
        return self.gain * torch.sigmoid(self.slope * (x - self.centre))


@dataclass(frozen=True)
class EdgeModel:
    """What counts as an edge, and as a kept one. The conventions default to those of Xydeas and Petrovic.

    Parameters
    ----------
    strength
        From the ratio of the weaker to the stronger edge, 0 to 1, to how well the strength is kept.
    orientation
        From the relative orientation, 1 for parallel lines, to how well the orientation is kept.
    power
        Exponent of the product of these two: 1, or 1/2 for their geometric mean.
    folded
        Whether the relative orientation is | |x - y| - pi/2 | / (pi/2), which knows that lines at -89 and 89 degrees
        are nearly parallel, or 1 - |x - y| / (pi/2), which does not.
    directed
        Whether the gradient's direction in (-pi, pi] is put where the formula means the orientation of a line.
    mirrored
        Whether the image is mirrored at its border (without repeating the last pixel) or surrounded by 0.
    divisor
        By what Sobel's sums are divided: 1, or 8, which makes a ramp's strength its slope.
    exponent, threshold, floor
        An edge of strength g has the weight g ** exponent from the threshold on, and the floor below.
    flat
        What replaces a strength of 0, and a horizontal gradient of 0 in the orientation. 0: nothing does; the ratio
        to a strength of 0 is then 0, and a line without horizontal gradient is at pi/2.
    tie
        Where two strengths are equal, their ratio is said to be the strength times this; None: it is 1.
    """

    strength: Sigmoid
    orientation: Sigmoid
    power: float = 1
    folded: bool = True
    directed: bool = False
    mirrored: bool = False
    divisor: float = 1
    exponent: float = 1
    threshold: float = 0
    floor: float = 0
    flat: float = 0
    tie: float | None = None


XYDEAS = EdgeModel(strength=Sigmoid(0.9994, 15, 0.5), orientation=Sigmoid(0.9879, 22, 0.8))

PETROVIC = EdgeModel(
    strength=Sigmoid(0.9999, 19, 0.5),
    orientation=Sigmoid(0.9995, 22, 0.5),
    power=0.5,
    mirrored=True,
    divisor=8,
    exponent=1.5,
    threshold=2,
    floor=0.001,
)


class Edges(NamedTuple):
    """The edges of images, each (N, H, W): strength, orientation (or direction) in radians, and weight."""

    strength: Tensor
    angle: Tensor
    weight: Tensor


class Judged(NamedTuple):
    """Each pixel of fused images, (N, H, W): how well the sources' edges are kept, and whether its own is strongest.

    The weights are those of the sources' edges; their number of images may be 1.
    """

    kept_a: Tensor
    kept_b: Tensor
    weight_a: Tensor
    weight_b: Tensor
    invented: Tensor


class Shares(NamedTuple):
    """What of the edges' weight is kept, lost and invented, each (N,); together 1."""

    kept: Tensor
    lost: Tensor
    invented: Tensor


def edge_transfer(
    a: Tensor,
    b: Tensor,
    fused: Tensor,
    model: EdgeModel = XYDEAS,
    pooling: Literal["total", "local"] = "total",
    *,
    mask: Tensor | None = None,
) -> Tensor:
    """Edge information transferred from the sources, Q^AB/F.

    Q^AB/F = sum (Q^AF w^A + Q^BF w^B) / sum (w^A + w^B) over all pixels, where w is the strength of a source's edge and
    Q^AF = Qg Qa is how well the fused image keeps it: Qg = 0.9994 / (1 + exp(-15 (G - 0.5))) of the ratio G of the
    weaker to the stronger edge, Qa = 0.9879 / (1 + exp(-22 (A - 0.8))) of A = | |alpha_A - alpha_F| - pi/2 | / (pi/2),
    and alpha = arctan(sy / sx) the orientation of the Sobel gradient.

    Parameters
    ----------
    a, b
        The sources, (N, H, W) or (1, H, W); uint8, or floating in [0, 1].
    fused
        The fused images, (N, H, W).
    model
        Constants and conventions.
    pooling
        "total" as above; "local" for the mean of (Q^AF w^A + Q^BF w^B) / (w^A + w^B) over the pixels.
    mask
        Where the score is taken, (N, H, W) or (1, H, W) bool; see `base.inside`.

    Returns
    -------
    Tensor
        Shape (N,), float64, from 0 to 0.9748, the product of the sigmoids at 1, which identical images have. NaN if
        neither source has an edge, as black images do: there is nothing to transfer.

    Raises
    ------
    ValueError
        If the sizes differ; see `grey_levels`.

    Notes
    -----
    C. S. Xydeas, V. Petrovic, Objective image fusion performance measure, Electronics Letters 36 (2000), eq. 1 to 8 and
    figure 1 for the constants. A is that of the same authors, Objective pixel-level image fusion performance measure,
    Proc. SPIE 4051 (2000): lines at -89 and 89 degrees are nearly parallel. The letter prints
    A = 1 - |alpha_A - alpha_F| / (pi/2), which is -1 for them and depends on the axis from which angles are counted: a
    score then changes, by 1.2 % for one pair, when all three images are transposed. The codes take that one, here
    Q_ABF@cslib. Open in the paper and taken here as most codes do: beyond the border is 0, so that an image that is not
    black at its border has an edge there; where sx is 0, alpha is pi/2, on flat ground too, so that 3e-6 of a score
    are left that depend on the axis. Equal strengths have the ratio 1.

    Examples
    --------
    One bright pixel, kept whole, kept at half its contrast (Qg is 0.9994 / 2), and lost.

    >>> x = torch.tensor([[[0, 0, 0], [0, 90, 0], [0, 0, 0]]], dtype=torch.uint8)
    >>> [round(q, 4) for q in edge_transfer(x, x, torch.cat([x, x // 2, 0 * x])).tolist()]
    [0.9748, 0.4877, 0.0002]
    """
    same_size(a, b, fused)
    if pooling == "total":
        return _shares(a, b, fused, model, mask=mask).kept
    x = _judge(a, b, fused, model)
    kept = (x.kept_a * x.weight_a + x.kept_b * x.weight_b) / (x.weight_a + x.weight_b)
    return mean(kept, mask)


def edge_loss(
    a: Tensor, b: Tensor, fused: Tensor, model: EdgeModel = PETROVIC, *, mask: Tensor | None = None
) -> Tensor:
    """Edge information lost, L^AB/F: what is not kept of the sources' edges where the fused image has no stronger one.

    L^AB/F = sum ((1 - Q^AF) w^A + (1 - Q^BF) w^B) / sum (w^A + w^B), the first sum over the pixels at which the fused
    edge is at most as strong as one of the sources'. Here Q^AF = sqrt(Qg Qa), Qg = 0.9999 / (1 + exp(-19 (G - 0.5))),
    Qa = 0.9995 / (1 + exp(-22 (A - 0.5))), A = | |alpha_A - alpha_F| - pi/2 | / (pi/2), and w = g^1.5 for strengths
    g >= 2 (Sobel's sums divided by 8), else 0.001. Shapes and errors as `edge_transfer`.

    Returns
    -------
    Tensor
        Shape (N,), float64, from 0 to 1; 0 is best. Identical images have 0.0003 where all is edge. The ratio
        of two flat pixels is 0, so by their floor weights constant images, which lose nothing, score 0.9914. Noise has
        strong edges nearly everywhere, where nothing counts as lost: it can score better than the sources' average.

    Notes
    -----
    V. Petrovic, C. Xydeas, Objective evaluation of signal-level image fusion performance, Optical Engineering 44
    (2005). The constants are those of B. K. Shreyamsha Kumar's implementation of their measures, which the published
    codes share; they are not those of 2000, so the default Q_ABF, L_ABF and N_ABF do not add up to 1. Of one model,

        edge_transfer(a, b, f, m) + edge_loss(a, b, f, m) + edge_artefacts(a, b, f, m) = 1.

    Flat pixels are said to lie at pi/2, so that transposing all images changes the loss, by up to 2e-4 of it.

    Examples
    --------
    All is lost, since nothing is in the fused image.

    >>> x = torch.tensor([[[0, 0, 0], [0, 99, 0], [0, 0, 0]]], dtype=torch.uint8)
    >>> round(edge_loss(x, x, 0 * x).item(), 2), edge_artefacts(x, x, 0 * x).item()
    (0.99, 0.0)
    """
    same_size(a, b, fused)
    return _shares(a, b, fused, model, mask=mask).lost


def edge_artefacts(
    a: Tensor,
    b: Tensor,
    fused: Tensor,
    model: EdgeModel = PETROVIC,
    counting: Literal["kumar", "petrovic"] = "kumar",
    *,
    mask: Tensor | None = None,
) -> Tensor:
    """Edge information of the fused image that no source has, N^AB/F: the fusion artefacts.

    N^AB/F = sum ((1 - Q^AF) w^A + (1 - Q^BF) w^B) / sum (w^A + w^B), the first sum over the pixels at which the fused
    edge is stronger than both sources'. Q and w, shapes and errors as `edge_loss`.

    Parameters
    ----------
    a, b, fused, model, mask
        As `edge_transfer`.
    counting
        "kumar" as above; "petrovic" for (2 - Q^AF - Q^BF)(w^A + w^B) in the first sum, which counts a pixel about
        twice, and with which transfer, loss and artefacts do not add up to 1.

    Returns
    -------
    Tensor
        Shape (N,), float64, from 0 to 1 ("petrovic": to 2); 0 is best, and the score of identical images. An image
        that is constant, or has lost most of its contrast, invents nothing and has 0.

    Notes
    -----
    B. K. Shreyamsha Kumar, Multifocus and multispectral image fusion based on pixel significance using discrete cosine
    harmonic wavelet transform, Signal, Image and Video Processing 7 (2013), who changed the measure of Petrovic and
    Xydeas (2005) so that the three add up to 1; that is why his is the default.

    Examples
    --------
    The same square at three times the contrast: where there is an edge its strength has the ratio 1/3, so
    that 1 - Q = 1 - sqrt(0.9999 / (1 + exp(19 / 6)) 0.9995 / (1 + exp(-11))) = 0.80.
    At half the contrast nothing is invented.

    >>> x = torch.zeros(1, 6, 6, dtype=torch.uint8)
    >>> x[:, 2:4, 2:4] = 80
    >>> [round(n, 2) for n in edge_artefacts(x, x, torch.cat([x, 3 * x, x // 2])).tolist()]
    [0.0, 0.8, 0.0]
    """
    same_size(a, b, fused)
    if counting == "kumar":
        return _shares(a, b, fused, model, mask=mask).invented
    x = _judge(a, b, fused, model)
    weight = x.weight_a + x.weight_b
    return total((2 - x.kept_a - x.kept_b) * weight * x.invented, mask) / total(weight, mask)


def misplaced_edge_artefacts(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Emulate Tang's script, which takes the first source for the fused image, and that for the second source.

    Shapes and errors as `edge_artefacts`.
    """
    return edge_artefacts(b, fused, a, mask=mask)


@shared
def _shares(a: Tensor, b: Tensor, fused: Tensor, model: EdgeModel, *, mask: Tensor | None) -> Shares:
    x = _judge(a, b, fused, model)
    missed = (1 - x.kept_a) * x.weight_a + (1 - x.kept_b) * x.weight_b
    whole = total(x.weight_a + x.weight_b, mask)
    return Shares(
        kept=total(x.kept_a * x.weight_a + x.kept_b * x.weight_b, mask) / whole,
        lost=total(missed * ~x.invented, mask) / whole,
        invented=total(missed * x.invented, mask) / whole,
    )


def _judge(a: Tensor, b: Tensor, fused: Tensor, model: EdgeModel) -> Judged:
    of_a, of_b, of_fused = _edges(a, model), _edges(b, model), _edges(fused, model)
    return Judged(
        kept_a=_kept(of_a, of_fused, model),
        kept_b=_kept(of_b, of_fused, model),
        weight_a=of_a.weight,
        weight_b=of_b.weight,
        invented=of_fused.strength > torch.maximum(of_a.strength, of_b.strength),
    )


def _kept(source: Edges, fused: Edges, model: EdgeModel) -> Tensor:
    """Say how well each edge of a source is kept, Q^AF, (N, H, W)."""
    stronger = torch.maximum(source.strength, fused.strength)
    ratio = torch.where(stronger > 0, torch.minimum(source.strength, fused.strength) / stronger, 0.0)
    if model.tie is not None:
        ratio = torch.where(source.strength == fused.strength, model.tie * source.strength, ratio)
    turned = (source.angle - fused.angle).abs() / RIGHT_ANGLE
    parallel = (turned - 1).abs() if model.folded else 1 - turned
    return (model.strength(ratio) * model.orientation(parallel)) ** model.power


def _edges(image: Tensor, model: EdgeModel) -> Edges:
    """Find the edges of an image, (N, H, W)."""
    sx, sy = sobel(image, mirrored=model.mirrored)
    strength = (sx.square() + sy.square()).sqrt() / model.divisor
    strength = torch.where(strength > 0, strength, model.flat)
    if model.directed:
        # Measured from the vertical axis. 0 - sx is +0 where sx is 0: the sign of a zero decides between -pi and pi.
        angle = torch.atan2(0 - sx, sy)
    elif model.flat:
        angle = torch.atan(sy / torch.where(sx == 0, model.flat, sx))
    else:
        angle = torch.where(sx == 0, RIGHT_ANGLE, torch.atan(sy / sx))
    weight = torch.where(strength >= model.threshold, strength**model.exponent, model.floor)
    return Edges(strength, angle, weight)


@shared
def sobel(image: Tensor, *, mirrored: bool = False) -> tuple[Tensor, Tensor]:
    """Sobel's gradient, rightwards and upwards, each (N, H, W) in grey levels; a ramp of slope 1 has 8.

    Parameters
    ----------
    image
        Shape (N, H, W); uint8, or floating in [0, 1]. Rounded to 1/1024 of a grey level.
    mirrored
        Whether the image is mirrored at its border, without repeating the last pixel, or surrounded by 0.

    Examples
    --------
    >>> x = torch.tensor([[[0, 1, 2], [0, 1, 2], [0, 1, 2]]], dtype=torch.uint8)
    >>> sx, sy = sobel(x, mirrored=True)
    >>> sx.tolist(), sy.abs().max().item()
    ([[[0.0, 8.0, 0.0], [0.0, 8.0, 0.0], [0.0, 8.0, 0.0]]], 0.0)
    """
    levels = (PARTS * grey_levels(image)).round() / PARTS
    x = F.pad(levels, (1, 1, 1, 1), mode="reflect" if mirrored else "constant")
    columns = x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]
    rows = x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]
    return columns[:, :, 2:] - columns[:, :, :-2], rows[:, :-2] - rows[:, 2:]


UNFOLDED = replace(XYDEAS, folded=False)
VIFB = replace(UNFOLDED, tie=1)
MFIF = replace(UNFOLDED, flat=1e-5)
ZHENGLIU = replace(MFIF, strength=Sigmoid(1, 10, 0.5), orientation=Sigmoid(1, 20, 0.75), folded=True)
DUNGDZ = replace(PETROVIC, directed=True)
IVIF_ZOO = replace(PETROVIC, floor=0)

Q_ABF = Metric(
    name="Q_ABF",
    convention="xydeas",
    family="gradient",
    source="Xydeas and Petrovic 2000, eq. 8, orientations as in their SPIE paper; also called Q_G",
    score=edge_transfer,
)

Q_ABF_CSLIB = Metric(
    name="Q_ABF",
    convention="cslib",
    family="gradient",
    source="cslib and others: orientations as in the letter of 2000, where -89 and 89 degrees are far apart",
    score=partial(edge_transfer, model=UNFOLDED),
    variant=True,
)

Q_ABF_VIFB = Metric(
    name="Q_ABF",
    convention="vifb",
    family="gradient",
    source="VIFB, also MEFB, Tang, CDDFuse, IVIF_ZOO and kien; wrong: equal strengths have the strength as their ratio",
    score=partial(edge_transfer, model=VIFB),
    variant=True,
)

Q_ABF_MFIF = Metric(
    name="Q_ABF",
    convention="mfif",
    family="gradient",
    source="MFIF-Metrics, there Q_G; 1e-5 for gradients of 0, so the orientation where sx is 0 has the sign of sy",
    score=partial(edge_transfer, model=MFIF),
    variant=True,
)

Q_ABF_ZHENGLIU = Metric(
    name="Q_ABF",
    convention="zhengliu",
    family="gradient",
    source="imageFusionMetrics, there Q_G; other constants; wrong: the mean of the pixels' ratios, flat ones too",
    score=partial(edge_transfer, model=ZHENGLIU, pooling="local"),
    variant=True,
)

Q_ABF_DUNGDZ = Metric(
    name="Q_ABF",
    convention="dungdz",
    family="gradient",
    source="dungdz, Petrovic and Xydeas 2005; wrong: directions instead of orientations",
    score=partial(edge_transfer, model=DUNGDZ),
    variant=True,
)

L_ABF = Metric(
    name="L_ABF",
    convention="petrovic",
    family="gradient",
    higher_is_better=False,
    source="Petrovic and Xydeas 2005, with the constants of Shreyamsha Kumar's code",
    score=edge_loss,
    rewards=("noise",),
)

L_ABF_DUNGDZ = Metric(
    name="L_ABF",
    convention="dungdz",
    family="gradient",
    higher_is_better=False,
    source="dungdz; wrong: directions instead of orientations",
    score=partial(edge_loss, model=DUNGDZ),
    variant=True,
)

# Artefacts are few: 1e-8 of an average of the sources, 1e-3 of their maximum.
N_ABF = Metric(
    name="N_ABF",
    convention="kumar",
    family="gradient",
    higher_is_better=False,
    digits=6,
    source="Shreyamsha Kumar 2013, after Petrovic and Xydeas 2005",
    score=edge_artefacts,
    rewards=("black", "grey", "white", "contrast / 8"),
)

N_ABF_TANG = Metric(
    name="N_ABF",
    convention="tang",
    family="gradient",
    higher_is_better=False,
    digits=6,
    source="Tang's evaluation script; wrong: source a stands for the fused image, and the fused for a source",
    score=misplaced_edge_artefacts,
    variant=True,
)

N_ABF_IVIF_ZOO = Metric(
    name="N_ABF",
    convention="ivif_zoo",
    family="gradient",
    higher_is_better=False,
    digits=6,
    source="IVIF_ZOO, also kien; edges weaker than 2 have no weight instead of 0.001",
    score=partial(edge_artefacts, model=IVIF_ZOO),
    variant=True,
)

N_ABF_DUNGDZ = Metric(
    name="N_ABF",
    convention="dungdz",
    family="gradient",
    higher_is_better=False,
    digits=6,
    source="dungdz; wrong: directions instead of orientations",
    score=partial(edge_artefacts, model=DUNGDZ),
    variant=True,
)

N_ABF_PETROVIC = Metric(
    name="N_ABF",
    convention="dungdz-petrovic",
    family="gradient",
    higher_is_better=False,
    digits=6,
    source="dungdz, there NABF1: Petrovic's own counting, by which a pixel counts about twice; directions as above",
    score=partial(edge_artefacts, model=DUNGDZ, counting="petrovic"),
    variant=True,
)

RECORDS = (
    Q_ABF,
    Q_ABF_CSLIB,
    Q_ABF_VIFB,
    Q_ABF_MFIF,
    Q_ABF_ZHENGLIU,
    Q_ABF_DUNGDZ,
    L_ABF,
    L_ABF_DUNGDZ,
    N_ABF,
    N_ABF_TANG,
    N_ABF_IVIF_ZOO,
    N_ABF_DUNGDZ,
    N_ABF_PETROVIC,
)
