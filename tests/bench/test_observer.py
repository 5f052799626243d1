"""Witnesses: the closed form of d' in white noise, the ideal observer, and the normal law."""

import math

import pytest
import torch
from fusebench.bench.observer import Observed, channels, closed_form, observe
from torch import Tensor

SIZE, PLACE = 64, (30, 35)
SEEN = channels(SIZE, SIZE, *PLACE)


def spot(levels: float = 6.0, deviation: float = 2.5) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    distance = (rows - PLACE[0]) ** 2 + (columns - PLACE[1]) ** 2
    return levels * torch.exp(-distance.double() / (2 * deviation**2))


def white(count: int, seed: int = 0) -> Tensor:
    return 6 * torch.randn(count, SIZE, SIZE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def observed() -> Observed:
    noise = white(600)
    return observe(noise, noise + spot(), SEEN)


def test_in_white_noise_it_is_the_closed_form(observed: Observed) -> None:
    expected = closed_form(spot(), SEEN, 6.0)
    low, high = observed.interval
    assert low < expected < high
    assert high - low < 0.5
    # Three round channels see nearly all of a round spot, and never more than the ideal observer.
    ideal = float(spot().norm()) / 6
    assert 0.9 * ideal < expected < ideal


def test_the_area_is_that_of_normal_decisions(observed: Observed) -> None:
    # AUC = Phi(d' / sqrt(2)) for two normal laws of one variance.
    expected = (1 + math.erf(observed.d / 2)) / 2
    assert observed.auc == pytest.approx(expected, abs=0.01)


def test_a_lesion_elsewhere_is_not_seen() -> None:
    noise = white(100)
    found = observe(noise, noise + spot().roll((30, 30), (0, 1)), SEEN)
    assert abs(found.d) < 0.1 * closed_form(spot(), SEEN, 6.0)


def test_half_the_contrast_and_an_average_have_their_closed_forms() -> None:
    noise, other = white(400, seed=2), white(400, seed=3)
    whole = observe(noise, noise + spot(), SEEN)
    averaged = observe((noise + other) / 2, (noise + spot() + other) / 2, SEEN)
    part, low, high = averaged.kept(whole)
    # Half of the signal, and sqrt(1/2) of the noise.
    assert low < math.sqrt(0.5) < high
    assert part == pytest.approx(math.sqrt(0.5), abs=0.1)
    assert whole.kept(whole) == (1.0, 1.0, 1.0)


def test_what_is_equal_is_not_told_apart() -> None:
    noise = white(16)
    found = observe(noise, noise, SEEN)
    assert (found.d, found.auc) == (0.0, 0.5)


@pytest.mark.parametrize("count", [14, 17])
def test_too_few_realisations_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="even number from 16"):
        observe(white(count), white(count), SEEN)
