"""Witnesses: closed forms, properties, and coefficients of the authors' nonsubsampled contourlet toolbox."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from fusebench.datasets.pair import Pair
from fusebench.fusers.base import label, parse
from fusebench.fusers.pixel.nsct import NSCT
from fusebench.fusers.transforms import nsct
from fusebench.fusers.transforms.base import Pyramid
from fusebench.fusers.transforms.borders import extend
from fusebench.fusers.transforms.contourlet import LADDERS, PYRAMIDS
from fusebench.fusers.transforms.nsct import decompose, reconstruct
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

# Coefficients reach some hundreds and are sums of some hundred float64 terms.
EXACT = 1e-9


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.sampled_from(list(PYRAMIDS)),
    st.sampled_from(list(LADDERS)),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_any_image_comes_back(
    height: int, width: int, directions: list[int], pyramid: str, directional: str, dtype: torch.dtype
) -> None:
    noise = torch.Generator().manual_seed(height + 100 * width)
    x = torch.rand(2, height, width, generator=noise, dtype=dtype)
    low, high, size = decompose(x, directions, pyramid, directional)
    assert [len(bands) for bands in high] == [2**n for n in directions]
    assert all(band.shape == x.shape and band.dtype == dtype for bands in high for band in bands)
    # float64: the table of 9-7 has 14 digits. float32: a few hundred roundings of 6e-8.
    assert torch.allclose(
        reconstruct(Pyramid(low, high, size), pyramid, directional), x, atol=1e-4 if dtype == torch.float32 else 1e-11
    )


@pytest.mark.parametrize("pyramid", PYRAMIDS)
def test_a_constant_is_all_in_the_low_band(pyramid: str) -> None:
    x = torch.full((1, 30, 41), 3.0, dtype=torch.float64)
    low, high, _ = decompose(x, (0, 1, 2, 3), pyramid)
    assert torch.allclose(low, x, atol=1e-11)
    assert max(band.abs().max() for bands in high for band in bands) < 1e-11


def test_the_image_moves_and_its_coefficients_move_with_it() -> None:
    # The pyramid mirrors, the directional filters wrap: the shift is exact, and circular, as long as the border of the
    # image is flat over the reach of the pyramid's low-pass filters, 4 (1 + 2 + 4 + 8) = 60 pixels.
    x = torch.zeros(1, 160, 150, dtype=torch.float64)
    x[0, 68:90, 66:80] = torch.rand(22, 14, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    shift = (-5, 3)
    low, high, _ = decompose(x)
    moved_low, moved_high, _ = decompose(x.roll(shift, (1, 2)))
    assert torch.allclose(moved_low, low.roll(shift, (1, 2)), atol=1e-13)
    for bands, moved in zip(high, moved_high, strict=True):
        for band, other in zip(bands, moved, strict=True):
            assert torch.allclose(other, band.roll(shift, (1, 2)), atol=1e-13)


def test_the_image_is_mirrored_for_the_pyramid() -> None:
    # Twice the image, mirrored, has twice the coefficients, mirrored.
    x = torch.rand(1, 20, 31, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    twice = torch.cat([x, x.flip(1)], 1)
    low, high, _ = decompose(x, (0, 0, 0))
    both_low, both_high, _ = decompose(twice, (0, 0, 0))
    assert torch.allclose(both_low[:, :20], low, atol=1e-12)
    assert torch.allclose(both_high[2][0][:, 20:], high[2][0].flip(1), atol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_bands_are_wedges_side_by_side(n: int) -> None:
    # The angle at which a band's energy for white noise is centred, modulo 180 degrees.
    size = 64
    responses = nsct._responses(n, torch.zeros(1, size, size, dtype=torch.float64), LADDERS["pkva"], synthesis=False)
    rows = torch.fft.fftfreq(size, dtype=torch.float64).view(-1, 1)
    columns = torch.fft.rfftfreq(size, dtype=torch.float64)
    radius = torch.maximum(rows.abs(), columns.abs())
    # Neither the middle, where all wedges meet, nor Nyquist's frequency, which is its own alias.
    energy = responses.square() * ((radius > 0.1) & (radius < 0.45))
    centres = torch.angle((energy * torch.exp(2j * torch.atan2(rows, columns))).sum((1, 2))) / 2
    angles = torch.rad2deg(centres)
    # The first half falls from 45 degrees to -45, the second rises from 45 to 135.
    half = 2 ** (n - 1)
    assert (angles[:half].diff() < 0).all()
    assert (angles[half:].remainder(180).diff() > 0).all()
    assert angles[:half].abs().max() < 45
    assert (angles[half:].remainder(180) - 90).abs().max() < 46
    if n == 3:
        # To a degree: so much the ring over which the energy is taken is worth.
        assert angles.remainder(180).tolist() == pytest.approx([36, 16, 169, 145, 51, 75, 100, 128], abs=1)


def test_a_wave_is_in_the_band_of_its_direction() -> None:
    pixels = torch.arange(128, dtype=torch.float64)
    for degrees, band in {36: 1, 16: 2, 169: 3, 145: 4, 51: 5, 75: 6, 100: 7, 128: 8}.items():
        along, down = (round(45 * f(math.radians(degrees))) for f in (math.cos, math.sin))
        x = torch.cos(2 * math.pi * (down * pixels.view(-1, 1) + along * pixels) / 128)[None]
        energies = torch.stack([b.square().sum() for b in decompose(x, (3,))[1][0]])
        assert 1 + energies.argmax() == band
        assert energies.max() > 0.7 * energies.sum()


def test_fusion_takes_what_either_source_alone_shows(pair: Pair) -> None:
    flat = torch.full_like(pair.a, 0.5)[None]
    # Against a constant every high coefficient of a is taken, and half of its low band: a linear map of a.
    x = pair.a[None] / 4 + 0.375
    wide = extend(x.double(), 2 * [(102, 102)])
    low, high, size = decompose(wide)
    expected = reconstruct(Pyramid((low + 0.5) / 2, high, size))[:, 102:-102, 102:-102]
    fused = NSCT()(x, flat)
    # The result is rounded to float32.
    assert torch.allclose(fused, expected.clamp(0, 1).float(), atol=1e-7)
    assert torch.allclose(fused, NSCT()(flat, x), atol=1e-7)


@pytest.mark.parametrize(
    ("fuser", "level"),
    [
        (NSCT(), 1e-3),
        # Long directional filters, and short ladders: seen 0.02 and 0.16.
        (NSCT(directions=(0, 1, 4)), 0.2),
        (NSCT(directions=(3, 2), pyramid="burt", directional="pkva8"), 0.2),
    ],
    ids=str,
)
def test_no_border_is_seen_from_the_other(fuser: NSCT, level: float, noise: torch.Generator) -> None:
    # An image is fused as the middle of a larger one, mirrored about it. Without a margin: off by 10 grey levels.
    a, b = torch.rand(2, 1, 40, 57, generator=noise)
    more = fuser.reach
    wider = fuser(*(extend(x, 2 * [(more, more)]) for x in (a, b)))[:, more:-more, more:-more]
    assert 255 * (fuser(a, b) - wider).abs().max() < level


def test_options_are_read_and_refused() -> None:
    fuser = NSCT(directions=(0, 3), pyramid="5-3")
    assert label(fuser) == "nsct[directions=0-3,pyramid=5-3]"
    assert parse(label(fuser), [NSCT]) == fuser
    with pytest.raises(ValueError, match="'maxflat' is no pyramid filter; known: 9-7"):
        NSCT(pyramid="maxflat")
    with pytest.raises(ValueError, match="floating images of shape"):
        decompose(torch.zeros(1, 8, 8, dtype=torch.uint8))
    low, high, size = decompose(torch.zeros(1, 8, 8))
    with pytest.raises(ValueError, match=r"have \[4, 4, 8, 7\] bands; each has a power of 2"):
        reconstruct(Pyramid(low, [*high[:3], high[3][:7]], size))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
def test_the_gpu_gives_what_the_cpu_gives() -> None:
    x = torch.rand(2, 60, 90, generator=torch.Generator().manual_seed(5))
    low, high, size = decompose(x.cuda())
    # float32 in another order of summing.
    assert all(torch.allclose(a.cpu(), b, atol=1e-5) for a, b in zip(high[3], decompose(x)[1][3], strict=True))
    assert torch.allclose(reconstruct(Pyramid(low, high, size)).cpu(), x, atol=1e-5)


def test_the_toolbox_gives_the_same_coefficients(shared: Path) -> None:
    stored = np.load(shared / "oracles" / "nsct" / "nsct_mix_64_pkva_97_n023.npz")
    x = torch.from_numpy(stored["x"])[None]
    low, high, size = decompose(x, (0, 2, 3))
    assert np.abs(low[0].numpy() - stored["y1"]).max() < EXACT
    assert np.abs(high[0][0][0].numpy() - stored["y2"]).max() < EXACT
    for level in (3, 4):
        for k, band in enumerate(high[level - 2], start=1):
            assert np.abs(band[0].numpy() - stored[f"y{level}_{k}"]).max() < EXACT, (level, k)
    assert np.abs(reconstruct(Pyramid(low, high, size))[0].numpy() - stored["rec"]).max() < EXACT


@pytest.mark.parametrize("directional", ["pkva", "pkva6", "pkva8"])
@pytest.mark.parametrize("side", ["d", "r"])
def test_the_toolbox_has_the_same_directional_filters(shared: Path, directional: str, side: str) -> None:
    stored = np.load(shared / "oracles" / "contourlet" / "units_64_mix.npz")
    size = 64

    def response(taps: np.ndarray) -> Tensor:
        """Spectrum of a centred filter, with the columns' frequencies moved by pi: the diamond becomes the fan."""
        image = np.zeros((size, size))
        image[: len(taps), : len(taps)] = taps
        centred = torch.from_numpy(image).roll((-(len(taps) // 2), -(len(taps) // 2)), (0, 1))
        return torch.fft.rfft2(centred * (-1) ** torch.arange(size)).real / math.sqrt(2)

    ours = nsct._responses(
        1, torch.zeros(1, size, size, dtype=torch.float64), LADDERS[directional], synthesis=side == "r"
    )
    for channel, fan in enumerate(ours):
        # 45 x 45 taps printed to 15 digits or so.
        assert torch.allclose(fan, response(stored[f"dfilt_h{channel}_{directional}_{side}"]), rtol=0, atol=1e-13), (
            channel
        )
