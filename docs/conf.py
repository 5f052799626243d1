"""The site, `make docs`. Pages of fusers and metrics are made from the code before (`tools/site_pages.py`)."""

import sys
from pathlib import Path
from typing import Any

from docutils.nodes import SkipNode, math, math_block
from latex2mathml.converter import convert
from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tools"))

import site_pages  # noqa: E402  it lies in the folder that was just added

project = "fusebench"
author = "The fusebench developers"
copyright = "2026, the fusebench developers"  # noqa: A001  Sphinx's name for it
extensions = ["myst_parser"]
exclude_patterns = ["generated/door.md"]  # included by another page
myst_heading_anchors = 3
html_theme = "pydata_sphinx_theme"
html_title = "fusebench"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_math_renderer = "mathml"


def _inline(self: Any, node: math) -> None:
    self.body.append(convert(node.astext()))
    raise SkipNode


def _block(self: Any, node: math_block) -> None:
    self.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise SkipNode


def setup(app: Sphinx) -> None:
    """Set formulas as MathML, which browsers show without a script from elsewhere, and write the pages of the code."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    site_pages.write(HERE / "generated")
