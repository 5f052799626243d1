"""Witnesses: closed forms, properties, and coefficients of the authors' Contourlet Toolbox 2.0."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from fusebench.datasets.pair import Pair
from fusebench.fusers.base import label, parse
from fusebench.fusers.pixel.contourlet import Contourlet
from fusebench.fusers.transforms import contourlet
from fusebench.fusers.transforms.base import Pyramid
from fusebench.fusers.transforms.borders import extend
from fusebench.fusers.transforms.contourlet import LADDERS, PYRAMIDS, decompose, reconstruct
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

# Coefficients reach some thousands and are sums of some hundred float64 terms.
EXACT = 1e-9


def wave(size: int, degrees: float, frequency: float) -> Tensor:
    """Give a plane wave with this wavevector: 0 degrees along the rows, 90 along the columns; in cycles per pixel."""
    along, down = (size * frequency * f(math.radians(degrees)) for f in (math.cos, math.sin))
    pixels = torch.arange(size, dtype=torch.float64)
    # Whole numbers of cycles, so that the wave is periodic.
    return torch.cos(2 * math.pi * (round(down) * pixels.view(-1, 1) + round(along) * pixels) / size)[None]


def strongest(bands: list[Tensor]) -> int:
    return 1 + int(torch.stack([band.square().sum() for band in bands]).argmax())


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
    coefficients = decompose(x, directions, pyramid, directional)
    again = reconstruct(coefficients, pyramid, directional)
    assert again.dtype == coefficients.low.dtype == coefficients.high[0][0].dtype == dtype
    # float64: the table of 9-7 has 14 digits. float32: a few hundred roundings of 6e-8, of values up to 2^4.
    assert torch.allclose(again, x, atol=1e-4 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("directions", [(2, 2, 3, 3), (0, 2, 3), (1, 0, 4), (5,)])
@pytest.mark.parametrize("size", [(64, 64), (64, 96)])
def test_coefficients_are_critically_few(directions: tuple[int, ...], size: tuple[int, int]) -> None:
    low, high, _ = decompose(torch.zeros(1, *size), directions)
    pixels, expected = math.prod(size), 0
    for n in reversed(directions):
        # A directional level keeps the detail whole, a wavelet level three quarters of it.
        expected += pixels if n else 3 * pixels // 4
        pixels //= 4
    assert low.numel() + sum(band.numel() for bands in high for band in bands) == expected + pixels
    assert [len(bands) for bands in high] == [2**n if n else 3 for n in directions]
    first, last = high[-1][0], high[-1][-1]
    if (n := directions[-1]) >= 2:
        assert first.shape[1:] == (size[0] // 2 ** (n - 1), size[1] // 2)
        assert last.shape[1:] == (size[0] // 2, size[1] // 2 ** (n - 1))


@pytest.mark.parametrize("pyramid", PYRAMIDS)
def test_a_constant_is_all_in_the_low_band(pyramid: str) -> None:
    low, high, _ = decompose(torch.full((1, 50, 70), 3.0, dtype=torch.float64), (0, 1, 2, 3), pyramid)
    # The gain is 2 per level; the table of 9-7 has 14 digits.
    assert torch.allclose(low, torch.tensor(48.0, dtype=torch.float64), atol=1e-10)
    assert max(band.abs().max() for bands in high for band in bands) < 1e-10


def test_a_wave_is_in_the_band_of_its_direction() -> None:
    # The angles and bands are the toolbox's.
    four = {0: 1, 30: 2, 60: 3, 90: 4, 120: 4, 160: 1}
    eight = {0: 2, 15: 3, 30: 4, 52: 5, 75: 6, 90: 7, 127: 8, 150: 1}
    for n, bands in ((2, four), (3, eight)):
        for degrees, band in bands.items():
            low, high, _ = decompose(wave(128, degrees, 0.35), (n,))
            assert strongest(high[0]) == band, (n, degrees)
            assert low.square().sum() < sum(b.square().sum() for b in high[0])


def test_a_square_image_is_periodic() -> None:
    # Turned round by 32 pixels, it has its coefficients turned round by what is 32 pixels of them; n >= 3 has seams.
    noise = torch.Generator().manual_seed(3)
    x = torch.rand(1, 64, 64, generator=noise, dtype=torch.float64)
    low, high, _ = decompose(x, (0, 1, 2))
    moved_low, moved_high, _ = decompose(x.roll((32, 32), (1, 2)), (0, 1, 2))
    assert torch.allclose(moved_low, low.roll((4, 4), (1, 2)), atol=1e-12)
    for bands, moved in zip(high, moved_high, strict=True):
        for band, other in zip(bands, moved, strict=True):
            assert torch.allclose(other, band.roll((band.shape[1] // 2, band.shape[2] // 2), (1, 2)), atol=1e-12)


def test_padding_is_mirrored_half_on_either_side() -> None:
    x = torch.rand(1, 17, 34, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    # To 32 x 48; 17 rows need 15 more.
    padded = torch.from_numpy(np.pad(x[0].numpy(), ((7, 8), (7, 7)), mode="symmetric"))[None]
    low, high, _ = decompose(x)
    expected_low, expected_high, _ = decompose(padded)
    assert torch.equal(low, expected_low)
    assert all(map(torch.equal, sum(high, []), sum(expected_high, [])))  # noqa: RUF017  four short lists


def test_fusion_takes_what_either_source_alone_shows(pair: Pair) -> None:
    flat = torch.full_like(pair.a, 0.5)[None]
    # Against a constant every high coefficient of a is taken, and half of its low band: a linear map of a.
    x = pair.a[None] / 4 + 0.375
    wide = extend(x.double(), 2 * [(256, 256)])
    low, high, size = decompose(wide)
    # 0.5 after four levels is 8.
    expected = reconstruct(Pyramid((low + 8) / 2, high, size))[:, 256:-256, 256:-256]
    fused = Contourlet()(x, flat)
    # The result is rounded to float32.
    assert torch.allclose(fused, expected.clamp(0, 1).float(), atol=1e-7)
    assert torch.allclose(fused, Contourlet()(flat, x), atol=1e-7)


def beyond_the_margin(fuser: Contourlet, a: Tensor, b: Tensor) -> Tensor:
    """How far, in grey levels, the image is fused otherwise as the middle of a larger one, mirrored about it."""
    # A shift by whole steps of the coarsest grid.
    more = 64 * math.ceil(fuser.reach / 64)
    wider = fuser(*(extend(x, 2 * [(more, more)]) for x in (a, b)))[:, more:-more, more:-more]
    return 255 * (fuser(a, b) - wider).abs()


def test_no_border_is_seen_from_the_other(noise: torch.Generator) -> None:
    a, b = torch.rand(2, 1, 64, 64, generator=noise)
    # Without a margin: up to 100 grey levels.
    assert beyond_the_margin(Contourlet(), a, b).max() < 2e-3


@pytest.mark.parametrize(
    "fuser",
    [
        Contourlet(directions=(2, 3)),
        Contourlet(directions=(0, 1, 4)),
        Contourlet(directions=(3, 2), pyramid="burt", directional="pkva8"),
        Contourlet(directions=(2, 2), pyramid="5-3", directional="pkva6"),
    ],
    ids=label,
)
def test_no_border_is_seen_from_the_other_with_any_filters(fuser: Contourlet, noise: torch.Generator) -> None:
    a, b = torch.rand(2, 1, 40, 57, generator=noise)
    # Short ladder filters end less softly, and a choice that is nearly a tie takes the other side at some pixels.
    assert beyond_the_margin(fuser, a, b).mean() < 0.1


def test_options_are_read_and_refused() -> None:
    fuser = Contourlet(directions=(0, 3, 4), directional="pkva6")
    assert label(fuser) == "contourlet[directions=0-3-4,directional=pkva6]"
    assert parse(label(fuser), [Contourlet]) == fuser
    for options, complaint in (
        ("directions=-1", "numbers joined by hyphens"),
        ("pyramid=haar", "'haar' is no pyramid filter; known: 9-7, 5-3, burt"),
        ("directional=9-7", "'9-7' is no ladder filter; known: pkva"),
    ):
        with pytest.raises(ValueError, match=complaint):
            parse(f"contourlet[{options}]", [Contourlet])
    for directions in ((), (2, -1)):
        with pytest.raises(ValueError, match="a transform has a level"):
            Contourlet(directions=directions)


def test_what_is_no_image_or_no_coefficients_is_refused() -> None:
    for image in (torch.zeros(8, 8), torch.zeros(1, 0, 8), torch.zeros(1, 8, 8, dtype=torch.uint8)):
        with pytest.raises(ValueError, match="floating images of shape"):
            decompose(image)
    low, high, size = decompose(torch.zeros(1, 64, 64))
    with pytest.raises(ValueError, match=r"\(64, 64\) with padding are none of images of \(64, 65\)"):
        reconstruct(Pyramid(low, high, (64, 65)))
    with pytest.raises(ValueError, match="3 bands or a power of 2, not 7"):
        reconstruct(Pyramid(low, [*high[:3], high[3][:7]], size))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
def test_the_gpu_gives_what_the_cpu_gives() -> None:
    x = torch.rand(2, 60, 90, generator=torch.Generator().manual_seed(5))
    low, high, size = decompose(x.cuda())
    assert all(torch.allclose(a.cpu(), b, atol=1e-4) for a, b in zip(high[3], decompose(x)[1][3], strict=True))
    # float32 in another order of summing.
    assert torch.allclose(reconstruct(Pyramid(low, high, size)).cpu(), x, atol=1e-5)


def assert_bands(stored: "np.lib.npyio.NpzFile", low: Tensor, high: list[list[Tensor]], tolerance: float) -> None:
    assert np.abs(low[0].numpy() - stored["y1"]).max() < tolerance
    for level, bands in enumerate(high, start=2):
        for k, band in enumerate(bands, start=1):
            assert np.abs(band[0].numpy() - stored[f"y{level}_{k}"]).max() < tolerance, (level, k)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        # The last line holds coefficients as float32.
        ("pdfb_mix_64x64_p97_dpkva_n023", EXACT),
        ("pdfb_quad_64x64_p97_dpkva_n023", EXACT),
        ("pdfb_mix_64x64_p97_dpkva_n445", EXACT),
        ("pdfb_mix_128x64_p97_dpkva_n2334", EXACT),
        ("pdfb_quad_128x64_p97_dpkva_n2233", EXACT),
        ("PATCHED_pdfb_mix_64x64_p97_dpkva_n2233", EXACT),
        ("pdfb_mix_256x256_p97_dpkva_n2233_f32", 1.3e-4),
    ],
)
def test_the_toolbox_gives_the_same_coefficients(shared: Path, name: str, tolerance: float) -> None:
    stored = np.load(shared / "oracles" / "contourlet" / f"{name}.npz")
    x = torch.from_numpy(stored["x"]).double()[None]
    directions = [int(n) for n in stored["nlevs"].flat]
    low, high, size = decompose(x, directions)
    assert_bands(stored, low, high, tolerance)
    # The toolbox itself reconstructs 9-7 to 1.5e-11 of 200 grey levels.
    assert torch.allclose(reconstruct(Pyramid(low, high, size)), x, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "pyramid", "wavelet_levels"),
    [("pdfb_mix_64x64_p53_d53_n2233", "5-3", 0), ("pdfb_mix_64x64_p97_d97_n023", "9-7", 1)],
)
def test_the_toolbox_gives_the_same_pyramid(shared: Path, name: str, pyramid: str, wavelet_levels: int) -> None:
    # Made with directional filters that are no ladders: what does not depend on them is compared.
    stored = np.load(shared / "oracles" / "contourlet" / f"{name}.npz")
    low, high, _ = decompose(torch.from_numpy(stored["x"])[None], [int(n) for n in stored["nlevs"].flat], pyramid)
    assert_bands(stored, low, high[:wavelet_levels], EXACT)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_the_toolbox_gives_the_same_directions(shared: Path, n: int) -> None:
    stored = np.load(shared / "oracles" / "contourlet" / "units_64_mix.npz")
    low, high, _ = decompose(torch.from_numpy(stored["x"])[None], (n,))
    assert np.abs(low[0].numpy() - stored["lp_c"]).max() < EXACT
    for k, band in enumerate(high[0], start=1):
        assert np.abs(band[0].numpy() - stored[f"dfb_l_n{n}_{k}"]).max() < EXACT, k


def test_the_toolbox_gives_the_same_wavelet_step_and_filters(shared: Path) -> None:
    stored = np.load(shared / "oracles" / "contourlet" / "units_64_mix.npz")
    low, high, _ = decompose(torch.from_numpy(stored["x"])[None], (0,))
    for name, band in zip(("LL", "LH", "HL", "HH"), (low, *high[0]), strict=True):
        assert np.abs(band[0].numpy() - stored[f"wfb_{name}"]).max() < EXACT, name
    for ours, theirs in (("9-7", "97"), ("5-3", "53"), ("burt", "Burt")):
        for filters, half in zip("hg", PYRAMIDS[ours], strict=True):
            taps = stored[f"pfilt_{filters}_p{theirs}"].ravel()
            assert np.allclose(contourlet._symmetric(half), taps, rtol=0, atol=1e-15)
    assert stored["ldfilter_pkva"].ravel().tolist() == [*LADDERS["pkva"][::-1], *LADDERS["pkva"]]


@pytest.mark.parametrize("directions", [(2, 2, 3, 3), (2, 3, 3, 4), (0, 3, 3, 4), (3, 3, 3, 3), (4, 4, 4, 4)])
def test_the_toolbox_fuses_a_pair_to_the_same_image(shared: Path, directions: tuple[int, ...]) -> None:
    stored = np.load(shared / "oracles" / "contourlet" / "fusion_c01.npz")
    a, b = (decompose(torch.from_numpy(stored[s]).double()[None], directions) for s in "AB")
    # Its rule: the larger of two coefficients, b's where they are equal.
    chosen = [
        [torch.where(x.abs() > y.abs(), x, y) for x, y in zip(bands_a, bands_b, strict=True)]
        for bands_a, bands_b in zip(a.high, b.high, strict=True)
    ]
    fused = reconstruct(Pyramid((a.low + b.low) / 2, chosen, a.size))[0].numpy()
    # float32 holds 351 to 1.5e-5.
    assert np.abs(fused - stored["F_n" + "".join(map(str, directions))]).max() < 2e-5
