"""Witnesses: the fused images, and stages of them, that the authors' codes gave (Octave, unmodified)."""

from collections.abc import Callable
from typing import Any

from fusebench.fusers.feature.adf import ADF
from fusebench.fusers.feature.fpde import FPDE
from fusebench.fusers.feature.gff import GFF
from fusebench.fusers.feature.mgff import MGFF
from fusebench.fusers.feature.tif import TIF

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
    assert case.off("Ff1", fused, unit=255) < LEVELS
    # Some values lie half way between two levels, to the last digits.
    pixels, levels = case.levels_off("F1", fused)
    assert pixels <= 6
    assert levels == 1
