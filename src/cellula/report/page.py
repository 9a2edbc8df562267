"""Templates of pages: HTML without script, network or foreign files; equal content, equal text."""

from __future__ import annotations

import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

__all__ = ["fill", "inline"]


def fill(template: str, content: dict[str, Any]) -> str:
    """A template of this package with its content; text between `backticks` is code."""
    environment = Environment(
        loader=PackageLoader("cellula.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["inline"] = inline
    return environment.get_template(template).render(content)


def inline(text: str) -> Markup:
    """Escaped text whose `backticked` parts are code."""
    parts = re.split(r"`([^`]*)`", text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )
