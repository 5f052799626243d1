"""Witnesses: two public codes' images, matplotlib's HSV, scikit-image's CIELAB, autograd, and what a space promises."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fusebench.datasets import colour, phantom
from fusebench.fusers.base import Fuser
from fusebench.fusers.colour.adaptive_ihs import AdaptiveIHS, _weights
from fusebench.fusers.colour.brovey import Brovey
from fusebench.fusers.colour.channels import Channels
from fusebench.fusers.colour.hsv import HSV
from fusebench.fusers.colour.ihs import IHS
from fusebench.fusers.colour.lab import Lab
from fusebench.fusers.colour.luma import Luma
from fusebench.fusers.colour.overlay import Overlay
from fusebench.fusers.colour.pca_ihs import PCAIHS
from fusebench.fusers.colour.space import ColourSpace
from fusebench.fusers.colour.uptake import Uptake
from fusebench.fusers.neural.vgg16_colour import VGG16Colour
from fusebench.fusers.neural.vgg16_network import Network
from matplotlib.colors import rgb_to_hsv
from skimage.color import rgb2lab
from torch import Tensor

SPACES: list[type[ColourSpace]] = [Luma, IHS, Brovey, HSV, Lab]


@pytest.fixture
def images(noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Give a grey image and a coloured one, (1, 3, 9, 11), neither black nor white anywhere."""
    grey = 0.25 + 0.25 * torch.rand(1, 1, 9, 11, generator=noise).expand(-1, 3, -1, -1)
    return grey, 0.3 + 0.2 * torch.rand(1, 3, 9, 11, generator=noise)


@pytest.mark.parametrize("space", SPACES)
def test_the_new_brightness_is_the_other_sources(space: type[ColourSpace], images: tuple[Tensor, Tensor]) -> None:
    grey, coloured = images
    fuser = space("substitute")
    fused = fuser(grey, coloured)
    # By definition; float32, and eight digits of the matrices of CIELAB.
    inside = (fused > 0).all(dim=1) & (fused < 1).all(dim=1)
    assert inside.float().mean() > 0.9
    assert torch.allclose(fuser.brightness(fused)[inside], fuser.brightness(grey)[inside], atol=1e-6)
    assert torch.equal(fused, fuser(coloured, grey))


@pytest.mark.parametrize("space", [*SPACES, Channels])
def test_equal_images_come_back_through_a_grey_fuser(space: type[ColourSpace], images: tuple[Tensor, Tensor]) -> None:
    assert torch.allclose(space("laplacian")(images[1], images[1]), images[1], atol=1e-5)


def test_hue_and_saturation_are_matplotlibs(images: tuple[Tensor, Tensor]) -> None:
    grey, coloured = images
    (fused_hue, fused_saturation, value), (hue, saturation, _) = (
        rgb_to_hsv(x[0].movedim(0, -1).numpy()).transpose(2, 0, 1) for x in (HSV()(grey, coloured), coloured)
    )
    assert np.allclose(fused_hue, hue, atol=1e-5)
    assert np.allclose(fused_saturation, saturation, atol=1e-5)
    assert np.allclose(value, grey[0, 0], atol=1e-6)


def test_a_and_b_are_scikit_images(images: tuple[Tensor, Tensor]) -> None:
    grey, coloured = images
    fused, kept, lightness = (rgb2lab(x[0].movedim(0, -1).numpy()) for x in (Lab()(grey, coloured), coloured, grey))
    # scikit-image's white has six digits of its own.
    assert np.allclose(fused[..., 1:], kept[..., 1:], atol=0.02)
    assert np.allclose(fused[..., 0], lightness[..., 0], atol=0.02)


def test_luma_is_what_the_bench_does_with_a_grey_image() -> None:
    pair = phantom.coloured(["PET-MRI"], size=64)[50].read()
    a, b = (x[None] for x in pair.channels)
    assert pair.chroma is not None
    expected = colour.join(torch.maximum(pair.a, pair.b), pair.chroma)
    # Luma is rounded to a level when a file is split; 0.587 of it is green's.
    assert (Luma("maximum")(a, b)[0] - expected).abs().max() < 1 / 255


def test_overlay_is_the_pictures(images: tuple[Tensor, Tensor]) -> None:
    grey, _ = images
    uptake = torch.linspace(0, 1, 99).view(9, 11)
    coloured = colour.painted(uptake, "hot").float()[None]
    # "hot" begins above black, so the lowest entry is told from nothing by the scalar alone.
    shown = colour.overlay(grey[0, 0], uptake, "hot", 0.5)
    assert torch.allclose(Overlay()(grey, coloured)[0].double()[:, uptake > 0], shown[:, uptake > 0], atol=1e-6)


def test_adaptive_weights_are_those_of_a_known_mixture(noise: torch.Generator) -> None:
    coloured = torch.rand(1, 3, 9, 11, generator=noise, dtype=torch.float64)
    mixture = torch.einsum("k,nkhw->nhw", torch.tensor([0.2, 0.5, 0.25], dtype=torch.float64), coloured)
    assert torch.allclose(_weights(coloured, mixture), torch.tensor([[0.2, 0.5, 0.25]], dtype=torch.float64))
    # So the intensity is the other source, and there is nothing to add.
    other = mixture[:, None].expand(-1, 3, -1, -1)
    assert torch.allclose(AdaptiveIHS()(other.float(), coloured.float()), coloured.float(), atol=1e-6)


