"""Which pairs are of one case: stated by files, told, or guessed from names that show it; scenes stay scenes."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from fusebench.bench import cli
from fusebench.bench.suite import select
from fusebench.datasets import layouts
from fusebench.datasets.cases import assign
from fusebench.datasets.reading import Reading
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

ATLAS = ["2004", "2005", "2010", "16003", "16004", "28005"]
PATIENTS = ["p1_slice1", "p1_slice2", "p2_slice1", "p2_slice2"]


def cases(names: list[str], rule: str | None = None) -> tuple[list[str | None], list[str]]:
    """Give the cases of a kind's names, and what is said."""
    said: list[str] = []
    return list(assign({"CT-MRI": names}, rule, said.append).values()), said


def save(root: Path, names: list[str], kind: str = "CT-MRI") -> Path:
    for modality in kind.split("-"):
        (root / kind / modality).mkdir(parents=True)
        for n, name in enumerate(names):
            pixels = np.arange(24, dtype=np.uint8).reshape(4, 6) * (9 - n % 9)
            Image.fromarray(pixels).save(root / kind / modality / f"{name}.png")
    return root


def test_names_that_show_case_and_slice_are_read_so_and_that_is_said() -> None:
    found, said = cases(ATLAS)
    assert found == ["2", "2", "2", "16", "16", "28"]
    assert said == ["names read as case and slice (2004 is slice 4 of case 2); --case none if they are not"]
    found, said = cases(PATIENTS)
    assert found == ["p1", "p1", "p2", "p2"]
    assert said == ["names read as case and slice (p1_slice1 is slice 1 of case p1); --case none if they are not"]


def test_twenty_scenes_are_twenty_pairs(tmp_path: Path) -> None:
    said: list[str] = []
    entries = layouts.entries(save(tmp_path, [str(n) for n in range(1001, 1021)]), say=said.append)
    assert {entry.case for entry in entries} == {None}
    assert len(select(entries, None)) == 5
    assert len(select(entries, 20)) == 20
    assert said == [
        "names not read as case and slice, each pair counts by itself; --case atlas if 1001 is slice 1 of case 1"
    ]


@given(st.integers(0, 200_000), st.integers(1, 60))
def test_numbers_that_count_on_are_scenes_wherever_they_begin(start: int, count: int) -> None:
    assert set(cases([str(n) for n in range(start, start + count)])[0]) == {None}


@pytest.mark.parametrize(
    "names",
    [
        ["1001", "1002", "1003", "2001", "2002", "2003"],  # blocks that begin alike
        ["1500", "1731", "2004", "2410"],  # slices beyond any head's
        ["2004", "2005", "16003"],  # only one case of several slices
        [*ATLAS, "brain01"],  # a name that says nothing
        ["p1_slice1", "p1_slice2", "p1_slice3"],  # one patient's, or one of many's
        ["img_slice1", "img_slice2", "brain01"],
    ],
)
def test_what_does_not_convince_is_not_guessed(names: list[str]) -> None:
    assert set(cases(names)[0]) == {None}


def test_a_convincing_kind_speaks_for_its_cases_in_another(tmp_path: Path) -> None:
    save(tmp_path, ATLAS)
    save(tmp_path, ["28005", "28006"], "CT-SPECT")
    save(tmp_path, ["1001", "1002"], "ir-vi")
    save(tmp_path, ["brain01"], "CT-PET")
    found: dict[str, set[str | None]] = {}
    for entry in layouts.entries(tmp_path):
        found.setdefault(entry.kind, set()).add(entry.case)
    assert found == {"CT-MRI": {"2", "16", "28"}, "CT-SPECT": {"28"}, "ir-vi": {None}, "CT-PET": {None}}
    assert {entry.case for entry in layouts.entries(tmp_path / "CT-SPECT")} == {None}
    assert all(entry.read().case == entry.case for entry in layouts.entries(tmp_path))


def test_a_rule_is_obeyed_and_what_it_does_not_fit_is_said() -> None:
    names = ["s1-a", "s1-b", "s2-a", "extra"]
    found, said = cases(names, r"^(?P<case>s\d+)-")
    assert found == ["s1", "s1", "s2", "extra"]
    assert said == [r"--case ^(?P<case>s\d+)-: does not fit 1 of 4 names, such as extra; each is a case of its own"]
    assert cases(["1001", "1002"], "atlas") == (["1", "1"], [])
    assert cases(["img_slice1", "img_slice2"], "slice") == (["img", "img"], [])
    assert cases(ATLAS, "none") == ([None] * 6, [])


def test_slices_of_a_file_are_of_one_case_whatever_the_rule() -> None:
    names = ["p1_t0#0", "p1_t0#1", "p1_t1#0", "p2_t0#0"]
    for rule in (None, "none"):
        assert cases(names, rule) == (["p1_t0", "p1_t0", "p1_t1", "p2_t0"], [])
    assert cases(names, "^(?P<case>p.)_")[0] == ["p1", "p1", "p1", "p2"]
    assert cases(["16012#1", "16012#2", "2004#1", "2004#2"])[0] == ["16012", "16012", "2004", "2004"]


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("(", "--case (: no regular expression"),
        (r"p\d+", "expected an expression with a group (?P<case>...), or a word: atlas, slice, none"),
        ("(?P<case>p1)", "--case (?P<case>p1): fits no name, such as 2004"),
        ("(?P<case>x*)", "--case (?P<case>x*): fits no name, such as 2004"),
    ],
)
def test_a_rule_that_is_no_rule_is_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rule: str,
    complaint: str,
) -> None:
    arguments = ["bench", "classical", "--data", str(save(tmp_path, ATLAS)), "--case", rule]
    monkeypatch.setattr(sys, "argv", ["fusebench", *arguments, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    err = capsys.readouterr().err
    assert complaint in err
    assert err.count("\n") == 1


def test_data_check_shows_the_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["data", "check", str(save(tmp_path, PATIENTS)), "--json"]
    shown = []
    for rule in ([], ["--case", "none"]):
        monkeypatch.setattr(sys, "argv", ["fusebench", *arguments, *rule])
        with pytest.raises(SystemExit):
            cli.main()
        printed = capsys.readouterr()
        shown.append([pair["case"] for pair in json.loads(printed.out)["pairs"]])
        assert ("p1_slice1 is slice 1 of case p1" in printed.err) is (not rule)
    assert shown == [["p1", "p1", "p2", "p2"], [None] * 4]


def test_the_atlas_is_read_as_it_is_named(shared: Path) -> None:
    found: dict[str, set[str | None]] = {}
    for entry in layouts.entries(shared / "data" / "medical"):
        found.setdefault(entry.kind, set()).add(entry.case)
    assert found == {
        "CT-MRI": {"2", "16", "21", "28", "34"},
        "CT-PET": {None},
        "CT-SPECT": {"21"},
        "PET-MRI": {"25", "30"},
        "SPECT-MRI": {"3", "9", "18", "21", "28", "36"},
    }
    assert {entry.case for entry in layouts.entries(shared / "cases" / "layout" / "patient")} == {"p1", "p2"}
    told = Reading(case="none")
    assert {entry.case for entry in layouts.entries(shared / "cases" / "layout" / "patient", told)} == {None}
