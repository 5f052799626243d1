"""The door for Python: what comes in comes out, scores are those of the bench, faults are sentences."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fusebench.bench import compare, fuse, fuser, score
from fusebench.bench.contract import check
from fusebench.datasets import phantom
from fusebench.datasets.image import quantise
from fusebench.fusers.base import label
from fusebench.fusers.pixel.nsct import NSCT
from fusebench.metrics import profiles
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
PAIR = phantom.pair("CT-MRI", 20, 64)
CT, MRI = (quantise(image).numpy() for image in (PAIR.a, PAIR.b))


@fuser("weighted")
def weighted(a: Any, b: Any, weight: float = 0.5) -> Any:
    """Weigh the sources."""
    return weight * a + (1 - weight) * b


def test_a_fused_image_is_the_bench_s_and_of_the_kind_of_the_first_source() -> None:
    expected = quantise(NSCT()(*(torch.from_numpy(x / np.float32(255))[None] for x in (CT, MRI)))[0])
    assert np.array_equal(fuse(CT, MRI, "nsct"), expected.numpy())
    assert np.array_equal(fuse(CT, torch.from_numpy(MRI), NSCT()), expected.numpy())
    assert torch.equal(fuse(torch.from_numpy(CT), MRI, NSCT), expected)
    floating = fuse(CT / 255, MRI / 255, "nsct")
    assert (floating.dtype, np.array_equal((255 * floating).round(), expected)) == (np.float64, True)
    pil = fuse(Image.fromarray(CT), Image.fromarray(MRI), "nsct")
    assert np.array_equal(np.asarray(pil), expected.numpy())


def test_a_coloured_source_gives_its_colour() -> None:
    colour = np.stack([MRI, MRI // 2, 0 * MRI], axis=-1)
    fused = fuse(np.zeros_like(CT), colour, "maximum")
    # Beside black the whole image is the coloured one's, but for the rounding of luma.
    assert fused.shape == (64, 64, 3)
    assert np.abs(fused.astype(int) - colour).max() <= 1
    assert fuse(Image.fromarray(colour), Image.fromarray(CT), "average").mode == "RGB"


def test_scores_are_the_profiles_scores() -> None:
    fused = {"average": fuse(CT, MRI, "average"), "ct": CT}
    table = score(CT, MRI, fused, "seed")
    x, y, *images = (torch.from_numpy(image)[None] for image in (CT, MRI, *fused.values()))
    for name, image in zip(fused, images, strict=True):
        expected = {metric: values.item() for metric, values in profiles.score(x, y, image, "seed").items()}
        assert table.loc[name].to_dict() == pytest.approx(expected, rel=1e-12)  # of one image, not of two
    assert [*score(CT, MRI, CT, metrics=["SF", "VIF"]).columns] == ["SF", "VIF"]
    mask = np.zeros((64, 64))
    mask[20:40] = 1
    assert score(CT, MRI, CT, "seed", mask=mask).EN.item() != score(CT, MRI, CT, "seed").EN.item()
    assert score(CT, MRI, CT, "seed", mask="foreground").shape == (1, 4)


def test_methods_are_compared_with_functions_among_them(tmp_path: Path) -> None:
    def raises(a: Any, b: Any) -> Any:
        del a, b
        raise ZeroDivisionError

    pairs = {"CT-MRI": [(CT, MRI), (MRI, CT)]}
    compared = compare(pairs, {"nsct": "nsct", "weighted": weighted, "raises": raises}, ["SF", "MI"])
    table = compared.table("CT-MRI")
    assert [*table.index] == ["source-a", "source-b", "average", "maximum", "nsct", "weighted"]
    scores = compared.scores
    of_nsct = scores[(scores.fuser == "nsct") & (scores.metric == "SF")].score
    assert table.SF["nsct"] == pytest.approx(of_nsct.mean(), rel=1e-12)
    assert table.loc["average"].to_dict() == pytest.approx(table.loc["weighted"].to_dict(), rel=1e-9)
    assert {failure.fuser for failure in compared.failures} == {"raises"}
    assert compared._repr_html_().count("<img") == 2 * 6
    folder = compared.folder
    del compared
    assert not folder.exists()
    # With a folder it stays, and is what the command line makes.
    assert compare([(CT, MRI)], ["average"], "SF", out=tmp_path / "kept").folder == tmp_path / "kept"
    assert (tmp_path / "kept" / "scores.csv").is_file()


def test_a_decorated_function_is_a_fuser_with_options() -> None:
    assert label(weighted(weight=0.25)) == "weighted[weight=0.25]"  # type: ignore[call-arg]
    assert {finding.clause: finding.problem for finding in check(weighted())} == dict.fromkeys(
        (finding.clause for finding in check(weighted())), ""
    )
    with pytest.raises(TypeError, match="its option weight has no default"):
        fuser("other")(lambda a, b, weight: weight * a + b)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: fuse([[0]], MRI, "nsct"), "list is no image; expected a NumPy array, a tensor or a PIL image"),
        (lambda: fuse(CT.astype(int), MRI, "nsct"), "an image is uint8, or floating in .0, 1., not int64"),
        (lambda: fuse(CT * 1.0, MRI, "nsct"), "floating images lie in .0, 1., not from 0 to 255"),
        (lambda: fuse(CT[None], MRI, "nsct"), r"shape \(H, W\) or \(H, W, 3\), this one \(1, 64, 64\)"),
        (lambda: fuse(CT, MRI[:32], "nsct"), "a registered pair has one size"),
        (lambda: fuse(CT, MRI, "nsc"), "no fuser is called 'nsc'"),
        (lambda: fuse(CT, MRI, 3), "3 is no method; expected a label, a fuser, or a function"),  # type: ignore[arg-type]
        (lambda: score(CT, MRI, {"x": CT[:9]}), r"x: \(9, 64\) pixels, but its sources are \(64, 64\)"),
        (lambda: score(CT, MRI, CT, mask="head"), "mask='head': expected an image"),
        (lambda: score(CT, MRI, CT, metrics="SFF"), "no metric or profile is called 'SFF'; did you mean SF"),
        (lambda: compare([(CT, MRI)], "nsct"), "expected a list of methods"),
    ],
)
def test_faults_are_sentences(call: Any, complaint: str) -> None:
    with pytest.raises((TypeError, ValueError), match=complaint):
        call()


def test_the_readme_s_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert [line.split()[0] for line in done.stdout.splitlines()][-3:] == ["wavelet", "nsct", "mine"]


def test_importing_the_door_imports_nothing_else() -> None:
    code = "import sys, fusebench.bench; print([m for m in ('torch', 'numpy', 'pandas') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    )


def test_a_table_of_several_kinds_asks_which() -> None:
    compared = compare({"CT-MRI": [(CT, MRI)], "MRI-CT": [(MRI, CT)]}, ["average"], "SF")
    with pytest.raises(ValueError, match="kind=None: there are CT-MRI, MRI-CT"):
        compared.table()
    assert isinstance(compared.table("MRI-CT"), pd.DataFrame)
