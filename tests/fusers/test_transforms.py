"""Pyramids, wavelets and shearlets: perfect reconstruction, and the coefficients and images of the original codes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fusebench.fusers.base import parse
from fusebench.fusers.catalogue import FUSERS
from fusebench.fusers.pixel.msvd import MSVD, axes, blocks, image_of
from fusebench.fusers.pixel.multiscale import HIGH, LOW, TRANSFORMS, Multiscale
from fusebench.fusers.transforms import curvelet, dual_tree, pyramids, shearlet
from fusebench.fusers.transforms.base import Pyramid, Transform
from fusebench.fusers.transforms.pyramids import ContrastPyramid, GradientPyramid, LaplacianPyramid, RatioPyramid
from fusebench.fusers.transforms.resampling import expand, reduce
from fusebench.fusers.transforms.wavelet import WaveletTransform
from torch import Tensor

Rule = Callable[[Tensor, Tensor], Tensor]


@pytest.mark.parametrize("levels", [1, 2, 5])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 34), (32, 48)])
@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name not in {"contourlet", "nsct"}])
def test_what_is_decomposed_comes_back(name: str, size: tuple[int, int], levels: int, noise: torch.Generator) -> None:
    transform = TRANSFORMS[name](levels)
    whole = [length + -length % transform.grid for length in size]
    image = torch.rand(2, *whole, generator=noise, dtype=torch.float64)
    found = transform.reconstruct(transform.decompose(image))
    assert torch.allclose(found, image, rtol=0, atol=1e-10)


def test_reduce_and_expand_by_hand() -> None:
    # 1 4 6 4 1 over 16 on 0 16 0 0 0, mirrored: 4 + 4, and 4 + 0.
    assert reduce(torch.tensor([[[0.0, 16.0, 0.0, 0.0, 0.0]]])).tolist() == [[[8.0, 4.0, 0.0]]]
    # An impulse of 8 between zeros, by twice the kernel: 6 at its place, 4 beside, 1 two away. One row stays as it is.
    assert expand(torch.tensor([[[0.0, 8.0, 0.0]]]), (1, 6)).tolist() == [[[2.0, 4.0, 6.0, 4.0, 1.0, 0.0]]]


def fused(transform: Transform, rule: Rule, a: Tensor, b: Tensor) -> np.ndarray:
    """Fuse as the toolboxes do: nothing is continued, and the low band is averaged."""
    bands = transform.decompose(torch.cat([a, b]))
    high = [[rule(*band.chunk(2)) for band in level] for level in bands.high]
    return transform.reconstruct(Pyramid(bands.low.view(2, 1, *bands.low.shape[1:]).mean(0), high, bands.size))[
        0
    ].numpy()


def first_of_equals(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a.abs() > b.abs(), a, b)


def voted(a: Tensor, b: Tensor) -> Tensor:
    """Rockinger's rule 3: the maximum of a window continued with bare corners, and a majority of 9."""
    most = [F.max_pool2d(pyramids._wide(x, original=True).abs(), 3, stride=1, padding=1) for x in (a, b)]
    votes = F.avg_pool2d((most[0] > most[1]).double(), 3, stride=1, divisor_override=1)
    return torch.where(votes > 4, a, b)


def matched(a: Tensor, b: Tensor) -> Tensor:
    """Rockinger's rule 2, with bare corners."""

    def total(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, stride=1, divisor_override=1)

    wide = [pyramids._wide(x, original=True) for x in (a, b)]
    salience = [total(x.square()) for x in wide]
    match = 2 * total(wide[0] * wide[1]) / (salience[0] + salience[1] + 2.2e-16)
    less = torch.where(match <= 0.75, 0.0, 0.5 - 0.5 * (1 - match) / 0.25)
    return torch.where(salience[0] > salience[1], (1 - less) * a + less * b, (1 - less) * b + less * a)


