"""``cellula explain``: which features a fitted model, or one of its answers, rests on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, cast

import typer

from cellula.cli.fit import EXPLORATORY
from cellula.cli.terminal import print_json, say
from cellula.core.errors import DataError, MissingExtra

if TYPE_CHECKING:
    from cellula.core.model import Fitted
    from cellula.validation.fitted_folder import FittedCard

__all__ = ["explain"]

METHODS = ("integrated_gradients", "shap")


class _Asked(NamedTuple):
    perturbation: str
    context: str
    against: str | None
    readouts: tuple[str, ...]
    method: str


def explain(
    fitted: Annotated[Path, typer.Option("--fitted", help="Folder of the fitted model.")],
    perturbation: Annotated[
        str | None,
        typer.Option(
            "--perturbation",
            help="One row only: a perturbation, or a readout where the model explains readouts.",
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option("--context", help="Explain the answer to this perturbation here."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", help="Another perturbation: why the one and not the other."),
    ] = None,
    control: Annotated[
        Path | None, typer.Option("--control", help="Control profiles, for one answer.")
    ] = None,
    readout: Annotated[
        list[str] | None,
        typer.Option("--readout", help="May be repeated (default: those that move most)."),
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="integrated_gradients or shap, of one answer.")
    ] = METHODS[0],
    top: Annotated[int, typer.Option("--top", min=1, help="How many features.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the strongest features: of a model, of one perturbation, or of one answer."""
    from cellula.validation.exploratory import explain as explain_fitted
    from cellula.validation.fitted_folder import load_fitted, without_intervals

    model, card = load_fitted(fitted)
    model = without_intervals(model, card)
    if context is not None:
        if perturbation is None or control is None:
            raise DataError(
                "one answer is explained by --perturbation, --context and --control FILE together"
            )
        asked = _Asked(perturbation, context, against, tuple(readout or ()), method)
        _explain_answer(model, card, asked, control, (top, seed, as_json))
        return
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


def _explain_answer(
    model: Fitted, card: FittedCard, asked: _Asked, control: Path, how: tuple[int, int, bool]
) -> None:
    """Explain one answer of a learned model."""
    from tempfile import TemporaryDirectory

    from cellula.core.query import QueryTable
    from cellula.core.run import run_context
    from cellula.validation.exploratory import open_controls

    try:
        from cellula.governance.explain.answer import Asked, reasons_of
        from cellula.governance.explain.attributions import Method
    except ImportError as error:
        raise MissingExtra(
            f"explaining one answer needs {error.name}: pip install 'cellula[learned]'"
        ) from error
    if asked.method not in METHODS:
        raise DataError(f"{asked.method!r} is no method; expected {' or '.join(METHODS)}")
    top, seed, as_json = how
    labels = [asked.perturbation, *([] if asked.against is None else [asked.against])]
    queries = [QueryTable.of([label], [asked.context]) for label in labels]
    cells = open_controls(control, card, None, {})
    with TemporaryDirectory() as scratch:
        found = reasons_of(
            model,
            Asked(
                queries[0],
                queries[1] if len(queries) > 1 else None,
                asked.readouts,
                cast("Method", asked.method),
            ),
            cells,
            run_context(seed, Path(scratch)),
            top,
        )
    if as_json:
        print_json({"tier": card.tier, "reasons": found})
        return
    say(f"{card.model}: {' against '.join(labels)} in {asked.context}; {found.method}")
    moved = ", ".join(f"{name} {value:+.3g}" for name, value in found.readouts)
    say(f"moves    {moved}")
    width = max((len(name) for name, *_ in found.features), default=0)
    for rank, (name, size, total) in enumerate(found.features, 1):
        say(f"  {rank:>3}  {name:<{width}}  {size:.4g}  {total:+.4g}")
    say(f"the strongest {len(found.features)} of {found.n_features} features: mean size, sum")
    say(f"complete to {found.missing:.2%}; random weights rank features {found.randomised:+.2f}")
    say(EXPLORATORY)
