"""The application: all groups of verbs, and what becomes of an error."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from cellula.cli import (
    amend,
    cite,
    data,
    demo,
    engine,
    estimate,
    evaluate,
    explain,
    fit,
    perturb,
    plugins,
    predict,
    route,
    simulate,
    study,
    verify,
)
from cellula.core.errors import CellulaError, PrivacyError, Tampered

__all__ = ["app", "run"]

app = typer.Typer(
    name="cellula",
    help="Virtual cells whose answers carry their evidence.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("init")(study.init)
app.command("check")(study.check)
app.command("register")(study.register)
app.command("run")(study.run)
app.command("amend")(amend.amend)
app.command("dossier")(study.dossier)
app.command("verify")(verify.verify)
app.add_typer(data.app, name="data")
app.command("fit")(fit.fit)
app.command("estimate")(estimate.estimate)
app.command("predict")(predict.predict)
app.command("perturb")(perturb.perturb)
app.command("evaluate")(evaluate.evaluate)
app.command("explain")(explain.explain)
app.command("simulate")(simulate.simulate)
app.command("route")(route.route)
app.add_typer(engine.app, name="engine")
app.command("cite")(cite.cite)
app.command("plugins")(plugins.plugins)


def run() -> None:
    """Run the command; an error raised on purpose is one message and an exit code."""
    try:
        app()
    except CellulaError as error:
        sys.stderr.write(f"cellula: {error}\n")
        _forget_output()
        sys.exit(_code(error))
    except BrokenPipeError:
        _forget_output()
        sys.exit(1)
    except OSError as error:
        sys.stderr.write(f"cellula: {_refusal(error)}\n")
        _forget_output()
        sys.exit(1)


def _forget_output() -> None:
    """Forget what standard output could not take: the exit would try, and fail, once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refusal(error: OSError) -> str:
    """One message for what a disk or a folder refused where nobody expected it."""
    from cellula.io.atomic import storage_error

    where = error.filename if isinstance(error.filename, str) else "the temporary files"
    return str(storage_error(Path(where), "bytes", error))


def _code(error: CellulaError) -> int:
    if isinstance(error, Tampered):
        return 3
    if isinstance(error, PrivacyError):
        return 4
    return 1
