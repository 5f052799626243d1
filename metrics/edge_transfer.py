"""How much of the sources' edges a fused image keeps, loses and invents.

The scores are means of how well each edge is kept (see `edges`) over both sources' edges, weighted by their strength.
"""

import math
from dataclasses import replace
from functools import partial
from typing import Literal

from fusebench.metrics.base import Metric
from fusebench.metrics.edges import PETROVIC, XYDEAS, EdgeModel, Judged, Sigmoid, judged
from fusebench.metrics.maps import Local, Map
from torch import Tensor

UNFOLDED = replace(XYDEAS, folded=False)
# The score of equal images: both sigmoids at an edge that is kept whole.
EQUAL = 0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4))
VIFB = replace(UNFOLDED, tie=1)
MFIF = replace(UNFOLDED, flat=1e-5)
ZHENGLIU = replace(MFIF, strength=Sigmoid(1, 10, 0.5), orientation=Sigmoid(1, 20, 0.75), folded=True)
DUNGDZ = replace(PETROVIC, directed=True)
IVIF_ZOO = replace(PETROVIC, floor=0)


def edge_transfer(
    a: Tensor,
    b: Tensor,
    fused: Tensor,
    model: EdgeModel = XYDEAS,
    pooling: Literal["total", "local"] = "total",
) -> Local:
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

    Returns
    -------
    Local
        Pools to (N,), float64, from 0 to 0.9748, the product of the sigmoids at 1, which identical images have. NaN if
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

    >>> import torch
    >>> x = torch.tensor([[[0, 0, 0], [0, 90, 0], [0, 0, 0]]], dtype=torch.uint8)
    >>> [round(q, 4) for q in edge_transfer(x, x, torch.cat([x, x // 2, 0 * x])).pool().tolist()]
    [0.9748, 0.4877, 0.0002]
    """
    x = judged(a, b, fused, model)
    kept, weight = x.kept_a * x.weight_a + x.kept_b * x.weight_b, x.weight_a + x.weight_b
    return Map(kept, weight) if pooling == "total" else Map(kept / weight)


def edge_loss(a: Tensor, b: Tensor, fused: Tensor, model: EdgeModel = PETROVIC) -> Local:
    """Edge information lost, L^AB/F: what is not kept of the sources' edges where the fused image has no stronger one.

    L^AB/F = sum ((1 - Q^AF) w^A + (1 - Q^BF) w^B) / sum (w^A + w^B), the first sum over the pixels at which the fused
    edge is at most as strong as one of the sources'. Here Q^AF = sqrt(Qg Qa), Qg = 0.9999 / (1 + exp(-19 (G - 0.5))),
    Qa = 0.9995 / (1 + exp(-22 (A - 0.5))), A = | |alpha_A - alpha_F| - pi/2 | / (pi/2), and w = g^1.5 for strengths
    g >= 2 (Sobel's sums divided by 8), else 0.001. Shapes and errors as `edge_transfer`.

    Returns
    -------
    Local
        Pools to (N,), float64, from 0 to 1; 0 is best. Identical images have 0.0003 where all is edge. The ratio
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

    >>> import torch
    >>> x = torch.tensor([[[0, 0, 0], [0, 99, 0], [0, 0, 0]]], dtype=torch.uint8)
    >>> [round(measure(x, x, 0 * x).pool().item(), 2) for measure in (edge_loss, edge_artefacts)]
    [0.99, 0.0]
    """
    x = judged(a, b, fused, model)
    return Map(_missed(x) * ~x.invented, x.weight_a + x.weight_b)


def edge_artefacts(
    a: Tensor,
    b: Tensor,
    fused: Tensor,
    model: EdgeModel = PETROVIC,
    counting: Literal["kumar", "petrovic"] = "kumar",
) -> Local:
    """Edge information of the fused image that no source has, N^AB/F: the fusion artefacts.

    N^AB/F = sum ((1 - Q^AF) w^A + (1 - Q^BF) w^B) / sum (w^A + w^B), the first sum over the pixels at which the fused
    edge is stronger than both sources'. Q and w, shapes and errors as `edge_loss`.

    Parameters
    ----------
    a, b, fused, model
        As `edge_transfer`.
    counting
        "kumar" as above; "petrovic" for (2 - Q^AF - Q^BF)(w^A + w^B) in the first sum, which counts a pixel about
        twice, and with which transfer, loss and artefacts do not add up to 1.

    Returns
    -------
    Local
        Pools to (N,), float64, from 0 to 1 ("petrovic": to 2); 0 is best, and the score of identical images. An image
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

    >>> import torch
    >>> x = torch.zeros(1, 6, 6, dtype=torch.uint8)
    >>> x[:, 2:4, 2:4] = 80
    >>> [round(n, 2) for n in edge_artefacts(x, x, torch.cat([x, 3 * x, x // 2])).pool().tolist()]
    [0.0, 0.8, 0.0]
    """
    x = judged(a, b, fused, model)
    weight = x.weight_a + x.weight_b
    missed = _missed(x) if counting == "kumar" else (2 - x.kept_a - x.kept_b) * weight
    return Map(missed * x.invented, weight)


def misplaced_edge_artefacts(a: Tensor, b: Tensor, fused: Tensor) -> Local:
    """Emulate Tang's script, which takes the first source for the fused image, and that for the second source.

    Shapes and errors as `edge_artefacts`.
    """
    return edge_artefacts(b, fused, a)


def _missed(x: Judged) -> Tensor:
    return (1 - x.kept_a) * x.weight_a + (1 - x.kept_b) * x.weight_b


Q_ABF = Metric(
    name="Q_ABF",
    convention="xydeas",
    family="gradient",
    source="Xydeas and Petrovic 2000, eq. 8, orientations as in their SPIE paper; also called Q_G",
    formula=(
        r"Q^{AB/F} = \frac{\sum_{x,y} \left(Q^{AF} w^A + Q^{BF} w^B\right)}{\sum_{x,y} \left(w^A + "
        r"w^B\right)}, \quad Q^{AF} = \frac{0.9994}{1 + e^{-15 (G - 0.5)}} \cdot \frac{0.9879}{1 + e^{-22 "
        r"(A - 0.8)}}"
    ),
    range=(0, EQUAL),
    identical=EQUAL,
    constant=EQUAL,
    undefined=True,
    map=edge_transfer,
)

Q_ABF_CSLIB = Metric(
    name="Q_ABF",
    convention="cslib",
    family="gradient",
    source="cslib and others: orientations as in the letter of 2000, where -89 and 89 degrees are far apart",
    range=(0, EQUAL),
    identical=EQUAL,
    constant=EQUAL,
    undefined=True,
    map=partial(edge_transfer, model=UNFOLDED),
    variant=True,
)

Q_ABF_VIFB = Metric(
    name="Q_ABF",
    convention="vifb",
    family="gradient",
    source="VIFB, also MEFB, Tang, CDDFuse, IVIF_ZOO and kien; wrong: equal strengths have the strength as their ratio",
    range=(0, 0.98),
    identical=None,
    constant=None,
    undefined=True,
    map=partial(edge_transfer, model=VIFB),
    variant=True,
)

Q_ABF_MFIF = Metric(
    name="Q_ABF",
    convention="mfif",
    family="gradient",
    source="MFIF-Metrics, there Q_G; 1e-5 for gradients of 0, so the orientation where sx is 0 has the sign of sy",
    range=(0, EQUAL),
    identical=EQUAL,
    constant=EQUAL,
    map=partial(edge_transfer, model=MFIF),
    variant=True,
)

Q_ABF_ZHENGLIU = Metric(
    name="Q_ABF",
    convention="zhengliu",
    family="gradient",
    source="imageFusionMetrics, there Q_G; other constants; wrong: the mean of the pixels' ratios, flat ones too",
    identical=None,
    constant=None,
    map=partial(edge_transfer, model=ZHENGLIU, pooling="local"),
    variant=True,
)

Q_ABF_DUNGDZ = Metric(
    name="Q_ABF",
    convention="dungdz",
    family="gradient",
    source="dungdz, Petrovic and Xydeas 2005; wrong: directions instead of orientations",
    identical=None,
    constant=None,
    map=partial(edge_transfer, model=DUNGDZ),
    variant=True,
)

# How well an edge is kept, of what is lost and what is new.
KEPT = r"Q^{AF} = \sqrt{\frac{0.9999}{1 + e^{-19 (G - 0.5)}} \cdot \frac{0.9995}{1 + e^{-22 (A - 0.5)}}}"

L_ABF = Metric(
    name="L_ABF",
    convention="petrovic",
    family="gradient",
    higher_is_better=False,
    source="Petrovic and Xydeas 2005, with the constants of Shreyamsha Kumar's code",
    formula=(
        r"L^{AB/F} = \frac{\sum_{g_F \le \max(g_A, g_B)} \left((1 - Q^{AF}) w^A + (1 - Q^{BF}) "
        r"w^B\right)}{\sum_{x,y} \left(w^A + w^B\right)}, \quad " + KEPT
    ),
    identical=None,
    constant=None,
    map=edge_loss,
    rewards=("noise",),
)

L_ABF_DUNGDZ = Metric(
    name="L_ABF",
    convention="dungdz",
    family="gradient",
    higher_is_better=False,
    source="dungdz; wrong: directions instead of orientations",
    identical=None,
    constant=None,
    map=partial(edge_loss, model=DUNGDZ),
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
    formula=(
        r"N^{AB/F} = \frac{\sum_{g_F > \max(g_A, g_B)} \left((1 - Q^{AF}) w^A + (1 - Q^{BF}) "
        r"w^B\right)}{\sum_{x,y} \left(w^A + w^B\right)}, \quad " + KEPT
    ),
    identical=0,
    constant=0,
    map=edge_artefacts,
    rewards=("black", "grey", "white", "contrast / 8"),
)

N_ABF_TANG = Metric(
    name="N_ABF",
    convention="tang",
    family="gradient",
    higher_is_better=False,
    digits=6,
    source="Tang's evaluation script; wrong: source a stands for the fused image, and the fused for a source",
    identical=0,
    constant=0,
    ordered="the script takes the first source for the fused image",
    map=misplaced_edge_artefacts,
    variant=True,
)

N_ABF_IVIF_ZOO = Metric(
    name="N_ABF",
    convention="ivif_zoo",
    family="gradient",
    higher_is_better=False,
    digits=6,
    source="IVIF_ZOO, also kien; edges weaker than 2 have no weight instead of 0.001",
    identical=0,
    constant=math.nan,
    undefined=True,
    map=partial(edge_artefacts, model=IVIF_ZOO),
    variant=True,
)

N_ABF_DUNGDZ = Metric(
    name="N_ABF",
    convention="dungdz",
    family="gradient",
    higher_is_better=False,
    digits=6,
    source="dungdz; wrong: directions instead of orientations",
    identical=0,
    constant=0,
    map=partial(edge_artefacts, model=DUNGDZ),
    variant=True,
)

N_ABF_PETROVIC = Metric(
    name="N_ABF",
    convention="dungdz-petrovic",
    family="gradient",
    higher_is_better=False,
    digits=6,
    source="dungdz, there NABF1: Petrovic's own counting, by which a pixel counts about twice; directions as above",
    range=(0, 2),
    identical=0,
    constant=0,
    map=partial(edge_artefacts, model=DUNGDZ, counting="petrovic"),
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
