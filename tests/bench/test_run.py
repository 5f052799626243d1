"""From a suite to files: what is written is what was scored, and nothing is done twice."""

import csv
import json
import math
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import pytest
import torch
from fusebench.bench.engine import plan as planning
from fusebench.bench.engine import run, store
from fusebench.bench.engine.plan import make_plan, read_pairs
from fusebench.bench.engine.work import Row, Task, fuse, pixels_sha256, quantise, work
from fusebench.bench.external import External
from fusebench.bench.gate.record import smoke
from fusebench.bench.paper import COMPARED, paper
from fusebench.bench.provenance import Request
from fusebench.bench.suite import Suite, Table, select
from fusebench.datasets import image, phantom
from fusebench.datasets.pair import Entry, Pair
from fusebench.datasets.reading import Reading, parse_windows
from fusebench.fusers.base import label
from fusebench.fusers.catalogue import COLOUR, FUSERS, TRIVIAL, named
from fusebench.fusers.feature.gff import GFF
from fusebench.fusers.neural.vgg16 import VGG16LBFGS, Trace
from fusebench.fusers.neural.vgg16_weights import LAYERS
from fusebench.fusers.pixel.sr import SR
from fusebench.fusers.pixel.trivial import Average, Maximum
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics import chroma, uptake
from fusebench.metrics.base import scaled
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.mutual_information import EN, MI, entropy
from fusebench.metrics.spatial_frequency import SF
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

# pytest rewrites the fusers of this module, which is then not what its file says.
pytestmark = pytest.mark.filterwarnings("ignore:counting. no file has the code that runs")


def entry(name: str, size: tuple[int, int] = (8, 8), kind: str = "CT-MRI", case: str | None = None) -> Entry:
    noise = torch.Generator().manual_seed(len(name))
    a, b = torch.rand(2, *size, generator=noise)
    case = case or name
    return Entry(kind, name, case, lambda: Pair(a, b, kind, name, case, chromas=(None, torch.full((2, *size), 0.1))))


def test_what_is_written_is_what_is_scored(tmp_path: Path) -> None:
    suite = {"table1": Table("x", (Average(), Maximum()), (entry("p"), entry("qq")), METRICS)}
    run.run(suite, tmp_path, name="x")
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert len(rows) == 2 * 2 * len(METRICS)
    for row in rows:
        pair = next(e for e in suite["table1"].entries if e.name == row["pair"]).read()
        fused = image.read(tmp_path / "fused" / "CT-MRI" / row["fuser"] / f"{row['pair']}.png")[0]
        metric = next(m for m in METRICS if m.label == row["metric"])
        triple = (quantise(x)[None] for x in (pair.a, pair.b, fused))
        # Another number of threads may sum in another order; metrics whose windows do not fit are NaN.
        assert metric(*triple).item() == pytest.approx(float(row["score"]), rel=1e-12, nan_ok=True)
    colour = image.read(tmp_path / "colour" / "CT-MRI" / "average" / "p.png")
    assert colour[1] is not None


def test_no_score_is_minus_nought(tmp_path: Path) -> None:
    black = torch.zeros(8, 8)
    flat = Entry("CT-MRI", "flat", None, lambda: Pair(black, black, "CT-MRI", "flat", None))
    below = replace(SF, name="below", map=partial(scaled, metric=SF.map, factor=-1.0))
    run.run({"table1": Table("x", (Average(),), (flat,), (EN, below))}, tmp_path, name="x")
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert {row["metric"]: row["score"] for row in rows} == {"EN": "0.0", "below": "0.0"}
    assert str(entropy(torch.zeros(1, 8, 8)).item()) == "0.0"