@pytest.fixture
def toolbox(shared: Path) -> dict[str, np.ndarray]:
    """Give what O. Rockinger's toolbox makes of a CT/MR pair."""
    files = ("pyramid/lp_c01.npz", "fusers/mst_c01_f32.npz")
    return {key: value for file in files for key, value in np.load(shared / "oracles" / file).items()}


@pytest.mark.parametrize(
    ("transform", "rule", "key", "plus", "within"),
    [
        (LaplacianPyramid, first_of_equals, "lp_max", 0, 1e-9),
        (LaplacianPyramid, voted, "lp_rule3", 0, 1e-9),
        (LaplacianPyramid, matched, "lp_rule2", 0, 2e-5),  # a file of float32, on 0 to 255
        (RatioPyramid, first_of_equals, "rp_max_plus1", 1, 1e-4),
        (ContrastPyramid, first_of_equals, "con_max_plus1", 1, 1e-4),
        (GradientPyramid, first_of_equals, "gra_max", 0, 2e-5),
        (GradientPyramid, voted, "gra_rule3", 0, 2e-5),
    ],
)
def test_pyramids_give_the_pixels_of_the_toolbox(
    toolbox: dict[str, np.ndarray], transform: type[LaplacianPyramid], rule: Rule, key: str, plus: int, within: float
) -> None:
    a, b = (torch.from_numpy(toolbox[name].astype(float))[None] for name in "AB")
    scale = 255 if plus else 1
    found = scale * fused(transform(original=True), rule, a / scale, b / scale) + plus
    off = np.abs(found - toolbox[key]) > within
    # Of differences of smoothed levels the rule meets ties, which rounding decides otherwise than in the toolbox.
    assert off.mean() <= (1e-3 if transform is GradientPyramid else 0)


def test_dual_tree_coefficients_are_those_of_the_published_filters(shared: Path) -> None:
    known = np.load(shared / "oracles" / "fusers" / "dtcwt_mix64_f64.npz")
    found = dual_tree.DualTreeTransform(4).decompose(torch.from_numpy(known["x"])[None])
    for level, bands in enumerate(found.high[::-1], 1):
        # The taps are those that are printed, eight digits, made orthonormal: 3e-9 from the library's, times 255 x 16.
        assert torch.stack(bands, -1)[0].numpy() == pytest.approx(known[f"Yh{level}"], abs=1.2e-5)
    assert found.low[0].numpy() == pytest.approx(known["Yl"], abs=1.2e-5)


def test_dual_tree_filters_do_not_rest_on_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    taps = dual_tree.q_shift()
    moved = [tap * (1 + 1e-13 * (-1) ** n) for n, tap in enumerate(dual_tree.Q_SHIFT)]
    monkeypatch.setattr(dual_tree, "Q_SHIFT", tuple(moved))
    # The step to the orthonormal ones amplifies a change of 1e-13 no more than tenfold.
    assert torch.allclose(dual_tree.q_shift.__wrapped__(), taps, rtol=0, atol=1e-12)
    assert abs(taps.square().sum().item() - 1) < 1e-14


def test_dual_tree_wavelets_are_an_orthonormal_frame() -> None:
    for length in (8, 20, 64):
        both = torch.cat(dual_tree._analysis(length, first=False))
        assert torch.allclose(both @ both.mT, torch.eye(length, dtype=torch.float64), rtol=0, atol=1e-12)


def test_a_shift_hardly_changes_the_energy_of_a_dual_tree_level() -> None:
    # A step at 16 places: the energy of a decimated wavelet level changes several times as much.
    steps = (torch.arange(128) >= 56 + torch.arange(16)[:, None]).double()[:, None].expand(16, 64, 128).contiguous()

    def change(transform: Transform) -> Tensor:
        levels = transform.decompose(steps).high[0]  # the coarsest
        energy = sum(band.abs().square().sum(dim=(1, 2)) for band in levels)
        return energy.std() / energy.mean()  # type: ignore[union-attr,no-any-return]

    assert change(dual_tree.DualTreeTransform(3)) < change(WaveletTransform("bior2.2", 3)) / 2


