"""The numbers of docs/ come from the code."""

import dataclasses
import re
from dataclasses import replace
from pathlib import Path

import pytest
import readme
from fusebench.bench.colour import colour
from fusebench.bench.engine import run
from fusebench.bench.paper import paper
from fusebench.bench.suite import Table
from fusebench.datasets import phantom
from fusebench.fusers.catalogue import TRIVIAL
from fusebench.fusers.pixel.trivial import Average
from fusebench.metrics.spatial_frequency import SF
from fusebench.reports import tables
from fusebench.reports.results import read

DOCS = Path(__file__).parents[2] / "docs"


def rows(text: str) -> dict[tuple[str, str], list[str]]:
    """Give the cells of every table row, without the marks of the best."""
    found = {}
    for table in text.split("### ")[1:]:
        for line in table.splitlines():
            if line.startswith("| "):
                name, *cells = (cell.strip(" *_") for cell in line.strip("|").split("|"))
                found[table.splitlines()[0], name] = cells
    return found


def test_its_tables_hold_what_the_code_computes(tmp_path: Path) -> None:
    shown = rows((DOCS / "tables.md").read_text(encoding="utf-8"))
    # Not those of L-BFGS, which take minutes and differ in the last digits between processors.
    methods = {"wavelet", "contourlet", "nsct", "cnn"}
    suite = {
        name: dataclasses.replace(
            table,
            fusers=tuple(f for f in table.fusers if f.name in methods or isinstance(f, TRIVIAL)),
            metrics=table.shown,
        )
        for name, table in paper(phantom.entries()).items()
    }
    run.run(suite, tmp_path, name="paper")
    computed = rows("".join(tables.printed(read(tmp_path), facts=False)))
    assert len(computed) > 20
    assert {key: shown.get(key) for key in computed} == computed
    # And every layer has its rows, by the protocol and bounded.
    vgg16 = {name for title, name in shown if title.startswith("Table 1") and name.startswith("VGG16 + L-BFGS")}
    assert len(vgg16) == 26


def test_the_tables_go_between_the_marks_and_nowhere_else(tmp_path: Path) -> None:
    table = Table("One", (Average(),), phantom.entries(["CT-MRI"], 16)[:1], (SF,))
    run.run({"table1": table}, tmp_path, name="paper")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "figure8.png").write_bytes(b"picture")
    page = tmp_path / "tables.md"
    begin, end = "<!-- tables of `make bench`: written by `make readme` -->", "<!-- end of tables of `make bench` -->"
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    readme.write(tmp_path, page)
    (text,) = tables.printed(read(tmp_path), facts=False)
    assert page.read_text() == f"before\n{begin}\n\n{text}\n{end}\nafter\n"
    assert (tmp_path / readme.PICTURE).read_bytes() == b"picture"
    with pytest.raises(ValueError, match="published"):
        readme.write_real(tmp_path, page)
    page.write_text("no marks")
    with pytest.raises(ValueError, match="expected once"):
        readme.write(tmp_path, page)


def test_every_command_it_shows_exists() -> None:
    from fusebench.bench.cli.app import commands as registered

    commands = {command.name for command in (*registered.registered_commands, *registered.registered_groups)}
    shown = set(
        re.findall(r"^    fusebench ([\w-]+)", (DOCS / "commands.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert shown == commands


MARKED = "tables of the suite colour"


def test_the_tables_of_colour_go_into_their_page(tmp_path: Path) -> None:
    (table,) = colour(phantom.coloured(["SPECT-MRI"], 64)[50:51]).values()
    cheap = tuple(fuser for fuser in table.fusers if not fuser.name.startswith("vgg16"))
    run.run({"table4": replace(table, fusers=cheap, metrics=table.shown)}, tmp_path, name="colour")
    page = tmp_path / "colour.md"
    begin, end = (f"<!-- {t} -->" for t in (f"{MARKED}: written by `make colour`", f"end of {MARKED}"))
    page.write_text(f"before\n{begin}\n{end}\nafter\n")
    readme.write_colour(tmp_path, page)
    (text,) = tables.printed(read(tmp_path), facts=False)
    assert page.read_text() == f"before\n{begin}\n\n{text}\n{end}\nafter\n"
    assert page.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
