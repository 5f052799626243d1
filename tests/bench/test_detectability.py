"""Detectability: sources and trivial images, whose results are known, and what the command prints."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fusebench.bench.detectability import (
    KINDS,
    LESIONS,
    NOISE,
    SIZE,
    Found,
    agreement,
    kept,
    measure,
    noise,
    page,
    sources,
    spot,
    study,
    table,
)
from fusebench.bench.observer import channels, closed_form
from fusebench.fusers.pixel.laplacian import Laplacian
from fusebench.fusers.pixel.trivial import Average, Maximum, SourceA, SourceB
from fusebench.metrics.profiles import chosen

Command = Callable[..., tuple[int, str, str]]
METRICS = chosen("SSIM,Q_ABF,SF")


@pytest.fixture(scope="module")
def found() -> list[Found]:
    return study([Average(), Maximum(), Laplacian()], 40, METRICS, 1, lambda *_: None)


def test_a_source_shows_its_own_lesions_and_no_other(found: list[Found]) -> None:
    for lesion in LESIONS:
        ours, other = found[lesion.source].lesions[lesion.name], found[1 - lesion.source].lesions[lesion.name]
        assert ours.d > 2
        assert abs(other.d) < 0.3
        assert kept(found[lesion.source], found[:2])[lesion.name] == (1.0, 1.0, 1.0)


def test_white_noise_gives_the_closed_form(found: list[Found]) -> None:
    # The head's own noise is the same in every realisation: only what is added varies.
    lesion = next(one for one in LESIONS if one.name == "MRI bright")
    expected = closed_form(spot(lesion.levels, lesion.fwhm, lesion.place), channels(*SIZE, *lesion.place), 5 / 255)
    low, high = found[1].lesions[lesion.name].interval
    assert low < expected < high


def test_an_average_keeps_what_its_noise_leaves(found: list[Found]) -> None:
    # Half of the contrast, and noise of both sources: 1 / sqrt(2) where both have the same.
    average = kept(found[2], found[:2])
    for name in ("CT hyperdense", "MRI bright", "MRI dark"):
        _, low, high = average[name]
        assert low < math.sqrt(0.5) < high
    assert found[2].rank == 1
    assert found[2].ratio == pytest.approx(0, abs=1e-5)


def test_the_maximum_shows_the_brighter_modality_alone(found: list[Found]) -> None:
    parts = kept(found[3], found[:2])
    assert parts["MRI bright"][0] > 0.9
    assert parts["PET hot"][0] < 0.2
    assert math.isnan(found[3].rank)


def test_noise_is_as_strong_and_as_wide_as_it_says() -> None:
    for modality, (deviation, width) in NOISE.items():
        drawn = 255 * noise(modality, SIZE, 200, 0)
        assert drawn.std().item() == pytest.approx(deviation, rel=0.02)
        neighbours = (drawn[..., 1:] * drawn[..., :-1]).mean().item() / deviation**2
        assert (neighbours > 0.5) == (width > 0)


def test_nothing_depends_on_chance_or_on_processes() -> None:
    once, again = (measure(Laplacian(), 16) for _ in range(2))
    beside = study([Laplacian()], 16, (), 2, lambda *_: None)[2]
    for name in once.lesions:
        assert once.lesions[name].d == again.lesions[name].d == pytest.approx(beside.lesions[name].d, rel=1e-6)


def test_a_metric_that_ranks_as_the_observer_has_tau_1(found: list[Found]) -> None:
    keeps = [kept(one, found[:2])["mean"][0] for one in found]
    planted = [one._replace(scores={**one.scores, "SSIM": k, "SF": -k}) for one, k in zip(found, keeps, strict=True)]
    taus = {row.metric: row.tau for row in agreement(planted, METRICS, draws=50)}
    assert taus["SSIM"] == pytest.approx(1)
    assert taus["SF"] == pytest.approx(-1)


def test_the_lesions_lie_inside_the_head_and_are_not_clipped() -> None:
    for kind in KINDS:
        both = sources(kind)
        for lesion in LESIONS:
            if lesion.kind == kind:
                changed = both[lesion.source] + spot(lesion.levels, lesion.fwhm, lesion.place)
                assert torch.equal(changed, changed.clamp(0, 1))


def test_the_page_says_synthetic_and_lists_every_method(found: list[Found]) -> None:
    text = page(found, agreement(found, METRICS, draws=50), 40)
    assert "synthetic" in text
    rows = table(found)
    assert [row["method"] for row in rows[:2]] == ["source-a", "source-b"]
    assert {row["method"] for row in rows[2:]} == {"average", "maximum", "laplacian"}
    assert all(row["method"] in text for row in rows)
    assert "Kendall's tau" in text


def test_the_command_prints_and_writes(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "detect.md"
    out.write_text("# Ours\n\n<!-- below: written by `fusebench detect` -->\n\nstale")
    code, printed, _ = command(
        "detect", "--methods", "pca", "--realisations", 16, "--metrics", "SF", "--jobs", 1, "--out", out
    )
    assert code == 0
    assert "SPECT cold" in printed
    assert out.read_text().startswith("# Ours\n\n<!-- below")
    assert "stale" not in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--realisations", 15), "an even number from 16 on"),
        (("--methods", "nothing"), "there is none"),
        (("--out", "nowhere/x.md"), "no such folder"),
    ],
)
def test_nonsense_is_one_line(command: Command, arguments: tuple[object, ...], complaint: str) -> None:
    code, _, err = command("detect", *arguments)
    assert code == 2
    assert complaint in err
    assert err.count("\n") == 1


def test_the_sources_are_no_methods(found: list[Found]) -> None:
    assert [one.label for one in found[:2]] == [SourceA.name, SourceB.name]
