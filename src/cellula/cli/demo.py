"""``cellula demo``: the default study on public data, from nothing to a verified dossier."""

from __future__ import annotations

import time
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from cellula.cli.study import plain_standing, run_registered
from cellula.cli.terminal import print_json, print_standings, print_verdicts, say

__all__ = ["demo"]


def demo(
    workspace: Annotated[
        Path, typer.Option("--workspace", help="Folder for everything that the demo writes.")
    ] = Path("cellula-workspace"),
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Where fetched data are kept.")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Predict drug response for unseen pairs and unseen tissues, and prove what came of it.

    Fetches the data, registers the study, runs it and verifies its bundle. A gate that fails
    is an answer: the demo ends with 0 when it completes.
    """
    from cellula.data.catalogue import source as catalogue
    from cellula.evidence.verify import verify_bundle
    from cellula.io.atomic import write_atomically
    from cellula.kernels.memory import peak_bytes
    from cellula.validation.credibility import standings
    from cellula.validation.preparation import prepare
    from cellula.validation.registration import register
    from cellula.validation.workspace import open_workspace

    began = time.perf_counter()
    catalogue.fetch(catalogue.source("gdsc"), cache)
    study = workspace / "gdsc.toml"
    write_atomically(study, files("cellula.cli").joinpath("studies/gdsc.toml").read_bytes())
    prepared = prepare(study, cache)
    place = open_workspace(workspace)
    register(prepared, place)
    result, page = run_registered(prepared, place, threads)
    found = verify_bundle(
        result.bundle,
        public_key=place.key.public_hex,
        head=result.head,
        ledger=result.ledger,
    )
    claims = standings(prepared.study.model_dump(mode="json"), result.verdicts, result.evidence)
    took, most = time.perf_counter() - began, peak_bytes()
    if as_json:
        print_json(
            {
                "claims": [plain_standing(one) for one in claims],
                "verdicts": result.verdicts,
                "is_intact": found.is_intact,
                "bundle": str(result.bundle),
                "dossier": str(page),
                "study": str(study),
                "took_s": took,
                "peak_bytes": most,
            }
        )
    else:
        print_verdicts(result.verdicts)
        say(f"verified {'intact' if found.is_intact else 'TAMPERED'}: {result.bundle}")
        say(f"dossier  {page}")
        print_standings(claims)
        say(f"study    {study}")
        say(f"took     {took:.0f} s, {most / 1e9:.1f} GB at most")
    if not found.is_intact:
        raise typer.Exit(3)
