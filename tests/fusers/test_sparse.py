"""Sparse codes: witnesses are scikit-learn's pursuit, the published images, and a dictionary that was planted."""

from pathlib import Path

import numpy as np
import pytest
import torch
import train_sparse
from fusebench.fusers.base import Fuser, label
from fusebench.fusers.catalogue import make
from fusebench.fusers.rules import sparse_dictionary
from fusebench.fusers.rules.selection import local_laplacian_energy
from fusebench.fusers.rules.sparse import choose_by_sparsity, pursuit
from fusebench.fusers.transforms import pyramids
from fusebench.fusers.transforms.base import Pyramid, Transform
from fusebench.fusers.transforms.dual_tree import DualTreeTransform
from fusebench.fusers.transforms.pyramids import LaplacianPyramid
from fusebench.fusers.transforms.wavelet import WaveletTransform
from sklearn.linear_model import orthogonal_mp
from torch import Tensor


def test_codes_are_those_of_another_pursuit(noise: torch.Generator) -> None:
    atoms = torch.randn(12, 30, generator=noise, dtype=torch.float64)
    atoms /= atoms.norm(dim=0)
    signals = torch.randn(300, 12, generator=noise, dtype=torch.float64)  # in more than one portion
    signals[:5] = 0
    codes, rest = pursuit(signals, atoms, 0.7)
    # Theirs stops by the squared norm.
    known = np.column_stack([orthogonal_mp(atoms.numpy(), signal.numpy(), tol=0.49) for signal in signals[5:]]).T
    assert codes[5:].numpy() == pytest.approx(known, abs=1e-10)
    assert not codes[:5].any()
    assert torch.allclose(signals - codes @ atoms.T, rest, rtol=0, atol=1e-12)


def test_a_pursuit_ends_with_as_many_atoms_as_dimensions(noise: torch.Generator) -> None:
    atoms = torch.randn(8, 20, generator=noise, dtype=torch.float64)
    signals = torch.randn(10, 8, generator=noise, dtype=torch.float64)
    codes, rest = pursuit(signals, atoms / atoms.norm(dim=0), 1e-300)
    assert ((codes != 0).sum(dim=1) == 8).all()
    assert rest.abs().max() < 1e-12