def test_run_json_says_what_was_run(tmp_path: Path) -> None:
    run.run({"table1": Table("x", (Average(),), (entry("p"),), (SF,))}, tmp_path, name="x")
    description = json.loads((tmp_path / "run.json").read_text())
    assert description["pairs"]["CT-MRI"]["p"]["size"] == [8, 8]
    assert len(description["pairs"]["CT-MRI"]["p"]["sha256"]) == 64
    assert {"torch", "numpy", "fusebench"} <= description["versions"].keys()
    assert description["weights"] == {}
    assert description["schema"] == 3
    (fuser,) = description["tables"]["table1"]["fusers"]
    assert (fuser["class"], fuser["options"]) == ("fusebench.fusers.pixel.trivial:Average", {})
    (metric,) = description["tables"]["table1"]["metrics"]
    assert (metric["name"], metric["convention"], metric["source"]) == (SF.name, SF.convention, SF.source)


MINE = """
from dataclasses import dataclass, field
from typing import ClassVar
from fusebench.fusers.base import NEVER_SHOWN

@dataclass(frozen=True)
class Mine:
    name: ClassVar[str] = "mine"
    strength: float = 0.5
    sizes: tuple[int, ...] = (2, 3)
    folder: str = field(default="/secret", metadata=NEVER_SHOWN)

    def __call__(self, a, b):
        return a
"""


