"""Witnesses: the values each code base printed for its own metrics, the catalogue, and the contract of `score`."""

import re
from pathlib import Path
from typing import Any

import parity
import pytest
import torch
from fusebench.metrics import base
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.profiles import PROFILES, score
from printed import PRINTED
from torch import Tensor

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


def random(noise: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=noise).to(torch.uint8)


def test_the_parity_matrix_in_the_documents_is_current(oracle: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "parity.md").read_text(encoding="utf-8")
    # But for the differences, whose last digit is a matter of rounding.
    without = [re.sub(r" \S+ \|$", "", line) for line in (parity.HEAD + parity.matrix(oracle("f_avg"))).splitlines()]
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
        assert torch.allclose(scores[record.label], record(a, b, fused), rtol=0, atol=0, equal_nan=True)


def test_nothing_is_kept_after_the_call(noise: torch.Generator) -> None:
    score(*(random(noise, 1, 9, 9) for _ in range(3)))
    assert base._made.get() is None


def test_an_unknown_profile_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="no metric or profile is called 'vfib'; did you mean vifb"):
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
