"""Maps of metrics beside the images of a run, and sources that are no rows: against values known in closed form."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fusebench.bench import maps
from fusebench.bench.engine import run
from fusebench.bench.suite import Table
from fusebench.datasets import image
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.pixel.trivial import Average, Maximum, SourceA
from fusebench.metrics.maps import Map
from fusebench.metrics.profiles import chosen
from fusebench.reports import figures, results
from PIL import Image

LEFT = torch.rand(40, 32, generator=torch.Generator().manual_seed(1))
RIGHT = torch.rand(40, 32, generator=torch.Generator().manual_seed(2))


def entry(name: str = "p") -> Entry:
    return Entry("CT-MRI", name, None, lambda: Pair(LEFT, RIGHT, "CT-MRI", name, None, modalities=("CT", "MRI")))


def test_a_map_is_that_of_the_metric_at_its_pixels() -> None:
    # The squared error is taken at each pixel: ((a - f)^2 + (b - f)^2) / 2 by its definition.
    (mse,) = chosen("MSE")
    a, b, fused = (image.quantise(x)[None] for x in (LEFT, RIGHT, (LEFT + RIGHT) / 2))
    values = maps.placed(mse, a, b, fused)
    expected = ((a.double() - fused.double()).square() + (b.double() - fused.double()).square()) / 2
    assert values.shape == (1, 40, 32)
    score = mse(a, b, fused).item()
    assert np.nanmean(values) == pytest.approx(score)
    assert values / score == pytest.approx(expected.numpy() / expected.mean().item())


def test_a_coarser_map_is_shown_at_the_pixels_next_to_its_values() -> None:
    # Cells of 4: the value of each belongs to the pixels around its middle, and half a step away there is none.
    near = maps._nearest(torch.tensor([2, 6]), 8, 4)
    assert near.tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
    assert maps._nearest(torch.tensor([4, 5]), 10, 1).tolist() == [-1, -1, -1, -1, 0, 1, -1, -1, -1, -1]


def test_a_formula_of_maps_is_drawn_as_it_is_pooled() -> None:
    one, two = (Map(torch.tensor([[[1.0, 2.0]]]) * factor) for factor in (1, 10))
    assert (0.5 * (one + two)).drawn.tolist() == [[[5.5, 11.0]]]
    other = Map(torch.ones(1, 3, 3))
    assert (one + other).drawn.tolist() == [[[1.0, 2.0]]]  # the first stands for maps of two sizes


def test_maps_and_sources_are_written_beside_the_run(tmp_path: Path) -> None:
    suite = {"t": Table("x", (Average(), Maximum()), (entry(),), chosen("SSIM,MSE,MI"))}
    run.run(suite, tmp_path, name="mine")
    maps.write(suite, tmp_path)
    found = results.read(tmp_path)
    assert {metric for *_, metric in found.maps} == {"SSIM", "MSE"}
    assert {fuser for _, _, fuser, _ in found.maps} == {"average", "maximum"}
    for (kind, pair, fuser, _), one in found.maps.items():
        with Image.open(tmp_path / "maps" / one.file) as picture:
            assert picture.size == (32, 40)
            levels = np.asarray(picture)
        assert levels.max() <= 255
        assert one.low < one.high
        assert found.image((kind, pair), fuser).exists()
    extremes = [
        np.asarray(Image.open(tmp_path / "maps" / one.file)) for one in found.maps.values() if one.metric == "MSE"
    ]
    assert min(levels.min() for levels in extremes) == 1  # of both methods together
    assert max(levels.max() for levels in extremes) == 255
    for n, grey in enumerate((LEFT, RIGHT)):
        assert torch.equal(image.from_png(found.source(("CT-MRI", "p"), n).read_bytes()), image.quantise(grey))
    # A figure shows the sources, which are no rows of the table.
    drawn = figures.side_by_side(found, found.tables[0], grey=False)
    titles = [ax.get_title() for ax in drawn.axes if ax.get_title()]
    assert titles == ["source-a (CT)", "source-b (MRI)", "average", "maximum"]
    run.run(suite, tmp_path, name="mine")
    maps.write(suite, tmp_path, ())
    assert results.read(tmp_path).maps == {}


def test_a_source_that_is_a_row_is_not_kept_twice(tmp_path: Path) -> None:
    suite = {"t": Table("x", (SourceA(), Average()), (entry(),), chosen("SSIM"))}
    run.run(suite, tmp_path, name="mine")
    maps.write(suite, tmp_path)
    assert [path.parent.name for path in (tmp_path / "sources").rglob("*.png")] == ["source-b"]
    assert results.read(tmp_path).source(("CT-MRI", "p"), 0) == tmp_path / "fused/CT-MRI/source-a/p.png"
