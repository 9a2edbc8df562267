"""Sphinx settings; the pages are Markdown, the bibliography is the package's own."""

from __future__ import annotations

from importlib.metadata import version as installed

project = "cellula"
author = "The cellula maintainers"
copyright = "2026, The cellula maintainers"
version = release = installed("cellula")

extensions = ["myst_parser", "sphinxcontrib.bibtex"]
bibtex_bibfiles = ["../src/cellula/references.bib"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 2

html_theme = "alabaster"
html_title = "cellula"
html_theme_options = {"page_width": "60rem", "show_powered_by": False}
html_show_sourcelink = False
