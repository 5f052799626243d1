"""What each code base printed for its own metrics: on which images, and under which names."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

# Values from Octave have 10 digits; float32 codes sum 65536 terms at 6e-8 each.
OCTAVE, FLOAT32 = 1e-9, 2e-6

# profile -> who computed, tolerance, and the code base's own name for each label.
PRINTED = {
    "vifb": (
        "vifb",
        OCTAVE,
        {
            "AG@vifb": "AG",
            "CE@vifb": "CE",
            "EI": "EI",
            "EN": "EN",
            "MI@vifb": "MI_nats",
            "PSNR@vifb": "PSNR_vifb",
            "RMSE@vifb": "RMSE_vifb",
            "SF": "SF",
            "SD": "SD",
            "Q_ABF@vifb": "Qabf",
            "Q_CB@vifb": "Q_CB",
            "Q_CV@vifb": "Q_CV",
            "SSIM@vifb": "SSIM_sum",
        },
    ),
    "mefb": (
        "mefb",
        OCTAVE,
        {
            "AG@vifb": "AG",
            "CE@vifb": "CE",
            "EI": "EI",
            "EN": "EN",
            "Q_MI": "Q_MI",
            "PSNR@vifb": "PSNR_vifb",
            "Q_NCIE": "Q_NCIE",
            "SD": "SD",
            "SF": "SF",
            "Q_TE@zhengliu": "TE_cvejic_q1.85_swapped",
            "Q_ABF@vifb": "Qabf",
            "Q_C@mefb": "Q_C",
            "Q_CB@vifb": "Q_CB",
            "Q_CV@vifb": "Q_CV",
            "Q_P@zhengliu": "Q_P",
            "Q_W@mefb": "Q_W_edge_only",
            "Q_Y@mefb": "Q_Y",
            "VIFF": "VIFF",
        },
    ),
    "mfif": (
        "mfif_metrics",
        OCTAVE,
        {
            "EN": "EN",
            "SD@mfif": "SD_mean_of_column_std",
            "AG@mfif": "AG",
            "SF": "SF",
            "EI": "EI",
            "Q_MI": "Q_MI",
            "Q_NCIE": "Q_NCIE",
            "Q_TE@zhengliu": "TE_cvejic_q1.85_swapped",
            "SCD": "SCD",
            "Q_ABF@mfif": "Q_G",
            "Q_P@zhengliu": "Q_P",
            "Q_S": "Q_S",
            "Q_W": "Q_W",
            "Q_E": "Q_E",
            "Q_C": "Q_C",
            "Q_Y": "Q_Y",
            "Q_CB@vifb": "Q_CB",
            "Q_CV@vifb": "Q_CV",
            "VIFF": "VIFF",
        },
    ),
    "tang": (
        "linfeng_tang",
        OCTAVE,
        {
            "EN": "EN",
            "MI@tang": "MI_bits_uint8_saturated",
            "PSNR@tang": "PSNR_tang",
            "MSE@tang": "MSE_unit",
            "SF@tang": "SF",
            "SD": "SD",
            "AG@vifb": "AG",
            "CC": "CC",
            "SCD": "SCD",
            "VIF": "VIFp_sum",
            "Q_ABF@vifb": "Qabf",
            "N_ABF@tang": "Nabf_as_called_wrong_order",
        },
    ),
    "cddfuse": (
        "cddfuse",
        FLOAT32,
        {
            "EN": "EN",
            "SD": "SD",
            "SF@tang": "SF",
            "AG": "AG",
            "MI@vifb": "MI_nats",
            "MSE": "MSE_255",
            "CC": "CC",
            "PSNR@cddfuse": "PSNR_peak_maxF",
            "SCD": "SCD",
            "VIF": "VIFp_sum_named_VIFF",
            "Q_ABF@vifb": "Qabf",
        },
    ),
    "ivif_zoo": (
        "ivif_zoo",
        FLOAT32,
        {
            "CE@ivif_zoo": "CE",
            "Q_MI@ivif_zoo": "NMI",
            "Q_NCIE@ivif_zoo": "QNCIE",
            "Q_TE@ivif_zoo": "TE",
            "EI@ivif_zoo": "EI",
            "EN@ivif_zoo": "EN",
            "MI": "MI",
            "SF@tang": "SF",
            "SD": "SD",
            "AG": "AG",
            "PSNR@tang": "PSNR",
            "MSE@tang": "MSE",
            "CC": "CC",
            "SCD": "SCD",
            "Q_ABF@vifb": "Qabf",
            "N_ABF@ivif_zoo": "Nabf",
            "SSIM@ivif_zoo": "SSIM",
            "MS_SSIM@ivif_zoo": "MS_SSIM",
        },
    ),
    "dungdz": (
        "dungdz",
        1e-7,  # its errors are summed in float32
        {
            "MLI@dungdz": "MLI",
            "SD": "SD",
            "AG@vifb": "AG",
            "MSE@tang": "MSE",
            "PSNR@dungdz": "PSNR",
            "EN": "EN",
            "MI": "MI",
            "Q_NCIE": "NCIE",
            "SCD": "SCD",
            "FMI_pixel": "FMI_pixel",
            "FMI_dct": "FMI_dct",
            "FMI_edge@dungdz": "FMI_edge",
            "Q_ABF@vifb": "QABF_fast",
            "Q_ABF@dungdz": "QABF",
            "L_ABF@dungdz": "LABF",
            "N_ABF@dungdz": "NABF",
            "N_ABF@dungdz-petrovic": "NABF1",
            "SF@tang": "SF",
            "SSIM@dungdz": "SSIM",
            "Q_S@zhengliu": "Q",
            "Q_W@zhengliu": "Qw",
            "Q_E@dungdz": "Qe",
            "VIF": "VIF",
            "VIFF": "VIFF",
            "CC": "CC",
            "Q_P@zhengliu": "Qp",
        },
    ),
    "cslib": (
        "cslib",
        2e-5,  # float32; its Sobel magnitudes carry a small constant under the root besides
        {
            "EN": "en_metric",
            "Q_TE@cslib": "te_metric",
            "CE@vifb": "ce_metric",
            "MI@vifb": "mi_metric",
            "Q_MI": "nmi_metric",
            "Q_NCIE": "q_ncie_metric",
            "PSNR": "psnr_metric",
            "CC": "cc_metric",
            "SCD": "scd_metric",
            "MSE@tang": "mse_metric",
            "RMSE@cslib": "rmse_metric",
            "EI": "ei_metric",
            "SD": "sd_metric",
            "SF@tang": "sf_metric",
            "Q_SF@cslib": "q_sf_metric",
            "Q_ABF@cslib": "q_abf_metric",
            "N_ABF": "n_abf_metric",
            "Q_M": "pww_metric",
            "SSIM@cslib": "ssim_metric",
            "Q_S@zhengliu": "q_s_metric",
            "Q_W@zhengliu": "q_w_metric",
        },
    ),
}


class Peers(NamedTuple):
    """Two sources and a fused image, (1, H, W) uint8, and what each published code printed for them, by its names."""

    images: tuple[Tensor, Tensor, Tensor]
    values: dict[str, dict[str, float]]


def case(name: str) -> Peers:
    """Read a case on which published codes were run: "f_avg", "f_max" or "crop64_f_avg"."""
    folder = Path(os.environ["FUSEBENCH_SHARED"]) / "oracles" / "metrics"
    files = ("a_64", "b_64", "f_avg_64") if name == "crop64_f_avg" else ("a", "b", name)
    a, b, fused = (torch.from_numpy(np.array(Image.open(folder / f"{file}.png")))[None] for file in files)
    return Peers((a, b, fused), json.loads((folder / "metrics_oracle.json").read_text())[name])
