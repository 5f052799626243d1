"""Fusion in a transform: witnesses are properties that hold whatever the transform is."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from fusebench.bench.contract import check
from fusebench.fusers.base import label
from fusebench.fusers.multiscale import fuse
from fusebench.fusers.pixel.multiscale import HIGH, Multiscale
from fusebench.fusers.pixel.multiscale import TRANSFORMS as NAMES
from fusebench.fusers.rules.activity import average
from fusebench.fusers.transforms.base import Pyramid, Transform
from fusebench.fusers.transforms.base_detail import BaseDetailTransform, IdentityTransform
from fusebench.fusers.transforms.contourlet import ContourletTransform
from fusebench.fusers.transforms.curvelet import CurveletTransform
from fusebench.fusers.transforms.dual_tree import DualTreeTransform
from fusebench.fusers.transforms.nsct import NonsubsampledContourletTransform
from fusebench.fusers.transforms.pyramids import GradientPyramid, LaplacianPyramid
from fusebench.fusers.transforms.shearlet import ShearletTransform
from fusebench.fusers.transforms.stationary import StationaryTransform
from fusebench.fusers.transforms.wavelet import WaveletTransform
from torch import Tensor

TRANSFORMS: list[Transform] = [
    WaveletTransform(levels=2),
    ContourletTransform(),
    NonsubsampledContourletTransform(),
    LaplacianPyramid(),
    GradientPyramid(levels=2),
    StationaryTransform(),
    DualTreeTransform(levels=2),
    CurveletTransform(directions=(4, 8)),
    ShearletTransform(directions=(2, 3), sizes=(8, 8)),
    BaseDetailTransform("gaussian"),
    IdentityTransform(),
]
every_transform = pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda transform: type(transform).__name__)


@every_transform
@pytest.mark.parametrize("size", [(1, 1), (17, 34), (32, 48)])
def test_the_average_of_every_band_is_the_average_of_the_images(
    transform: Transform, size: tuple[int, int], noise: torch.Generator
) -> None:
    # A transform is linear.
    a, b = torch.rand(2, 3, *size, generator=noise)
    fused = fuse(a, b, transform, high=average, low=average)
    assert torch.allclose(fused, (a + b) / 2, rtol=0, atol=1e-6)


@pytest.mark.parametrize("transform", [CurveletTransform((2,) * 16), DualTreeTransform(levels=16)])
def test_more_levels_than_an_image_can_bear_are_refused(transform: Transform) -> None:
    with pytest.raises(ValueError, match=r"20 x 31 would be continued to .* fewer levels"):
        fuse(torch.zeros(1, 20, 31), torch.zeros(1, 20, 31), transform, high=average, low=average)


@every_transform
def test_a_rule_gets_the_bands_of_either_source(transform: Transform, noise: torch.Generator) -> None:
    a, b = torch.rand(2, 2, 20, 31, generator=noise)
    # The bands of one source alone make that source.
    assert torch.allclose(fuse(a, b, transform, high=lambda _, y: y, low=lambda _, y: y), b, rtol=0, atol=1e-6)
    assert torch.allclose(fuse(a, b, transform, high=lambda x, _: x, low=lambda x, _: x), a, rtol=0, atol=1e-6)


@pytest.mark.parametrize("high", [rule for rule in HIGH if "pcnn" not in rule])
@pytest.mark.parametrize("transform", NAMES)
def test_every_rule_takes_the_bands_of_every_transform(transform: str, high: str, noise: torch.Generator) -> None:
    a, b = torch.rand(2, 1, 40, 36, generator=noise)
    fuser = Multiscale(transform, high)
    assert torch.isfinite(fuser(a, b)).all()
    # Two equal bands are their own fusion by any rule.
    assert torch.allclose(fuser(a, a), a, rtol=0, atol=1e-5)


@dataclass(frozen=True)
class Ends:
    """A transform that keeps an image whole, and notes how far it was continued."""

    reach: ClassVar[int] = 5
    grid: ClassVar[int] = 4

    def decompose(self, image: Tensor) -> Pyramid:
        """Keep it whole."""
        assert image.dtype == torch.float64
        # 5 pixels are 2 steps of the grid; 6 and 9 pixels go up to 8 and 12.
        assert image.shape == (2, 8 + 8 + 8, 8 + 12 + 8)
        assert image[0, 7].equal(image[0, 8])  # mirrored, the end repeated
        return Pyramid(image, [], (image.shape[1], image.shape[2]))

    def reconstruct(self, coefficients: Pyramid) -> Tensor:
        """Give it back."""
        return coefficients.low


def test_images_are_continued_as_far_as_the_transform_reaches_in_whole_steps(noise: torch.Generator) -> None:
    a, b = torch.rand(2, 1, 6, 9, generator=noise)
    assert torch.equal(fuse(a, b, Ends(), high=average, low=torch.maximum), torch.maximum(a, b))


@dataclass(frozen=True)
class Largest(ContourletTransform):
    """The contourlet transform with another rule, whose option is the fuser's own."""

    name: ClassVar[str] = "contourlet-largest"
    gain: float = 1.0

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Take the larger coefficient, times the gain."""

        def larger(x: Tensor, y: Tensor) -> Tensor:
            return self.gain * torch.where(x.abs() > y.abs(), x, y)

        return fuse(a, b, self, high=larger, low=average)


def test_a_transform_with_another_rule_is_a_fuser() -> None:
    assert label(Largest(directions=(1, 2), gain=0.5)) == "contourlet-largest[directions=1-2,gain=0.5]"
    assert [finding for finding in check(Largest(directions=(1, 2), gain=0.5)) if finding.problem] == []
