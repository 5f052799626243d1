"""Witnesses that need no other data: properties that every fuser of the room has, and closed forms."""

import pytest
import torch
from fusebench.datasets.pair import Pair
from fusebench.fusers.base import Fuser, label, parse
from fusebench.fusers.catalogue import FUSERS
from fusebench.fusers.feature.adf import ADF
from fusebench.fusers.feature.csr import CSR
from fusebench.fusers.feature.gff import GFF

# No property below needs csr to end: twenty steps are a tenth of its time.
ROOM: list[Fuser] = [
    CSR(iterations=20) if cls is CSR else cls()
    for cls in FUSERS
    if cls.__module__.startswith("fusebench.fusers.feature.")
]
every_fuser = pytest.mark.parametrize("fuser", ROOM, ids=label)


@every_fuser
@pytest.mark.parametrize("size", [(5, 7), (1, 1), (1, 9), (40, 3)])
def test_images_of_any_size_are_fused(fuser: Fuser, size: tuple[int, int], noise: torch.Generator) -> None:
    a, b = torch.rand(2, 2, *size, generator=noise)
    fused = fuser(a, b)
    assert fused.shape == a.shape
    assert torch.isfinite(fused).all()
    # A grey level at most: sums in another order.
    assert torch.allclose(fused, torch.cat([fuser(a[n : n + 1], b[n : n + 1]) for n in range(2)]), atol=1e-6)
    assert torch.allclose(fuser(a, a), a, atol=1e-5)


@every_fuser
def test_flat_sources_give_a_flat_image(fuser: Fuser) -> None:
    a, b = torch.full((1, 20, 21), 0.2), torch.full((1, 20, 21), 0.6)
    fused = fuser(a, b)
    assert fused.max() - fused.min() < 1e-6
    assert fused.min() >= 0.2 - 1e-6
    assert fused.max() <= 0.6 + 1e-6


# Grids and blocks begin at the upper left corner, forward differences have a direction, and so has what was learned.
ONE_SIDED = {"hybrid-msd", "hmsd-gf", "structure-aware", "gtf", "mdlatlrr", "csr"}


@pytest.mark.parametrize("fuser", [fuser for fuser in ROOM if fuser.name not in ONE_SIDED], ids=label)
def test_a_mirrored_pair_is_fused_to_the_mirrored_image(fuser: Fuser, pair: Pair) -> None:
    a, b = pair.a[None], pair.b[None]
    for axis in (1, 2):
        assert torch.allclose(fuser(a.flip(axis), b.flip(axis)), fuser(a, b).flip(axis), atol=1e-5)


# The others tell an infrared from a visible image, or a first source, which guides, from a second.
ORDERED = {"vsm-wls", "hmsd-gf", "hybrid-msd", "structure-aware", "gtf"}


@pytest.mark.parametrize("fuser", [fuser for fuser in ROOM if fuser.name not in ORDERED], ids=label)
def test_the_order_of_the_sources_does_not_matter(fuser: Fuser, pair: Pair) -> None:
    a, b = pair.a[None], pair.b[None]
    assert torch.allclose(fuser(a, b), fuser(b, a), atol=1e-6)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("gff[detail_eps=0]", "eps is not positive"),
        ("mgff[levels=0]", "positive"),
        ("adf[rate=0.2]", "not in .0, 1/6"),
        ("adf[steps=0]", "positive"),
        ("fpde[rate=1.5]", "not in .0, 1"),
        ("tif[radius=0]", "positive"),
        ("cbf[tonal=0]", "positive"),
        ("cbf[window=4]", "odd and at least 3"),
        ("dchwt[levels=0]", "from 1 to 8"),
        ("vsm-wls[weight=-1]", "not negative"),
        ("vsm-wls[visible=3]", "1 or 2"),
        ("hybrid-msd[focus=0]", "positive"),
        ("gtf[iterations=0]", "positive"),
        ("mdlatlrr[levels=0]", "positive"),
    ],
)
def test_options_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse(text, FUSERS)


def test_guided_weights_choose_the_sharper_half(noise: torch.Generator) -> None:
    # Each source has detail in one half and is flat in the other: far from the seam the sharper one is taken.
    texture = torch.rand(1, 96, 256, generator=noise)
    a, b = texture.clone(), texture.clone()
    a[:, :, 128:], b[:, :, :128] = 0.5, 0.5
    fused = GFF(base_radius=7)(a, b)
    assert torch.allclose(fused[:, :, :64], texture[:, :, :64], atol=0.02)
    assert torch.allclose(fused[:, :, -64:], texture[:, :, -64:], atol=0.02)


def test_diffusion_keeps_the_mean_unless_grey_flows_out(pair: Pair) -> None:
    x = pair.a[None].double()
    assert ADF().base(x).mean().item() == pytest.approx(x.mean().item(), abs=1e-12)
    assert ADF(original=True).base(torch.full_like(x, 0.1)).mean() < 0.1 - 1e-3
