"""Convolutional sparse codes: witnesses are the conditions of the convex problem, its dual, and another solver."""

import numpy as np
import pytest
import torch
import train_csr
from fusebench.datasets import photographs
from fusebench.datasets.pair import Pair
from fusebench.fusers.catalogue import make
from fusebench.fusers.feature import csr_filters
from fusebench.fusers.feature.csr import CSR, PENALTY, SPARSITY, base, joined, sparse_maps
from torch import Tensor


def filters_and_images(noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Give five filters of 4 x 4 pixels and two images."""
    filters = torch.randn(5, 4, 4, generator=noise, dtype=torch.float64)
    images = torch.rand(2, 24, 20, generator=noise, dtype=torch.float64)
    return filters / filters.norm(dim=(1, 2), keepdim=True), images


def test_maps_are_the_least_of_the_sum(noise: torch.Generator) -> None:
    filters, images = filters_and_images(noise)
    maps = sparse_maps(images, filters, 0.1, 5000)
    # What the maps lack correlates with no filter by more than the weight, and by just that where a map is not 0.
    rest = images - joined(maps, filters)
    free = torch.zeros_like(maps, requires_grad=True)
    (along,) = torch.autograd.grad((joined(free, filters) * rest).sum(), free)
    assert along.abs().max() < 0.1 + 1e-6
    assert (along - 0.1 * maps.sign())[maps != 0].abs().max() < 1e-6
    assert 0.05 < (maps != 0).double().mean() < 0.5


def test_so_many_steps_come_within_a_thousandth_of_the_least(pair: Pair) -> None:
    images = pair.b[None].double()
    images -= base(images)
    filters = csr_filters.load().double()
    soon, late = (sparse_maps(images, filters, SPARSITY, steps) for steps in (CSR().iterations, 500))
    least = train_csr.cost(images, filters, late)
    assert train_csr.cost(images, filters, soon) < 1.001 * least
    # No sum is smaller than that of the dual problem, for what is left brought to where it is feasible.
    rest = images - joined(late, filters)
    free = torch.zeros_like(late, requires_grad=True)
    (along,) = torch.autograd.grad((joined(free, filters) * rest).sum(), free)
    dual = rest * min(1.0, SPARSITY / along.abs().max().item())
    bound = (images.square().sum() - (images - dual).square().sum()).item() / 2
    assert bound < least < 1.01 * bound


def test_maps_and_base_are_those_of_another_solver(noise: torch.Generator) -> None:
    sporco = pytest.importorskip("sporco.admm.cbpdn", reason="SPORCO, by B. Wohlberg, is not installed")
    signal = pytest.importorskip("sporco.signal")
    filters, images = filters_and_images(noise)
    options = {"MaxMainIter": 5000, "RelStopTol": 1e-9, "rho": PENALTY, "AutoRho": {"Enabled": False}}
    solver = sporco.ConvBPDN(
        filters.permute(1, 2, 0).numpy(), images[0].numpy(), 0.1, sporco.ConvBPDN.Options(options), dimK=0
    )
    theirs = np.roll(solver.solve().squeeze(), (2, 2), (0, 1))  # its filters are not centred
    ours = sparse_maps(images[:1], filters, 0.1, 5000)[0].permute(1, 2, 0).numpy()
    assert ours == pytest.approx(theirs, abs=1e-5)
    # Theirs mirrors and cuts, which takes the last digits.
    assert base(images)[0].numpy() == pytest.approx(signal.tikhonov_filter(images[0].numpy(), 5.0, 0)[0], abs=1e-7)


def test_the_base_solves_its_equation(noise: torch.Generator) -> None:
    images = torch.rand(2, 9, 14, generator=noise, dtype=torch.float64)
    found = base(images)
    second = sum(2 * found - found.roll(1, axis) - found.roll(-1, axis) for axis in (1, 2))
    assert torch.allclose(found + 5 * second, images, rtol=0, atol=1e-12)


def test_maps_of_an_impulse_draw_the_filter_around_it(noise: torch.Generator) -> None:
    filters = torch.rand(1, 3, 3, generator=noise, dtype=torch.float64)
    maps = torch.zeros(1, 1, 7, 9, dtype=torch.float64)
    maps[0, 0, 2, 4] = 2
    assert torch.allclose(joined(maps, filters)[0, 1:4, 3:6], 2 * filters[0], rtol=0, atol=1e-12)


def test_the_busier_detail_is_taken_and_bases_are_averaged(noise: torch.Generator) -> None:
    sharp = torch.rand(1, 40, 40, generator=noise) / 2 + 0.2
    flat = torch.full_like(sharp, 0.5)
    fused = CSR(iterations=20)(sharp, flat)
    wide = torch.nn.functional.pad(sharp[None], (16,) * 4, mode="reflect")[0].double()
    middle = slice(16, 56)
    detail = (wide - base(wide))[:, middle, middle]
    expected = (base(wide)[:, middle, middle] + 0.5) / 2 + detail
    assert (fused - expected)[:, 8:-8, 8:-8].abs().max() < 1e-3


def test_as_the_paper_what_the_maps_lack_is_left_out(noise: torch.Generator) -> None:
    x = torch.rand(1, 24, 30, generator=noise, dtype=torch.float64)
    filters = csr_filters.load().double()
    detail = x - base(x)
    expected = base(x) + joined(sparse_maps(detail, filters, 0.01, 30), filters)
    assert torch.allclose(CSR(30, original=True).exact(x, x), expected, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="iterations is positive, not 0"):
        make("csr[iterations=0]")


def test_the_filters_say_more_than_patches_of_photographs_not_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = torch.Generator().manual_seed(3)
    unseen = train_csr.crops(photographs.HELD_OUT, 2, noise)
    patches = train_csr.train_sparse.patches(photographs.TRAINING, 32, 5).view(32, 8, 8).mT
    costs = []
    for filters in (csr_filters.load().double(), patches / patches.norm(dim=(1, 2), keepdim=True)):
        assert torch.allclose(filters.norm(dim=(1, 2)), torch.ones(32, dtype=torch.float64), atol=1e-6)
        costs.append(train_csr.cost(unseen, filters, sparse_maps(unseen, filters, 0.01, 60)))
    assert costs[0] < 0.85 * costs[1]
    monkeypatch.setattr(csr_filters, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match="the installation is damaged"):
        csr_filters.load()


def test_learning_lowers_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    start = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    start /= start.norm(dim=(1, 2), keepdim=True)
    found = train_csr.learn(start, 8, torch.Generator().manual_seed(2))
    assert capsys.readouterr().out.startswith("round 0: ")
    unseen = train_csr.crops(photographs.HELD_OUT, 2, torch.Generator().manual_seed(3))
    before, after = (train_csr.cost(unseen, f, sparse_maps(unseen, f, 0.01, 60)) for f in (start, found))
    assert after < 0.95 * before
