"""What is installed: the wheel holds fusebench and nothing else; what the documents say is so."""

import ast
import doctest
import importlib
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from fusebench.fusers.catalogue import FUSERS
from fusebench.metrics.catalogue import METRICS

ROOT = Path(__file__).parent.parent
PACKAGES = ("datasets", "fusers", "metrics", "bench", "reports")
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
MODULES = [".".join(("fusebench", *f.relative_to(ROOT).with_suffix("").parts)) for f in FILES if f.stem != "__init__"]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


def test_the_wheel_holds_the_packages_and_nothing_else(tmp_path: Path) -> None:
    # Of a copy: setuptools would take files of an earlier build that have moved since.
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", *PACKAGES):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copy / name)
    # --no-build-isolation: the tests run without the network.
    build = ["pip", "wheel", str(copy), "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, "-m", *build], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    inside = [name for name in names if ".dist-info/" not in name]
    assert inside
    assert all(re.fullmatch(rf"fusebench/({'|'.join(PACKAGES)})/(\w+/)*\w+\.\w+", name) for name in inside)
    sources = {f"fusebench/{file.relative_to(ROOT).as_posix()}" for file in FILES}
    assert sources == {name for name in inside if name.endswith(".py")}


def test_every_import_points_the_way_the_house_is_built() -> None:
    # Place -> what modules in it may import; of two places the inner one counts. docs/adr/0001.
    allowed = {
        "datasets": ("fusebench.datasets",),
        "metrics": ("fusebench.metrics", "fusebench.datasets.colour"),
        "fusers": ("fusebench.fusers", "fusebench.datasets.colour"),
        "bench": ("fusebench.bench", "fusebench.datasets", "fusebench.fusers", "fusebench.metrics"),
        "bench/cli": ("fusebench",),  # the command line is where run and report meet
        "reports": ("fusebench.reports",),
        "reports/results.py": ("fusebench.bench.engine.store",),  # it alone reads what a run wrote
    }
    for file in FILES:
        folder = max((name for name in allowed if ROOT / name in (file, *file.parents)), key=len)
        wrong = [
            name for name in imports(file) if not f"{name}.".startswith(tuple(f"{may}." for may in allowed[folder]))
        ]
        assert not wrong, file


def imports(file: Path) -> set[str]:
    """Name what a file imports of fusebench, each module or what is taken from it by its full name."""
    nodes = [*ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {f"{n.module}.{alias.name}" for n in nodes if isinstance(n, ast.ImportFrom) for alias in n.names}
    return {name for name in found if name.startswith("fusebench")}


def test_a_runs_folder_is_known_without_another_library() -> None:
    script = "import sys; before = {*sys.modules}; import fusebench.bench.engine.store\n"
    script += "new = {name.partition('.')[0] for name in {*sys.modules} - before}\n"
    script += "assert new <= {'fusebench', *sys.stdlib_module_names}, new"
    subprocess.run([sys.executable, "-P", "-c", script], check=True)


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        *(f"docs/adr/{n}" for n in sorted(p.name for p in (ROOT / "docs/adr").glob("*.md"))),
    ],
)
def test_links_in_documents_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_the_pinned_versions_cover_what_is_installed_directly() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text[text.index("dependencies = [") : text.index("[project.scripts]")]
    wanted = {
        re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r'^\s+"([A-Za-z][\w.-]*)', block, re.MULTILINE)
    }
    pinned = {
        re.sub(r"[-_.]+", "-", line.split("==")[0]).lower()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    assert wanted <= pinned


def test_every_record_and_fuser_is_documented() -> None:
    for metric in METRICS:
        assert metric.source
        assert metric.digits >= 0
    assert len({metric.label for metric in METRICS}) == len(METRICS)
    assert len({cls.name for cls in FUSERS}) == len(FUSERS)
    assert all(cls.__doc__ for cls in FUSERS)
