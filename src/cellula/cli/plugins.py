"""``cellula plugins``: what is installed, and what is broken."""

from __future__ import annotations

from typing import Annotated

import typer

from cellula.cli.terminal import print_json, say

__all__ = ["plugins"]


def plugins(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every plug-in; one that cannot be loaded is listed with the reason."""
    from cellula.core import registry

    found = registry.plugins()
    if as_json:
        print_json(found)
        return
    for kind in registry.KINDS:
        for plugin in (item for item in found if item.kind == kind):
            word = "NOT INSTALLED" if plugin.is_missing else "BROKEN"
            state = f"  {word}: {plugin.problem}" if plugin.problem else ""
            say(f"{kind:<12} {plugin.name:<30} {plugin.package}{state}")
