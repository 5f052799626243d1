"""The gate: what is no registered pair is refused, by name."""

import math

import pytest
import torch
from fusebench.datasets.pair import Entry, Pair
from torch import Tensor

GOOD = torch.linspace(0, 1, 24).view(4, 6)


def make(a: Tensor, b: Tensor = GOOD, chroma: Tensor | None = None) -> Pair:
    return Pair(a, b, "CT-MRI", "2012", "2", ("CT", "MRI"), (None, chroma))


def with_pixel(value: float) -> Tensor:
    image = GOOD.clone()
    image[1, 1] = value
    return image


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        (torch.zeros(4, 7), "CT is 4 x 7 but MRI is 4 x 6"),
        (torch.zeros(1, 6), "1 x 6 pixels; at least 2 x 2"),
        (torch.zeros(6, 1), "6 x 1 pixels"),
        (torch.zeros(0, 6), "0 x 6 pixels"),
        (torch.zeros(1, 4, 6), r"shape \(H, W\), this one \(1, 4, 6\)"),
        (GOOD.double(), "float64"),
        (GOOD.to(torch.uint8), "uint8"),
        (GOOD.numpy(), "float32"),
        (with_pixel(math.nan), "1 pixels are NaN or infinite"),
        (with_pixel(math.inf), "NaN or infinite"),
        (with_pixel(1.5), r"0 to 1.5; images lie in \[0, 1\]"),
        (with_pixel(-0.5), "-0.5 to 1"),
        (255 * GOOD, "0 to 255"),
    ],
)
def test_what_is_no_image_is_refused(image: Tensor, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^CT-MRI/2012.*{complaint}"):
        make(image)


def test_the_second_source_is_checked_too() -> None:
    with pytest.raises(ValueError, match=r"2012 \(MRI\).*NaN"):
        make(GOOD, with_pixel(math.nan))


@pytest.mark.parametrize("chroma", [torch.zeros(2, 4, 5), torch.full((2, 4, 6), 0.6), torch.full((2, 4, 6), math.nan)])
def test_chroma_is_checked(chroma: Tensor) -> None:
    with pytest.raises(ValueError, match="chroma"):
        make(GOOD, chroma=chroma)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/x", "a\\b", "a\nb", "a\0", "\u202ea", "n" * 201])
def test_a_name_that_results_could_not_be_written_under_is_refused(name: str) -> None:
    for kind, pair in ((name, "2012"), ("CT-MRI", name)):
        with pytest.raises(ValueError, match="no name for a pair"):
            Entry(kind, pair, "2", lambda: make(GOOD))


def test_a_good_pair_passes_and_a_constant_image_is_good() -> None:
    assert make(GOOD, chroma=torch.zeros(2, 4, 6)).size == (4, 6)
    assert make(torch.zeros(4, 6)).size == (4, 6)
