"""``cellula cite``: the BibTeX of all that a study uses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellula.cli.terminal import print_json, say

__all__ = ["cite"]


def cite(
    file: Annotated[Path, typer.Argument(help="The study file, .toml or .yaml.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the references of a study's models, metrics, intervals and data as BibTeX."""
    from cellula.report.citing import bibtex, citations
    from cellula.validation.study import read_study

    found = citations(read_study(file))
    if as_json:
        print_json(found)
        return
    say(bibtex(found).rstrip("\n"))
