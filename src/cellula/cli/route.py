"""``cellula route``: test systems and models for an endpoint and a mechanism."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

import typer

from cellula.cli.terminal import print_json, say

if TYPE_CHECKING:
    from cellula.core.claim import ClaimKind
    from cellula.core.report import Report

__all__ = ["route"]

#: Nothing suits: the code of a question that is not eligible.
NOTHING_SUITS = 4
#: Columns of a line, and of the status before the names.
WIDTH, INDENT = 100, 15


def route(
    endpoint: Annotated[
        str | None, typer.Argument(help="What is measured, such as viability; none lists all.")
    ] = None,
    mechanism: Annotated[
        str, typer.Option("--mechanism", help="What has to bear the answer, such as kinetics.")
    ] = "association",
    claim: Annotated[
        str | None, typer.Option("--claim", help="What will be unseen, such as unseen_dose.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell which models and test systems suit a question, and why the others do not."""
    from cellula.applications.routing import RouteOptions, run

    if endpoint is None:
        _list(as_json)
        return
    report = run(endpoint, RouteOptions(mechanism, _kind(claim)))
    if as_json:
        tables = {name: table.to_dict("records") for name, table in report.tables.items()}
        print_json({"answer": report.answer, "cautions": report.cautions} | tables)
    else:
        _tell(report)
    if not report.numbers["models"] and not report.numbers["systems"]:
        raise typer.Exit(NOTHING_SUITS)


def _kind(claim: str | None) -> ClaimKind | None:
    from cellula.core.claim import ClaimKind
    from cellula.core.errors import StudyError

    if claim is None:
        return None
    try:
        return ClaimKind(claim)
    except ValueError as error:
        known = ", ".join(kind.value for kind in ClaimKind)
        raise StudyError(
            f"--claim {claim!r} is no kind of claim; expected one of {known}"
        ) from error


def _tell(report: Report) -> None:
    """What shares a reason stands together."""
    say(report.answer)
    for name, table in report.tables.items():
        say("")
        say("models" if name == "models" else "test systems")
        for (status, reason), rows in table.groupby(["status", "reason"], sort=False):
            lines = wrap(", ".join(rows["name"]), WIDTH - INDENT)
            say(f"  {status:<{INDENT - 2}}{lines[0]}")
            for line in lines[1:]:
                say(" " * INDENT + line)
            for line in wrap(reason, WIDTH - INDENT - 2):
                say(" " * (INDENT + 2) + line)
    for caution in report.cautions:
        say(f"! {caution}")


def _list(as_json: bool) -> None:
    """All endpoints and mechanisms."""
    from dataclasses import asdict

    from cellula.applications.routing.endpoints import ENDPOINTS
    from cellula.applications.routing.mechanisms import MECHANISMS

    if as_json:
        print_json(
            {
                "endpoints": [asdict(one) for one in ENDPOINTS],
                "mechanisms": [asdict(one) for one in MECHANISMS],
            }
        )
        return
    say("endpoints")
    for one in ENDPOINTS:
        say(f"  {one.name:<24} {one.what}; borne by {', '.join(one.mechanisms)}")
    say("")
    say("mechanisms")
    for two in MECHANISMS:
        say(f"  {two.name:<24} {two.what}")
