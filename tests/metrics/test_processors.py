"""Witness: what the same program scores under each instruction set and number of threads that this processor has."""

import re
from pathlib import Path

import pytest
from fusebench.datasets import phantom
from fusebench.metrics.catalogue import METRICS
from processor_paths import PATHS
from processors import LISTED, Scored, everything, images, largest, scored, synthetic, too_large

PAGE = Path(__file__).parents[2] / "docs" / "processors.md"


def test_no_default_metric_may_rest_on_rounding() -> None:
    assert {metric.label for metric in METRICS if not metric.variant and metric.rounding != 1e-9} == set()


def test_scores_are_the_same_on_an_old_processor(tmp_path: Path) -> None:
    triples = [*synthetic([20], 64), images(phantom.pair("PET-MRI", 20))]
    here, oldest = (scored(triples, path, tmp_path) for path in ({}, PATHS["oldest"]))
    assert (oldest.capability, oldest.threads) == ("DEFAULT", 1)
    assert too_large(largest(here, {"oldest": oldest})) == {}


def test_a_change_beyond_rounding_is_seen() -> None:
    before = Scored("", 1, [{"SF": [1.0, 200.0], "MI": [0.0, 3.0]}, {"SF": [5.0], "MI": [float("nan")]}])
    after = Scored("", 1, [{"SF": [1.0, 200.0 + 1e-6], "MI": [1e-13, 3.0]}, {"SF": [5.0], "MI": [float("nan")]}])
    undefined = Scored("", 1, [before.scores[0], {"SF": [5.0], "MI": [1.0]}])
    changes = largest(before, {"one": before, "other": after})
    assert changes["SF"] == (pytest.approx(5e-9), "other")
    assert changes["MI"] == (pytest.approx(1e-10), "other")
    assert list(too_large(changes)) == ["SF"]
    assert largest(before, {"third": undefined})["MI"] == (float("inf"), "third")


@pytest.mark.slow
def test_scores_are_the_same_under_every_path(tmp_path: Path) -> None:
    triples = everything()
    here = scored(triples, {}, tmp_path)
    found = {name: scored(triples, path, tmp_path) for name, path in PATHS.items()}
    assert found["two threads"].threads == 2
    assert too_large(largest(here, found)) == {}


def test_the_page_lists_what_the_records_state() -> None:
    listed = re.findall(r"^\| (\S+) \| (\S+) \| (\S+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    stated = {metric.label: metric.rounding for metric in METRICS}
    assert {label for label, rounding in stated.items() if rounding > 1e-9} <= {label for label, *_ in listed}
    for label, rounding, size in listed:
        assert float(rounding) == stated[label], label
        assert LISTED < float(size) <= stated[label], label
