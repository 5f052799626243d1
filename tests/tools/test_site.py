"""The site: the tour's commands run as printed, docstrings become Markdown, formulas become MathML."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numpydoc", reason="the site's packages are an extra, fusebench[docs]")

from fusebench.fusers.catalogue import COLOUR, FUSERS
from fusebench.metrics import chroma
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.contrast import SD
from latex2mathml.converter import convert
from site_pages import _fuser, _metric, documented, escaped

DOCS = Path(__file__).parents[2] / "docs"


def test_the_tour_runs_as_it_is_printed(tmp_path: Path) -> None:
    text = (DOCS / "tour.md").read_text(encoding="utf-8")
    (mine,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "mine.py").write_text(mine)
    commands = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
    assert len(commands) > 4
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": places, "OMP_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "1"}
    printed = {}
    for command in commands:
        done = subprocess.run(
            command.split(), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        printed[command.split()[1]] = done.stdout
    # What the text says of them.
    assert any(line.startswith("| brighter") for line in printed["bench"].splitlines())
    trivial = [line for line in printed["bench"].splitlines() if line.startswith("| (")]
    assert any("**" in line.split("|")[4] for line in trivial)  # SSIM is won by one of them
    assert "SF" in printed["explain"]
    assert "FAILED" not in printed["test-fuser"]
    assert (tmp_path / "tour" / "report.html").is_file()


@pytest.mark.parametrize("metric", [m for m in (*METRICS, *chroma.RECORDS) if not m.variant], ids=lambda m: m.label)
def test_every_definition_has_a_formula_that_can_be_set(metric: object) -> None:
    formula = metric.formula  # type: ignore[attr-defined]
    assert formula
    found = convert(formula, display="block")
    assert found.startswith("<math")
    # A command that the converter does not know would stand there as text.
    assert "\\" not in found


def test_a_docstring_becomes_markdown() -> None:
    def example(x: int) -> int:
        """Give |x|, as a_b * c.

        Parameters
        ----------
        x
            A number; `code_is_kept`.

        Examples
        --------
        >>> example(-1)
        1
        """
        return abs(x)

    assert documented(example) == (
        "Give \\|x\\|, as a\\_b \\* c.\n\n**Parameters**\n\n- `x`: A number; `code_is_kept`.\n\n"
        "**Examples**\n\n```python\n>>> example(-1)\n1\n```"
    )
    assert escaped("[x] <y> `[x]`") == "\\[x\\] \\<y\\> `[x]`"


def test_every_fuser_and_metric_has_a_page_with_its_facts() -> None:
    for cls in (*FUSERS, *COLOUR):
        page = _fuser(cls)
        assert page.startswith(f"# {cls.name}\n")
        assert str(getattr(cls, "reference", "")).split(",")[0] in page
    for metric in METRICS:
        page = _metric(metric)
        assert page.startswith(f"# {metric.label}\n")
        assert escaped(metric.source) in page
    assert "```{math}" in _metric(SD)
