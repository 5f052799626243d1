"""The suite colour: whose colours are whose, what is written, and what is scored again."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fusebench.bench.catalogue import external, suite_of
from fusebench.bench.colour import colour
from fusebench.bench.engine import store
from fusebench.bench.engine.run import run
from fusebench.bench.suite import Suite, Table, narrowed
from fusebench.datasets import image, phantom
from fusebench.datasets.colour import luma_of
from fusebench.datasets.pair import Entry
from fusebench.fusers.base import label
from fusebench.fusers.colour.ihs import IHS
from fusebench.fusers.colour.overlay import Overlay
from fusebench.fusers.pixel.trivial import Average
from fusebench.metrics.chroma import RECORDS
from fusebench.metrics.spatial_frequency import SF
from fusebench.metrics.uptake import records
from PIL import Image


def entries(*kinds: str) -> tuple[Entry, ...]:
    return tuple(phantom.coloured([kind], size=64)[50] for kind in kinds)


def small(metrics: Iterable[object]) -> Suite:
    return {"table": Table("Colour", (Average(), IHS(), Overlay()), entries("PET-MRI"), tuple(metrics))}  # type: ignore[arg-type]


def test_each_kind_is_read_by_its_table() -> None:
    said: list[str] = []
    suite = colour((*entries("PET-MRI", "SPECT-MRI"), phantom.entries(["CT-MRI"], 64)[50]), say=said.append)
    assert [table.title for table in suite.values()] == ["Colour, SPECT-MRI", "Colour, PET-MRI"]
    tables = {m.convention for table in suite.values() for m in table.metrics if m.name == "uptake_rank"}
    assert tables == {"atlas-pet", "atlas-spect"}
    assert [label(fuser) for fuser in suite["table4"].fusers][-1] == "uptake[table=atlas-spect]"
    assert any("CT-MRI" in line and "left out" in line for line in said)


def test_grey_sources_and_another_table_are_refused() -> None:
    with pytest.raises(ValueError, match="no source is coloured"):
        colour(phantom.entries(size=64)[:1])
    with pytest.raises(ValueError, match=r"^PET-MRI/icbm152-z\+20: not coloured by .*atlas-pet would fit"):
        colour(entries("PET-MRI"), table="hot")
    with pytest.raises(ValueError, match="no source is coloured"):
        suite_of("colour", "phantom")


def test_its_own_metrics_can_be_asked_for() -> None:
    suite = narrowed(colour(entries("PET-MRI")), metrics="uptake_rank@atlas-pet,Q_ABF,D_ab")
    assert [metric.label for metric in suite["table5"].shown] == ["uptake_rank@atlas-pet", "Q_ABF", "D_ab"]
    mixed = narrowed(colour(entries("PET-MRI")), metrics="D_ab,PSNR@tang")
    assert [metric.label for metric in mixed["table5"].metrics] == ["D_ab", "PSNR@tang"]
    with pytest.raises(ValueError, match="nothing"):
        narrowed(colour(entries("PET-MRI")), metrics="D_ab,nothing")


def test_the_command_prints_metrics_of_colour_first(command: Callable[..., object], tmp_path: Path) -> None:
    # The maps of the page are of grey images; a metric of colour that is shown has none.
    options = ("--kinds", "PET-MRI", "--methods", "ihs,hsv", "--metrics", "D_ab,Q_ABF")
    assert command("bench", "colour", *options, "--out", tmp_path / "out")[0] == 0  # type: ignore[index]
    maps = {row["metric"] for row in json.loads((tmp_path / "out" / "maps" / "maps.json").read_text())}
    assert maps == {"Q_ABF"}


def test_colours_of_no_table_have_no_uptake(noise: torch.Generator) -> None:
    (entry,) = entries("PET-MRI")
    pair = entry.read()
    other = replace(pair, chromas=(torch.rand(2, 64, 64, generator=noise) - 0.5, None))
    said: list[str] = []
    (table,) = colour([replace(entry, read=lambda: other)], say=said.append).values()
    assert not any(metric.name.startswith("uptake") for metric in table.metrics)
    assert any("uptake is not read" in line for line in said)


def test_what_is_written_in_colour_is_what_is_scored(tmp_path: Path) -> None:
    run(small([SF, *RECORDS]), tmp_path, name="colour")
    pair = entries("PET-MRI")[0].read()
    a, b = (x[None] for x in pair.channels)
    for fuser in (IHS(), Overlay()):
        place = Path("PET-MRI", label(fuser), f"{pair.name}.png")
        shown = np.array(Image.open(tmp_path / "colour" / place))
        assert np.array_equal(shown, image.quantise(fuser(a, b))[0].movedim(0, -1).numpy())
        grey = np.array(Image.open(tmp_path / "fused" / place))
        assert np.array_equal(grey, luma_of(torch.from_numpy(shown).movedim(-1, 0)).numpy())
        levels = [image.quantise(x) for x in (a, b)]
        triple = (*levels, torch.from_numpy(shown).movedim(-1, 0)[None])
        for metric in RECORDS:
            assert scores_of(tmp_path)[label(fuser), metric.label] == metric(*triple).item()


def test_a_new_colour_metric_scores_what_is_there(tmp_path: Path) -> None:
    again, at_once = tmp_path / "again", tmp_path / "at_once"
    run(small([SF]), again, name="colour")
    before = {path: path.stat().st_mtime_ns for path in (again / "colour").rglob("*.png")}
    run(small([SF, *RECORDS, *records("atlas-pet")]), again, name="colour")
    assert before == {path: path.stat().st_mtime_ns for path in (again / "colour").rglob("*.png")}
    run(small([SF, *RECORDS, *records("atlas-pet")]), at_once, name="colour")
    assert (again / "scores.csv").read_bytes() == (at_once / "scores.csv").read_bytes()


def test_a_coloured_result_of_others_keeps_its_colour(tmp_path: Path) -> None:
    (entry,) = entries("PET-MRI")
    a, b = (x[None] for x in entry.read().channels)
    image.write(image.quantise(Overlay()(a, b))[0], _made(tmp_path / "results" / "theirs") / f"{entry.name}.png")
    (table,) = external([entry], tmp_path / "results").values()
    suite = {"table": Table("theirs", (*table.fusers, Overlay()), (entry,), RECORDS)}
    run(suite, tmp_path / "out", name="theirs")
    scores = scores_of(tmp_path / "out")
    for metric in RECORDS:
        # Their file is split into luma and chroma, by which green may change by one level.
        assert scores["theirs", metric.label] == pytest.approx(scores["overlay", metric.label], abs=0.3)
        assert scores["theirs", metric.label] != scores["average", metric.label]
    described = json.loads((tmp_path / "out" / "run.json").read_text())["pairs"]["PET-MRI"]
    assert described[entry.name]["coloured"] == ["PET"]


def scores_of(out: Path) -> dict[tuple[str, str], float]:
    rows = store.read_rows(out / store.SCORES, store.Result)
    return {(row.fuser, row.metric): row.score for row in rows}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
