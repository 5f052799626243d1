"""Profiles: which metrics a code base prints, and one call that scores by all of them.

A profile names the records that give a code base's values: the variant where it has its own, the bench's definition
where they agree. A variant that several code bases share is one record and bears the name of one of them: "MI@vifb"
stands in the profile "cddfuse" too.
"""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

import torch
from fusebench.metrics import (
    base,
    contrast,
    cross_entropy,
    edge_transfer,
    error,
    feature_mutual_information,
    fusion_quality,
    multiscale_edge,
    mutual_information,
    nonlinear_correlation,
    perceptual,
    phase_congruency,
    spatial_frequency,
    structural_similarity,
    tsallis,
    visual_information_fidelity,
)
from fusebench.metrics.base import Metric, same_size
from fusebench.metrics.catalogue import METRICS
from torch import Tensor

PROFILES: Mapping[str, tuple[Metric, ...]] = MappingProxyType(
    {
        "default": tuple(metric for metric in METRICS if not metric.variant),
        # Those that `fusebench audit` finds sound on real pairs: docs/audit.md.
        "sound": tuple(
            metric for metric in METRICS if metric.label in {"Q_ABF", "L_ABF", "Q_W", "Q_E", "VIFF", "Q_CV"}
        ),
        "seed": (
            mutual_information.EN,
            spatial_frequency.SF,
            mutual_information.MI,
            mutual_information.M,
        ),
        "vifb": (
            contrast.AG_VIFB,
            cross_entropy.CE_VIFB,
            contrast.EI,
            mutual_information.EN,
            mutual_information.MI_VIFB,
            error.PSNR_VIFB,
            error.RMSE_VIFB,
            spatial_frequency.SF,
            contrast.SD,
            edge_transfer.Q_ABF_VIFB,
            perceptual.Q_CB_VIFB,
            perceptual.Q_CV_VIFB,
            structural_similarity.SSIM_VIFB,
        ),
        "mefb": (
            contrast.AG_VIFB,
            cross_entropy.CE_VIFB,
            contrast.EI,
            mutual_information.EN,
            mutual_information.Q_MI,
            error.PSNR_VIFB,
            nonlinear_correlation.Q_NCIE,
            contrast.SD,
            spatial_frequency.SF,
            tsallis.Q_TE_ZHENGLIU,
            edge_transfer.Q_ABF_VIFB,
            fusion_quality.Q_C_MEFB,
            perceptual.Q_CB_VIFB,
            perceptual.Q_CV_VIFB,
            phase_congruency.Q_P_ZHENGLIU,
            fusion_quality.Q_W_MEFB,
            fusion_quality.Q_Y_MEFB,
            visual_information_fidelity.VIFF,
        ),
        "mfif": (
            mutual_information.EN,
            contrast.SD_MFIF,
            contrast.AG_MFIF,
            spatial_frequency.SF,
            contrast.EI,
            mutual_information.Q_MI,
            nonlinear_correlation.Q_NCIE,
            tsallis.Q_TE_ZHENGLIU,
            error.SCD,
            edge_transfer.Q_ABF_MFIF,
            phase_congruency.Q_P_ZHENGLIU,
            fusion_quality.Q_S,
            fusion_quality.Q_W,
            fusion_quality.Q_E,
            fusion_quality.Q_C,
            fusion_quality.Q_Y,
            perceptual.Q_CB_VIFB,
            perceptual.Q_CV_VIFB,
            visual_information_fidelity.VIFF,
        ),
        "tang": (
            mutual_information.EN,
            mutual_information.MI_TANG,
            error.PSNR_TANG,
            error.MSE_TANG,
            spatial_frequency.SF_TANG,
            contrast.SD,
            contrast.AG_VIFB,
            feature_mutual_information.FMI_DCT,
            error.CC,
            error.SCD,
            visual_information_fidelity.VIF,
            edge_transfer.Q_ABF_VIFB,
            edge_transfer.N_ABF_TANG,
        ),
        "cddfuse": (
            mutual_information.EN,
            contrast.SD,
            spatial_frequency.SF_TANG,
            contrast.AG,
            mutual_information.MI_VIFB,
            error.MSE,
            error.CC,
            error.PSNR_CDDFUSE,
            error.SCD,
            visual_information_fidelity.VIF,
            edge_transfer.Q_ABF_VIFB,
        ),
        "ivif_zoo": (
            cross_entropy.CE_IVIF_ZOO,
            mutual_information.Q_MI_IVIF_ZOO,
            nonlinear_correlation.Q_NCIE_IVIF_ZOO,
            tsallis.Q_TE_IVIF_ZOO,
            contrast.EI_IVIF_ZOO,
            mutual_information.EN_IVIF_ZOO,
            mutual_information.MI,
            spatial_frequency.SF_TANG,
            contrast.SD,
            contrast.AG,
            error.PSNR_TANG,
            error.MSE_TANG,
            error.CC,
            error.SCD,
            edge_transfer.Q_ABF_VIFB,
            edge_transfer.N_ABF_IVIF_ZOO,
            structural_similarity.SSIM_IVIF_ZOO,
            structural_similarity.MS_SSIM_IVIF_ZOO,
        ),
        # MS_SSIM and FMI of wavelet coefficients, which it prints too, have no definition that could be told.
        "dungdz": (
            contrast.MLI,
            contrast.SD,
            contrast.AG_VIFB,
            error.MSE_TANG,
            error.PSNR_DUNGDZ,
            mutual_information.EN,
            mutual_information.MI,
            nonlinear_correlation.Q_NCIE,
            error.SCD,
            feature_mutual_information.FMI_PIXEL,
            feature_mutual_information.FMI_DCT,
            feature_mutual_information.FMI_EDGE_DUNGDZ,
            edge_transfer.Q_ABF_VIFB,
            edge_transfer.Q_ABF_DUNGDZ,
            edge_transfer.L_ABF_DUNGDZ,
            edge_transfer.N_ABF_DUNGDZ,
            edge_transfer.N_ABF_PETROVIC,
            spatial_frequency.SF_TANG,
            structural_similarity.SSIM_DUNGDZ,
            fusion_quality.Q_S_ZHENGLIU,
            fusion_quality.Q_W_ZHENGLIU,
            fusion_quality.Q_E_DUNGDZ,
            visual_information_fidelity.VIF,
            visual_information_fidelity.VIFF,
            error.CC,
            phase_congruency.Q_P_ZHENGLIU,
        ),
        "cslib": (
            mutual_information.EN,
            tsallis.Q_TE_CSLIB,
            cross_entropy.CE_VIFB,
            mutual_information.MI_VIFB,
            mutual_information.Q_MI,
            nonlinear_correlation.Q_NCIE,
            error.PSNR,
            error.CC,
            error.SCD,
            error.MSE_TANG,
            error.RMSE_CSLIB,
            contrast.EI,
            contrast.SD,
            spatial_frequency.SF_TANG,
            spatial_frequency.Q_SF_CSLIB,
            edge_transfer.Q_ABF_CSLIB,
            edge_transfer.N_ABF,
            multiscale_edge.Q_M,
            structural_similarity.SSIM_CSLIB,
            fusion_quality.Q_S_ZHENGLIU,
            fusion_quality.Q_W_ZHENGLIU,
        ),
    }
)


