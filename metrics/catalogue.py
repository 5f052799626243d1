"""Every metric of the bench: one line each."""

from fusebench.metrics.base import Metric
from fusebench.metrics.mutual_information import EN, MI, Q_MI, M
from fusebench.metrics.perceptual import Q_CB, Q_CV
from fusebench.metrics.spatial_frequency import SF
from fusebench.metrics.structural_similarity import (
    MS_SSIM,
    MS_SSIM_IVIF_ZOO,
    Q_C,
    Q_C_MEFB,
    Q_E,
    Q_E_DUNGDZ,
    Q_S,
    Q_S_ZHENGLIU,
    Q_W,
    Q_W_MEFB,
    Q_W_ZHENGLIU,
    Q_Y,
    Q_Y_MEFB,
    SSIM,
    SSIM_CSLIB,
    SSIM_DUNGDZ,
    SSIM_IVIF_ZOO,
    SSIM_VIFB,
)
from fusebench.metrics.visual_information_fidelity import VIF, VIFF

METRICS: tuple[Metric, ...] = (
    *(SF, EN, MI, M, Q_MI),
    *(SSIM, SSIM_VIFB, SSIM_CSLIB, SSIM_DUNGDZ, SSIM_IVIF_ZOO, MS_SSIM, MS_SSIM_IVIF_ZOO),
    *(Q_S, Q_S_ZHENGLIU, Q_W, Q_W_ZHENGLIU, Q_W_MEFB, Q_E, Q_E_DUNGDZ, Q_C, Q_C_MEFB, Q_Y, Q_Y_MEFB),
    *(VIF, VIFF),
    *(Q_CV, Q_CB),
)
