"""Witnesses: the fused images, and stages of them, that the authors' codes gave (Octave, unmodified)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fusebench.fusers.feature.adf import ADF
from fusebench.fusers.feature.cbf import CBF
from fusebench.fusers.feature.dchwt import DCHWT
from fusebench.fusers.feature.ddct_pca import DDCTPCA
from fusebench.fusers.feature.fpde import FPDE
from fusebench.fusers.feature.gff import GFF
from fusebench.fusers.feature.gtf import GTF, objective
from fusebench.fusers.feature.hmsd_gf import HMSDGF
from fusebench.fusers.feature.hybrid_msd import HybridMSD
from fusebench.fusers.feature.jbf_lge import JBFLGE
from fusebench.fusers.feature.mdlatlrr import MDLatLRR
from fusebench.fusers.feature.mgff import MGFF
from fusebench.fusers.feature.structure_aware import StructureAware
from fusebench.fusers.feature.tif import TIF
from fusebench.fusers.feature.vsm_wls import VSMWLS
from fusebench.fusers.filters.bilateral_grid import bilateral_grid
from fusebench.fusers.filters.histogram import histogram_contrast
from fusebench.fusers.transforms.cosine_harmonic import decompose

Read = Callable[[str], Any]
# What is stored as float32 has 7 digits: of levels up to 400, and of values up to 1.
LEVELS, UNIT = 3e-5, 1e-7


def test_gff(peer: Read) -> None:
    case, fuser = peer("gff"), GFF(original=True)
    assert case.levels_off("F1", fuser.exact(case.a, case.b)) == (0, 0)
    assert case.levels_off("F1_swapped", fuser.exact(case.b, case.a)) == (0, 0)
    assert case.off("Ff1", fuser.exact(case.a, case.b), unit=255) < LEVELS


def test_mgff(peer: Read) -> None:
    case = peer("mgff")
    assert case.off("Ff1", MGFF(original=True).exact(case.a, case.b), unit=255) < LEVELS


def test_adf(peer: Read) -> None:
    case, fuser = peer("adf"), ADF(original=True)
    assert case.off("baseA1", fuser.base(case.a), unit=255) < LEVELS
    assert case.levels_off("F1", fuser.exact(case.a, case.b)) == (0, 0)


def test_fpde(peer: Read) -> None:
    case, fuser = peer("fpde"), FPDE(original=True)
    assert case.levels_off("baseA1", fuser.base(case.a)) == (0, 0)
    assert case.levels_off("baseB1", fuser.base(case.b)) == (0, 0)
    assert case.levels_off("F1", fuser.exact(case.a, case.b)) == (0, 0)


def test_tif(peer: Read) -> None:
    case = peer("tif")
    fused = TIF(original=True).exact(case.a, case.b)
    # Theirs is no exact mean: where both sources are flat, one pixel misses the 0/0 that all others have.
    kept = (255 * fused[0] - torch.from_numpy(case.stored["Ff1"])).abs().numpy() < LEVELS
    assert kept.sum() >= kept.size - 1
    # Some values lie half way between two levels, to the last digits.
    levels = np.abs(np.floor(255 * fused[0].numpy() + 0.5).clip(0, 255) - case.stored["F1"])[kept]
    assert (levels > 0).sum() <= 6
    assert levels.max() == 1


def test_cbf(peer: Read) -> None:
    case, fuser = peer("cbf"), CBF(original=True)
    assert case.off("cbfA1_s4", fuser.smooth(case.a, case.b), 4, 255) < LEVELS
    share = fuser.strength(case.a - fuser.smooth(case.a, case.b))
    share = share / (share + fuser.strength(case.b - fuser.smooth(case.b, case.a)))
    assert case.off("wA1_s4", share, 4) < UNIT
    assert case.off("Ff1", fuser.exact(case.a, case.b), unit=255) < LEVELS


def test_dchwt(peer: Read) -> None:
    case = peer("dchwt")
    assert case.off("Ff1", DCHWT(original=True).exact(case.a, case.b), unit=255) < LEVELS


def test_dchwt_coefficients(peer: Read) -> None:
    case = peer("dchwt")
    i, j = np.mgrid[:64, :64]
    mix = 100 + 50 * np.sin(2 * np.pi * (3 * i + 5 * j) / 64) + 30 * (i > 0.7 * j + 8)
    mix = mix + 20 * np.cos(np.pi * ((i - 32) ** 2 + (j - 32) ** 2) / 64)
    pyramid = decompose(torch.from_numpy(mix)[None])
    # Theirs count from the finest diagonal; coefficients reach 1200 and are float64.
    for level, first in zip(pyramid.high, (7, 4, 1), strict=True):
        for band, key in zip(level, (first + 1, first + 2, first), strict=True):
            assert case.off(f"mix64_k{key}", band) < 1e-9
    assert case.off("mix64_k10", pyramid.low) < 1e-9


def test_vsm_wls(peer: Read) -> None:
    case, fuser = peer("vsmwls"), VSMWLS(visible=1, original=True)
    assert case.off("vsmA1_s4", histogram_contrast(case.a), 4) < UNIT
    assert case.off("rgfA1_s4", fuser.levels(case.a)[1], 4) < UNIT
    fused = fuser.exact(case.a, case.b)
    assert case.off("Ff1", fused) < UNIT
    assert case.levels_off("F1", fused) == (0, 0)


def test_hmsd_gf(peer: Read) -> None:
    case, fuser = peer("hmsd_gf"), HMSDGF(original=True)
    saliency = [fuser.saliency(255 * image).item() for image in (case.a, case.b)]
    assert saliency == pytest.approx(case.stored["PS1"], rel=1e-12)
    fused = fuser.exact(case.a, case.b)
    assert case.off("MB1", fused, unit=255 / 275) < UNIT
    assert case.levels_off("F1", fused) == (0, 0)
    assert case.levels_off("F2", fuser.exact(case.a2, case.b2)) == (0, 0)


def test_hybrid_msd(peer: Read) -> None:
    case = peer("hybrid_msd")
    assert case.off("blfA1_s4", bilateral_grid(case.a, 2, 0.05), 4) < UNIT
    # Their filter is float32: now and then a pixel is in another cell, which moves the result by a fiftieth of a level.
    pixels, levels = case.levels_off("F1", HybridMSD().exact(case.a, case.b))
    assert pixels <= 100
    assert levels == 1


def test_jbf_lge(peer: Read) -> None:
    case, fuser = peer("jbf_lge"), JBFLGE(original=True)
    assert case.off("E1_1_s4", fuser.energy(case.a), 4) < UNIT
    structures = [image - fuser.energy(image) for image in (case.a, case.b)]
    first, second = (fuser.activity(structure) for structure in structures)
    assert case.off("map0_1", (first > second).double()) == 0
    assert case.off("map_1", fuser.vote(*structures)) == 0
    assert case.off("F1", fuser.exact(case.a, case.b)) < UNIT


def test_structure_aware(peer: Read) -> None:
    case, fuser = peer("structure_aware_ijf"), StructureAware(original=True)
    assert case.off("mask1", fuser.sharper(case.a, case.b)) == 0
    assert case.levels_off("F1", fuser.exact(case.a, case.b)) == (0, 0)


def test_gtf_comes_below_what_the_authors_code_reaches(peer: Read) -> None:
    case = peer("gtf")
    stored = torch.from_numpy(case.stored["Ff1"].astype(float))[None]
    # Theirs is float32: 65536 terms of rounding.
    assert objective(stored, case.a, case.b).item() == pytest.approx(case.stored["obj1"][2], rel=1e-6)
    for key, a, b in (("obj1", case.a, case.b), ("obj2", case.a2, case.b2)):
        reached = objective(GTF().exact(a, b), a, b).item()
        assert reached < 0.95 * case.stored[key][2]


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_mdlatlrr_with_the_published_projection(shared: Path, levels: int) -> None:
    stored = np.load(shared / "oracles" / "fusers" / "mdlatlrr_crop64.npz")
    keys = "A", "B", "baseA", "detailA", f"lev{levels}"
    a, b, base, detail, fused = (torch.from_numpy(stored[key])[None] for key in keys)
    projection, fuser = torch.from_numpy(stored["L8"]), MDLatLRR(levels=levels, original=True)
    salient = fuser.joined(fuser.salient(a, projection), a)
    assert torch.allclose(salient, detail, rtol=0, atol=1e-14)
    assert torch.allclose(a - salient, base, rtol=0, atol=1e-14)
    assert torch.allclose(fuser.exact(a, b, projection), fused, rtol=0, atol=1e-9)


def test_ddct_pca(shared: Path) -> None:
    stored = np.load(shared / "oracles" / "fusers" / "ddct_crop64.npz")
    a, b, fused = (torch.from_numpy(stored[key])[None] for key in ("A", "B", "max_F"))
    fuser = DDCTPCA(original=True)
    modes = fuser.modes(a, b)[0].permute(1, 2, 0)
    differences = (modes - torch.from_numpy(stored["max_modes"].astype(float))).abs()
    # Rounding chooses between coefficients of equal magnitude, in 1 of 100 pixels at most, by a grey level at most.
    assert (differences > UNIT).double().mean((0, 1)).max() < 0.01
    assert (differences[..., :3].amax() < UNIT).all()
    assert differences.max() < 1.01 / 255
    assert torch.allclose(fuser.exact(a, b), fused, rtol=0, atol=1e-3)