def chosen(names: str) -> tuple[Metric, ...]:
    """Give the metrics that profiles and labels name, joined by commas: "seed", "SF,VIF", "vifb,Q_ABF". Each once.

    Raises
    ------
    ValueError
        If a name is no profile and no label; the message has the nearest.

    Examples
    --------
    >>> [metric.label for metric in chosen("seed,PSNR@tang,SF")]
    ['EN', 'SF', 'MI', 'M', 'PSNR@tang']
    """
    labels = {metric.label: (metric,) for metric in METRICS}
    known = {**labels, **PROFILES}
    spelt = {plain(name): name for name in known}
    found: dict[Metric, None] = {}
    for name in (part.strip() for part in names.split(",")):
        if name not in known:
            near = [spelt[match] for match in difflib.get_close_matches(plain(name), spelt, n=3)]
            hint = f"did you mean {' or '.join(near)}?" if near else f"the profiles are {', '.join(PROFILES)}"
            raise ValueError(f"no metric or profile is called {name!r}; {hint} (`fusebench list metrics` has all)")
        found |= dict.fromkeys(known[name])
    return tuple(found)


def plain(name: str) -> str:
    """Give a metric's name without case and signs, as it is spelt in a dozen ways.

    Examples
    --------
    >>> plain("Q^AB/F"), plain("Q_abf")
    ('QABF', 'QABF')
    """
    return name.upper().translate(str.maketrans("", "", "_^/- "))


def score(
    a: Tensor, b: Tensor, fused: Tensor, profile: str = "default", mask: Tensor | None = None
) -> dict[str, Tensor]:
    """Score fused images by every metric of a profile; what several metrics need is computed once.

    Parameters
    ----------
    a, b
        The sources, shape (N, H, W), or (1, H, W) for one pair that stands for every fused image; uint8, or floating
        in [0, 1].
    fused
        The fused images, shape (N, H, W), of either type.
    profile
        "default" for every definition of the bench, "seed" for the paper it began with, or a code base; or labels of
        metrics. See `chosen`.
    mask
        Where the images are scored: (N, H, W), or (1, H, W) for all, bool. Counts and sums run over these pixels, and
        maps of windows, gradients and transforms are averaged over them; see `maps.inside`. A metric that is not
        `local`, such as one of a transform of the whole image, is NaN.

    Returns
    -------
    dict
        The label of each metric to its scores, (N,), float64, on the images' device. Undefined scores are NaN or
        infinite, as the metric says.

    Raises
    ------
    ValueError
        If a name is unknown, the images differ in size, or a mask is empty or no bool; see `grey_levels`.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[[0, 0], [9, 9]]], dtype=torch.uint8)
    >>> {label: scores.tolist() for label, scores in score(x, x, x, "seed").items()}
    {'EN': [1.0], 'SF': [6.363961030678928], 'MI': [2.0], 'M': [1.0]}
    """
    metrics = chosen(profile)
    same_size(a, b, fused)
    if fused.shape[0] < max(a.shape[0], b.shape[0]):
        raise ValueError(f"there are {max(a.shape[0], b.shape[0])} sources for {fused.shape[0]} fused image")
    if mask is not None:
        same_size(fused, mask)
        if mask.dtype != torch.bool or not mask.any(dim=-1).any(dim=-1).all():
            raise ValueError("a mask is of type bool and has a pixel inside it")
    return base.score(a, b, fused, metrics, mask)