def test_run_json_is_enough_to_run_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "ourmethods.py").write_text(MINE)
    (tmp_path / "ourmethods-1.5.dist-info").mkdir()
    for file, text in (
        ("METADATA", "Metadata-Version: 2.1\nName: my-methods\nVersion: 1.5\n"),
        ("entry_points.txt", "[fusebench.fusers]\nmine = ourmethods:Mine\n"),
    ):
        (tmp_path / "ourmethods-1.5.dist-info" / file).write_text(text)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x"]
    for command in (["init", "-q"], ["add", "ourmethods.py"], ["commit", "-qm", "mine"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    mine = named("ourmethods:Mine")
    windows = parse_windows(["CT=40,80", "MRI=auto"])
    request = Request("/data", 3, Reading(windows, "coronal", "cubic", "atlas-pet"), "/theirs", ("fusebench", "bench"))
    published = MappingProxyType({"mine": MappingProxyType({"SF": np.float32(0.5)})})
    suite = {"table1": Table("x", (mine(),), (entry("p"),), (SF,), published)}
    run.run(suite, tmp_path / "out", name="ourmethods:SUITE", request=request)
    description = json.loads((tmp_path / "out" / "run.json").read_text())
    assert description["request"] == {
        "data": "/data",
        "pairs": 3,
        "reading": {
            "windows": {"CT": [0, 80, ""], "MRI": "auto"},
            "axis": "coronal",
            "interpolation": "cubic",
            "table": "atlas-pet",
            "case": None,
            "volume": None,
            "nan_background": False,
            "orientation": "radiological",
        },
        "external": "/theirs",
        "command": ["fusebench", "bench"],
    }
    assert [
        {fact: value for fact, value in row.items() if fact not in {"title", "parameters"}}
        for row in description["tables"]["table1"]["fusers"]
    ] == [
        {"label": "mine", "trivial": False, "class": "ourmethods:Mine", "options": {"strength": 0.5, "sizes": [2, 3]}}
    ]
    assert description["tables"]["table1"]["published"] == {"mine": {"SF": 0.5}}
    state = {"commit": head, "distribution": "my-methods", "version": "1.5"}
    assert description["others"] == {"ourmethods": state}
    (tmp_path / "another.py").write_text("")
    run.run(suite, tmp_path / "out", name="ourmethods:SUITE", request=request)
    description = json.loads((tmp_path / "out" / "run.json").read_text())
    assert description["others"] == {"ourmethods": {**state, "commit": f"{head}+"}}
    assert description["suite"] == "ourmethods:SUITE"
    sys.modules.pop("ourmethods")


@dataclass(frozen=True)
class Counting:
    """Counts the pairs it fuses and the sizes of its batches."""

    name: ClassVar[str] = "counting"
    batches: ClassVar[list[tuple[int, ...]]] = []

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        self.batches.append(tuple(a.shape))
        return (a + b) / 2


def test_a_pair_is_fused_alone_and_nothing_twice(tmp_path: Path) -> None:
    Counting.batches.clear()
    entries = (entry("p"), entry("qq", (8, 6)), entry("rrr"))
    suite = {
        "table1": Table("x", (Counting(),), entries[:1], (SF,)),
        "table2": Table("y", (Counting(),), entries, (MI,)),
    }
    run.run(suite, tmp_path, name="x")
    # But for one pair: whether a fuser from elsewhere gives the same again is seen there.
    assert Counter(Counting.batches) == {(1, 8, 8): 3, (1, 8, 6): 1}
    # A pair is scored by the metrics of every table it stands in, and by no others.
    rows = (tmp_path / "scores.csv").read_text().splitlines()[1:]
    assert [tuple(row.split(",")[3:6:2]) for row in rows] == [("p", "MI"), ("p", "SF"), ("qq", "MI"), ("rrr", "MI")]


@pytest.mark.parametrize(
    "result", [torch.zeros(1, 8, 7), torch.full((1, 8, 8), torch.nan), torch.zeros(1, 8, 8, dtype=torch.uint8)]
)
def test_a_fuser_that_breaks_its_contract_is_named(result: Tensor) -> None:
    @dataclass(frozen=True)
    class Broken:
        name: ClassVar[str] = "broken"

        def __call__(self, a: Tensor, b: Tensor) -> Tensor:
            del a, b
            return result

    with pytest.raises(ValueError, match=r"^broken returned"):
        fuse(Broken(), Pair(torch.zeros(8, 8), torch.zeros(8, 8), "CT-MRI", "2012", None))


def test_bad_data_costs_no_work(tmp_path: Path) -> None:
    def bad() -> Pair:
        raise ValueError("bad.png: damaged")

    Counting.batches.clear()
    suite = {"t": Table("x", (Counting(),), (entry("p"), Entry("CT-MRI", "bad", "bad", bad)), (SF,))}
    with pytest.raises(ValueError, match=r"bad.png"):
        run.run(suite, tmp_path, name="x")
    assert Counting.batches == []


def test_a_trace_that_is_no_image_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nan = Trace(torch.full((8, 8), torch.nan), (1.0,), (1,))
    monkeypatch.setattr(VGG16LBFGS, "traces", lambda *_: [nan])
    (failure,) = run.run({"t": Table("x", (VGG16LBFGS(),), (entry("p"),), (SF,))}, tmp_path, name="x").failures
    assert failure[:3] == ("CT-MRI", "p", "vgg16[layer=conv1_2]")
    assert failure.reason.endswith("returned NaN or infinite pixels")


def test_a_pair_too_small_for_a_fuser_is_named_before_the_work(tmp_path: Path) -> None:
    Counting.batches.clear()
    suite = {"t": Table("x", (Counting(), VGG16LBFGS(layer="conv5_1")), (entry("p"),), (SF,))}
    with pytest.raises(ValueError, match=r"CT-MRI/p: 8 x 8 pixels; vgg16\[layer=conv5_1\] needs at least 16 x 16"):
        run.run(suite, tmp_path, name="x")
    assert Counting.batches == []


def test_a_slow_fuser_is_handed_out_by_itself_after_what_fusers_share() -> None:
    suite = {"t": Table("x", (Average(), SR(), GFF(), Counting()), (entry("p"), entry("qq")), (SF,))}
    tasks = make_plan(suite, read_pairs(suite, lambda *_: None), "cpu", None).tasks
    assert [(task.entries[0].name, [label(row.fuser) for row in task.rows]) for task in tasks] == [
        ("p", ["average", "gff"]),
        ("qq", ["average", "gff"]),
        ("p", ["sr"]),
        ("qq", ["sr"]),
        ("p", ["counting"]),
        ("qq", ["counting"]),
    ]


def test_pairs_of_one_size_share_a_batch_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = (entry("p"), entry("qq", (8, 6)), entry("rrr"), entry("ssss"))
    suite = {
        "table1": Table("x", (Average(), Counting()), entries[:1], (SF,)),
        "table2": Table("y", (Average(), Counting()), entries, (MI,)),
    }
    seen = read_pairs(suite, lambda *_: None)
    plan = make_plan(suite, seen, "cuda", None)
    batches = [([e.name for e in task.entries], [label(row.fuser) for row in task.rows]) for task in plan.tasks]
    # p is scored by SF too, so it goes alone.
    assert batches == [
        (["p"], ["average"]),
        (["p"], ["counting"]),
        (["rrr", "ssss"], ["average"]),
        (["qq"], ["average"]),
        (["rrr", "ssss"], ["counting"]),
        (["qq"], ["counting"]),
    ]
    # So do pairs whose batch would be too large.
    monkeypatch.setattr(planning, "BATCH_PIXELS", 64)
    assert max(len(task.entries) for task in make_plan(suite, seen, "cuda", None).tasks) == 1
    monkeypatch.undo()
    # What is fused together belongs to the key, and so does the kind of device.
    alone = make_plan({"table2": replace(suite["table2"], entries=entries[2:3])}, seen, "cuda", None)
    name = ("CT-MRI", "rrr", "average")
    assert alone.items[name].key != plan.items[name].key
    assert make_plan(suite, seen, "cpu", None).items[name].key != plan.items[name].key


def test_a_batch_gives_what_its_pairs_give() -> None:
    entries = (entry("rrr"), entry("ssss"))
    digests = tuple(pixels_sha256(e.read()) for e in entries)
    rows = (
        Row(Average(), (SF, MI)),
        Row(Counting(), (MI,)),
        Row(VGG16LBFGS(rounds=1, iterations=1, precision="float64"), (SF,)),
    )
    together = work(Task(entries, digests, rows))
    # The images that are there are scored as they were when they came.
    fused = [tuple(o.fused for o in together if o.fuser == label(row.fuser)) for row in rows]
    again = work(Task(entries, digests, tuple(row._replace(fused=f) for row, f in zip(rows, fused, strict=True))))
    assert [(o[:3], o.scores) for o in again] == [(o[:3], o.scores) for o in together]
    assert {(o.fused, o.colour) for o in again} == {(b"", None)}
    alone = [work(Task((e,), (digest,), rows)) for e, digest in zip(entries, digests, strict=True)]
    assert [(o.pair, o.fuser) for o in together] == [(e.name, label(row.fuser)) for row in rows for e in entries]
    for one in (outcome for outcomes in alone for outcome in outcomes):
        (other,) = [o for o in together if (o.pair, o.fuser) == (one.pair, one.fuser)]
        assert (other.fused, other.colour, other.losses) == (one.fused, one.colour, one.losses)
        assert other.scores == pytest.approx(one.scores, rel=1e-12)


@dataclass(frozen=True)
class Impostor:
    """Is called as another fuser is, or as it is told."""

    name: ClassVar[str] = "average"
    folder: str = ""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        del b
        return a


@pytest.mark.parametrize(
    ("fuser", "complaint"), [(Impostor(), "two different fusers are called average"), (Impostor("../x"), "no slash")]
)
def test_a_label_that_cannot_name_a_row_is_refused(tmp_path: Path, fuser: Impostor, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        run.run({"t": Table("x", (Average(), fuser), (entry("p"),), (SF,))}, tmp_path, name="x")


def test_a_run_replaces_the_last_one_when_it_is_whole_and_not_before(tmp_path: Path) -> None:
    def broken() -> Pair:
        raise ValueError("bad.png: damaged")

    run.run({"t": Table("x", (Average(), Maximum()), (entry("p"),), (SF,))}, tmp_path, name="x")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "tables").mkdir()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="damaged"):
        run.run({"t": Table("x", (Average(),), (Entry("k", "bad", "bad", broken),), (SF,))}, tmp_path, name="x")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    run.run({"t": Table("x", (Average(),), (entry("qq"),), (SF,))}, tmp_path, name="x")
    assert sorted(path.name for path in (tmp_path / "fused" / "CT-MRI").rglob("*.png")) == ["qq.png"]
    assert not (tmp_path / "tables").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_with_somebody_elses_tables_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    with pytest.raises(ValueError, match="tables: would be replaced, but no run"):
        run.run({"t": Table("x", (Average(),), (entry("p"),), (SF,))}, tmp_path, name="x")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        run.run({"t": Table("x", (Average(),), (entry("p"),), (SF,))}, tmp_path / "file", name="x")


def test_quantisation_clips_and_rounds_half_to_even() -> None:
    x = torch.tensor([-0.1, 0.5 / 255, 1.5 / 255, 0.999, 1.2], dtype=torch.float64)
    assert quantise(x).tolist() == [0, 0, 2, 255, 255]


def test_the_paper_suite_is_the_papers() -> None:
    suite = paper(phantom.entries(), published=True)
    assert list(suite) == ["table1", "table2", "table3", "table4"]
    rows = [f"vgg16[layer={layer}{solver}]" for solver in (",solver=protocol", "") for layer in LAYERS]
    assert [label(f) for f in suite["table1"].fusers][len(TRIVIAL) :] == rows
    for name, kind in (("table2", "CT-MRI"), ("table3", "CT-PET"), ("table4", "SPECT-MRI")):
        assert {e.kind for e in suite[name].entries} == {kind}
        assert suite[name].fusers == (*(cls() for cls in TRIVIAL), *COMPARED)
    assert len(suite["table1"].entries) == 1
    # What was printed stands under labels and metrics that exist.
    for table in suite.values():
        fusers = {label(f) for f in table.fusers}
        assert set(table.published) & fusers
        assert all(set(scores) == {"SF", "MI", "M"} for scores in table.published.values())


def test_published_numbers_are_the_papers(shared: Path) -> None:
    printed = json.loads((shared / "oracles" / "published_tables.json").read_text())
    suite = paper(phantom.entries(), published=True)
    for metric, column in printed["table1_per_layer"].items():
        for layer, value in column.items():
            assert suite["table1"].published[f"vgg16[layer={layer},solver=protocol]"][metric] == value
    for name, key in (("table2", "table2_CT_MRI"), ("table3", "table3_CT_PET"), ("table4", "table4_SPECT_MRI")):
        for metric, column in printed[key].items():
            for method, value in column.items():
                row = {"lbfgs": "vgg16[layer=conv1_2,solver=protocol]", "cnn": "cnn[weights=published]"}.get(
                    method, method
                )
                assert suite[name].published[row][metric] == value
        # Printed of a network with its authors' weights, which ours are not.
        assert "cnn" not in suite[name].published


def kinds(*names: str) -> list[Entry]:
    return [entry(f"{n}", kind=name) for name in names for n in range(2)]


def test_other_kinds_get_tables_behind_the_papers() -> None:
    suite = paper(kinds("CT-SPECT", "MRI-CT", "PET-MRI"))
    assert list(suite) == ["table1", "table2", "table5", "table6"]
    assert [suite[t].entries[0].kind for t in suite] == ["MRI-CT", "MRI-CT", "CT-SPECT", "PET-MRI"]
    assert suite["table5"].published == {}


def test_published_layers_stand_beside_ct_mri_only() -> None:
    assert paper(kinds("SPECT-MRI"), published=True)["table1"].published == {}
    assert paper(kinds("MRI-CT"), published=True)["table1"].published != {}
    assert paper(kinds("MRI-CT"))["table1"].published == {}
    with pytest.raises(ValueError, match="MRI-CT and CT-MRI are one kind"):
        paper(kinds("CT-MRI", "MRI-CT"))


def test_data_without_the_papers_kinds_still_gives_tables() -> None:
    assert list(paper(kinds("ir-vi"))) == ["table1", "table5"]
    with pytest.raises(ValueError, match="no pairs"):
        paper([])


def test_without_a_number_the_middle_slice_of_five_cases() -> None:
    entries = [entry(f"{case}{n:03d}", case=str(case)) for case in range(7) for n in range(case + 1)]
    assert [(e.case, e.name[-3:]) for e in select(entries, None)] == [
        ("0", "000"),
        ("1", "001"),
        ("2", "001"),
        ("3", "002"),
        ("4", "002"),
    ]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(1, 30))