class Case:
    """What the published code made of a pair, on grey levels."""

    def __init__(self, folder: Path) -> None:
        inputs = np.load(folder / "inputs.npz")
        self.stored = dict(np.load(folder / "mst_sr_c01_f32.npz"))
        self.a, self.b = (torch.from_numpy(inputs[name].astype(float))[None] for name in "AB")

    def low(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse as theirs does, with its dictionary."""
        return choose_by_sparsity(a, b, dictionary=torch.from_numpy(self.stored["D"]), tolerance=0.1, original=True)


@pytest.fixture(scope="module")
def case(shared: Path) -> Case:
    """Give the case."""
    return Case(shared / "oracles" / "fusers")


def _rounded(band: Tensor) -> Tensor:
    return band if band.is_complex() else band.round(decimals=9)


def voted(a: Tensor, b: Tensor) -> Tensor:
    """Rockinger's rule 3: the maximum of a window continued with bare corners, and a majority of 9."""
    most = [
        torch.nn.functional.max_pool2d(pyramids._wide(x.abs(), original=True), 3, stride=1, padding=1) for x in (a, b)
    ]
    votes = torch.nn.functional.avg_pool2d((most[0] > most[1]).double(), 3, stride=1, divisor_override=1)
    return torch.where(votes > 4, a, b)


@pytest.mark.parametrize(
    ("transform", "key", "off"),
    [
        (LaplacianPyramid(original=True), "lp_sr", 0),
        (WaveletTransform("haar"), "dwt_sr", 0),
        (DualTreeTransform(), "dtcwt_sr", 1e-3),  # its filters differ by 4e-9, and magnitudes are equal here and there
    ],
)
def test_low_bands_are_fused_as_in_the_published_code(case: Case, transform: Transform, key: str, off: float) -> None:
    bands = transform.decompose(torch.cat([case.a, case.b]))
    # Of grey levels many wavelet coefficients are equal, which rounding must not decide.
    high = [[voted(*_rounded(band).chunk(2)) for band in level] for level in bands.high]
    found = transform.reconstruct(Pyramid(case.low(*bands.low.chunk(2)), high, bands.size))[0].numpy()
    # What is stored is float32, up to 355.
    assert (np.abs(found - case.stored[key]) > 2e-4).mean() <= off


def test_images_are_fused_as_in_the_published_code(case: Case) -> None:
    # Patches are every 2 pixels from the first: far from the crop's end nothing is different.
    found = case.low(case.a[:, 96:160, 96:160], case.b[:, 96:160, 96:160])
    assert np.abs(found[0, 6:56, 6:56].numpy() - case.stored["sr"][102:152, 102:152]).max() < 3e-5


@pytest.mark.slow
def test_whole_images_are_fused_as_in_the_published_code(case: Case) -> None:
    assert np.abs(case.low(case.a, case.b)[0].numpy() - case.stored["sr"]).max() < 3e-5


def test_what_is_as_busy_is_averaged_and_every_coefficient_counts(noise: torch.Generator) -> None:
    for size in ((1, 1), (5, 30), (17, 12)):
        a = torch.rand(2, *size, generator=noise, dtype=torch.float64)
        # Another mean, the same code, but for rounding.
        assert torch.allclose(choose_by_sparsity(a, a + 0.2), a + 0.1, rtol=0, atol=1e-12)
        # Less contrast, a smaller code.
        assert torch.allclose(choose_by_sparsity(a, a / 2 + 0.3), a, rtol=0, atol=1e-12) or size == (1, 1)


def test_the_dictionary_is_of_unit_atoms_without_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    atoms = sparse_dictionary.load().double()
    assert atoms.shape == (64, 256)
    assert torch.allclose(atoms.norm(dim=0), torch.ones(256, dtype=torch.float64), atol=1e-6)
    assert atoms.mean(dim=0).abs().max() < 1e-7
    alike = (atoms.T @ atoms).abs().fill_diagonal_(0)
    assert alike.max() < 0.99
    monkeypatch.setattr(sparse_dictionary, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match="the installation is damaged"):
        sparse_dictionary.load()


def test_learned_atoms_say_more_than_cosines_of_photographs_not_learned_from() -> None:
    unseen = train_sparse.patches(train_sparse.photographs.HELD_OUT, 300, 1)
    learned, cosines = (
        (pursuit(unseen, atoms, train_sparse.LEARNED_TO).codes != 0).sum(dim=1).double().mean()
        for atoms in (sparse_dictionary.load().double(), train_sparse.cosines())
    )
    assert learned < 0.95 * cosines


def test_learning_finds_the_atoms_that_signals_are_made_of(
    noise: torch.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = torch.linalg.qr(torch.randn(10, 10, generator=noise, dtype=torch.float64)).Q
    uses = torch.rand(600, 10, generator=noise).argsort(dim=1)[:, :2]
    weights = 1 + torch.rand(600, 2, generator=noise, dtype=torch.float64)
    signals = (planted.T[uses] * weights[..., None]).sum(dim=1)
    start = torch.cat([planted, planted[:, :3]], dim=1)  # three of them twice, and none quite right
    start = start + 0.15 * torch.randn(10, 13, generator=noise, dtype=torch.float64)
    assert ((start / start.norm(dim=0)).T @ planted).amax(dim=0).min() < 0.9
    found = train_sparse.learn(signals, start, 15, 0.4)
    assert "atoms to a signal" in capsys.readouterr().out
    assert (found.T @ planted).abs().amax(dim=0).sort().values[1:].min() > 0.99  # of ten, nine at least


def test_energy_of_detail_is_nothing_where_a_band_is_flat_or_black() -> None:
    ramp = torch.arange(36.0, dtype=torch.float64).view(1, 6, 6)
    activity = local_laplacian_energy(ramp)
    assert activity[0, 2:4, 2:4].abs().max() == 0  # no second differences
    step = (torch.arange(6) > 2).double().expand(1, 6, 6)
    # Between 0 and 1 the Laplacian is 1 + sqrt(2) on both sides; 1/2 + 1/4 of it is seen, and of the energy 1/4 or 3/4.
    expected = (1 + 2**0.5) * 0.75 * torch.tensor([0.25, 0.75], dtype=torch.float64)
    assert torch.allclose(local_laplacian_energy(step)[0, 2, 2:4], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["lp-sr", "rp-sr", "dwt-sr", "dtcwt-sr", "sr", "multiscale[low=sparse]"])
def test_each_names_the_dictionary_and_does_not_care_for_order(name: str, noise: torch.Generator) -> None:
    fuser: Fuser = make(name)
    a, b = torch.rand(2, 1, 33, 26, generator=noise)
    assert torch.allclose(fuser(a, b), fuser(b, a), atol=1e-6)
    assert getattr(fuser, "weights_sha256", None) == sparse_dictionary.SHA256
    assert label(fuser).startswith(name.partition("[")[0])
