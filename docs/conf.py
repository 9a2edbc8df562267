"""Sphinx settings; the pages are Markdown, the bibliography is the package's own."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from reference_pages import write_pages  # noqa: E402

project = "cellula"
author = "The cellula maintainers"
copyright = "2026, The cellula maintainers"
version = release = installed("cellula")

extensions = ["myst_parser", "sphinxcontrib.bibtex"]
bibtex_bibfiles = ["../src/cellula/references.bib"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "cellula"
html_show_sourcelink = False

write_pages(HERE / "reference")