def test_a_number_spreads_over_the_cases(sizes: list[int], pairs: int) -> None:
    entries = [entry(f"{case}-{n}", case=str(case)) for case, size in enumerate(sizes) for n in range(size)]
    chosen = select(entries, pairs)
    assert len(chosen) == min(pairs, len(entries))
    assert len({e.case for e in chosen}) == min(pairs, len(sizes))
    assert [entries.index(e) for e in chosen] == sorted(entries.index(e) for e in chosen)


def test_the_smoke_suite_holds_every_fuser_layer_and_metric() -> None:
    suite: Suite = smoke()
    fusers = [fuser for table in suite.values() for fuser in table.fusers]
    assert {type(f) for f in fusers} == {*FUSERS, *COLOUR}
    assert {f.layer for f in fusers if hasattr(f, "layer")} == set(LAYERS)
    metrics = {metric for table in suite.values() for metric in table.metrics}
    of_colour = {*chroma.RECORDS, *uptake.records("atlas-pet"), *uptake.records("atlas-spect")}
    assert metrics == {*METRICS, *of_colour}
    assert {e.kind for table in suite.values() for e in table.entries} == {
        *phantom.KINDS,
        "PET-MRI",
        "MRI-PET",
        "MRI-SPECT",
    }
    # A pair's key says nothing of its size, so no pair stands in two sizes.
    keys = [(e.kind, e.name) for table in suite.values() for e in dict.fromkeys(table.entries)]
    assert len({e for table in suite.values() for e in table.entries}) == len(set(keys))


