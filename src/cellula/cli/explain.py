"""``cellula explain``: which features the answers of a fitted model rest on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellula.cli.fit import EXPLORATORY
from cellula.cli.terminal import print_json, say

__all__ = ["explain"]


def explain(
    fitted: Annotated[Path, typer.Option("--fitted", help="Folder of the fitted model.")],
    perturbation: Annotated[
        str | None,
        typer.Option(
            "--perturbation",
            help="One row only: a perturbation, or a readout where the model explains readouts.",
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many features.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the strongest features, of one perturbation or on average over all."""
    from cellula.validation.exploratory import explain as explain_fitted
    from cellula.validation.fitted_folder import load_fitted

    model, card = load_fitted(fitted)
    found = explain_fitted(model, card, perturbation, top)
    if as_json:
        print_json({"tier": card.tier, "explanation": found})
        return
    of = f"of {found.row}" if found.row else f"mean size over {found.n_rows} rows"
    say(f"{card.model}: {found.method}, {of}")
    width = max((len(name) for name, _ in found.features), default=0)
    for rank, (name, value) in enumerate(found.features, 1):
        say(f"  {rank:>3}  {name:<{width}}  {value: .4g}")
    say(f"the strongest {len(found.features)} of {found.n_features} features; {EXPLORATORY}")
