"""The report on timings, from a file as pytest-benchmark writes it, with numbers that can be checked by hand."""

import json
from pathlib import Path
from typing import Any

import performance
import pytest


def timing(seconds: float, **info: Any) -> dict[str, Any]:
    info = {"method": "vgg16, conv1_2", "size": 256, "batch": 1, **info}
    return {"group": info["what"], "stats": {"min": seconds}, "extra_info": info}


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    slow = {"variant": "reference", "curves": [[[1.0, 2.0, 3.0, 4.0], [9.0, 4.0, 2.001, 2.0]]]}
    fast = {"variant": "bounded", "curves": [[[0.5, 1.0], [3.0, 1.9]]]}
    growing = {"what": "growth, a call", "variant": "fusebench", "peak_memory": 3e6}
    benchmarks = [
        timing(4.0, what="a pair", **slow),
        timing(1.0, what="a pair", share_of_peak=0.5, **fast),
        timing(0.25, **growing),
        timing(1.0, **growing | {"size": 512, "peak_memory": 12e6}),
        {"group": None, "stats": {"min": 1.0}, "extra_info": {}},  # a timing of another kind
    ]
    path = tmp_path / "timings.json"
    path.write_text(json.dumps({"benchmarks": benchmarks}))
    return path


def cells(text: str, *beginning: str) -> list[str]:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return next(row for row in rows if row[: len(beginning)] == list(beginning))


def test_the_table_has_ratios_and_the_seconds_to_the_references_loss(measured: Path, tmp_path: Path) -> None:
    written = performance.write(measured, tmp_path / "out")
    assert [path.name for path in written] == ["performance.md", "loss-against-seconds.png", "growth.png"]
    assert all(path.stat().st_size > 0 for path in written)
    text = written[0].read_text()
    assert cells(text, "vgg16, conv1_2", "a pair", "bounded")[3:] == ["256", "1", "1", "4.00", "50%", ""]
    assert cells(text, "vgg16, conv1_2", "growth, a call")[3:] == ["256", "1", "0.25", "", "", "3"]
    # The reference is within 0.2 % of its last loss at 3 s and ends at 4 s; the other is there at 1 s.
    assert cells(text, "vgg16, conv1_2", "reference")[2:] == ["3", "1.33", "1.00", "1.000"]
    assert cells(text, "vgg16, conv1_2", "bounded")[2:] == ["1", "4.00", "3.00", "0.950"]


@pytest.mark.parametrize("content", ["", "[]", '{"benchmarks": [{"group": 1}]}', '{"benchmarks": []}'])
def test_another_file_is_refused_by_name(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ValueError, match=r"x\.json: holds no timings"):
        performance.write(tmp_path / "x.json", tmp_path)
