"""``cellula verify``: check a bundle without the machine that made it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellula.cli.terminal import print_json, say

__all__ = ["verify"]


def verify(
    bundle: Annotated[Path, typer.Argument(help="The .zip, or the folder it was unpacked to.")],
    key: Annotated[
        Path | None, typer.Option("--key", help="Public key of the signer (key.pub).")
    ] = None,
    head: Annotated[
        Path | None, typer.Option("--head", help="Exported signed head of the ledger.")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", help="Exported ledger (.jsonl) or ledger.sqlite.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Source data: file or folder; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every byte, signature, split and verdict of a bundle; exit 3 if one was changed."""
    from cellula.evidence.bundle import scan_bundle
    from cellula.evidence.keys import load_public
    from cellula.evidence.verify import verify_bundle
    from cellula.validation.recheck import decide_again

    public = load_public(key) if key is not None else None
    found = verify_bundle(bundle, public_key=public, head=head, ledger=ledger, data=data or ())
    if found.is_intact:
        found = found.and_then(decide_again(scan_bundle(bundle).files))
    if as_json:
        print_json({"is_intact": found.is_intact, "found": found})
    else:
        for problem in found.problems:
            say(f"✗ {problem}")
        for line in found.known:
            say(f"✓ {line}")
        for line in found.unknown:
            say(f"? not known: {line}")
        say("intact" if found.is_intact else "TAMPERED: do not rely on this bundle")
    if not found.is_intact:
        raise typer.Exit(3)