def test_without_a_threshold_the_whole_difference_is_added(images: tuple[Tensor, Tensor]) -> None:
    grey, coloured = images
    weights = _weights(coloured.double(), grey[:, 0].double())
    intensity = torch.einsum("nk,nkhw->nhw", weights, coloured.double())
    expected = coloured + (grey[:, 0] - intensity)[:, None]
    assert torch.allclose(AdaptiveIHS(edge=0.0)(grey, coloured).double(), expected.clamp(0, 1), atol=1e-6)


def test_uptake_lies_on_its_table() -> None:
    pair = phantom.coloured(["SPECT-MRI"], size=64)[50].read()
    a, b = (x[None] for x in pair.channels)
    fused = Uptake("maximum", table="atlas-spect")(a, b)[0]
    levels = (255 * fused).round().to(torch.uint8).movedim(0, -1).numpy()
    assert colour.table_of(levels) == "atlas-spect"
    shown = colour.places((255 * a[0]).round().to(torch.uint8).movedim(0, -1).numpy(), "atlas-spect")
    # An entry of 256; neighbours that round to one colour are told apart by one.
    assert (colour.places(levels, "atlas-spect") - torch.maximum(shown, pair.b)).abs().max() < 2.5 / 255


@pytest.mark.parametrize("make", [lambda: Uptake("substitute"), lambda: Channels("substitute")])
def test_what_needs_both_sources_refuses_one(make: Callable[[], Fuser]) -> None:
    with pytest.raises(ValueError, match="name a grey fuser"):
        make()


def test_an_unknown_way_to_fuse_is_refused() -> None:
    with pytest.raises(ValueError, match="no fuser is called 'nothing'"):
        IHS("nothing")
    with pytest.raises(ValueError, match="no fuser is called 'hsv'"):
        IHS("hsv")


def test_the_networks_grey_images_are_colour_images_of_equal_channels(noise: torch.Generator) -> None:
    x = 255 * torch.rand(2, 17, 14, generator=noise, dtype=torch.float64)
    grey, in_colour = Network("conv2_1", x), Network("conv2_1", x, colour=True)
    channels = x[:, None].expand(-1, 3, -1, -1)
    assert torch.allclose(in_colour.features(channels), grey.features(x), rtol=1e-9, atol=1e-8)
    target = grey.features(x.flip(2))
    # The derivative by the grey level is the sum of those by the channels.
    assert torch.allclose(
        in_colour.loss_and_gradient(channels, target)[1].sum(dim=1),
        grey.loss_and_gradient(x, target)[1],
        rtol=1e-9,
        atol=1e-3,  # of 1e7
    )


def test_the_colour_gradient_is_that_of_the_loss(noise: torch.Generator) -> None:
    x = 255 * torch.rand(1, 3, 17, 14, generator=noise, dtype=torch.float64)
    network = Network("conv1_2", x, colour=True)
    target = network.features(x.flip(3))
    gradient = network.loss_and_gradient(x, target)[1]
    direction = torch.randn(x.shape, generator=noise, dtype=torch.float64)
    up, down = (network.loss(x + h * direction, target) for h in (1e-6, -1e-6))
    assert ((up - down) / 2e-6).item() == pytest.approx((gradient * direction).sum().item(), rel=1e-6)


def test_the_joint_loss_is_below_that_of_luma_alone() -> None:
    pair = phantom.coloured(["PET-MRI"], size=64)[50].read()
    a, b = (x[None] for x in pair.channels)
    network = Network("conv1_2", a, colour=True)
    target = torch.maximum(network.features(255 * a), network.features(255 * b))
    joint, luma = (network.loss(255 * fuser(a, b), target).item() for fuser in (VGG16Colour(), Luma("vgg16")))
    assert joint < 0.95 * luma


@pytest.fixture(scope="module")
def peer(shared: Path) -> dict[str, np.ndarray]:
    """Give the images of `colour_18005.npz`: MRI, SPECT in colour, and what two codes made of them."""
    with np.load(shared / "oracles" / "fusers" / "colour_18005.npz") as file:
        return dict(file)


def _sources(peer: dict[str, np.ndarray]) -> tuple[Tensor, Tensor]:
    mri, spect = (torch.from_numpy(peer[name]) / 255 for name in "AB")
    return mri.expand(3, -1, -1)[None], spect.movedim(-1, 0)[None]


def test_ihs_and_pca_is_the_codes(peer: dict[str, np.ndarray]) -> None:
    fused = PCAIHS(original=True)(*_sources(peer))[0].movedim(0, -1).numpy()
    assert np.abs(fused - peer["pca_ihs_F"].clip(0, 1)).max() < 1e-6  # float32


def test_brovey_is_the_codes_times_three(peer: dict[str, np.ndarray]) -> None:
    fused = Brovey()(*_sources(peer))[0].movedim(0, -1).numpy()
    where = np.isfinite(peer["brovey_F"]).all(axis=-1)
    assert where.any()
    assert np.abs(fused - (3 * peer["brovey_F"]).clip(0, 1))[where].max() < 1e-6  # float32
