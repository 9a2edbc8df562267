"""``cellula data embed``: vectors of cells and genes from a checkpoint, beside the values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cellula.cli.pairs import typed_pairs
from cellula.cli.terminal import TerminalProgress, print_json, say
from cellula.core.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["embed"]

#: So many genes that a checkpoint does not know are shown.
SHOWN = 5


def embed(
    source: Annotated[Path, typer.Argument(help="The file or folder of cells.")],
    kind: Annotated[
        str, typer.Option("--with", help="An embedder: rank_value, binned_value, precomputed, ...")
    ],
    checkpoint: Annotated[
        Path, typer.Option("--checkpoint", help="Its folder or file on this disk.")
    ],
    to: Annotated[Path, typer.Option("--to", help="File to write: .h5ad, .zarr, ...")],
    value_type: Annotated[
        str, typer.Option("--value-type", help="What the numbers are: counts or log1p.")
    ] = "counts",
    layer: Annotated[
        str | None, typer.Option("--layer", help="The layer that holds them (default: X).")
    ] = None,
    gene_column: Annotated[
        str, typer.Option("--gene-column", help="Column of var with the checkpoint's gene names.")
    ] = "",
    of: Annotated[
        str | None, typer.Option("--of", help="cells or genes (default: what it can).")
    ] = None,
    key: Annotated[str, typer.Option("--key", help="Name of the entry in obsm and varm.")] = "",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="name=value of the embedder; may be repeated."),
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="Reader, where the name does not tell it.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:N.")] = "cpu",
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write vectors into obsm (cells) and varm (genes), and in uns where they come from."""
    from tempfile import TemporaryDirectory

    from cellula.core.run import run_context
    from cellula.data.embedding import EmbeddingRequest
    from cellula.data.embedding import embed as embedded
    from cellula.io.formats import writer_of
    from cellula.io.presence import is_there

    if is_there(to) and not force:
        raise DataError(f"{to} is there already; give another name, or replace it: --force")
    writer = writer_of(to)
    request = EmbeddingRequest(
        kind,
        checkpoint,
        typed_pairs(option or (), "--option"),
        _value_type(value_type),
        _axis(of),
        key,
        layer,
        gene_column,
    )
    with TemporaryDirectory() as scratch:
        run = run_context(0, Path(scratch), device=device, progress=TerminalProgress())
        content, told = embedded(_matrix(source, format), source.name, request, run)
    writer.write(content, to)
    if as_json:
        print_json({"out": str(to), "embeddings": told})
        return
    for entry, one in told.items():
        _print_entry(entry, one)
    say(f"wrote    {to}")


def _matrix(source: Path, format: str | None) -> AnnData:
    from anndata import AnnData

    from cellula.io.formats import read
    from cellula.io.presence import is_there

    if not is_there(source):
        raise DataError(f"there is no file {str(source)!r}; check the path")
    content = read(source, format)
    if not isinstance(content, AnnData):
        raise DataError(
            f"{source.name} holds a {type(content).__name__}; an embedder takes one annotated "
            "matrix (of several modalities write one: cellula data convert --modality)"
        )
    return content


def _value_type(text: str) -> Any:
    from cellula.core.value_type import ValueType

    if text not in ("counts", "log1p"):
        raise DataError(f"--value-type is {text!r}; an embedder takes counts or log1p")
    return ValueType(text)


def _axis(text: str | None) -> Any:
    if text not in (None, "cells", "genes"):
        raise DataError(f"--of is {text!r}; expected cells or genes")
    return text


def _print_entry(entry: str, told: dict[str, Any]) -> None:
    """The entry, whose it is, and what the checkpoint does not know."""
    card = told["checkpoint"]
    name = " ".join(filter(None, (card["name"], card["version"])))
    say(f"{entry:<24} {told['dimensions']} dimensions by {card['kind']} of {name}")
    say(f"  licence     {card['license']}")
    say(f"  fingerprint {card['fingerprint']}")
    missing = told["missing"]
    shown = ", ".join(missing[:SHOWN]) + (" ..." if len(missing) > SHOWN else "")
    say(f"  coverage    {told['coverage']:.1%}" + (f", without {shown}" if missing else ""))
