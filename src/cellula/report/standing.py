"""Drawings that stand alone: an SVG file with its own colours, for light and dark."""

from __future__ import annotations

from markupsafe import Markup

from cellula.report.svg import drawing, rectangle, tag

__all__ = ["standing"]

#: The dossier's colours: after Okabe and Ito, told apart by the colour-blind, in light and dark.
STYLE = """
svg{--paper:#fdfcfa;--ink:#1c1e21;--soft:#5b6168;--line:#dcd9d2;--d1:#0072b2;--d2:#d98a00}
@media (prefers-color-scheme:dark){svg{--paper:#15181b;--ink:#e9e7e2;--soft:#a8aeb5;--line:#343a40;
--d1:#56b4e9;--d2:#f0b93a}}
text{font:12px ui-sans-serif,system-ui,"Segoe UI","Liberation Sans",sans-serif;fill:var(--soft)}
text.ink{fill:var(--ink);font-weight:600}
.paper{fill:var(--paper)}.grid{stroke:var(--line)}.ax{stroke:var(--soft)}
.c1{fill:var(--d1)}.c2{fill:var(--d2)}
.s1{stroke:var(--d1);fill:none}.s2{stroke:var(--d2);fill:none}
.middle{stroke-width:2}.thin{stroke-width:.8;stroke-opacity:.35}.dashed{stroke-dasharray:5 4}
"""


def standing(width: float, height: float, alternative: str, *children: str) -> str:
    """A whole SVG file, with a text alternative; equal drawings give equal text."""
    style = tag("style", {}, Markup(STYLE))  # noqa: S704 -- a constant
    paper = rectangle(0, 0, width, height, "paper")
    made = drawing(width, height, alternative, style, paper, *children)
    opening = '<svg xmlns="http://www.w3.org/2000/svg"'
    return f"{str(made).replace('<svg', opening, 1)}\n"