@pytest.mark.parametrize(("size", "directions"), [(8, 3), (16, 4)])
def test_shearing_filters_are_those_of_the_published_code(shared: Path, size: int, directions: int) -> None:
    known = np.load(shared / "oracles" / "fusers" / "nsst_mix64_f64.npz")[f"w{size}_d{directions}"]
    assert shearlet.spatial_filters(size, directions) == pytest.approx(np.moveaxis(known, -1, 0), abs=1e-15)


def test_a_wave_is_in_the_bands_of_its_direction() -> None:
    places = torch.arange(64, dtype=torch.float64)
    transform = shearlet.ShearletTransform(directions=(3,), sizes=(16,))
    strongest = []
    for wave in (places[:, None] * torch.ones(64), torch.ones(64, 1) * places):
        (level,) = transform.decompose(torch.cos(2 * torch.pi * wave / 4)[None]).high
        energy = torch.stack([band.square().sum() for band in level])
        strongest.append(set(energy.topk(2).indices.tolist()))
        assert energy.topk(2).values.sum() > 0.9 * energy.sum()
    assert not strongest[0] & strongest[1]


def test_a_tight_frame_keeps_the_energy_of_a_level(noise: torch.Generator) -> None:
    image = torch.rand(1, 40, 52, generator=noise, dtype=torch.float64)
    many, one = (shearlet.ShearletTransform((d,), (8,)).decompose(image).high[0] for d in (3, 0))
    assert sum(band.square().sum() for band in many).item() == pytest.approx(one[0].square().sum().item())


@pytest.mark.parametrize("pair", [1, 2])
def test_msvd_with_the_published_axes_gives_the_published_image(shared: Path, pair: int) -> None:
    known = np.load(shared / "oracles" / "fusers" / "msvd.npz")
    inputs = np.load(shared / "oracles" / "fusers" / "inputs.npz")
    a, b = (torch.from_numpy(inputs[name + ("2" if pair == 2 else "")].astype(float))[None] for name in "AB")
    first, second = (torch.from_numpy(known[f"U{name}{pair}"])[None] for name in "AB")
    bands = [first.mT @ blocks(a), second.mT @ blocks(b)]
    chosen = torch.where(bands[0].abs() >= bands[1].abs(), *bands)
    chosen[:, 0] = (bands[0][:, 0] + bands[1][:, 0]) / 2
    found = image_of((first + second) / 2 @ chosen, (128, 128))[0].numpy()
    stretched = np.floor(255 * (found - found.min()) / np.ptp(found) + 0.5)  # as the code does in the end
    assert np.array_equal(stretched, known[f"F{pair}"])
    # Ours are the same axes, but for their signs.
    for ours, theirs in ((axes(blocks(a)), first), (axes(blocks(b)), second)):
        assert ours.abs().numpy() == pytest.approx(theirs.abs().numpy(), abs=1e-9)


def test_blocks_and_axes_are_inverse_and_orthonormal(noise: torch.Generator) -> None:
    image = torch.rand(2, 6, 8, generator=noise, dtype=torch.float64)
    assert torch.equal(image_of(blocks(image), (3, 4)), image)
    found = axes(blocks(image))
    assert torch.allclose(found.mT @ found, torch.eye(4, dtype=torch.float64).expand(2, 4, 4), atol=1e-12)
    with pytest.raises(ValueError, match="from 1 to 16 levels"):
        MSVD(levels=0)


