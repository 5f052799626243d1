"""Witnesses: the values each code base printed for its own metrics, the catalogue, and the contract of `score`.

Run as a program, `make parity`, it writes the matrix of these values, docs/parity.md.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from fusebench.metrics import base
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.profiles import PROFILES, score
from torch import Tensor

# Values from Octave have 10 digits; float32 codes sum 65536 terms at 6e-8 each.
OCTAVE, FLOAT32 = 1e-9, 2e-6

# What is known to differ by more, and why.
LOOSER = {
    "VIFF": 1e-6,  # sums of logarithms of ratios of small moments
    "VIF": 1e-6,  # likewise
    "Q_S": 1e-7,  # MFIF's constants are not quite 0
    "Q_CB@vifb": 1e-7,  # contrast of black background, down to the rounding of the Fourier transform
    "Q_C@mefb": 1e-3,  # a weight's sign is that of a rounding error where one source is flat but lit
    "SSIM@vifb": 1e-9,
    "SSIM@cslib": 2e-5,  # float32
    "SSIM@ivif_zoo": 2e-5,  # float32
    "Q_P@zhengliu": 5e-6,  # 1e-9 but for dungdz, which adds 1e-4 to one more denominator
    "N_ABF": 2e-4,  # about 1e-8, in float32
    "N_ABF@ivif_zoo": 2e-5,  # likewise
}

# In a profile without a value here: that code was run on the small case only, see test_feature_mutual_information.py.
UNPRINTED = {"tang": {"FMI_dct"}}

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


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=noise).to(torch.uint8)


def matrix(peers: Any) -> str:
    """Give the parity matrix: what each code base printed for its metrics on one triple, and what the bench gives."""
    lines = ["| code base | its name | ours | our score | theirs | relative difference |", "|:--|:--|:--|--:|--:|--:|"]
    sources = {metric.label: metric.source for metric in METRICS}
    used: list[str] = []
    for profile, (peer, _, printed) in PRINTED.items():
        scores = score(*peers.images, profile)
        for label, name in printed.items():
            ours, theirs = scores[label].item(), peers.values[peer][name]
            difference = f"{abs(ours - theirs) / abs(theirs):.0e}"
            lines.append(f"| {profile} | {name} | {label} | {ours:.7g} | {theirs:.7g} | {difference} |")
            used += [label] if "@" in label else []
    variants = [f"- `{label}`: {sources[label]}" for label in dict.fromkeys(used)]
    return "\n".join([*lines, "", "The variants:", "", *variants]) + "\n"


HEAD = """# Parity matrix

Written by `make parity` from the values that the code bases themselves printed for one MRI/CT pair and the rounded
average of the two (256 x 256, 8 bits). A label with an @ is a record of that code base's own value; what it does
otherwise is said below. Differences of 1e-10 are the printed digits of MATLAB codes, of 1e-8 to 1e-6 the float32 of
Python ones; where more is allowed, `tests/test_profiles.py` says why.

"""


def test_the_parity_matrix_in_the_documents_is_current(oracle: Any) -> None:
    page = (Path(__file__).parent.parent / "docs" / "parity.md").read_text(encoding="utf-8")
    # But for the differences, whose last digit is a matter of rounding.
    without = [re.sub(r" \S+ \|$", "", line) for line in (HEAD + matrix(oracle("f_avg"))).splitlines()]
    assert [re.sub(r" \S+ \|$", "", line) for line in page.splitlines()] == without


@pytest.mark.parametrize("profile", PRINTED)
def test_a_profile_gives_what_its_code_base_printed(profile: str, peers: Any) -> None:
    peer, tolerance, printed = PRINTED[profile]
    scores = {label: scores.item() for label, scores in score(*peers.images, profile).items()}
    for label, name in printed.items():
        if (expected := peers.values[peer][name]) is not None:  # None: that code fails on the image
            allowed = LOOSER.get(label, tolerance)
            assert scores[label] == pytest.approx(expected, rel=allowed), label


def test_default_is_every_definition_and_no_variant() -> None:
    assert [m.label for m in PROFILES["default"]] == [m.name for m in METRICS if not m.variant]
    # A name without a definition of the bench's own has no best value.
    assert {m.name for m in METRICS} - {m.label for m in PROFILES["default"]} == {"MLI"}
    assert [m.label for m in PROFILES["seed"]] == ["EN", "SF", "MI", "M"]


def test_every_record_of_a_profile_is_in_the_catalogue_once() -> None:
    for records in PROFILES.values():
        assert set(records) <= set(METRICS)
        assert len({record.label for record in records}) == len(records)


def test_every_metric_of_a_profile_has_a_witness() -> None:
    for profile, (_, _, printed) in PRINTED.items():
        assert {record.label for record in PROFILES[profile]} == printed.keys() | UNPRINTED.get(profile, set()), profile


@pytest.mark.parametrize("profile", PROFILES)
def test_scores_are_those_of_the_records(profile: str, noise: torch.Generator) -> None:
    a, b, fused = random(noise, 1, 12, 11), random(noise, 1, 12, 11), random(noise, 3, 12, 11)
    scores = score(a, b, fused, profile)
    assert list(scores) == [record.label for record in PROFILES[profile]]
    for record in PROFILES[profile]:
        assert scores[record.label].shape == (3,)
        # NaN where 12 x 11 pixels hold no window.
        assert torch.allclose(scores[record.label], record.score(a, b, fused), rtol=0, atol=0, equal_nan=True)


def test_nothing_is_kept_after_the_call(noise: torch.Generator) -> None:
    score(*(random(noise, 1, 9, 9) for _ in range(3)))
    assert base._made.get() is None


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'vfib'; known: default, seed, vifb"):
        score(*[torch.zeros(1, 4, 4)] * 3, "vfib")


@pytest.mark.parametrize(
    ("a", "b", "fused"),
    [((1, 4, 4), (1, 4, 4), (1, 4, 5)), ((1, 4, 4), (1, 5, 4), (1, 4, 4)), ((2, 4, 4), (1, 4, 4), (3, 4, 4))],
)
def test_images_of_two_sizes_are_refused(a: tuple[int, ...], b: tuple[int, ...], fused: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="images of one size"):
        score(torch.zeros(a), torch.zeros(b), torch.zeros(fused))


def test_many_sources_for_one_fused_image_are_refused() -> None:
    with pytest.raises(ValueError, match="2 sources for 1 fused"):
        score(torch.zeros(2, 4, 4), torch.zeros(1, 4, 4), torch.zeros(1, 4, 4))


if __name__ == "__main__":
    from conftest import case

    (Path(__file__).parent.parent / "docs" / "parity.md").write_text(HEAD + matrix(case("f_avg")), encoding="utf-8")