def test_seconds_are_kept_of_each_item_and_beyond_a_second_run(tmp_path: Path) -> None:
    table = Table("x", (Average(), Wavelet()), (entry("p"), entry("q")), (SF,))
    run.run({"t": table}, tmp_path, name="x")
    first = store.read_rows(tmp_path / "seconds.csv", store.Seconds)
    assert [row[:3] for row in first] == [("CT-MRI", p, f) for p in ("p", "q") for f in ("average", "wavelet")]
    assert all(0 < row.fuse < 60 and 0 < row.score < 60 for row in first)
    # Another metric costs scoring: the fuser's seconds stay, those of scoring are added up.
    run.run({"t": replace(table, metrics=(SF, MI))}, tmp_path, name="x")
    second = store.read_rows(tmp_path / "seconds.csv", store.Seconds)
    assert [row.fuse for row in second] == [row.fuse for row in first]
    assert all(new.score > old.score for new, old in zip(second, first, strict=True))


def test_no_fuser_took_the_seconds_of_an_image_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    image.write(torch.zeros(8, 8, dtype=torch.uint8), tmp_path / "theirs" / "p.png")
    external = External("theirs", (("CT-MRI", tmp_path / "theirs"),))
    run.run({"t": Table("x", (external,), (entry("p"),), (SF,))}, tmp_path / "out", name="x")
    (row,) = store.read_rows(tmp_path / "out" / "seconds.csv", store.Seconds)
    assert math.isnan(row.fuse)
    assert row.score > 0