@pytest.mark.parametrize("high", HIGH)
@pytest.mark.parametrize("low", LOW)
def test_every_rule_keeps_equal_images_and_the_order_of_the_sources(
    high: str, low: str, noise: torch.Generator
) -> None:
    a, b = torch.rand(2, 1, 18, 21, generator=noise)
    fuser = Multiscale("laplacian", high, low, 2)
    assert torch.allclose(fuser(a, a), a, atol=1e-6)
    assert torch.allclose(fuser(a, b), fuser(b, a), atol=1e-6)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_every_transform_fuses_by_its_name(transform: str, noise: torch.Generator) -> None:
    a = torch.rand(1, 20, 23, generator=noise)
    fuser = parse(f"multiscale[transform={transform},high=energy,low=energy,levels=2]", FUSERS)
    assert torch.allclose(fuser(a, a), a, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("multiscale[transform=fourier]", "transform 'fourier' is unknown; known: laplacian"),
        ("multiscale[high=best]", "high 'best' is unknown"),
        ("multiscale[low=best]", "low 'best' is unknown"),
        ("multiscale[levels=0]", "from 1 to 16 levels"),
        ("laplacian[levels=99]", "from 1 to 16 levels"),
        ("ratio[offset=0]", "offset=0.*positive"),
        ("swt[levels=9]", "at most 8"),
        ("morphological[original=true]", "no original code"),
        ("nsst[directions=2]", "directions|each level"),
        ("pcnn[linking=strong]", "linking 'strong' is unknown"),
        ("pcnn[clean=-1]", "not negative"),
        ("weighted[weights=mine]", "weights 'mine' are unknown"),
        ("weighted[part=2]", "between 0 and 1"),
        ("bayes[prior=1]", "prior=1"),
        ("dempster-shafer[side=2]", "side=2"),
        ("dlf[layers=conv9_1]", "conv9_1"),
        ("onnx[model=none.onnx]", "none.onnx: no such file"),
        ("onnx", "no file is named; onnx.model=FILE. names"),
    ],
)
def test_options_that_are_none_are_refused(text: str, complaint: str) -> None:
    from fusebench.fusers.catalogue import make

    with pytest.raises(ValueError, match=complaint):
        make(text)


def test_curvelets_keep_the_energy(noise: torch.Generator) -> None:
    # A tight frame: each band's energy by the pixels a sample stands for, twice for the opposite wedge.
    image = torch.rand(1, 48, 80, generator=noise, dtype=torch.float64)
    bands = curvelet.CurveletTransform().decompose(image)
    parts = [(1, bands.low), *((2, band) for level in bands.high for band in level)]
    energy = sum(times * band.abs().square().mean().item() for times, band in parts)
    assert energy == pytest.approx(image.square().mean().item(), rel=1e-12)


@pytest.mark.parametrize(
    ("down", "right", "direction"), [(6, 24, 2), (18, 24, 3), (24, 18, 4), (24, -18, 7), (-18, 24, 0)]
)
def test_a_wave_is_in_the_wedges_of_its_slope(down: int, right: int, direction: int) -> None:
    # 24 cycles in 64 pixels: 3/4 of half the sampling rate, in the finest level. With 8 directions a wedge is 1/2 wide
    # in slopes, -1 to 1 from the left and 1 to 3 from above, and falls off over as much on either side.
    y, x = torch.meshgrid(*(torch.arange(64, dtype=torch.float64) for _ in range(2)), indexing="ij")
    wave = torch.cos(2 * torch.pi * (down * y + right * x) / 64)[None]
    high = curvelet.CurveletTransform(directions=(8, 8)).decompose(wave).high
    energy = torch.tensor([2 * band.abs().square().mean() for band in high[-1]])
    assert energy.sum().item() == pytest.approx(1 / 2)  # the mean of a squared cosine
    slope = right / down if abs(down) > abs(right) else down / right
    turned = (2 - slope if abs(down) > abs(right) else slope) + 1
    apart = (torch.arange(8) + 0.5 - 2 * turned).abs()
    assert (energy[torch.minimum(apart, 8 - apart) >= 1] < 1e-20).all()
    assert energy[direction] == energy.max()


def test_curvelets_say_what_they_need() -> None:
    for directions in ((), (2,) * 17):
        with pytest.raises(ValueError, match="from 1 to 16 levels"):
            curvelet.CurveletTransform(directions)
    for directions in ((3,), (8, 128)):
        with pytest.raises(ValueError, match="even number"):
            curvelet.CurveletTransform(directions)
    with pytest.raises(ValueError, match="multiples of 2\\^2"):
        curvelet.CurveletTransform((4, 4)).decompose(torch.zeros(1, 8, 6))
